"""Sharpe-ratio statistics: how sure we can be that an edge is not luck.

Read `probabilistic_sharpe_ratio` first. Ratios are per period, never annualized, unless a
name or `periods_per_year` says so: annualizing hides the sample size that these tests need.
Kurtosis is not excess: a normal has 3.

Two conventions exist and give very different numbers for the same data. The default is
that of 2012 and 2014 (variance at the observed ratio, T-1); the functions whose name ends
in `_null_variance` follow the paper of 2025 (variance at the null, T).
"""

import math
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from torghut_assets.domain.backtest.series import (
    finite_number,
    observed_returns,
    positive_number,
    require_varying,
    whole_number,
)
from torghut_assets.domain.backtest.statistics_errors import (
    ImpossibleMomentsError,
    ShapeMismatchError,
)
from torghut_assets.domain.errors import TooFewObservationsError

MomentConvention = Literal["population", "bias_corrected"]

_NORMAL = NormalDist()
_SLACK = 1e-9


def sharpe_ratio(
    returns: ArrayLike, risk_free: ArrayLike = 0.0, periods_per_year: float = 1.0
) -> float:
    """Mean excess return over its sample standard deviation.

    Parameters
    ----------
    returns : array_like of shape (n_periods,)
        Simple returns per period. NaN is dropped before anything is counted.
    risk_free : float or array_like of shape (n_periods,)
        Risk-free return per period.
    periods_per_year : float
        1 leaves the ratio per period; 252 annualizes daily returns by its square root.

    Returns
    -------
    float
        ``mean(r - rf) / std(r - rf, ddof=1) * sqrt(periods_per_year)``.

    Raises
    ------
    TooFewObservationsError
        Below 2 observations.
    ConstantSeriesError
        If the excess returns do not vary by more than rounding.
    NonFiniteInputError
        If a return is infinite.

    References
    ----------
    Sharpe, W. (1994). The Sharpe Ratio. J. of Portfolio Management 21(1).
    """
    scale = math.sqrt(positive_number(periods_per_year, location="periods_per_year"))
    rate = np.asarray(risk_free, dtype=np.float64)
    if rate.ndim == 0:
        gross = observed_returns(returns)
        excess = gross - finite_number(rate, location="risk_free")
    else:
        gross = np.asarray(returns, dtype=np.float64)
        if rate.shape != gross.shape:
            raise ShapeMismatchError(
                location="risk_free", found=f"shape {rate.shape}", expected=f"{gross.shape}"
            )
        excess = observed_returns(gross - rate)
    require_varying(excess, size=float(np.nanmax(np.abs(gross))))
    return float(np.mean(excess) / np.std(excess, ddof=1)) * scale


def ratio_variance(sharpe: float, skew: float, kurtosis: float) -> float:
    """Variance of the estimated ratio times T: ``1 - g3 SR + (g4 - 1)/4 SR^2``.

    Raises
    ------
    ImpossibleMomentsError
        If ``kurtosis < 1 + skew^2``, which no distribution has, or the variance is not
        positive.
    """
    ratio = finite_number(sharpe, location="sharpe")
    g3 = finite_number(skew, location="skew")
    g4 = finite_number(kurtosis, location="kurtosis")
    if g4 < (1.0 + g3**2) * (1.0 - _SLACK):
        raise ImpossibleMomentsError(skew=g3, kurtosis=g4)
    variance = 1.0 - g3 * ratio + (g4 - 1.0) / 4.0 * ratio**2
    if variance <= _SLACK:
        raise ImpossibleMomentsError(skew=g3, kurtosis=g4, sharpe=ratio)
    return variance


