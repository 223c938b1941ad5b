import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.tca.errors import (
    CrossedQuoteError,
    NoFillsError,
    NotANumberError,
    OutOfRangeError,
    ShapeMismatchError,
    UnknownSideError,
)
from torghut_assets.domain.tca.spreads import (
    effective_realized_spread,
    effective_spread,
    realized_spread,
)

FILL = st.tuples(
    st.sampled_from(["buy", "sell"]),
    st.integers(1, 1_000),
    st.floats(9.0, 11.0),
    st.floats(9.0, 10.0),
    st.floats(10.0, 11.0),
    st.floats(9.0, 11.0),
)
NAMES = ("side", "quantity", "price", "bid", "ask", "mid_after")


def measure(*fills):
    return effective_realized_spread(**dict(zip(NAMES, zip(*fills, strict=True), strict=True)))


def test_a_buy_at_the_ask_pays_the_whole_quoted_spread():
    costs = measure(("buy", 100, 10.02, 9.98, 10.02, 10.01))
    assert costs.quoted == pytest.approx(0.04)
    assert costs.effective == pytest.approx(0.04)
    assert costs.realized == pytest.approx(0.02)
    assert costs.impact == pytest.approx(0.02)
    assert costs.price_improvement == 0.0
    assert costs.effective_bps == pytest.approx(40.0)
    assert costs.realized_bps == pytest.approx(20.0)
    assert costs.eq_ratio == pytest.approx(1.0)
    assert costs.spread_capture == pytest.approx(0.0)


@pytest.mark.parametrize(("side", "price"), [("buy", 10.03), ("sell", 9.97)])
def test_outside_the_quote_is_a_disimprovement_for_both_sides(side, price):
    costs = measure((side, 1, price, 9.98, 10.02, 10.0))
    assert costs.price_improvement == pytest.approx(-0.01)
    assert costs.spread_capture == pytest.approx(-0.5)


def test_the_midpoint_captures_the_spread():
    assert measure(("sell", 1, 10.0, 9.98, 10.02, 10.0)).spread_capture == pytest.approx(1.0)


@given(fills=st.lists(FILL, min_size=1, max_size=8))
def test_effective_is_realized_plus_impact(fills):
    costs = measure(*fills)
    assert costs.effective == pytest.approx(costs.realized + costs.impact, abs=1e-9)


@given(fills=st.lists(FILL, min_size=2, max_size=8))
def test_splitting_a_fill_changes_nothing(fills):
    side, quantity, *rest = fills[0]
    split = [(side, quantity * 0.25, *rest), (side, quantity * 0.75, *rest), *fills[1:]]
    assert measure(*split).effective_bps == pytest.approx(measure(*fills).effective_bps, abs=1e-9)


def test_a_locked_market_leaves_only_the_ratio_undefined():
    costs = measure(("buy", 100, 10.0, 10.0, 10.0, 10.01))
    assert math.isnan(costs.eq_ratio)
    assert math.isnan(costs.spread_capture)
    assert (costs.quoted, costs.effective) == (0.0, 0.0)


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_without_a_later_midpoint_there_is_no_realized_spread(unknown):
    costs = measure(("buy", 1, 10.0, 9.9, 10.1, 10.0), ("buy", 1, 10.1, 9.9, 10.1, unknown))
    assert math.isnan(costs.realized)
    assert math.isnan(costs.impact)
    assert costs.effective == pytest.approx(0.1)


def test_a_fill_of_no_shares_does_not_count():
    one = measure(("buy", 5, 10.0, 9.9, 10.1, 10.0))
    assert measure(("buy", 5, 10.0, 9.9, 10.1, 10.0), ("sell", 0, 9, 9, 11, None)) == one


@pytest.mark.parametrize(
    ("fill", "error"),
    [
        (("buy", 1, 10.0, 10.1, 10.0, 10.0), CrossedQuoteError),
        (("buy", 0, 10.0, 9.9, 10.0, 10.0), NoFillsError),
        (("b", 1, 10.0, 9.9, 10.0, 10.0), UnknownSideError),
        (("buy", 1, math.nan, 9.9, 10.0, 10.0), NotANumberError),
        (("buy", 1, 10.0, 0.0, 10.0, 10.0), OutOfRangeError),
        (("buy", -1, 10.0, 9.9, 10.0, 10.0), OutOfRangeError),
    ],
)
def test_impossible_fills_are_refused(fill, error):
    with pytest.raises(error):
        measure(fill)


def test_no_fills_and_ragged_columns_are_refused():
    with pytest.raises(NoFillsError):
        effective_realized_spread(side=[], quantity=[], price=[], bid=[], ask=[], mid_after=[])
    with pytest.raises(ShapeMismatchError):
        effective_realized_spread(
            side=["buy"], quantity=[1, 2], price=[1.0], bid=[1.0], ask=[1.0], mid_after=[1.0]
        )


def test_single_fill_spreads_are_costs_of_both_sides():
    assert effective_spread("buy", 10.02, 10.0) == pytest.approx(0.04)
    assert effective_spread("sell", 9.98, 10.0) == pytest.approx(0.04)
    assert realized_spread("buy", 10.02, 10.03) == pytest.approx(-0.02)
    assert realized_spread("sell", 9.98, 9.97) == pytest.approx(-0.02)
