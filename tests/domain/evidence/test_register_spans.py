"""Spans name every entry of a register, each once, in order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_examples import Book, record_made

from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.evidence.register_spans import (
    NOTHING,
    REGISTER_KINDS,
    RegisterEnd,
    Row,
    Signing,
    SpanContradictionError,
    end_of,
    next_span,
    read_spans,
    span_in,
)
from torghut_assets.domain.evidence.statement import MAY_SIGN, statement_about

A = "a" * 64
SIGNING = Signing(A, "somebody")


def rows(count, previous=NOTHING, first=1):
    made = []
    for sequence in range(first, first + count):
        payload = canonical_json(
            {"record": {"previous_digest": previous, "sequence": sequence}, "version": 1}
        )
        previous = sha256_hex(payload)
        made.append(Row(sequence, previous, payload))
    return made


def say(book, register, end, batch):
    from ledger_examples import RUNNER, signed

    subjects, span = next_span(register, end, batch, SIGNING)
    entry = book.add(signed(statement_about(REGISTER_KINDS[register], subjects, span), RUNNER))
    return entry, RegisterEnd(batch[-1].sequence, batch[-1].digest)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_batches_of_any_size_name_every_entry_once(sizes):
    book, all_rows, end = Book(), rows(sum(sizes)), RegisterEnd()
    left = list(all_rows)
    for size in sizes:
        entry, end = say(book, "trials", end, left[:size])
        assert end_of(entry) == ("trials", end)
        left = left[size:]
        book.say()
    assert read_spans("trials", book.entries) == {row.sequence: row.digest for row in all_rows}
    assert read_spans("orders", book.entries) == {}


def test_a_span_in_the_wrong_place_is_refused():
    book, (one, two, three) = Book(), rows(3)
    say(book, "receipts", RegisterEnd(), [one])
    say(book, "receipts", RegisterEnd(2, two.digest), [three])
    with pytest.raises(SpanContradictionError, match="entry 2 after"):
        read_spans("receipts", book.entries)


def test_the_same_entries_twice_are_refused():
    book, batch = Book(), rows(2)
    say(book, "orders", RegisterEnd(), batch)
    say(book, "orders", RegisterEnd(), batch)
    with pytest.raises(SpanContradictionError, match="entry 3 after"):
        read_spans("orders", book.entries)


def test_subjects_that_are_not_the_entries_are_refused():
    from ledger_examples import RUNNER, signed

    book = Book()
    subjects, span = next_span("trials", RegisterEnd(), rows(3), SIGNING)
    del subjects["entry-0000000002"]
    book.add(signed(statement_about("trial-ticket", subjects, span), RUNNER))
    with pytest.raises(SpanContradictionError, match="2 subjects"):
        read_spans("trials", book.entries)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: [r[1]], "found 2, expected 1"),
        (lambda r: [r[0], r[2]], "found 3, expected 2"),
        (lambda r: [r[0]._replace(digest=A)], "other bytes"),
        (lambda r: [r[0], *rows(1, previous=A, first=2)], "an entry after"),
    ],
)
def test_rows_that_do_not_follow_get_no_span(change, said):
    with pytest.raises(SpanContradictionError, match=said):
        next_span("trials", RegisterEnd(), change(rows(3)), SIGNING)


def test_other_statements_are_no_spans():
    book = Book()
    assert span_in(book.say("backtest")) is None
    assert span_in(book.say("order-batch", subjects={"record": A})) is None
    assert span_in(book.say("receipt", subjects={"entry-0000000001": A})) is None
    assert end_of(book.say("backtest")) is None
    assert record_made().late is False


def test_every_register_has_a_kind_that_a_runner_signs():
    assert all("runner" in MAY_SIGN[kind] for kind in REGISTER_KINDS.values())
