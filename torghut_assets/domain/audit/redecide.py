"""Decide again what a pack says was decided: gates, paper gates, trial counts, approvals.

Each decision is a pure function of records and a policy, and all of these are in the pack. So
nobody has to believe a verdict: it is computed once more and compared byte for byte.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeVar

from torghut_assets.domain.audit.faults import PackFault, PackFaultError
from torghut_assets.domain.backtest.overfit_records import OverfitDiagnostics
from torghut_assets.domain.backtest.trial_count import count_trials
from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.domain.backtest.trials import RegisterEntry
from torghut_assets.domain.digests import canonical_json
from torghut_assets.domain.evidence.approval_records import Approval
from torghut_assets.domain.evidence.approvals import approvals_in
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.evidence.faults import Fault
from torghut_assets.domain.evidence.keys import KeyRing
from torghut_assets.domain.gates.evaluate import evaluate_gates
from torghut_assets.domain.gates.evidence import RECORD_TYPES, GateEvidence
from torghut_assets.domain.gates.paper_evaluate import evaluate_paper_gate
from torghut_assets.domain.gates.paper_evidence import PaperGateEvidence
from torghut_assets.domain.gates.paper_policy import PaperGatePolicy
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.gates.policy import GatePolicy
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.orders.records import PaperDeployment
from torghut_assets.domain.records import Record
from torghut_assets.domain.snapshots.calendar import load_sessions
from torghut_assets.domain.tca.records import PaperTca

RecordT = TypeVar("RecordT", bound=Record)
_CALENDAR: Final = "XNYS"
_LATER: Final = frozenset({Fault.KEY_REVOKED, Fault.APPROVAL_SPENT})
"""What may become of a good approval: its key is revoked, or a decision uses it up."""


class RedactedError(Exception):
    """A record that a decision needs is there without some of its fields."""

    def __init__(self, digest: str) -> None:
        self.digest = digest
        super().__init__(digest)


class RemovedError(Exception):
    """A record that a decision needs was removed under retention; a tombstone stands for it."""

    def __init__(self, digest: str, said: str) -> None:
        self.digest = digest
        self.said = said
        super().__init__(digest)


class Records(Protocol):
    """The records of a pack."""

    def load(self, model: type[RecordT], digest: str, *, needed_by: str) -> RecordT:
        """Return a record.

        Raises
        ------
        RedactedError
            If fields were taken out of it.
        RemovedError
            If a tombstone in the pack stands for it.
        PackFaultError
            With `record_missing` if it is not in the pack.
        EvidenceError
            If it is no such record.
        """
        ...


@dataclass(frozen=True)
class Redecided:
    """One decision that was computed again, with the same outcome."""

    kind: str
    subject: str
    digest: str
    verdict: str


def redecide_gate(report: GateReport, records: Records) -> Redecided:
    """Evaluate all gates again from the records and the policy that a report names.

    Raises
    ------
    PackFaultError
        With `decision_differs`, naming the first limit that comes out otherwise.
    RedactedError
        If that is not possible because fields were taken out.
    """
    where = f"gate report of {report.subject}"
    found: dict[str, Any] = {
        ref.name: records.load(RECORD_TYPES[ref.name], ref.digest, needed_by=where)
        for ref in report.inputs
        if ref.digest is not None
    }
    policy = records.load(GatePolicy, report.policy_digest, needed_by=where)
    evidence = replace(GateEvidence(report.candidate_id, report.snapshot_id), **found)
    again = evaluate_gates(evidence, policy, code_version=report.code_version)
    _require_same(report, again, where)
    return Redecided(report.record_kind, report.subject, report.digest, report.verdict.value)


def redecide_paper_gate(report: PaperGateReport, records: Records) -> Redecided:
    """Evaluate gate 3 again over the window that a report names.

    The window must be of sessions of the exchange that follow each other.
    """
    where = f"paper gate report of {report.candidate_id} after {report.session}"
    sessions = tuple(ref.session for ref in report.window)
    _require_exchange_sessions(sessions, where)

    def tca(digest: str | None) -> PaperTca | None:
        return None if digest is None else records.load(PaperTca, digest, needed_by=where)

    own = {ref.session: tca(ref.tca_digest) for ref in report.window}
    champions = {ref.session: tca(ref.champion_tca_digest) for ref in report.window}
    deployment = (
        None
        if report.deployment_digest is None
        else records.load(PaperDeployment, report.deployment_digest, needed_by=where)
    )
    evidence = PaperGateEvidence(
        candidate_id=report.candidate_id,
        session=report.session,
        deployment=deployment,
        expected_sessions=sessions,
        records={day: found for day, found in own.items() if found is not None},
        champion_records={day: found for day, found in champions.items() if found is not None},
    )
    policy = records.load(PaperGatePolicy, report.policy_digest, needed_by=where)
    again = evaluate_paper_gate(evidence, policy, code_version=report.code_version)
    _require_same(report, again, where)
    return Redecided(report.record_kind, str(report.subject), report.digest, report.verdict.value)


def recount_trials(
    overfit: OverfitDiagnostics, register: Sequence[RegisterEntry], records: Records
) -> Redecided:
    """Count the trials of a candidate again, in the register up to the entry that is named.

    Raises
    ------
    PackFaultError
        With `trials_differ` if the register does not hold that entry, or counts otherwise.
    """
    where = f"overfit diagnostics of {overfit.subject}"
    known = [entry.digest for entry in register]
    if overfit.trial_register_head not in known:
        raise PackFaultError(
            PackFault.TRIALS_DIFFER,
            location=where,
            detail=f"no entry of the trial register is {overfit.trial_register_head}",
        )
    seen = register[: known.index(overfit.trial_register_head) + 1]
    policy = records.load(TrialPolicy, overfit.inputs.trial_policy_digest, needed_by=where)
    count = count_trials(seen, overfit.inputs.candidate_id, policy)
    found = (count.raw, count.declared_outside)
    if found != (overfit.trials_raw, overfit.trials_declared_outside):
        raise PackFaultError(
            PackFault.TRIALS_DIFFER,
            location=where,
            detail=(
                f"the register counts {found[0]} trials, {found[1]} of them declared; the record "
                f"says {overfit.trials_raw} and {overfit.trials_declared_outside}"
            ),
        )
    return Redecided(
        "trial-count", str(overfit.subject), overfit.digest, f"{overfit.trials_raw} trials"
    )


def rejudge_approvals(entries: Sequence[LedgerEntry], ring: KeyRing) -> tuple[Redecided, ...]:
    """Judge every approval in a pack again, as of its own entry.

    Raises
    ------
    PackFaultError
        With `approval_invalid` if one never counted: expired when it was used, by an author,
        with a lifetime or a binding that is not possible.
    """
    own = [entry for entry in entries if entry.kind == "approval"]
    judged = []
    for number, entry in enumerate(own):
        where = f"ledger entry {entry.sequence}"
        approval = entry.statement.record(Approval, location=where)
        found = list(approvals_in(entries, approval.decision, ring))[number]
        if found.fault is not None and found.fault not in _LATER:
            raise PackFaultError(
                PackFault.APPROVAL_INVALID,
                location=where,
                detail=f"the approval of {approval.approver}: {found.fault.value}, {found.detail}",
            )
        decision = approval.decision
        outcome = "counts" if found.fault is None else found.fault.value
        subject = f"{decision.kind} of {decision.candidate_id or 'everything'}"
        judged.append(
            Redecided("approval", f"{subject} by {approval.approver}", approval.digest, outcome)
        )
    return tuple(judged)


def _require_exchange_sessions(sessions: tuple[str, ...], where: str) -> None:
    """Refuse a window that leaves a trading day out, or is out of order."""
    first, last = dt.date.fromisoformat(sessions[0]), dt.date.fromisoformat(sessions[-1])
    calendar = load_sessions(_CALENDAR, dt.date(first.year, 1, 1), dt.date(last.year, 12, 31))
    days = {str(day) for day in calendar.dates.astype("datetime64[D]")}
    days = {day for day in days if sessions[0] <= day <= sessions[-1]}
    if list(sessions) != sorted(days | {sessions[0], sessions[-1]}):
        raise PackFaultError(
            PackFault.DECISION_DIFFERS,
            location=where,
            detail="its window is not of all exchange sessions from the first to the last",
        )


def _require_same(report: Record, again: Record, where: str) -> None:
    if again.digest == report.digest:
        return
    first = first_difference(report.model_dump(mode="json"), again.model_dump(mode="json"))
    raise PackFaultError(
        PackFault.DECISION_DIFFERS,
        location=where,
        detail=f"decided again from its records, {first}",
    )


def first_difference(one: Any, other: Any, path: str = "") -> str:
    """Name the first place at which two documents differ, and both values."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            if one.get(name) != other.get(name):
                step = f"{path}.{name}" if path else name
                return first_difference(one.get(name), other.get(name), step)
    if isinstance(one, list) and isinstance(other, list):
        for number, (left, right) in enumerate(zip(one, other, strict=False)):
            if left != right:
                named = left.get("name") or left.get("gate_id") if isinstance(left, dict) else None
                return first_difference(left, right, f"{path}[{named or number}]")
        return f"{path} has {len(other)} items, the record says {len(one)}"
    shown = [canonical_json(value).decode("utf-8")[:80] for value in (other, one)]
    return f"{path} is {shown[0]}, the record says {shown[1]}"


REDECIDED: Final[Mapping[str, tuple[type[Record], Callable[..., Redecided]]]] = {
    GateReport.record_kind: (GateReport, redecide_gate),
    PaperGateReport.record_kind: (PaperGateReport, redecide_paper_gate),
}
"""Record kind of a decision to its form and the function that decides it again."""
