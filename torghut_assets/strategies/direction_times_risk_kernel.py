"""The compiled part of `direction_times_risk`, its only caller: factors; multiply, sum, scale."""

from typing import Any

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.candidates.lanes import LANES, compiled, fill, load, store, where

Array = npt.NDArray[Any]


@compiled
def decide(
    tables: tuple[Array, Array],
    rows: tuple[int, int],
    blocks: Array,
    max_gross: float,
    out: Array,
) -> None:
    """Write the finished weights of some blocks on some bars.

    Parameters
    ----------
    tables : (ndarray, ndarray)
        Inner factor, shape (n_rows, n_symbols, n_inner), and outer factor, shape
        (n_outer, n_rows, n_symbols); finite.
    rows : (int, int)
        Rows of the tables to decide on, `[start, end)`.
    blocks : ndarray of int64, shape (n_blocks, 2)
        Outer key and block of inner keys.
    max_gross : float
    out : ndarray of float64, shape (n_blocks, end - start, n_symbols, LANES), flat
    """
    inner, outer = tables
    start, end = rows
    _, n_symbols, n_inner = inner.shape
    flat = inner.ravel()
    for b in range(len(blocks)):
        key, inner_block = blocks[b, 0], blocks[b, 1]
        for row in range(start, end):
            theirs = outer[key, row]
            source = row * n_symbols * n_inner + inner_block * LANES
            target = (b * (end - start) + row - start) * n_symbols * LANES
            gross = fill(0.0)
            for i in range(n_symbols):
                weight = load(flat, source + i * n_inner) * theirs[i]
                gross = gross + abs(weight)
                store(out, target + i * LANES, weight)
            scale = gross / max_gross
            scale = 1.0 / where(scale > 1.0, scale, 1.0)
            for i in range(n_symbols):
                at = target + i * LANES
                store(out, at, load(out, at) * scale + 0.0)


@compiled
def direction_rows(later: Array, earlier: Array, short_fraction: float, out: Array) -> None:
    """Sign of `later - earlier`, a falling one `short_fraction` in size; NaN stays NaN.

    All are float64 of shape (n_rows, n_symbols), and contiguous.
    """
    new, old, signs = later.ravel(), earlier.ravel(), out.ravel()
    for j in range(signs.size):
        change = new[j] - old[j]
        signs[j] = 1.0 if change > 0.0 else (-short_fraction if change < 0.0 else change)


@compiled
def risk_rows(
    returns: Array, squares: Array, window: int, scale: tuple[float, ...], out: Array
) -> None:
    """`risk_units(trailing_volatility(...))` where no return is missing, operation by operation.

    Parameters
    ----------
    returns, squares : ndarray of float64, shape (n_rows + window - 1, n_symbols)
        Contiguous; the last row is that of the last output.
    window : int
        Returns per estimate.
    scale : (float, float, float)
        Periods per year over `window - 1`, the lowest variance, and the risk of one symbol.
    out : ndarray of float64, shape (n_rows, n_symbols)
    """
    yearly, lowest, risk = scale
    n_symbols = returns.shape[1]
    total, square = _window_sums(returns, window), _window_sums(squares, window)
    units = out.ravel()
    for j in range(n_symbols * len(out)):
        variance = (square[j] - total[j] * total[j] / window) * yearly
        variance = lowest if variance < lowest else variance
        units[j] = risk / np.sqrt(variance)


@compiled
def _window_sums(values: Array, window: int) -> Array:
    """Sums over windows by doubling, as `building_blocks` adds them; row i starts at row i."""
    n_symbols = values.shape[1]
    n = (len(values) - window + 1) * n_symbols
    total = np.empty(n)
    block, other = values.ravel().copy(), np.empty(values.size)
    size, covered = 1, 0
    while True:
        if window & size:
            at = covered * n_symbols
            if covered:
                for j in range(n):
                    total[j] += block[at + j]
            else:
                total[:] = block[:n]
            covered += size
        if covered == window:
            return total
        ahead = size * n_symbols
        for j in range(values.size - (2 * size - 1) * n_symbols):
            other[j] = block[j] + block[j + ahead]
        block, other = other, block
        size *= 2


def warm_up() -> None:
    """Compile the kernels into their cache."""
    tables = (np.zeros((1, 1, LANES)), np.zeros((1, 1, 1)))
    decide(tables, (0, 1), np.zeros((1, 2), np.int64), 1.0, np.empty(LANES))
    one = np.ones((1, 1))
    direction_rows(one, one, 1.0, np.empty((1, 1)))
    risk_rows(one, one, 1, (1.0, 1.0, 1.0), np.empty((1, 1)))
