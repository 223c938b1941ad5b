"""Enough persons, and approvals as a ledger holds them."""

import datetime as dt

import pytest
from ledger_examples import (
    ALICE,
    ALICE_2,
    BOB,
    GENUINE,
    HOUR,
    RING,
    RUNNER,
    START,
    A,
    Book,
    approval,
    circumstances,
    decision,
    of,
    record_made,
    signed,
)

from torghut_assets.domain.evidence.approvals import (
    approvals_in,
    approvals_of_kind,
    judge_approval,
    require_persons,
)
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.statement import statement_about


def accepted(*envelopes, ring=RING):
    judged = [judge_approval(e, decision(), circumstances(ring=ring)).accepted for e in envelopes]
    assert None not in judged
    return judged


def persons(*approvals, count=2):
    with pytest.raises(EvidenceRefusedError) as refused:
        require_persons(approvals, count)
    return refused.value.fault


def test_two_persons_are_two_owners():
    both = accepted(GENUINE, of(by=BOB, approver="Bob Example", nonce="1" * 32))
    assert require_persons(both, 2) == ("Alice Example", "Bob Example")
    assert persons(*both, count=3) is Fault.TOO_FEW_PERSONS
    assert persons(both[0]) is Fault.TOO_FEW_PERSONS
    assert persons() is Fault.TOO_FEW_PERSONS


def test_one_approval_presented_twice_is_one():
    assert persons(*accepted(GENUINE, GENUINE)) is Fault.SAME_APPROVAL_TWICE


def test_two_approvals_of_one_key_are_one_person():
    assert persons(*accepted(GENUINE, of(nonce="1" * 32))) is Fault.SAME_PERSON_TWICE


def test_two_keys_of_one_owner_are_one_person():
    book = Book()
    book.register(ALICE_2, "person", "alice  EXAMPLE", ALICE)
    second = of(by=ALICE_2, approver="alice  EXAMPLE", nonce="1" * 32)
    assert persons(*accepted(GENUINE, second, ring=book.ring)) is Fault.SAME_PERSON_TWICE


def test_approvals_of_two_decisions_are_not_two_approvals_of_one():
    other = decision(stage="live_ramp_stage_2_plus")
    second = of(of=other, by=BOB, approver="Bob Example", nonce="1" * 32)
    judged = judge_approval(second, other, circumstances()).accepted
    assert persons(*accepted(GENUINE), judged) is Fault.OTHER_DECISION


def in_ledger(*envelopes, before=None):
    """Return a ledger with approvals one second after each other, from one hour on."""
    book = Book()
    book.now = before or START + HOUR - dt.timedelta(seconds=1)
    for envelope in envelopes:
        book.add(envelope)
    return book


def faults(book, decided=None):
    return [j.fault for j in approvals_in(book.entries, decided or decision(), book.ring)]


def test_a_ledger_is_judged_entry_by_entry():
    later = of(nonce="1" * 32, issued_at=START + HOUR + dt.timedelta(seconds=1))
    assert faults(in_ledger(GENUINE, later)) == [None, None]
    assert faults(in_ledger(GENUINE, GENUINE)) == [None, Fault.NONCE_USED]
    replay = of(issued_at=START + HOUR + dt.timedelta(seconds=1))
    assert faults(in_ledger(GENUINE, replay)) == [None, Fault.NONCE_USED]
    assert faults(in_ledger(GENUINE, before=START + 20 * HOUR)) == [Fault.EXPIRED]
    book = in_ledger()
    book.now += dt.timedelta(seconds=5)
    book.say()
    book.add(GENUINE)
    assert faults(book) == [Fault.CLOCK_MOVED_BACK]


def test_a_revocation_takes_back_what_a_key_approved():
    book = in_ledger(GENUINE)
    assert faults(book) == [None]
    book.revoke(ALICE, BOB)
    assert faults(book) == [Fault.KEY_REVOKED]
    assert list(approvals_of_kind(book.entries, "ramp", book.ring)) == []


def test_a_decision_spends_its_approval():
    book = in_ledger(GENUINE)
    book.say("ramp", RUNNER, {"approval-1": approval().digest, "record": A})
    assert faults(book) == [Fault.APPROVAL_SPENT]


def test_approvals_of_a_kind_count_for_what_they_say():
    odd = signed(statement_about("approval", decision().subjects, record_made()), ALICE)
    book = in_ledger(GENUINE, odd)
    found = [a.approval for a in approvals_of_kind(book.entries, "ramp", book.ring)]
    assert found == [approval()]
    assert list(approvals_of_kind(book.entries, "unfreeze", book.ring)) == []
