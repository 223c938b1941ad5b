"""The rules of a QuantConnect LEAN data folder, without touching a disk.

Prices are stored as USD x 10,000. Daily labels are dates; minute labels are milliseconds
since midnight in New York and mark the start of the bar. Of a factor file the first row
with a date on or after day d applies to day d; of a map file likewise.
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

from torghut_assets.domain.snapshots.errors import SourceUnreadableError

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


@dataclass(frozen=True)
class FactorFile:
    """Adjustment factors by date, ascending; arrays have shape (n_rows,).

    `usable_from` is the first day with a finite factor, or `None` for all days.
    """

    dates: Dates
    price_factors: Floats
    split_factors: Floats
    usable_from: dt.date | None

    def at(self, days: Dates) -> tuple[Floats, Floats]:
        """Price and split factors of each day: of the first row with a date >= the day.

        After the last row both are 1.
        """
        rows = np.searchsorted(self.dates, days.astype("datetime64[D]"), side="left")
        return np.append(self.price_factors, 1.0)[rows], np.append(self.split_factors, 1.0)[rows]


NO_FACTORS: Final = FactorFile(
    dates=np.array([], dtype="datetime64[D]"),
    price_factors=np.array([]),
    split_factors=np.array([]),
    usable_from=None,
)


@dataclass(frozen=True)
class TickerSpan:
    """A symbol traded as `ticker` after `after` up to and including `until`."""

    ticker: str
    after: dt.date
    until: dt.date


def parse_factor_file(payload: bytes, *, location: str) -> FactorFile:
    """Read `date,price factor,split factor[,reference price]` rows.

    Rows with an infinite factor (a share that was consolidated away) end the usable
    history, as in LEAN.

    Raises
    ------
    SourceUnreadableError
        If a row has too few fields, a factor is not above zero, or dates repeat.
    """
    rows = [
        (_date(fields[0], location), _number(fields[1], location), _number(fields[2], location))
        for fields in _rows(payload, 3, location)
    ]
    rows.sort()
    dates = np.array([row[0] for row in rows], dtype="datetime64[D]")
    prices = np.array([row[1] for row in rows], dtype=np.float64)
    splits = np.array([row[2] for row in rows], dtype=np.float64)
    if (np.diff(dates) <= np.timedelta64(0, "D")).any() or not (
        (prices > 0.0).all() and (splits > 0.0).all()
    ):
        raise _unreadable(location, "a date twice, or a factor that is not above zero")
    finite = np.isfinite(prices) & np.isfinite(splits)
    usable_from = None
    if not finite.all():
        last_bad = int(np.flatnonzero(~finite)[-1])
        usable_from = rows[last_bad][0] + dt.timedelta(days=1)
        finite[: last_bad + 1] = False
    return FactorFile(dates[finite], prices[finite], splits[finite], usable_from)


def parse_map_file(payload: bytes, *, location: str) -> tuple[TickerSpan, ...]:
    """Read `date,ticker[,exchange]` rows: which ticker a symbol traded under, and when.

    The first row is the listing, each later row the last day of its ticker.

    Raises
    ------
    SourceUnreadableError
        If a row is malformed, or a ticker could be a path.
    """
    rows = sorted(
        (_date(fields[0], location), fields[1].strip().lower())
        for fields in _rows(payload, 2, location)
    )
    spans = []
    after = rows[0][0] - dt.timedelta(days=1)
    for until, ticker in rows:
        if not ticker.replace(".", "").replace("-", "").isalnum() or ".." in ticker:
            raise _unreadable(location, f"the ticker {ascii(ticker)[:40]}")
        spans.append(TickerSpan(ticker, after, until))
        after = until
    return tuple(spans)


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
    days = [_date(text[:8], location) for text in table.column("time").to_pylist()]
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
        raise _unreadable(location, "a time that is not whole milliseconds within one day")
    wall = np.datetime64(day, "us") + whole.astype(np.int64) * np.timedelta64(1_000, "us")
    edges = [dt.datetime.combine(day, time, NEW_YORK) for time in (dt.time(0), dt.time(23, 59))]
    if edges[0].utcoffset() == edges[1].utcoffset():
        return wall - np.timedelta64(edges[0].utcoffset() or dt.timedelta(), "us")
    shifted = [  # one of the two Sundays a year on which clocks change
        moment.replace(tzinfo=NEW_YORK).astimezone(dt.UTC).replace(tzinfo=None)
        for moment in wall.astype(object)
    ]
    return np.array(shifted, dtype="datetime64[us]")


def lean_daily_adjusted(days: Dates, prices: Floats, factors: FactorFile) -> Floats:
    """Prices adjusted for splits and dividends: price x price factor x split factor.

    Parameters
    ----------
    days : ndarray of datetime64[D], shape (n_bars,)
        Session dates.
    prices : ndarray of float64, shape (n_bars,) or (n_bars, k)
        USD as traded.

    Returns
    -------
    ndarray of float64, of the shape of `prices`
        USD, on the level of the factor file's last row.
    """
    price, split = factors.at(days)
    factor = price * split
    return prices * (factor if prices.ndim == 1 else factor[:, np.newaxis])


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


def _unreadable(location: str, found: str) -> SourceUnreadableError:
    return SourceUnreadableError(
        location=location,
        found=found,
        expected="the LEAN data format",
        action="docs/data-sources.md names the files and their columns.",
    )


def _rows(payload: bytes, least: int, location: str) -> list[list[str]]:
    text = payload.decode("ascii", errors="replace")
    rows = [line.split(",") for line in text.splitlines() if line.strip()]
    if not rows or any(len(fields) < least for fields in rows):
        raise _unreadable(location, f"no rows, or a row with fewer than {least} fields")
    return rows


def _date(text: str, location: str) -> dt.date:
    try:
        return dt.datetime.strptime(text.strip()[:8], "%Y%m%d").date()  # noqa: DTZ007 - a date
    except ValueError as error:
        raise _unreadable(location, f"the date {ascii(text)[:40]}") from error


def _number(text: str, location: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise _unreadable(location, f"the number {ascii(text)[:40]}") from error


def _table(payload: bytes, types: dict[str, pa.DataType], location: str) -> pa.Table:
    try:
        return csv.read_csv(
            io.BytesIO(payload),
            read_options=csv.ReadOptions(column_names=list(types), use_threads=False),
            convert_options=csv.ConvertOptions(column_types=types),
        )
    except pa.ArrowInvalid as error:
        raise _unreadable(location, " ".join(str(error).split())[:160]) from error


def _column(table: Any, name: str) -> Floats:
    values: Floats = table.column(name).to_numpy()
    return values


def _stack(table: Any, names: tuple[str, ...]) -> Floats:
    return np.column_stack([_column(table, name) for name in names])


def _present(prices: Floats) -> Floats:
    """NaN for a side that is not quoted."""
    return np.where(prices > 0.0, prices, np.nan)
