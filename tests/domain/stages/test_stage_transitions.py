"""Every stage with every outcome, every jump that must not exist. The table is the issue's."""

import itertools
import random

import pytest
from stage_evidence import ACTIVE, CANDIDATE, SHIPPED, decision_with, receipts_of

from torghut_assets.domain.errors import EvidenceContradictionError, StageRefusedError
from torghut_assets.domain.stages.config import PipelineRefusedError
from torghut_assets.domain.stages.evidence import Outcome
from torghut_assets.domain.stages.machine import (
    require_active,
    stand,
    transition,
    walk,
    what_to_append,
)

INTAKE, BUILD, BACKTEST, GATE = (
    "research_intake",
    "candidate_build",
    "backtest_robustness",
    "gate_policy_evaluation",
)
PAPER, RAMP_1, RAMP_2 = "shadow_paper_deployment", "live_ramp_stage_1", "live_ramp_stage_2_plus"
MONITORING, ROLLBACK = "continuous_monitoring", "rollback_incident"
LEADS = {  # stage: (pass, fail, superseded); missing and inconclusive hold
    INTAKE: (BUILD, INTAKE, INTAKE),
    BUILD: (BACKTEST, INTAKE, INTAKE),
    BACKTEST: (GATE, INTAKE, INTAKE),
    GATE: (PAPER, INTAKE, INTAKE),
    PAPER: (RAMP_1, ROLLBACK, INTAKE),
    RAMP_1: (RAMP_2, ROLLBACK, RAMP_1),
    RAMP_2: (MONITORING, ROLLBACK, RAMP_2),
    MONITORING: (MONITORING, ROLLBACK, MONITORING),
    ROLLBACK: (INTAKE, ROLLBACK, ROLLBACK),
}
EVALUATED = (INTAKE, BUILD, BACKTEST, GATE)
PAIRS = list(itertools.product(LEADS, Outcome))


def expected(stage, outcome):
    passed, failed, superseded = LEADS[stage]
    known = {Outcome.PASS: passed, Outcome.FAIL: failed, Outcome.SUPERSEDED: superseded}
    return known.get(outcome, stage)


def way_to(pipeline, stage):
    """Return decisions that bring a candidate to `stage`."""
    order = list(LEADS)
    if stage == ROLLBACK:
        return [*way_to(pipeline, PAPER), decision_with(pipeline, PAPER, Outcome.FAIL)]
    return [decision_with(pipeline, s, Outcome.PASS) for s in order[: order.index(stage)]]


@pytest.mark.parametrize(("stage", "outcome"), PAIRS)
def test_every_outcome_of_every_stage_leads_where_the_issue_says(stage, outcome):
    assert transition(ACTIVE, stage, outcome).to_stage == expected(stage, outcome)
    decisions = [*way_to(ACTIVE, stage), decision_with(ACTIVE, stage, outcome)]
    assert stand(ACTIVE, receipts_of(decisions)).stage == expected(stage, outcome)


def without(stage):
    """Return the pipeline with one stage, and what needs it, not active."""
    order = list(LEADS)
    off = {MONITORING, ROLLBACK} if stage == PAPER else set()
    off |= set(order[order.index(stage) : order.index(MONITORING)])
    return SHIPPED.model_copy(
        update={
            "stages": tuple(
                s.model_copy(update={"active": s.name not in off}) for s in SHIPPED.stages
            )
        }
    )


def test_as_shipped_every_stage_is_active():
    assert all(stage.active for stage in SHIPPED.stages)


@pytest.mark.parametrize("off", [PAPER, RAMP_1, RAMP_2])
@pytest.mark.parametrize("outcome", list(Outcome))
def test_nothing_is_decided_at_a_stage_that_is_not_active(off, outcome):
    pipeline = without(off)
    with pytest.raises(StageRefusedError, match=f"{off}: declared .* not active"):
        transition(pipeline, off, outcome)
    before = list(LEADS)[list(LEADS).index(off) - 1]
    leads = transition(pipeline, before, Outcome.PASS)
    assert (leads.to_stage, leads.held_because) == (before, f"{off} is not active")


@pytest.mark.parametrize(("stage", "outcome"), PAIRS)
def test_every_edge_that_is_not_listed_is_impossible(stage, outcome):
    for target in LEADS:
        if target == expected(stage, outcome):
            continue
        forged = decision_with(ACTIVE, stage, outcome).model_copy(update={"to_stage": target})
        with pytest.raises(EvidenceContradictionError, match=expected(stage, outcome)):
            stand(ACTIVE, receipts_of([*way_to(ACTIVE, stage), forged]))


@pytest.mark.parametrize(
    ("here", "elsewhere"), [pair for pair in itertools.product(LEADS, LEADS) if pair[0] != pair[1]]
)
def test_no_stage_is_decided_but_the_one_where_the_candidate_stands(here, elsewhere):
    forged = [*way_to(ACTIVE, here), decision_with(ACTIVE, elsewhere, Outcome.PASS)]
    with pytest.raises(EvidenceContradictionError, match=here):
        stand(ACTIVE, receipts_of(forged))


@pytest.mark.parametrize("stage", [s.name for s in ACTIVE.stages if s.deployed])
def test_rollback_is_one_step_from_every_deployed_stage(stage):
    assert transition(ACTIVE, stage, Outcome.FAIL).to_stage == ROLLBACK


