"""Probability of backtest overfitting by combinatorially symmetric cross-validation.

Of many trials, choose the best on half of the history and look where it ranks on the other
half; do so for every way to take half of the blocks. If the chosen one lands in the lower
half as often as not, choosing was worth nothing.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from torghut_assets.domain.backtest.series import (
    ROUNDING,
    FloatArray,
    IntArray,
    as_matrix,
    is_constant,
    whole_number,
)
from torghut_assets.domain.backtest.statistics_errors import (
    ConstantSeriesError,
    FoldsError,
    NonFiniteInputError,
    ParameterRangeError,
    ShapeMismatchError,
)

_MAX_BLOCKS = 20


@dataclass(frozen=True)
class OverfitProbability:
    """Result of CSCV; arrays have one entry per split, in lexicographic order of the blocks.

    `pbo` counts logits <= 0 as in the paper, `pbo_strict` only those < 0. The slope and
    intercept are those of the out-of-sample on the in-sample ratio of the chosen trial; they
    are NaN if the in-sample ratio never varies.
    """

    n_combinations: int
    logits: FloatArray
    pbo: float
    pbo_strict: float
    prob_oos_loss: float
    degradation_slope: float
    degradation_intercept: float
    chosen: IntArray
    chosen_in_sample: FloatArray
    chosen_out_of_sample: FloatArray


def pbo_n_combinations(n_blocks: int) -> int:
    """Count the ways to take half of the blocks, C(S, S/2).

    Raises
    ------
    FoldsError
        Unless the number of blocks is even and at least 2.
    """
    blocks = whole_number(n_blocks, at_least=2, location="n_blocks")
    if blocks % 2:
        raise FoldsError(location="n_blocks", found=str(blocks), expected="an even number")
    return math.comb(blocks, blocks // 2)


def pbo_cscv(returns: ArrayLike, n_blocks: int = 16) -> OverfitProbability:
    """Probability that the trial chosen in sample is below the median out of sample.

    Parameters
    ----------
    returns : array_like of shape (n_periods, n_trials)
        Returns per period of at least 2 trials. The first ``n_periods mod n_blocks`` rows
        are dropped, so that the blocks are equal and end with the data.
    n_blocks : int
        Even number S of contiguous blocks, from 2 to 20; 16 gives 12,870 splits.

    Returns
    -------
    OverfitProbability
        With the ratio ``mean / std(ddof=1)`` per trial, the in-sample best (the first on
        ties), ``w = rank / (N + 1)`` out of sample (1 is worst, ties averaged) and
        ``logit = ln(w / (1 - w))``. Ratios that differ by rounding only are ties.

    Raises
    ------
    FoldsError
        If the blocks are odd in number, too many, or a half has fewer than 2 rows.
    ShapeMismatchError
        With fewer than 2 trials.
    ConstantSeriesError
        If a trial does not vary in some half: it has no ratio there.

    References
    ----------
    Bailey, D., Borwein, J., Lopez de Prado, M. and Zhu, Q. (2017). The Probability of
    Backtest Overfitting. J. of Computational Finance 20(4), section 3.
    """
    n_combinations = pbo_n_combinations(n_blocks)
    blocks = int(n_blocks)
    matrix = as_matrix(returns, location="returns")
    n_periods, n_trials = matrix.shape
    if blocks > _MAX_BLOCKS:
        raise ParameterRangeError(
            location="n_blocks", found=blocks, expected=f"at most {_MAX_BLOCKS}"
        )
    if n_trials < 2:
        raise ShapeMismatchError(
            location="returns", found=f"{n_trials} trial", expected="at least 2 trials"
        )
    rows = n_periods // blocks
    if rows * blocks < 4:
        raise FoldsError(
            location="n_blocks",
            found=f"{blocks} blocks of {n_periods} periods",
            expected="at least 2 periods in every half",
        )
    from torghut_assets.domain.backtest import overfit_kernel

    used = np.ascontiguousarray(matrix[n_periods - rows * blocks :])
    shift, sums, squares, spread = overfit_kernel.block_moments(used, blocks)
    if not np.isfinite(squares).all():
        raise NonFiniteInputError(location="returns", found="a missing or infinite value")
    _refuse_flat_halves(spread, shift + sums / rows)
    n_rows = rows * blocks // 2
    # A power of two changes no digit; it keeps products of squares in range.
    size = -np.frexp(np.sqrt(np.sum(squares, axis=0) / n_periods))[1]
    chosen, inside, outside, rank = overfit_kernel.rank_splits(
        np.ldexp(shift, size), np.ldexp(sums, size), np.ldexp(squares, 2 * size), n_rows
    )
    if not np.isfinite(rank).all():
        raise ConstantSeriesError(
            location="returns",
            found="a trial whose variance in some half is lost in rounding",
        )
    inside, outside = (_ratio_of_score(score, n_rows) for score in (inside, outside))
    share = rank / (n_trials + 1.0)
    logits = np.log(share / (1.0 - share))
    slope, intercept = _regression(inside, outside)
    return OverfitProbability(
        n_combinations=n_combinations,
        logits=logits,
        pbo=float(np.mean(logits <= 0)),
        pbo_strict=float(np.mean(logits < 0)),
        prob_oos_loss=float(np.mean(outside < 0)),
        degradation_slope=slope,
        degradation_intercept=intercept,
        chosen=chosen,
        chosen_in_sample=inside,
        chosen_out_of_sample=outside,
    )


def _ratio_of_score(score: FloatArray, n_rows: int) -> FloatArray:
    """Mean over sample standard deviation, from ``mean |mean| / sum of squares``."""
    ratio: FloatArray = np.copysign(np.sqrt(np.abs(score) * (n_rows - 1)), score)
    return ratio


def _refuse_flat_halves(spread: FloatArray, mean: FloatArray) -> None:
    """Refuse a trial that is constant, up to rounding, over half of the blocks.

    Both arrays have shape (n_blocks, n_trials): range and mean of each block.
    """
    half = spread.shape[0] // 2
    slack = ROUNDING * np.max(np.abs(mean), axis=0)
    flat = spread <= slack
    for trial in np.flatnonzero(np.count_nonzero(flat, axis=0) >= half):
        levels = np.sort(mean[flat[:, trial], trial])
        if (levels[half - 1 :] - levels[: levels.size - half + 1] <= 4 * slack[trial]).any():
            raise ConstantSeriesError(
                location=f"returns, trial {trial}", found="equal returns over half of the blocks"
            )


def _regression(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Slope and intercept of the least-squares line, NaN if `x` does not vary."""
    if is_constant(x):
        return math.nan, math.nan
    deviation = x - np.mean(x)
    slope = float(np.dot(deviation, y) / np.dot(deviation, deviation))
    return slope, float(np.mean(y)) - slope * float(np.mean(x))
