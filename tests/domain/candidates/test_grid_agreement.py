"""A grid program that decides another bit than `target_weights` is found, wherever it is."""

import numpy as np
import pytest

from torghut_assets.domain.candidates.conformance import run_conformance
from torghut_assets.domain.candidates.examinee import ContractViolationError
from torghut_assets.domain.candidates.grid_agreement import check_grid_program
from torghut_assets.domain.candidates.grid_program import LANES, NOBODY, lanes_are_complete
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.strategies.moving_average_trend_v1 import STRATEGY as WITHOUT
from torghut_assets.strategies.time_series_momentum_v1 import (
    TimeSeriesMomentum,
    TimeSeriesMomentumParameters,
)

POINTS = tuple(
    TimeSeriesMomentumParameters(lookback_bars=lookback, volatility_bars=window)
    for lookback in (5, 20, 60)
    for window in (10, 30)
)


class Altered:
    """A true program whose output is changed before it is returned."""

    def __init__(self, program, change):
        self.lane_points = program.lane_points
        self._program, self._change = program, change

    def decide(self, piece, out):
        self._program.decide(piece, out)
        n_blocks = piece.end_block - piece.first_block
        self._change(piece, out.reshape(n_blocks, piece.end - piece.start, -1, LANES))


def altered(change):
    class Plugin(TimeSeriesMomentum):
        def grid_program(self, bars, points):
            return Altered(super().grid_program(bars, points), change)

    return Plugin()


def last_bit_of_one_cell(piece, out):
    if out.shape[2] == 30 and piece.end > 200 >= piece.start:
        lane = out[0, 200 - piece.start, 7]
        lane[:] = np.nextafter(lane, 1.0)


def negative_zero(_, out):
    out[out == 0.0] = -0.0


def depends_on_the_piece(piece, out):
    if piece.end - piece.start < 50:
        out[0, 0, 0] += 1e-17 + piece.start * 1e-3


def spare_lane_is_nan(_, out):
    out[:, :, :, LANES - 1] = np.nan


def raises(*_):
    raise RuntimeError("out of cheese")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (last_bit_of_one_cell, r"thirty symbols panel, block 0, point 0, row 200, symbol 7"),
        (negative_zero, r"found -0\.0"),
        (depends_on_the_piece, r"37 bars at a time"),
        (spare_lane_is_nan, r"lane 7: found NaN"),
        (raises, r"RuntimeError: out of cheese"),
    ],
)
def test_a_program_that_is_wrong_is_refused_by_place(change, says):
    with pytest.raises(ContractViolationError, match=says):
        check_grid_program(altered(change), POINTS)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda lanes: lanes[:-1],
        lambda lanes: np.where(lanes == 2, NOBODY, lanes),
        lambda lanes: np.where(lanes == 2, 1, lanes),
        lambda lanes: np.append(lanes, np.full(LANES, 6)),
    ],
)
def test_lanes_that_are_not_the_points_are_refused(spoil):
    class Plugin(TimeSeriesMomentum):
        def grid_program(self, bars, points):
            program = super().grid_program(bars, points)
            program.lane_points = spoil(program.lane_points)
            return program

    with pytest.raises(ContractViolationError, match="each of 6 points once"):
        check_grid_program(Plugin(), POINTS)


def test_lanes_may_leave_places_free():
    assert lanes_are_complete(np.array([1, NOBODY, 0, *[NOBODY] * 5]), 2)
    assert not lanes_are_complete(np.array([1, 0]), 2)


def test_the_suite_says_what_was_compared():
    results = run_conformance(TimeSeriesMomentum(), POINTS[0], POINTS[1:])
    assert all(result.verdict is Verdict.PASS for result in results)
    assert results[-1].test == "grid_program_agrees"
    assert results[-1].detail == "6 of 6 points, the same bits on 4 panels"
    wrong = run_conformance(altered(negative_zero), POINTS[0], POINTS[1:])
    assert [r.test for r in wrong if r.verdict is Verdict.FAIL] == ["grid_program_agrees"]


def test_a_plugin_without_a_program_passes():
    detail = check_grid_program(WITHOUT, (WITHOUT.parameters_type(),))
    assert detail.startswith("no grid program")


def test_a_plugin_may_decline():
    class Plugin(TimeSeriesMomentum):
        def grid_program(self, bars, points):  # noqa: ARG002
            return None

    assert check_grid_program(Plugin(), POINTS).startswith("no grid program")
