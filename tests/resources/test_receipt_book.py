"""Receipts are appended once and never changed: whatever is edited is noticed."""

import datetime as dt
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "domain" / "stages"))

from stage_evidence import SHIPPED, decision_with

from torghut_assets.domain.stages.evidence import Outcome
from torghut_assets.domain.stages.machine import stand
from torghut_assets.domain.stages.receipts import StageDecision
from torghut_assets.resources.receipt_book import (
    ReceiptBook,
    ReceiptBookBrokenError,
    current_actor,
)

NOW = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
PASSED = decision_with(SHIPPED, "research_intake", Outcome.PASS)
BUILT = decision_with(SHIPPED, "candidate_build", Outcome.FAIL)


@pytest.fixture
def book(home):
    return ReceiptBook(home, clock=lambda: NOW)


@pytest.fixture
def written(home, book):
    book.append(lambda known: [PASSED, BUILT])
    return book


def edited(home, statement, *arguments):
    with sqlite3.connect(home.receipts_path) as database:
        for name in ("entries_keep", "entries_freeze", "entries_gapless"):
            database.execute(f"drop trigger {name}")
        database.execute(statement, arguments)


def test_what_is_appended_is_read_back_with_time_actor_and_chain(written):
    first, second = written.receipts()
    assert (first.sequence, second.sequence) == (1, 2)
    assert second.previous_digest == first.digest
    assert first.recorded_at == NOW
    assert first.actor == current_actor()
    assert (first.decision, second.decision) == (PASSED, BUILT)
    assert stand(SHIPPED, [first, second]).stage == "research_intake"


def test_an_empty_book_has_no_receipts(book):
    assert book.receipts() == ()
    assert book.append(lambda known: []) == ()


def test_a_plan_sees_what_is_there_and_all_or_nothing_is_written(written):
    def plan(known):
        assert [r.sequence for r in known] == [1, 2]
        raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="changed my mind"):
        written.append(plan)
    assert len(written.receipts()) == 2


@pytest.mark.parametrize("statement", ["delete from entries", "update entries set digest = 'x'"])
def test_the_file_itself_refuses_changes(home, written, statement):
    with (
        sqlite3.connect(home.receipts_path) as database,
        pytest.raises(sqlite3.IntegrityError, match="stage receipts is append-only"),
    ):
        database.execute(statement)


def test_an_edited_outcome_is_noticed(home, written):
    payload = written.receipts()[1].canonical_bytes()
    better = payload.replace(b'"outcome":"fail"', b'"outcome":"pass"')
    assert better != payload
    edited(home, "update entries set payload = ? where sequence = 2", better)
    with pytest.raises(ReceiptBookBrokenError, match="receipt 2: altered"):
        written.receipts()
    with pytest.raises(ReceiptBookBrokenError):
        written.append(lambda known: [PASSED])


def test_a_receipt_that_was_cut_off_is_noticed(home, written):
    edited(home, "delete from entries where sequence = 2")
    with pytest.raises(ReceiptBookBrokenError, match="truncated"):
        written.receipts()


def test_a_book_that_was_deleted_is_noticed(home, written):
    home.receipts_path.unlink()
    with pytest.raises(ReceiptBookBrokenError, match="truncated"):
        written.append(lambda known: [PASSED])


def test_many_writers_take_turns(home, book):
    def write(_):
        return ReceiptBook(home).append(lambda known: [PASSED])[0].sequence

    with ThreadPoolExecutor(4) as pool:
        sequences = sorted(pool.map(write, range(12)))
    assert sequences == list(range(1, 13))
    assert len(book.receipts()) == 12


def test_a_decision_has_findings_or_a_reason_and_not_both():
    data = PASSED.model_dump()
    with pytest.raises(ValueError, match="one of both"):
        StageDecision.model_validate(data | {"superseded": "other data"})
    with pytest.raises(ValueError, match="one of both"):
        StageDecision.model_validate(data | {"requires": ()})


def test_a_process_that_was_killed_while_it_made_the_tables_ruins_nothing(home, book):
    """Such a process leaves an empty file, and no anchor yet."""
    home.receipts_path.parent.mkdir(parents=True, exist_ok=True)
    home.receipts_path.write_bytes(b"")
    assert book.receipts() == ()
    assert len(book.append(lambda known: [PASSED])) == 1
    assert [receipt.decision for receipt in book.receipts()] == [PASSED]


def test_a_book_that_was_emptied_is_not_begun_again(home, written):
    home.receipts_path.write_bytes(b"")
    with pytest.raises(ReceiptBookBrokenError, match="truncated"):
        written.receipts()
    with pytest.raises(ReceiptBookBrokenError, match="truncated"):
        written.append(lambda known: [PASSED])
