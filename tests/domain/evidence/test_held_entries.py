"""Rows under a signed head cost a hash each, and nothing unchecked is handed out."""

import pytest
from ledger_examples import ALICE, GATE, GENUINE, RUNNER, STRANGER, Book, record_made, signed

from torghut_assets.domain.evidence import ledger_check
from torghut_assets.domain.evidence.entries import HeldEntry, LedgerEntry, sign_tree_head
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.ledger_check import LedgerPrefix
from torghut_assets.domain.evidence.ledger_tree import root_of
from torghut_assets.domain.evidence.statement import read_statement, statement_about

A, B = "a" * 64, "b" * 64


@pytest.fixture
def book():
    book = Book()
    book.say("backtest", subjects={"record": A, 'ünïcode "quoted" name': B})
    book.say("gate-report", by=GATE)
    book.add(GENUINE)
    book.revoke(GATE, by=ALICE)
    book.say("tca")
    return book


def held(book, rows=None, head=None):
    prefix = LedgerPrefix("held")
    prefix.hold(rows or book.rows, head or book.anchor)
    return prefix


def refused(call, *arguments):
    with pytest.raises(EvidenceRefusedError) as found:
        call(*arguments)
    return found.value.fault


def test_what_is_held_says_what_was_written(book):
    prefix = held(book)
    assert prefix.size == book.prefix.size
    assert prefix.root() == book.prefix.root()
    assert [prefix.root(n) for n in range(prefix.size + 1)] == [
        root_of(book.prefix.leaves[:n]) for n in range(prefix.size + 1)
    ]
    assert prefix.ring.keys == book.ring.keys
    for mine, theirs in zip(prefix.entries, book.entries, strict=True):
        for name in ("sequence", "kind", "subjects", "recorded_at", "payload", "leaf", "row"):
            assert getattr(mine, name) == getattr(theirs, name), name
        assert mine.statement == theirs.statement
        assert mine.statement_digest == theirs.statement_digest
        assert mine.envelope == theirs.envelope
    assert [e.sequence for e in prefix.of_kind("tca")] == [prefix.size]


def test_only_entries_about_keys_are_parsed_at_once(book, monkeypatch):
    seen = []
    original = ledger_check.read_ledger_row

    def counting(row, *, location):
        seen.append(row.sequence)
        return original(row, location=location)

    monkeypatch.setattr(ledger_check, "read_ledger_row", counting)
    prefix = held(book)
    assert seen == [1, 2, 3, 4, 8]
    assert {e.kind for e in prefix.entries} >= {"approval", "tca"}
    assert prefix.entries[-1].subjects
    assert seen == [1, 2, 3, 4, 8], "kind, time and subjects need no parsing"
    assert prefix.entries[-1].statement.kind == "tca"
    assert seen[-1] == 9


def test_rows_that_are_not_under_the_head_are_refused(book):
    rows = book.rows
    assert refused(held, book, rows[:-1]) is Fault.TRUNCATED
    assert refused(held, book, rows, book.heads[5]) is Fault.HEAD_CONTRADICTS
    assert refused(held, book, [*rows[:4], *rows[5:]]) is Fault.LEAF_ALTERED
    altered = rows[4]._replace(payload=rows[4].payload + b" ")
    assert refused(held, book, [*rows[:4], altered, *rows[5:]]) is Fault.LEAF_ALTERED
    other = Book()
    for _ in range(len(rows) - other.prefix.size):
        other.say("stress")
    assert refused(held, book, rows, other.anchor) is Fault.OTHER_HISTORY


def forged(envelope, sequence_shift=0):
    """A ledger whose runner signed a head over an entry that it had not checked."""
    book = Book()
    entry = LedgerEntry(
        book.prefix.size + 1 + sequence_shift,
        book.now,
        envelope,
        read_statement(envelope, location="forged"),
    )
    prefix = LedgerPrefix("forged")
    for each in book.entries:
        prefix.add(each)
    prefix.entries.append(entry)
    prefix.leaves.append(entry.leaf)
    prefix._frontier.add(entry.leaf)
    head = sign_tree_head(prefix.next_head(entry), RUNNER.sign).canonical_bytes()
    row = entry.row._replace(sequence=book.prefix.size + 1)
    return held(book, [*book.rows, row], head)


@pytest.mark.parametrize(
    ("envelope", "shift", "fault"),
    [
        (
            signed(statement_about("approval", {"x": A}, record_made()), RUNNER),
            0,
            "signed_by_runner",
        ),
        (
            signed(statement_about("gate-report", {"x": A}, record_made()), RUNNER),
            0,
            "signed_by_runner",
        ),
        (signed(statement_about("tca", {"x": A}, record_made()), STRANGER), 0, "key_unknown"),
        (signed(statement_about("tca", {"x": A}, record_made()), RUNNER), 7, "misplaced"),
    ],
)
def test_a_runner_that_signs_what_it_should_not_is_caught_when_it_is_read(envelope, shift, fault):
    """It holds its own key, so rows and head agree: the content does not pass all the same."""
    prefix = forged(envelope, shift)
    last = prefix.entries[-1]
    assert isinstance(last, HeldEntry)
    with pytest.raises(EvidenceRefusedError) as found:
        _ = last.statement
    assert found.value.fault == fault


def test_a_key_signs_until_it_is_revoked_and_not_after():
    book = Book()
    early = book.say("gate-report", by=GATE)
    book.revoke(GATE, by=ALICE)
    prefix = held(book)
    assert prefix.entries[early.sequence - 1].statement.kind == "gate-report"
    late = LedgerEntry(book.prefix.size + 1, book.now, early.envelope, early.statement)
    with pytest.raises(EvidenceRefusedError) as found:
        prefix.ring.require_said(late, location="late")
    assert found.value.fault is Fault.KEY_REVOKED
    before = LedgerEntry(2, book.now, early.envelope, early.statement)
    with pytest.raises(EvidenceRefusedError) as found:
        prefix.ring.require_said(before, location="before")
    assert found.value.fault is Fault.KEY_YOUNGER_THAN_SIGNATURE
