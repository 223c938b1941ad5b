"""Does a plugin's grid program decide what its `target_weights` decide? To the bit, or it fails.

The program is asked for the whole grid at once, in long pieces and in short ones, and compared
with `target_weights` point by point. The bars have gaps, standstills, one symbol and thirty.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from torghut_assets.domain.candidates.examinee import ContractViolationError, Examinee, guarded
from torghut_assets.domain.candidates.grid_program import (
    LANES,
    NOBODY,
    GridPiece,
    GridProgram,
    lanes_are_complete,
    offered_program,
)
from torghut_assets.domain.candidates.panels import ExaminationPanel, examination_panels
from torghut_assets.domain.candidates.strategy import Floats, Strategy, StrategyParameters

MAX_BLOCKS: Final = 12
"""Blocks of eight points compared on each panel; of more as many, spread evenly."""

_PANELS: Final = ("with gaps", "with standstills", "one symbol", "thirty symbols")
_SHORT_PIECE: Final = 37


def check_grid_program(strategy: Strategy, points: Sequence[StrategyParameters]) -> str:
    """Return how many points were compared.

    Parameters
    ----------
    strategy : Strategy
    points : sequence of StrategyParameters
        All points of the grid, the declared one first.

    Raises
    ------
    ContractViolationError
        With the first panel, point, row and symbol that differ, or what else is wrong.
    """
    longest = max(Examinee(strategy, point).warm_up_bars for point in points)
    compared: set[int] = set()
    for panel in (p for p in examination_panels(longest) if p.name in _PANELS):
        where = f"grid program, {panel.name} panel"
        program: Any = guarded(
            lambda bars=panel.bars: offered_program(strategy, bars.read_only(), points),  # type: ignore[misc]
            location=where,
        )
        if program is None:
            return "no grid program: target_weights decides every point"
        complete = guarded(
            lambda offered=program: lanes_are_complete(offered.lane_points, len(points)),  # type: ignore[misc]
            location=where,
        )
        if not complete:
            raise ContractViolationError(
                location=where,
                found="other lane_points",
                expected=f"whole blocks of {LANES} that hold each of {len(points)} points once",
            )
        n_blocks = program.lane_points.size // LANES
        chosen = np.linspace(0, n_blocks - 1, min(n_blocks, MAX_BLOCKS)).astype(np.int64)
        for block in chosen.tolist():
            compared |= _check_block(strategy, points, program, panel, block)
    return f"{len(compared)} of {len(points)} points, the same bits on {len(_PANELS)} panels"


def block_weights(program: GridProgram, block: int, shape: tuple[int, int], step: int) -> Floats:
    """All weights of one block, asked for `step` bars at a time.

    Parameters
    ----------
    program : GridProgram
    block : int
    shape : (int, int)
        Bars and symbols.
    step : int

    Returns
    -------
    ndarray of float64, shape (n_bars, n_symbols, LANES)
    """
    n_bars, n_symbols = shape
    pieces = []
    for start in range(0, n_bars, step):
        end = min(start + step, n_bars)
        out = np.full((end - start) * n_symbols * LANES, np.nan)
        program.decide(GridPiece(start, end, block, block + 1), out)
        pieces.append(out.reshape(end - start, n_symbols, LANES))
    return np.concatenate(pieces)


def _check_block(
    strategy: Strategy,
    points: Sequence[StrategyParameters],
    program: GridProgram,
    panel: ExaminationPanel,
    block: int,
) -> set[int]:
    """Compare the points of one block; return which they are."""
    bars = panel.bars
    shape = (bars.n_bars, bars.n_symbols)
    where = f"grid program, {panel.name} panel, block {block}"
    whole, pieces = (
        guarded(
            lambda step=step: block_weights(program, block, shape, step),  # type: ignore[misc]
            location=where,
        )
        for step in (bars.n_bars, _SHORT_PIECE)
    )
    _expect_same(pieces, whole, f"{where}, {_SHORT_PIECE} bars at a time", "as of all bars at once")
    found = set()
    for lane, point in enumerate(program.lane_points[block * LANES :][:LANES].tolist()):
        if point == NOBODY:
            _expect_finite(whole[:, :, lane], f"{where}, lane {lane}")
            continue
        examinee = Examinee(strategy, points[point])
        weights = examinee.weights(bars.read_only(), where=f"{panel.name} panel, point {point}")
        _expect_same(whole[:, :, lane], weights, f"{where}, point {point}", "as of target_weights")
        found.add(point)
    return found


def _expect_same(found: Floats, expected: Floats, where: str, what: str) -> None:
    differ = np.argwhere(
        np.ascontiguousarray(found).view(np.int64) != np.ascontiguousarray(expected).view(np.int64)
    )
    if differ.size:
        first = tuple(int(i) for i in differ[0])
        raise ContractViolationError(
            location=f"{where}, row {first[0]}, symbol {first[1]}",
            found=f"{float(found[first])!r} (and {len(differ) - 1} more)",
            expected=f"{float(expected[first])!r}, {what}, to the bit",
        )


def _expect_finite(found: Floats, where: str) -> None:
    if not np.isfinite(found).all():
        raise ContractViolationError(
            location=where, found="NaN or infinity", expected="a finite number in every lane"
        )
