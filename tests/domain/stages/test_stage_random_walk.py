"""Random lives of candidates, thousands of steps, and what must hold after each."""

import itertools
import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from stage_evidence import ACTIVE, SHIPPED, decision_with, receipts_of

from torghut_assets.domain.errors import EvidenceContradictionError, StageRefusedError
from torghut_assets.domain.stages.config import STAGES
from torghut_assets.domain.stages.evidence import Outcome
from torghut_assets.domain.stages.machine import (
    follow,
    has_traded,
    line_state,
    stand,
    walk,
    what_to_append,
)

CANDIDATES = ("anna", "bert", "carl")
ORDER = {name: i for i, name in enumerate(STAGES)}
OUTCOMES = st.sampled_from(Outcome)
MARKS = st.sampled_from(["a" * 64, "b" * 64, "d" * 64])
STEPS = itertools.count()


class Lives(RuleBasedStateMachine):
    """Receipts of three candidates in one book, as shipped or with every stage active."""

    @initialize(pipeline=st.sampled_from([SHIPPED, ACTIVE]))
    def begin(self, pipeline):
        self.pipeline = pipeline
        self.book = []

    def own(self, candidate):
        return [r for r in self.book if r.decision.candidate_id == candidate]

    def append(self, decisions):
        self.book += receipts_of(decisions, first=len(self.book) + 1)

    @rule(
        candidate=st.sampled_from(CANDIDATES),
        outcomes=st.dictionaries(
            st.sampled_from(STAGES), OUTCOMES.filter(lambda o: o != "superseded")
        ),
        mark=MARKS,
        through=st.sampled_from(STAGES[:4]),
    )
    def evaluate(self, candidate, outcomes, mark, through):
        """Settle an evaluation; at once a second time, which must add nothing."""
        next(STEPS)

        def decide_at(stage):
            found = outcomes.get(stage, Outcome.PASS)
            return decision_with(self.pipeline, stage, found, candidate=candidate, mark=mark)

        planned = walk(self.pipeline, through, decide_at)
        self.append(what_to_append(self.pipeline, self.own(candidate), planned))
        assert what_to_append(self.pipeline, self.own(candidate), planned) == ()

    @rule(
        candidate=st.sampled_from(CANDIDATES),
        outcomes=st.dictionaries(
            st.sampled_from(STAGES[4:]), OUTCOMES.filter(lambda o: o != "superseded")
        ),
        mark=MARKS,
    )
    def trade(self, candidate, outcomes, mark):
        """Settle a session; at once a second time, which must add nothing."""
        next(STEPS)

        def decide_at(stage):
            found = outcomes.get(stage, Outcome.INCONCLUSIVE)
            return decision_with(self.pipeline, stage, found, candidate=candidate, mark=mark)

        stage = stand(self.pipeline, self.own(candidate)).stage
        new = follow(self.pipeline, self.own(candidate), decide_at)
        assert self.pipeline.stage(stage).is_about_a_session or new == ()
        self.append(new)
        assert follow(self.pipeline, self.own(candidate), decide_at) == ()

    @rule(candidate=st.sampled_from(CANDIDATES), outcome=OUTCOMES, mark=MARKS)
    def decide_where_it_stands(self, candidate, outcome, mark):
        next(STEPS)
        standing = stand(self.pipeline, self.own(candidate))
        if outcome is Outcome.SUPERSEDED and has_traded(self.pipeline, standing):
            return
        stage = standing.stage
        self.append([decision_with(self.pipeline, stage, outcome, candidate=candidate, mark=mark)])

    @rule(
        candidate=st.sampled_from(CANDIDATES),
        stage=st.sampled_from(STAGES),
        to=st.sampled_from(STAGES),
        outcome=OUTCOMES,
    )
    def forge(self, candidate, stage, to, outcome):
        """Try a receipt from anywhere to anywhere: it is refused unless it is the listed one."""
        next(STEPS)
        standing = stand(self.pipeline, self.own(candidate))
        here = standing.stage
        listed = decision_with(self.pipeline, here, outcome, candidate=candidate)
        forged = listed.model_copy(update={"stage": stage, "to_stage": to})
        moved = outcome is Outcome.SUPERSEDED and has_traded(self.pipeline, standing)
        if (stage, to) == (here, here if moved else listed.to_stage):
            return
        receipts = [*self.own(candidate), *receipts_of([forged], first=len(self.book) + 1)]
        with pytest.raises((EvidenceContradictionError, StageRefusedError)):
            stand(self.pipeline, receipts)

    @invariant()
    def no_stage_is_entered_without_a_pass_of_the_one_before(self):
        for candidate in CANDIDATES:
            for receipt in self.own(candidate):
                decision = receipt.decision
                forward = ORDER[decision.to_stage] > ORDER[decision.stage]
                if forward and decision.to_stage != "rollback_incident":
                    assert receipt.outcome is Outcome.PASS
                    assert ORDER[decision.to_stage] == ORDER[decision.stage] + 1

    @invariant()
    def what_is_deployed_passed_every_stage_before_it_since_it_last_began(self):
        deployed = {stage.name for stage in self.pipeline.stages if stage.deployed}
        for candidate in CANDIDATES:
            passed = set()
            for receipt in self.own(candidate):
                if receipt.decision.to_stage == STAGES[0]:
                    passed = set()
                elif receipt.outcome is Outcome.PASS:
                    passed.add(receipt.decision.stage)
                if receipt.decision.to_stage in deployed:
                    assert passed >= set(STAGES[:4])

    @invariant()
    def a_failure_of_what_is_deployed_is_rolled_back_and_nothing_else(self):
        deployed = {stage.name for stage in self.pipeline.stages if stage.deployed}
        for receipt in self.book:
            decision = receipt.decision
            taken_back = decision.to_stage == "rollback_incident" != decision.stage
            failed = decision.stage in deployed and receipt.outcome is Outcome.FAIL
            assert taken_back == failed

    @invariant()
    def nothing_inactive_is_ever_entered(self):
        active = {stage.name for stage in self.pipeline.stages if stage.active}
        assert {r.decision.to_stage for r in self.book} <= active

    @invariant()
    def the_fold_does_not_depend_on_the_order_of_reading(self):
        for candidate in CANDIDATES:
            own = self.own(candidate)
            shuffled = random.Random(len(own)).sample(own, len(own))
            assert stand(self.pipeline, shuffled) == stand(self.pipeline, own)

    @invariant()
    def refusals_are_counted_once_per_report_and_never_forgotten(self):
        for candidate in CANDIDATES:
            refused = {
                r.decision.requires[0].looked_at[0].digest
                for r in self.own(candidate)
                if r.decision.stage == "gate_policy_evaluation" and r.outcome is Outcome.FAIL
            }
            line = line_state(self.book, candidate, None, self.pipeline.freeze)
            assert len(line.refusals) == len(refused)
            assert line.is_frozen == (len(refused) >= 3)


def test_random_lives_of_two_thousand_steps_and_more():
    machine = settings(max_examples=60, stateful_step_count=50, deadline=None)
    from hypothesis.stateful import run_state_machine_as_test

    before = next(STEPS)
    run_state_machine_as_test(Lives, settings=machine)
    assert next(STEPS) - before - 1 >= 2_000
