"""Every scenario is really simulated again, and says what it changed."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from simulated_markets import (
    INPUTS,
    cost_model,
    plan,
    risk_limits,
    settings,
    stress_settings,
    walk_forward,
)

from torghut_assets.domain.backtest.accounting import AccountRules, simulate
from torghut_assets.domain.backtest.costs import Conditions
from torghut_assets.domain.backtest.metrics import returns_digest
from torghut_assets.domain.backtest.records import StressName
from torghut_assets.domain.backtest.scenarios import (
    SCENARIOS,
    Setting,
    amplified,
    rejected_orders,
    spike_windows,
)
from torghut_assets.domain.backtest.stress import run_stress, stress_metrics


@pytest.fixture(scope="module")
def run():
    return walk_forward(seed=4)


@pytest.fixture(scope="module")
def outcomes(run):
    return {outcome.scenario.name: outcome for outcome in run_stress(run)}


@pytest.fixture(scope="module")
def always_trading():
    """No smallest trade and no cooldown: a cost never decides whether something is traded."""
    limits = risk_limits(min_trade_fraction=0.0, cooldown_bars=0)
    run = walk_forward(seed=4, the_plan=plan(limits=limits))
    return run, {outcome.scenario.name: outcome for outcome in run_stress(run)}


@pytest.fixture(scope="module")
def stressed(run):
    return stress_metrics(run, INPUTS, "9" * 64)


def base_setting(run, **stress):
    return Setting(
        conditions=run.conditions,
        rules=run.rules,
        observed=run.market.observed,
        first_bar=run.out_of_sample[0],
        stress=stress_settings(**stress),
        seed=7,
    )


def test_all_named_scenarios_exist():
    assert tuple(SCENARIOS) == get_args(StressName)


def test_every_scenario_differs_from_the_base(stressed):
    assert stressed.equal_to_base == ()
    digests = {result.returns_digest for result in stressed.results}
    assert len(digests) == len(SCENARIOS)


def test_a_scenario_that_does_not_bite_is_named(run):
    """Free of fees, twice the fee is the base again: kept, and shown as a defect."""
    free = walk_forward(seed=4, the_plan=plan(cost_model=cost_model(fee_bps=0.0)))
    assert stress_metrics(free, INPUTS, "9" * 64).equal_to_base == ("fees_x2",)


def test_the_record_compares_each_path_with_the_base(run, stressed, outcomes):
    start, end = run.out_of_sample
    assert stressed.base_returns_digest == returns_digest(run.stitched.net_return[start:end])
    for result in stressed.results:
        path = outcomes[result.scenario].path
        net = path.net_return[start:end]
        assert result.returns_digest == returns_digest(net)
        assert result.mean_return_per_bar == pytest.approx(net.mean())
        change = result.path.total_return_fraction - stressed.base.total_return_fraction
        assert result.return_change_fraction == pytest.approx(change, abs=1e-11)
        sharpe = result.path.sharpe_annual - stressed.base.sharpe_annual
        assert result.sharpe_change == pytest.approx(sharpe, abs=1e-10)
        assert result.change


def test_without_a_base_ratio_there_is_no_change_of_ratio(run):
    idle = np.zeros_like(run.stitched_weights)
    flat = replace(run, stitched_weights=idle, stitched=simulate(idle, run.conditions, run.rules))
    metrics = stress_metrics(flat, INPUTS, "9" * 64)
    assert {result.sharpe_change for result in metrics.results} == {None}
    assert len(metrics.equal_to_base) == len(SCENARIOS)


@pytest.mark.parametrize("name", ["spread_x2", "spread_x3", "fees_x2", "liquidity_drought"])
def test_dearer_trading_costs_more_for_the_same_returns(always_trading, name):
    run, outcomes = always_trading
    bars = slice(*run.out_of_sample)
    assert outcomes[name].path.cost_fraction[bars].sum() > run.stitched.cost_fraction[bars].sum()
    assert np.array_equal(outcomes[name].scenario.conditions.returns, run.conditions.returns)


def test_spreads_and_fees_change_nothing_else(run, outcomes):
    base = run.conditions.rates
    for name, factor in (("spread_x2", 2.0), ("spread_x3", 3.0)):
        rates = outcomes[name].scenario.conditions.rates
        assert rates == replace(base, half_spread=base.half_spread * factor)
        assert outcomes[name].scenario.rules == run.rules
    assert outcomes["fees_x2"].scenario.conditions.rates == replace(base, fee=base.fee * 2)


def test_three_spreads_cost_more_than_two(always_trading):
    _, outcomes = always_trading
    two, three = outcomes["spread_x2"].path, outcomes["spread_x3"].path
    assert three.cost_fraction.sum() > two.cost_fraction.sum()
    assert three.equity[-1] < two.equity[-1]


def test_delayed_data_is_one_bar_more_lag(run, outcomes):
    delayed = outcomes["delayed_data"]
    assert delayed.scenario.rules == replace(run.rules, lag=run.rules.lag + 1)
    first = int(np.flatnonzero(run.stitched.turnover)[0])
    assert int(np.flatnonzero(delayed.path.turnover)[0]) == first + 1


def test_a_spike_amplifies_around_the_mean_only_in_its_windows(run):
    base = base_setting(run)
    spiked = SCENARIOS["volatility_spike"](base).conditions
    inside = np.zeros(run.market.n_bars, dtype=bool)
    windows = spike_windows(base, run.market.n_bars)
    for start, end in windows:
        assert end - start <= 8
        inside[start:end] = True
        plain, wild = run.conditions.returns[start:end], spiked.returns[start:end]
        assert wild.mean(axis=0) == pytest.approx(plain.mean(axis=0), abs=1e-15)
        assert wild.std(axis=0) == pytest.approx(2 * plain.std(axis=0))
    assert windows[0] == (run.out_of_sample[0] + 11, run.out_of_sample[0] + 19)
    assert windows[1][0] - windows[0][0] == 30
    assert np.array_equal(spiked.returns[~inside], run.conditions.returns[~inside])
    assert np.array_equal(spiked.volatility[inside], 2 * run.conditions.volatility[inside])
    assert np.array_equal(spiked.volatility[~inside], run.conditions.volatility[~inside])


def test_amplified_returns_skip_missing_bars_and_never_take_more_than_everything():
    returns = np.array([[0.1], [0.0], [-0.5]])
    observed = np.array([[True], [False], [True]])
    # mean of 0.1 and -0.5 is -0.2: 0.1 -> -0.2 + 3*0.3 = 0.7; -0.5 -> -0.2 - 0.9 = -1.1 -> -0.95
    assert amplified(returns, observed, 3.0)[:, 0] == pytest.approx([0.7, 0.0, -0.95])
    assert amplified(returns, np.zeros_like(observed), 3.0).tolist() == returns.tolist()


def test_a_drought_leaves_a_tenth_of_the_volume(run, outcomes):
    dry = outcomes["liquidity_drought"].scenario.conditions.liquidity_usd
    assert dry == pytest.approx(run.conditions.liquidity_usd * 0.1)


def test_rejections_come_in_one_burst_per_period_and_repeat_with_the_seed(run):
    base = base_setting(run)
    refused = rejected_orders(base)
    first = run.out_of_sample[0]
    assert not refused[:first].any()
    for start in range(first, run.market.n_bars - 20, 20):
        hit = np.flatnonzero(refused[start : start + 20].any(axis=1))
        assert len(hit) > 0
        assert hit[-1] - hit[0] < 4
    assert np.array_equal(refused, rejected_orders(base))
    assert not np.array_equal(refused, rejected_orders(replace(base, seed=8)))


def test_a_rejected_order_is_not_filled(run, outcomes):
    scenario, path = outcomes["rejection_bursts"].scenario, outcomes["rejection_bursts"].path
    closed = (scenario.conditions.liquidity_usd == 0).all(axis=1)
    closed[: run.out_of_sample[0]] = False
    assert closed.any()
    assert np.all(path.turnover[closed] == 0.0)


def test_rejections_work_where_volume_limits_nothing(run):
    free = Conditions.proportional(run.conditions.returns, 0.001)
    base = replace(base_setting(run, rejection_probability=1.0), conditions=free)
    scenario = SCENARIOS["rejection_bursts"](base)
    refused = rejected_orders(base).all(axis=1)
    path = simulate(run.stitched_weights, scenario.conditions, AccountRules())
    assert refused.any()
    assert np.all(path.turnover[refused] == 0.0)
    assert SCENARIOS["volatility_spike"](base).conditions.volatility.size == 0


def test_settings_decide_how_hard_it_presses():
    harder = plan(settings=settings(stress=stress_settings(volatility_spike_factor=4.0)))
    mild, hard = walk_forward(seed=4), walk_forward(seed=4, the_plan=harder)
    one = {o.scenario.name: o.path for o in run_stress(mild)}["volatility_spike"]
    two = {o.scenario.name: o.path for o in run_stress(hard)}["volatility_spike"]
    assert two.net_return.std() > one.net_return.std() > mild.stitched.net_return.std()
    assert "x 4" in run_stress(hard)[2].scenario.change


def test_stress_repeats_to_the_byte(run, stressed):
    assert stress_metrics(run, INPUTS, "9" * 64).canonical_bytes() == stressed.canonical_bytes()
