"""What every shipped strategy shares: trailing windows, volatility, staleness, gross limit.

Read `finished_weights` first: it is where the strategy contract is kept. Two choices hold
throughout:

* **Windows are summed by doubling, not by differences of running totals.** Row t is then a
  function of its own window alone: no rounding error and no NaN from an older bar reaches
  it, and cutting the data anywhere gives the same bits.
* **Only `+ - * / sqrt` and comparisons.** IEEE 754 rounds these correctly everywhere, so
  weights are the same bytes on every machine; `exp` and `log` would not be.
"""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.candidates.strategy import (
    STALE_BARS,
    VOLATILITY_FLOOR,
    BarPanel,
    Floats,
)

Mask = npt.NDArray[np.bool_]

BARS_PER_YEAR = 252
"""Daily bars in a year, for annualizing volatility."""

MIN_OBSERVED_FRACTION = 0.8
"""Share of a window's returns that must exist; with fewer the volatility is unknown."""

_CHUNK_VALUES: Final = 16_384


def window_sums(values: Floats, window: int) -> Floats:
    """Sum of each row and the `window - 1` rows before it.

    Parameters
    ----------
    values : ndarray of float64, shape (n_bars, n_symbols)
        NaN makes those sums NaN whose window holds it, and no others.
    window : int
        Rows per sum, at least 1.

    Returns
    -------
    ndarray of float64, shape (n_bars, n_symbols)
        The first `window - 1` rows are NaN.
    """
    out = np.full(values.shape, np.nan)
    for first, start, stop in _chunks(values.shape, window):
        out[start:stop] = _chunk_sums(values[first:stop], window)[start - first :]
    return out