def sharpe_standard_error(
    sharpe: float, n_obs: int, skew: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Return the standard error of a ratio, ``sqrt((1 - g3 SR + (g4-1)/4 SR^2) / T)``.

    With normal moments this is Lo's ``sqrt((1 + SR^2/2) / T)``. Errors as in
    `probabilistic_sharpe_ratio`.

    References
    ----------
    Lo, A. (2002). The Statistics of Sharpe Ratios. Financial Analysts Journal 58(4).
    Mertens, E. (2002). Comments on variance of the IID estimator in Lo (2002).
    """
    return math.sqrt(ratio_variance(sharpe, skew, kurtosis) / _observations(n_obs))


def probabilistic_sharpe_ratio(
    sharpe: float, benchmark: float, n_obs: int, skew: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Probability that the true ratio exceeds a benchmark (convention of 2012).

    Parameters
    ----------
    sharpe, benchmark : float
        Estimated and required ratio, per period (not annualized).
    n_obs : int
        Number of returns behind `sharpe`, at least 2.
    skew, kurtosis : float
        Standardized moments of the returns. `kurtosis` is not excess: a normal has 3.

    Returns
    -------
    float
        ``Phi((SR - b) sqrt(T-1) / sqrt(1 - g3 SR + (g4-1)/4 SR^2))``, in [0, 1].

    Raises
    ------
    TooFewObservationsError
        If `n_obs` is below 2.
    ImpossibleMomentsError
        See `ratio_variance`.
    NonFiniteInputError
        If any argument is NaN or infinite.

    References
    ----------
    Bailey, D. and Lopez de Prado, M. (2012). The Sharpe ratio efficient frontier.
    Journal of Risk 15(2), section 3.
    """
    n = _observations(n_obs)
    variance = ratio_variance(sharpe, skew, kurtosis)
    gap = sharpe - finite_number(benchmark, location="benchmark")
    return _NORMAL.cdf(gap * math.sqrt((n - 1) / variance))


def probabilistic_sharpe_ratio_null_variance(
    sharpe: float, benchmark: float, n_obs: int, skew: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Probability that the true ratio exceeds a benchmark (convention of 2025).

    As `probabilistic_sharpe_ratio`, with the variance at the benchmark and T in place of
    T-1: ``Phi((SR - b) sqrt(T) / sqrt(1 - g3 b + (g4-1)/4 b^2))``.

    References
    ----------
    Lopez de Prado, M., Lipton, A. and Zoonekynd, V. (2025). Sharpe Ratio Inference.
    """
    n = _observations(n_obs)
    variance = ratio_variance(benchmark, skew, kurtosis)
    gap = finite_number(sharpe, location="sharpe") - benchmark
    return _NORMAL.cdf(gap * math.sqrt(n / variance))


def psr_from_returns(
    returns: ArrayLike, benchmark: float = 0.0, moments: MomentConvention = "population"
) -> float:
    """Probabilistic Sharpe ratio of a series of returns (convention of 2012).

    Parameters
    ----------
    returns : array_like of shape (n_periods,)
        Simple returns; NaN is dropped.
    benchmark : float
        Required ratio per period.
    moments : {"population", "bias_corrected"}
        Population moments (the default, as in the papers) or the corrected G1, G2.

    Returns
    -------
    float
        A probability in [0, 1]. Errors as in `sharpe_ratio` and `standardized_moments`.
    """
    observed = observed_returns(returns)
    ratio = sharpe_ratio(observed)
    skew, kurtosis = standardized_moments(observed, moments)
    return probabilistic_sharpe_ratio(ratio, benchmark, observed.size, skew, kurtosis)


def standardized_moments(
    returns: ArrayLike, moments: MomentConvention = "population"
) -> tuple[float, float]:
    """Skewness and non-excess kurtosis of a series.

    Parameters
    ----------
    returns : array_like of shape (n_periods,)
        NaN is dropped.
    moments : {"population", "bias_corrected"}
        Population moments m3/m2^1.5 and m4/m2^2, or the corrected G1 and G2 + 3 of Joanes
        and Gill (1998), which need 4 observations.

    Returns
    -------
    tuple of (float, float)
        Skewness and kurtosis (a normal has 0 and 3).

    Raises
    ------
    TooFewObservationsError, ConstantSeriesError, NonFiniteInputError
        If they are not defined.
    """
    observed = observed_returns(returns, needed=2 if moments == "population" else 4)
    require_varying(observed)
    deviation = observed - np.mean(observed)
    second = float(np.mean(deviation**2))
    g1 = float(np.mean(deviation**3)) / second**1.5
    g2 = float(np.mean(deviation**4)) / second**2 - 3.0
    if moments == "population":
        return g1, g2 + 3.0
    n = observed.size
    corrected = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * g2 + 6.0)
    return g1 * math.sqrt(n * (n - 1)) / (n - 2), corrected + 3.0


def _observations(n_obs: float) -> int:
    """Check a count of returns: at least 2."""
    number = whole_number(n_obs, at_least=0, location="n_obs")
    if number < 2:
        raise TooFewObservationsError(needed=2, found=number, location="n_obs")
    return number
