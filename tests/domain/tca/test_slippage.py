import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.errors import StatisticsInputError, TooFewObservationsError
from torghut_assets.domain.tca.errors import (
    NoFillsError,
    NotANumberError,
    OutOfRangeError,
    ShapeMismatchError,
    UnknownSideError,
)
from torghut_assets.domain.tca.slippage import (
    average_fill_price,
    benchmark_slippage_bps,
    markout_bps,
    slippage_bps,
    time_weighted_price,
    twap_slippage_bps,
    volume_weighted_price,
    vwap_slippage_bps,
)

PRICES = st.floats(1.0, 1_000.0)


@pytest.mark.parametrize(("side", "cost"), [("buy", 100.0), ("sell", -100.0)])
def test_one_percent_above_the_benchmark_costs_a_buyer_100_bps(side, cost):
    assert slippage_bps(side, 101.0, 100.0) == pytest.approx(cost)


@given(price=PRICES, benchmark=PRICES)
def test_what_a_buy_loses_a_sell_gains(price, benchmark):
    bought = slippage_bps("buy", price, benchmark)
    assert bought == -slippage_bps("sell", price, benchmark)
    assert (bought > 0) == (price > benchmark)


def test_every_benchmark_gets_its_own_figure():
    measured = benchmark_slippage_bps(
        "sell", [(100, 50.0), (300, 51.0)], {"arrival": 51.0, "close": 50.5}
    )
    assert measured["avg_fill"] == 50.75
    assert measured["arrival"] == pytest.approx(0.25 / 51.0 * 1e4)
    assert measured["close"] == pytest.approx(-0.25 / 50.5 * 1e4)


@pytest.mark.parametrize("missing", [None, math.nan])
def test_a_benchmark_that_does_not_exist_leaves_the_others_measured(missing):
    measured = benchmark_slippage_bps("buy", [(1, 101.0)], {"vwap": missing, "arrival": 100.0})
    assert math.isnan(measured["vwap"])
    assert measured["arrival"] == pytest.approx(100.0)


@pytest.mark.parametrize("fills", [[], [(0, 100.0)]])
def test_nothing_filled_has_no_slippage(fills):
    with pytest.raises(NoFillsError):
        benchmark_slippage_bps("buy", fills, {"arrival": 100.0})


@pytest.mark.parametrize("price", [0.0, -1.0, math.inf])
def test_an_impossible_benchmark_is_refused(price):
    with pytest.raises(StatisticsInputError):
        benchmark_slippage_bps("buy", [(1, 100.0)], {"arrival": price})


def test_a_benchmark_cannot_hide_the_average_fill():
    with pytest.raises(OutOfRangeError):
        benchmark_slippage_bps("buy", [(1, 100.0)], {"avg_fill": 100.0})


@pytest.mark.parametrize("side", ["BUY", "", None, 1, "short"])
def test_an_unknown_side_is_refused(side):
    with pytest.raises(UnknownSideError, match="side"):
        slippage_bps(side, 1.0, 1.0)


@pytest.mark.parametrize("fills", [[(1, 2, 3)], [(1,)], [5.0]])
def test_fills_are_pairs(fills):
    with pytest.raises(ShapeMismatchError):
        average_fill_price(fills)


@pytest.mark.parametrize(
    "fills", [[(1, math.nan)], [(-1, 10.0)], [(1, 0.0)], [("a", "b")], [(1, 2), (1,)]]
)
def test_a_fill_is_a_quantity_and_a_price(fills):
    with pytest.raises(StatisticsInputError):
        average_fill_price(fills)


def test_vwap_weights_with_volume_and_twap_does_not():
    assert volume_weighted_price([10.0, 20.0], [3, 1]) == 12.5
    assert time_weighted_price([10.0, 20.0]) == 15.0
    assert vwap_slippage_bps("buy", [(5, 12.5)], [10.0, 20.0], [3, 1]) == 0.0
    assert twap_slippage_bps("sell", [(5, 12.0)], [10.0, 20.0]) == pytest.approx(2_000.0)


def test_an_interval_without_trades_has_no_vwap():
    assert math.isnan(volume_weighted_price([10.0, 20.0], [0, 0]))
    assert math.isnan(vwap_slippage_bps("buy", [(1, 10.0)], [10.0], [0]))


@given(
    prints=st.lists(st.tuples(PRICES, st.integers(1, 1_000)), min_size=1, max_size=20),
)
def test_vwap_lies_between_the_extreme_prices(prints):
    prices, volumes = zip(*prints, strict=True)
    slack = 1e-9 * max(prices)
    vwap = volume_weighted_price(prices, volumes)
    assert min(prices) - slack <= vwap <= max(prices) + slack


def test_markout_is_positive_when_the_price_moves_the_traders_way():
    fills = [(100, 10.0, [10.1, 9.9]), (300, 10.0, [10.0, 9.9])]
    assert markout_bps("buy", fills, ["1m", "5m"]) == pytest.approx((25.0, -100.0))
    assert markout_bps("sell", fills, ["1m", "5m"]) == pytest.approx((-25.0, 100.0))


def test_an_unknown_midpoint_makes_its_horizon_undefined_only():
    late, early = markout_bps("buy", [(1, 10.0, [None, 11.0]), (1, 10.0, [10.0, 10.0])], ["a", "b"])
    assert math.isnan(late)
    assert early == pytest.approx(500.0)


def test_a_fill_of_nothing_needs_no_midpoint():
    assert markout_bps("buy", [(0, 10.0, [None]), (5, 10.0, [10.1])], ["1m"]) == pytest.approx(
        (100.0,)
    )


@pytest.mark.parametrize(
    ("fills", "error"),
    [
        ([], NoFillsError),
        ([(0, 10.0, [10.0])], NoFillsError),
        ([(1, 10.0, [])], ShapeMismatchError),
        ([(1, 10.0, [-1.0])], OutOfRangeError),
        ([(1, 10.0, [math.inf])], OutOfRangeError),
        ([(1, None, [10.0])], NotANumberError),
        ([(-1, 10.0, [10.0])], OutOfRangeError),
    ],
)
def test_markout_refuses(fills, error):
    with pytest.raises(error):
        markout_bps("buy", fills, ["1m"])


def test_no_prices_have_no_average():
    with pytest.raises(TooFewObservationsError):
        time_weighted_price([])
