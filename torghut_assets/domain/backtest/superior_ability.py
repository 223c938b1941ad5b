"""Whether the best of many models is better than the benchmark, or only the luckiest.

White's Reality Check and Hansen's studentized test for superior predictive ability, from
index sets that the caller draws. Small p-values say: better than luck. The Reality Check
loses power when bad models are added; Hansen's test scales each model by its own standard
error and, in its consistent form, ignores models that are clearly worse.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from torghut_assets.domain.backtest.series import (
    FloatArray,
    IntArray,
    complete_matrix,
    constant_columns,
    positive_number,
)
from torghut_assets.domain.backtest.statistics_errors import (
    ConstantSeriesError,
    ParameterRangeError,
    ShapeMismatchError,
)

_RESAMPLES_AT_ONCE = 128
_COLUMNS_AT_ONCE = 64
_TIED = 1e-12
"""Size relative to the data up to which a resample's statistic ties: it does not exceed."""


@dataclass(frozen=True)
class SpaPValues:
    """Hansen's three p-values: `lower` is the most liberal, `upper` the most conservative."""

    lower: float
    consistent: float
    upper: float


@dataclass(frozen=True)
class RealityCheck:
    """Statistics and p-values; `mean_diff` and `omega` have shape (n_models,)."""

    mean_diff: FloatArray
    omega: FloatArray
    rc_statistic: float
    rc_p: float
    spa_statistic: float
    spa_p: SpaPValues


def reality_check_spa(
    diff: ArrayLike, bootstrap_indices: ArrayLike, block_size: float
) -> RealityCheck:
    """White's Reality Check and Hansen's studentized SPA test.

    Parameters
    ----------
    diff : array_like of shape (n_periods, n_models)
        Performance of each model minus that of the benchmark; positive is better. At least
        3 periods; nothing may be missing and no column constant.
    bootstrap_indices : array_like of shape (n_resamples, n_periods)
        Rows that each resample takes, e.g. from `stationary_bootstrap_indices`.
    block_size : float
        Mean block length of those resamples, at least 1.

    Returns
    -------
    RealityCheck
        Reality Check: ``V = max sqrt(T) mean(d)``, p the share of resamples with
        ``max sqrt(T) (mean(d*) - mean(d)) > V``. SPA: ``max(0, max sqrt(T) mean(d) / omega)``
        with the variance ``omega^2`` of the stationary bootstrap, and resamples recentred by
        ``max(mean, 0)`` (lower), by the mean unless it is below
        ``-sqrt(omega^2 / T  2 ln ln T)`` (consistent), and by the mean (upper).

    Raises
    ------
    ShapeMismatchError, ParameterRangeError
        If the indices do not fit the data.
    ConstantSeriesError
        If a model never differs from its mean: it has no standard error.

    References
    ----------
    White, H. (2000). A Reality Check for Data Snooping. Econometrica 68(5), eq. 2.1-2.3.
    Hansen, P. (2005). A Test for Superior Predictive Ability. J. of Business and Economic
    Statistics 23(4), sections 2-3. Politis, D. and Romano, J. (1994). JASA 89(428).
    """
    differences = complete_matrix(diff, needed=3, location="diff")
    n = differences.shape[0]
    indices = _checked_indices(bootstrap_indices, n)
    block = positive_number(block_size, location="block_size")
    if block < 1:
        raise ParameterRangeError(location="block_size", found=block, expected="at least 1")
    for column in constant_columns(differences):
        raise ConstantSeriesError(location=f"diff, column {column}")
    root = math.sqrt(n)
    mean = np.mean(differences, axis=0)
    omega = np.sqrt(stationary_variance(differences - mean, block))
    rc_statistic = root * float(np.max(mean))
    spa_statistic = max(0.0, root * float(np.max(mean / omega)))
    threshold = -omega * math.sqrt(2.0 * math.log(math.log(n)) / n)
    centres = np.stack([np.maximum(mean, 0.0), np.where(mean >= threshold, mean, 0.0), mean])
    largest = np.maximum(np.max(differences, axis=0), -np.min(differences, axis=0))
    rc_limit = rc_statistic + _TIED * root * float(np.max(largest))
    spa_limit = spa_statistic + _TIED * root * float(np.max(largest / omega))
    exceeded = np.zeros(4, dtype=np.int64)
    for first in range(0, indices.shape[0], _RESAMPLES_AT_ONCE):
        means = resample_means(differences, indices[first : first + _RESAMPLES_AT_ONCE])
        exceeded[0] += np.count_nonzero(root * np.max(means - mean, axis=1) > rc_limit)
        for row, centre in enumerate(centres, start=1):
            best = np.maximum(root * np.max((means - centre) / omega, axis=1), 0.0)
            exceeded[row] += np.count_nonzero(best > spa_limit)
    share = exceeded / indices.shape[0]
    return RealityCheck(
        mean_diff=mean,
        omega=omega,
        rc_statistic=rc_statistic,
        rc_p=float(share[0]),
        spa_statistic=spa_statistic,
        spa_p=SpaPValues(lower=float(share[1]), consistent=float(share[2]), upper=float(share[3])),
    )


