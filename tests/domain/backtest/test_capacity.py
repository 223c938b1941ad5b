"""The equity at which impact eats the return."""

from dataclasses import replace

import numpy as np
import pytest
from simulated_markets import POINTS, bar_panel, cost_model, momentum, plan, random_prices

from torghut_assets.domain.backtest.accounting import simulate
from torghut_assets.domain.backtest.capacity import LARGEST_USD, SMALLEST_USD, capacity_usd
from torghut_assets.domain.backtest.market import market_arrays
from torghut_assets.domain.backtest.walk_forward_run import run_walk_forward


def trending_run(drift=0.004, **costs):
    bars = bar_panel(random_prices(6, drift=drift))
    the_plan = plan(cost_model=cost_model(**costs))
    market = market_arrays(bars, the_plan.cost_model.volatility_window_bars)
    return run_walk_forward(market, POINTS[:4], momentum(bars), the_plan)


def mean_at(run, equity_usd):
    rules = run.rules.without_participation_cap().of_size(equity_usd)
    path = simulate(run.stitched_weights, run.conditions, rules)
    return float(path.net_return[slice(*run.out_of_sample)].mean())


def test_at_capacity_the_mean_return_is_zero():
    run = trending_run()
    found = capacity_usd(run)
    assert SMALLEST_USD < found < LARGEST_USD
    assert mean_at(run, found) == pytest.approx(0.0, abs=1e-9)
    assert mean_at(run, found * 0.9) > 0 > mean_at(run, found * 1.1)


def test_a_tenth_of_the_volume_carries_a_tenth_of_the_equity():
    run = trending_run()
    dry = replace(run, conditions=run.conditions.with_liquidity(run.conditions.liquidity_usd * 0.1))
    assert capacity_usd(dry) == pytest.approx(capacity_usd(run) * 0.1, rel=1e-6)


def test_twice_the_impact_carries_less():
    run = trending_run()
    rates = run.conditions.rates
    dearer = replace(
        run, conditions=run.conditions.at_rates(replace(rates, impact=rates.impact * 2))
    )
    assert capacity_usd(dearer) < capacity_usd(run)


def test_a_strategy_that_loses_has_no_capacity():
    run = trending_run()
    losing = replace(run, stitched_weights=-run.stitched_weights)
    assert capacity_usd(losing) is None


def test_a_strategy_that_does_not_trade_has_no_capacity():
    run = trending_run()
    idle = replace(run, stitched_weights=np.zeros_like(run.stitched_weights))
    assert capacity_usd(idle) is None


def test_without_impact_capacity_ends_at_the_search_range():
    assert capacity_usd(trending_run(impact_coefficient=0.0)) == LARGEST_USD
