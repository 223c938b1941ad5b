"""The conditions of the stages that trade, and of the one that takes it back.

Read with `research_conditions`, which says what such a function is. Only a breach fails: what
is not approved, not long enough or not there yet holds the candidate where it is, because a
failure of a deployed stage leads to the rollback.
"""

from torghut_assets.domain.backtest.records import BacktestMetrics, TargetWeights
from torghut_assets.domain.candidates.records import CandidateSpec, StrategyBuild
from torghut_assets.domain.drift.policy import DriftPolicy
from torghut_assets.domain.drift.records import DriftReport
from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.gates.paper_policy import PaperGatePolicy
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.orders.keys import key_faults
from torghut_assets.domain.orders.limits import OrderLimits
from torghut_assets.domain.orders.policy import PaperPolicy
from torghut_assets.domain.orders.records import (
    FINAL_STATUSES,
    OrderIntents,
    PaperDeployment,
    PaperFills,
    PaperOrders,
)
from torghut_assets.domain.rollback.records import IncidentReport, RollbackPlan, RollbackReceipt
from torghut_assets.domain.stages.evidence import Found, Outcome, StageEvidence, require_agreement
from torghut_assets.domain.tca.records import PaperTca
from torghut_assets.domain.verdicts import Verdict

_OUTCOME = {
    Verdict.PASS: Outcome.PASS,
    Verdict.FAIL: Outcome.FAIL,
    Verdict.INCONCLUSIVE: Outcome.INCONCLUSIVE,
}


def kill_switch_is_off(evidence: StageEvidence) -> Found:
    """Nobody has stopped all trading, or this candidate's."""
    if (reason := evidence.kill_reason()) is not None:
        return Outcome.INCONCLUSIVE, f"the kill switch is on: {reason}"
    return Outcome.PASS, "the kill switch is off"


def deployment_rests_on_the_gate_report(evidence: StageEvidence) -> Found:
    """What trades is what passed the gate, under the policies in force."""
    deployment = evidence.get(PaperDeployment, "paper_deployment")
    build = evidence.get(StrategyBuild, "strategy_build")
    for name, found, expected in (
        (
            "gate_report",
            deployment.gate_report_digest,
            evidence.get(GateReport, "gate_report").digest,
        ),
        (
            "candidate_spec",
            deployment.candidate_spec_digest,
            evidence.get(CandidateSpec, "candidate_spec").digest,
        ),
        ("strategy_build", deployment.strategy_build_digest, build.digest),
        (
            "target_weights",
            deployment.target_weights_digest,
            evidence.get(TargetWeights, "target_weights").digest,
        ),
        (
            "backtest_metrics",
            deployment.backtest_metrics_digest,
            evidence.get(BacktestMetrics, "backtest_metrics").digest,
        ),
        ("code", deployment.code_digest, build.code_digest),
        (
            "order_limits",
            deployment.policies.get("order_limits", "nothing"),
            evidence.get(OrderLimits, "order_limits").digest,
        ),
        (
            "paper_policy",
            deployment.policies.get("paper_policy", "nothing"),
            evidence.get(PaperPolicy, "paper_policy").digest,
        ),
    ):
        require_agreement(f"paper_deployment: {name}", found, expected)
    return Outcome.PASS, f"admitted on {deployment.snapshot_id}, mode {deployment.mode}"


def _intents(evidence: StageEvidence) -> OrderIntents:
    """Return the intents of the session, of the deployment in force."""
    intents = evidence.get(OrderIntents, "order_intents")
    deployment = evidence.get(PaperDeployment, "paper_deployment")
    require_agreement("order_intents", intents.subject, evidence.subject)
    require_agreement("order_intents: deployment", intents.deployment_digest, deployment.digest)
    return intents


def risk_guardrails_passed(evidence: StageEvidence) -> Found:
    """Every guardrail that stands before the broker was measured and kept."""
    intents = _intents(evidence)
    if blocked := intents.blocked_by:
        return Outcome.FAIL, "; ".join(f"{f.rule}: {f.detail}" for f in blocked)
    return Outcome.PASS, f"{len(intents.guardrails)} findings, all kept"


def intents_repeat_the_backtest(evidence: StageEvidence) -> Found:
    """The live code wants what the backtest code wants on the same bars."""
    intents = _intents(evidence)
    difference = intents.parity_max_difference_fraction
    return _OUTCOME[intents.parity_verdict], (
        f"largest difference {difference} over {intents.parity_sessions} sessions, tolerance "
        f"{intents.parity_tolerance_fraction}"
    )


def idempotency_keys_are_new(evidence: StageEvidence) -> Found:
    """Every order has the key of its own meaning, and no two have the same."""
    intents = _intents(evidence)
    if faults := key_faults(intents):
        return Outcome.FAIL, "; ".join(faults)
    return Outcome.PASS, f"{len(intents.intents)} keys"


