"""Checks that look at one bar at a time, vectorized over a batch."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.snapshots.findings import FindingLog

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]
_ROWS_AT_ONCE = 1 << 14
_PRICES = ("open", "high", "low", "close", "adjusted_close")


@dataclass(frozen=True)
class BarRows:
    """One batch of bars as arrays without nulls, each of shape (n_rows,).

    Attributes
    ----------
    times : ndarray of int64
        Microseconds since 1970-01-01 UTC.
    open, high, low, close, adjusted_close : ndarray of float64
        USD per share.
    volume : ndarray of float64
        Shares.
    """

    times: Times
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    adjusted_close: Floats

    def describe(self, row: int) -> str:
        """Return the values of one row, for a finding."""
        values = ", ".join(f"{name} {getattr(self, name)[row]:g}" for name in _PRICES)
        return f"{label(self.times[row])}: {values}, volume {self.volume[row]:g}"


def label(time_us: np.int64 | int) -> str:
    """Write a time in UTC; midnight is a plain date."""
    text = str(np.datetime64(int(time_us), "us").astype("datetime64[s]"))
    return text.removesuffix("T00:00:00")


def check_rows(rows: BarRows, symbol_of: "SymbolOfRow", log: FindingLog) -> None:
    """Log bars with values that no market can have.

    A few passes accept a clean batch; only a batch with a flaw is taken apart. Comparisons
    with NaN are false, and a smallest value with NaN is NaN, so NaN never passes.
    """
    if not _all_sane(rows):
        _explain(rows, np.flatnonzero(~_sane(rows)), symbol_of, log)


def _all_sane(rows: BarRows) -> bool:
    """Whether `_sane` holds for every bar, piece by piece so that all stays in cache."""
    for start in range(0, len(rows.times), _ROWS_AT_ONCE):
        place = slice(start, start + _ROWS_AT_ONCE)
        open_, close = rows.open[place], rows.close[place]
        low, high, volume = rows.low[place], rows.high[place], rows.volume[place]
        adjusted = rows.adjusted_close[place]
        bounded = low.min() > 0.0 and high.max() < np.inf
        bounded = bounded and volume.min() >= 0.0 and volume.max() < np.inf
        bounded = bounded and adjusted.min() > 0.0 and adjusted.max() < np.inf
        if not bounded:
            return False
        ordered = (low <= open_) & (low <= close)
        ordered &= (open_ <= high) & (close <= high)
        if not ordered.all():
            return False
    return True


def _sane(rows: BarRows) -> npt.NDArray[np.bool_]:
    """Which bars have values that a market can have."""
    sane = (rows.low > 0.0) & (rows.low <= np.minimum(rows.open, rows.close))
    sane &= (np.maximum(rows.open, rows.close) <= rows.high) & (rows.high < np.inf)
    sane &= (rows.volume >= 0.0) & (rows.volume < np.inf)
    sane &= (rows.adjusted_close > 0.0) & (rows.adjusted_close < np.inf)
    return sane


class SymbolOfRow:
    """Symbol of a row index within one batch; only asked when something is wrong."""

    def __init__(self, starts: npt.NDArray[np.intp], names: list[str]) -> None:
        self._starts = starts
        self._names = names

    def __call__(self, row: int) -> str:
        """Return the symbol that `row` belongs to."""
        return self._names[int(np.searchsorted(self._starts, row, side="right")) - 1]


def _explain(
    rows: BarRows, bad: npt.NDArray[np.intp], symbol_of: SymbolOfRow, log: FindingLog
) -> None:
    prices = np.stack([getattr(rows, name)[bad] for name in _PRICES])
    volume = rows.volume[bad]
    finite = np.isfinite(prices).all(axis=0) & np.isfinite(volume)
    positive = (prices > 0.0).all(axis=0)
    open_, high, low, close, _ = prices
    ordered = (low <= np.minimum(open_, close)) & (np.maximum(open_, close) <= high)
    for check, wrong in (
        ("finite_values", ~finite),
        ("positive_prices", finite & ~positive),
        ("price_order", finite & positive & ~ordered),
        ("volume_sign", finite & (volume < 0.0)),
    ):
        count = int(wrong.sum())
        if count:
            first = int(bad[np.flatnonzero(wrong)[0]])
            log.refuse(check, count, f"{symbol_of(first)} {rows.describe(first)}")
