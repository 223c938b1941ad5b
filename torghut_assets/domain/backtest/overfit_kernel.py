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

TIED = 1e-12
"""Relative difference up to which two scores are a tie: rounding, not performance."""


@njit(cache=True)
def block_moments(
    returns: FloatArray, n_blocks: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Sum returns, less a shift per trial, and their squares by block.

    Parameters
    ----------
    returns : ndarray of shape (n_periods, n_trials), C-ordered
        `n_periods` is a multiple of `n_blocks`.

    Returns
    -------
    shift : ndarray of shape (n_trials,)
        Mean of the first block: with it, squares do not cancel.
    sums, squares, spread : ndarray of shape (n_blocks, n_trials)
        `spread` is the largest less the smallest return of the block. A missing or
        infinite return leaves a square that is not finite.
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
    spread = np.empty((n_blocks, n_trials))
    low, high = np.empty(n_trials), np.empty(n_trials)
    for block in range(n_blocks):
        low[:] = returns[block * rows]
        high[:] = returns[block * rows]
        for t in range(block * rows, (block + 1) * rows):
            for j in range(n_trials):
                value = returns[t, j]
                deviation = value - shift[j]
                sums[block, j] += deviation
                squares[block, j] += deviation * deviation
                low[j] = value if value < low[j] else low[j]
                high[j] = value if value > high[j] else high[j]
        for j in range(n_trials):
            spread[block, j] = high[j] - low[j]
    return shift, sums, squares, spread


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
def _next_combination(members: IntArray, n_blocks: int) -> None:
    """Advance to the next set in lexicographic order."""
    size = members.size
    place = size - 1
    while members[place] == n_blocks - size + place:
        place -= 1
    members[place] += 1
    for later in range(place + 1, size):
        members[later] = members[later - 1] + 1


@njit(cache=True, fastmath={"nnan", "nsz"})
def _first_best(scores: FloatArray) -> int:
    """Index of the highest score, the first on ties. There is no NaN among them."""
    highest = scores[0]
    for j in range(1, scores.size):
        highest = scores[j] if scores[j] > highest else highest
    highest -= TIED * abs(highest)
    best = 0
    while scores[best] < highest:
        best += 1
    return best


@njit(cache=True)
def _average_rank(scores: FloatArray, chosen: int) -> float:
    """Rank of one trial, 1 is worst, ties averaged."""
    slack = TIED * abs(scores[chosen])
    floor, ceiling = scores[chosen] - slack, scores[chosen] + slack
    below = 0
    not_above = 0
    for j in range(scores.size):
        below += scores[j] < floor
        not_above += scores[j] <= ceiling
    return (below + not_above + 1) / 2.0


@njit(cache=True)
def _score_pair(
    tables: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    totals: tuple[FloatArray, FloatArray, FloatArray],
    n_rows: int,
    one: FloatArray,
    other: FloatArray,
) -> int:
    """Score every trial on a half and on its complement.

    The score is ``mean |mean| / sum of squared deviations``: it orders trials as the ratio
    does, without a square root, and one division serves both halves. Returns the number
    of trials whose variance is lost in the rounding of the sums.
    """
    low_sums, high_sums, low_squares, high_squares = tables
    all_sums, all_squares, shift = totals
    per_row = 1.0 / n_rows
    lost = 0
    for j in range(one.size):
        inner = low_sums[j] + high_sums[j]
        outer = all_sums[j] - inner
        inner_square = low_squares[j] + high_squares[j]
        outer_square = all_squares[j] - inner_square
        inner_rest = inner_square - inner * inner * per_row
        outer_rest = outer_square - outer * outer * per_row
        lost += (inner_rest <= LOST * inner_square) | (outer_rest <= LOST * outer_square)
        inner_mean = inner * per_row + shift[j]
        outer_mean = outer * per_row + shift[j]
        scale = 1.0 / (inner_rest * outer_rest)
        one[j] = inner_mean * abs(inner_mean) * outer_rest * scale
        other[j] = outer_mean * abs(outer_mean) * inner_rest * scale
    return lost


@njit(cache=True, error_model="numpy")
def rank_splits(
    shift: FloatArray, sums: FloatArray, squares: FloatArray, n_rows: int
) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
    """Choose in sample and rank out of sample, for every split.

    Parameters
    ----------
    shift, sums, squares
        From `block_moments`, each trial scaled so that its squares are neither huge nor tiny.
    n_rows : int
        Rows in one half.

    Returns
    -------
    chosen, inside, outside, rank : ndarray of shape (n_combinations,)
        Index of the in-sample best, its score in and out of sample, its rank out of sample.
        The ranks are NaN if any variance is lost in rounding.
    """
    n_blocks, n_trials = sums.shape
    half = n_blocks // 2
    low_sums, low_squares = _subset_sums(sums[:half]), _subset_sums(squares[:half])
    high_sums, high_squares = _subset_sums(sums[half:]), _subset_sums(squares[half:])
    mask = (1 << half) - 1
    totals = (low_sums[mask] + high_sums[mask], low_squares[mask] + high_squares[mask], shift)
    count = 1
    for k in range(half):
        count = count * (n_blocks - k) // (k + 1)
    chosen = np.empty(count, np.int64)
    inside, outside, rank = np.empty(count), np.empty(count), np.empty(count)
    members = np.arange(half)
    one, other = np.empty(n_trials), np.empty(n_trials)
    # In lexicographic order the complement of split i is split count - 1 - i.
    for split in range(count // 2):
        subset = 0
        for block in members:
            subset |= 1 << block
        low, high = subset & mask, subset >> half
        tables = (low_sums[low], high_sums[high], low_squares[low], high_squares[high])
        if _score_pair(tables, totals, n_rows, one, other):
            rank[:] = np.nan
            break
        pick, mirror = _first_best(one), count - 1 - split
        chosen[split], inside[split], outside[split] = pick, one[pick], other[pick]
        rank[split] = _average_rank(other, pick)
        pick = _first_best(other)
        chosen[mirror], inside[mirror], outside[mirror] = pick, other[pick], one[pick]
        rank[mirror] = _average_rank(one, pick)
        _next_combination(members, n_blocks)
    return chosen, inside, outside, rank
