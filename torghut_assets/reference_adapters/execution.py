"""Cases of the execution statistics: tables of fills and records."""

from collections.abc import Mapping, Sequence
from typing import Any

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.tca import asof, impact, minute_bars, spreads


def columns_of(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    """Turn a table given as column names and rows into one list per column.

    Raises
    ------
    BadInputError
        If a row has another number of fields than there are columns.
    """
    if any(len(row) != len(columns) for row in rows):
        raise BadInputError(
            location="rows", found="a row of another length", expected=f"{len(columns)} fields"
        )
    return {name: [row[i] for row in rows] for i, name in enumerate(columns)}


def asof_join(
    columns: Sequence[str], records: Sequence[Sequence[Any]], queries: Sequence[str]
) -> tuple[float, ...]:
    """Join records given as a table."""
    return asof.asof_join(**columns_of(columns, records), queries=queries)


def effective_realized_spread(
    columns: Sequence[str], fills: Sequence[Sequence[Any]]
) -> spreads.SpreadCosts:
    """Measure fills given as a table."""
    return spreads.effective_realized_spread(**columns_of(columns, fills))


def istar_impact(
    size_over_adv: float, sigma_annual: float, pov: float, **parameters: float
) -> impact.IStarImpact:
    """Take the model's parameters one by one."""
    return impact.istar_impact(
        size_over_adv, sigma_annual, pov, parameters=impact.IStarParameters(**parameters)
    )


def tca_from_minute_bars(
    bars: Mapping[str, Any] | Sequence[Sequence[Any]],
    columns: Sequence[str] = ("time", "open", "high", "low", "close", "volume"),
    **order: Any,
) -> minute_bars.MinuteBarTca:
    """Measure an order against bars given as a table or as one list per column."""
    series = dict(bars) if isinstance(bars, Mapping) else columns_of(columns, bars)
    return minute_bars.tca_from_minute_bars(
        minute_bars.WorkedOrder(**order), minute_bars.MinuteBars(**series)
    )
