"""DSSE and Ed25519 against their publications; everything but the one form is refused."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_examples import ALICE, BOB, RUNNER, A, Book, record_made, signed

from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.evidence.approval_records import Approval
from torghut_assets.domain.evidence.dsse import (
    IN_TOTO,
    TREE_HEAD,
    pae,
    read_envelope,
    require_signatures,
    sealed,
)
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.signatures import is_signed_by
from torghut_assets.domain.evidence.statement import (
    MAY_SIGN,
    RecordMade,
    read_statement,
    statement_about,
)
from torghut_assets.domain.evidence.strict_json import MAX_BYTES, parse_canonical

KEYS = {key.key_id: key.public for key in (RUNNER, ALICE, BOB)}
STATEMENT = statement_about("backtest", {"record": A}, record_made())
ENVELOPE = signed(STATEMENT, RUNNER)


def fault_of(call, *arguments, **keywords):
    with pytest.raises(EvidenceRefusedError) as refused:
        call(*arguments, **keywords)
    assert refused.value.exit_code == 3
    assert refused.value.fault.value in str(refused.value)
    return refused.value.fault


def test_the_encoding_is_that_of_the_publication():
    """The example of the DSSE protocol, section "Test vectors"."""
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pae("http://example.com/HelloWorld", b"hello world") == expected


@given(st.tuples(st.text(), st.binary()), st.tuples(st.text(), st.binary()))
def test_two_payloads_never_have_one_encoding(one, other):
    assert (pae(*one) == pae(*other)) == (one == other)


@pytest.mark.parametrize(
    ("public", "message", "signature"),
    [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            (
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
                "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
            ),
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            (
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
            ),
        ),
    ],
)
def test_signatures_are_those_of_rfc_8032(public, message, signature):
    """RFC 8032, section 7.1, tests 1 and 2."""
    key, text, made = (bytes.fromhex(part) for part in (public, message, signature))
    assert is_signed_by(key, text, made)
    assert not is_signed_by(key, text + b" ", made)
    assert not is_signed_by(key, text, bytes(64))
    assert not is_signed_by(b"short", text, made)


def test_an_envelope_reads_back_to_the_same_bytes_and_says_who_signed():
    envelope = signed(STATEMENT, RUNNER, ALICE)
    again = read_envelope(envelope.canonical_bytes(), location="x")
    assert again == envelope
    assert again.digest == sha256_hex(envelope.canonical_bytes())
    assert require_signatures(again, KEYS.get, location="x") == (RUNNER.key_id, ALICE.key_id)
    assert read_statement(again, location="x") == STATEMENT


def test_the_predicate_is_the_record_to_the_digest():
    record = record_made()
    assert STATEMENT.record_digest == record.digest
    assert STATEMENT.record(RecordMade, location="x") == record
    assert STATEMENT.subjects == {"record": A}
    assert fault_of(STATEMENT.record, Approval, location="x") is Fault.PREDICATE_MALFORMED


def test_a_statement_is_what_in_toto_says_it_is():
    document = json.loads(ENVELOPE.payload_bytes)
    assert document["_type"] == "https://in-toto.io/Statement/v1"
    assert document["subject"] == [{"name": "record", "digest": {"sha256": A}}]
    assert document["predicateType"] == "https://torghut.dev/attestations/backtest/v1"
    assert set(document) == {"_type", "subject", "predicateType", "predicate"}


def edited(**changes):
    return canonical_json({**ENVELOPE.plain(), **changes})


def with_signature(**changes):
    return edited(signatures=[{**ENVELOPE.plain()["signatures"][0], **changes}])


def b64(payload):
    return base64.b64encode(payload).decode()


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        (ENVELOPE.canonical_bytes()[:-1], Fault.NOT_JSON),
        (ENVELOPE.canonical_bytes() + b"\n", Fault.NOT_CANONICAL),
        (b'{"payload":"","payload":""}', Fault.DUPLICATE_JSON_KEY),
        (b"\xff", Fault.NOT_JSON),
        (b'{"a":NaN}', Fault.NOT_JSON),
        (b"[" * 100_000, Fault.NOT_JSON),
        (b" " * (MAX_BYTES + 1), Fault.TOO_LARGE),
        (b"[]", Fault.ENVELOPE_MALFORMED),
        (edited(more=1), Fault.ENVELOPE_MALFORMED),
        (edited(payloadType=""), Fault.ENVELOPE_MALFORMED),
        (edited(signatures=ENVELOPE.plain()["signatures"] * 9), Fault.ENVELOPE_MALFORMED),
        (with_signature(keyid="me"), Fault.ENVELOPE_MALFORMED),
    ],
)
def test_what_is_no_envelope_is_refused_by_name(payload, fault):
    assert fault_of(read_envelope, payload, location="x") is fault


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        (edited(signatures=[]), Fault.SIGNATURE_MISSING),
        (edited(signatures=ENVELOPE.plain()["signatures"] * 2), Fault.SIGNATURE_REPEATED),
        (with_signature(sig=""), Fault.SIGNATURE_EMPTY),
        (with_signature(sig="!!"), Fault.SIGNATURE_MALFORMED),
        (with_signature(sig=b64(b"short")), Fault.SIGNATURE_MALFORMED),
        (with_signature(sig=b64(bytes(63))[:-2] + "B="), Fault.SIGNATURE_MALFORMED),
        (with_signature(keyid="0" * 64), Fault.KEY_UNKNOWN),
        (with_signature(keyid=ALICE.key_id), Fault.SIGNATURE_INVALID),
        (with_signature(sig=b64(bytes(64))), Fault.SIGNATURE_INVALID),
        (edited(payloadType=TREE_HEAD), Fault.SIGNATURE_INVALID),
        (edited(payload="e30"), Fault.ENVELOPE_MALFORMED),
        (edited(payload="e31="), Fault.ENVELOPE_MALFORMED),
    ],
)
def test_a_signature_that_is_not_good_is_refused_by_name(payload, fault):
    envelope = read_envelope(payload, location="x")
    assert fault_of(require_signatures, envelope, KEYS.get, location="x") is fault


def test_one_bad_signature_beside_a_good_one_refuses_the_envelope():
    both = signed(STATEMENT, RUNNER, ALICE).plain()
    both["signatures"][1]["sig"] = both["signatures"][0]["sig"]
    envelope = read_envelope(canonical_json(both), location="x")
    assert fault_of(require_signatures, envelope, KEYS.get, location="x") is (
        Fault.SIGNATURE_INVALID
    )


def statement_with(**changes):
    return canonical_json({**json.loads(STATEMENT.canonical_bytes()), **changes})


@pytest.mark.parametrize(
    ("payload", "kind", "fault"),
    [
        (STATEMENT.canonical_bytes(), TREE_HEAD, Fault.PAYLOAD_TYPE_WRONG),
        (b"hello", IN_TOTO, Fault.PAYLOAD_NOT_JSON),
        (STATEMENT.canonical_bytes() + b" ", IN_TOTO, Fault.PAYLOAD_NOT_CANONICAL),
        (b'{"a":1,"a":2}', IN_TOTO, Fault.PAYLOAD_DUPLICATE_JSON_KEY),
        (statement_with(_type="https://in-toto.io/Statement/v0.1"), IN_TOTO, None),
        (statement_with(subject=[]), IN_TOTO, None),
        (statement_with(subject=[{"name": "x", "digest": {"sha1": "a" * 40}}]), IN_TOTO, None),
        (statement_with(subject=[{"name": "x", "digest": {"sha256": A}}] * 2), IN_TOTO, None),
        (statement_with(more=1), IN_TOTO, None),
        (statement_with(predicate={}), IN_TOTO, None),
        (
            statement_with(predicateType="https://torghut.dev/attestations/praise/v1"),
            IN_TOTO,
            Fault.STATEMENT_OF_OTHER_KIND,
        ),
        (
            statement_with(predicateType="https://example.com/attestations/backtest/v1"),
            IN_TOTO,
            Fault.STATEMENT_OF_OTHER_KIND,
        ),
        (statement_with(predicateType="backtest"), IN_TOTO, Fault.STATEMENT_OF_OTHER_KIND),
    ],
)
def test_a_payload_that_is_no_statement_is_refused_whoever_signed_it(payload, kind, fault):
    envelope = sealed(kind, payload, RUNNER.sign)
    assert require_signatures(envelope, KEYS.get, location="x") == (RUNNER.key_id,)
    expected = fault or Fault.STATEMENT_MALFORMED
    assert fault_of(read_statement, envelope, location="x") is expected


def test_a_statement_needs_a_known_kind_and_a_subject():
    with pytest.raises(BadInputError, match="praise"):
        statement_about("praise", {"record": A}, record_made())
    with pytest.raises(BadInputError, match="subject"):
        statement_about("backtest", {}, record_made())
    with pytest.raises(BadInputError, match="backtest"):
        statement_about("backtest", {"record": "my word"}, record_made())


@pytest.mark.parametrize("kind", sorted(MAY_SIGN))
def test_every_kind_of_statement_reads_back(kind):
    statement = statement_about(kind, {"record": A}, record_made())
    assert read_statement(signed(statement, RUNNER), location="x").kind == kind


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_what_is_canonical_reads_back_and_no_other_spelling_does(value):
    try:
        payload = canonical_json(value)
    except UnicodeEncodeError:  # a lone surrogate is no text
        return
    assert canonical_json(parse_canonical(payload, location="x")) == payload
    spaced = json.dumps(value, indent=1, ensure_ascii=False).encode()
    if spaced != payload:
        assert fault_of(parse_canonical, spaced, location="x") is Fault.NOT_CANONICAL


def test_a_lone_surrogate_is_no_text():
    assert fault_of(parse_canonical, b'"\\ud800"', location="x") is Fault.NOT_JSON


def test_a_book_of_examples_is_whole():
    assert Book().prefix.size == 4
