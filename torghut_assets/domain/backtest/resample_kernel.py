"""Compiled inner loops over resamples: drawing them, and the sums of the rows they take.

A block of a resample is a run of rows, and the sum of a run is the difference of two prefix
sums: blocks of ten rows cost two additions, not ten. Runs are found in the rows themselves,
so any index set will do; one without runs costs about one addition per row.

Sums are exact. Deviations are rounded once to whole multiples of a power of two, so large
that no sum of them overflows, and whole numbers add up to the same bits in any order, in any
blocks and on any machine. `superior_ability` says what is computed; the tests hold a readable
version that these loops must agree with.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from torghut_assets.domain.backtest.series import FloatArray, IntArray

ROWS_AT_ONCE = 192
"""Rows whose prefix sums are in cache together; a place among them must fit in a byte."""
COLUMNS_AT_ONCE = 128

_Places = NDArray[np.uint8]


@njit(cache=True)
def join_blocks(starts: IntArray, origins: IntArray, n_obs: int, joined: IntArray) -> None:
    """Join blocks that count up from their origin and wrap around the end.

    Parameters
    ----------
    starts : ndarray of shape (n_blocks,)
        Ascending places at which blocks start in the joined resamples; the first is 0.
    origins : ndarray of shape (n_blocks,)
        First row of each block, in [0, n_obs).
    n_obs : int
        Rows.
    joined : ndarray of shape (n_resamples * n_obs,)
        Filled with row numbers.
    """
    for block in range(starts.size):
        start = starts[block]
        end = starts[block + 1] if block + 1 < starts.size else joined.size
        ahead = origins[block] - start
        turn = min(end, n_obs - ahead)
        for place in range(start, turn):
            joined[place] = place + ahead
        for place in range(turn, end):
            joined[place] = place + ahead - n_obs


@njit(cache=True)
def run_edges(indices: IntArray, gains: _Places, losses: _Places, ends: IntArray) -> int:
    """Write each resample as pairs of prefix sums, one to add and one to subtract.

    Prefix sums start anew at zero every `ROWS_AT_ONCE` rows. Where the number of times that
    a row is taken changes, its prefix sum enters: with ``c[t]`` times, the sum over a band of
    rows is ``sum (c[t - 1] - c[t]) P[t]``. Runs that share an edge cancel there.

    Parameters
    ----------
    indices : ndarray of shape (n_resamples, n_periods)
        Rows in [0, n_periods); only the ends of runs are checked, which is enough.
    gains, losses : ndarray of uint8
        Filled with places in a band, 0 .. `ROWS_AT_ONCE`, an even number for each resample
        and band; `room_for_edges` says how long they must be.
    ends : ndarray of shape (n_resamples, n_bands + 1)
        Filled with where the pairs of each resample and band end; column 0 is the start.

    Returns
    -------
    int
        Pairs in all, or -1 if a row number is out of range.
    """
    n_resamples, n = indices.shape
    n_bands = ends.shape[1] - 1
    change = np.zeros(n + 1, np.int64)
    breaks = np.empty(n + 1, np.int64)
    filled = 0
    for resample in range(n_resamples):
        rows = indices[resample]
        n_runs = 0
        for t in range(1, n):
            breaks[n_runs] = t
            n_runs += rows[t] != rows[t - 1] + 1
        breaks[n_runs] = n
        start = 0
        for run in range(n_runs + 1):
            first, last = rows[start], rows[breaks[run] - 1]
            if first < 0 or last >= n:
                return -1
            change[first] += 1
            change[last + 1] -= 1
            start = breaks[run]
        ends[resample, 0] = filled
        taken = 0
        for band in range(n_bands):
            low = band * ROWS_AT_ONCE
            high = min(low + ROWS_AT_ONCE, n)
            gain = loss = filled
            taken += change[low]
            change[low] = 0
            for _ in range(taken):
                losses[loss] = 0
                loss += 1
            for t in range(low + 1, high):
                step = change[t]
                change[t] = 0
                taken += step
                # Written whether it counts or not: a branch would be guessed wrong too often.
                losses[loss] = gains[gain] = t - low
                loss += step > 0
                gain += step < 0
                for _ in range(abs(step) - 1):
                    losses[loss] = gains[gain] = t - low
                    loss += step > 0
                    gain += step < 0
            for _ in range(taken):
                gains[gain] = high - low
                gain += 1
            if (gain - filled) % 2:
                gains[gain] = losses[gain] = 0
                gain += 1
            filled = gain
            ends[resample, band + 1] = filled
        change[n] = 0
    return filled


def room_for_edges(n_resamples: int, n_periods: int) -> tuple[int, tuple[int, int]]:
    """Length of `gains` and `losses`, and shape of `ends`, that `run_edges` may need."""
    n_bands = -(-n_periods // ROWS_AT_ONCE)
    return n_resamples * (2 * n_periods + n_bands) + 2, (n_resamples, n_bands + 1)


@njit(cache=True)
def edge_sums(
    columns: tuple[FloatArray, FloatArray, FloatArray],
    gains: _Places,
    losses: _Places,
    ends: IntArray,
) -> IntArray:
    """Sum the deviations that each resample takes, in whole multiples of a unit.

    Parameters
    ----------
    columns : tuple of ndarray
        Values of shape (n_periods, n_models), and per model the centre to subtract and the
        number of units in 1, a power of two. The caller chooses it so that a deviation times
        `n_periods` stays below 2**62 units.
    gains, losses, ends
        From `run_edges`.

    Returns
    -------
    ndarray of shape (n_resamples, n_models)
    """
    values, centre, scale = columns
    n, n_models = values.shape
    n_resamples, n_bands = ends.shape[0], ends.shape[1] - 1
    result = np.empty((n_resamples, n_models), np.int64)
    for left in range(0, n_models, COLUMNS_AT_ONCE):
        width = min(COLUMNS_AT_ONCE, n_models - left)
        # Always full rows: with a known width the innermost loop is all vector instructions.
        prefix = np.zeros((ROWS_AT_ONCE + 1, COLUMNS_AT_ONCE), np.int64)
        total = np.zeros((n_resamples, COLUMNS_AT_ONCE), np.int64)
        for band in range(n_bands):
            low = band * ROWS_AT_ONCE
            for t in range(low, min(low + ROWS_AT_ONCE, n)):
                for j in range(width):
                    units = (values[t, left + j] - centre[left + j]) * scale[left + j]
                    prefix[t - low + 1, j] = prefix[t - low, j] + np.int64(np.rint(units))
            for resample in range(n_resamples):
                sums = total[resample]
                for pair in range(ends[resample, band], ends[resample, band + 1], 2):
                    gain, loss = prefix[gains[pair]], prefix[losses[pair]]
                    gain_2, loss_2 = prefix[gains[pair + 1]], prefix[losses[pair + 1]]
                    for j in range(COLUMNS_AT_ONCE):
                        sums[j] += (gain[j] - loss[j]) + (gain_2[j] - loss_2[j])
        result[:, left : left + width] = total[:, :width]
    return result


@njit(cache=True)
def decayed_products(
    values: FloatArray, centre: FloatArray, decay: float, first: int
) -> tuple[FloatArray, FloatArray]:
    """Sum of squares, and of products with the decayed past, of deviations on a circle.

    Parameters
    ----------
    values : ndarray of shape (n_periods, n_models), C-ordered
    centre : ndarray of shape (n_models,)
    decay : float
        Factor per period, in [0, 1).
    first : int
        Row at which the past of row 0 begins; older rows have decayed to nothing.

    Returns
    -------
    squares, products : ndarray of shape (n_models,)
        ``sum_t d_t^2`` and ``sum_t d_t sum_i (1 - i/n) decay^i d_(t - i)``, i below n, by
        the recursions ``y_t = r y_(t-1) + (1 - r^n) d_t`` for the sum of ``r^i d_(t-i)``
        and ``z_t = r (z_(t-1) + y_(t-1)) - n r^n d_t`` for that of ``i r^i d_(t-i)``.
    """
    n, n_models = values.shape
    near, far = np.zeros(n_models), np.zeros(n_models)
    for t in range(first, n):
        for j in range(n_models):
            far[j] = decay * (far[j] + near[j])
            near[j] = decay * near[j] + (values[t, j] - centre[j])
    whole_turn = decay**n
    squares, products = np.zeros(n_models), np.zeros(n_models)
    for t in range(n):
        for j in range(n_models):
            d = values[t, j] - centre[j]
            far[j] = decay * (far[j] + near[j]) - n * whole_turn * d
            near[j] = decay * near[j] + (1.0 - whole_turn) * d
            squares[j] += d * d
            products[j] += d * (near[j] - far[j] / n)
    return squares, products
