"""Columns follow row types: what may be empty is empty, and nothing else is guessed."""

import datetime as dt

import pyarrow as pa
import pytest
from pydantic import ValidationError

from torghut_assets.assets.keys import ASSETS
from torghut_assets.domain.warehouse.evidence_rows import LedgerHeadRow, candidate_in
from torghut_assets.domain.warehouse.research_rows import StrategyBuildRow
from torghut_assets.domain.warehouse.tables import RECORD_TABLES, ROW_TYPES, arrow_table, columns_of
from torghut_assets.domain.warehouse.trading_rows import FillRow

A = "a" * 64
NOON = dt.datetime(2022, 1, 3, 12, tzinfo=dt.UTC)


def fill(**changes):
    fields = {
        "digest": A,
        "ledger_sequence": 7,
        "order_key": A,
        "fill_id": "f-1",
        "symbol": "AAPL",
        "side": "buy",
        "quantity": 3,
        "price_usd": 1.5,
        "fee_usd": 0.0,
        "filled_at": NOON,
    }
    return FillRow(**(fields | changes))


@pytest.mark.parametrize("name", ROW_TYPES)
def test_every_row_leads_to_a_digest_and_a_ledger_entry(name):
    schema = columns_of(ROW_TYPES[name])
    assert schema.names[:2] == ["digest", "ledger_sequence"]
    assert not schema.field("digest").nullable
    assert schema.field("ledger_sequence").type == pa.int64()


def test_a_table_keeps_types_times_and_what_is_unknown():
    table = arrow_table(FillRow, [fill(), fill(ledger_sequence=None)])
    assert table.schema == columns_of(FillRow)
    assert table.column("ledger_sequence").to_pylist() == [7, None]
    assert table.column("filled_at").to_pylist() == [NOON.replace(tzinfo=None)] * 2
    assert not table.schema.field("price_usd").nullable


def test_an_empty_table_has_its_columns():
    assert arrow_table(FillRow, []).schema == columns_of(FillRow)


@pytest.mark.parametrize(
    "changes",
    [
        {"price_usd": float("nan")},
        {"price_usd": float("inf")},
        {"price_usd": None},
        {"quantity": 1.0},
        {"quantity": "1"},
        {"digest": "A" * 64},
        {"ledger_sequence": 0},
        {"filled_at": NOON.replace(tzinfo=None)},
        {"colour": "red"},
    ],
)
def test_a_row_takes_nothing_that_its_column_could_not_say(changes):
    with pytest.raises(ValidationError):
        fill(**changes)


def test_rows_of_another_kind_are_refused():
    head = LedgerHeadRow(digest=A, ledger_sequence=1, recorded_at=NOON)
    with pytest.raises(ValueError, match="LedgerHeadRow among rows of FillRow"):
        arrow_table(FillRow, [head])


def test_tables_are_read_from_assets_that_exist():
    for table in RECORD_TABLES.values():
        assert set(table.assets) <= set(ASSETS)
        assert "is_current" in table.row_type.model_fields
    assert issubclass(RECORD_TABLES["strategy_builds"].row_type, StrategyBuildRow)


@pytest.mark.parametrize(
    ("partition", "candidate"),
    [
        (None, None),
        ("tsmom-v1", "tsmom-v1"),
        ("tsmom-v1|us-megacaps@2021-12-31", "tsmom-v1"),
        ("tsmom-v1|2022-01-03", "tsmom-v1"),
        ("us-megacaps@2021-12-31", None),
    ],
)
def test_a_partition_names_its_candidate_or_none(partition, candidate):
    assert candidate_in(partition) == candidate
