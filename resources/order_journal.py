"""The order journal of a home: what was asked of brokers and what came of it, appended once.

The file and its guards are those of every register (`register_file`). Claims are appended
before an order is sent, `submit` before the broker is called and the answer after it: whatever
moment a process is killed at, the journal says what may have happened. What was read is kept,
and only the rows after it are read and verified the next time.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Final

from torghut_assets.domain.backtest.register_checks import (
    RegisterFinding,
    check_head,
    inspect_register,
)
from torghut_assets.domain.backtest.trials import GENESIS_DIGEST, RegisterRow, TrialAnchor
from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.orders.journal import Ledger, OrderEntry, OrderNote, read_order_entry
from torghut_assets.domain.orders.keys import OrderRequest
from torghut_assets.resources.clock import utc_now
from torghut_assets.resources.event_log import log_event
from torghut_assets.resources.home import Home
from torghut_assets.resources.register_file import Appending, RegisterFile, RegisterKind


class OrderJournalBrokenError(EvidenceError):
    """The journal contradicts itself or its anchor: orders may be missing."""

    def __init__(self, location: str, finding: RegisterFinding) -> None:
        self.location = location
        self.finding = finding
        super().__init__(
            f"{location} entry {finding.sequence}: {finding.code}, {finding.detail}. Orders may "
            "be missing, so nothing more is sent; restore the file from a backup and reconcile "
            "with the broker."
        )


ORDERS: Final = RegisterKind("the order journal", OrderJournalBrokenError)
Plan = Callable[[Ledger], Sequence[OrderNote]]


class OrderJournal:
    """Notes about all orders of one home, in one order. Use one object per process."""

    def __init__(self, home: Home, clock: Callable[[], dt.datetime] = utc_now) -> None:
        self._file = RegisterFile(home.order_journal_path, home.order_journal_anchor_path, ORDERS)
        self._clock = clock
        self._forget()

    def ledger(self) -> Ledger:
        """Return the state of every order, after everything new was verified. Do not change it.

        Raises
        ------
        OrderJournalBrokenError
            If anything was altered, cut off or put in.
        UnexplainedOrderError, ImpossibleEventError, KeyReusedError
            If the entries tell a story that cannot be.
        """
        if self._file.file_id() != self._file_id:
            self._forget()
        anchor = self._file.read_anchor()  # before the rows: they may only get more
        self._take(self._file.rows_after(len(self._digests)), anchor)
        return self._ledger

    def append(self, plan: Plan) -> tuple[OrderNote, ...]:
        """Append what `plan` makes of the state so far, as the only writer, all or nothing.

        Returns
        -------
        tuple of OrderNote
            What was appended: notes that change nothing (a claim that is known already, a fill
            that was reported before) are left out.
        """
        try:
            with self._file.appending() as (session, anchor):
                if self._file.file_id() != self._file_id:
                    self._forget()
                self._take(session.rows_after(len(self._digests)), anchor)
                written = self._append_all(plan(self._ledger), session)
        except BaseException:
            self._forget()  # what was folded may not be in the file
            raise
        for note in written:
            log_event(
                "order_noted",
                candidate=note.candidate_id,
                session=note.session,
                order_key=note.key,
                order_event=note.event,
            )
        return written

    def claim(self, requests: Sequence[OrderRequest], at: str) -> tuple[OrderNote, ...]:
        """Claim orders; one that is claimed already is left as it is.

        Raises
        ------
        KeyReusedError
            If a key is known with another body. Nothing is claimed then.
        """
        return self.append(
            lambda _: [
                OrderNote(
                    key=request.key,
                    candidate_id=request.candidate_id,
                    session=request.session,
                    event="claim",
                    at=at,
                    request=request,
                )
                for request in requests
            ]
        )

    def _append_all(self, notes: Sequence[OrderNote], session: Appending) -> tuple[OrderNote, ...]:
        written = []
        now = self._clock()
        for note in notes:
            before = self._ledger.orders.get(note.key)
            self._ledger.apply(note)
            if before is not None and self._ledger.orders[note.key] is before:
                continue
            entry = OrderEntry(
                sequence=session.head_sequence + 1,
                previous_digest=session.head_digest,
                recorded_at=now,
                note=note,
            )
            session.append(entry)
            self._digests.append(session.head_digest)
            written.append(note)
        self._file_id = self._file.file_id()
        return tuple(written)

    def _forget(self) -> None:
        self._ledger = Ledger()
        self._digests: list[str] = []
        self._file_id = self._file.file_id()

    def _take(self, rows: Sequence[RegisterRow], anchor: TrialAnchor | None) -> None:
        """Verify new rows against what is known, and fold them."""
        try:
            for entry in self._verified(rows, anchor):
                self._ledger.apply(entry.note)
                self._digests.append(sha256_hex(entry.canonical_bytes()))
        except EvidenceError:
            self._forget()
            raise

    def _verified(
        self, rows: Sequence[RegisterRow], anchor: TrialAnchor | None
    ) -> list[OrderEntry]:
        known = len(self._digests)
        if known == 0:
            findings, entries = inspect_register(rows, anchor, read_order_entry)
            for finding in findings:
                if finding.severity == "broken":
                    raise OrderJournalBrokenError(str(self._file.path), finding)
            return entries
        new: list[OrderEntry] = []
        digests = list(self._digests)
        for row in rows:
            entry = read_order_entry(row)
            whole = (row.sequence, entry.sequence, entry.previous_digest, row.digest) == (
                len(digests) + 1,
                len(digests) + 1,
                digests[-1] if digests else GENESIS_DIGEST,
                sha256_hex(row.payload),
            )
            if not whole:
                raise OrderJournalBrokenError(
                    str(self._file.path),
                    RegisterFinding(
                        code="chain_break",
                        sequence=row.sequence,
                        detail=f"does not follow entry {len(digests)}",
                    ),
                )
            digests.append(row.digest)
            new.append(entry)
        known_there = anchor is not None and 0 < anchor.sequence <= len(digests)
        at_anchor = digests[anchor.sequence - 1] if anchor is not None and known_there else None
        broken = check_head(anchor, len(digests), at_anchor)
        if broken is not None:
            raise OrderJournalBrokenError(str(self._file.path), broken)
        return new
