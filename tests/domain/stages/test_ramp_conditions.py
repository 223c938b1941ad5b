"""The conditions of the ramp: waiting holds, only capital beyond the policy fails."""

import pytest
import ramp_examples as ramp
import session_examples as paper

from torghut_assets.domain.errors import EvidenceError, EvidenceMissingError
from torghut_assets.domain.ramp.evaluate import judge_readiness, ramp_stage
from torghut_assets.domain.ramp.evidence import RampCase
from torghut_assets.domain.stages.conditions import CONDITIONS, DECLARED, examine
from torghut_assets.domain.stages.evidence import Outcome, StageEvidence

ENSURES = (
    "two_persons_approved",
    "operations_are_ready",
    "notional_within_ramp_policy",
    "limit_card_is_complete",
)
GOOD = ramp.case()
GRANT = ramp.grant_of(GOOD)


def stage(case=GOOD, granted=GRANT, name=ramp.STAGE, gates=None, policy=ramp.POLICY):
    found = judge_readiness(case, policy) if gates is None else gates
    return ramp_stage(case, policy, name, found, granted)


class Reader:
    """Evidence in a mapping, and a ledger that knows who approved."""

    def __init__(self, *, persons=("Alice Example", "Bob Example"), **records):
        self.persons = persons
        self.records = {
            "paper_deployment": ramp.deployment(),
            "ramp_policy": ramp.POLICY,
            "order_limits": ramp.LIMITS,
            "ramp_stage_1": stage(),
            **records,
        }

    def record(self, name):
        if self.records.get(name) is None:
            raise EvidenceMissingError(location=name, digest="0" * 64)
        return self.records[name]

    def submission(self):
        return ramp.gate_evidence.passing().candidate_spec.model_copy(
            update={"author": ramp.AUTHOR}
        )

    def ramp_approvers(self, grant):  # noqa: ARG002 - the protocol's signature
        if isinstance(self.persons, Exception):
            raise self.persons
        return self.persons


def outcomes(reader, session=ramp.SESSION, names=ENSURES):
    evidence = StageEvidence(paper.CANDIDATE, "us-megacaps@2021-12-31", reader, session)
    return {finding.condition: finding for finding in examine(names, evidence)}


def test_every_declared_condition_has_a_function():
    assert DECLARED == {}
    assert {*ENSURES, "ramp_stage_1_is_stable"} <= CONDITIONS.keys()


def test_a_granted_step_passes_every_condition():
    found = outcomes(Reader())
    assert {f.outcome for f in found.values()} == {Outcome.PASS}
    looked_at = {ref.name for ref in found["two_persons_approved"].looked_at}
    assert {"ramp_grant", "ramp_approval_1", "ramp_approval_2", "ramp_stage_1"} <= looked_at


def test_what_was_not_made_yet_is_missing():
    found = outcomes(Reader(ramp_stage_1=None))
    assert {f.outcome for f in found.values()} == {Outcome.MISSING}


@pytest.mark.parametrize("keys", [(), (ramp.ALICE,)])
def test_a_missing_signature_holds_and_never_fails(keys):
    waiting = stage(ramp.case(keys=keys), None)
    found = outcomes(Reader(ramp_stage_1=waiting))
    assert {f.outcome for f in found.values()} == {Outcome.INCONCLUSIVE}
    assert "APPROVALS_MISSING" in found["two_persons_approved"].detail


def test_operations_that_are_not_ready_hold():
    evidence = ramp.with_operations(ramp.evidence(), drills=())
    waiting = stage(ramp.case(evidence), None)
    found = outcomes(Reader(ramp_stage_1=waiting))
    assert found["operations_are_ready"].outcome is Outcome.INCONCLUSIVE
    assert {f.outcome for f in found.values()} == {Outcome.INCONCLUSIVE}


def test_live_trading_that_is_off_holds_with_its_reason():
    waiting = stage(ramp.case(policy=ramp.SHIPPED), None, policy=ramp.SHIPPED)
    found = outcomes(Reader(ramp_stage_1=waiting, ramp_policy=ramp.SHIPPED))
    assert {f.outcome for f in found.values()} == {Outcome.INCONCLUSIVE}
    assert "LIVE_DISABLED" in found["notional_within_ramp_policy"].detail


@pytest.mark.parametrize(
    "persons",
    [(), ("Alice Example",), ("Alice Example", "alice  example"), ("Alice Example", ramp.AUTHOR)],
)
def test_the_ledger_has_the_last_word_on_persons(persons):
    """The record says two; what counts is what the ledger says, without the author."""
    found = outcomes(Reader(persons=persons))
    assert found["two_persons_approved"].outcome is Outcome.MISSING


