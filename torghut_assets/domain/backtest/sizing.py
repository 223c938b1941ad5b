"""How much to hold and how much of it moves: Kelly, volatility target, turnover, spread.

Volatility regimes live here as well: they use the same rolling volatility.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from torghut_assets.domain.backtest.series import (
    FloatArray,
    complete_series,
    finite_number,
    positive_number,
    require_varying,
    whole_number,
)
from torghut_assets.domain.backtest.statistics_errors import (
    ConstantSeriesError,
    NonFiniteInputError,
    ParameterRangeError,
    ShapeMismatchError,
)
from torghut_assets.domain.errors import TooFewObservationsError


@dataclass(frozen=True)
class BinaryKelly:
    """Growth-optimal stake; `clipped` is what a bettor who cannot lay may stake."""

    fraction: float
    clipped: float


def kelly_binary(p: float, b: float) -> BinaryKelly:
    """Growth-optimal fraction of wealth on a bet that wins `b` with probability `p`.

    Parameters
    ----------
    p : float
        Probability of winning, in [0, 1].
    b : float
        Net odds: gain per unit staked, above 0.

    Returns
    -------
    BinaryKelly
        ``(p b - (1 - p)) / b`` and the same, not below 0.

    References
    ----------
    Kelly, J. (1956). A New Interpretation of Information Rate.
    """
    win = finite_number(p, location="p")
    odds = positive_number(b, location="b")
    if not 0 <= win <= 1:
        raise ParameterRangeError(location="p", found=win, expected="a number in [0, 1]")
    stake = (win * odds - (1.0 - win)) / odds
    return BinaryKelly(fraction=stake, clipped=max(stake, 0.0))


@dataclass(frozen=True)
class ContinuousKelly:
    """Growth-optimal leverage and the growth per year it gives."""

    fraction: float
    growth: float


def kelly_continuous(mu: float, r: float, sigma: float) -> ContinuousKelly:
    """Growth-optimal leverage in an asset that follows a geometric Brownian motion.

    Parameters
    ----------
    mu, r : float
        Expected and risk-free return per year.
    sigma : float
        Volatility per year, above 0.

    Returns
    -------
    ContinuousKelly
        ``(mu - r) / sigma^2`` and ``r + (mu - r)^2 / (2 sigma^2)``.

    Raises
    ------
    ConstantSeriesError
        If `sigma` is 0: leverage is unbounded.

    References
    ----------
    Thorp, E. (2006). The Kelly Criterion in Blackjack, Sports Betting and the Stock Market.
    """
    rate = finite_number(r, location="r")
    edge = finite_number(mu, location="mu") - rate
    volatility = finite_number(sigma, location="sigma")
    if volatility == 0:
        raise ConstantSeriesError(location="sigma", found="a volatility of 0")
    variance = positive_number(volatility, location="sigma") ** 2
    return ContinuousKelly(fraction=edge / variance, growth=rate + edge**2 / (2.0 * variance))


def rolling_volatility(
    returns: ArrayLike, window: int, periods_per_year: float = 252.0
) -> FloatArray:
    """Annualized sample standard deviation of the last `window` returns.

    Parameters
    ----------
    returns : array_like of shape (n_periods,)
        Simple returns; a gap makes every window that holds it NaN.
    window : int
        At least 2.
    periods_per_year : float
        Returns per year.

    Returns
    -------
    ndarray of shape (n_periods,)
        ``std(ddof=1) sqrt(ppy)``; NaN until `window` observations are there. A window of
        equal returns has volatility 0 exactly.
    """
    size = whole_number(window, at_least=2, location="window")
    scale = math.sqrt(positive_number(periods_per_year, location="periods_per_year"))
    values = np.asarray(returns, dtype=np.float64)
    if values.ndim != 1:
        raise ShapeMismatchError(
            location="returns", found=f"shape {values.shape}", expected="1 dimension"
        )
    if np.isinf(values).any():
        raise NonFiniteInputError(location="returns", found="an infinite value")
    result = np.full(values.shape, np.nan)
    if values.size >= size:
        windows = np.lib.stride_tricks.sliding_window_view(values, size)
        deviation = np.std(windows, axis=1, ddof=1)
        deviation[np.ptp(windows, axis=1) == 0] = 0.0
        result[size - 1 :] = deviation * scale
    return result


@dataclass(frozen=True)
class VolatilityTarget:
    """Realized volatility per year, and the leverage that brings it to the target."""

    realised_vol: float
    leverage: float


def vol_target_leverage(
    returns: ArrayLike,
    window: int,
    target_vol: float,
    cap: float,
    periods_per_year: float = 252.0,
) -> VolatilityTarget:
    """Leverage for the next period, from the returns up to and including this one.

    Parameters
    ----------
    returns : array_like of shape (n_periods,)
        Simple returns that end the period before the position is held.
    window : int
        Returns to use, at least 2; the last `window` must be complete.
    target_vol : float
        Volatility per year to aim for, above 0.
    cap : float
        Largest leverage, above 0.
    periods_per_year : float
        Returns per year.

    Returns
    -------
    VolatilityTarget
        ``leverage = min(cap, target_vol / realised_vol)``.

    Raises
    ------
    ConstantSeriesError
        If the returns in the window do not vary. Stale prices must not earn full leverage.
    TooFewObservationsError, NonFiniteInputError
        If the window is not filled.
    """
    size = whole_number(window, at_least=2, location="window")
    target = positive_number(target_vol, location="target_vol")
    limit = positive_number(cap, location="cap")
    scale = math.sqrt(positive_number(periods_per_year, location="periods_per_year"))
    values = np.asarray(returns, dtype=np.float64)
    if values.ndim == 1 and values.size < size:
        raise TooFewObservationsError(needed=size, found=values.size)
    recent = complete_series(values[-size:], location="returns")
    require_varying(recent)
    realised = float(np.std(recent, ddof=1)) * scale
    return VolatilityTarget(realised_vol=realised, leverage=min(limit, target / realised))


@dataclass(frozen=True)
class Turnover:
    """Weights just before a rebalance, and how much the rebalance trades, of wealth."""

    drifted: FloatArray
    two_way: float
    one_way: float


def turnover(weights_prev: ArrayLike, returns: ArrayLike, weights_target: ArrayLike) -> Turnover:
    """Trade from drifted weights to target weights.

    Parameters
    ----------
    weights_prev, returns, weights_target : array_like of shape (n_assets,)
        Weights after the last rebalance, simple returns since, and new targets. What the
        weights leave to 1 is cash, which earns nothing.

    Returns
    -------
    Turnover
        ``drifted = w (1 + r) / (1 + sum w r)``, ``two_way = sum |target - drifted|``,
        ``one_way = two_way / 2``.

    Raises
    ------
    ShapeMismatchError
        If the shapes differ.
    ParameterRangeError
        If the period lost all wealth.

    References
    ----------
    DeMiguel, V., Garlappi, L. and Uppal, R. (2009). Optimal Versus Naive Diversification.
    Review of Financial Studies 22(5), eq. 17.
    """
    before = complete_series(weights_prev, location="weights_prev")
    moves = complete_series(returns, location="returns")
    target = complete_series(weights_target, location="weights_target")
    if not before.shape == moves.shape == target.shape:
        raise ShapeMismatchError(
            location="weights_prev, returns, weights_target",
            found=f"shapes {before.shape}, {moves.shape}, {target.shape}",
            expected="one shape",
        )
    growth = 1.0 + float(np.dot(before, moves))
    if growth <= 0:
        raise ParameterRangeError(
            location="returns", found=growth, expected="wealth above 0 after the period"
        )
    drifted = before * (1.0 + moves) / growth
    two_way = float(np.sum(np.abs(target - drifted)))
    return Turnover(drifted=drifted, two_way=two_way, one_way=two_way / 2.0)


@dataclass(frozen=True)
class Concentration:
    """Herfindahl-Hirschman index of gross shares, in three forms."""

    hhi: float
    points: float
    effective_n: float
    normalised: float


def concentration(weights: ArrayLike) -> Concentration:
    """How concentrated a portfolio is.

    Parameters
    ----------
    weights : array_like of shape (n_assets,)
        Signed weights; shares are ``|w| / sum |w|``.

    Returns
    -------
    Concentration
        ``hhi = sum share^2``, in (0, 1]; ``points = 10,000 hhi``; ``effective_n = 1 / hhi``;
        ``normalised = (hhi - 1/n) / (1 - 1/n)`` over the n names held, NaN for one name.

    Raises
    ------
    ParameterRangeError
        If nothing is held.

    References
    ----------
    US Department of Justice, Herfindahl-Hirschman Index. Lopez de Prado (2018), snippet 14.3.
    """
    gross = np.abs(complete_series(weights, location="weights"))
    total = float(np.sum(gross))
    if total == 0:
        raise ParameterRangeError(location="weights", found="only zeros", expected="a position")
    hhi = float(np.sum((gross / total) ** 2))
    held = int(np.count_nonzero(gross))
    normalised = (hhi - 1.0 / held) / (1.0 - 1.0 / held) if held > 1 else math.nan
    return Concentration(hhi=hhi, points=1e4 * hhi, effective_n=1.0 / hhi, normalised=normalised)
