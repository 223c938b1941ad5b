"""The grid of a strategy that is a direction times a risk unit, decided at once.

Many points of such a grid share a direction (a lookback) or a risk unit (a volatility window),
so each is computed once. What remains per point is compiled: multiply, sum the row's gross, scale
it down. All of it is `building_blocks`, operation by operation, so the bits are the same.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.candidates.grid_program import LANES, NOBODY, GridPiece
from torghut_assets.domain.candidates.strategy import VOLATILITY_FLOOR, BarPanel, Floats
from torghut_assets.strategies.building_blocks import (
    BARS_PER_YEAR,
    risk_units,
    simple_returns,
    tradable,
    trailing_volatility,
)

Rows = Callable[[Any, int, int], Floats]
"""`rows(key, start, end)` are the rows [start, end) of one factor; NaN where it is undefined."""

_FEWEST_TABLE_BARS: Final = 256
_TABLE_VALUES: Final = 1 << 21
"""Factors kept at a time, 16 MiB of them."""


@dataclass(frozen=True)
class Factor:
    """One of the two factors: the key that each point has, and the rows of a key."""

    keys: Sequence[Hashable]
    rows: Rows


class DirectionTimesRisk:
    """A `GridProgram` for weights `finished_weights(direction * risk unit)`.

    Parameters
    ----------
    bars : BarPanel
    direction, risk : Factor
        One key per point. Wherever both are finite their product must be finite, and each must
        be NaN before its own warm-up, so that the point's warm-up is the longer of the two.
    max_gross : float
    """

    def __init__(
        self, bars: BarPanel, direction: Factor, risk: Factor, *, max_gross: float
    ) -> None:
        from torghut_assets.strategies.direction_times_risk_kernel import decide

        self._decide = decide
        factors = [direction, risk]
        distinct = [list(dict.fromkeys(factor.keys)) for factor in factors]
        inner = int(len(distinct[1]) > len(distinct[0]))
        outer = 1 - inner
        self._inner, self._inner_keys = factors[inner], distinct[inner]
        self._outer, self._outer_keys = factors[outer], distinct[outer]
        self._held = tradable(bars.close)
        self._max_gross = float(max_gross)
        self.lane_points, self._blocks = self._layout()
        keys = len(self._inner_keys) + len(self._outer_keys)
        self._table_bars = max(_FEWEST_TABLE_BARS, _TABLE_VALUES // (keys * max(1, bars.n_symbols)))
        self._table_start = self._table_end = 0

    def decide(self, piece: GridPiece, out: Floats) -> None:
        """Fill `out` with the weights of a piece; see `GridProgram`."""
        if not (self._table_start <= piece.start and piece.end <= self._table_end):
            self._tabulate(piece.start, max(piece.end, piece.start + self._table_bars))
        tables = (self._inner_table, self._outer_table)
        rows = (piece.start - self._table_start, piece.end - self._table_start)
        blocks = self._blocks[piece.first_block : piece.end_block]
        self._decide(tables, rows, blocks, self._max_gross, out)

    def _layout(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Blocks of eight neighbouring inner keys under one outer key; shape (n_blocks, 2)."""
        inner_at = {key: place for place, key in enumerate(self._inner_keys)}
        outer_at = {key: place for place, key in enumerate(self._outer_keys)}
        lanes: dict[tuple[int, int, int], list[int]] = {}
        for point, keys in enumerate(zip(self._outer.keys, self._inner.keys, strict=True)):
            outer, inner = outer_at[keys[0]], inner_at[keys[1]]
            copy = 0  # points whose keys are equal go into blocks of their own
            while True:
                block = lanes.setdefault((outer, inner // LANES, copy), [NOBODY] * LANES)
                if block[inner % LANES] == NOBODY:
                    break
                copy += 1
            block[inner % LANES] = point
        order = sorted(lanes)
        return (
            np.array([lanes[block] for block in order], dtype=np.int64).ravel(),
            np.array([block[:2] for block in order], dtype=np.int64),
        )

    def _tabulate(self, start: int, end: int) -> None:
        """Compute all factors on the bars [start, end), as far as there are any."""
        end = min(end, len(self._held))
        held = self._held[start:end]
        width = -(-len(self._inner_keys) // LANES) * LANES
        inner = np.zeros((*held.shape, width))
        outer = np.zeros((len(self._outer_keys), *held.shape))
        for place, key in enumerate(self._inner_keys):
            inner[:, :, place] = _defined(self._inner.rows(key, start, end), held)
        for place, key in enumerate(self._outer_keys):
            outer[place] = _defined(self._outer.rows(key, start, end), held)
        self._inner_table, self._outer_table = inner, outer
        self._table_start, self._table_end = start, end


class RiskRows:
    """Rows of `risk_units(trailing_volatility(price, window), target)`, for a `Factor`.

    Compiled where no return of the rows is missing, else by the building blocks themselves.
    """

    def __init__(self, price: Floats) -> None:
        from torghut_assets.strategies.direction_times_risk_kernel import risk_rows

        self._rows = risk_rows
        self._price = price
        self._returns = simple_returns(price)
        self._squares = self._returns * self._returns
        self._complete = not np.isnan(self._returns[1:]).any()

    def __call__(self, key: tuple[int, float], start: int, end: int) -> Floats:
        """Rows [start, end) for `key`, the window and the target volatility."""
        window, target = key
        first = max(0, start - window)
        if not self._complete:
            volatility = trailing_volatility(self._price[first:end], window)
            return risk_units(volatility, target)[start - first :]
        rows = np.full((end - start, self._price.shape[1]), np.nan)
        begin = max(start, window)
        if begin < end:
            scale = (
                BARS_PER_YEAR / (window - 1.0),
                VOLATILITY_FLOOR * VOLATILITY_FLOOR,
                target / math.sqrt(self._price.shape[1]),
            )
            seen = slice(begin - window + 1, end)
            out = rows[begin - start :]
            self._rows(self._returns[seen], self._squares[seen], window, scale, out)
        return rows


class DirectionRows:
    """Rows of the sign of the price change, shorts scaled, for a `Factor`; compiled."""

    def __init__(self, known: Floats) -> None:
        from torghut_assets.strategies.direction_times_risk_kernel import direction_rows

        self._rows = direction_rows
        self._known = np.ascontiguousarray(known)

    def __call__(self, key: tuple[int, float], start: int, end: int) -> Floats:
        """Rows [start, end) for `key`, the lookback and the size of shorts."""
        lookback, short_fraction = key
        rows = np.full((end - start, self._known.shape[1]), np.nan)
        begin = max(start, lookback)
        if begin < end:
            later, earlier = self._known[begin:end], self._known[begin - lookback : end - lookback]
            self._rows(later, earlier, short_fraction, rows[begin - start :])
        return rows


def _defined(rows: Floats, held: npt.NDArray[np.bool_]) -> Floats:
    """The rows with 0 wherever they are not finite or nothing may be held."""
    return np.where(held & np.isfinite(rows), rows, 0.0)
