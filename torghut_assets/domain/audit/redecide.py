"""Decide again what a pack says was decided: gates, paper gates, trial counts, approvals.

`redecide_trading` and `redecide_ramp` do the same for drift, rollbacks and the ramp.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from torghut_assets.domain.audit.faults import PackFault, PackFaultError
from torghut_assets.domain.audit.redecided import (
    Records,
    Redecided,
    require_exchange_sessions,
    require_same,
)
from torghut_assets.domain.backtest.overfit_records import OverfitDiagnostics
from torghut_assets.domain.backtest.trial_count import count_trials
from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.domain.backtest.trials import RegisterEntry
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
from torghut_assets.domain.tca.records import PaperTca

_LATER: Final = frozenset({Fault.KEY_REVOKED, Fault.APPROVAL_SPENT})
"""What may become of a good approval: its key is revoked, or a decision uses it up."""


def redecide_gate(report: GateReport, records: Records) -> Redecided:
    """Evaluate all gates again from the records and the policy that a report names.

    Raises
    ------
    PackFaultError
        With `decision_differs`, naming the first limit that comes out otherwise.
    CannotDecideError
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
    require_same(report, again, where)
    return Redecided(report.record_kind, report.subject, report.digest, report.verdict.value)


def redecide_paper_gate(report: PaperGateReport, records: Records) -> Redecided:
    """Evaluate gate 3 again over the window that a report names.

    The window must be of sessions of the exchange that follow each other.
    """
    where = f"paper gate report of {report.candidate_id} after {report.session}"
    sessions = tuple(ref.session for ref in report.window)
    require_exchange_sessions(sessions, where)

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
    require_same(report, again, where)
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
