"""Bid-ask spreads estimated from daily bars, for when there are no quotes.

Read `edge_spread` first: it uses all four prices and is the most accurate of these. All
estimates are fractions of the price (0.01 = 1 %). A signed estimate may be negative, which
says that the sample shows no spread; it is not floored unless the name says so.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from torghut_assets.domain.errors import TooFewObservationsError
from torghut_assets.domain.tca.errors import OutOfRangeError
from torghut_assets.domain.tca.inputs import Floats, floats, positive_vector, same_length, vector


@dataclass(frozen=True, slots=True)
class OhlcSpreads:
    """Spread estimates of one sample of daily bars, as fractions of price.

    NaN marks an estimator that needs more days than there are.
    """

    corwin_schultz_signed_mean: float
    corwin_schultz_zero_floored_mean: float
    abdi_ranaldo_signed: float
    abdi_ranaldo_two_day: float
    roll_signed: float


def ohlc_spread_estimators(high: ArrayLike, low: ArrayLike, close: ArrayLike) -> OhlcSpreads:
    """Corwin-Schultz, Abdi-Ranaldo and Roll spreads of consecutive daily bars.

    Parameters
    ----------
    high, low, close : array_like of shape (n_days,)
        Positive prices in time order, at least two days, high >= low.

    Returns
    -------
    OhlcSpreads
        `roll_signed` is NaN below four days.

    Raises
    ------
    TooFewObservationsError, ShapeMismatchError, NotANumberError, OutOfRangeError

    References
    ----------
    Corwin, S. and Schultz, P. (2012). A simple way to estimate bid-ask spreads from daily
    high and low prices. Journal of Finance 67(2), equations 14-18.
    Abdi, F. and Ranaldo, A. (2017). A simple estimation of bid-ask spreads from daily close,
    high, and low prices. Review of Financial Studies 30(12).
    Roll, R. (1984). A simple implicit measure of the effective bid-ask spread in an efficient
    market. Journal of Finance 39(4).
    """
    highs = positive_vector(high, "high", at_least=2)
    lows = positive_vector(low, "low", at_least=2)
    closes = positive_vector(close, "close", at_least=2)
    same_length(high=highs, low=lows, close=closes)
    _ordered(highs, lows)
    pair_spreads = corwin_schultz_pairs(highs, lows, closes)
    square = _abdi_ranaldo_squares(np.log(highs), np.log(lows), np.log(closes))
    return OhlcSpreads(
        corwin_schultz_signed_mean=float(pair_spreads.mean()),
        corwin_schultz_zero_floored_mean=float(np.maximum(pair_spreads, 0.0).mean()),
        abdi_ranaldo_signed=_signed_root(float(square.mean())),
        abdi_ranaldo_two_day=float(np.sqrt(np.maximum(square, 0.0)).mean()),
        roll_signed=roll_spread(closes),
    )


def corwin_schultz_pairs(high: Floats, low: Floats, close: Floats) -> Floats:
    """Corwin-Schultz spread of every pair of consecutive days, shape (n_days - 1,).

    All prices are positive; ranges are of log prices. If the first day's close lies outside the
    second day's range, the second day is shifted (in logs) by that overnight gap. `beta` sums
    the squared ranges of both days, `gamma` is the squared range of the two days together,
    `alpha = (sqrt(2 beta) - sqrt(beta)) / k - sqrt(gamma / k)` with `k = 3 - 2 sqrt(2)`, and the
    spread is `2 (e^alpha - 1) / (1 + e^alpha)`.
    """
    highs, lows, before = np.log(high), np.log(low), np.log(close[:-1])
    gap = np.maximum(0.0, before - highs[1:]) + np.minimum(0.0, before - lows[1:])
    beta = (highs - lows)[:-1] ** 2 + (highs - lows)[1:] ** 2
    both = np.maximum(highs[1:] + gap, highs[:-1]) - np.minimum(lows[1:] + gap, lows[:-1])
    k = 3.0 - 2.0 * math.sqrt(2.0)
    alpha = (np.sqrt(2.0 * beta) - np.sqrt(beta)) / k - both / math.sqrt(k)
    return np.asarray(2.0 * np.tanh(alpha / 2.0))


def _abdi_ranaldo_squares(high: Floats, low: Floats, close: Floats) -> Floats:
    """`4 (c_t - eta_t)(c_t - eta_(t+1))` of log prices, `eta` the middle of the day's range."""
    middle = (high + low) / 2.0
    return 4.0 * (close[:-1] - middle[:-1]) * (close[:-1] - middle[1:])


def roll_spread(close: ArrayLike) -> float:
    """Estimate Roll's spread: the signed root of -4 times the autocovariance of log returns.

    The covariance is the sample covariance (n - 1) of the n = n_days - 2 pairs of successive
    returns. NaN below four days; positive when the returns revert, as bid-ask bounce does.
    """
    returns = np.diff(np.log(positive_vector(close, "close", at_least=2)))
    today, before = returns[1:], returns[:-1]
    n = today.size
    if n < 2:
        return math.nan
    covariance = float(np.mean(today * before) - today.mean() * before.mean()) * n / (n - 1)
    return _signed_root(-4.0 * covariance)


