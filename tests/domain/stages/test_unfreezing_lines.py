"""A signed approval lifts the refusals that it names, and nothing else."""

import datetime as dt

import pytest
from stage_evidence import CANDIDATE, DIGESTS, SHIPPED, evidence_of, passing_reader

from torghut_assets.domain.evidence.approval_records import Approval
from torghut_assets.domain.evidence.approvals import AcceptedApproval
from torghut_assets.domain.evidence.keys import KeyRecord
from torghut_assets.domain.stages.conditions import examine
from torghut_assets.domain.stages.config import FreezePolicy
from torghut_assets.domain.stages.evidence import Outcome
from torghut_assets.domain.stages.line import LineState, Refusal, lifted_by, unfreeze_decision

AT = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
POLICY = FreezePolicy(stage="gate_policy_evaluation", after_refusals=2)
AUTHORS = {"child": "Ann Author", "parent": "Bert Builder", "cousin": "Ann Author"}
KEY = KeyRecord(
    key_id="1" * 64,
    public_key="2" * 64,
    role="person",
    owner="Rita Reviewer",
    registered_at=AT,
    registered_in=2,
    introduced_by=(),
)


def line_of(*marks, members=("child", "parent"), policy=POLICY):
    refusals = tuple(Refusal("child", mark * 64, n) for n, mark in enumerate(marks, start=1))
    return LineState(members, refusals, policy)


def accepted(decision):
    approval = Approval(
        decision=decision,
        approver=KEY.owner,
        issued_at=AT,
        expires_at=AT + dt.timedelta(hours=1),
        nonce="0" * 32,
    )
    return AcceptedApproval(approval, KEY, "e" * 64)


def decided(line, authors=("Bert Builder", "Ann Author", "Ann Author")):
    return unfreeze_decision(line, authors)


def lifted(line, *decisions):
    return lifted_by(line, [accepted(d) for d in decisions], AUTHORS.__getitem__)


def test_the_decision_names_members_refusals_authors_and_policy():
    decision = decided(line_of("2", "1"))
    assert decision.members == ("child", "parent")
    assert decision.refusals == ("1" * 64, "2" * 64)
    assert decision.authors == ("Ann Author", "Bert Builder")
    other = decided(line_of("2", "1", policy=POLICY.model_copy(update={"after_refusals": 1})))
    assert other.policy_digest != decision.policy_digest
    assert other.report_digest == decision.report_digest


def test_refusals_so_far_are_lifted_and_later_ones_count_anew():
    frozen = line_of("1", "2")
    assert frozen.is_frozen
    first = decided(frozen)
    assert not lifted(frozen, first).is_frozen
    assert len(lifted(line_of("1", "2", "3"), first).counted) == 1
    again = lifted(line_of("1", "2", "3", "4"), first)
    assert again.is_frozen
    second = decided(again)
    assert second.refusals == ("3" * 64, "4" * 64)
    free = lifted(line_of("1", "2", "3", "4"), first, second)
    assert not free.is_frozen
    assert free.approvals == (accepted(first).approval.digest, accepted(second).approval.digest)
    assert free.refused("child"), "what was refused stays refused"


@pytest.mark.parametrize(
    "changes",
    [
        {"refusals": ("1" * 64, "9" * 64)},
        {"refusals": ("1" * 64,)},
        {"members": ("child", "somebody")},
        {"members": ("child",)},
        {"authors": ("Bert Builder",)},
        {"authors": ("Ann Author", "Bert Builder", "Rita Reviewer")},
        {"policy_digest": "9" * 64},
        {"report_digest": "9" * 64},
        {"stage": "research_intake"},
        {"candidate_id": "child"},
    ],
)
def test_an_approval_of_anything_else_lifts_nothing(changes):
    frozen = line_of("1", "2")
    assert lifted(frozen, decided(frozen).model_copy(update=changes)) == frozen


def test_a_line_is_not_unfrozen_in_advance():
    early = decided(line_of("1"))
    assert lifted(line_of("1"), early).lifted == frozenset()
    assert lifted(line_of("1", "2"), early).is_frozen


def test_the_same_approval_lifts_nothing_twice():
    frozen = line_of("1", "2")
    decision = decided(frozen)
    assert lifted(frozen, decision, decision) == lifted(frozen, decision)


def test_a_line_that_grew_keeps_what_a_person_lifted():
    decision = decided(line_of("1", "2"))
    grown = line_of("1", "2", members=("child", "cousin", "parent"))
    assert not lifted(grown, decision).is_frozen


def test_another_policy_freezes_again():
    decision = decided(line_of("1", "2"))
    stricter = POLICY.model_copy(update={"after_refusals": 1})
    assert lifted(line_of("1", "2", policy=stricter), decision).is_frozen


def test_the_condition_says_who_may_lift_and_names_the_approval_that_did():
    reader = passing_reader()
    refusals = tuple(Refusal(CANDIDATE, DIGESTS[str(i)], i + 1) for i in range(3))
    reader.lines = LineState((CANDIDATE,), refusals, SHIPPED.freeze)
    frozen = examine(("line_is_not_frozen",), evidence_of(reader))[0]
    assert frozen.outcome is Outcome.FAIL
    assert f"torghut approve unfreeze {CANDIDATE}" in frozen.detail
    decision = unfreeze_decision(reader.lines, ["Ann Author"])
    reader.lines = lifted_by(reader.lines, [accepted(decision)], lambda _: "Ann Author")
    free = examine(("line_is_not_frozen",), evidence_of(reader))[0]
    assert free.outcome is Outcome.PASS
    assert "since a person unfroze it" in free.detail
    looked_at = {ref.name: ref.digest for ref in free.looked_at}
    assert looked_at["unfreeze_approval_1"] == accepted(decision).approval.digest