def orders_are_reconciled(evidence: StageEvidence) -> Found:
    """Journal and broker agree on orders, fills, positions and cash of the session."""
    intents = _intents(evidence)
    orders = evidence.get(PaperOrders, "paper_orders")
    fills = evidence.get(PaperFills, "paper_fills")
    require_agreement("paper_orders: intents", orders.intents_digest, intents.digest)
    require_agreement("paper_fills: orders", fills.orders_digest, orders.digest)
    if fills.verdict is not Verdict.PASS:
        found = "; ".join(f"{d.what} {d.name}: {d.ours} and {d.brokers}" for d in fills.differences)
        return _OUTCOME[fills.verdict], found or "an order's outcome is not known"
    return Outcome.PASS, f"{len(fills.orders)} orders, {len(fills.fills)} fills"


def paper_gate_passed(evidence: StageEvidence) -> Found:
    """Gate 3 passed on the sessions since the deployment."""
    report = evidence.get(PaperGateReport, "paper_gate_report")
    costs = evidence.get(PaperTca, "paper_tca")
    fills = evidence.get(PaperFills, "paper_fills")
    policy = evidence.get(PaperGatePolicy, "paper_gate_policy")
    require_agreement("paper_gate_report", report.subject, evidence.subject)
    require_agreement("paper_tca: fills", costs.fills_digest, fills.digest)
    require_agreement("paper_gate_report: policy", report.policy_digest, policy.digest)
    detail = "; ".join(f"{r.code} {r.text}" for r in report.reasons) or "every limit kept"
    return _OUTCOME[report.verdict], detail


def no_drift_and_no_breach(evidence: StageEvidence) -> Found:
    """The session's drift report found no drift and no breach of a risk limit."""
    report = evidence.get(DriftReport, "drift_report")
    policy = evidence.get(DriftPolicy, "drift_policy")
    fills = evidence.get(PaperFills, "paper_fills")
    require_agreement("drift_report", report.subject, evidence.subject)
    require_agreement("drift_report: policy", report.policy_digest, policy.digest)
    newest = report.window[-1] if report.window else None
    judged = (newest.fills_digest if newest else None) or "nothing"
    require_agreement("drift_report: fills", judged, fills.digest)
    detail = "; ".join(report.reasons) or f"{len(report.readings)} readings within limits"
    return _OUTCOME[report.advance_verdict], detail


def deployment_is_recorded(evidence: StageEvidence) -> Found:
    """There is a deployment that can be taken back."""
    deployment = evidence.get(PaperDeployment, "paper_deployment")
    return Outcome.PASS, f"deployed on {deployment.broker}, mode {deployment.mode}"


def trigger_is_recorded(evidence: StageEvidence) -> Found:
    """The plan answers a report that fails, or silence; nothing is rolled back without cause."""
    plan = evidence.get(RollbackPlan, "rollback_plan")
    deployment = evidence.get(PaperDeployment, "paper_deployment")
    require_agreement("rollback_plan", plan.subject, evidence.subject)
    require_agreement("rollback_plan: deployment", plan.deployment_digest, deployment.digest)
    return Outcome.PASS, "; ".join(t.circumstance for t in plan.triggers)


def _receipt(evidence: StageEvidence) -> RollbackReceipt:
    """Return the rollback's receipt, of the plan in force."""
    receipt = evidence.get(RollbackReceipt, "rollback_receipt")
    plan = evidence.get(RollbackPlan, "rollback_plan")
    require_agreement("rollback_receipt", receipt.subject, evidence.subject)
    require_agreement("rollback_receipt: plan", receipt.plan_digest, plan.digest)
    return receipt


def prior_configuration_is_read_back(evidence: StageEvidence) -> Found:
    """The broker, asked afterwards, holds what the plan wanted."""
    receipt = _receipt(evidence)
    wrong = "; ".join((*receipt.differences, *receipt.problems))
    return _OUTCOME[receipt.verdict], wrong or "read back as planned"


def orders_are_cancelled(evidence: StageEvidence) -> Found:
    """No order of the candidate is open or of unknown outcome any more."""
    receipt = _receipt(evidence)
    still = [o.key for o in receipt.orders if o.status not in FINAL_STATUSES]
    if receipt.read_back is None or receipt.read_back.open_orders or still:
        return Outcome.INCONCLUSIVE, f"{len(still)} orders are not settled, or nobody could look"
    return Outcome.PASS, f"{len(receipt.orders)} orders, all settled"


def incident_is_classified(evidence: StageEvidence) -> Found:
    """The incident has a class, a timeline and the evidence that it rests on."""
    incident = evidence.get(IncidentReport, "incident_report")
    receipt = _receipt(evidence)
    require_agreement("incident_report", incident.subject, evidence.subject)
    rests_on = {item.digest for item in incident.evidence}
    if receipt.digest not in rests_on:
        raise EvidenceContradictionError(
            location="incident_report", found="no such evidence", expected=receipt.digest
        )
    if incident.demands_kill_switch and incident.kill_latch_digest is None:
        return Outcome.INCONCLUSIVE, f"class {incident.incident_class} demands the kill switch"
    return Outcome.PASS, f"class {incident.incident_class}: {incident.corrective_action}"
