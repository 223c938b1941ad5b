"""Cases of the market-data statistics: dates as text, files of a LEAN folder as rows."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np

from torghut_assets.domain.snapshots import bias, lean, lean_adjustment
from torghut_assets.domain.snapshots import calendar as exchange


def survivorship_bias(returns: Sequence[float], survived: Sequence[bool]) -> dict[str, float]:
    """Give the bias next to the two means."""
    found = bias.survivorship_bias(np.array(returns, dtype=np.float64), np.array(survived))
    return {"all": found.all, "survivors": found.survivors, "bias": found.bias}


def daily_bar_outliers(close: Sequence[float], limit: float = 10.0) -> dict[str, list[Any]]:
    """Give the marked bars as flags and as 0-based positions."""
    marked = bias.daily_bar_outliers(np.array(close, dtype=np.float64), limit)
    return {"flags": marked.tolist(), "indices": np.flatnonzero(marked).tolist()}


def calendar_gaps(
    dates: Sequence[str], calendar: str = "XNYS", sessions: Sequence[str] | None = None
) -> dict[str, list[str]]:
    """Compare ISO dates with an exchange's sessions, or with sessions that are given."""
    observed = np.array(dates, dtype="datetime64[D]")
    if sessions is not None:
        expected = np.array(sessions, dtype="datetime64[D]")
    else:
        days = [dt.date.fromisoformat(day) for day in dates]
        expected = exchange.load_sessions(calendar, min(days), max(days)).dates
    found = exchange.calendar_gaps(observed, expected)
    return {
        "missing": np.datetime_as_string(found.missing).tolist(),
        "unexpected": np.datetime_as_string(found.unexpected).tolist(),
    }


def lean_daily_adjusted(
    rows: Sequence[str], factor_rows: Sequence[str] = ()
) -> dict[str, list[Any]]:
    """Adjust rows of a daily file by rows of a factor file.

    Parameters
    ----------
    rows : sequence of str
        ``yyyyMMdd HH:mm,open,high,low,close,volume`` with prices in USD x 10,000.
    factor_rows : sequence of str
        ``yyyyMMdd,price factor,split factor[,reference price]``; none leaves prices as traded.
    """
    bars = lean.parse_daily_bars("\n".join(rows).encode(), location="rows")
    factors = lean_adjustment.NO_FACTORS
    if factor_rows:
        factors = lean_adjustment.parse_factor_file(
            "\n".join(factor_rows).encode(), location="factor_rows"
        )
    days = bars.times.astype("datetime64[D]")
    prices = lean_adjustment.lean_daily_adjusted(days, bars.prices, factors)
    return {"dates": np.datetime_as_string(days).tolist(), **_columns(prices, bars)}


def lean_minute_bars(date: str, rows: Sequence[str]) -> dict[str, list[Any]]:
    """Read rows of a minute trade file of one New York date; times come out in UTC.

    Parameters
    ----------
    date : str
        ISO date.
    rows : sequence of str
        ``milliseconds,open,high,low,close,volume`` with prices in USD x 10,000.
    """
    day = dt.date.fromisoformat(date)
    bars = lean.parse_minute_trades("\n".join(rows).encode(), day, location="rows")
    times = np.datetime_as_string(bars.times, unit="s", timezone="UTC")
    return {"times": times.tolist(), **_columns(bars.prices, bars)}


def _columns(prices: lean.Floats, bars: lean.LeanBars) -> dict[str, list[Any]]:
    names = ("open", "high", "low", "close")
    columns = {name: prices[:, i].tolist() for i, name in enumerate(names)}
    return {**columns, "volume": bars.volume.tolist()}
