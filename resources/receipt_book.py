"""The stage receipts of a home: appended once, chained by digest, their head kept elsewhere.

The file and its guards are those of every register (`register_file`). A book that contradicts
itself or its anchor is neither read nor continued.
"""

import datetime as dt
import getpass
import os
from collections.abc import Callable, Sequence
from typing import Final

from torghut_assets.domain.backtest.register_checks import RegisterFinding
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.stages.receipts import StageDecision, StageReceipt, read_receipt
from torghut_assets.resources.clock import utc_now
from torghut_assets.resources.event_log import log_event
from torghut_assets.resources.home import Home
from torghut_assets.resources.known_register import KnownRegister
from torghut_assets.resources.register_file import RegisterFile, RegisterKind


class ReceiptBookBrokenError(EvidenceError):
    """The receipts contradict themselves or their anchor: decisions may be missing."""

    def __init__(self, location: str, finding: RegisterFinding) -> None:
        self.location = location
        self.finding = finding
        super().__init__(
            f"{location} receipt {finding.sequence}: {finding.code}, {finding.detail}. Decisions "
            "may be missing, so nobody's stage is known; restore the file from a backup."
        )


RECEIPTS: Final = RegisterKind("the book of stage receipts", ReceiptBookBrokenError)
Plan = Callable[[tuple[StageReceipt, ...]], Sequence[StageDecision]]


class ReceiptBook:
    """Receipts of all candidates of one home, in one order."""

    def __init__(self, home: Home, clock: Callable[[], dt.datetime] = utc_now) -> None:
        self._file = RegisterFile(home.receipts_path, home.receipts_anchor_path, RECEIPTS)
        self._known = KnownRegister(self._file, read_receipt)
        self._clock = clock

    def receipts(self) -> tuple[StageReceipt, ...]:
        """Return all receipts, after every digest, link and the anchor were checked.

        Raises
        ------
        ReceiptBookBrokenError
            If anything was altered, cut off or put in.
        """
        anchor = self._file.read_anchor()  # before the rows: they may only get more
        return self._known.entries(self._file.rows_after, anchor)

    def append(self, plan: Plan) -> tuple[StageReceipt, ...]:
        """Append what `plan` makes of the receipts so far, as the only writer, all or nothing.

        Returns
        -------
        tuple of StageReceipt
            What was appended.
        """
        appended: list[StageReceipt] = []
        actor, now = current_actor(), self._clock()
        with self._file.appending() as (session, anchor):
            for decision in plan(self._known.entries(session.rows_after, anchor)):
                receipt = StageReceipt(
                    sequence=session.head_sequence + 1,
                    previous_digest=session.head_digest,
                    recorded_at=now,
                    actor=actor,
                    decision=decision,
                )
                session.append(receipt)
                appended.append(receipt)
        for receipt in appended:
            log_event(
                "stage_decided",
                candidate=receipt.decision.candidate_id,
                session=receipt.decision.session,
                stage=receipt.decision.stage,
                outcome=receipt.outcome.value,
                to_stage=receipt.decision.to_stage,
                digest=receipt.digest,
                sequence=receipt.sequence,
            )
        return tuple(appended)


def current_actor() -> str:
    """Return the name of the account that this process runs under."""
    try:
        return getpass.getuser()[:80]
    except (OSError, KeyError, ImportError):
        return f"uid {os.getuid()}"
