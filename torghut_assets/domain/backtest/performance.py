"""What a path of returns looks like: drawdown, downside ratios, tail loss, hit rate.

Returns are simple and per period; NaN is dropped, infinity is refused. A drawdown is a
non-positive fraction of the highest wealth so far, and initial capital is a peak. Value at
risk is reported as a return, so a loss is negative.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from torghut_assets.domain.backtest.series import (
    FloatArray,
    complete_series,
    finite_number,
    fraction,
    observed_returns,
    positive_number,
)
from torghut_assets.domain.backtest.statistics_errors import (
    NoDownsideError,
    ParameterRangeError,
)

_NORMAL = NormalDist()


def max_drawdown(returns: ArrayLike) -> float:
    """Deepest fall of compounded wealth below its highest value so far.

    Parameters
    ----------
    returns : array_like of shape (n_periods,)
        Simple returns, none below -1; NaN is dropped.

    Returns
    -------
    float
        ``min_t W_t / max(W_0 .. W_t) - 1`` with ``W_0 = 1``: in [-1, 0].

    Raises
    ------
    TooFewObservationsError
        If nothing was observed.
    ParameterRangeError
        If a return is below -1: wealth cannot compound through zero.
    """
    wealth = _wealth(observed_returns(returns, needed=1))
    return float(np.min(wealth / np.maximum.accumulate(wealth))) - 1.0


def _wealth(observed: FloatArray) -> FloatArray:
    """Compounded wealth, initial capital first; shape (n_observed + 1,)."""
    if np.min(observed) < -1:
        raise ParameterRangeError(
            location="returns", found=float(np.min(observed)), expected="returns >= -1"
        )
    return np.concatenate(([1.0], np.cumprod(1.0 + observed)))


def drawdown_depths(equity: ArrayLike) -> FloatArray:
    """Depth of every fall between consecutive new highs, in the unit of `equity`.

    Parameters
    ----------
    equity : array_like of shape (n_periods,)
        Account value; nothing may be missing.

    Returns
    -------
    ndarray of shape (n_drawdowns,)
        Positive depths, high minus the lowest value before the next new high, in order. A
        fall that has not recovered counts; a return to the same high is not a new high.

    References
    ----------
    Lopez de Prado, M. (2018). Advances in Financial Machine Learning, snippet 14.4.
    """
    values = complete_series(equity, location="equity")
    high = np.maximum.accumulate(values)
    starts = np.flatnonzero(np.concatenate(([True], high[1:] > high[:-1])))
    depths = high[starts] - np.minimum.reduceat(values, starts)
    return depths[depths > 0]


@dataclass(frozen=True)
class CalmarRatio:
    """Compound growth per year, deepest drawdown, and the ratio of the two."""

    cagr: float
    max_drawdown: float
    calmar: float


def calmar_ratio(returns: ArrayLike, periods_per_year: float = 252.0) -> CalmarRatio:
    """Compound annual growth over the size of the deepest drawdown.

    Parameters
    ----------
    returns : array_like of shape (n_periods,)
        Simple returns, none below -1; NaN is dropped and not counted.
    periods_per_year : float
        Returns per year.

    Returns
    -------
    CalmarRatio
        ``cagr = prod(1 + r)^(ppy / n) - 1`` and ``calmar = cagr / |max drawdown|``.

    Raises
    ------
    NoDownsideError
        If there is no drawdown.

    References
    ----------
    Young, T. (1991). Calmar Ratio: A Smoother Tool. Futures 20(1).
    """
    observed = observed_returns(returns, needed=1)
    per_year = positive_number(periods_per_year, location="periods_per_year")
    fall = max_drawdown(observed)
    if fall == 0:
        raise NoDownsideError(location="returns", found="no drawdown")
    cagr = float(_wealth(observed)[-1]) ** (per_year / observed.size) - 1.0
    return CalmarRatio(cagr=cagr, max_drawdown=fall, calmar=cagr / abs(fall))


def sortino_ratio(returns: ArrayLike, mar: float = 0.0, periods_per_year: float = 1.0) -> float:
    """Mean excess return over the downside deviation.

    Parameters
    ----------
    returns : array_like of shape (n_periods,)
        Simple returns; NaN is dropped.
    mar : float
        Minimum acceptable return per period.
    periods_per_year : float
        1 leaves the ratio per period.

    Returns
    -------
    float
        ``mean(r - mar) / sqrt(mean(min(r - mar, 0)^2)) sqrt(ppy)``. The mean square is taken
        over all observations, not only the losses.

    Raises
    ------
    NoDownsideError
        If no return is below `mar`.

    References
    ----------
    Sortino, F. and Price, L. (1994). Performance Measurement in a Downside Risk Framework.
    J. of Investing 3(3). Rollinger, T. and Hoffman, S. (2013). Sortino: A Sharper Ratio.
    """
    observed = observed_returns(returns)
    excess = observed - finite_number(mar, location="mar")
    downside = math.sqrt(float(np.mean(np.minimum(excess, 0.0) ** 2)))
    if downside == 0:
        raise NoDownsideError(location="returns", found=f"no return below {mar!r}")
    scale = math.sqrt(positive_number(periods_per_year, location="periods_per_year"))
    return float(np.mean(excess)) / downside * scale


def omega_ratio(returns: ArrayLike, threshold: float = 0.0) -> float:
    """Gains above a threshold over shortfalls below it.

    Parameters
    ----------
    returns : array_like of shape (n_periods,)
        Simple returns; NaN is dropped.
    threshold : float
        Return per period.

    Returns
    -------
    float
        ``sum max(r - threshold, 0) / sum max(threshold - r, 0)``.

    Raises
    ------
    NoDownsideError
        If no return is below the threshold.

    References
    ----------
    Keating, C. and Shadwick, W. (2002). A Universal Performance Measure.
    """
    excess = observed_returns(returns, needed=1) - finite_number(threshold, location="threshold")
    shortfall = float(np.sum(np.maximum(-excess, 0.0)))
    if shortfall == 0:
        raise NoDownsideError(location="returns", found=f"no return below {threshold!r}")
    return float(np.sum(np.maximum(excess, 0.0))) / shortfall


@dataclass(frozen=True)
class TailLoss:
    """Value at risk and expected shortfall of a sample, as returns (losses are negative)."""

    var_linear: float
    cvar_tail: float
    cvar_ru: float
    gaussian_cvar_for_contrast: float


def historical_var_cvar(returns: ArrayLike, confidence: float = 0.95) -> TailLoss:
    """Historical value at risk and expected shortfall, by the two common conventions.

    Parameters
    ----------
    returns : array_like of shape (n_periods,)
        Simple returns; NaN is dropped.
    confidence : float
        In (0, 1); the tail is the share ``1 - confidence``.

    Returns
    -------
    TailLoss
        `var_linear`: the quantile with linear interpolation. `cvar_tail`: the mean of the
        returns at or below it. `cvar_ru`: the expected shortfall with a fractional weight
        on the observation that the tail cuts. `gaussian_cvar_for_contrast`: the mean of the
        returns below the quantile of a fitted normal, as some libraries do by default.

    References
    ----------
    Rockafellar, R. and Uryasev, S. (2000). Optimization of Conditional Value-at-Risk.
    J. of Risk 2(3). Acerbi, C. and Tasche, D. (2002). On the Coherence of Expected Shortfall.
    """
    observed = observed_returns(returns)
    tail = 1.0 - fraction(confidence, location="confidence")
    var_linear = float(np.quantile(observed, tail))
    ascending = np.sort(observed)
    in_tail = observed.size * tail
    whole = min(int(in_tail), observed.size - 1)
    partial = (in_tail - whole) * float(ascending[whole])
    return TailLoss(
        var_linear=var_linear,
        cvar_tail=float(np.mean(observed[observed <= var_linear])),
        cvar_ru=(float(np.sum(ascending[:whole])) + partial) / in_tail,
        gaussian_cvar_for_contrast=_gaussian_cvar(observed, tail),
    )


def _gaussian_cvar(observed: FloatArray, tail: float) -> float:
    mean, deviation = float(np.mean(observed)), float(np.std(observed, ddof=1))
    return mean - deviation * _NORMAL.pdf(_NORMAL.inv_cdf(tail)) / tail


@dataclass(frozen=True)
class HitRates:
    """Shares of winning periods, and gains over losses; NaN where not defined."""

    hit_rate_all: float
    hit_rate_nonzero: float
    profit_factor: float


def hit_rate_profit_factor(returns: ArrayLike) -> HitRates:
    """How often and how much a path wins.

    Parameters
    ----------
    returns : array_like of shape (n_periods,)
        Simple returns; NaN is dropped.

    Returns
    -------
    HitRates
        ``#(r > 0) / n``; ``#(r > 0) / #(r != 0)``, NaN if every return is zero;
        ``sum(r > 0) / |sum(r < 0)|``, NaN without losses.

    Raises
    ------
    TooFewObservationsError
        If nothing was observed.
    """
    observed = observed_returns(returns, needed=1)
    wins = int(np.count_nonzero(observed > 0))
    moves = int(np.count_nonzero(observed))
    losses = float(np.sum(observed[observed < 0]))
    gains = float(np.sum(observed[observed > 0]))
    return HitRates(
        hit_rate_all=wins / observed.size,
        hit_rate_nonzero=wins / moves if moves else math.nan,
        profit_factor=gains / -losses if losses else math.nan,
    )
