"""Distances between a reference sample and a current one.

Read `psi_from_samples` first; it is the figure that drift policies limit. None of these
functions drops a NaN: nulls are a finding of their own and are counted before.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from torghut_assets.domain.tca.errors import OutOfRangeError
from torghut_assets.domain.tca.inputs import (
    Floats,
    count,
    finite,
    non_negative_vector,
    probability,
    same_length,
    vector,
)

PsiLevel = Literal["stable", "moderate", "major"]

_MODERATE_FROM = 0.10
_MAJOR_ABOVE = 0.25
# Printed tables round their shares; counts or percentages miss 1 by far more.
_SHARES_SLACK = 0.01


@dataclass(frozen=True, slots=True)
class StabilityIndex:
    """A population stability index and the customary word for it."""

    psi: float
    level: PsiLevel


@dataclass(frozen=True, slots=True)
class BinnedStability:
    """A stability index with the bins and (floored) shares that it was computed from."""

    inner_edges: tuple[float, ...]
    expected: tuple[float, ...]
    actual: tuple[float, ...]
    psi: float

    @property
    def level(self) -> PsiLevel:
        """The customary word for `psi`."""
        return psi_level(self.psi)


def psi_level(psi: float) -> PsiLevel:
    """Name a stability index: below 0.10 stable, to 0.25 inclusive moderate, above it major."""
    index = finite(psi, "psi")
    if index < _MODERATE_FROM:
        return "stable"
    return "moderate" if index <= _MAJOR_ABOVE else "major"


def psi_from_shares(expected: ArrayLike, actual: ArrayLike) -> StabilityIndex:
    """Measure the population stability of two sets of bin shares: `sum (a - e) ln(a / e)`.

    Parameters
    ----------
    expected, actual : array_like of shape (n_bins,)
        Shares > 0 that add up to 1 (within 0.01, as printed tables are rounded), n_bins >= 2.

    Returns
    -------
    StabilityIndex
        Symmetric in its arguments, >= 0, 0 for equal shares. Dimensionless (nats).

    Raises
    ------
    OutOfRangeError
        For an empty bin, where the index is infinite (see `psi_from_shares_floored`), or shares
        that do not add up to 1.
    TooFewObservationsError, ShapeMismatchError, NotANumberError

    References
    ----------
    Siddiqi, N. (2017). Intelligent Credit Scoring, 2nd edition, page 369. Yurdakul, B. and
    Naranjo, J. (2020). Statistical properties of the population stability index. Journal of
    Risk Model Validation 14(4).
    """
    reference, current = _shares(expected, "expected"), _shares(actual, "actual")
    same_length(expected=reference, actual=current)
    for name, shares in (("expected", reference), ("actual", current)):
        if (shares == 0.0).any():
            raise OutOfRangeError(
                location=f"{name}[{int(np.argmin(shares))}]",
                found=0.0,
                expected="a share above 0; psi_from_shares_floored floors empty bins",
            )
    psi = _psi(reference, current)
    return StabilityIndex(psi=psi, level=psi_level(psi))


def psi_from_shares_floored(expected: ArrayLike, actual: ArrayLike, eps: float = 1e-4) -> float:
    """Measure population stability with shares below `eps` raised to it (not renormalized).

    Parameters
    ----------
    expected, actual : array_like of shape (n_bins,)
        As for `psi_from_shares`, but empty bins are allowed.
    eps : float
        In (0, 1). The floor decides how much an empty bin weighs: report it with the index.

    Raises
    ------
    OutOfRangeError, TooFewObservationsError, ShapeMismatchError, NotANumberError

    References
    ----------
    As `psi_from_shares`.
    """
    floor = probability(eps, "eps")
    reference, current = _shares(expected, "expected"), _shares(actual, "actual")
    same_length(expected=reference, actual=current)
    return _psi(np.maximum(reference, floor), np.maximum(current, floor))


def psi_from_samples(
    reference: ArrayLike, current: ArrayLike, n_bins: int = 10, eps: float = 1e-4
) -> BinnedStability:
    """Measure the population stability of two samples, binned by quantiles of the reference.

    Inner edges are the `k / n_bins` quantiles of the reference (linear interpolation), the
    outer bins are open, and a bin is `[a, b)`. Shares below `eps` are raised to it.

    Parameters
    ----------
    reference : array_like of shape (n_reference,)
        At least `n_bins` finite values.
    current : array_like of shape (n_current,)
        At least one finite value.
    n_bins : int
        At least 2.
    eps : float
        Floor of a share, in (0, 1).

    Returns
    -------
    BinnedStability
        With floored shares.

    Raises
    ------
    OutOfRangeError
        If ties put the whole reference into one bin: the index would be blind to a shift.
    TooFewObservationsError, NotANumberError, ShapeMismatchError

    References
    ----------
    As `psi_from_shares`.
    """
    bins = count(n_bins, "n_bins")
    if bins < 2:
        raise OutOfRangeError(location="n_bins", found=bins, expected="at least 2")
    floor = probability(eps, "eps")
    before = vector(reference, "reference", at_least=bins)
    after = vector(current, "current")
    edges = np.quantile(before, np.arange(1, bins) / bins)
    raw = _bin_shares(before, edges)
    if np.count_nonzero(raw) < 2:
        raise OutOfRangeError(
            location="reference",
            found=f"{bins} quantile bins with all values in one",
            expected="a sample that fills at least two bins",
        )
    expected = np.maximum(raw, floor)
    actual = np.maximum(_bin_shares(after, edges), floor)
    return BinnedStability(
        inner_edges=tuple(edges.tolist()),
        expected=tuple(expected.tolist()),
        actual=tuple(actual.tolist()),
        psi=_psi(expected, actual),
    )


def _bin_shares(values: Floats, inner_edges: Floats) -> Floats:
    """Share of values in each of the `[a, b)` bins between open ends."""
    bins = np.searchsorted(inner_edges, values, side="right")
    return np.bincount(bins, minlength=inner_edges.size + 1) / values.size


def _psi(expected: Floats, actual: Floats) -> float:
    """Sum of `(a - e) ln(a / e)`; every share must be positive."""
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def _shares(values: ArrayLike, location: str) -> Floats:
    """Require shares of at least two bins that add up to 1."""
    shares = non_negative_vector(values, location, at_least=2)
    total = float(shares.sum())
    if abs(total - 1.0) > _SHARES_SLACK:
        raise OutOfRangeError(
            location=location, found=f"a sum of {total:g}", expected="shares that add up to 1"
        )
    return shares


def wasserstein_1d(x: ArrayLike, y: ArrayLike) -> float:
    """Wasserstein-1 (earth mover's) distance of two samples: the integral of `|F - G|`.

    Parameters
    ----------
    x, y : array_like of shape (n_x,), (n_y,)
        Finite values, at least one each.

    Returns
    -------
    float
        In the unit of the data, >= 0; a pure shift by d has distance d. Divide by the
        reference's standard deviation to compare features.

    Raises
    ------
    TooFewObservationsError, NotANumberError, ShapeMismatchError

    References
    ----------
    Vallender, S. (1974). Calculation of the Wasserstein distance between probability
    distributions on the line. Theory of Probability and its Applications 18(4).
    """
    first, second = np.sort(vector(x, "x")), np.sort(vector(y, "y"))
    grid = np.sort(np.concatenate((first, second)))
    f = np.searchsorted(first, grid[:-1], side="right") / first.size
    g = np.searchsorted(second, grid[:-1], side="right") / second.size
    return float(np.sum(np.abs(f - g) * np.diff(grid)))


def jensen_shannon_distance(p: ArrayLike, q: ArrayLike, base: float = math.e) -> float:
    """Jensen-Shannon distance: the root of the divergence of two distributions.

    The divergence is the mean Kullback-Leibler divergence of `p` and `q` to their midpoint.

    Parameters
    ----------
    p, q : array_like of shape (n_outcomes,)
        Probabilities or weights >= 0 over the same outcomes; each is divided by its sum.
    base : float
        Of the logarithm, > 1. With base 2 the distance lies in [0, 1]; with base e its
        maximum is sqrt(ln 2) = 0.8326.

    Raises
    ------
    OutOfRangeError
        For negative weights, weights that are all zero or a base of 1 or less.
    ShapeMismatchError, NotANumberError, TooFewObservationsError

    References
    ----------
    Lin, J. (1991). Divergence measures based on the Shannon entropy. IEEE Transactions on
    Information Theory 37(1). Endres, D. and Schindelin, J. (2003). A new metric for
    probability distributions. IEEE Transactions on Information Theory 49(7).
    """
    logarithm = finite(base, "base")
    if logarithm <= 1.0:
        raise OutOfRangeError(location="base", found=logarithm, expected="a base above 1")
    first, second = _normalized(p, "p"), _normalized(q, "q")
    same_length(p=first, q=second)
    middle = (first + second) / 2.0
    divergence = (_relative_entropy(first, middle) + _relative_entropy(second, middle)) / 2.0
    return math.sqrt(max(divergence, 0.0) / math.log(logarithm))


def _normalized(weights: ArrayLike, location: str) -> Floats:
    """Weights divided by their sum."""
    values = non_negative_vector(weights, location)
    total = float(values.sum())
    if total == 0.0:
        raise OutOfRangeError(location=location, found="weights that are all 0", expected="a sum")
    return np.asarray(values / total)


def _relative_entropy(p: Floats, q: Floats) -> float:
    """Kullback-Leibler divergence in nats, `0 ln 0 = 0`; q must be positive where p is."""
    some = p > 0.0
    return float(np.sum(p[some] * np.log(p[some] / q[some])))
