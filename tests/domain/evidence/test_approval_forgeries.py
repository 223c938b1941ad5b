"""Forgeries and replays of approvals: none is accepted, each is refused for its own reason.

`FORGERIES` is the table. Every case starts from the approval that `test_the_genuine_one…`
accepts and changes one thing.
"""

import base64
import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_examples import (
    ALICE,
    BOB,
    CAROL,
    GATE,
    GENUINE,
    HOUR,
    NOW,
    RUNNER,
    START,
    STRANGER,
    A,
    Book,
    approval,
    circumstances,
    decision,
    of,
    record_made,
    signed,
)

from torghut_assets.domain.digests import canonical_json
from torghut_assets.domain.evidence.approval_records import ApprovedLimit
from torghut_assets.domain.evidence.approvals import (
    judge_approval,
)
from torghut_assets.domain.evidence.dsse import IN_TOTO, TREE_HEAD, sealed
from torghut_assets.domain.evidence.faults import Fault
from torghut_assets.domain.evidence.statement import statement_about

D = "d" * 64


def about(**changes):
    """Return an approval of another decision, signed properly."""
    return of(of=decision(**changes))


def envelope_with(**changes):
    return canonical_json({**GENUINE.plain(), **changes})


def payload_with(edit):
    """Return the genuine envelope with its payload's text edited and its signature kept."""
    payload = edit(GENUINE.payload_bytes)
    assert payload != GENUINE.payload_bytes
    return envelope_with(payload=base64.b64encode(payload).decode())


def text_signed_by(key, payload, kind=IN_TOTO):
    return sealed(kind, payload, key.sign)


def with_signature_of(other):
    return envelope_with(signatures=[s.model_dump() for s in other.signatures])


def swapped_subjects():
    """Return an approval whose statement is about other bytes than its decision."""
    subjects = {"policy": decision().report_digest, "report": decision().policy_digest}
    return signed(statement_about("approval", subjects, approval()), ALICE)


def duplicate_key_in_payload():
    text = GENUINE.payload_bytes
    nonce = b'"nonce":"' + b"0" * 32 + b'"'
    assert nonce in text
    return text_signed_by(ALICE, text.replace(nonce, b'"nonce":"' + b"1" * 32 + b'",' + nonce))


def as_tree_head():
    """Return the genuine bytes signed as another type: a confusion of payload types."""
    made = text_signed_by(ALICE, GENUINE.payload_bytes, TREE_HEAD)
    return canonical_json({**made.plain(), "payloadType": IN_TOTO})


def without_encoding():
    """Return a signature over the bare payload, without the pre-authentication encoding."""
    raw = ALICE.private.sign(GENUINE.payload_bytes)
    made = {"keyid": ALICE.key_id, "sig": base64.b64encode(raw).decode()}
    return envelope_with(signatures=[made])


def named(key):
    """Return the genuine signature under another key's id."""
    return envelope_with(signatures=[{**GENUINE.plain()["signatures"][0], "keyid": key.key_id}])


def revoked(key, at):
    """Return the keys after one was revoked at a time."""
    book = Book()
    book.now = at - dt.timedelta(seconds=1)
    book.revoke(key, BOB)
    return book.ring


def wider():
    limits = (
        ApprovedLimit(name="notional_usd", value=25_000.0),
        ApprovedLimit(name="orders_per_session", value=50.0),
    )
    return decision(limits=limits)


def one_limit_fewer():
    return decision(limits=decision().limits[:1])


LATE_KEY = Book()
LATE_KEY.now = START + 2 * HOUR
LATE_KEY.register(CAROL, "person", "Dora Example", ALICE)