def edge_spread(
    open: ArrayLike,  # noqa: A002 - the four prices keep their names
    high: ArrayLike,
    low: ArrayLike,
    close: ArrayLike,
    sign: bool = True,
) -> float:
    """EDGE: the efficient estimator of the effective spread from open, high, low and close.

    Two moment conditions, one built on the opening and one on the closing price, are weighted
    by the inverse of their variances, each corrected for the share of days on which the open
    or close is itself the high or low and for days without trading.

    Parameters
    ----------
    open, high, low, close : array_like of shape (n_days,)
        Positive prices in time order, at least three days; NaN is a missing price.
    sign : bool
        Whether a negative squared spread keeps its sign; otherwise the absolute root.

    Returns
    -------
    float
        Fraction of price. NaN if the prices hold no information: fewer than two days with
        trading, or open and close always at the high and low.

    Raises
    ------
    TooFewObservationsError, ShapeMismatchError, NotANumberError, OutOfRangeError
        Infinite, zero or negative prices are refused; NaN is not.

    References
    ----------
    Ardia, D., Guidotti, E. and Kroencke, T. (2024). Efficient estimation of bid-ask spreads
    from open, high, low, and close prices. Journal of Financial Economics 161.
    """
    o, h, lo, c = (
        _log_prices(values, name)
        for name, values in (("open", open), ("high", high), ("low", low), ("close", close))
    )
    same_length(open=o, high=h, low=lo, close=c)
    _ordered(h, lo)
    middle = (h + lo) / 2.0
    h1, l1, c1, m1 = h[:-1], lo[:-1], c[:-1], middle[:-1]
    o, h, lo, middle = o[1:], h[1:], lo[1:], middle[1:]

    traded = _indicator((h != lo) | (lo != c1), h, lo, c1)
    share_traded = _known_mean(traded)
    # Probabilities that the open (today) and the close (before) are not at the extremes.
    p_open = _known_mean(traded * _indicator(o != h, o, h)) + _known_mean(
        traded * _indicator(o != lo, o, lo)
    )
    p_close = _known_mean(traded * _indicator(c1 != h1, c1, h1)) + _known_mean(
        traded * _indicator(c1 != l1, c1, l1)
    )
    if not (np.nansum(traded) >= 2.0 and p_open > 0.0 and p_close > 0.0):
        return math.nan

    def demeaned(returns: Floats) -> Floats:
        return returns - _known_mean(returns) / share_traded * traded

    by_middle_open, by_middle_close = demeaned(middle - o), demeaned(middle - c1)
    by_open_close = demeaned(o - c1)
    first = -4.0 / p_open * by_middle_open * (o - m1) - 4.0 / p_close * by_middle_close * (c1 - m1)
    second = -4.0 / p_open * by_middle_open * (o - c1) - 4.0 / p_close * by_open_close * (c1 - m1)
    e1, e2 = _known_mean(first), _known_mean(second)
    v1, v2 = _known_mean(first**2) - e1**2, _known_mean(second**2) - e2**2
    total = v1 + v2
    square = (v2 * e1 + v1 * e2) / total if total > 0.0 else (e1 + e2) / 2.0
    return _signed_root(square) if sign else math.sqrt(abs(square))


def _log_prices(values: ArrayLike, location: str) -> Floats:
    """Log of positive prices of which some may be NaN (missing)."""
    prices = floats(values, location)
    known = prices[~np.isnan(prices)]
    if prices.ndim == 1 and known.size:
        positive_vector(known, location)
    else:
        vector(prices, location)  # names what is wrong: no dimension, no price at all
    if prices.size < 3:
        raise TooFewObservationsError(needed=3, found=int(prices.size), location=location)
    return np.asarray(np.log(prices))


def _indicator(condition: NDArray[np.bool_], *needed: Floats) -> Floats:
    """1 or 0, and NaN where one of the prices it compares is missing."""
    missing = np.any([np.isnan(values) for values in needed], axis=0)
    return np.where(missing, np.nan, condition.astype(float))


def _known_mean(values: Floats) -> float:
    """Mean over the days that are known; NaN if none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else math.nan


def _signed_root(square: float) -> float:
    """Root of the absolute value, with the sign of the value."""
    return math.copysign(math.sqrt(abs(square)), square) if square else square


def _ordered(high: Floats, low: Floats) -> None:
    """Raise unless every known high is at least its low."""
    inverted = high < low
    if inverted.any():
        first = int(np.argmax(inverted))
        raise OutOfRangeError(
            location=f"high[{first}]", found=float(high[first]), expected="at least the low"
        )
