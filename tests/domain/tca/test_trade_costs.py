import math
from dataclasses import astuple, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.errors import StatisticsInputError
from torghut_assets.domain.tca.costs import (
    CapacityProblem,
    PricedTrade,
    capacity,
    transaction_cost,
)
from torghut_assets.domain.tca.errors import CrossedQuoteError
from torghut_assets.domain.tca.impact import square_root_impact_bps

TRADE = PricedTrade(
    quantity=200,
    price=100.0,
    rate_bps=2.0,
    commission_per_share=0.01,
    min_commission=1.0,
    bid=99.9,
    ask=100.1,
)
EDGE = CapacityProblem(
    alpha_bps=30.0,
    half_spread_bps=2.0,
    min_net_bps=8.0,
    Y=1.0,
    sigma_daily=0.02,
    adv=1_000_000,
    price=20.0,
)


def test_the_parts_of_a_cost_by_hand():
    cost = transaction_cost(TRADE)
    assert astuple(cost) == pytest.approx((4.0, 2.0, 20.0, 26.0, 13.0))


def test_the_minimum_commission_binds_small_trades():
    assert transaction_cost(replace(TRADE, quantity=50)).commission == 1.0
    assert transaction_cost(replace(TRADE, quantity=150)).commission == 1.5


def test_no_trade_costs_nothing():
    assert astuple(transaction_cost(replace(TRADE, quantity=0))) == (0.0,) * 5


@given(quantity=st.floats(1.0, 1e6))
def test_a_sell_costs_what_a_buy_costs(quantity):
    assert transaction_cost(replace(TRADE, quantity=quantity)) == transaction_cost(
        replace(TRADE, quantity=-quantity)
    )


@pytest.mark.parametrize(
    "change",
    [
        {"price": math.nan},
        {"rate_bps": -1.0},
        {"quantity": math.inf},
        {"bid": 0.0},
        {"ask": None},
        {"min_commission": -1.0},
        {"commission_per_share": math.nan},
    ],
)
def test_an_unknown_tariff_is_refused_even_for_no_trade(change):
    with pytest.raises(StatisticsInputError):
        transaction_cost(replace(TRADE, **{"quantity": 0, **change}))


def test_a_crossed_quote_is_refused():
    with pytest.raises(CrossedQuoteError):
        transaction_cost(replace(TRADE, bid=100.2))


@given(alpha=st.floats(11.0, 100.0), sigma=st.floats(0.005, 0.1))
def test_at_capacity_exactly_the_least_net_edge_remains(alpha, sigma):
    problem = replace(EDGE, alpha_bps=alpha, sigma_daily=sigma)
    impact = square_root_impact_bps(1.0, sigma, capacity(problem).q_impact, problem.adv)
    assert alpha - 2.0 - impact == pytest.approx(8.0)


def test_capacity_by_hand():
    """20 bps over for impact at 200 bps volatility: a tenth, squared, of the volume."""
    found = capacity(EDGE)
    assert found.q_impact == pytest.approx(10_000)
    assert found.capital == pytest.approx(200_000)
    assert found.binding == "impact"


def test_the_participation_cap_binds():
    found = capacity(replace(EDGE, participation_cap=0.005))
    assert found.q == pytest.approx(5_000)
    assert found.q_impact == pytest.approx(10_000)
    assert found.binding == "participation"


def test_an_edge_that_does_not_pay_the_spread_has_no_capacity():
    found = capacity(replace(EDGE, alpha_bps=9.0))
    assert (found.q, found.capital) == (0.0, 0.0)


@pytest.mark.parametrize(
    "change",
    [
        {"alpha_bps": math.nan},
        {"adv": 0.0},
        {"sigma_daily": 0.0},
        {"participation_cap": 1.5},
        {"participation_cap": -0.1},
        {"price": -1.0},
        {"half_spread_bps": -1.0},
    ],
)
def test_capacity_of_the_unknown_is_refused(change):
    with pytest.raises(StatisticsInputError):
        capacity(replace(EDGE, **change))
