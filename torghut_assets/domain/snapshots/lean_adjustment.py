"""LEAN factor and map files: what a price was worth later, and what a symbol was called.

Of a factor file the first row with a date on or after day d applies to day d; of a map
file likewise. `lean.py` reads the bars.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.snapshots.errors import SourceUnreadableError

Floats = npt.NDArray[np.float64]
Dates = npt.NDArray[np.datetime64]


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
        (lean_date(fields[0], location), _number(fields[1], location), _number(fields[2], location))
        for fields in _rows(payload, 3, location)
    ]
    rows.sort()
    dates = np.array([row[0] for row in rows], dtype="datetime64[D]")
    prices = np.array([row[1] for row in rows], dtype=np.float64)
    splits = np.array([row[2] for row in rows], dtype=np.float64)
    if (np.diff(dates) <= np.timedelta64(0, "D")).any() or not (
        (prices > 0.0).all() and (splits > 0.0).all()
    ):
        raise not_lean(location, "a date twice, or a factor that is not above zero")
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
        (lean_date(fields[0], location), fields[1].strip().lower())
        for fields in _rows(payload, 2, location)
    )
    spans = []
    after = rows[0][0] - dt.timedelta(days=1)
    for until, ticker in rows:
        if not ticker.replace(".", "").replace("-", "").isalnum() or ".." in ticker:
            raise not_lean(location, f"the ticker {ascii(ticker)[:40]}")
        spans.append(TickerSpan(ticker, after, until))
        after = until
    return tuple(spans)


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


def not_lean(location: str, found: str) -> SourceUnreadableError:
    """Return the refusal of a file that does not follow the LEAN data format."""
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
        raise not_lean(location, f"no rows, or a row with fewer than {least} fields")
    return rows


def lean_date(text: str, location: str) -> dt.date:
    """Return the date that the first eight digits write, else raise `SourceUnreadableError`."""
    try:
        return dt.datetime.strptime(text.strip()[:8], "%Y%m%d").date()  # noqa: DTZ007 - a date
    except ValueError as error:
        raise not_lean(location, f"the date {ascii(text)[:40]}") from error


def _number(text: str, location: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise not_lean(location, f"the number {ascii(text)[:40]}") from error
