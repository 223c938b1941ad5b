"""The trial register: a numbered ticket before any price is read, and what came of it.

Open a ticket with `under_ticket`, read bars through `bar_vault.BarVault`, `finish` it in
the same process. A ticket whose process died is marked abandoned by the next one that is
opened; every ticket counts, however it ended. `docs/trials.md` says what this stops.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypedDict

from torghut_assets.domain.backtest.families import ReturnSeries
from torghut_assets.domain.backtest.holdout import HoldoutWindow, earlier_look, next_look
from torghut_assets.domain.backtest.register_checks import (
    RegisterFinding,
    verify_register,
)
from torghut_assets.domain.backtest.return_correlation import correlations_with_earlier
from torghut_assets.domain.backtest.trial_count import TrialCount, count_trials
from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.domain.backtest.trials import (
    Acknowledgement,
    CorrelatedTicket,
    HoldoutReceipt,
    RegisterEntry,
    RegisterRelocation,
    Trial,
    TrialAnchor,
    TrialOutcome,
    TrialTicket,
    read_entry,
)
from torghut_assets.domain.errors import BadInputError, EvidenceError
from torghut_assets.resources.clock import utc_now
from torghut_assets.resources.known_register import KnownRegister
from torghut_assets.resources.register_file import Appending, RegisterFile
from torghut_assets.resources.ticket_locks import TicketLocks


class _Position(TypedDict):
    sequence: int
    previous_digest: str
    recorded_at: dt.datetime


class StoredReturns(NamedTuple):
    """Out-of-sample returns of a result: their digest, and how to load any such digest."""

    digest: str
    load: Callable[[str], ReturnSeries]


class TicketNotOpenError(EvidenceError):
    """A ticket is not of this register, or has ended."""

    def __init__(self, ticket: TrialTicket, problem: str) -> None:
        self.ticket_sequence = ticket.sequence
        super().__init__(
            f"trial ticket {ticket.sequence} of '{ticket.trial.inputs.candidate_id}': {problem}. "
            "Bars are handed out only under a ticket that is open; take a new one."
        )


class TrialRegister:
    """Append-only register of trials in one file, with its head anchored in another.

    Any number of processes may use it at once. What is not whole is neither counted nor
    continued: every method raises `TrialRegisterBrokenError` then, except `verify`.
    """

    def __init__(
        self,
        path: Path,
        anchor_path: Path,
        policy: TrialPolicy,
        clock: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        self._file = RegisterFile(path, anchor_path)
        self._known = KnownRegister(self._file, read_entry)
        self._clock = clock
        self._locks = TicketLocks(path.with_name(path.name + ".open"))
        self.policy = policy

    def entries(self) -> tuple[RegisterEntry, ...]:
        """Return all entries, after every digest, link and the anchor were checked."""
        anchor = self._file.read_anchor()  # before the rows: they may only get more
        return self._known.entries(self._file.rows_after, anchor)

    def verify(self) -> tuple[RegisterFinding, ...]:
        """Return all that is wrong, or worth knowing, about this register."""
        anchor = self._file.read_anchor()
        findings = list(verify_register(self._file.rows_after(0), anchor))
        if not self._file.guards_intact():
            detail = "table or triggers are not as this project makes them: somebody edited"
            findings.append(RegisterFinding(code="guards_missing", sequence=0, detail=detail))
        if anchor is not None and self._is_another_file(anchor):
            detail = "the register is another file than the anchor knows: copied or restored"
            findings.append(
                RegisterFinding(code="relocated", sequence=anchor.sequence, detail=detail)
            )
        return tuple(findings)

    def count(self, candidate_id: str) -> TrialCount:
        """Count the trials of a candidate's family."""
        return count_trials(self.entries(), candidate_id, self.policy)

    @contextmanager
    def under_ticket(self, trial: Trial) -> Iterator[TrialTicket]:
        """Open a ticket; whatever leaves the block without `finish` is abandoned."""
        ticket = self.open_ticket(trial)
        try:
            yield ticket
        finally:
            if self._ended(ticket, self._file) is None:
                self.abandon(ticket)

    def open_ticket(self, trial: Trial) -> TrialTicket:
        """Write the next ticket. From now on the trial counts."""
        held = 0
        try:
            with self._appending() as session:
                for sequence in self._locks.without_a_process():
                    self._abandon_the_dead(session, sequence)
                ticket = TrialTicket(**self._next(session), trial=trial)
                self._locks.hold(ticket.sequence)
                held = ticket.sequence
                session.append(ticket)
        except BaseException:
            if held:
                self._locks.let_go(held)
            raise
        return ticket

    def finish(
        self, ticket: TrialTicket, result_digest: str, returns: StoredReturns | None = None
    ) -> TrialOutcome:
        """Write the result of a ticket, with the earlier trials that it correlates with.

        `result_digest` names the record that was made under the ticket. A backtest gives its
        `returns`: a renamed copy of an earlier strategy is found by them.

        Raises
        ------
        TicketNotOpenError
            If the ticket is not of this register or has ended.
        """
        measured = self._correlations(ticket, returns, {})  # without the lock: it may take long
        with self._appending() as session:
            self._require_open(ticket, session)
            measured = self._correlations(ticket, returns, measured)  # with those finished since
            correlated = tuple(
                CorrelatedTicket(ticket_sequence=sequence, correlation=value)
                for sequence, value in sorted(measured.items())
                if value is not None and abs(value) >= self.policy.recorded_correlation
            )
            outcome = TrialOutcome(
                **self._next(session),
                ticket_sequence=ticket.sequence,
                ticket_digest=ticket.digest,
                status="finished",
                result_digest=result_digest,
                returns_digest=returns.digest if returns else None,
                correlated=correlated,
            )
            session.append(outcome)
        self._locks.let_go(ticket.sequence)
        return outcome

    def abandon(self, ticket: TrialTicket) -> TrialOutcome:
        """Write that a ticket ended without a result. Its trials count all the same."""
        with self._appending() as session:
            self._require_open(ticket, session)
            outcome = self._abandoned(session, ticket)
        self._locks.let_go(ticket.sequence)
        return outcome

    def require_open(self, ticket: TrialTicket) -> None:
        """Refuse a ticket that is not of this register, or that has ended.

        Raises
        ------
        TicketNotOpenError
            If it is not, or has.
        TrialRegisterBrokenError
            If the register contradicts its anchor.
        """
        self._file.require_anchored()
        self._require_open(ticket, self._file)

    def burn_holdout(self, ticket: TrialTicket, window: HoldoutWindow) -> HoldoutReceipt:
        """Write the receipt of a look at a final holdout; the identical look is free.

        Raises
        ------
        HoldoutTooEarlyError, HoldoutSpentError
            If the family may not look.
        """
        with self._appending() as session:
            self._require_open(ticket, session)
            entries = self.entries()
            if receipt := earlier_look(entries, ticket.trial, window):
                return receipt
            receipt = HoldoutReceipt(
                **self._next(session),
                ticket_sequence=ticket.sequence,
                ticket_digest=ticket.digest,
                candidate_id=ticket.trial.inputs.candidate_id,
                manifest_digest=ticket.trial.inputs.manifest_digest,
                evaluation_digest=ticket.trial.evaluation_digest,
                policy_digest=self.policy.digest,
                look=next_look(entries, ticket.trial, window, self.policy),
                first_session=window.first_session,
                last_session=window.last_session,
            )
            session.append(receipt)
        return receipt

    def acknowledge(self, sequence: int, *, by: str, reason: str) -> Acknowledgement:
        """Answer for a relocation of the register, for good and visibly."""
        with self._appending() as session:
            row = next(iter(session.rows_after(sequence - 1)), None)
            if row is None or not isinstance(read_entry(row), RegisterRelocation):
                raise BadInputError(
                    location="trial register entry",
                    found=str(sequence),
                    expected="the sequence of a relocation; see `torghut trials verify`",
                )
            position = self._next(session)
            entry = Acknowledgement(**position, subject_sequence=sequence, by=by, reason=reason)
            session.append(entry)
        return entry

    @contextmanager
    def _appending(self) -> Iterator[Appending]:
        with self._file.appending() as (session, anchor):
            if anchor is not None and anchor.sequence and self._is_another_file(anchor):
                session.append(
                    RegisterRelocation(**self._next(session), anchored_sequence=anchor.sequence)
                )
            yield session

    def _next(self, session: Appending) -> _Position:
        return {
            "sequence": session.head_sequence + 1,
            "previous_digest": session.head_digest,
            "recorded_at": self._clock(),
        }

    def _is_another_file(self, anchor: TrialAnchor) -> bool:
        return anchor.sequence > 0 and anchor.file_id != self._file.file_id()

    def _correlations(
        self, ticket: TrialTicket, returns: StoredReturns | None, known: dict[int, float | None]
    ) -> dict[int, float | None]:
        if returns is None:
            return {}
        own, load = returns.load(returns.digest), returns.load
        overlap = self.policy.min_overlap_bars
        return correlations_with_earlier(
            self.entries(), ticket, own, load, min_overlap=overlap, known=known
        )

    def _require_open(self, ticket: TrialTicket, source: Appending | RegisterFile) -> None:
        if outcome := self._ended(ticket, source):
            raise TicketNotOpenError(ticket, f"{outcome.status} in entry {outcome.sequence}")

    def _ended(self, ticket: TrialTicket, source: Appending | RegisterFile) -> TrialOutcome | None:
        rows = source.rows_after(ticket.sequence - 1)
        if not rows or rows[0].payload != ticket.canonical_bytes():
            raise TicketNotOpenError(ticket, "this register did not issue it")
        for entry in map(read_entry, rows[1:]):
            if isinstance(entry, TrialOutcome) and entry.ticket_sequence == ticket.sequence:
                return entry
        return None

    def _abandon_the_dead(self, session: Appending, sequence: int) -> None:
        """Write the outcome of a ticket whose process is gone, unless it has one."""
        rows = session.rows_after(sequence - 1)
        ticket = read_entry(rows[0]) if rows else None
        if isinstance(ticket, TrialTicket) and self._ended(ticket, session) is None:
            self._abandoned(session, ticket)
        self._locks.let_go(sequence)

    def _abandoned(self, session: Appending, ticket: TrialTicket) -> TrialOutcome:
        outcome = TrialOutcome(
            **self._next(session),
            ticket_sequence=ticket.sequence,
            ticket_digest=ticket.digest,
            status="abandoned",
            result_digest=None,
            returns_digest=None,
            correlated=(),
        )
        session.append(outcome)
        return outcome
