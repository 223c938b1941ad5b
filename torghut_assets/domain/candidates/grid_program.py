"""A grid decided at once: an optional part of the strategy contract, for speed only.

`target_weights` is the definition of a strategy. A plugin whose grid is worth compiling may also
offer `grid_program(bars, points)`: an object that writes the weights of many points, some bars
at a time, eight points side by side, into a buffer that stays in the processor's cache. It must
decide the same bits as `target_weights`. The conformance suite compares them on its panels, and
the walk-forward compares them again on the real bars for every point that it chose.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.candidates.strategy import (
    BarPanel,
    Floats,
    Strategy,
    StrategyParameters,
)

LANES = 8
"""Points side by side in one block; `lanes` computes with vectors of this many numbers."""

NOBODY = -1
"""In `GridProgram.lane_points`: a lane that fills up its block."""


class GridPiece(NamedTuple):
    """Bars `[start, end)` of the blocks `[first_block, end_block)`."""

    start: int
    end: int
    first_block: int
    end_block: int


class GridProgram(Protocol):
    """Decides the weights of a grid piece by piece.

    Attributes
    ----------
    lane_points : ndarray of int64, shape (n_blocks * LANES,)
        Which point each lane decides: its index in the grid, each exactly once, else `NOBODY`.
    """

    lane_points: npt.NDArray[np.int64]

    def decide(self, piece: GridPiece, out: Floats) -> None:
        """Fill `out`, shape (n_blocks, n_bars, n_symbols, LANES) of this piece, flat.

        The numbers are those of `target_weights`: same bits, zeros positive. A lane of `NOBODY`
        may hold any finite number. Pieces come in any order and may come again.
        """
        ...


@runtime_checkable
class GridStrategy(Protocol):
    """A strategy that offers a program for its grid."""

    def grid_program(
        self, bars: BarPanel, points: Sequence[StrategyParameters]
    ) -> GridProgram | None:
        """Return a program for these points, or None if it would not be worth it."""
        ...


def offered_program(
    strategy: Strategy, bars: BarPanel, points: Sequence[StrategyParameters]
) -> GridProgram | None:
    """Return the plugin's program for a grid, if it has one; foreign code, call it guarded."""
    if not isinstance(strategy, GridStrategy):
        return None
    return strategy.grid_program(bars, points)


def lanes_are_complete(lane_points: npt.NDArray[np.int64], n_points: int) -> bool:
    """Whether whole blocks hold every point exactly once."""
    asked = np.sort(lane_points[lane_points != NOBODY])
    return lane_points.size % LANES == 0 and np.array_equal(asked, np.arange(n_points))
