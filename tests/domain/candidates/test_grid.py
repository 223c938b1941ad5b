"""The parameter grid: order, exclusion of what the plugin refuses, and speed."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torghut_assets.domain.candidates.grid import (
    MAX_GRID_POINTS,
    declared_parameters,
    parameter_grid,
    parameter_points,
)
from torghut_assets.domain.candidates.records import CandidateSpec
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.records import parse_record
from torghut_assets.strategies.moving_average_trend_v1 import MovingAverageTrendParameters

DEFAULTS = MovingAverageTrendParameters().model_dump()


@pytest.fixture
def spec_of(document):
    def make(parameters, grid):
        content = {**document, "parameters": parameters, "parameter_grid": grid, "parent": None}
        return parse_record(CandidateSpec, content, location="x")

    return make


def test_the_declared_point_leads_and_the_rest_follows_by_name(spec_of):
    spec = spec_of(
        {"fast_bars": 20, "slow_bars": 100},
        {"slow_bars": [50, 100], "fast_bars": [10, 20]},
    )
    points = parameter_points(spec, MovingAverageTrendParameters)
    pairs = [(p["fast_bars"], p["slow_bars"]) for p in points]
    assert pairs == [(20, 100), (10, 50), (10, 100), (20, 50)]
    assert all(set(point) == set(DEFAULTS) for point in points)


def test_combinations_that_the_plugin_refuses_are_left_out_and_counted(spec_of):
    spec = spec_of(
        {"fast_bars": 20, "slow_bars": 100},
        {"fast_bars": [20, 100, 120], "slow_bars": [50, 100]},
    )
    grid = parameter_grid(spec, MovingAverageTrendParameters)
    assert grid.refused == 4
    assert [p["fast_bars"] for p in grid.points] == [20, 20]
    assert [m.model_dump() for m in grid.models] == list(grid.points)


def test_order_survives_the_store(spec_of):
    spec = spec_of(
        {"fast_bars": 20, "slow_bars": 100, "band_fraction": 0},
        {"slow_bars": [50, 100], "fast_bars": [20, 10], "band_fraction": [0, 0.1]},
    )
    stored = CandidateSpec.from_canonical_bytes(spec.canonical_bytes(), location="x")
    assert parameter_points(stored, MovingAverageTrendParameters) == parameter_points(
        spec, MovingAverageTrendParameters
    )


def test_whole_numbers_become_fractions_where_the_plugin_says_so(spec_of):
    spec = spec_of({"band_fraction": 0}, {"band_fraction": [0, 0.1]})
    points = parameter_points(spec, MovingAverageTrendParameters)
    assert [type(p["band_fraction"]) for p in points] == [float, float]
    assert len(points) == 2


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"fast_bars": 0}, "fast_bars"),
        ({"fast_bars": 20.5}, "fast_bars"),
        ({"fast_bars": "20"}, "fast_bars"),
        ({"fats_bars": 20}, "fats_bars"),
        ({"fast_bars": 200, "slow_bars": 100}, "less than slow_bars"),
    ],
)
def test_the_declared_point_must_be_accepted(spec_of, parameters, problem):
    with pytest.raises(BadInputError, match=problem):
        declared_parameters(spec_of(parameters, {}), MovingAverageTrendParameters)
    with pytest.raises(BadInputError, match="It knows: fast_bars"):
        parameter_grid(spec_of(parameters, {}), MovingAverageTrendParameters)


def test_a_grid_of_an_unknown_parameter_is_refused(spec_of):
    with pytest.raises(BadInputError, match="found fats_bars"):
        parameter_grid(spec_of({}, {"fats_bars": [1]}), MovingAverageTrendParameters)


def test_too_many_combinations_are_refused_without_trying_them(spec_of):
    wide = list(range(1, 202))
    spec = spec_of({}, dict.fromkeys(("fast_bars", "slow_bars", "volatility_bars"), wide))
    with pytest.raises(BadInputError, match=f"at most {MAX_GRID_POINTS}"):
        parameter_grid(spec, MovingAverageTrendParameters)


@settings(max_examples=40, deadline=None)
@given(
    fast=st.lists(st.integers(2, 60), min_size=1, max_size=6, unique=True),
    slow=st.lists(st.integers(5, 60), min_size=1, max_size=6, unique=True),
)
def test_points_and_refusals_add_up_to_the_grid(fast, slow):
    pairs = list(itertools.product(sorted(fast), sorted(slow)))
    accepted = [(f, s) for f, s in pairs if f < s]
    if not accepted:
        return
    spec = CandidateSpec.model_construct(
        candidate_id="some-id",
        parameters={"fast_bars": accepted[-1][0], "slow_bars": accepted[-1][1]},
        parameter_grid={"fast_bars": tuple(fast), "slow_bars": tuple(slow)},
    )
    grid = parameter_grid(spec, MovingAverageTrendParameters)
    found = [(p["fast_bars"], p["slow_bars"]) for p in grid.points]
    assert found[0] == accepted[-1]
    assert sorted(found) == accepted
    assert len(found) + grid.refused == spec.grid_points
