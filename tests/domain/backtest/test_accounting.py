"""The account against cases worked out by hand, and what it refuses."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from torghut_assets.domain.backtest.accounting import AccountRules, simulate
from torghut_assets.domain.backtest.costs import Conditions, CostRates
from torghut_assets.domain.backtest.errors import AccountRulesError, WeightsRefusedError
from torghut_assets.domain.backtest.lane_grid import simulate_side_by_side
from torghut_assets.domain.backtest.lane_scenarios import warm_up_kernels

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "accounting.json").read_text())
FLAT = Conditions.proportional(np.zeros((4, 2)), 0.0)


def conditions_of(case):
    empty = np.empty((0, 0))
    return Conditions(
        returns=np.array(case["returns"]),
        liquidity_usd=np.array(case["liquidity_usd"]) if "liquidity_usd" in case else empty,
        volatility=np.array(case["volatility"]) if "volatility" in case else empty,
        rates=CostRates(**case["rates"]),
    )


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
def test_hand_computed_cases(case):
    path = simulate(np.array(case["weights"]), conditions_of(case), AccountRules(**case["rules"]))
    for name, expected in case["expected"].items():
        assert getattr(path, name) == pytest.approx(expected, abs=2e-15, rel=1e-14), name
    for name, expected in case.get("by_symbol", {}).items():
        assert getattr(path.by_symbol, name) == pytest.approx(expected, rel=1e-14), name
    assert path.ruin_bar is None


def test_one_bar_is_a_path_without_a_trade():
    path = simulate(np.ones((1, 1)), Conditions.proportional(np.zeros((1, 1)), 0.1), AccountRules())
    assert path.n_bars == 1
    assert path.equity.tolist() == [1.0]
    assert path.turnover.tolist() == [0.0]


def test_constant_prices_cost_only_the_entry():
    weights = np.full((50, 2), 0.5)
    path = simulate(weights, Conditions.proportional(np.zeros((50, 2)), 0.001), AccountRules())
    assert path.equity[1] == pytest.approx(0.999)
    # The cost leaves a debt of 0.001, which the next bar pays back by selling 0.001 of stock.
    assert path.equity[-1] == pytest.approx(0.999 - 1e-6, abs=2e-9)
    assert np.all(path.gross_return == 0.0)


def test_the_lag_moves_the_trade():
    weights = np.array([[1.0], [0.0], [0.0], [0.0], [0.0]])
    conditions = Conditions.proportional(np.zeros((5, 1)), 0.0)
    for lag in (1, 2, 3):
        path = simulate(weights, conditions, AccountRules(lag=lag))
        assert np.flatnonzero(path.net_exposure).tolist() == [lag]


def test_a_bar_without_volume_fills_nothing_and_carries_the_order():
    returns = np.zeros((4, 1))
    liquidity = np.array([[1e6], [0.0], [1e6], [1e6]])
    weights = np.full((4, 1), 0.5)
    conditions = Conditions.proportional(returns, 0.0).with_liquidity(liquidity)
    path = simulate(weights, conditions, AccountRules(cooldown=3, equity_usd=100.0))
    assert path.net_exposure.tolist() == [0.0, 0.0, 0.5, 0.5]
    assert path.ordered.tolist() == [0.0, 0.5, 0.5, 0.0]


def test_a_short_that_more_than_doubles_ruins_the_account_for_good():
    returns = np.array([[0.0], [0.0], [1.5], [0.1], [-0.1]])
    path = simulate(-np.ones((5, 1)), Conditions.proportional(returns, 0.0), AccountRules())
    assert path.ruin_bar == 2
    assert path.net_return.tolist() == [0.0, 0.0, -1.0, 0.0, 0.0]
    assert path.gross_return[2] == -1.0
    assert path.equity.tolist() == [1.0, 1.0, 0.0, 0.0, 0.0]
    assert path.by_symbol.contribution[0] == pytest.approx(-1.5)
    outside = simulate(
        -np.ones((5, 1)), Conditions.proportional(returns, 0.0), AccountRules(), (3, 5)
    )
    assert outside.by_symbol.contribution[0] == 0.0


def test_costs_above_the_equity_ruin_the_account():
    path = simulate(np.ones((3, 1)), Conditions.proportional(np.zeros((3, 1)), 1.0), AccountRules())
    assert path.ruin_bar == 1
    assert path.equity.tolist() == [1.0, 0.0, 0.0]
    assert path.net_return.tolist() == [0.0, -1.0, 0.0]


def test_totals_per_symbol_count_only_their_window():
    draw = np.random.default_rng(3)
    weights, returns = draw.normal(0, 0.3, (40, 3)), draw.normal(0, 0.01, (40, 3))
    conditions = Conditions.proportional(returns, 0.001)
    path = simulate(weights, conditions, AccountRules(), (10, 25))
    assert path.by_symbol.cost.sum() == pytest.approx(path.cost_fraction[10:25].sum())
    assert path.by_symbol.turnover.sum() == pytest.approx(path.turnover[10:25].sum())
    assert path.by_symbol.contribution.sum() == pytest.approx(path.net_return[10:25].sum())
    assert path.by_symbol.max_weight.max() == pytest.approx(path.largest_position[10:25].max())


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_accounts_side_by_side_equal_accounts_alone(threads):
    draw = np.random.default_rng(5)
    weights, returns = draw.normal(0, 0.2, (60, 5 * 3)), draw.normal(0, 0.01, (60, 3))
    conditions = Conditions.proportional(returns, 0.0005)
    net, turnover = simulate_side_by_side(weights, conditions, AccountRules(), threads)
    assert net.shape == (5, 60)
    for account in range(5):
        alone = simulate(weights[:, account * 3 : account * 3 + 3], conditions, AccountRules())
        assert np.array_equal(net[account], alone.net_return)
        assert turnover[account] == pytest.approx(alone.turnover.sum(), rel=1e-14)


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({"lag": 0}, "lag"),
        ({"cooldown": -1}, "cooldown"),
        ({"max_gross": 0.0}, "max_gross"),
        ({"max_net": float("nan")}, "max_net"),
        ({"max_participation": -1.0}, "max_participation"),
        ({"equity_usd": 0.0}, "equity_usd"),
        ({"min_trade": -0.1}, "min_trade"),
        ({"min_trade": float("nan")}, "min_trade"),
    ],
)
def test_rules_out_of_range_are_refused(changes, location):
    with pytest.raises(AccountRulesError) as caught:
        AccountRules(**changes)
    assert caught.value.location == location


@pytest.mark.parametrize(
    "weights", [np.zeros((4, 3)), np.zeros((3, 2)), np.zeros(4), np.zeros((4, 2, 1))]
)
def test_weights_of_another_shape_are_refused(weights):
    with pytest.raises(WeightsRefusedError, match="shape"):
        simulate(weights, FLAT, AccountRules())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused_by_place(bad):
    weights = np.zeros((4, 2))
    weights[2, 1] = bad
    with pytest.raises(WeightsRefusedError, match="bar 2, column 1"):
        simulate(weights, FLAT, AccountRules())


def test_columns_that_are_no_whole_accounts_are_refused():
    with pytest.raises(WeightsRefusedError, match="shape"):
        simulate_side_by_side(np.zeros((4, 5)), FLAT, AccountRules())


def test_the_weights_given_are_not_changed():
    weights = np.random.default_rng(1).normal(size=(4, 2))
    before = weights.copy()
    simulate(weights, FLAT, replace(AccountRules(), max_gross=0.1))
    assert np.array_equal(weights, before)


def test_warming_up_runs_every_kernel():
    from torghut_assets.domain.backtest import accounting_kernel, lane_kernel, lane_rows_kernel

    warm_up_kernels()
    assert accounting_kernel.run_account.signatures
    for kernel in (lane_kernel.run_plain, lane_kernel.run_limited):
        assert kernel.signatures
    for name in ("gather", "gather_delayed", "summarize"):
        assert getattr(lane_rows_kernel, name).signatures
