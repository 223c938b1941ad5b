"""The journal of orders: whole, or refused; read once, and then only what is new."""

import sqlite3

import pytest
from broker_examples import AT
from order_examples import note, request

from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.orders.errors import KeyReusedError
from torghut_assets.resources.order_journal import OrderJournal, OrderJournalBrokenError
from torghut_assets.resources.register_file import RegisterUnreadableError


@pytest.fixture
def written(home):
    journal = OrderJournal(home)
    journal.claim([request(), request(symbol="AMZN")], AT)
    journal.append(lambda _: [note("submit")])
    return home


def raw(home, statement, *values):
    """Change the file as somebody with an editor would, past its guards."""
    with sqlite3.connect(home.order_journal_path) as db:
        for name in ("entries_keep", "entries_freeze", "entries_gapless"):
            db.execute(f"DROP TRIGGER IF EXISTS {name}")
        db.execute(statement, values)
    db.close()


def test_what_one_process_writes_another_reads(written):
    reader = OrderJournal(written)
    assert reader.ledger().orders[request().key].status == "submitted"
    OrderJournal(written).append(lambda _: [note("acknowledge", broker_order_id="b")])
    assert reader.ledger().orders[request().key].broker_order_id == "b"


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM entries WHERE sequence = 3",
        "DELETE FROM entries WHERE sequence = 2",
        "UPDATE entries SET payload = CAST(replace(CAST(payload AS TEXT), 'AAPL', 'AAPX') AS BLOB)",
        "UPDATE entries SET digest = replace(digest, substr(digest, 1, 8), '00000000')",
        "UPDATE entries SET sequence = 9 WHERE sequence = 3",
        "DELETE FROM entries",
    ],
)
def test_a_journal_that_was_tampered_with_is_not_believed(written, statement):
    raw(written, statement)
    with pytest.raises(OrderJournalBrokenError):
        OrderJournal(written).ledger()
    with pytest.raises(OrderJournalBrokenError):
        OrderJournal(written).append(lambda _: [note("acknowledge")])


def test_an_entry_that_is_cut_off_is_missed_by_a_reader_that_knew_it(written):
    reader = OrderJournal(written)
    reader.ledger()
    OrderJournal(written).append(lambda _: [note("acknowledge")])
    raw(written, "UPDATE entries SET payload = x'7b7d' WHERE sequence = 4")
    with pytest.raises(EvidenceError, match="order entry 4"):
        reader.ledger()


def test_the_file_may_not_vanish(written):
    written.order_journal_path.unlink()
    with pytest.raises(OrderJournalBrokenError):
        OrderJournal(written).ledger()


def test_a_file_of_noise_is_unreadable(written):
    written.order_journal_path.write_bytes(b"no database at all" * 100)
    with pytest.raises(RegisterUnreadableError):
        OrderJournal(written).ledger()


def test_a_plan_that_fails_leaves_no_trace(written):
    journal = OrderJournal(written)
    with pytest.raises(KeyReusedError):
        journal.claim([request(symbol="GOOG"), request(quantity=7)], AT)
    assert len(journal.ledger().orders) == 2
    assert len(OrderJournal(written).ledger().notes) == 3


def test_claims_that_are_known_write_nothing(written):
    journal = OrderJournal(written)
    assert journal.claim([request()], "2022-01-03T14:29:00Z") == ()
    assert len(journal.ledger().notes) == 3