def test_a_ledger_that_does_not_know_the_grant_is_missing_evidence():
    found = outcomes(Reader(persons=EvidenceError("no statement about this grant")))
    assert found["two_persons_approved"].outcome is Outcome.MISSING


def beyond(**changes):
    grant = GRANT.model_copy(update=changes)
    return stage(granted=grant).model_copy(update={})


def test_capital_beyond_the_policy_fails():
    found = outcomes(Reader(ramp_stage_1=beyond(notional_after_usd=60_000.0)))
    assert found["notional_within_ramp_policy"].outcome is Outcome.FAIL
    assert "60000.00 USD, the policy allows 50000.00" in found["notional_within_ramp_policy"].detail


def test_capital_on_a_level_that_the_policy_does_not_know_fails():
    found = outcomes(Reader(ramp_stage_1=beyond(level_to="L9")))
    assert found["notional_within_ramp_policy"].outcome is Outcome.FAIL


def test_capital_after_live_trading_was_turned_off_fails():
    off = ramp.POLICY.model_copy(update={"live_enabled": False})
    found = outcomes(Reader(ramp_policy=off, ramp_stage_1=stage(policy=off)))
    assert found["notional_within_ramp_policy"].outcome is Outcome.FAIL


def test_too_large_a_step_fails():
    levels = [level.model_copy() for level in ramp.POLICY.levels]
    levels[1] = levels[1].model_copy(update={"notional_fraction": 0.3})
    lenient = ramp.POLICY.model_copy(update={"levels": tuple(levels)})
    grant = GRANT.model_copy(update={"notional_after_usd": 300_000.0})
    found = outcomes(Reader(ramp_policy=lenient, ramp_stage_1=stage(granted=grant, policy=lenient)))
    assert found["notional_within_ramp_policy"].outcome is Outcome.FAIL
    assert "a step of 0.3 of the budget" in found["notional_within_ramp_policy"].detail


def test_an_incomplete_card_holds():
    card = GRANT.limit_card.model_copy(update={"venues": ()})
    found = outcomes(Reader(ramp_stage_1=beyond(limit_card=card)))
    assert found["limit_card_is_complete"].outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    "change",
    [
        {"ramp_policy": ramp.SHIPPED},
        {"paper_deployment": ramp.deployment().model_copy(update={"budget_usd": 2e6})},
        {"ramp_stage_1": stage().model_copy(update={"session": "2022-02-02"})},
        {"ramp_stage_1": stage().model_copy(update={"stage": ramp.SECOND})},
    ],
    ids=["policy", "deployment", "session", "stage"],
)
def test_a_record_about_something_else_is_no_evidence(change):
    found = outcomes(Reader(**change))
    assert {f.outcome for f in found.values()} == {Outcome.MISSING}


def after(count, name=ramp.STAGE, drift=0.0):
    """The stage's record `count` sessions after the grant."""
    days = paper.sessions(20)[: 8 + count]
    evidence = ramp.evidence(
        session=days[-1],
        sessions=tuple(days),
        grants=(GRANT,),
        drift={day: ramp.drift_report(day, drift if day == days[-2] else 0.0) for day in days},
    )
    return days[-1], stage(RampCase(evidence, None), None, name, ())


@pytest.mark.parametrize(
    ("count", "drift", "outcome"),
    [
        (4, 0.0, Outcome.INCONCLUSIVE),
        (5, 0.0, Outcome.PASS),
        (6, 0.0, Outcome.PASS),
        (6, 2.0, Outcome.INCONCLUSIVE),
    ],
)
def test_the_canary_is_stable_after_its_burn_in(count, drift, outcome):
    session, record = after(count, drift=drift)
    names = ("ramp_stage_1_is_stable",)
    found = outcomes(Reader(ramp_stage_1=record), session, names)
    assert found[names[0]].outcome is outcome


def test_the_canary_is_not_stable_in_the_session_of_its_grant():
    names = ("ramp_stage_1_is_stable",)
    assert outcomes(Reader(), names=names)[names[0]].outcome is Outcome.INCONCLUSIVE


def test_beyond_the_canary_the_second_stage_is_judged_and_the_first_does_not_stand_for_it():
    """A grant of L1 must never pass for one of L2."""
    session, first = after(6)
    missing = outcomes(Reader(ramp_stage_1=first), session)
    assert {f.outcome for f in missing.values()} == {Outcome.MISSING}
    _, waiting = after(6, ramp.SECOND)
    found = outcomes(Reader(ramp_stage_1=first, ramp_stage_2_plus=waiting), session)
    assert {f.outcome for f in found.values()} == {Outcome.INCONCLUSIVE}
