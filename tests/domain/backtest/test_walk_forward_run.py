"""Parameters are chosen on the past, traded on what follows, and switching costs money."""

import numpy as np
import pytest
from simulated_markets import (
    POINTS,
    bar_panel,
    momentum,
    plan,
    random_prices,
    risk_limits,
    settings,
    walk_forward,
)

from torghut_assets.domain.backtest.accounting import simulate
from torghut_assets.domain.backtest.errors import (
    FoldsLongerThanDataError,
    GridRefusedError,
    WeightsRefusedError,
)
from torghut_assets.domain.backtest.folds import Fold
from torghut_assets.domain.backtest.market import market_arrays
from torghut_assets.domain.backtest.walk_forward_run import choose, run_walk_forward


def fold(train_end=6, embargoes=()):
    return Fold(1, 0, train_end, train_end + 1, train_end + 3, embargoes)


def test_the_best_train_ratio_wins():
    returns = np.array(
        [
            [0.01, -0.01, 0.02, -0.01, 0.0, 0.01, 0, 0, 0],
            [0.02, 0.01, 0.02, 0.01, 0.02, 0.01, 0, 0, 0],
            [0.01, 0.00, 0.02, -0.01, 0.0, 0.01, 0, 0, 0],
        ]
    )
    choice = choose(returns, fold())
    assert choice.point == 1
    assert choice.train_sharpe == pytest.approx(0.015 / np.std([0.02, 0.01] * 3, ddof=1))


def test_the_first_wins_on_ties_and_an_undefined_ratio_never_wins():
    up = [0.02, 0.01, 0.02, 0.01, 0.02, 0.01, 0, 0, 0]
    flat = [0.0] * 9
    steady = [0.01] * 9
    assert choose(np.array([flat, steady, up, up]), fold()).point == 2
    losing = [-value for value in up]
    assert choose(np.array([steady, losing]), fold()).point == 1


def test_with_nothing_defined_the_declared_point_stays_without_a_ratio():
    choice = choose(np.zeros((3, 9)), fold())
    assert choice.point == 0
    assert choice.train_sharpe is None


def test_only_train_bars_outside_embargoes_are_looked_at():
    good = [0.02, 0.01, 0.02, 0.01, 0.02, 0.01, -1.0, -1.0, -1.0]
    lucky = [0.0, 0.01, 9.0, 9.1, 0.0, 0.01, 5.0, 5.0, 5.0]
    assert choose(np.array([good, lucky]), fold()).point == 0
    assert choose(np.array([lucky, good]), fold(embargoes=((2, 4),))).point == 1
    calm_but_for_embargo = [0.02, 0.021, -9.0, 9.0, 0.02, 0.021, 0, 0, 0]
    assert choose(np.array([good, calm_but_for_embargo]), fold()).point == 0
    assert choose(np.array([good, calm_but_for_embargo]), fold(embargoes=((2, 4),))).point == 1


def test_what_comes_after_a_train_window_does_not_change_the_choice():
    the_plan = plan()
    prices = random_prices(8)
    base = run(prices, the_plan)
    changed = prices.copy()
    cut = base.choices[1].fold.train_end
    changed[cut:] = changed[cut - 1] * (2 - changed[cut:] / changed[cut - 1])
    other = run(changed, the_plan)
    for one, two in zip(base.choices[:2], other.choices[:2], strict=True):
        assert (one.point, one.train_sharpe) == (two.point, two.train_sharpe)
    assert not np.array_equal(base.grid_returns, other.grid_returns)


def run(prices, the_plan, points=POINTS):
    bars = bar_panel(prices)
    market = market_arrays(bars, the_plan.cost_model.volatility_window_bars)
    return run_walk_forward(market, points, momentum(bars), the_plan)


