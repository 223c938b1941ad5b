import math
from dataclasses import astuple, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.errors import StatisticsInputError
from torghut_assets.domain.tca.errors import OutOfRangeError, OverfilledOrderError
from torghut_assets.domain.tca.shortfall import (
    OrderOutcome,
    expected_vs_realised_shortfall,
    implementation_shortfall,
)

PRICES = st.floats(1.0, 500.0)
FILLS = st.lists(st.tuples(st.integers(0, 500), PRICES), max_size=6)
ORDER = OrderOutcome("buy", 1000, 50.0, 50.1, [(400, 50.2), (400, 50.3)], 51.0, 12.0)


def test_the_parts_by_hand():
    shortfall = implementation_shortfall(ORDER)
    assert astuple(shortfall.expanded) == pytest.approx((100.0, 120.0, 180.0, 12.0, 412.0))
    assert astuple(shortfall.perold) == pytest.approx((200.0, 200.0, 12.0, 412.0))
    assert astuple(shortfall.cfa) == pytest.approx((12.0, 120.0, 80.0, 200.0))
    assert shortfall.total_bps == pytest.approx(412.0 / 50_000 * 1e4)
    assert shortfall.fill_rate == 0.8


@given(
    side=st.sampled_from(["buy", "sell"]),
    prices=st.tuples(PRICES, PRICES, PRICES),
    fills=FILLS,
    spare=st.integers(1, 500),
    fees=st.floats(-5.0, 50.0),
)
def test_every_split_ties_to_paper_minus_actual(side, prices, fills, spare, fees):
    """Paper holds the whole order from the decision; the account holds what was filled."""
    decision, arrival, end = prices
    filled = sum(quantity for quantity, _ in fills)
    ordered = filled + spare
    sign = 1 if side == "buy" else -1
    paper = sign * ordered * (end - decision)
    actual = sum(sign * quantity * (end - price) for quantity, price in fills) - fees
    shortfall = implementation_shortfall(
        OrderOutcome(side, ordered, decision, arrival, fills, end, fees)
    )
    near = pytest.approx(paper - actual, abs=1e-6)
    expanded, perold, cfa = shortfall.expanded, shortfall.perold, shortfall.cfa
    assert expanded.total == near
    assert expanded.delay + expanded.trading + expanded.opportunity + expanded.fees == near
    assert perold.execution + perold.opportunity + perold.fees == near
    assert perold.total == near
    assert cfa.explicit + cfa.realized + cfa.delay + cfa.missed == near
    assert shortfall.total_bps == pytest.approx(
        (paper - actual) / (ordered * decision) * 1e4, abs=1e-6
    )


def test_a_sell_into_falling_prices_costs_as_much_as_a_buy_into_rising_ones():
    buy = OrderOutcome("buy", 100, 50.0, 51.0, [(60, 52.0)], 53.0)
    sell = OrderOutcome("sell", 100, 50.0, 49.0, [(60, 48.0)], 47.0)
    bought, sold = implementation_shortfall(buy), implementation_shortfall(sell)
    assert bought.expanded == sold.expanded
    assert bought.expanded.total == 240.0


def test_without_fills_all_is_delay_and_opportunity():
    shortfall = implementation_shortfall(replace(ORDER, fills=[], fees=0.0))
    assert shortfall.expanded.trading == 0.0
    assert shortfall.perold.execution == 0.0
    assert shortfall.fill_rate == 0.0
    assert shortfall.perold.total == pytest.approx(1_000.0)


def test_a_complete_order_needs_no_end_price():
    shortfall = implementation_shortfall(replace(ORDER, fills=[(1000, 50.2)], end=None))
    assert shortfall.expanded.opportunity == 0.0
    assert shortfall.perold.total == pytest.approx(212.0)


@pytest.mark.parametrize(
    "change",
    [
        {"end": None},
        {"decision": math.nan},
        {"arrival": 0.0},
        {"ordered": 0},
        {"ordered": -5},
        {"fees": math.nan},
        {"fees": None},
        {"side": "hold"},
        {"end": "NaN"},
    ],
)
def test_an_unknown_quantity_is_never_a_cost(change):
    with pytest.raises(StatisticsInputError):
        implementation_shortfall(replace(ORDER, **change))


def test_more_fills_than_ordered_are_refused():
    with pytest.raises(OverfilledOrderError, match="duplicate") as caught:
        implementation_shortfall(replace(ORDER, fills=[(600, 50.0), (600, 50.0)]))
    assert (caught.value.filled, caught.value.ordered) == (1200.0, 1000.0)


def test_the_bias_of_two_orders_by_hand():
    """Differences 1 and 3: t = 2 with one degree of freedom, a Cauchy tail."""
    bias = expected_vs_realised_shortfall([4.0, 2.0], [5.0, 5.0], [3.0, 1.0])
    assert bias.bias_weighted == 1.5
    assert bias.mean == 2.0
    assert bias.sd == pytest.approx(math.sqrt(2.0))
    assert bias.t_stat == pytest.approx(2.0)
    assert bias.p_two_sided == pytest.approx(1.0 - 2.0 / math.pi * math.atan(2.0))
    assert bias.rmse == pytest.approx(math.sqrt(5.0))
    assert bias.ratio == pytest.approx(20.0 / 14.0)


def test_one_order_has_no_spread_and_no_test():
    bias = expected_vs_realised_shortfall([4.0], [5.0], [1.0])
    assert bias.mean == 1.0
    assert all(math.isnan(value) for value in (bias.sd, bias.t_stat, bias.p_two_sided))


def test_identical_differences_have_no_test():
    bias = expected_vs_realised_shortfall([0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [1, 1, 1])
    assert math.isnan(bias.t_stat)
    assert math.isnan(bias.p_two_sided)


def test_the_ratio_to_an_expectation_of_zero_is_undefined():
    assert math.isnan(expected_vs_realised_shortfall([0.0], [5.0], [1.0]).ratio)


@pytest.mark.parametrize(
    ("expected", "realised", "notional"),
    [
        ([], [], []),
        ([1.0], [1.0, 2.0], [1.0]),
        ([math.nan], [1.0], [1.0]),
        ([1.0], [1.0], [-1.0]),
        ([[1.0]], [1.0], [1.0]),
    ],
)
def test_a_bias_needs_matching_numbers(expected, realised, notional):
    with pytest.raises(StatisticsInputError):
        expected_vs_realised_shortfall(expected, realised, notional)


def test_orders_without_notional_weigh_nothing():
    with pytest.raises(OutOfRangeError, match="notional"):
        expected_vs_realised_shortfall([1.0], [2.0], [0.0])
