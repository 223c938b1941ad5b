"""How unusual a window is among the windows of the same length that the backtest saw.

A fixed limit on a stability index is of little use on financial series: their volatility comes in
spells, so that a quarter of calm or of storm lies far from ten years together although nothing
changed. the window is therefore ranked among every window of the reference
(`path_statistics.share_at_least`).
"""

import math
from dataclasses import dataclass, field

import numpy as np

from torghut_assets.domain.drift.distributions import psi_from_samples
from torghut_assets.domain.errors import TooFewObservationsError
from torghut_assets.domain.tca.errors import ShapeMismatchError
from torghut_assets.domain.tca.inputs import Floats, vector

_BINS = 10
_EPS = 1e-4
_MOST_WINDOWS = 400


@dataclass(frozen=True)
class WindowReference:
    """A reference of rows in time order, ready to be compared with windows of any length.

    Attributes
    ----------
    rows : ndarray of shape (n_rows, n_columns)
        Finite values; a window takes whole rows, so that what happens together stays together.
    inner_edges : ndarray of shape (n_bins - 1,)
        Quantiles of all values.
    shares : ndarray of shape (n_bins,)
        Share of values per bin, floored.
    cumulated : ndarray of shape (n_rows + 1, n_bins)
        Values per bin in the rows before.
    sorted_values : ndarray of shape (n_rows * n_columns,)
    kept : dict
        Distances of the reference's own windows by their length, once they were computed.
    """

    rows: Floats
    inner_edges: Floats
    shares: Floats
    cumulated: Floats
    sorted_values: Floats
    kept: dict[int, Floats] = field(default_factory=dict, compare=False, repr=False)


def window_reference(rows: Floats) -> WindowReference:
    """Prepare a reference.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns)
        Finite, at least 20 rows.

    Raises
    ------
    OutOfRangeError
        If all values are one: nothing can be told from it.
    TooFewObservationsError, ShapeMismatchError, NotANumberError
    """
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise ShapeMismatchError(
            location="reference", found=f"shape {rows.shape}", expected="(n_rows, n_columns)"
        )
    if len(rows) < 2 * _BINS:
        raise TooFewObservationsError(needed=2 * _BINS, found=len(rows), location="reference")
    values = vector(rows.ravel(), "reference")
    stability = psi_from_samples(values, values, _BINS, _EPS)
    edges = np.array(stability.inner_edges)
    bins = np.searchsorted(edges, rows, side="right")
    per_row = (bins[:, :, None] == np.arange(_BINS)).sum(axis=1)
    return WindowReference(
        rows=rows,
        inner_edges=edges,
        shares=np.array(stability.expected),
        cumulated=np.vstack([np.zeros((1, _BINS)), np.cumsum(per_row, axis=0)]),
        sorted_values=np.sort(values),
    )


def stability_of(reference: WindowReference, window: Floats) -> float:
    """Population stability index of a window against the whole reference, in nats.

    Parameters
    ----------
    reference : WindowReference
    window : ndarray of shape (n, n_columns)
        Finite, at least one row.

    References
    ----------
    Siddiqi (2017), as `distributions.psi_from_samples`, whose value this is.
    """
    values = vector(window.ravel(), "window")
    bins = np.searchsorted(reference.inner_edges, values, side="right")
    return float(_psi(reference.shares, np.bincount(bins, minlength=_BINS)[None, :] / bins.size)[0])


def stability_of_reference_windows(reference: WindowReference, length: int) -> Floats:
    """Stability index of every window of `length` rows of the reference itself, in time order.

    Returns
    -------
    ndarray of shape (n_rows - length + 1,)

    Raises
    ------
    TooFewObservationsError
        If the reference is not at least twice as long as the window.
    """
    _require_twice(reference, length)
    counts = reference.cumulated[length:] - reference.cumulated[:-length]
    return _psi(reference.shares, counts / (length * reference.rows.shape[1]))


def distance_of(reference: WindowReference, window: Floats) -> float:
    """Kolmogorov-Smirnov distance of a window to the whole reference, in [0, 1].

    Its p-value would be of independent values, which a window of a market does not hold;
    its rank among the reference's own windows says how unusual the distance is.

    References
    ----------
    Hodges (1958), as `two_sample.ks_two_sample`, whose statistic this is.
    """
    return float(_distances(reference, vector(window.ravel(), "window")[None, :])[0])


def distances_of_reference_windows(reference: WindowReference, length: int) -> Floats:
    """Distances of windows of `length` rows of the reference itself, evenly spread over it.

    Every window if there are at most 400, else every k-th: neighbours hardly differ.

    Raises
    ------
    TooFewObservationsError
        If the reference is not at least twice as long as the window.
    """
    _require_twice(reference, length)
    if length in reference.kept:
        return reference.kept[length]
    n_windows = len(reference.rows) - length + 1
    starts = np.arange(0, n_windows, math.ceil(n_windows / _MOST_WINDOWS))
    taken = reference.rows[starts[:, None] + np.arange(length)]
    reference.kept[length] = _distances(reference, taken.reshape(len(starts), -1))
    return reference.kept[length]


def _psi(expected: Floats, shares: Floats) -> Floats:
    """Stability index of each row of `shares`, floored."""
    actual = np.maximum(shares, _EPS)
    return np.asarray(((actual - expected) * np.log(actual / expected)).sum(axis=1))


def _distances(reference: WindowReference, samples: Floats) -> Floats:
    """Largest difference of distribution functions, one per row of `samples`."""
    ordered = np.sort(samples, axis=1)
    size, n = reference.sorted_values.size, ordered.shape[1]
    upto = np.searchsorted(reference.sorted_values, ordered, side="right") / size
    before = np.searchsorted(reference.sorted_values, ordered, side="left") / size
    # At a value that occurs several times, the sample's function jumps over all of them at once.
    last = np.arange(1, n + 1) / n
    first = np.arange(n) / n
    same_as_next = np.diff(ordered, axis=1, append=np.inf) == 0
    same_as_previous = np.diff(ordered, axis=1, prepend=-np.inf) == 0
    above = np.where(same_as_next, 0.0, np.abs(last - upto))
    below = np.where(same_as_previous, 0.0, np.abs(before - first))
    return np.asarray(np.maximum(above.max(axis=1), below.max(axis=1)))


def _require_twice(reference: WindowReference, length: int) -> None:
    if length < 1 or len(reference.rows) < 2 * length:
        raise TooFewObservationsError(
            needed=2 * max(length, 1), found=len(reference.rows), location="reference"
        )