FORGERIES = {
    # name: (what is presented, what is being decided, circumstances, reason)
    "edited byte": (
        payload_with(lambda p: p.replace(b"10000", b"10001")),
        None,
        {},
        Fault.SIGNATURE_INVALID,
    ),
    "signature of another approval": (
        with_signature_of(of(nonce="1" * 32)),
        None,
        {},
        Fault.SIGNATURE_INVALID,
    ),
    "wrong key under a known id": (named(BOB), None, {}, Fault.SIGNATURE_INVALID),
    "unknown key": (of(by=STRANGER), None, {}, Fault.KEY_UNKNOWN),
    "key revoked since": (GENUINE, None, {"ring": revoked(ALICE, NOW)}, Fault.KEY_REVOKED),
    "key revoked before signing": (
        GENUINE,
        None,
        {"ring": revoked(ALICE, START + HOUR)},
        Fault.KEY_REVOKED_BEFORE_SIGNING,
    ),
    "key younger than its signature": (
        of(by=CAROL, approver="Dora Example"),
        None,
        {"ring": LATE_KEY.ring},
        Fault.KEY_YOUNGER_THAN_SIGNATURE,
    ),
    "runner key": (of(by=RUNNER, approver="runner"), None, {}, Fault.SIGNED_BY_RUNNER),
    "gate key": (of(by=GATE, approver="gate"), None, {}, Fault.SIGNED_BY_GATE),
    "other kind of decision": (about(kind="promote"), None, {}, Fault.OTHER_DECISION),
    "other candidate": (about(candidate_id="other-candidate"), None, {}, Fault.OTHER_CANDIDATE),
    "no candidate at all": (about(candidate_id=None), None, {}, Fault.OTHER_CANDIDATE),
    "author left out": (about(authors=("Dora Example",)), None, {}, Fault.OTHER_AUTHORS),
    "other stage": (about(stage="live_ramp_stage_2_plus"), None, {}, Fault.OTHER_STAGE),
    "other report": (about(report_digest=D), None, {}, Fault.OTHER_REPORT),
    "other policy": (about(policy_digest=D), None, {}, Fault.OTHER_POLICY),
    "report and policy swapped": (
        about(report_digest=decision().policy_digest, policy_digest=A),
        None,
        {},
        Fault.OTHER_REPORT,
    ),
    "subjects swapped": (swapped_subjects(), None, {}, Fault.SUBJECTS_DIFFER),
    "limits widened after approval": (GENUINE, wider(), {}, Fault.LIMITS_WIDENED),
    "limit left out of the approval": (of(of=one_limit_fewer()), None, {}, Fault.LIMITS_DIFFER),
    "limit left out of the decision": (GENUINE, one_limit_fewer(), {}, Fault.LIMITS_DIFFER),
    "approver is another name": (
        of(approver="Bob Example"),
        None,
        {},
        Fault.APPROVER_IS_NOT_SIGNER,
    ),
    "self-approved": (
        about(authors=("Alice Example",)),
        decision(authors=("Alice Example",)),
        {},
        Fault.SELF_APPROVED,
    ),
    "self-approved in other letters": (
        about(authors=("ＡLICE  example",)),
        decision(authors=("ＡLICE  example",)),
        {},
        Fault.SELF_APPROVED,
    ),
    "expired": (GENUINE, None, {"now": START + 9 * HOUR}, Fault.EXPIRED),
    "expires before it is issued": (of(expires_at=START), None, {}, Fault.LIFETIME_IMPOSSIBLE),
    "valid for ever": (of(expires_at=START + 10_000 * HOUR), None, {}, Fault.LIFETIME_IMPOSSIBLE),
    "dated in the future": (of(issued_at=NOW + HOUR), None, {}, Fault.ISSUED_IN_THE_FUTURE),
    "clock moved back": (
        GENUINE,
        None,
        {"ledger_time": START + HOUR + dt.timedelta(seconds=1)},
        Fault.CLOCK_MOVED_BACK,
    ),
    "nonce used before": (GENUINE, None, {"used_nonces": frozenset({"0" * 32})}, Fault.NONCE_USED),
    "spent by a decision": (
        GENUINE,
        None,
        {"spent": frozenset({approval().digest})},
        Fault.APPROVAL_SPENT,
    ),
    "no signature": (envelope_with(signatures=[]), None, {}, Fault.SIGNATURE_MISSING),
    "empty signature": (
        envelope_with(signatures=[{"keyid": ALICE.key_id, "sig": ""}]),
        None,
        {},
        Fault.SIGNATURE_EMPTY,
    ),
    "signature cut short": (
        envelope_with(signatures=[{"keyid": ALICE.key_id, "sig": "AAAA"}]),
        None,
        {},
        Fault.SIGNATURE_MALFORMED,
    ),
    "signature twice": (
        envelope_with(signatures=GENUINE.plain()["signatures"] * 2),
        None,
        {},
        Fault.SIGNATURE_REPEATED,
    ),
    "two signatures of two persons": (
        signed(approval().statement(), ALICE, BOB),
        None,
        {},
        Fault.TOO_MANY_SIGNATURES,
    ),
    "truncated envelope": (GENUINE.canonical_bytes()[:-40], None, {}, Fault.NOT_JSON),
    "envelope with spaces": (json.dumps(GENUINE.plain()).encode(), None, {}, Fault.NOT_CANONICAL),
    "envelope with a key twice": (
        GENUINE.canonical_bytes()[:-1] + b',"payload":""}',
        None,
        {},
        Fault.DUPLICATE_JSON_KEY,
    ),
    "envelope with another field": (
        envelope_with(approved=True),
        None,
        {},
        Fault.ENVELOPE_MALFORMED,
    ),
    "payload type of another kind": (
        text_signed_by(ALICE, GENUINE.payload_bytes, TREE_HEAD),
        None,
        {},
        Fault.PAYLOAD_TYPE_WRONG,
    ),
    "payload types confused": (as_tree_head(), None, {}, Fault.SIGNATURE_INVALID),
    "signed without the encoding": (without_encoding(), None, {}, Fault.SIGNATURE_INVALID),
    "payload that is not JSON": (
        text_signed_by(ALICE, b"approved"),
        None,
        {},
        Fault.PAYLOAD_NOT_JSON,
    ),
    "payload that is not canonical": (
        text_signed_by(ALICE, GENUINE.payload_bytes.replace(b",", b", ", 1)),
        None,
        {},
        Fault.PAYLOAD_NOT_CANONICAL,
    ),
    "payload with a key twice": (
        duplicate_key_in_payload(),
        None,
        {},
        Fault.PAYLOAD_DUPLICATE_JSON_KEY,
    ),
    "statement of another kind": (
        signed(statement_about("kill", decision().subjects, approval()), ALICE),
        None,
        {},
        Fault.STATEMENT_OF_OTHER_KIND,
    ),
    "predicate of another record": (
        signed(statement_about("approval", decision().subjects, record_made()), ALICE),
        None,
        {},
        Fault.PREDICATE_MALFORMED,
    ),
    "statement of an older in-toto": (
        text_signed_by(ALICE, GENUINE.payload_bytes.replace(b"Statement/v1", b"Statement/v0")),
        None,
        {},
        Fault.STATEMENT_MALFORMED,
    ),
}


