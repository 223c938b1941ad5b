"""A tombstone is believed only if the ledger itself shows that it was allowed."""

import datetime as dt

import pytest
from ledger_examples import ALICE, BOB, GATE, HOUR, RUNNER, A, B, Book, signed

from torghut_assets.domain.evidence.approval_records import Approval
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.removals import read_retention, require_planned
from torghut_assets.domain.evidence.retention_records import (
    HoldRelease,
    LegalHold,
    PlannedRemoval,
    RetentionPlan,
    StatedAs,
    Tombstone,
)
from torghut_assets.domain.evidence.statement import statement_about

OWNERS = {ALICE: "Alice Example", BOB: "Bob Example"}


class Removing(Book):
    """A ledger in which record A is stated, and may be removed."""

    def __init__(self):
        super().__init__()
        self.said = self.say()
        self.plan = self.planned()

    def planned(self, keep_days=0, **changes):
        stated = StatedAs(
            kind="backtest",
            sequence=self.said.sequence,
            recorded_at=self.said.recorded_at,
            keep_days=keep_days,
        )
        item = PlannedRemoval(artifact=A, what="backtest_metrics", size_bytes=7, stated=(stated,))
        return RetentionPlan(
            policy_digest=B,
            persons_required=2,
            made_at=self.now,
            ledger_size=self.prefix.size,
            ledger_root=self.prefix.root().hex(),
            items=(item.model_copy(update=changes),),
        )

    def approve(self, key, plan=None, lifetime=HOUR):
        approval = Approval(
            decision=(plan or self.plan).decision,
            approver=OWNERS[key],
            issued_at=self.now,
            expires_at=self.now + lifetime,
            nonce=f"{self.prefix.size:032x}",
        )
        self.add(signed(approval.statement(), key))
        return approval.digest

    def bury(self, *approvals, plan=None, **changes):
        plan = plan or self.plan
        data = {
            "removed": plan.items[0],
            "policy_digest": plan.policy_digest,
            "plan_digest": plan.digest,
            "persons_required": 2,
            "reason": "its term has passed",
            **changes,
        }
        stone = Tombstone(**data)
        statement = statement_about("tombstone", stone.subjects(approvals), stone)
        return self.add(signed(statement, RUNNER))

    def hold(self, name="inquiry", by=ALICE, **scope):
        scope = {"everything": False, "candidates": (), "artifacts": (), **scope}
        hold = LegalHold(
            name=name,
            reason="a matter",
            holder=OWNERS.get(by, "runner"),
            placed_at=self.now,
            **scope,
        )
        self.add(signed(hold.statement(), by))
        return hold

    def release(self, hold, by=BOB):
        release = HoldRelease(
            name=hold.name,
            hold_digest=hold.digest,
            reason="closed",
            releaser=OWNERS[by],
            released_at=self.now,
        )
        self.add(signed(release.statement(), by))

    def read(self, **options):
        return read_retention(self.entries, self.ring, **options)


@pytest.fixture
def book():
    return Removing()


def fault_of(book, **options):
    with pytest.raises(EvidenceRefusedError) as refused:
        book.read(**options)
    return refused.value.fault


def test_a_removal_that_two_persons_approved_is_proven(book):
    stone = book.bury(book.approve(ALICE), book.approve(BOB))
    found = book.read()
    assert found.removal_text(A) == f"removed under retention, tombstone {stone.sequence}"
    assert found.removal_text(B) is None
    require_planned(found.removed[A], book.plan)


def test_too_few_persons_prove_nothing(book):
    book.bury(book.approve(ALICE))
    assert fault_of(book) is Fault.TOMBSTONE_UNPROVEN


def test_one_person_twice_is_one_person(book):
    book.bury(book.approve(ALICE), book.approve(ALICE))
    assert fault_of(book) is Fault.TOMBSTONE_UNPROVEN


def test_approvals_of_another_plan_prove_nothing(book):
    other = book.planned(what="something else")
    book.bury(book.approve(ALICE, other), book.approve(BOB, other))
    assert fault_of(book) is Fault.TOMBSTONE_UNPROVEN


def test_approvals_that_expired_or_were_never_given_prove_nothing(book):
    late = book.approve(ALICE, lifetime=dt.timedelta(seconds=2)), book.approve(BOB)
    book.bury(*late)
    assert fault_of(book) is Fault.TOMBSTONE_UNPROVEN
    other = Removing()
    other.bury(A, B)
    assert fault_of(other) is Fault.TOMBSTONE_UNPROVEN


