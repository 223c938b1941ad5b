"""What every account obeys, whatever the market does."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torghut_assets.domain.backtest.accounting import AccountRules, simulate
from torghut_assets.domain.backtest.costs import Conditions, CostRates

MODEST = settings(max_examples=60, deadline=None)


@st.composite
def worlds(draw, n_symbols=None):
    """Weights, conditions and rules; wild but without leverage above 1.5."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_bars = draw(st.integers(1, 40))
    n_symbols = n_symbols or draw(st.integers(1, 4))
    shape = (n_bars, n_symbols)
    returns = generator.uniform(-0.3, 0.3, shape) * draw(st.sampled_from([0.0, 0.1, 1.0]))
    liquidity = np.exp(generator.normal(10, 3, shape)) * (generator.random(shape) > 0.1)
    rates = CostRates(
        half_spread=draw(st.floats(0, 0.005)),
        fee=draw(st.floats(0, 0.001)),
        slippage_volatility=draw(st.floats(0, 0.1)),
        impact=draw(st.floats(0, 1)),
    )
    conditions = Conditions(returns, liquidity, generator.uniform(0, 0.05, shape), rates)
    rules = AccountRules(
        lag=draw(st.integers(1, 3)),
        max_gross=draw(st.floats(0.1, 1.5)),
        max_net=draw(st.floats(0.1, 1.5)),
        max_symbol=draw(st.floats(0.1, 1.5)),
        max_participation=draw(st.floats(0.01, 1)),
        min_trade=draw(st.sampled_from([0.0, 0.01])),
        cooldown=draw(st.integers(0, 3)),
        carries=draw(st.booleans()),
        equity_usd=draw(st.floats(1e3, 1e7)),
    )
    return generator.normal(0, 1, shape), conditions, rules


@given(worlds())
@MODEST
def test_net_is_gross_after_costs_and_compounds_to_equity(world):
    path = simulate(*world)
    expected = (1 + path.gross_return) * (1 - path.cost_fraction) - 1
    if path.ruin_bar is None:
        assert path.net_return == pytest.approx(expected, abs=1e-14)
    assert path.equity == pytest.approx(np.cumprod(1 + path.net_return), rel=1e-11, abs=1e-14)


@given(worlds(n_symbols=1))
@MODEST
def test_cash_and_position_make_the_equity(world):
    """Cash is followed by its flows alone: minus what is bought, minus what trading costs."""
    weights, conditions, rules = world
    path = simulate(weights, conditions, rules)
    sized_on = path.equity / (1 - path.cost_fraction)
    cash, position = 1.0, 0.0
    for bar in range(path.n_bars):
        drifted = position * (1 + conditions.returns[bar, 0])
        position = path.net_exposure[bar] * sized_on[bar]
        bought = position - drifted
        assert abs(bought) == pytest.approx(path.turnover[bar] * sized_on[bar], abs=1e-12)
        cash -= bought + path.cost_fraction[bar] * sized_on[bar]
        assert cash + position == pytest.approx(path.equity[bar], rel=1e-11, abs=1e-12)


@given(worlds())
@MODEST
def test_nothing_is_negative_and_no_cap_is_exceeded(world):
    weights, conditions, rules = world
    path = simulate(weights, conditions, rules)
    assert path.cost_fraction.min() >= 0
    assert path.by_symbol.cost.min() >= 0
    assert path.turnover.min() >= 0
    assert np.all(path.turnover <= path.ordered * (1 + 1e-12))
    assert path.participation.max() <= rules.max_participation * (1 + 1e-12)
    assert np.all(np.abs(path.net_exposure) <= path.gross_exposure * (1 + 1e-12) + 1e-15)
    assert np.all(path.largest_position <= path.gross_exposure * (1 + 1e-12))


@given(worlds())
@MODEST
def test_parts_per_symbol_add_up_to_the_whole(world):
    path = simulate(*world)
    assert path.by_symbol.cost.sum() == pytest.approx(path.cost_fraction.sum(), abs=1e-12)
    assert path.by_symbol.turnover.sum() == pytest.approx(path.turnover.sum(), rel=1e-12)
    if path.ruin_bar is None:
        whole = path.net_return.sum()
        assert path.by_symbol.contribution.sum() == pytest.approx(whole, rel=1e-9, abs=1e-11)


@given(worlds())
@MODEST
def test_no_weights_no_change(world):
    weights, conditions, rules = world
    path = simulate(np.zeros_like(weights), conditions, rules)
    assert np.all(path.equity == 1.0)
    assert np.all(path.net_return == 0.0)
    assert np.all(path.ordered == 0.0)


@given(worlds(), st.floats(0.01, 1))
@MODEST
def test_a_lower_cap_never_fills_more_on_the_first_trading_bar(world, share):
    weights, conditions, rules = world
    lower = replace(rules, max_participation=rules.max_participation * share)
    first = rules.lag
    if first < len(weights):
        filled = simulate(weights, conditions, rules).turnover[first]
        assert simulate(weights, conditions, lower).turnover[first] <= filled


@given(worlds())
@MODEST
def test_the_first_trade_keeps_every_limit(world):
    weights, conditions, rules = world
    path = simulate(weights, conditions, rules.without_participation_cap())
    first = rules.lag
    if first < len(weights) and conditions.liquidity_usd[first].min() > 0:
        assert path.gross_exposure[first] <= rules.max_gross * (1 + 1e-12)
        assert abs(path.net_exposure[first]) <= rules.max_net * (1 + 1e-12)
        assert path.largest_position[first] <= rules.max_symbol * (1 + 1e-12)


@given(worlds(), st.data())
@MODEST
def test_the_future_does_not_change_the_past(world, data):
    weights, conditions, rules = world
    cut = data.draw(st.integers(1, len(weights)))
    shorter = Conditions(
        conditions.returns[:cut],
        conditions.liquidity_usd[:cut],
        conditions.volatility[:cut],
        conditions.rates,
    )
    whole = simulate(weights, conditions, rules)
    part = simulate(weights[:cut], shorter, rules)
    assert np.array_equal(whole.net_return[:cut], part.net_return)
    assert np.array_equal(whole.turnover[:cut], part.turnover)


@given(worlds())
@MODEST
def test_higher_rates_cost_more_on_the_first_trading_bar(world):
    weights, conditions, rules = world
    rates = conditions.rates
    dearer = conditions.at_rates(
        CostRates(rates.half_spread * 2, rates.fee, rates.slippage_volatility, rates.impact)
    )
    first = rules.lag
    if first < len(weights):
        base = simulate(weights, conditions, rules).cost_fraction[first]
        more = simulate(weights, dearer, rules).cost_fraction[first]
        assert more >= base
        assert more == base or rates.half_spread > 0


@given(worlds())
@MODEST
def test_same_inputs_same_bits(world):
    one, other = simulate(*world), simulate(*world)
    assert one.net_return.tobytes() == other.net_return.tobytes()
    assert one.by_symbol.contribution.tobytes() == other.by_symbol.contribution.tobytes()
