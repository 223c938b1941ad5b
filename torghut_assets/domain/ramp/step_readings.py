"""What gate 5 reads: this step, the sessions before it, and who approved. See `measurements`."""

from torghut_assets.domain.gates.evidence import Found, Problem, UnusableEvidenceError
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.orders.limits import OrderLimits
from torghut_assets.domain.orders.records import PaperDeployment
from torghut_assets.domain.ramp.evidence import RampCase
from torghut_assets.domain.ramp.limit_card import card_faults
from torghut_assets.domain.ramp.operations_readings import counted
from torghut_assets.domain.ramp.policy import RampPolicy
from torghut_assets.domain.ramp.records import RampRequest
from torghut_assets.domain.ramp.request import level_now
from torghut_assets.domain.ramp.soundness import require_known, sound, strings
from torghut_assets.domain.ramp.stability import stability
from torghut_assets.domain.verdicts import Verdict


def live_enabled(_case: RampCase, policy: RampPolicy) -> Found:
    """One if the policy allows capital at all."""
    if policy.live_enabled:
        return Found(1.0)
    return Found(0.0, ("live_enabled is false in ramp_policy.yaml",))


def gate_limits_failed(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    """Limits of gates 0 to 2 that are not kept, those beyond paper too."""
    report = sound(case.evidence.gate_report, GateReport, "gate report")
    return counted(tuple(reason.text for reason in report.reasons))


def paper_gate_open(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    """Limits of gate 3 in this session that are not kept."""
    report = sound(case.evidence.paper_gate_report, PaperGateReport, "paper gate report")
    if report.subject != f"{case.evidence.candidate_id}|{case.evidence.session}":
        raise UnusableEvidenceError(
            Problem.WRONG_TYPE, f"the paper gate report is about {report.subject}"
        )
    open_ = tuple(x.text for x in report.reasons)
    return counted(open_ if report.verdict is not Verdict.PASS else ())


def sessions_on_level(case: RampCase, policy: RampPolicy) -> Found:
    """Sessions on the present level."""
    found = stability(case.evidence, policy)
    return Found(float(found.sessions), (f"on {found.level} since {found.since}",))


def failing_reports(case: RampCase, policy: RampPolicy) -> Found:
    """Sessions on the level whose drift report fails."""
    return counted(stability(case.evidence, policy).failing)


def missing_reports(case: RampCase, policy: RampPolicy) -> Found:
    """Sessions on the level without a sound drift report."""
    return counted(stability(case.evidence, policy).missing)


def burn_in(case: RampCase, policy: RampPolicy) -> float:
    """The burn-in of the present level; the longest there is if nobody knows the level."""
    try:
        level = level_now(case.evidence, policy)
    except UnusableEvidenceError:
        level = None
    known = policy.levels if level is None else (level,)
    return float(max(each.burn_in_sessions for each in known))


def request_age(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    """Sessions since the one that is asked about."""
    days = strings(case.evidence.sessions, "the sessions")
    if case.evidence.session not in days:
        raise UnusableEvidenceError(
            Problem.MISSING_EVIDENCE, f"{case.evidence.session} is no session of the deployment"
        )
    return counted(tuple(day for day in days if day > case.evidence.session))


def unresolved(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    """Digests in the chain of evidence that do not resolve."""
    return counted(strings(case.evidence.unresolved, "the chain of evidence"))


def _asked(case: RampCase) -> RampRequest:
    if case.request is None:
        raise UnusableEvidenceError(Problem.MISSING_EVIDENCE, "; ".join(case.refusals))
    return sound(case.request, RampRequest, "request")


def card_wrong(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    """Faults of the limit card."""
    request = _asked(case)
    deployment = sound(case.evidence.deployment, PaperDeployment, "deployment")
    limits = sound(case.evidence.order_limits, OrderLimits, "order limits")
    return counted(card_faults(request.limit_card, limits, deployment, request.notional_after_usd))


def increment(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    """The step as a share of the budget."""
    request = _asked(case)
    step = request.notional_after_usd - request.notional_before_usd
    return Found(step / request.budget_usd)


def differences(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    """What would be deployed against what is in force, and against what persons reviewed."""
    request = _asked(case)
    deployment = sound(case.evidence.deployment, PaperDeployment, "deployment")
    in_force = case.evidence.in_force
    require_known(in_force, "what is in force")
    target = {"code": deployment.code_digest, **deployment.policies}
    found = [
        f"{name}: deployed {digest}, in force {(in_force or {}).get(name)}"
        for name, digest in sorted(target.items())
        if (in_force or {}).get(name) != digest
    ]
    for other in case.reviewed_instead:
        found += sound(other, RampRequest, "approved request").differences(request)
    return counted(tuple(found))


def approving_persons(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    """Different persons whose approval counts for this step."""
    approvals = case.approvals
    require_known(approvals, "the approvals in the ledger")
    if approvals is None or case.request is None:
        return Found(0.0, case.refusals)
    return Found(float(len(approvals.persons)), (*approvals.persons, *approvals.refused))