def test_a_key_that_was_revoked_before_proves_nothing_and_one_revoked_later_does(book):
    both = book.approve(ALICE), book.approve(BOB)
    other = Removing()
    theirs = other.approve(ALICE), other.approve(BOB)
    book.bury(*both)
    book.revoke(BOB, ALICE)
    assert A in book.read().removed
    other.revoke(BOB, ALICE)
    other.bury(*theirs)
    assert fault_of(other) is Fault.TOMBSTONE_UNPROVEN


def test_a_term_that_has_not_passed_proves_nothing(book):
    plan = book.planned(keep_days=1)
    book.bury(book.approve(ALICE, plan), book.approve(BOB, plan), plan=plan)
    assert fault_of(book) is Fault.TOMBSTONE_UNPROVEN


def test_a_statement_of_another_kind_or_a_newer_one_convicts(book):
    for kind, by in (("backtest", RUNNER), ("gate-report", GATE)):
        other = Removing()
        other.say(kind, by)
        other.bury(other.approve(ALICE), other.approve(BOB))
        assert fault_of(other) is Fault.TOMBSTONE_UNPROVEN, kind
        assert fault_of(other, complete=False) is Fault.TOMBSTONE_UNPROVEN, kind


def test_a_hold_convicts_a_tombstone_and_a_released_one_does_not(book):
    for scope in (
        {"artifacts": (A,)},
        {"candidates": ("some-candidate",)},
        {"everything": True},
    ):
        other = Removing()
        hold = other.hold(**scope)
        other.bury(other.approve(ALICE), other.approve(BOB))
        assert fault_of(other) is Fault.HOLD_CONTRADICTS, scope
        released = Removing()
        hold = released.hold(**scope)
        released.release(hold)
        released.bury(released.approve(ALICE), released.approve(BOB))
        assert A in released.read().removed
    book.hold(artifacts=(B,))
    book.hold("another", candidates=("other-candidate",))
    book.bury(book.approve(ALICE), book.approve(BOB))
    found = book.read()
    assert (set(found.holds), set(found.removed)) == ({"inquiry", "another"}, {A})


def test_a_machine_can_neither_hold_nor_let_go(book):
    with pytest.raises(EvidenceRefusedError) as refused:
        book.hold(by=RUNNER, everything=True)
    assert refused.value.fault is Fault.SIGNED_BY_RUNNER


def test_holds_that_contradict_each_other_are_broken(book):
    hold = book.hold(everything=True)
    book.release(hold)
    twice = Removing()
    twice.hold(everything=True)
    twice.hold(everything=True)
    assert fault_of(twice) is Fault.HOLD_BROKEN
    book.release(hold)
    assert fault_of(book) is Fault.HOLD_BROKEN


def test_what_was_made_again_is_not_removed_any_more_and_one_removal_is_one(book):
    book.bury(book.approve(ALICE), book.approve(BOB))
    again = Removing()
    both = again.approve(ALICE), again.approve(BOB)
    again.bury(*both)
    again.bury(*both)
    assert fault_of(again) is Fault.TOMBSTONE_UNPROVEN
    book.say()
    found = book.read()
    assert (dict(found.removed), found.tombstones) == ({}, 1)


def test_a_tombstone_whose_plan_says_otherwise_is_not_proven(book):
    book.bury(book.approve(ALICE), book.approve(BOB))
    removal = book.read().removed[A]
    for plan in (book.planned(size_bytes=8), book.planned(keep_days=1)):
        with pytest.raises(EvidenceRefusedError) as refused:
            require_planned(removal, plan)
        assert refused.value.fault is Fault.TOMBSTONE_UNPROVEN


def test_subjects_that_are_not_those_of_the_record_are_refused(book):
    stone = Tombstone(
        removed=book.plan.items[0],
        policy_digest=B,
        plan_digest=book.plan.digest,
        persons_required=2,
        reason="its term has passed",
    )
    subjects = {**stone.subjects((book.approve(ALICE), book.approve(BOB))), "artifact": B}
    book.add(signed(statement_about("tombstone", subjects, stone), RUNNER))
    assert fault_of(book) is Fault.TOMBSTONE_UNPROVEN
