"""Whose word counts for a step: every way to be wrong is refused for its own reason."""

import datetime as dt

import pytest
import ramp_examples as ramp
import session_examples as paper
from ledger_examples import ALICE, ALICE_2, BOB, CAROL, GATE, RUNNER, Book, signed

from torghut_assets.domain.evidence.approval_records import ApprovedLimit
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.statement import statement_about
from torghut_assets.domain.ramp.approving import approvals_for, approvers_of
from torghut_assets.domain.ramp.records import RampGrant

REQUEST = ramp.case().request
HOUR = dt.timedelta(hours=1)


def judged(book, now=None, request=REQUEST):
    return approvals_for(book.entries, book.ring, request.decision, now or book.now)


def changed(**changes):
    return REQUEST.decision.model_copy(update=changes)


def widened():
    limits = [
        ApprovedLimit(name=x.name, value=x.value * 2) if x.name == "notional_usd" else x
        for x in REQUEST.decision.limits
    ]
    return changed(limits=tuple(limits))


FORGERIES = [
    ("other_report", {"decision": changed(report_digest="1" * 64)}),
    ("other_policy", {"decision": changed(policy_digest="1" * 64)}),
    ("other_authors", {"decision": changed(authors=("Somebody Else",))}),
    ("limits_differ", {"decision": widened()}),
    ("limits_differ", {"decision": changed(limits=())}),
    ("approver_is_not_signer", {"approver": "Bob Example"}),
    ("issued_in_the_future", {"issued_at": Book().now + HOUR, "expires_at": Book().now + 2 * HOUR}),
    ("lifetime_impossible", {"expires_at": Book().now + 400 * HOUR}),
    ("lifetime_impossible", {"expires_at": Book().now - HOUR}),
    ("clock_moved_back", {"issued_at": Book().now}),
]


@pytest.mark.parametrize(("code", "change"), FORGERIES, ids=[code for code, _ in FORGERIES])
def test_an_approval_of_something_else_is_none(code, change):
    book = Book()
    ramp.approve(book, REQUEST, BOB, "Bob Example")
    ramp.approve(book, REQUEST, ALICE, "Alice Example", **change)
    found = judged(book)
    assert found.persons == ("Bob Example",)
    assert [text.split(": ")[1].split(",")[0] for text in found.refused] == [code]


def test_an_approval_of_another_candidate_or_stage_is_not_even_looked_at():
    book = Book()
    for change in ({"candidate_id": "another-one"}, {"stage": ramp.SECOND}, {"kind": "deploy"}):
        ramp.approve(book, REQUEST, ALICE, "Alice Example", decision=changed(**change))
    assert judged(book) == judged(Book())


def test_an_approval_expires_while_it_waits():
    book = ramp.book_with(REQUEST, ALICE, BOB)
    assert judged(book).persons == ("Alice Example", "Bob Example")
    late = judged(book, book.now + 8 * HOUR)
    assert late.persons == ()
    assert all(": expired, " in text for text in late.refused)


def test_a_revoked_key_approves_nothing_any_more():
    book = ramp.book_with(REQUEST, ALICE, BOB)
    book.revoke(ALICE, BOB)
    assert judged(book).persons == ("Bob Example",)


def test_two_keys_of_one_person_are_one_person():
    book = ramp.book_with(REQUEST, ALICE)
    book.register(ALICE_2, "person", "alice  EXAMPLE", BOB)
    ramp.approve(book, REQUEST, ALICE_2, "alice  EXAMPLE")
    found = judged(book)
    assert (len(found.accepted), len(found.persons)) == (2, 1)


def test_the_author_does_not_count():
    book = ramp.book_with(REQUEST, ALICE)
    book.register(CAROL, "person", ramp.AUTHOR, BOB)
    ramp.approve(book, REQUEST, CAROL, ramp.AUTHOR)
    found = judged(book)
    assert found.persons == ("Alice Example",)
    assert "self_approved" in found.refused[0]


