"""The cost of a fill: formula, units, and what cannot be priced."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_markets import bar_panel, cost_model, random_prices

from torghut_assets.domain.backtest.accounting import AccountRules, simulate
from torghut_assets.domain.backtest.costs import (
    Conditions,
    CostRates,
    cost_rate,
    trading_conditions,
)
from torghut_assets.domain.backtest.market import market_arrays
from torghut_assets.domain.errors import BadInputError

RATES = CostRates(half_spread=1e-4, fee=3e-5, slippage_volatility=0.02, impact=0.8)
SHARES = st.floats(0, 1)


def test_basis_points_become_fractions():
    rates = CostRates.of(cost_model(half_spread_bps=1.0, fee_bps=0.3))
    assert rates.half_spread == pytest.approx(1e-4, rel=1e-15)
    assert rates.fee == pytest.approx(3e-5, rel=1e-15)
    assert rates.fixed == pytest.approx(1.3e-4, rel=1e-15)


def test_one_percent_of_volume_at_two_percent_volatility():
    # 1.3 bps + 0.02 * 200 bps = 4 bps + 0.8 * 200 bps * 0.1 = 16 bps
    assert cost_rate(RATES, 0.02, 0.01) == pytest.approx(21.3e-4, rel=1e-14)


@given(volatility=st.floats(0, 1), one=SHARES, other=SHARES)
def test_more_participation_is_never_cheaper(volatility, one, other):
    less = cost_rate(RATES, volatility, min(one, other))
    assert RATES.fixed <= less <= cost_rate(RATES, volatility, max(one, other))


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf")])
def test_impossible_volatility_or_participation_is_refused(bad):
    with pytest.raises(BadInputError, match="volatility"):
        cost_rate(RATES, bad, 0.1)
    with pytest.raises(BadInputError, match="participation"):
        cost_rate(RATES, 0.1, bad)


@given(
    volatility=st.floats(0, 0.1),
    weight=st.floats(0.01, 1),
    volume=st.floats(1e6, 1e9),
)
@settings(deadline=None)  # the first example loads the kernel
def test_the_account_pays_this_formula(volatility, weight, volume):
    conditions = Conditions(
        np.zeros((2, 1)), np.full((2, 1), volume), np.full((2, 1), volatility), RATES
    )
    path = simulate(np.full((2, 1), weight), conditions, AccountRules(equity_usd=1e6))
    rate = cost_rate(RATES, volatility, weight * 1e6 / volume)
    assert path.cost_fraction[1] == pytest.approx(weight * rate, rel=1e-13)


def test_a_trade_that_cannot_be_priced_is_not_filled():
    market = market_arrays(bar_panel(random_prices(2, n_bars=30, n_symbols=1)), 10)
    conditions = trading_conditions(market, RATES)
    path = simulate(np.full((30, 1), 0.5), conditions, AccountRules(equity_usd=1e4))
    first_known = int(np.flatnonzero(np.isfinite(market.volatility[:, 0]))[0])
    assert first_known == 6
    assert np.flatnonzero(path.turnover)[0] == first_known
    assert np.isfinite(conditions.volatility).all()


def test_without_volatility_costs_every_bar_can_be_priced():
    market = market_arrays(bar_panel(random_prices(2, n_bars=30, n_symbols=1)), 10)
    free = CostRates(half_spread=1e-4, fee=0.0, slippage_volatility=0.0, impact=0.0)
    conditions = trading_conditions(market, free)
    assert conditions.volatility.size == 0
    path = simulate(np.full((30, 1), 0.5), conditions, AccountRules(equity_usd=1e4))
    assert np.flatnonzero(path.turnover)[0] == 1
