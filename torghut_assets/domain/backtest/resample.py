"""Resampling of dependent series: how long blocks should be, and which rows they take."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from torghut_assets.domain.backtest.series import (
    FloatArray,
    IntArray,
    observed_returns,
    positive_number,
    require_varying,
    whole_number,
)
from torghut_assets.domain.backtest.statistics_errors import ParameterRangeError

_RESAMPLES_AT_ONCE = 16
_MIN_FOR_BLOCKS = 9
"""Below it the longest lag that the rule looks at would leave fewer than two products."""


@dataclass(frozen=True)
class BlockLengths:
    """Expected block length (stationary bootstrap) and fixed block length (circular)."""

    stationary: float
    circular: float


def optimal_block_length(x: ArrayLike) -> BlockLengths:
    """Block length that minimizes the error of a bootstrapped variance of the mean.

    Parameters
    ----------
    x : array_like of shape (n_periods,)
        A stationary series of at least 9 observations; NaN is dropped.

    Returns
    -------
    BlockLengths
        ``b = (2 g^2 / D)^(1/3) n^(1/3)`` with ``g = sum w(k/M) |k| R(k)``,
        ``D = 2 s^4`` (stationary) or ``4/3 s^4`` (circular), ``s^2 = sum w(k/M) R(k)``, the
        flat-top window ``w`` and its bandwidth M = 2 m, m being the lag after which
        ``max(5, log10 n)`` autocorrelations in a row are below ``2 sqrt(log10(n) / n)``. At
        most ``ceil(min(3 sqrt(n), n/3))``. Values below 1 mean: no dependence was found.

    Raises
    ------
    TooFewObservationsError, ConstantSeriesError, NonFiniteInputError
        If autocorrelations are not defined.

    References
    ----------
    Politis, D. and White, H. (2004). Automatic Block-Length Selection for the Dependent
    Bootstrap. Econometric Reviews 23(1). Patton, A., Politis, D. and White, H. (2009).
    Correction. Econometric Reviews 28(4).
    """
    values = observed_returns(x, needed=_MIN_FOR_BLOCKS, location="x")
    require_varying(values, location="x")
    n = values.size
    run = max(5, int(math.log10(n)))
    longest = min(math.ceil(math.sqrt(n)) + run, n - 2)
    autocovariance, correlation = _autocovariances(values - np.mean(values), longest)
    bandwidth = min(2 * max(_last_significant(correlation, n, run), 1), longest)
    lags = np.arange(1, bandwidth + 1)
    weights = np.minimum(1.0, 2.0 * (1.0 - lags / bandwidth))
    tapered = 2.0 * weights * autocovariance[1 : bandwidth + 1]
    g = float(np.dot(lags, tapered))
    variance = float(autocovariance[0] + np.sum(tapered))
    cap = math.ceil(min(3.0 * math.sqrt(n), n / 3.0))

    def length(constant: float) -> float:
        if variance == 0:
            return float(cap)
        return float(min((2.0 * g**2 / (constant * variance**2) * n) ** (1.0 / 3.0), cap))

    return BlockLengths(stationary=length(2.0), circular=length(4.0 / 3.0))


def _autocovariances(deviation: FloatArray, longest: int) -> tuple[FloatArray, FloatArray]:
    """Autocovariances (divided by n) and absolute correlations of lags 0 .. longest."""
    n = deviation.size
    squares = deviation**2
    head = np.cumsum(squares)
    covariance = np.empty(longest + 1)
    correlation = np.empty(longest + 1)
    for lag in range(longest + 1):
        product = float(np.dot(deviation[lag:], deviation[: n - lag]))
        # Norms leave out one observation more than the lag, as Patton's program does.
        first, second = head[-1] - head[lag], head[n - lag - 2]
        covariance[lag] = product / n
        norm = math.sqrt(max(float(first * second), 0.0))
        correlation[lag] = abs(product) / norm if norm > 0 else math.inf
    return covariance, correlation


def _last_significant(correlation: FloatArray, n: int, run: int) -> int:
    """Start of the first `run` insignificant correlations; the longest lag if there is none."""
    band = 2.0 * math.sqrt(math.log10(n) / n)
    for start in range(correlation.size - run):
        if (correlation[start : start + run] < band).all():
            return start
    return int(correlation.size)


def stationary_bootstrap_indices(
    n_obs: int, mean_block: float, n_resamples: int, generator: np.random.Generator
) -> IntArray:
    """Row numbers of stationary-bootstrap resamples.

    Parameters
    ----------
    n_obs : int
        Observations, at least 2.
    mean_block : float
        Mean of the geometric block lengths, at least 1.
    n_resamples : int
        Resamples, at least 1.
    generator : numpy.random.Generator
        Seeded by the caller: same seed, same indices.

    Returns
    -------
    ndarray of shape (n_resamples, n_obs)
        Each row joins blocks that start anywhere and wrap around the end.

    References
    ----------
    Politis, D. and Romano, J. (1994). The Stationary Bootstrap. JASA 89(428).
    """
    n = whole_number(n_obs, at_least=2, location="n_obs")
    count = whole_number(n_resamples, at_least=1, location="n_resamples")
    block = positive_number(mean_block, location="mean_block")
    if block < 1:
        raise ParameterRangeError(location="mean_block", found=block, expected="at least 1")
    from torghut_assets.domain.backtest import resample_kernel

    # The same numbers as one matrix of all draws would hold, but a piece that stays in cache.
    draws = np.empty((min(count, _RESAMPLES_AT_ONCE), n))
    found = []
    for first in range(0, count, len(draws)):
        piece = draws[: count - first]
        generator.random(out=piece)
        starts = piece < 1.0 / block
        starts[:, 0] = True
        found.append(np.flatnonzero(starts) + first * n)
    where = np.concatenate(found)
    indices = np.empty((count, n), dtype=np.int64)
    origins = generator.integers(0, n, where.size)
    resample_kernel.join_blocks(where, origins, n, indices.reshape(-1))
    return indices