def _chunks(shape: tuple[int, ...], window: int) -> Iterator[tuple[int, int, int]]:
    """Rows `[start, stop)` at a time, with the `window` rows before them from `first` on.

    Pieces that stay in the processor's cache are about three times as fast as whole arrays.
    """
    n_bars, n_symbols = shape
    step = max(2 * window, _CHUNK_VALUES // max(1, n_symbols))
    for start in range(0, n_bars, step):
        yield max(0, start - window), start, min(start + step, n_bars)


def _chunk_sums(values: Floats, window: int) -> Floats:
    """Sum over each window by doubling; NaN in the first `window - 1` rows."""
    n = len(values)
    out = np.full(values.shape, np.nan)
    if n < window:
        return out
    block, size = values, 1  # block[i] is the sum of values[i : i + size]
    total = out[window - 1 :]  # total[i] is the sum of the first `covered` values from i on
    covered = 0
    scratch = (np.empty(values.shape), np.empty(values.shape))
    while True:
        if window & size:
            newest = block[covered : covered + len(total)]
            if covered:
                np.add(total, newest, out=total)
            else:
                total[:] = newest
            covered += size
        if covered == window:
            return out
        ends = n - 2 * size + 1
        block = np.add(block[:ends], block[size : size + ends], out=scratch[0][:ends])
        scratch = scratch[::-1]
        size *= 2


def forward_filled(values: Floats) -> Floats:
    """Return `values` with each NaN replaced by the last value before it in its column.

    NaN before a column's first value stays NaN. Without NaN the input itself is returned.
    """
    missing = np.isnan(values)
    if not missing.any():
        return values
    row = np.where(missing, 0, np.arange(len(values))[:, np.newaxis])
    return np.take_along_axis(values, np.maximum.accumulate(row, axis=0), axis=0)


def simple_returns(price: Floats, bars: int = 1) -> Floats:
    """Return over `bars` bars as a fraction; NaN where either end does not exist."""
    out = np.full(price.shape, np.nan)
    if bars < len(price):
        np.divide(price[bars:], price[:-bars], out=out[bars:])
        out -= 1.0
    return out


def price_changes(price: Floats, bars: int) -> Floats:
    """Change over `bars` bars in USD; NaN where either end does not exist."""
    out = np.full(price.shape, np.nan)
    if bars < len(price):
        np.subtract(price[bars:], price[:-bars], out=out[bars:])
    return out


def trailing_volatility(price: Floats, window: int) -> Floats:
    """Annualized standard deviation of the last `window` returns, at least the floor.

    Parameters
    ----------
    price : ndarray of float64, shape (n_bars, n_symbols)
        Adjusted closes; NaN where a bar is missing.
    window : int
        Returns per estimate, at least 2. The denominator is n - 1.

    Returns
    -------
    ndarray of float64, shape (n_bars, n_symbols)
        Fractions per year, never below `VOLATILITY_FLOOR`. NaN in the first `window` rows
        and where fewer than `MIN_OBSERVED_FRACTION` of the window's returns exist.
    """
    out = np.full(price.shape, np.nan)
    for first, start, stop in _chunks(price.shape, window):
        out[start:stop] = _chunk_volatility(price[first:stop], window)[start - first :]
    return out


def _chunk_volatility(price: Floats, window: int) -> Floats:
    returns = simple_returns(price)
    missing = np.isnan(returns[1:])
    n: Floats | float = float(window)
    if missing.any():
        observed = np.zeros(price.shape)
        observed[1:] = ~missing
        returns = np.where(observed > 0.0, returns, 0.0)
        counts = _chunk_sums(observed, window)
        n = np.where(counts >= MIN_OBSERVED_FRACTION * window, np.maximum(counts, 2.0), np.nan)
    total = _chunk_sums(returns, window)
    squares = _chunk_sums(returns * returns, window)
    total *= total
    total /= n
    squares -= total
    squares *= BARS_PER_YEAR / (n - 1.0)
    np.maximum(squares, VOLATILITY_FLOOR * VOLATILITY_FLOOR, out=squares)
    np.sqrt(squares, out=squares)
    squares[:window] = np.nan
    return squares


def stale(close: Floats) -> Mask:
    """Whether the last known close has not changed over the last `STALE_BARS` bars.

    A missing bar is no change. The first `STALE_BARS` rows are never stale.
    """
    known = forward_filled(close)
    unchanged = np.zeros(close.shape, dtype=np.bool_)
    unchanged[1:] = known[1:] == known[:-1]
    out = np.zeros(close.shape, dtype=np.bool_)
    if len(close) > STALE_BARS:
        last = len(close) - STALE_BARS
        out[STALE_BARS:] = unchanged[1 : last + 1]
        for ahead in range(2, STALE_BARS + 1):
            out[STALE_BARS:] &= unchanged[ahead : last + ahead]
    return out


def tradable(close: Floats) -> Mask:
    """Whether a bar exists and its close is not stale."""
    return ~(np.isnan(close) | stale(close))


def risk_units(volatility: Floats, target_volatility_fraction: float) -> Floats:
    """Weight per symbol at which each alone would run `target / sqrt(n_symbols)` of risk.

    With uncorrelated symbols the portfolio then runs at the target volatility.
    """
    return np.divide(target_volatility_fraction / math.sqrt(volatility.shape[1]), volatility)


def scale_shorts(direction: Floats, short_fraction: float) -> None:
    """Multiply the negative directions in place: 0 is long only, 1 leaves them alone."""
    if short_fraction != 1.0:
        shorts = np.minimum(direction, 0.0)
        shorts *= short_fraction
        np.maximum(direction, 0.0, out=direction)
        direction += shorts


def finished_weights(raw: Floats, bars: BarPanel, *, warm_up_bars: int, max_gross: float) -> Floats:
    """Turn raw weights into weights that keep the strategy contract.

    Rows before `warm_up_bars` are zero; a symbol without a bar, with a stale close or with
    an undefined (NaN, infinite) raw weight gets zero; a row whose absolute weights sum to
    more than `max_gross` is scaled down to it, keeping its proportions.

    Parameters
    ----------
    raw : ndarray of float64, shape (n_bars, n_symbols)
        Fractions of equity.

    Returns
    -------
    ndarray of float64, shape (n_bars, n_symbols)
        A new array.
    """
    held = tradable(bars.close)
    held &= np.isfinite(raw)
    held[:warm_up_bars] = False
    out = np.where(held, raw, 0.0)
    gross = _row_sums(np.abs(out))
    out *= (1.0 / np.maximum(1.0, gross / max_gross))[:, np.newaxis]
    out += 0.0  # negative zeros become zeros
    return out


def _row_sums(values: Floats) -> Floats:
    """Sum of each row, added from left to right: an order that no library may choose anew."""
    totals = np.zeros(len(values))
    step = max(64, _CHUNK_VALUES // max(1, values.shape[1]))
    for start in range(0, len(values), step):
        total = totals[start : start + step]
        for column in values[start : start + step].T:
            total += column
    return totals
