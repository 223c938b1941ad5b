"""A ledger that was edited in any way is refused, and the fault is named with its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_examples import ALICE, BOB, GATE, RUNNER, START, STRANGER, Book

from torghut_assets.domain.digests import canonical_json
from torghut_assets.domain.evidence.dsse import IN_TOTO, TREE_HEAD, sealed
from torghut_assets.domain.evidence.entries import (
    LedgerEntry,
    TreeHead,
    read_ledger_row,
    read_tree_head,
    sign_tree_head,
)
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.ledger_check import LedgerPrefix, check_ledger
from torghut_assets.domain.evidence.ledger_tree import leaf_hash


def a_book():
    book = Book()
    for _ in range(3):
        book.say()
    return book


BOOK = a_book()


def check(rows=None, heads=None, anchor=BOOK.anchor):
    return check_ledger(
        BOOK.rows if rows is None else rows,
        BOOK.heads if heads is None else heads,
        anchor,
        location="book",
    )


def refused(call=check, *arguments, **keywords):
    with pytest.raises(EvidenceRefusedError) as found:
        call(*arguments, **keywords)
    return found.value.fault, found.value.location.partition(", key")[0]


def altered(row, **changes):
    entry = read_ledger_row(row, location="x")
    data = {
        "envelope": entry.envelope.plain(),
        "recorded_at": entry.recorded_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "sequence": entry.sequence,
        **changes,
    }
    payload = canonical_json(data)
    return row._replace(payload=payload, leaf_hash=leaf_hash(payload).hex())


def replaced(index, row):
    return [*BOOK.rows[:index], row, *BOOK.rows[index + 1 :]]


def test_a_whole_ledger_is_whole():
    prefix = check()
    assert prefix.size == 7
    assert prefix.root() == BOOK.prefix.root()
    assert check([], {}, None).size == 0


def test_a_row_that_is_missing_or_stands_elsewhere_is_named():
    assert refused(rows=BOOK.rows[:3] + BOOK.rows[4:]) == (Fault.GAP, "book entry 5")
    fifth = BOOK.rows[4]._replace(sequence=4)
    assert refused(rows=replaced(3, fifth)) == (Fault.MISPLACED, "book entry 4")


def test_a_ledger_that_was_cut_off_is_named():
    assert refused(rows=BOOK.rows[:5]) == (Fault.TRUNCATED, "book head 6")
    heads = {size: BOOK.heads[size] for size in range(1, 6)}
    assert refused(rows=BOOK.rows[:5], heads=heads) == (Fault.TRUNCATED, "book anchor")
    assert refused(rows=[], heads={}) == (Fault.TRUNCATED, "book anchor")
    assert refused(anchor=None) == (Fault.ANCHOR_MISSING, "book anchor")


def test_bytes_that_do_not_hash_to_their_leaf_are_named():
    row = BOOK.rows[5]
    spoilt = row._replace(payload=row.payload.replace(b"2026", b"2027"))
    assert refused(rows=replaced(5, spoilt)) == (Fault.LEAF_ALTERED, "book entry 6")


def test_a_rebuilt_leaf_contradicts_the_tree_heads():
    later = altered(BOOK.rows[5], recorded_at="2026-03-02T12:00:07Z")
    assert refused(rows=replaced(5, later)) == (Fault.OTHER_HISTORY, "book head 6")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"recorded_at": "2026-03-02T11:00:00Z"}, Fault.TIME_WENT_BACK),
        ({"recorded_at": "2026-03-02T12:00:06+00:00"}, Fault.ENTRY_MALFORMED),
        ({"recorded_at": "2026-03-02T12:00:06.5Z"}, Fault.ENTRY_MALFORMED),
        ({"sequence": 7}, Fault.MISPLACED),
        ({"sequence": 0}, Fault.ENTRY_MALFORMED),
        ({"sequence": 6.0}, Fault.ENTRY_MALFORMED),
        ({"more": 1}, Fault.ENTRY_MALFORMED),
        ({"envelope": {}}, Fault.ENVELOPE_MALFORMED),
    ],
)
def test_an_entry_that_cannot_be_there_is_named(changes, fault):
    assert refused(rows=replaced(5, altered(BOOK.rows[5], **changes))) == (fault, "book entry 6")


def test_an_entry_signed_by_nobody_known_is_named():
    other = Book()
    entry = other.say()
    envelope = sealed(IN_TOTO, entry.statement.canonical_bytes(), STRANGER.sign)
    forged = LedgerEntry(6, BOOK.entries[5].recorded_at, envelope, entry.statement)
    assert refused(rows=replaced(5, forged.row)) == (Fault.KEY_UNKNOWN, "book entry 6")


def head(size=6, key=RUNNER, **changes):
    data = {
        "tree_size": size,
        "root_hash": BOOK.prefix.root(size).hex(),
        "recorded_at": BOOK.entries[size - 1].recorded_at,
        **changes,
    }
    return sign_tree_head(TreeHead(**data), key.sign).canonical_bytes()


@pytest.mark.parametrize(
    ("forged", "fault"),
    [
        (head(root_hash="0" * 64), Fault.OTHER_HISTORY),
        (head(recorded_at=START), Fault.HEAD_CONTRADICTS),
        (head(size=5), Fault.HEAD_CONTRADICTS),
        (head(key=STRANGER), Fault.KEY_UNKNOWN),
        (head(key=GATE), Fault.ROLE_MAY_NOT_SIGN),
        (head(key=ALICE), Fault.ROLE_MAY_NOT_SIGN),
        (head().replace(b'"payload":"', b'"payload":"AAAA', 1), Fault.PAYLOAD_NOT_JSON),
        (sealed(IN_TOTO, b"{}", RUNNER.sign).canonical_bytes(), Fault.PAYLOAD_TYPE_WRONG),
        (sealed(TREE_HEAD, b"{}", RUNNER.sign).canonical_bytes(), Fault.HEAD_MALFORMED),
        (sealed(TREE_HEAD, b"[]", RUNNER.sign).canonical_bytes(), Fault.HEAD_MALFORMED),
        (
            sealed(
                TREE_HEAD, b'{"kind":"tree-head","record":{},"version":1}', RUNNER.sign
            ).canonical_bytes(),
            Fault.HEAD_MALFORMED,
        ),
    ],
)
def test_a_forged_tree_head_is_named(forged, fault):
    assert refused(heads={**BOOK.heads, 6: forged}) == (fault, "book head 6")


def test_a_missing_tree_head_is_named():
    heads = {size: payload for size, payload in BOOK.heads.items() if size != 3}
    assert refused(heads=heads) == (Fault.HEAD_MISSING, "book entry 3")


def test_a_head_in_another_form_is_no_head():
    spaced = sealed(TREE_HEAD, b'{"kind": "tree-head"}', RUNNER.sign).canonical_bytes()
    assert refused(read_tree_head, spaced, location="x")[0] is Fault.PAYLOAD_NOT_CANONICAL
    offset = canonical_json(
        {
            "kind": "tree-head",
            "record": {
                "recorded_at": "2026-03-02T12:00:00+00:00",
                "root_hash": "0" * 64,
                "tree_size": 1,
            },
            "version": 1,
        }
    )
    signed = sealed(TREE_HEAD, offset, RUNNER.sign).canonical_bytes()
    assert refused(read_tree_head, signed, location="x")[0] is Fault.HEAD_MALFORMED


def test_an_anchor_of_another_history_convicts_a_rebuilt_ledger():
    """All hashes and signatures of the rebuilt ledger are valid; only the anchor knows."""
    rebuilt = Book()
    for _ in range(3):
        rebuilt.say("stress")
    assert check_ledger(rebuilt.rows, rebuilt.heads, rebuilt.anchor, location="book").size == 7
    fault = refused(rows=rebuilt.rows, heads=rebuilt.heads, anchor=BOOK.anchor)
    assert fault == (Fault.OTHER_HISTORY, "book anchor")


def test_an_earlier_anchor_of_the_same_history_is_fine():
    assert check(anchor=BOOK.heads[5]).size == 7


def test_heads_are_signed_by_the_runner_in_office():
    book = a_book()
    book.register(STRANGER, "runner", "second runner", ALICE)
    book.revoke(RUNNER, BOB)
    prefix = LedgerPrefix("book")
    for row in book.rows:
        prefix.read(row)
    early = sign_tree_head(
        TreeHead(
            tree_size=3,
            root_hash=prefix.root(3).hex(),
            recorded_at=book.entries[2].recorded_at,
        ),
        STRANGER.sign,
    )
    found = refused(prefix.require_head, early.canonical_bytes(), what="anchor")
    assert found[0] is Fault.KEY_YOUNGER_THAN_SIGNATURE
    assert prefix.require_head(book.heads[9], what="head 9").tree_size == 9, "its last word"
    entry = book.say(by=STRANGER)
    prefix.add(entry)
    late = sign_tree_head(prefix.next_head(entry), RUNNER.sign)
    found = refused(prefix.require_head, late.canonical_bytes(), what="head 10")
    assert found[0] is Fault.KEY_REVOKED


def test_a_refused_entry_leaves_the_prefix_as_it_was():
    book = a_book()
    before = (book.prefix.size, book.prefix.root(), book.ring.keys)
    with pytest.raises(EvidenceRefusedError):
        book.say("approval", RUNNER)
    assert (book.prefix.size, book.prefix.root(), book.ring.keys) == before


@given(st.integers(0, 6), st.data())
def test_no_flipped_bit_in_any_row_goes_unnoticed(index, data):
    row = BOOK.rows[index]
    position = data.draw(st.integers(0, len(row.payload) - 1))
    payload = bytearray(row.payload)
    payload[position] ^= 1 << data.draw(st.integers(0, 7))
    rehash = data.draw(st.booleans())
    leaf = leaf_hash(bytes(payload)).hex() if rehash else row.leaf_hash
    spoilt = row._replace(payload=bytes(payload), leaf_hash=leaf)
    fault, location = refused(rows=replaced(index, spoilt))
    assert location in {f"book entry {index + 1}", f"book head {index + 1}"}
    assert rehash or fault is Fault.LEAF_ALTERED


@given(st.permutations(range(7)))
def test_no_other_order_is_accepted(order):
    rows = [BOOK.rows[n]._replace(sequence=at) for at, n in enumerate(order, start=1)]
    if order != list(range(7)):
        refused(rows=rows)
