"""How long a record must be, and whether a live one keeps what the backtest promised.

All ratios are per period. Lengths are in observations; divide by periods per year for years.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from torghut_assets.domain.backtest.series import complete_series, finite_number, whole_number
from torghut_assets.domain.backtest.sharpe import (
    probabilistic_sharpe_ratio,
    ratio_variance,
    sharpe_standard_error,
)
from torghut_assets.domain.backtest.statistics_errors import (
    ParameterRangeError,
    ShapeMismatchError,
)

_NORMAL = NormalDist()


def minimum_track_record_length(
    sharpe: float,
    benchmark: float = 0.0,
    skew: float = 0.0,
    kurtosis: float = 3.0,
    confidence: float = 0.95,
) -> float:
    """Observations needed before a ratio beats its benchmark (convention of 2012).

    Parameters
    ----------
    sharpe, benchmark : float
        Observed and required ratio per period.
    skew, kurtosis : float
        Standardized moments; `kurtosis` is not excess.
    confidence : float
        In [0.5, 1).

    Returns
    -------
    float
        ``1 + (1 - g3 SR + (g4-1)/4 SR^2) (z / (SR - b))^2``, or infinity if the ratio is not
        above its benchmark: no length suffices then.

    Raises
    ------
    ImpossibleMomentsError, NonFiniteInputError, ParameterRangeError
        If the formula is not defined.

    References
    ----------
    Bailey, D. and Lopez de Prado, M. (2012). The Sharpe ratio efficient frontier.
    Journal of Risk 15(2), eq. 11-13.
    """
    variance = ratio_variance(sharpe, skew, kurtosis)
    return 1.0 + variance * _quantile_over_gap(sharpe, benchmark, confidence) ** 2


def minimum_track_record_length_null_variance(
    sharpe: float,
    benchmark: float = 0.0,
    skew: float = 0.0,
    kurtosis: float = 3.0,
    confidence: float = 0.95,
) -> float:
    """Observations needed in the convention of 2025: variance at the null, no leading 1.

    References
    ----------
    Lopez de Prado, M., Lipton, A. and Zoonekynd, V. (2025). Sharpe Ratio Inference.
    """
    variance = ratio_variance(benchmark, skew, kurtosis)
    return variance * _quantile_over_gap(sharpe, benchmark, confidence) ** 2


def _quantile_over_gap(sharpe: float, benchmark: float, confidence: float) -> float:
    level = finite_number(confidence, location="confidence")
    if not 0.5 <= level < 1:
        raise ParameterRangeError(
            location="confidence", found=level, expected="a number in [0.5, 1)"
        )
    gap = finite_number(sharpe, location="sharpe") - finite_number(benchmark, location="benchmark")
    return math.inf if gap <= 0 else _NORMAL.inv_cdf(level) / gap


@dataclass(frozen=True)
class SharpeEstimate:
    """A ratio per period with what its uncertainty depends on."""

    sharpe: float
    n_obs: int
    skew: float = 0.0
    kurtosis: float = 3.0


@dataclass(frozen=True)
class SharpeComparison:
    """A live record next to its backtest. A small `p_lower` says: live is worse."""

    z: float
    p_lower: float
    psr_vs_backtest: float


def live_vs_backtest_sharpe(live: SharpeEstimate, backtest: SharpeEstimate) -> SharpeComparison:
    """Compare a live record with the backtest before it, as independent samples.

    Parameters
    ----------
    live, backtest : SharpeEstimate
        Ratios per period with sample size and moments.

    Returns
    -------
    SharpeComparison
        ``z = (SR_live - SR_bt) / sqrt(V_live + V_bt)`` with V the squared standard error,
        ``p_lower = Phi(z)``, and the PSR (2012) of the live record against the backtest's
        ratio.

    References
    ----------
    Lo (2002); Mertens (2002); Bailey and Lopez de Prado (2012).
    """
    variances = [
        sharpe_standard_error(e.sharpe, e.n_obs, e.skew, e.kurtosis) ** 2 for e in (live, backtest)
    ]
    z = (live.sharpe - backtest.sharpe) / math.sqrt(sum(variances))
    psr = probabilistic_sharpe_ratio(
        live.sharpe, backtest.sharpe, live.n_obs, live.skew, live.kurtosis
    )
    return SharpeComparison(z=z, p_lower=_NORMAL.cdf(z), psr_vs_backtest=psr)


def lo_annualization_factor(q: int, autocorrelations: Sequence[float]) -> float:
    """Factor from a one-period ratio to that of q periods, for correlated returns.

    Parameters
    ----------
    q : int
        Periods to aggregate, e.g. 12 from months to a year.
    autocorrelations : sequence of float, at least q - 1 of them
        rho_1 ... rho_(q-1); further lags are not used.

    Returns
    -------
    float
        ``q / sqrt(q + 2 sum_{k=1}^{q-1} (q - k) rho_k)``; sqrt(q) for uncorrelated returns.

    Raises
    ------
    ShapeMismatchError
        If the last lag q-1, or one before it, is missing.
    ParameterRangeError
        If a correlation is outside [-1, 1] or the correlations cannot be those of any
        series (the variance of the sum would not be positive).

    References
    ----------
    Lo, A. (2002). The Statistics of Sharpe Ratios. Financial Analysts Journal 58(4), eq. 20.
    """
    periods = whole_number(q, at_least=1, location="q")
    if periods == 1:
        return 1.0
    rho = complete_series(autocorrelations, location="autocorrelations")
    if rho.size < periods - 1:
        raise ShapeMismatchError(
            location="autocorrelations", found=f"{rho.size} lags", expected=f"{periods - 1} lags"
        )
    rho = rho[: periods - 1]
    if np.max(np.abs(rho)) > 1:
        raise ParameterRangeError(
            location="autocorrelations", found=rho.tolist(), expected="numbers in [-1, 1]"
        )
    lags = np.arange(1, periods)
    variance = periods + 2.0 * float(np.dot(periods - lags, rho))
    if variance <= 0:
        raise ParameterRangeError(
            location="autocorrelations",
            found=rho.tolist(),
            expected="correlations that some series can have",
        )
    return periods / math.sqrt(variance)


@dataclass(frozen=True)
class AnnualizationFactor:
    """Lo's factor, and its ratio to the square root of q that most people use."""

    eta: float
    ratio_to_sqrt_q: float


def lo_annualization_factor_ar1(q: int, rho: float) -> AnnualizationFactor:
    """Factor from one period to q periods for returns that follow an AR(1).

    Parameters
    ----------
    q : int
        Periods to aggregate, at least 1.
    rho : float
        First autocorrelation, in (-1, 1).

    Returns
    -------
    AnnualizationFactor
        ``sqrt(q) [1 + 2 rho/(1-rho) (1 - (1-rho^q) / (q (1-rho)))]^(-1/2)`` and its ratio to
        sqrt(q).

    References
    ----------
    Lo (2002), eq. 22.
    """
    periods = whole_number(q, at_least=1, location="q")
    first = finite_number(rho, location="rho")
    if not -1 < first < 1:
        raise ParameterRangeError(location="rho", found=first, expected="a number in (-1, 1)")
    tail = 1.0 - (1.0 - first**periods) / (periods * (1.0 - first))
    ratio = (1.0 + 2.0 * first / (1.0 - first) * tail) ** -0.5
    return AnnualizationFactor(eta=math.sqrt(periods) * ratio, ratio_to_sqrt_q=ratio)