def resample_means(values: FloatArray, indices: IntArray) -> FloatArray:
    """Column means of resampled rows, as one matrix product.

    Parameters
    ----------
    values : ndarray of shape (n_periods, n_models)
    indices : ndarray of shape (n_resamples, n_periods)

    Returns
    -------
    ndarray of shape (n_resamples, n_models)
        How often each row was taken, times the rows, over the number of periods.
    """
    n = values.shape[0]
    counts = np.stack([np.bincount(row, minlength=n) for row in indices]).astype(np.float64)
    means: FloatArray = counts @ values / n
    return means


def stationary_variance(deviation: FloatArray, block: float) -> FloatArray:
    """Variance of ``sqrt(T) mean`` under the stationary bootstrap, in closed form.

    Parameters
    ----------
    deviation : ndarray of shape (n_periods, n_models)
        Columns with mean zero.
    block : float
        Mean block length; blocks end with probability ``q = 1 / block``.

    Returns
    -------
    ndarray of shape (n_models,)
        ``g_0 + 2 sum_i kappa(i) g_i`` with autocovariances ``g_i`` and
        ``kappa(i) = (1 - i/T)(1-q)^i + (i/T)(1-q)^(T-i)``. Computed as a sum of the circular
        autocovariances by the Fourier transform, which is the same number.

    References
    ----------
    Politis and Romano (1994), lemma 1.
    """
    n, n_models = deviation.shape
    lags = np.arange(n)
    kernel = (1.0 - lags / n) * (1.0 - 1.0 / block) ** lags
    # The real part doubles what both signs of a lag share; lag 0 counts once.
    response = 2.0 * np.fft.rfft(kernel).real - 1.0
    sides = np.full(response.size, 2.0)
    sides[0] = 1.0
    if n % 2 == 0:
        sides[-1] = 1.0
    weights = response * sides
    variance = np.empty(n_models)
    for first in range(0, n_models, _COLUMNS_AT_ONCE):
        part = np.ascontiguousarray(deviation[:, first : first + _COLUMNS_AT_ONCE].T)
        spectrum = np.fft.rfft(part, axis=1)
        power = spectrum.real**2 + spectrum.imag**2
        variance[first : first + _COLUMNS_AT_ONCE] = power @ weights / n**2
    return variance


def _checked_indices(bootstrap_indices: ArrayLike, n: int) -> IntArray:
    """Index sets as integers in [0, n), one row per resample."""
    try:
        indices = np.asarray(bootstrap_indices)
        whole = indices.astype(np.int64)
    except (TypeError, ValueError) as error:
        raise ShapeMismatchError(
            location="bootstrap_indices", found="rows of different lengths", expected="a matrix"
        ) from error
    if indices.ndim != 2 or indices.shape[1] != n or indices.shape[0] < 1:
        raise ShapeMismatchError(
            location="bootstrap_indices",
            found=f"shape {indices.shape}",
            expected=f"(n_resamples, {n})",
        )
    if not np.array_equal(whole, indices) or whole.min() < 0 or whole.max() >= n:
        raise ParameterRangeError(
            location="bootstrap_indices",
            found=(int(whole.min()), int(whole.max())),
            expected=f"row numbers in [0, {n})",
        )
    return whole