def test_a_replayed_approval_counts_once():
    book = Book()
    entry = ramp.approve(book, REQUEST, ALICE, "Alice Example")
    book.add(entry.envelope)
    found = judged(book)
    assert len(found.accepted) == 1
    assert "nonce_used" in found.refused[0] or "clock_moved_back" in found.refused[0]


def test_what_was_approved_instead_is_known():
    book = Book()
    other = changed(report_digest="1" * 64)
    ramp.approve(book, REQUEST, ALICE, "Alice Example", decision=other)
    assert judged(book).of_others == ("1" * 64,)


def granted(keys=(ALICE, BOB)):
    """A ledger in which a step was granted, and the grant."""
    book = ramp.book_with(REQUEST, *keys)
    grant = ramp.grant_of(ramp.case())
    refs = judged(book).accepted
    grant = grant.model_copy(update={"approvals": refs})
    book.add(signed(statement_about("ramp", grant.subjects, grant), GATE))
    return book, grant


def test_a_grant_uses_its_approvals_up():
    book, _ = granted()
    found = judged(book)
    assert found.persons == ()
    assert all("approval_spent" in text for text in found.refused)


def test_the_persons_behind_a_grant_are_found_again():
    book, grant = granted()
    assert approvers_of(book.entries, book.ring, grant, REQUEST) == (
        "Alice Example",
        "Bob Example",
    )


def refused(book, grant, request=REQUEST):
    with pytest.raises(EvidenceRefusedError) as error:
        approvers_of(book.entries, book.ring, grant, request)
    return error.value.fault


def test_a_grant_that_the_ledger_does_not_hold_is_none():
    book = ramp.book_with(REQUEST, ALICE, BOB)
    assert refused(book, ramp.grant_of(ramp.case())) is Fault.OTHER_REPORT


def test_a_grant_with_one_changed_number_is_none():
    book, grant = granted()
    richer = grant.model_copy(update={"notional_after_usd": 1e9})
    assert refused(book, richer) is Fault.OTHER_REPORT


def test_a_grant_of_another_request_is_none():
    book, grant = granted()
    other = REQUEST.model_copy(update={"budget_usd": 5.0})
    assert refused(book, grant, other) is Fault.SUBJECTS_DIFFER


def test_a_grant_that_names_the_runner_as_witness_is_none():
    """Whoever has the machine's keys can write a ramp entry, but no person's approval."""
    book = Book()
    grant = ramp.grant_of(ramp.case())
    book.add(signed(statement_about("ramp", grant.subjects, grant), RUNNER))
    assert refused(book, grant) is Fault.TOO_FEW_PERSONS


def test_a_second_grant_on_the_same_approvals_is_none():
    book, grant = granted()
    again = grant.model_copy(update={"granted_at": grant.granted_at + HOUR})
    book.add(signed(statement_about("ramp", again.subjects, again), GATE))
    assert refused(book, again) is Fault.APPROVAL_SPENT
    assert len(approvers_of(book.entries, book.ring, grant, REQUEST)) == 2


def test_revoking_a_key_takes_the_grant_back():
    book, grant = granted()
    book.revoke(ALICE, BOB)
    assert refused(book, grant) in (Fault.KEY_REVOKED, Fault.KEY_REVOKED_BEFORE_SIGNING)


def test_a_grant_on_one_person_cannot_even_be_written():
    fields = {name: getattr(ramp.grant_of(ramp.case()), name) for name in RampGrant.model_fields}
    one = fields["approvals"][0]
    with pytest.raises(ValueError, match="two different persons"):
        RampGrant(**{**fields, "approvals": (one, one)})
    gates = ramp.judge_readiness(ramp.case(keys=()), ramp.POLICY)
    with pytest.raises(ValueError, match="does not pass"):
        RampGrant(**{**fields, "gates": gates})
    with pytest.raises(ValueError, match="gates are"):
        RampGrant(**{**fields, "gates": fields["gates"][:1]})
    with pytest.raises(ValueError, match="an increase"):
        RampGrant(**{**fields, "notional_before_usd": 1e9})
    assert fields["candidate_id"] == paper.CANDIDATE
