"""Averages by group, their intervals, and markouts that later sessions make known."""

import numpy as np
import pytest
import session_examples as paper
import tca_examples as examples
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.tca.aggregate import (
    DIMENSIONS,
    cost_table,
    later_markouts,
    weighted_mean_interval,
)


def rows():
    return (
        examples.row("a", realised_cost_bps=10.0, filled_notional_usd=100.0),
        examples.row("b", realised_cost_bps=20.0, filled_notional_usd=300.0, side="sell"),
        examples.row("c", symbol="AMZN", realised_cost_bps=None, hour_utc=None),
    )


def test_means_are_weighted_with_notional_and_percentiles_are_not():
    (all_,) = cost_table([examples.tca(orders=rows())], ["all"], ["realised_cost_bps"])
    assert all_.orders == 2
    assert all_.notional_usd == 400.0
    assert all_.mean == pytest.approx(17.5)
    assert all_.p50 == pytest.approx(15.0)
    assert all_.p95 == pytest.approx(19.5)
    assert all_.low < 17.5 < all_.high


def test_every_dimension_divides_the_orders():
    table = cost_table([examples.tca(orders=rows())], DIMENSIONS, ["shortfall_bps"])
    groups = {(s.dimension, s.group): s.orders for s in table}
    assert groups[("all", "all")] == 3
    assert groups[("symbol", "AAPL")] == 2
    assert groups[("symbol", "AMZN")] == 1
    assert groups[("side", "sell")] == 1
    assert groups[("hour", "14")] == 2
    assert groups[("hour", "none")] == 1
    assert groups[("order_type", "limit")] == 3
    assert sum(n for (dimension, _), n in groups.items() if dimension == "policy") == 3


def test_sessions_under_another_policy_are_another_group():
    other = examples.tca("2022-01-04", policies={"order_limits": paper.digest_of("new")})
    table = cost_table([examples.tca(), other], ["policy"], ["shortfall_bps"])
    assert len(table) == 2


def test_the_excess_is_realised_less_expected_and_one_order_has_no_interval():
    (found,) = cost_table([examples.tca()], ["all"], ["excess_cost_bps"])
    assert found.mean == pytest.approx(0.5)
    assert found.low is None
    assert found.high is None


def test_an_undefined_metric_has_no_row():
    orders = (examples.row(expected_cost_bps=None, realised_cost_bps=None),)
    assert cost_table([examples.tca(orders=orders)], ["all"], ["excess_cost_bps"]) == ()


def test_equal_weights_give_student_s_interval():
    """Mean 3, standard deviation sqrt(2.5), t(4, 0.975) = 2.7764 from published tables."""
    mean, low, high = weighted_mean_interval(np.arange(1.0, 6.0), np.full(5, 7.0))
    reach = 2.7764 * np.sqrt(2.5 / 5)
    assert (mean, low, high) == pytest.approx((3.0, 3.0 - reach, 3.0 + reach), abs=1e-4)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=20), st.floats(0.1, 10))
def test_the_interval_does_not_depend_on_the_unit_of_the_weights(values, unit):
    array = np.array(values)
    weights = np.linspace(1.0, 3.0, array.size)
    one = weighted_mean_interval(array, weights)
    other = weighted_mean_interval(array, unit * weights)
    assert one == pytest.approx(other, abs=1e-9)
    assert one[1] <= one[0] <= one[2]


def test_nothing_has_no_mean():
    with pytest.raises(ValueError, match="positive sum"):
        weighted_mean_interval(np.empty(0), np.empty(0))


def session(day, close, factor=1.0, orders=()):
    base = examples.conditions()
    symbols = (
        base.symbols[0].model_copy(update={"close_usd": close, "price_factor": factor}),
        base.symbols[1],
    )
    return examples.tca(day, orders=orders, conditions=examples.conditions(symbols=symbols))


def test_markouts_become_known_when_later_sessions_close():
    days = paper.sessions(6)
    records = [session(days[0], 183.0, orders=(examples.row(),))]
    records += [session(day, 190.0 + i) for i, day in enumerate(days[1:])]
    one, five = later_markouts(records)
    assert (one.horizon, one.orders) == ("1_session", 1)
    assert one.mean_bps == pytest.approx((190.0 / 181.5 - 1) * 1e4)
    assert five.mean_bps == pytest.approx((194.0 / 181.5 - 1) * 1e4)


def test_a_markout_that_no_session_knows_yet_is_none():
    (one, five) = later_markouts([session("2022-01-03", 183.0, orders=(examples.row(),))])
    assert (one.mean_bps, one.orders) == (None, 0)
    assert (five.mean_bps, five.orders) == (None, 0)


def test_a_split_on_the_way_is_no_markout():
    days = paper.sessions(2)
    records = [
        session(days[0], 181.5, orders=(examples.row(),)),
        session(days[1], 90.75, factor=2.0),
    ]
    assert later_markouts(records)[0].mean_bps == pytest.approx(0.0)
    unknown = [records[0], session(days[1], 90.75, factor=None)]
    assert later_markouts(unknown)[0].orders == 0
    gone = [records[0], session(days[1], None)]
    assert later_markouts(gone)[0].orders == 0
