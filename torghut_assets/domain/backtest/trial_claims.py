"""Does a record tell the truth about trials? Its number is counted again in the register.

`ticket_behind` asks where a backtest comes from, `check_count` and `check_diagnostics`
whether the N that a report shows is the register's.
"""

from collections.abc import Mapping, Sequence

from torghut_assets.domain.backtest.overfit_records import OverfitDiagnostics
from torghut_assets.domain.backtest.records import BacktestMetrics
from torghut_assets.domain.backtest.register_checks import RegisterFinding
from torghut_assets.domain.backtest.trial_count import TrialCount, count_trials
from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.domain.backtest.trials import (
    HoldoutReceipt,
    RegisterEntry,
    Trial,
    TrialOutcome,
    TrialTicket,
    check_result,
)
from torghut_assets.domain.errors import EvidenceError


class UnregisteredBacktestError(EvidenceError):
    """A backtest was not made under a ticket of this register."""

    def __init__(self, digest: str) -> None:
        self.digest = digest
        super().__init__(
            f"trial register: no finished ticket has the result {digest}. A backtest counts "
            "as evidence only if it was made under a ticket; evaluate with `torghut run`."
        )


def check_count(
    entries: Sequence[RegisterEntry], claimed: TrialCount, policies: Mapping[str, TrialPolicy]
) -> RegisterFinding | None:
    """Count again as of the entry that a claimed count names, and compare.

    Parameters
    ----------
    entries : sequence of RegisterEntry
        The whole register, verified.
    claimed : TrialCount
    policies : mapping of str to TrialPolicy
        By digest: the policies that a count may have been made under.

    Returns
    -------
    RegisterFinding or None
        What contradicts the claim: another history, an unknown policy or another count.
    """
    prefix = entries[: claimed.head_sequence]
    if len(prefix) < claimed.head_sequence or prefix[-1].digest != claimed.head_digest:
        return _differs(claimed, f"names the head {claimed.head_digest}, unknown to the register")
    policy = policies.get(claimed.policy_digest)
    if policy is None:
        return _differs(claimed, f"was made under the policy {claimed.policy_digest}, not at hand")
    try:
        actual = count_trials(prefix, claimed.candidate_id, policy)
    except EvidenceError as error:
        return _differs(claimed, str(error))
    if actual != claimed:
        return _differs(claimed, f"says N = {claimed.raw}, the register says N = {actual.raw}")
    return None


def check_diagnostics(
    entries: Sequence[RegisterEntry],
    claimed: OverfitDiagnostics,
    policies: Mapping[str, TrialPolicy],
) -> RegisterFinding | None:
    """Count again what overfitting statistics say that they counted, and find their ticket.

    Returns
    -------
    RegisterFinding or None
        What contradicts the record.
    """
    heads = [entry.sequence for entry in entries if entry.digest == claimed.trial_register_head]
    if not heads:
        return _differs(claimed, f"names the head {claimed.trial_register_head}, unknown here")
    finished = {e.result_digest for e in entries if isinstance(e, TrialOutcome)}
    if claimed.backtest_digest not in finished:
        return _differs(claimed, f"rests on {claimed.backtest_digest}, which no ticket made")
    receipts = {entry.digest for entry in entries if isinstance(entry, HoldoutReceipt)}
    if claimed.holdout is not None and claimed.holdout.receipt_digest not in receipts:
        return _differs(claimed, "shows a holdout result for which no receipt was burned")
    return _check_number(entries[: heads[0]], claimed, policies)


def _check_number(
    prefix: Sequence[RegisterEntry],
    claimed: OverfitDiagnostics,
    policies: Mapping[str, TrialPolicy],
) -> RegisterFinding | None:
    policy = policies.get(claimed.inputs.trial_policy_digest)
    if policy is None:
        return _differs(claimed, f"counts under {claimed.inputs.trial_policy_digest}, not at hand")
    try:
        count = count_trials(prefix, claimed.inputs.candidate_id, policy)
    except EvidenceError as error:
        return _differs(claimed, str(error))
    said = (claimed.trials_raw, claimed.trials_declared_outside)
    if said != (count.raw, count.declared_outside):
        return _differs(
            claimed,
            f"says N = {said[0]}, {said[1]} of it declared; the register says "
            f"N = {count.raw}, {count.declared_outside} of it declared",
        )
    return None


def ticket_behind(entries: Sequence[RegisterEntry], metrics: BacktestMetrics) -> TrialTicket:
    """Return the finished ticket whose result these metrics are.

    Raises
    ------
    UnregisteredBacktestError
        If the metrics were made without a ticket, or in another home.
    EvidenceContradictionError
        If the ticket was for other inputs or another grid.
    """
    tickets = {entry.sequence: entry for entry in entries if isinstance(entry, TrialTicket)}
    for outcome in entries:
        if isinstance(outcome, TrialOutcome) and outcome.result_digest == metrics.digest:
            ticket = tickets[outcome.ticket_sequence]
            check_result(ticket.trial, metrics)
            return ticket
    raise UnregisteredBacktestError(metrics.digest)


def finished_backtests(
    entries: Sequence[RegisterEntry], count: TrialCount, *, but: Trial
) -> tuple[str, ...]:
    """Digests of the backtests of a family, one per distinct evaluation, but one.

    A backtest is a finished ticket that gave returns. If an evaluation was computed more than
    once, the newest result is named.
    """
    tickets = {entry.sequence: entry for entry in entries if isinstance(entry, TrialTicket)}
    family = {member.candidate_id for member in count.members}
    newest: dict[str, str] = {}
    for outcome in entries:
        if not isinstance(outcome, TrialOutcome) or outcome.result_digest is None:
            continue
        trial = tickets[outcome.ticket_sequence].trial
        if outcome.returns_digest is not None and trial.inputs.candidate_id in family:
            newest[trial.evaluation_digest] = outcome.result_digest
    newest.pop(but.evaluation_digest, None)
    return tuple(newest.values())


def _differs(claimed: TrialCount | OverfitDiagnostics, detail: str) -> RegisterFinding:
    return RegisterFinding(
        code="claim_differs",
        sequence=claimed.head_sequence if isinstance(claimed, TrialCount) else 0,
        detail=f"{claimed.record_kind} {claimed.digest} {detail}",
    )
