"""Tests whether two samples come from the same distribution.

`ks_two_sample` for one feature; `mmd2_rbf` for several together or where the difference is
not in the location.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from torghut_assets.domain.errors import TooFewObservationsError
from torghut_assets.domain.tca.errors import NotANumberError, ShapeMismatchError
from torghut_assets.domain.tca.inputs import Floats, floats, positive, vector

_EXACT_UP_TO = 10_000
_BLOCK = 2_048


@dataclass(frozen=True, slots=True)
class KolmogorovSmirnov:
    """Largest difference of the distribution functions, and its two-sided p-value."""

    statistic: float
    p_value: float


def ks_two_sample(x: ArrayLike, y: ArrayLike) -> KolmogorovSmirnov:
    """Two-sample, two-sided Kolmogorov-Smirnov test: `D = sup |F - G|`.

    The p-value is the exact probability, over all orderings of samples without ties, of a D at
    least as large. Above 10,000 values in either sample it is the exact one-sample law of D at
    the effective size `n m / (n + m)`, an approximation.

    Parameters
    ----------
    x, y : array_like of shape (n_x,), (n_y,)
        Finite values, at least one each.

    Returns
    -------
    KolmogorovSmirnov
        With ties, D is exact and the p-value an upper bound (the test is conservative).

    Raises
    ------
    TooFewObservationsError, NotANumberError, ShapeMismatchError

    References
    ----------
    Hodges, J. (1958). The significance probability of the Smirnov two-sample test. Arkiv foer
    Matematik 3(43). Schroer, G. and Trenkler, D. (1995). Exact and randomization distributions
    of Kolmogorov-Smirnov tests. Computational Statistics and Data Analysis 20(2).
    """
    first, second = np.sort(vector(x, "x")), np.sort(vector(y, "y"))
    n, m = first.size, second.size
    grid = np.concatenate((first, second))
    steps = (
        np.searchsorted(first, grid, side="right") * m
        - np.searchsorted(second, grid, side="right") * n
    )
    # D as a whole number of 1 / (n m), so that nothing is decided by rounding.
    distance = int(np.abs(steps).max())
    if max(n, m) <= _EXACT_UP_TO:
        p_value = _exact_tail(n, m, distance)
    else:
        from scipy.stats import kstwo  # late: takes most of a second, rarely needed

        p_value = float(kstwo.sf(distance / (n * m), round(n * m / (n + m))))
    return KolmogorovSmirnov(statistic=distance / (n * m), p_value=p_value)


def _exact_tail(n: int, m: int, distance: int) -> float:
    """Probability that a random ordering reaches `|i m - j n| >= distance` somewhere.

    Walk the lattice of (i, j) = values of x and y seen so far, diagonal by diagonal. Given that
    (i, j) was reached, the last step came from x with probability i / (i + j). `reached` is the
    probability that the way to (i, j) has touched the boundary: 1 on it, else the average over
    the last step. Only positive terms are added, so small tails keep their precision.
    """
    if n > m:
        n, m = m, n
    if distance == 0:
        return 1.0
    i = np.arange(n + 1)
    reached = np.zeros(n + 1)
    for seen in range(1, n + m + 1):
        j = seen - i
        from_x = np.concatenate(([0.0], reached[:-1])) * i
        from_y = reached * np.maximum(j, 0)
        outside = np.abs(i * m - j * n) >= distance
        reached = np.where(outside, 1.0, (from_x + from_y) / seen)
        reached[(j < 0) | (j > m)] = 0.0
    return float(reached[n])


@dataclass(frozen=True, slots=True)
class MeanDiscrepancy:
    """Squared maximum mean discrepancy: unbiased (may be negative) and biased (>= 0).

    `unbiased` is NaN if either sample has one observation only.
    """

    unbiased: float
    biased: float


def mmd2_rbf(x: ArrayLike, y: ArrayLike, sigma: float) -> MeanDiscrepancy:
    """Squared maximum mean discrepancy with the kernel `exp(-|a - b|^2 / (2 sigma^2))`.

    Parameters
    ----------
    x, y : array_like of shape (n,) or (n, n_features), (m,) or (m, n_features)
        Finite observations, at least one each.
    sigma : float
        Kernel width in the unit of the data, > 0; see `median_bandwidth`.

    Returns
    -------
    MeanDiscrepancy
        U-statistic (without the diagonal) and V-statistic.

    Raises
    ------
    TooFewObservationsError, ShapeMismatchError, NotANumberError, OutOfRangeError

    References
    ----------
    Gretton, A. et al. (2012). A kernel two-sample test. Journal of Machine Learning Research
    13, equations 3 and 5.
    """
    width = positive(sigma, "sigma")
    first, second = _rows(x, "x"), _rows(y, "y")
    if first.shape[1] != second.shape[1]:
        raise ShapeMismatchError(
            location="x, y",
            found=f"{first.shape[1]} and {second.shape[1]} features",
            expected="the same features",
        )
    n, m = len(first), len(second)
    xx, yy = _kernel_sum(first, first, width), _kernel_sum(second, second, width)
    xy = _kernel_sum(first, second, width) / (n * m)
    unbiased = math.nan
    if min(n, m) > 1:
        unbiased = (xx - n) / (n * (n - 1)) + (yy - m) / (m * (m - 1)) - 2.0 * xy
    return MeanDiscrepancy(unbiased=unbiased, biased=xx / n**2 + yy / m**2 - 2.0 * xy)


def median_bandwidth(reference: ArrayLike) -> float:
    """Kernel width by the median heuristic: median distance between two observations.

    At most the first 1,000 observations are used. Raises `OutOfRangeError` if at least half of
    the distances are 0, where the heuristic has no answer.

    References
    ----------
    Gretton et al. (2012), section 8.
    """
    rows = _rows(reference, "reference")[:1_000]
    if len(rows) < 2:
        raise TooFewObservationsError(needed=2, found=len(rows), location="reference")
    above = np.triu_indices(len(rows), k=1)
    return positive(np.median(np.sqrt(_squared_distances(rows, rows)[above])), "median distance")


def _rows(values: ArrayLike, location: str) -> Floats:
    """Observations as rows, features as columns, all finite."""
    table = floats(values, location)
    if table.ndim == 1:
        table = vector(table, location)[:, None]
    if table.ndim != 2 or table.shape[1] == 0:
        raise ShapeMismatchError(
            location=location, found=f"shape {table.shape}", expected="(n,) or (n, n_features)"
        )
    if len(table) == 0:
        raise TooFewObservationsError(needed=1, found=0, location=location)
    if not np.isfinite(table).all():
        raise NotANumberError(location=location, found="NaN or an infinite value")
    return table


def _squared_distances(a: Floats, b: Floats) -> Floats:
    """Squared Euclidean distances between rows, one feature at a time, without cancellation."""
    total = np.zeros((len(a), len(b)))
    for feature in range(a.shape[1]):
        total += (a[:, feature, None] - b[None, :, feature]) ** 2
    return total


def _kernel_sum(a: Floats, b: Floats, sigma: float) -> float:
    """Sum of the kernel over all pairs of rows, in blocks that fit into memory."""
    return math.fsum(
        float(np.exp(_squared_distances(a[i : i + _BLOCK], b) / (-2.0 * sigma**2)).sum())
        for i in range(0, len(a), _BLOCK)
    )
