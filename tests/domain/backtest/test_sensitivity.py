"""Neighbours in the grid, and what they say about the declared point."""

from dataclasses import replace

import numpy as np
import pytest
from simulated_markets import POINTS, walk_forward

from torghut_assets.domain.backtest.metrics import annualized, sharpe_per_bar
from torghut_assets.domain.backtest.sensitivity import neighbours, sensitivity


def points_of(*triples):
    return [dict(zip(("fast", "slow", "mode"), triple, strict=True)) for triple in triples]


def test_a_neighbour_is_one_step_away_in_one_parameter():
    points = points_of(
        (10, 50, "a"),
        (5, 50, "a"),  # one step down
        (20, 50, "a"),  # one step up
        (40, 50, "a"),  # two steps up
        (10, 100, "a"),  # one step in another parameter
        (20, 100, "a"),  # one step in each of two
        (10, 50, "b"),  # another word
        (10, 50, "c"),  # words have no order
        (10, 200, "a"),  # two steps
    )
    assert neighbours(points) == (1, 2, 4, 6, 7)
    assert neighbours(points, of=3) == (2,)


def test_a_declared_value_between_grid_values_has_a_step_to_both():
    points = [{"n": 7}, {"n": 5}, {"n": 10}, {"n": 20}]
    assert neighbours(points) == (1, 2)


def test_switches_and_numbers_do_not_mix():
    points = [{"s": True}, {"s": False}, {"s": 1}]
    assert neighbours(points) == (1, 2)
    assert neighbours([{"n": 1.0}, {"n": 1}, {"n": 2}]) == (2,)


def test_figures_are_those_of_the_points_traded_alone():
    run = walk_forward(seed=2)
    start, end = run.out_of_sample
    ratios = [sharpe_per_bar(returns[start:end]) for returns in run.grid_returns]
    near = [1, 2, 4]  # lookback 5 and 20, and the inverted rule
    found = sensitivity(run)
    assert neighbours(POINTS) == tuple(near)
    assert found.neighbours == 3
    assert found.declared_sharpe_annual == pytest.approx(annualized(ratios[0], 252))
    expected = sorted(ratios[index] for index in near)
    assert found.neighbour_worst_sharpe_annual == pytest.approx(annualized(expected[0], 252))
    assert found.neighbour_median_sharpe_annual == pytest.approx(annualized(expected[1], 252))
    positive = [returns[start:end].mean() > 0 for returns in run.grid_returns]
    assert found.grid_share_positive == pytest.approx(np.mean(positive))


def test_an_undefined_neighbour_is_the_worst_not_left_out():
    run = walk_forward(seed=2)
    spoiled = run.grid_returns.copy()
    spoiled[1] = 0.0
    found = sensitivity(replace(run, grid_returns=spoiled))
    assert found.neighbours == 3
    assert found.neighbour_worst_sharpe_annual is None
    assert found.neighbour_median_sharpe_annual is None


def test_a_single_point_has_no_neighbours():
    found = sensitivity(walk_forward(points=POINTS[:1]))
    assert found.neighbours == 0
    assert found.neighbour_median_sharpe_annual is None