def test_stitched_weights_are_the_chosen_points_weights_in_each_test_window():
    finished = walk_forward(seed=3)
    bars = bar_panel(random_prices(3))
    assert len({choice.point for choice in finished.choices}) > 1
    for choice in finished.choices:
        window = slice(choice.fold.test_start, choice.fold.test_end)
        expected = momentum(bars)(POINTS[choice.point])
        assert np.array_equal(finished.stitched_weights[window], expected[window])
    start, end = finished.out_of_sample
    assert not finished.stitched_weights[:start].any()
    assert not finished.stitched_weights[end:].any()


def test_one_account_goes_through_all_folds():
    """At a fold border the account holds what the fold before decided, `lag` bars on."""
    finished = walk_forward(seed=3)
    again = simulate(finished.stitched_weights, finished.conditions, finished.rules)
    assert np.array_equal(again.net_return, finished.stitched.net_return)
    border = finished.choices[0].fold.test_end
    alone = np.zeros_like(finished.stitched_weights)
    alone[border:] = finished.stitched_weights[border:]
    fresh = simulate(alone, finished.conditions, finished.rules)
    assert fresh.gross_exposure[border] == 0.0
    assert finished.stitched.gross_exposure[border] > 0.5


def test_a_single_point_is_its_own_choice_in_every_fold():
    finished = walk_forward(points=POINTS[:1])
    assert {choice.point for choice in finished.choices} == {0}
    start, end = finished.out_of_sample
    assert np.array_equal(
        finished.stitched_weights[start:end], finished.declared_weights[start:end]
    )
    assert np.array_equal(finished.grid_returns[0], finished.declared.net_return)


def test_each_point_is_asked_once_and_picked_ones_once_more():
    bars = bar_panel(random_prices(3))
    asked, told = [], []

    def weights_of(point):
        asked.append(POINTS.index(point))
        return momentum(bars)(point)

    market = market_arrays(bars, 10)
    finished = run_walk_forward(
        market, POINTS, weights_of, plan(), lambda done, total: told.append((done, total))
    )
    picked = sorted({choice.point for choice in finished.choices} - {0})
    assert asked == [0, 1, 2, 3, 4, *picked]
    assert told == [(done, 5) for done in range(1, 6)]


def test_a_plugin_that_reuses_its_array_does_not_spoil_the_declared_weights():
    bars = bar_panel(random_prices(3))
    buffer = np.zeros_like(bars.close)

    def weights_of(point):
        buffer[:] = momentum(bars)(point)
        return buffer

    finished = run_walk_forward(market_arrays(bars, 10), POINTS, weights_of, plan())
    assert np.array_equal(finished.declared_weights, momentum(bars)(POINTS[0]))
    assert np.array_equal(finished.stitched_weights, walk_forward(seed=3).stitched_weights)


def test_no_points_and_too_many_points_are_refused():
    market = market_arrays(bar_panel(random_prices(1)), 10)
    with pytest.raises(GridRefusedError, match="none"):
        run_walk_forward(market, (), lambda point: point, plan())
    small = plan(settings=settings(max_grid_points=4))
    with pytest.raises(GridRefusedError, match="at most 4"):
        run_walk_forward(market, POINTS, lambda point: point, small)


def test_too_short_data_and_bad_weights_are_refused():
    market = market_arrays(bar_panel(random_prices(1, n_bars=100)), 10)
    with pytest.raises(FoldsLongerThanDataError):
        run_walk_forward(market, POINTS, momentum(bar_panel(random_prices(1))), plan())
    market = market_arrays(bar_panel(random_prices(1)), 10)
    with pytest.raises(WeightsRefusedError):
        run_walk_forward(market, POINTS, lambda _: np.full((200, 4), np.nan), plan())


def test_limits_reach_the_account():
    tight = plan(limits=risk_limits(max_gross_fraction=0.3, min_trade_fraction=0.0))
    finished = run(random_prices(2), tight)
    assert finished.rules.max_gross == 0.3
    assert 0.25 < finished.stitched.gross_exposure.max() < 0.35
