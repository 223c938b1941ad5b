"""Compiled inner loops of CSCV: one pass over the returns, then only block sums.

Two facts make it fast. Every split is the complement of another, so one visit to a pair
gives both. And the sums over any set of blocks are the sum of two table entries, one for
each half of the blocks. `overfit.pbo_cscv` says what is computed; the tests hold a readable
version that these loops must agree with.
"""

import numpy as np
from numba import njit

from torghut_assets.domain.backtest.series import FloatArray, IntArray

LOST = 1e-11
"""Share of the sum of squares below which a variance has too few digits left."""


@njit(cache=True)
def block_moments(returns: FloatArray, n_blocks: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Sum returns, less a shift per trial, and their squares by block.

    Parameters
    ----------
    returns : ndarray of shape (n_periods, n_trials), C-ordered
        `n_periods` is a multiple of `n_blocks`.

    Returns
    -------
    shift : ndarray of shape (n_trials,)
        Mean of the first block: with it, squares do not cancel.
    sums, squares : ndarray of shape (n_blocks, n_trials)
    """
    n_periods, n_trials = returns.shape
    rows = n_periods // n_blocks
    shift = np.zeros(n_trials)
    for t in range(rows):
        for j in range(n_trials):
            shift[j] += returns[t, j]
    for j in range(n_trials):
        shift[j] /= rows
    sums = np.zeros((n_blocks, n_trials))
    squares = np.zeros((n_blocks, n_trials))
    for block in range(n_blocks):
        for t in range(block * rows, (block + 1) * rows):
            for j in range(n_trials):
                deviation = returns[t, j] - shift[j]
                sums[block, j] += deviation
                squares[block, j] += deviation * deviation
    return shift, sums, squares


@njit(cache=True)
def _subset_sums(blocks: FloatArray) -> FloatArray:
    """Sum over every subset of the rows; bit b of the index says that row b is in."""
    n_blocks, n_trials = blocks.shape
    table = np.zeros((1 << n_blocks, n_trials))
    for subset in range(1, 1 << n_blocks):
        low = 0
        while not (subset >> low) & 1:
            low += 1
        rest = subset & (subset - 1)
        for j in range(n_trials):
            table[subset, j] = table[rest, j] + blocks[low, j]
    return table


@njit(cache=True)
def _next_combination(members: IntArray, n_blocks: int) -> bool:
    """Advance to the next set in lexicographic order; False after the last."""
    size = members.size
    place = size - 1
    while place >= 0 and members[place] == n_blocks - size + place:
        place -= 1
    if place < 0:
        return False
    members[place] += 1
    for later in range(place + 1, size):
        members[later] = members[later - 1] + 1
    return True


@njit(cache=True)
def _first_best(ratios: FloatArray) -> int:
    best = 0
    for j in range(1, ratios.size):
        if ratios[j] > ratios[best]:
            best = j
    return best


@njit(cache=True)
def _average_rank(ratios: FloatArray, chosen: int) -> float:
    """Rank of one trial, 1 is worst, ties averaged."""
    value = ratios[chosen]
    below = 0
    equal = 0
    for j in range(ratios.size):
        below += ratios[j] < value
        equal += ratios[j] == value
    return below + (equal + 1) / 2.0


@njit(cache=True)
def _ratios(
    shift: FloatArray,
    low: tuple[FloatArray, FloatArray],
    high: tuple[FloatArray, FloatArray],
    n_rows: int,
    out: FloatArray,
) -> int:
    """Mean over sample standard deviation from two partial sums per trial.

    Returns the number of trials whose variance is lost in the rounding of the sums.
    """
    per_row = 1.0 / n_rows
    per_degree = 1.0 / (n_rows - 1)
    lost = 0
    for j in range(out.size):
        mean = (low[0][j] + high[0][j]) * per_row
        square = low[1][j] + high[1][j]
        centred = square - n_rows * mean * mean
        lost += centred <= LOST * square
        out[j] = (mean + shift[j]) / np.sqrt(max(centred, 0.0) * per_degree)
    return lost


@njit(cache=True)
def rank_splits(
    shift: FloatArray, sums: FloatArray, squares: FloatArray, n_rows: int
) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
    """Choose in sample and rank out of sample, for every split.

    Parameters
    ----------
    shift, sums, squares
        From `block_moments`.
    n_rows : int
        Rows in one half.

    Returns
    -------
    chosen, inside, outside, rank : ndarray of shape (n_combinations,)
        Index of the in-sample best, its ratio in and out of sample, its rank out of sample.
        The ranks are NaN if any variance is lost in rounding.
    """
    n_blocks, n_trials = sums.shape
    half = n_blocks // 2
    low_sums, low_squares = _subset_sums(sums[:half]), _subset_sums(squares[:half])
    high_sums, high_squares = _subset_sums(sums[half:]), _subset_sums(squares[half:])
    total = 1
    for k in range(half):
        total = total * (n_blocks - k) // (k + 1)
    chosen = np.empty(total, np.int64)
    inside, outside, rank = np.empty(total), np.empty(total), np.empty(total)
    members = np.arange(half)
    mask = (1 << half) - 1
    one, other = np.empty(n_trials), np.empty(n_trials)
    lost = 0
    # In lexicographic order the complement of split i is split total - 1 - i.
    for split in range(total // 2):
        inner = 0
        for block in members:
            inner |= 1 << block
        low, high = inner & mask, inner >> half
        lost += _ratios(
            shift,
            (low_sums[low], low_squares[low]),
            (high_sums[high], high_squares[high]),
            n_rows,
            one,
        )
        low, high = low ^ mask, high ^ mask
        lost += _ratios(
            shift,
            (low_sums[low], low_squares[low]),
            (high_sums[high], high_squares[high]),
            n_rows,
            other,
        )
        mirror = total - 1 - split
        pick = _first_best(one)
        chosen[split], inside[split], outside[split] = pick, one[pick], other[pick]
        rank[split] = _average_rank(other, pick)
        pick = _first_best(other)
        chosen[mirror], inside[mirror], outside[mirror] = pick, other[pick], one[pick]
        rank[mirror] = _average_rank(one, pick)
        _next_combination(members, n_blocks)
    if lost:
        rank[:] = np.nan
    return chosen, inside, outside, rank