def test_only_a_pass_advances():
    order = list(LEADS)
    for stage, outcome in PAIRS:
        target = transition(ACTIVE, stage, outcome).to_stage
        forward = order.index(target) > order.index(stage) and target != ROLLBACK
        assert not forward or outcome is Outcome.PASS


def test_an_unknown_stage_is_refused():
    with pytest.raises(PipelineRefusedError, match="to_the_moon"):
        transition(ACTIVE, "to_the_moon", Outcome.PASS)
    with pytest.raises(StageRefusedError):
        require_active(without(RAMP_1), RAMP_1)


def test_the_order_of_receipts_is_their_sequence_not_their_place_in_a_list():
    receipts = receipts_of(way_to(ACTIVE, MONITORING))
    straight = stand(ACTIVE, receipts)
    for seed in range(20):
        shuffled = random.Random(seed).sample(receipts, len(receipts))
        assert stand(ACTIVE, shuffled) == straight


def test_a_receipt_that_is_twice_there_or_of_somebody_else_is_refused():
    receipts = receipts_of(way_to(ACTIVE, BACKTEST))
    with pytest.raises(EvidenceContradictionError, match="second receipt"):
        stand(ACTIVE, [*receipts, receipts[-1]])
    other = receipts_of([decision_with(ACTIVE, BACKTEST, Outcome.PASS, candidate="other")], first=9)
    with pytest.raises(EvidenceContradictionError, match=CANDIDATE):
        stand(ACTIVE, [*receipts, *other])


def plan(outcomes, *, mark="a" * 64, pipeline=SHIPPED, through=GATE):
    """Return what a walk decides when each stage has the outcome named for it."""
    return walk(
        pipeline,
        through,
        lambda s: decision_with(pipeline, s, outcomes.get(s, Outcome.PASS), mark=mark),
    )


def appended(pipeline, receipts, planned):
    new = what_to_append(pipeline, receipts, planned)
    return [*receipts, *receipts_of(new, first=len(receipts) + 1)], new


def test_a_walk_ends_at_the_first_stage_that_does_not_pass():
    assert [d.stage for d in plan({BUILD: Outcome.MISSING})] == [INTAKE, BUILD]
    assert [d.stage for d in plan({}, through=BUILD)] == [INTAKE, BUILD]
    assert [d.stage for d in plan({})] == list(EVALUATED)


@pytest.mark.parametrize(
    "last", [Outcome.PASS, Outcome.FAIL, Outcome.MISSING, Outcome.INCONCLUSIVE]
)
def test_the_same_evidence_again_adds_nothing(last):
    receipts, new = appended(SHIPPED, [], plan({GATE: last}))
    assert len(new) == 4
    assert appended(SHIPPED, receipts, plan({GATE: last}))[1] == ()
    assert appended(SHIPPED, receipts, plan({}, through=BUILD))[1] == ()


def test_what_was_missing_may_come():
    receipts, _ = appended(SHIPPED, [], plan({BACKTEST: Outcome.MISSING}))
    receipts, new = appended(SHIPPED, receipts, plan({}))
    assert [d.stage for d in new] == [BACKTEST, GATE]
    assert stand(SHIPPED, receipts).stage == PAPER


def test_other_evidence_supersedes_and_begins_anew():
    receipts, _ = appended(SHIPPED, [], plan({GATE: Outcome.MISSING}))
    receipts, new = appended(SHIPPED, receipts, plan({GATE: Outcome.FAIL}, mark="b" * 64))
    assert [d.outcome for d in new[:2]] == [Outcome.SUPERSEDED, Outcome.PASS]
    assert new[0].superseded == "research_intake: changed gate_report"
    assert stand(SHIPPED, receipts).stage == INTAKE
    receipts, new = appended(SHIPPED, receipts, plan({}, mark="d" * 64))
    assert new[0].outcome is Outcome.PASS, "after a failure there is nothing to supersede"
    assert stand(SHIPPED, receipts).stage == PAPER


def test_what_is_admitted_begins_anew_with_other_evidence_until_it_trades():
    receipts, _ = appended(SHIPPED, [], plan({}))
    assert stand(SHIPPED, receipts).stage == PAPER
    anew, new = appended(SHIPPED, receipts, plan({GATE: Outcome.FAIL}, mark="b" * 64))
    assert (new[0].stage, new[0].outcome) == (PAPER, Outcome.SUPERSEDED)
    assert stand(SHIPPED, anew).stage == INTAKE
    session = decision_with(SHIPPED, PAPER, Outcome.INCONCLUSIVE)
    traded = [*receipts, *receipts_of([session], first=len(receipts) + 1)]
    assert appended(SHIPPED, traded, plan({GATE: Outcome.FAIL}, mark="b" * 64))[1] == ()
    forged = decision_with(SHIPPED, PAPER, Outcome.SUPERSEDED)
    with pytest.raises(EvidenceContradictionError, match=PAPER):
        stand(SHIPPED, [*traded, *receipts_of([forged], first=len(traded) + 1)])


def test_nothing_planned_appends_nothing():
    assert what_to_append(SHIPPED, [], ()) == ()
