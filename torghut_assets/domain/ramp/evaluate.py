"""May this step be taken? Gates 4 and 5 over one case; read `ready` first.

Bad or missing evidence becomes a limit that is not kept, with its reason; nothing here raises
because of the evidence. There is no override and no score.
"""

import datetime as dt
import math
from collections.abc import Iterable

from torghut_assets.domain.drift.records import DriftReport
from torghut_assets.domain.gates.evidence import Problem, UnusableEvidenceError
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.gates.records import ArtifactRef, GateReport
from torghut_assets.domain.orders.limits import OrderLimits
from torghut_assets.domain.orders.records import PaperDeployment
from torghut_assets.domain.ramp.drills import DRILLS, DrillReport
from torghut_assets.domain.ramp.evidence import RampCase, RampEvidence
from torghut_assets.domain.ramp.measurements import (
    MEASUREMENTS,
    ReadinessMeasurement,
    source_of,
)
from torghut_assets.domain.ramp.policy import RampPolicy, RampStageName
from torghut_assets.domain.ramp.records import (
    RAMP_GATE_IDS,
    RampGrant,
    RampStage,
    ReadinessGate,
    ReadinessLimit,
)
from torghut_assets.domain.ramp.request import grant_in_force
from torghut_assets.domain.ramp.soundness import sound_digest
from torghut_assets.domain.ramp.stability import stability
from torghut_assets.domain.records import round_significant
from torghut_assets.domain.verdicts import Verdict

_DETAILS_SHOWN = 12
_DETAIL_LENGTH = 300


def ready(gates: Iterable[ReadinessGate]) -> bool:
    """Whether both gates are there and pass."""
    found = tuple(gates)
    complete = tuple(gate.gate_id for gate in found) == RAMP_GATE_IDS
    return complete and all(gate.verdict is Verdict.PASS for gate in found)


def judge_readiness(case: RampCase, policy: RampPolicy) -> tuple[ReadinessGate, ...]:
    """Compare every limit of gates 4 and 5 with its measurement.

    Parameters
    ----------
    case : RampCase
    policy : RampPolicy

    Returns
    -------
    tuple of ReadinessGate
        Both, in order.

    Notes
    -----
    Fails closed: taking evidence away or making it worse never turns a refusal into a pass. What
    this does not cover is leaving out the newest of several drills: against that stands the
    ledger, which has no gaps.
    """
    refs = {gate_id: _refs(case, gate_id) for gate_id in RAMP_GATE_IDS}
    return tuple(
        ReadinessGate(
            gate_id=gate_id,
            limits=tuple(
                _compare(row, case, policy) for row in MEASUREMENTS if row.gate_id == gate_id
            ),
            artifact_refs=refs[gate_id],
        )
        for gate_id in RAMP_GATE_IDS
    )


def ramp_stage(
    case: RampCase,
    policy: RampPolicy,
    stage: RampStageName,
    gates: tuple[ReadinessGate, ...],
    granted: RampGrant | None,
) -> RampStage:
    """Return what one session leaves behind on the ramp.

    Parameters
    ----------
    case : RampCase
        Its evidence is that before the grant.
    policy : RampPolicy
    stage : str
    gates : tuple of ReadinessGate
        Empty if there was no step to take.
    granted : RampGrant or None
        The grant of this session's step; `None` if the candidate stays where it is.

    Raises
    ------
    UnusableEvidenceError
        If nobody can say on which level the candidate is, or what is deployed.
    """
    evidence = case.evidence
    before = grant_in_force(evidence)
    deployment = evidence.deployment
    if deployment is None:
        raise UnusableEvidenceError(Problem.MISSING_EVIDENCE, "there is no deployment")
    in_force = granted or before
    return RampStage(
        candidate_id=evidence.candidate_id,
        session=evidence.session,
        stage=stage,
        level_from=before.level_to if before is not None else policy.levels[0].level,
        level_to=in_force.level_to if in_force is not None else policy.levels[0].level,
        notional_before_usd=before.notional_after_usd if before is not None else 0.0,
        notional_after_usd=in_force.notional_after_usd if in_force is not None else 0.0,
        limit_card=in_force.limit_card if in_force is not None else None,
        stability=stability(evidence, policy),
        policy_digest=policy.digest,
        deployment_digest=deployment.digest,
        request_digest=case.request.digest if case.request is not None else None,
        gates=gates,
        refusals=case.refusals,
        grant=in_force,
        judged_at=evidence.now.astimezone(dt.UTC).replace(microsecond=0),
    )


def _compare(row: ReadinessMeasurement, case: RampCase, policy: RampPolicy) -> ReadinessLimit:
    value: float | None = None
    problem: Problem | None = None
    try:
        found = row.read(case, policy)
        value, details = round_significant(float(found.value)), found.details
        if not math.isfinite(value):
            value, problem = None, Problem.INFINITE
    except UnusableEvidenceError as error:
        problem, details = error.problem, (str(error),)
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        problem, details = Problem.WRONG_TYPE, (str(error),)
    more = len(details) - _DETAILS_SHOWN
    shown = tuple(text[:_DETAIL_LENGTH] for text in details[:_DETAILS_SHOWN])
    return ReadinessLimit(
        measurement=row.name,
        bound=row.bound,
        limit=row.limit(case, policy),
        unit=row.unit,
        breach_code=row.breach_code,
        reason_class=row.reason_class,
        source=source_of(row, policy),
        measured=value,
        problem=problem,
        details=(*shown, f"and {more} more") if more > 0 else shown,
    )


def _refs(case: RampCase, gate_id: str) -> tuple[ArtifactRef, ...]:
    """Name the records that a gate looked at; no digest of what is missing or unsound."""
    evidence = case.evidence
    if gate_id == RAMP_GATE_IDS[0]:
        drills = evidence.operations.drills or ()
        named = {
            f"{kind}_drill": sound_digest(
                next((d for d in reversed(drills) if getattr(d, "drill", None) == kind), None),
                DrillReport,
            )
            for kind in DRILLS
        }
    else:
        named = {
            "drift_report": sound_digest(evidence.drift.get(evidence.session), DriftReport),
            "gate_report": sound_digest(evidence.gate_report, GateReport),
            "order_limits": sound_digest(evidence.order_limits, OrderLimits),
            "paper_deployment": sound_digest(evidence.deployment, PaperDeployment),
            "paper_gate_report": sound_digest(evidence.paper_gate_report, PaperGateReport),
            "ramp_request": case.request.digest if case.request is not None else None,
        }
    return tuple(ArtifactRef(name=name, digest=digest) for name, digest in sorted(named.items()))


def has_step(evidence: RampEvidence, policy: RampPolicy, stage: RampStageName) -> bool:
    """Whether a stage has a step to take for a candidate; unknown levels count as one."""
    try:
        before = grant_in_force(evidence)
    except UnusableEvidenceError:
        return True
    level = policy.levels[0].level if before is None else before.level_to
    return policy.level(level) is None or policy.wanted(stage, level) is not None
