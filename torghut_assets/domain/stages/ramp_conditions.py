"""The conditions of the live ramp.

Read with `research_conditions`, which says what such a function is. What is not approved, not
ready or not there yet holds the candidate where it is: a failure of a deployed stage leads to the
rollback, and waiting for a signature is no reason for one. Only capital beyond the policy fails.

Which stage a session is about follows from the records: while `ramp_stage_1` says that the session
began on L0, the first stage is decided; from then on the second.
"""

from torghut_assets.domain.evidence.approval_records import person_key
from torghut_assets.domain.orders.limits import OrderLimits
from torghut_assets.domain.orders.records import PaperDeployment
from torghut_assets.domain.ramp.evaluate import ready
from torghut_assets.domain.ramp.limit_card import card_faults, notional_usd
from torghut_assets.domain.ramp.policy import (
    FIRST_STAGE,
    LARGEST_INCREMENT_FRACTION,
    SECOND_STAGE,
    RampPolicy,
    RampStageName,
)
from torghut_assets.domain.ramp.records import RAMP_GATE_IDS, RampGateId, RampGrant, RampStage
from torghut_assets.domain.stages.evidence import Found, Outcome, StageEvidence, require_agreement
from torghut_assets.domain.verdicts import Verdict

_ASSETS: dict[str, str] = {FIRST_STAGE: "ramp_stage_1", SECOND_STAGE: "ramp_stage_2_plus"}
_PAPER = "L0"
_CENT = 0.01


def _sound(evidence: StageEvidence, stage: RampStageName) -> RampStage:
    """Return the record of a stage, if it is of this session, deployment and policy."""
    name = _ASSETS[stage]
    record = evidence.get(RampStage, name)
    deployment = evidence.get(PaperDeployment, "paper_deployment")
    policy = evidence.get(RampPolicy, "ramp_policy")
    require_agreement(name, record.subject, evidence.subject)
    require_agreement(f"{name}: stage", record.stage, stage)
    require_agreement(f"{name}: deployment", record.deployment_digest, deployment.digest)
    require_agreement(f"{name}: policy", record.policy_digest, policy.digest)
    return record


def _decided(evidence: StageEvidence) -> RampStage:
    """Return the record of the stage that the session is about."""
    first = _sound(evidence, FIRST_STAGE)
    return first if first.level_from == _PAPER else _sound(evidence, SECOND_STAGE)


def _granted(evidence: StageEvidence) -> tuple[RampGrant | None, RampStage]:
    """Return the grant of the session's step, if there is one for it."""
    record = _decided(evidence)
    return (record.grant if record.advanced else None), record


def _held(record: RampStage, *gates: RampGateId) -> Found:
    """Say why there was no step, by the reasons of some gates."""
    reasons = [
        f"{reason.code} {reason.text}"
        for gate in record.gates
        if gate.gate_id in gates
        for reason in gate.reasons
    ]
    detail = "; ".join([*record.refusals, *reasons]) or "no step was granted"
    return Outcome.INCONCLUSIVE, f"{record.level_to}: {detail}"


def two_persons_approved(evidence: StageEvidence) -> Found:
    """The ledger holds as many persons' approvals of exactly this step as the policy wants."""
    grant, record = _granted(evidence)
    policy = evidence.get(RampPolicy, "ramp_policy")
    if grant is None:
        return _held(record, RAMP_GATE_IDS[1])
    persons = evidence.ramp_approvers(grant)
    author = evidence.submission.author
    different = {person_key(person) for person in persons} - {person_key(author)}
    if len(different) < policy.persons_required:
        found = f"{len(different)} of {policy.persons_required} persons approved"
        return Outcome.MISSING, found
    return Outcome.PASS, f"approved by {', '.join(persons)}"


def operations_are_ready(evidence: StageEvidence) -> Found:
    """Gates 4 and 5 passed when the step was granted: drills, runbooks, journal, ledger."""
    grant, record = _granted(evidence)
    if grant is None:
        return _held(record, *RAMP_GATE_IDS)
    if not ready(grant.gates):
        return Outcome.INCONCLUSIVE, "the grant rests on a gate that does not pass"
    return Outcome.PASS, f"{sum(len(gate.limits) for gate in grant.gates)} limits kept"


def ramp_stage_1_is_stable(evidence: StageEvidence) -> Found:
    """The canary was granted in an earlier session, and its burn-in ended without a failure."""
    record = _sound(evidence, FIRST_STAGE)
    found = record.stability
    if record.level_from == _PAPER or record.grant is None:
        return Outcome.INCONCLUSIVE, f"the session began on {record.level_from}"
    detail = (
        f"{found.sessions} of {found.burn_in_sessions} sessions on {found.level}, "
        f"{len(found.failing)} failing and {len(found.missing)} missing reports"
    )
    stable = found.verdict is Verdict.PASS
    return (Outcome.PASS if stable else Outcome.INCONCLUSIVE), detail


def notional_within_ramp_policy(evidence: StageEvidence) -> Found:
    """The capital is what the policy gives the level, and the step is no larger than it allows."""
    record = _decided(evidence)
    policy = evidence.get(RampPolicy, "ramp_policy")
    deployment = evidence.get(PaperDeployment, "paper_deployment")
    level = policy.level(record.level_to)
    allowed = 0.0
    if level is not None and policy.live_enabled:
        allowed = notional_usd(level, deployment.budget_usd)
    after, before = record.notional_after_usd, record.notional_before_usd
    if after > allowed + _CENT:
        return Outcome.FAIL, f"{record.level_to}: {after:.2f} USD, the policy allows {allowed:.2f}"
    step = (after - before) / deployment.budget_usd
    if step > min(policy.max_increment_fraction, LARGEST_INCREMENT_FRACTION) + 1e-9:
        return Outcome.FAIL, (
            f"a step of {step:g} of the budget, the policy allows {policy.max_increment_fraction:g}"
        )
    if not record.advanced:
        return _held(record, RAMP_GATE_IDS[1])
    return Outcome.PASS, f"{record.level_from} to {record.level_to}: {after:.2f} USD"


def limit_card_is_complete(evidence: StageEvidence) -> Found:
    """Every limit of the card is there, positive, and no wider than the order limits."""
    grant, record = _granted(evidence)
    if grant is None:
        return _held(record, RAMP_GATE_IDS[1])
    limits = evidence.get(OrderLimits, "order_limits")
    deployment = evidence.get(PaperDeployment, "paper_deployment")
    faults = card_faults(grant.limit_card, limits, deployment, grant.notional_after_usd)
    if faults:
        return Outcome.INCONCLUSIVE, "; ".join(faults)
    return Outcome.PASS, f"{len(grant.limit_card.instruments)} instruments, all limits stated"
