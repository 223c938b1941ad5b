"""The rules of a QuantConnect LEAN data folder, without touching a disk.

Prices are stored as USD x 10,000. Daily labels are dates; minute labels are milliseconds
since midnight in New York and mark the start of the bar. `lean_adjustment.py` holds the
factor and map files.
The format is described in the `readme.md` files below `Data/equity` of the LEAN repository.
"""

import datetime as dt
import io
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from torghut_assets.domain.snapshots.lean_adjustment import FactorFile, lean_date, not_lean

Floats = npt.NDArray[np.float64]
Dates = npt.NDArray[np.datetime64]
PRICE_SCALE: Final = 10_000.0
NEW_YORK: Final = ZoneInfo("America/New_York")
_OHLC: Final = ("open", "high", "low", "close")
_QUOTE: Final = tuple(f"{side}_{name}" for side in ("bid", "ask") for name in (*_OHLC, "size"))


@dataclass(frozen=True)
class LeanBars:
    """Bars as LEAN stores them, in USD as traded.

    Attributes
    ----------
    times : ndarray of datetime64[us], shape (n_bars,)
        Daily: 00:00 of the session date; minute: start of the bar in UTC.
    prices : ndarray of float64, shape (n_bars, 4)
        Open, high, low, close.
    volume : ndarray of float64, shape (n_bars,)
        Shares as traded; zero for quote bars.
    """

    times: Dates
    prices: Floats
    volume: Floats


def parse_daily_bars(payload: bytes, *, location: str) -> LeanBars:
    """Read `yyyyMMdd HH:mm,open,high,low,close,volume` rows.

    Raises
    ------
    SourceUnreadableError
        If the file is not of that form.
    """
    names = ("time", *_OHLC, "volume")
    table = _table(
        payload, {"time": pa.string(), **dict.fromkeys(names[1:], pa.float64())}, location
    )
    days = [lean_date(text[:8], location) for text in table.column("time").to_pylist()]
    return LeanBars(
        times=np.array(days, dtype="datetime64[us]"),
        prices=_stack(table, _OHLC) / PRICE_SCALE,
        volume=_column(table, "volume"),
    )


def parse_minute_trades(payload: bytes, day: dt.date, *, location: str) -> LeanBars:
    """Read `milliseconds,open,high,low,close,volume` rows of one New York date.

    Raises
    ------
    SourceUnreadableError
        If the file is not of that form.
    """
    names = ("time", *_OHLC, "volume")
    table = _table(payload, dict.fromkeys(names, pa.float64()), location)
    return LeanBars(
        times=new_york_to_utc(day, _column(table, "time"), location=location),
        prices=_stack(table, _OHLC) / PRICE_SCALE,
        volume=_column(table, "volume"),
    )


def parse_minute_quotes(payload: bytes, day: dt.date, *, location: str) -> LeanBars:
    """Read minute quote rows of one New York date as bars of the mid price, volume zero.

    A side that is empty or zero is missing; the other side then stands for the mid, as in
    LEAN. A row with neither side stays NaN, for the data checks to find.

    Raises
    ------
    SourceUnreadableError
        If the file is not of that form.
    """
    table = _table(payload, dict.fromkeys(("time", *_QUOTE), pa.float64()), location)
    bid = _present(_stack(table, tuple(f"bid_{name}" for name in _OHLC)))
    ask = _present(_stack(table, tuple(f"ask_{name}" for name in _OHLC)))
    mid = np.where(np.isnan(bid), ask, np.where(np.isnan(ask), bid, (bid + ask) / 2.0))
    return LeanBars(
        times=new_york_to_utc(day, _column(table, "time"), location=location),
        prices=mid / PRICE_SCALE,
        volume=np.zeros(len(mid)),
    )


def new_york_to_utc(day: dt.date, milliseconds: Floats, *, location: str) -> Dates:
    """UTC times of wall-clock milliseconds since midnight in New York.

    Parameters
    ----------
    milliseconds : ndarray of float64, shape (n,)
        Whole numbers in [0, 86,400,000).

    Returns
    -------
    ndarray of datetime64[us], shape (n,)

    Raises
    ------
    SourceUnreadableError
        If a value is missing, fractional or not within one day.
    """
    whole = np.nan_to_num(milliseconds, nan=-1.0)
    if not ((whole >= 0) & (whole < 86_400_000) & (whole == np.floor(whole))).all():
        raise not_lean(location, "a time that is not whole milliseconds within one day")
    wall = np.datetime64(day, "us") + whole.astype(np.int64) * np.timedelta64(1_000, "us")
    edges = [dt.datetime.combine(day, time, NEW_YORK) for time in (dt.time(0), dt.time(23, 59))]
    if edges[0].utcoffset() == edges[1].utcoffset():
        return wall - np.timedelta64(edges[0].utcoffset() or dt.timedelta(), "us")
    shifted = [  # one of the two Sundays a year on which clocks change
        moment.replace(tzinfo=NEW_YORK).astimezone(dt.UTC).replace(tzinfo=None)
        for moment in wall.astype(object)
    ]
    return np.array(shifted, dtype="datetime64[us]")


def point_in_time_numbers(
    bars: LeanBars, days: Dates, factors: FactorFile, as_of: dt.date
) -> dict[str, Floats]:
    """Columns of bar schema 1 on the price level of the as-of date.

    Factors are divided by those of the as-of date, so that splits and dividends after it
    leave no trace: the cut holds what was known then.

    Parameters
    ----------
    days : ndarray of datetime64[D], shape (n_bars,)
        Session date of each bar, which picks its factors.
    """
    price, split = factors.at(days)
    price_now, split_now = factors.at(np.array([as_of], dtype="datetime64[D]"))
    to_split = split / split_now[0]
    columns = {name: bars.prices[:, i] * to_split for i, name in enumerate(_OHLC)}
    columns["volume"] = bars.volume / to_split
    columns["adjusted_close"] = columns["close"] * (price / price_now[0])
    return columns


def _table(payload: bytes, types: dict[str, pa.DataType], location: str) -> pa.Table:
    try:
        return csv.read_csv(
            io.BytesIO(payload),
            read_options=csv.ReadOptions(column_names=list(types), use_threads=False),
            convert_options=csv.ConvertOptions(column_types=types),
        )
    except pa.ArrowInvalid as error:
        raise not_lean(location, " ".join(str(error).split())[:160]) from error


def _column(table: Any, name: str) -> Floats:
    values: Floats = table.column(name).to_numpy()
    return values


def _stack(table: Any, names: tuple[str, ...]) -> Floats:
    return np.column_stack([_column(table, name) for name in names])


def _present(prices: Floats) -> Floats:
    """NaN for a side that is not quoted."""
    return np.where(prices > 0.0, prices, np.nan)