def test_the_genuine_one_is_accepted_as_envelope_and_as_bytes():
    for presented in (GENUINE, GENUINE.canonical_bytes()):
        judged = judge_approval(presented, decision(), circumstances())
        assert judged.fault is None
        assert judged.accepted.approval == approval()
        assert judged.accepted.key.owner == "Alice Example"
        assert judged.accepted.envelope_digest == GENUINE.digest


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_or_replay_is_refused_for_its_own_reason(name):
    presented, decided, changes, reason = FORGERIES[name]
    judged = judge_approval(presented, decided or decision(), circumstances(**changes))
    assert judged.accepted is None
    assert judged.fault is reason
    assert judged.detail


def test_the_table_is_long_and_its_reasons_are_many():
    assert len(FORGERIES) >= 24
    assert len({reason for *_, reason in FORGERIES.values()}) >= 30


def test_an_approval_of_another_line_or_other_refusals_is_refused():
    line = {
        "kind": "unfreeze",
        "candidate_id": None,
        "stage": None,
        "limits": (),
        "members": ("child", "parent"),
        "refusals": (A, D),
    }
    genuine = decision(**line)
    envelope = of(of=genuine)
    assert judge_approval(envelope, genuine, circumstances()).fault is None
    for other in ({"members": ("child",)}, {"refusals": (A,)}):
        judged = judge_approval(envelope, decision(**{**line, **other}), circumstances())
        assert judged.fault is Fault.OTHER_LINE


@given(st.integers(0, len(GENUINE.canonical_bytes()) - 1), st.integers(1, 255))
def test_no_edited_byte_anywhere_is_accepted(position, difference):
    edited = bytearray(GENUINE.canonical_bytes())
    edited[position] ^= difference
    judged = judge_approval(bytes(edited), decision(), circumstances())
    assert judged.accepted is None
    assert judged.fault is not None


@pytest.mark.parametrize(
    "broken",
    [
        {"limits": tuple(reversed(decision().limits))},
        {"limits": decision().limits[:1] * 2},
        {"authors": ()},
        {"members": ("one",)},
        {"refusals": (A,)},
        {"kind": "unfreeze", "members": ("one",)},
        {
            "kind": "unfreeze",
            "members": ("one",),
            "refusals": (A,),
            "candidate_id": None,
            "authors": (),
        },
        {"kind": "unfreeze"},
        {"report_digest": "mine"},
        {"kind": "live"},
    ],
)
def test_a_decision_that_contradicts_itself_does_not_exist(broken):
    with pytest.raises(ValueError, match="validation error"):
        decision(**broken)
