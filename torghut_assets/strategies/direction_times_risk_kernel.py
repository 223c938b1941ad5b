"""The compiled part of `direction_times_risk`, its only caller: multiply, sum, scale."""

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


def warm_up() -> None:
    """Compile the kernel into its cache."""
    tables = (np.zeros((1, 1, LANES)), np.zeros((1, 1, 1)))
    decide(tables, (0, 1), np.zeros((1, 2), np.int64), 1.0, np.empty(LANES))
