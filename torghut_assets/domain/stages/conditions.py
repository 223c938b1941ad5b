"""Which condition stands where in the life of a candidate, and how they are judged.

`CONDITIONS` is the table; the pipeline file must say the same, name by name (`loader`). The
functions are in `research_conditions` (to the gate), `trading_conditions` (after it) and
`ramp_conditions` (capital).
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from torghut_assets.domain.errors import BadInputError, EvidenceError
from torghut_assets.domain.gates.records import ArtifactRef
from torghut_assets.domain.stages.evidence import Finding, Found, Outcome, StageEvidence
from torghut_assets.domain.stages.ramp_conditions import (
    limit_card_is_complete,
    notional_within_ramp_policy,
    operations_are_ready,
    ramp_stage_1_is_stable,
    two_persons_approved,
)
from torghut_assets.domain.stages.research_conditions import (
    build_is_of_the_installed_code,
    build_is_of_the_specification,
    candidate_was_not_rolled_back,
    computed_twice_alike,
    conformance_passed,
    decision_repeats_from_its_evidence,
    folds_are_complete,
    gate_passed,
    line_is_not_frozen,
    no_look_ahead_found,
    outputs_are_of_this_evaluation,
    parent_feedback_is_cited,
    plugin_is_installed,
    refusal_feeds_back,
    snapshot_has_no_errors,
    snapshot_is_of_the_universe,
    specification_is_the_submission,
    stress_differs_from_base,
    submission_is_kept,
    trials_are_counted,
)
from torghut_assets.domain.stages.trading_conditions import (
    deployment_is_recorded,
    deployment_rests_on_the_gate_report,
    idempotency_keys_are_new,
    incident_is_classified,
    intents_repeat_the_backtest,
    kill_switch_is_off,
    no_drift_and_no_breach,
    orders_are_cancelled,
    orders_are_reconciled,
    paper_gate_passed,
    prior_configuration_is_read_back,
    risk_guardrails_passed,
    trigger_is_recorded,
)


class Condition(NamedTuple):
    """A condition's function and the places of the pipeline file that must name it.

    A place is a stage and `requires`, `ensures` or `guards.<asset>`.
    """

    judge: Callable[[StageEvidence], Found]
    places: frozenset[tuple[str, str]]


def _at(
    judge: Callable[[StageEvidence], Found],
    *,
    requires: tuple[str, ...] = (),
    ensures: tuple[str, ...] = (),
    before: tuple[tuple[str, str], ...] = (),
) -> Condition:
    places = {(stage, "requires") for stage in requires}
    places |= {(stage, "ensures") for stage in ensures}
    places |= {(stage, f"guards.{asset}") for stage, asset in before}
    return Condition(judge, frozenset(places))


_INTAKE, _BUILD = "research_intake", "candidate_build"
_BACKTEST, _GATE = "backtest_robustness", "gate_policy_evaluation"
_PAPER, _RAMP, _RAMP_2 = "shadow_paper_deployment", "live_ramp_stage_1", "live_ramp_stage_2_plus"
_MONITORING, _ROLLBACK = "continuous_monitoring", "rollback_incident"

CONDITIONS: Final[dict[str, Condition]] = {
    condition.judge.__name__: condition
    for condition in (
        _at(submission_is_kept, requires=(_INTAKE,)),
        _at(parent_feedback_is_cited, requires=(_INTAKE,)),
        _at(line_is_not_frozen, requires=(_INTAKE, _BACKTEST)),
        _at(candidate_was_not_rolled_back, requires=(_INTAKE, _BACKTEST)),
        _at(specification_is_the_submission, requires=(_BUILD,), ensures=(_INTAKE,)),
        _at(plugin_is_installed, requires=(_BUILD,)),
        _at(build_is_of_the_specification, requires=(_BACKTEST,), ensures=(_BUILD,)),
        _at(build_is_of_the_installed_code, requires=(_BACKTEST,), ensures=(_BUILD,)),
        _at(conformance_passed, requires=(_BACKTEST, _GATE), ensures=(_BUILD,)),
        _at(no_look_ahead_found, requires=(_BACKTEST, _GATE), ensures=(_BUILD,)),
        _at(snapshot_has_no_errors, requires=(_BACKTEST, _GATE)),
        _at(snapshot_is_of_the_universe, requires=(_BACKTEST, _GATE)),
        _at(outputs_are_of_this_evaluation, requires=(_GATE,), ensures=(_BACKTEST,)),
        _at(folds_are_complete, requires=(_GATE,), ensures=(_BACKTEST,)),
        _at(stress_differs_from_base, requires=(_GATE,), ensures=(_BACKTEST,)),
        _at(computed_twice_alike, requires=(_GATE,), ensures=(_BACKTEST,)),
        _at(trials_are_counted, requires=(_GATE,), ensures=(_BACKTEST,)),
        _at(decision_repeats_from_its_evidence, requires=(_PAPER,), ensures=(_GATE,)),
        _at(gate_passed, requires=(_PAPER, _RAMP, _RAMP_2, _MONITORING), ensures=(_GATE,)),
        _at(refusal_feeds_back, ensures=(_GATE,)),
        _at(kill_switch_is_off, requires=(_PAPER, _RAMP, _RAMP_2)),
        _at(deployment_rests_on_the_gate_report, before=((_PAPER, "order_intents"),)),
        _at(risk_guardrails_passed, before=((_PAPER, "paper_orders"),)),
        _at(intents_repeat_the_backtest, before=((_PAPER, "paper_orders"),)),
        _at(idempotency_keys_are_new, before=((_PAPER, "paper_orders"),)),
        _at(orders_are_reconciled, requires=(_RAMP, _RAMP_2), ensures=(_PAPER,)),
        _at(paper_gate_passed, requires=(_RAMP,), ensures=(_PAPER,)),
        _at(no_drift_and_no_breach, requires=(_RAMP, _RAMP_2), ensures=(_PAPER, _MONITORING)),
        _at(two_persons_approved, ensures=(_RAMP, _RAMP_2)),
        _at(operations_are_ready, ensures=(_RAMP, _RAMP_2)),
        _at(notional_within_ramp_policy, ensures=(_RAMP, _RAMP_2)),
        _at(limit_card_is_complete, ensures=(_RAMP, _RAMP_2)),
        _at(ramp_stage_1_is_stable, requires=(_RAMP_2,)),
        _at(deployment_is_recorded, requires=(_ROLLBACK,)),
        _at(
            trigger_is_recorded,
            before=((_ROLLBACK, "rollback_receipt"), (_ROLLBACK, "incident_report")),
        ),
        _at(prior_configuration_is_read_back, ensures=(_ROLLBACK,)),
        _at(orders_are_cancelled, ensures=(_ROLLBACK,)),
        _at(incident_is_classified, ensures=(_ROLLBACK,)),
    )
}
"""Every condition there is a function for, by name."""

DECLARED: Final[dict[str, frozenset[tuple[str, str]]]] = {}
"""Conditions without a function yet, and their places. A stage that names one cannot be active."""


def judge(name: str, evidence: StageEvidence) -> Finding:
    """Return what a condition found.

    Raises
    ------
    EvidenceError, BadInputError
        As the condition does.
    """
    with evidence.noting() as noted:
        outcome, detail = CONDITIONS[name].judge(evidence)
    return _finding(name, outcome, detail, noted)


def examine(names: tuple[str, ...], evidence: StageEvidence) -> tuple[Finding, ...]:
    """Return what conditions found, all of them, whatever happens to one."""
    findings = []
    for name in names:
        with evidence.noting() as noted:
            try:
                outcome, detail = CONDITIONS[name].judge(evidence)
            except EvidenceError as error:
                outcome, detail = Outcome.MISSING, str(error)
            except BadInputError as error:
                outcome, detail = Outcome.FAIL, str(error)
        findings.append(_finding(name, outcome, detail, noted))
    return tuple(findings)


def _finding(name: str, outcome: Outcome, detail: str, noted: dict[str, str]) -> Finding:
    return Finding(
        condition=name,
        outcome=outcome,
        detail=detail,
        looked_at=tuple(ArtifactRef(name=n, digest=d) for n, d in sorted(noted.items())),
    )
