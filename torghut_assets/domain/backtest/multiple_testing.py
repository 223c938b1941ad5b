"""p-values and ratios after many tests: corrections, haircuts, and a binomial test."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from torghut_assets.domain.backtest.series import (
    FloatArray,
    complete_series,
    finite_number,
    positive_number,
    whole_number,
)
from torghut_assets.domain.backtest.statistics_errors import ParameterRangeError
from torghut_assets.domain.errors import TooFewObservationsError

Alternative = Literal["two-sided", "less", "greater"]

_TIE = 1e-7
"""Relative slack within which two binomial probabilities count as equal, as R and SciPy do."""


@dataclass(frozen=True)
class AdjustedPValues:
    """Adjusted p-values, each of shape (n_tests,), in the order of the input."""

    bonferroni: FloatArray
    holm: FloatArray
    bhy: FloatArray
    bh: FloatArray
    sidak: FloatArray


def adjust_p_values(p_values: ArrayLike) -> AdjustedPValues:
    """Adjust p-values for having made all the tests that are given.

    Parameters
    ----------
    p_values : array_like of shape (n_tests,)
        Each in [0, 1]; none may be missing, for a missing test is a hidden trial.

    Returns
    -------
    AdjustedPValues
        With M tests: Bonferroni ``min(M p, 1)``; Holm, the cumulative maximum of
        ``(M - j + 1) p_(j)``; Benjamini-Hochberg (`bh`) and Benjamini-Hochberg-Yekutieli
        (`bhy`), the cumulative minimum from above of ``M c p_(j) / j`` with c = 1 and
        ``c = sum 1/j``; Sidak ``1 - (1 - p)^M``.

    Raises
    ------
    ParameterRangeError
        If a p-value is outside [0, 1].
    NonFiniteInputError, TooFewObservationsError
        If one is missing, or there is none.

    References
    ----------
    Holm (1979); Benjamini and Hochberg (1995); Benjamini and Yekutieli (2001);
    Harvey, C. and Liu, Y. (2015). Backtesting. J. of Portfolio Management 42(1).
    """
    p = complete_series(p_values, location="p_values")
    if np.min(p) < 0 or np.max(p) > 1:
        raise ParameterRangeError(location="p_values", found=p.tolist(), expected="in [0, 1]")
    m = p.size
    order = np.argsort(p, kind="stable")
    ascending = p[order]
    rank = np.arange(1, m + 1)
    holm = np.maximum.accumulate((m - rank + 1) * ascending)
    bh = np.minimum.accumulate((m / rank * ascending)[::-1])[::-1]
    bhy = np.minimum.accumulate((m * np.sum(1.0 / rank) / rank * ascending)[::-1])[::-1]
    return AdjustedPValues(
        bonferroni=np.minimum(m * p, 1.0),
        holm=_in_input_order(holm, order),
        bhy=_in_input_order(bhy, order),
        bh=_in_input_order(bh, order),
        sidak=np.array([_sidak(value, m) for value in p.tolist()]),
    )


def _in_input_order(ascending: FloatArray, order: np.ndarray) -> FloatArray:
    result = np.empty_like(ascending)
    result[order] = np.minimum(ascending, 1.0)
    return result


def _sidak(p: float, n_tests: float) -> float:
    """``1 - (1 - p)^n`` without cancellation for small p."""
    return 1.0 if p >= 1.0 else -math.expm1(n_tests * math.log1p(-p))


@dataclass(frozen=True)
class HaircutSharpe:
    """A ratio before and after it pays for the tests; `haircut` is a fraction of it."""

    t_stat: float
    p_single: float
    p_bonferroni: float
    p_sidak: float
    sr_bonferroni: float
    sr_sidak: float
    haircut_bonferroni: float
    haircut_sidak: float


def haircut_sharpe(
    sharpe_annual: float,
    n_obs: int,
    periods_per_year: float,
    n_trials: int,
    dist: Literal["normal", "t"] = "normal",
) -> HaircutSharpe:
    """Cut a ratio to the one whose single-test p-value equals the adjusted p-value.

    Parameters
    ----------
    sharpe_annual : float
        Annualized ratio. Its sign is kept; the test is two-sided.
    n_obs : int
        Returns behind it, at least 2.
    periods_per_year : float
        Returns per year.
    n_trials : int
        Tests made, at least 1.
    dist : {"normal", "t"}
        Distribution of the t-statistic: normal, or Student's with n_obs - 1 degrees.

    Returns
    -------
    HaircutSharpe
        ``t = SR sqrt(T / ppy)``; its two-sided p; p after Bonferroni and Sidak; the ratios
        ``quantile(1 - p/2) sqrt(ppy / T)``; haircuts ``1 - SR_adjusted / SR`` (NaN if SR is 0).

    Raises
    ------
    ParameterRangeError
        If the p-value is below the smallest number of float64, so that no ratio comes back.

    References
    ----------
    Harvey, C. and Liu, Y. (2015). Backtesting. J. of Portfolio Management 42(1).
    """
    from scipy.special import ndtr, ndtri, stdtr, stdtrit

    ratio = finite_number(sharpe_annual, location="sharpe_annual")
    n = whole_number(n_obs, at_least=2, location="n_obs")
    years = n / positive_number(periods_per_year, location="periods_per_year")
    trials = whole_number(n_trials, at_least=1, location="n_trials")
    if dist not in ("normal", "t"):
        raise ParameterRangeError(location="dist", found=dist, expected="'normal' or 't'")
    t_stat = ratio * math.sqrt(years)
    lower = ndtr(-abs(t_stat)) if dist == "normal" else stdtr(n - 1, -abs(t_stat))
    p_single = 2.0 * float(lower)
    if p_single == 0:
        raise ParameterRangeError(
            location="sharpe_annual", found=ratio, expected="a ratio with a p-value above 1e-308"
        )
    adjusted = {"bonferroni": min(trials * p_single, 1.0), "sidak": _sidak(p_single, trials)}
    cut: dict[str, float] = {}
    for name, p in adjusted.items():
        quantile = -(ndtri(p / 2) if dist == "normal" else stdtrit(n - 1, p / 2))
        cut[name] = math.copysign(max(float(quantile), 0.0), ratio) / math.sqrt(years)
    return HaircutSharpe(
        t_stat=t_stat,
        p_single=p_single,
        p_bonferroni=adjusted["bonferroni"],
        p_sidak=adjusted["sidak"],
        sr_bonferroni=cut["bonferroni"],
        sr_sidak=cut["sidak"],
        haircut_bonferroni=1.0 - cut["bonferroni"] / ratio if ratio else math.nan,
        haircut_sidak=1.0 - cut["sidak"] / ratio if ratio else math.nan,
    )


def binomial_hit_rate_test(
    hits: int, n: int, p0: float = 0.5, alternative: Alternative = "two-sided"
) -> float:
    """p-value of an exact binomial test of a hit rate.

    Parameters
    ----------
    hits, n : int
        Successes and observations, ``0 <= hits <= n``, ``n >= 1``.
    p0 : float
        Hit rate under the null, in [0, 1].
    alternative : {"two-sided", "less", "greater"}
        Two-sided: the sum over all outcomes that are no more probable than `hits`.

    Returns
    -------
    float
        In [0, 1].

    References
    ----------
    Clopper, C. and Pearson, E. (1934). Biometrika 26(4).
    """
    from scipy.special import bdtr, bdtrc

    k = whole_number(hits, at_least=0, location="hits")
    total = whole_number(n, at_least=0, location="n")
    p = finite_number(p0, location="p0")
    if total < 1:
        raise TooFewObservationsError(needed=1, found=total, location="n")
    if k > total or not 0 <= p <= 1:
        raise ParameterRangeError(
            location="hits, p0", found=(k, p), expected=f"hits <= {total} and p0 in [0, 1]"
        )
    at_most = float(bdtr(k, total, p))
    at_least = 1.0 if k == 0 else float(bdtrc(k - 1, total, p))
    if alternative == "less":
        return at_most
    if alternative == "greater":
        return at_least
    if alternative != "two-sided":
        raise ParameterRangeError(
            location="alternative", found=alternative, expected="'two-sided', 'less', 'greater'"
        )
    if p in (0.0, 1.0):
        return 1.0 if k == p * total else 0.0
    if k == p * total:
        return 1.0
    limit = _log_binomial(k, total, p) + math.log1p(_TIE)
    if k < p * total:
        # Above the mean the probabilities fall: the first that is small enough.
        first = _first_below(limit, range(math.ceil(p * total), total + 1), total, p)
        return min(1.0, at_most + (float(bdtrc(first - 1, total, p)) if first <= total else 0.0))
    last = total - _first_below(limit, range(math.ceil((1 - p) * total), total + 1), total, 1 - p)
    return min(1.0, at_least + (float(bdtr(last, total, p)) if last >= 0 else 0.0))


def _log_binomial(k: int, n: int, p: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return ways + k * math.log(p) + (n - k) * math.log1p(-p)


def _first_below(limit: float, candidates: range, n: int, p: float) -> int:
    """First candidate whose log probability is at most `limit`; they are descending."""
    low, high = 0, len(candidates)
    while low < high:
        middle = (low + high) // 2
        if _log_binomial(candidates[middle], n, p) <= limit:
            high = middle
        else:
            low = middle + 1
    return candidates.start + low
