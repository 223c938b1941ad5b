"""From evidence to the step that is asked for: level, notional, card, and all that is reviewed.

`ramp_request` makes the same request of the same evidence, whenever it is asked. What stands in
the way of a request is a sentence, never an exception.
"""

from torghut_assets.domain.drift.records import DriftReport
from torghut_assets.domain.gates.evidence import UnusableEvidenceError
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.gates.records import ArtifactRef, GateReport
from torghut_assets.domain.orders.limits import OrderLimits
from torghut_assets.domain.orders.records import PaperDeployment, PaperFills
from torghut_assets.domain.ramp.evidence import RampEvidence
from torghut_assets.domain.ramp.limit_card import card_of, instruments_of, notional_usd
from torghut_assets.domain.ramp.policy import RampLevel, RampPolicy, RampStageName
from torghut_assets.domain.ramp.records import RampGrant, RampRequest
from torghut_assets.domain.ramp.soundness import require_known, sound


def grant_in_force(evidence: RampEvidence) -> RampGrant | None:
    """Return the newest grant of the deployment; `None` if there was none.

    Raises
    ------
    UnusableEvidenceError
        If nobody can say what was granted, or a grant is not of this deployment.
    """
    require_known(evidence.grants, "the grants in the ledger")
    newest: RampGrant | None = None
    for grant in evidence.grants or ():
        newest = sound(grant, RampGrant, "grant")
    return newest


def level_now(evidence: RampEvidence, policy: RampPolicy) -> RampLevel | None:
    """Return the level that the candidate is on; `None` if the policy does not know it."""
    grant = grant_in_force(evidence)
    return policy.levels[0] if grant is None else policy.level(grant.level_to)


def ramp_request(
    evidence: RampEvidence, policy: RampPolicy, stage: RampStageName
) -> tuple[RampRequest | None, tuple[str, ...]]:
    """Return the step that a stage asks for, or why there is none to ask for.

    Parameters
    ----------
    evidence : RampEvidence
    policy : RampPolicy
    stage : str

    Returns
    -------
    tuple of (RampRequest or None, tuple of str)
    """
    try:
        now = level_now(evidence, policy)
        if now is None:
            return None, ("the level in force is not in the policy",)
        wanted = policy.wanted(stage, now.level)
        if wanted is None:
            return None, (f"{stage} leads nowhere from {now.level}",)
        return _request(evidence, policy, stage, (now, wanted)), ()
    except (UnusableEvidenceError, ValueError) as error:
        return None, (" ".join(str(error).split())[:300],)


def _request(
    evidence: RampEvidence,
    policy: RampPolicy,
    stage: RampStageName,
    step: tuple[RampLevel, RampLevel],
) -> RampRequest:
    now, wanted = step
    deployment = sound(evidence.deployment, PaperDeployment, "deployment")
    limits = sound(evidence.order_limits, OrderLimits, "order limits")
    gate = sound(evidence.gate_report, GateReport, "gate report")
    paper_gate = sound(evidence.paper_gate_report, PaperGateReport, "paper gate report")
    drift = sound(evidence.drift.get(evidence.session), DriftReport, "drift report")
    fills = {
        session: sound(record, PaperFills, "fills")
        for session, record in evidence.fills.items()
        if session <= evidence.session
    }
    reviewed = {
        "code": deployment.code_digest,
        "drift_report": drift.digest,
        "gate_report": gate.digest,
        "order_limits": limits.digest,
        "paper_deployment": deployment.digest,
        "paper_gate_report": paper_gate.digest,
        "strategy_build": deployment.strategy_build_digest,
        **{f"policy.{name}": digest for name, digest in deployment.policies.items()},
    }
    return RampRequest(
        candidate_id=evidence.candidate_id,
        session=evidence.session,
        stage=stage,
        authors=tuple(sorted(set(evidence.authors))),
        level_from=now.level,
        level_to=wanted.level,
        budget_usd=deployment.budget_usd,
        notional_before_usd=notional_usd(now, deployment.budget_usd),
        notional_after_usd=notional_usd(wanted, deployment.budget_usd),
        limit_card=card_of(
            wanted, policy, deployment, instruments_of(wanted, deployment, limits, fills)
        ),
        policy_digest=policy.digest,
        reviewed=tuple(
            ArtifactRef(name=name, digest=digest) for name, digest in sorted(reviewed.items())
        ),
    )
