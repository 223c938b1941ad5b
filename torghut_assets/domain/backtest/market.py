"""Bars as the account meets them: returns, tradable dollar volume, volatility known beforehand.

Built once per snapshot by `market_arrays`. A missing bar (NaN price) is no trade and a return of
0; the next bar that exists carries the whole return since the last price. Prices that are not
positive and finite, and negative or infinite volumes, are refused.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.backtest.errors import MarketRefusedError
from torghut_assets.domain.candidates.strategy import BarPanel, Floats

Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class MarketArrays:
    """One universe, ready for simulation. All arrays are (n_bars, n_symbols) and finite.

    Attributes
    ----------
    times : ndarray of datetime64[us], shape (n_bars,)
        Bar labels in UTC, strictly increasing.
    symbols : tuple of str
    returns : ndarray of float64
        Simple return of the adjusted close since the last observed one; 0 where missing.
    observed : ndarray of bool
        Whether the bar exists for the symbol.
    dollar_volume : ndarray of float64
        Close times volume, USD; 0 where the bar is missing or nothing was traded.
    volatility : ndarray of float64
        Standard deviation (ddof=1) of the returns over the window that ends one bar *before*
        the row, per bar, not annualized; NaN while fewer than half of the window is observed.
    """

    times: npt.NDArray[np.datetime64]
    symbols: tuple[str, ...]
    returns: Floats
    observed: Booleans
    dollar_volume: Floats
    volatility: Floats

    @property
    def n_bars(self) -> int:
        """Number of bars."""
        return len(self.times)

    @property
    def n_symbols(self) -> int:
        """Number of symbols."""
        return len(self.symbols)


def market_arrays(bars: BarPanel, volatility_window_bars: int) -> MarketArrays:
    """Prepare a bar panel for simulation.

    Parameters
    ----------
    bars : BarPanel
        Aligned bars; a missing bar is NaN.
    volatility_window_bars : int
        Length of the trailing window behind `MarketArrays.volatility`; at least 2.

    Raises
    ------
    MarketRefusedError
        If there is no bar or no symbol, times do not increase, a price is zero, negative or
        infinite, or a volume is negative or infinite.
    """
    _refuse_bad_bars(bars)
    returns, observed = returns_since_last_price(bars.adjusted_close)
    traded_usd = bars.close * bars.volume
    dollar_volume = np.where(observed & np.isfinite(traded_usd), traded_usd, 0.0)
    known = np.where(has_return(observed), returns, np.nan)
    return MarketArrays(
        times=bars.times,
        symbols=bars.symbols,
        returns=returns,
        observed=observed,
        dollar_volume=dollar_volume,
        volatility=trailing_volatility(known, volatility_window_bars),
    )


def _refuse_bad_bars(bars: BarPanel) -> None:
    if bars.n_bars == 0 or bars.n_symbols == 0:
        raise MarketRefusedError(
            location="bar panel",
            found=f"{bars.n_bars} bars of {bars.n_symbols} symbols",
            expected="at least one bar of one symbol",
        )
    if bars.n_bars > 1 and not np.all(bars.times[1:] > bars.times[:-1]):
        raise MarketRefusedError(
            location="bar panel times", found="a time that repeats or goes back", expected="order"
        )
    for field in ("close", "adjusted_close", "volume"):
        values: Floats = getattr(bars, field)
        low = values < 0 if field == "volume" else values <= 0
        bad = np.argwhere(low | np.isinf(values))
        if len(bad):
            bar, symbol = (int(index) for index in bad[0])
            raise MarketRefusedError(
                location=f"{field} of {bars.symbols[symbol]} at {bars.times[bar]}",
                found=f"{values[bar, symbol]!r}",
                expected="a finite number above zero, or NaN for a missing bar"
                if field != "volume"
                else "a finite number of shares, zero or more",
                action="Repair the source and take the snapshot again.",
            )


def has_return(observed: Booleans) -> Booleans:
    """Tell where a bar exists and is not its symbol's first, which has no return."""
    return observed & (np.cumsum(observed, axis=0) > 1)


def returns_since_last_price(prices: Floats) -> tuple[Floats, Booleans]:
    """Compute simple returns against the last observed price.

    Parameters
    ----------
    prices : ndarray of float64, shape (n_bars, n_symbols)
        Positive, NaN where missing.

    Returns
    -------
    returns : ndarray of float64, same shape
        0 at a symbol's first price and where the price is missing.
    observed : ndarray of bool, same shape
    """
    observed = ~np.isnan(prices)
    rows = np.arange(prices.shape[0])[:, np.newaxis]
    last_seen = np.maximum.accumulate(np.where(observed, rows, -1), axis=0)
    before = np.vstack([np.full((1, prices.shape[1]), -1), last_seen[:-1]])
    columns = np.arange(prices.shape[1])[np.newaxis, :]
    previous = prices[np.maximum(before, 0), columns]
    ratio = np.divide(prices, previous, out=np.ones_like(prices), where=has_return(observed))
    return ratio - 1.0, observed


def trailing_volatility(returns: Floats, window: int) -> Floats:
    """Volatility per bar that was known one bar earlier.

    Parameters
    ----------
    returns : ndarray of float64, shape (n_bars, n_symbols)
        NaN where there is none.
    window : int
        Number of bars; row t looks at rows [t - window, t).

    Returns
    -------
    ndarray of float64, same shape
        Standard deviation, ddof=1, two passes; NaN while fewer than half of the window's
        bars, or fewer than two, have a return.
    """
    n_bars = returns.shape[0]
    known = ~np.isnan(returns)
    values = np.where(known, returns, 0.0)
    count = np.zeros(returns.shape)
    total = np.zeros(returns.shape)
    for back in range(1, min(window, n_bars - 1) + 1):
        count[back:] += known[:-back]
        total[back:] += values[:-back]
    enough = count >= max(2, -(-window // 2))
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    squares = np.zeros(returns.shape)
    for back in range(1, min(window, n_bars - 1) + 1):
        squares[back:] += np.where(known[:-back], (values[:-back] - mean[back:]) ** 2, 0.0)
    variance = np.divide(squares, count - 1, out=np.full_like(squares, np.nan), where=enough)
    return np.sqrt(variance)
