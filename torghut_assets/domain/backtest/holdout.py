"""The final holdout: the last months of a snapshot, which a family may look at once.

A backtest is handed the bars before the window only. A look burns a receipt before the
bars are handed out, so that a crash cannot give it back.
"""

import calendar
import datetime as dt
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import Field

from torghut_assets.domain.backtest.families import family_of
from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.domain.backtest.trials import (
    HoldoutReceipt,
    RegisterEntry,
    Trial,
    TrialOutcome,
    TrialTicket,
)
from torghut_assets.domain.errors import BadInputError, EvidenceError
from torghut_assets.domain.records import Part


class HoldoutWindow(Part):
    """Bars `[first_bar, end_bar)` and the dates (UTC) of the first and the last of them."""

    first_bar: int = Field(ge=1)
    end_bar: int
    first_session: dt.date
    last_session: dt.date


class HoldoutSpentError(EvidenceError):
    """The family has had its look at a final holdout."""

    def __init__(self, trial: Trial, receipts: Sequence[HoldoutReceipt], allowed: int) -> None:
        self.receipts = tuple(receipt.sequence for receipt in receipts)
        super().__init__(
            f"final holdout of '{trial.inputs.candidate_id}': its family has looked "
            f"{len(receipts)} times (register entries {list(self.receipts)}), the policy allows "
            f"{allowed}. Decide on the evidence there is, or wait for data that nobody has seen."
        )


class HoldoutTooEarlyError(EvidenceError):
    """The evaluation has no finished backtest, so nobody knows yet which family it is of."""

    def __init__(self, trial: Trial) -> None:
        super().__init__(
            f"final holdout of '{trial.inputs.candidate_id}': this evaluation has no finished "
            "backtest with returns in the trial register. Finish the backtest first."
        )


def holdout_window(times: npt.NDArray[np.datetime64], months: int) -> HoldoutWindow | None:
    """Return the last calendar months of a snapshot, or `None` if nothing is held back.

    The window starts on the day after the last bar's day `months` months earlier (on that
    month's last day if it is shorter).

    Parameters
    ----------
    times : ndarray of datetime64, shape (n_bars,)
        Bar labels in UTC, strictly increasing.
    months : int
        Length of the window, 0 or more.

    Raises
    ------
    BadInputError
        If no bar is left before the window.
    """
    if months == 0:
        return None
    days = times.astype("datetime64[D]")
    if days.size == 0:
        raise _too_short(0, months)
    last = days[-1].astype(dt.date)
    month_number = last.year * 12 + last.month - 1 - months
    year, month = divmod(month_number, 12)
    if year < dt.MINYEAR:
        raise _too_short(days.size, months)
    day = min(last.day, calendar.monthrange(year, month + 1)[1])
    last_before = dt.date(year, month + 1, day)
    first_bar = int(np.searchsorted(days, np.datetime64(last_before), side="right"))
    if first_bar == 0:
        raise _too_short(days.size, months)
    return HoldoutWindow(
        first_bar=first_bar,
        end_bar=int(days.size),
        first_session=days[first_bar].astype(dt.date),
        last_session=last,
    )


def earlier_look(
    entries: Sequence[RegisterEntry], trial: Trial, window: HoldoutWindow
) -> HoldoutReceipt | None:
    """Return the receipt of the identical look, if there was one: seeing it again is free.

    Identical is the same evaluation (`Trial.evaluation_digest`) on the same window.
    """
    for entry in entries:
        if (
            isinstance(entry, HoldoutReceipt)
            and entry.evaluation_digest == trial.evaluation_digest
            and (entry.first_session, entry.last_session)
            == (window.first_session, window.last_session)
        ):
            return entry
    return None


def next_look(
    entries: Sequence[RegisterEntry], trial: Trial, window: HoldoutWindow, policy: TrialPolicy
) -> int:
    """Return the number of the look that this family may take now, from 1.

    Raises
    ------
    HoldoutTooEarlyError
        If the evaluation has not finished a backtest: without its returns a renamed copy
        of a strategy could not be told from a new one.
    HoldoutSpentError
        If the policy allows no further look.
    """
    tickets = {entry.sequence: entry for entry in entries if isinstance(entry, TrialTicket)}
    compared = any(
        isinstance(entry, TrialOutcome)
        and entry.returns_digest is not None
        and tickets[entry.ticket_sequence].trial.evaluation_digest == trial.evaluation_digest
        for entry in entries
    )
    if not compared:
        raise HoldoutTooEarlyError(trial)
    family = family_of(entries, trial.inputs.candidate_id, policy)
    looks = [
        entry
        for entry in entries
        if isinstance(entry, HoldoutReceipt) and entry.candidate_id in family.candidates
    ]
    spent = [look for look in looks if _uses_up(look, window, policy)]
    if len(spent) >= policy.holdout_looks_per_family:
        raise HoldoutSpentError(trial, spent, policy.holdout_looks_per_family)
    return len(looks) + 1


def _uses_up(look: HoldoutReceipt, window: HoldoutWindow, policy: TrialPolicy) -> bool:
    """Whether an earlier look counts against a look at `window`."""
    overlaps = (
        look.first_session <= window.last_session and window.first_session <= look.last_session
    )
    return overlaps or not policy.grant_disjoint_windows


def _too_short(n_bars: int, months: int) -> BadInputError:
    return BadInputError(
        location="final holdout",
        found=f"{n_bars} bars, none of them before the last {months} months",
        expected="a snapshot longer than the holdout",
        action="Take a longer snapshot, or lower holdout_months in trial_policy.yaml.",
    )
