"""Who may introduce, sign and revoke; every other way is refused by its own name."""

import pytest
from ledger_examples import (
    ALICE,
    ALICE_2,
    BOB,
    CAROL,
    GATE,
    RUNNER,
    STRANGER,
    A,
    Book,
    record_made,
    signed,
)

from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.keys import KeyRegistration, KeyRevocation, fold_keys
from torghut_assets.domain.evidence.statement import MAY_SIGN, statement_about


def refused(call, *arguments):
    with pytest.raises(EvidenceRefusedError) as found:
        call(*arguments)
    return found.value.fault


def test_a_ring_is_the_fold_of_the_ledger():
    book = Book()
    book.revoke(BOB, ALICE, "left the company")
    ring = fold_keys(book.entries)
    assert ring.keys == book.ring.keys
    assert [(k.role, k.owner, k.is_active) for k in ring.keys] == [
        ("runner", "runner", True),
        ("gate", "gate", True),
        ("person", "Alice Example", True),
        ("person", "Bob Example", False),
    ]
    bob = ring.get(BOB.key_id)
    assert bob.introduced_by == (ALICE.key_id,)
    assert (bob.registered_in, bob.revoked_in) == (4, 5)
    assert bob.revoked_at == book.entries[4].recorded_at
    assert bob.revoked_reason == "left the company"
    assert [k.key_id for k in ring.active("person")] == [ALICE.key_id]
    assert ring.get(STRANGER.key_id) is None


def test_a_copy_of_a_ring_changes_on_its_own():
    book = Book()
    before = book.ring.copy()
    book.revoke(BOB, ALICE)
    assert before.get(BOB.key_id).is_active
    assert not book.ring.get(BOB.key_id).is_active


@pytest.mark.parametrize(
    ("key", "role", "sponsors", "fault"),
    [
        (STRANGER, "person", (), Fault.KEY_NOT_INTRODUCED),
        (STRANGER, "person", (RUNNER,), Fault.KEY_NOT_INTRODUCED),
        (STRANGER, "person", (GATE,), Fault.KEY_NOT_INTRODUCED),
        (STRANGER, "runner", (), Fault.KEY_NOT_INTRODUCED),
        (STRANGER, "runner", (RUNNER,), Fault.KEY_NOT_INTRODUCED),
        (STRANGER, "gate", (RUNNER,), Fault.KEY_NOT_INTRODUCED),
        (STRANGER, "person", (CAROL,), Fault.KEY_UNKNOWN),
        (ALICE, "person", (BOB,), Fault.KEY_KNOWN_ALREADY),
        (RUNNER, "person", (ALICE,), Fault.KEY_KNOWN_ALREADY),
    ],
)
def test_a_key_that_nobody_may_introduce_is_refused(key, role, sponsors, fault):
    book = Book()
    assert refused(book.register, key, role, "Somebody Else", *sponsors) is fault
    assert book.prefix.size == 4


@pytest.mark.parametrize("role", ["person", "runner", "gate"])
def test_a_person_may_introduce_every_key(role):
    book = Book()
    book.register(STRANGER, role, "Somebody Else", BOB)
    assert book.ring.get(STRANGER.key_id).role == role


def test_only_the_first_entry_makes_a_runner_of_itself():
    book = Book(begun=False)
    assert refused(book.register, GATE, "gate", "gate") is Fault.KEY_NOT_INTRODUCED
    book.register(RUNNER, "runner", "runner")
    assert refused(book.register, STRANGER, "runner", "x2") is Fault.KEY_NOT_INTRODUCED


def test_trust_on_first_use_happens_once_even_if_every_person_is_revoked():
    book = Book()
    book.revoke(BOB, ALICE)
    book.revoke(ALICE, ALICE)
    assert book.ring.active("person") == ()
    assert refused(book.register, CAROL, "person", "Carol Example") is Fault.KEY_NOT_INTRODUCED
    assert refused(book.register, CAROL, "person", "Carol Example", ALICE) is Fault.KEY_REVOKED


def test_a_key_must_sign_its_own_registration():
    book = Book()
    made = KeyRegistration(
        public_key=CAROL.public.hex(), role="person", owner="Carol Example", made_at=book.now
    )
    assert refused(book.add, signed(made.statement(), ALICE)) is Fault.KEY_NOT_PROVEN


def test_a_registration_and_a_revocation_are_about_their_subject():
    book = Book()
    made = KeyRegistration(
        public_key=CAROL.public.hex(), role="person", owner="Carol Example", made_at=book.now
    )
    about_another = statement_about("key-registration", {"public-key": STRANGER.key_id}, made)
    assert refused(book.add, signed(about_another, CAROL, ALICE)) is Fault.SUBJECTS_DIFFER
    ended = KeyRevocation(key_id=BOB.key_id, reason="left the company", made_at=book.now)
    about_another = statement_about("key-revocation", {"public-key": ALICE.key_id}, ended)
    assert refused(book.add, signed(about_another, ALICE)) is Fault.SUBJECTS_DIFFER


def test_only_persons_revoke_and_only_what_is_active():
    book = Book()
    assert refused(book.revoke, BOB, RUNNER) is Fault.SIGNED_BY_RUNNER
    assert refused(book.revoke, BOB, GATE) is Fault.SIGNED_BY_GATE
    assert refused(book.revoke, STRANGER, ALICE) is Fault.KEY_UNKNOWN
    book.revoke(BOB, ALICE)
    assert refused(book.revoke, BOB, ALICE) is Fault.KEY_REVOKED
    assert refused(book.revoke, ALICE, BOB) is Fault.KEY_REVOKED


@pytest.mark.parametrize(
    ("kind", "key", "fault"),
    [
        (kind, key, fault)
        for kind, roles in MAY_SIGN.items()
        if kind not in {"key-registration", "key-revocation"}
        for role, key, fault in (
            ("runner", RUNNER, Fault.SIGNED_BY_RUNNER),
            ("gate", GATE, Fault.SIGNED_BY_GATE),
            ("person", ALICE, Fault.ROLE_MAY_NOT_SIGN),
        )
        if role not in roles
    ],
)
def test_a_role_says_only_what_it_may(kind, key, fault):
    assert refused(Book().say, kind, key) is fault


@pytest.mark.parametrize("kind", sorted(set(MAY_SIGN) - {"key-registration", "key-revocation"}))
def test_every_kind_has_somebody_who_may_say_it(kind):
    key = {"runner": RUNNER, "gate": GATE, "person": ALICE}[min(MAY_SIGN[kind])]
    assert Book().say(kind, key).kind == kind


def test_a_revoked_key_says_nothing_more():
    book = Book()
    book.revoke(GATE, ALICE)
    assert refused(book.say, "gate-report", GATE) is Fault.KEY_REVOKED
    book.register(STRANGER, "gate", "gate", ALICE)
    assert book.say("gate-report", STRANGER).sequence == 7


def test_one_person_may_have_two_keys():
    book = Book()
    book.register(ALICE_2, "person", "Alice Example", ALICE)
    assert [k.owner for k in book.ring.active("person")].count("Alice Example") == 2


def test_a_second_signature_by_a_key_without_the_role_refuses_the_statement():
    book = Book()
    both = signed(statement_about("backtest", {"record": A}, record_made()), RUNNER, ALICE)
    assert refused(book.add, both) is Fault.ROLE_MAY_NOT_SIGN
