"""The tables of the export: their rows, the assets that they are read from, their columns.

`RECORD_TABLES` are filled from records, one function each; `REGISTER_TABLES` from the registers
and the ledger. Columns follow the fields of the row type. `arrow_table` is the only way to a
file: types come from the row type, never from the values.
"""

import datetime as dt
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple, Union, get_args, get_origin

import pyarrow as pa
from pydantic import AwareDatetime

from torghut_assets.domain.warehouse import evidence_rows, research_rows, trading_rows
from torghut_assets.domain.warehouse.evidence_rows import Row

_TYPES: Final[Mapping[Any, pa.DataType]] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    dt.date: pa.date32(),
    dt.datetime: pa.timestamp("us"),
    AwareDatetime: pa.timestamp("us"),
}


class RecordTable(NamedTuple):
    """A table whose rows are read from the records of some assets."""

    row_type: type[Row]
    assets: tuple[str, ...]
    rows: Callable[..., Iterator[Row]]


_GATES: Final = ("gate_report", "paper_gate_report")

RECORD_TABLES: Final[Mapping[str, RecordTable]] = {
    "candidates": RecordTable(
        research_rows.CandidateRow, ("candidate_spec",), research_rows.candidate_rows
    ),
    "strategy_builds": RecordTable(
        research_rows.StrategyBuildRow, ("strategy_build",), research_rows.strategy_build_rows
    ),
    "backtests": RecordTable(
        research_rows.BacktestRow, ("backtest_metrics",), research_rows.backtest_rows
    ),
    "overfit_statistics": RecordTable(
        research_rows.OverfitRow, ("overfit_diagnostics",), research_rows.overfit_rows
    ),
    "gate_reports": RecordTable(
        research_rows.GateReportRow, _GATES, research_rows.gate_report_rows
    ),
    "gate_limits": RecordTable(research_rows.GateLimitRow, _GATES, research_rows.gate_limit_rows),
    "deployments": RecordTable(
        trading_rows.DeploymentRow, ("paper_deployment",), trading_rows.deployment_rows
    ),
    "sessions": RecordTable(trading_rows.SessionRow, ("paper_fills",), trading_rows.session_rows),
    "order_costs": RecordTable(
        trading_rows.OrderCostRow, ("paper_tca",), trading_rows.order_cost_rows
    ),
    "drift_readings": RecordTable(
        trading_rows.DriftReadingRow, ("drift_report",), trading_rows.drift_reading_rows
    ),
    "rollbacks": RecordTable(
        trading_rows.RollbackRow, ("rollback_receipt",), trading_rows.rollback_rows
    ),
    "rollback_orders": RecordTable(
        trading_rows.RollbackOrderRow, ("rollback_receipt",), trading_rows.rollback_order_rows
    ),
    "incidents": RecordTable(
        trading_rows.IncidentRow, ("incident_report",), trading_rows.incident_rows
    ),
}

REGISTER_TABLES: Final[Mapping[str, type[Row]]] = {
    "ledger_head": evidence_rows.LedgerHeadRow,
    "records": evidence_rows.RecordRow,
    "stage_receipts": evidence_rows.StageReceiptRow,
    "receipt_evidence": evidence_rows.ReceiptEvidenceRow,
    "trial_tickets": evidence_rows.TrialTicketRow,
    "approvals": evidence_rows.ApprovalRow,
    "orders": trading_rows.OrderRow,
    "fills": trading_rows.FillRow,
}

ROW_TYPES: Final[Mapping[str, type[Row]]] = {
    **{name: table.row_type for name, table in RECORD_TABLES.items()},
    **REGISTER_TABLES,
}
"""Every table and its row type."""


def columns_of(row_type: type[Row]) -> pa.Schema:
    """Return the columns of a row type, in the order of its fields.

    A column may be null exactly if its field may be `None`.
    """
    return pa.schema(
        [
            pa.field(name, *_column(field.annotation))
            for name, field in row_type.model_fields.items()
        ]
    )


def arrow_table(row_type: type[Row], rows: Sequence[Row]) -> pa.Table:
    """Return rows as a table. Times are UTC without a zone, as every DuckDB client shows them.

    Raises
    ------
    ValueError
        If a row is of another type.
    """
    schema = columns_of(row_type)
    for row in rows:
        if type(row) is not row_type:
            raise ValueError(f"a {type(row).__name__} among rows of {row_type.__name__}")
    columns = [[_plain(getattr(row, name)) for row in rows] for name in schema.names]
    arrays = [
        pa.array(column, type=kind.type) for column, kind in zip(columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).replace(tzinfo=None)
    return value


def _column(annotation: Any) -> tuple[pa.DataType, bool]:
    """Return the type of a field's column and whether it may be null."""
    if get_origin(annotation) is Annotated:
        return _column(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        (inner,) = (each for each in get_args(annotation) if each is not types.NoneType)
        return _column(inner)[0], True
    return _TYPES[annotation], False
