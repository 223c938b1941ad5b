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
    NonFiniteInputError,
    ParameterRangeError,
    ShapeMismatchError,
)

_RESAMPLES_AT_ONCE = 1024
_SUM_BITS = 62
"""A sum of all deviations, in units, stays below this power of two."""
_LARGEST_EXPONENT = 1000
"""Of the units in 1; only deviations below 1e-280 have fewer bits than they could have."""
_NEGLIGIBLE = 45.0
"""Natural logarithm of a ratio below which a term is lost in float64 for good."""
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
    NonFiniteInputError
        If a value is missing or infinite, or a sum of squares would be.

    References
    ----------
    White, H. (2000). A Reality Check for Data Snooping. Econometrica 68(5), eq. 2.1-2.3.
    Hansen, P. (2005). A Test for Superior Predictive Ability. J. of Business and Economic
    Statistics 23(4), sections 2-3. Politis, D. and Romano, J. (1994). JASA 89(428).
    """
    differences = np.ascontiguousarray(complete_matrix(diff, needed=3, location="diff"))
    n = differences.shape[0]
    indices = _checked_indices(bootstrap_indices, n)
    block = positive_number(block_size, location="block_size")
    if block < 1:
        raise ParameterRangeError(location="block_size", found=block, expected="at least 1")
    low, high = np.min(differences, axis=0), np.max(differences, axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.mean(differences, axis=0)
        reach = np.maximum(high - mean, mean - low)
        if not np.isfinite(n * np.square(reach)).all():
            raise NonFiniteInputError(location="diff", found="values whose squares overflow")
    for column in constant_columns(differences):
        raise ConstantSeriesError(location=f"diff, column {column}")
    root = math.sqrt(n)
    omega = np.sqrt(stationary_variance(differences, mean, block))
    rc_statistic = root * float(np.max(mean))
    spa_statistic = max(0.0, root * float(np.max(mean / omega)))
    threshold = -omega * math.sqrt(2.0 * math.log(math.log(n)) / n)
    centres = np.stack([np.maximum(mean, 0.0), np.where(mean >= threshold, mean, 0.0), mean])
    largest = np.maximum(high, -low)
    rc_limit = rc_statistic + _TIED * root * float(np.max(largest))
    spa_limit = spa_statistic + _TIED * root * float(np.max(largest / omega))
    exceeded = np.zeros(4, dtype=np.int64)
    for first in range(0, indices.shape[0], _RESAMPLES_AT_ONCE):
        part = indices[first : first + _RESAMPLES_AT_ONCE]
        shift = resample_shifts(differences, mean, reach, part)
        exceeded[0] += np.count_nonzero(root * np.max(shift, axis=1) > rc_limit)
        for row, centre in enumerate(centres, start=1):
            best = np.maximum(root * np.max((shift + (mean - centre)) / omega, axis=1), 0.0)
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


def resample_shifts(
    values: FloatArray, mean: FloatArray, reach: FloatArray, indices: IntArray
) -> FloatArray:
    """By how much the mean of each resample differs from the mean of all rows.

    Each deviation is rounded to a whole multiple of a power of two that is at most
    ``reach n / 2**60``, then they are added exactly: beyond the rounding of the difference
    itself the error is at most half of that, and no bit depends on the order of the rows, on
    the machine or on its number of threads.

    Parameters
    ----------
    values : ndarray of shape (n_periods, n_models), C-ordered
    mean, reach : ndarray of shape (n_models,)
        What to subtract, and the largest absolute value after that.
    indices : ndarray of shape (n_resamples, n_periods)

    Returns
    -------
    ndarray of shape (n_resamples, n_models)
    """
    from torghut_assets.domain.backtest import resample_kernel

    n, n_resamples = values.shape[0], indices.shape[0]
    room, shape = resample_kernel.room_for_edges(n_resamples, n)
    gains, losses = np.empty(room, np.uint8), np.empty(room, np.uint8)
    ends = np.empty(shape, np.int64)
    filled = resample_kernel.run_edges(indices, gains, losses, ends)
    if filled < 0:
        raise ParameterRangeError(
            location="bootstrap_indices",
            found=(int(indices.min()), int(indices.max())),
            expected=f"row numbers in [0, {n})",
        )
    exponent = np.minimum(_SUM_BITS - n.bit_length() - np.frexp(reach)[1], _LARGEST_EXPONENT)
    columns = (values, mean, np.ldexp(1.0, exponent))
    sums = resample_kernel.edge_sums(columns, gains[:filled], losses[:filled], ends)
    shifts: FloatArray = np.ldexp(sums / n, -exponent)
    return shifts


def stationary_variance(values: FloatArray, mean: FloatArray, block: float) -> FloatArray:
    """Variance of ``sqrt(T) mean`` under the stationary bootstrap, in closed form.

    Parameters
    ----------
    values : ndarray of shape (n_periods, n_models), C-ordered
    mean : ndarray of shape (n_models,)
        Mean of each column.
    block : float
        Mean block length; blocks end with probability ``q = 1 / block``.

    Returns
    -------
    ndarray of shape (n_models,)
        ``g_0 + 2 sum_i kappa(i) g_i`` with autocovariances ``g_i`` and
        ``kappa(i) = (1 - i/T)(1-q)^i + (i/T)(1-q)^(T-i)``. Computed as
        ``2 sum_i (1 - i/T)(1-q)^i c_i - c_0`` with circular autocovariances ``c_i``, which is
        the same number, by recursions in time: their cost does not grow with the block.

    References
    ----------
    Politis and Romano (1994), lemma 1.
    """
    from torghut_assets.domain.backtest import resample_kernel

    n, decay = values.shape[0], 1.0 - 1.0 / block
    # Older rows weigh less than the last bit of the nearest one.
    memory = n if decay >= 1.0 else math.ceil(block * (math.log(n) + _NEGLIGIBLE))
    squares, products = resample_kernel.decayed_products(values, mean, decay, max(0, n - memory))
    variance: FloatArray = (2.0 * products - squares) / n
    return variance


def _checked_indices(bootstrap_indices: ArrayLike, n: int) -> IntArray:
    """Index sets as integers, one row per resample; their range is checked where they are used."""
    try:
        indices = np.asarray(bootstrap_indices)
        whole = np.ascontiguousarray(indices, dtype=np.int64)
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
    if whole is not indices and not np.array_equal(whole, indices):
        raise ParameterRangeError(
            location="bootstrap_indices", found="fractions", expected=f"row numbers in [0, {n})"
        )
    return whole
