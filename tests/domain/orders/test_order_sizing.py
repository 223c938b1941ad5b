"""Weights to whole shares: within the account's limits, never over a target, never twice."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.backtest.settings import parse_risk_limits
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.orders.keys import order_key
from torghut_assets.domain.orders.sizing import (
    Book,
    OrderStyle,
    limit_price,
    limited_targets,
    size_orders,
)
from torghut_assets.resources.home import Home

LIMITS = parse_risk_limits(Home.from_environment().config_path("risk_limits").read_bytes())
STYLE = OrderStyle("tsmom-megacaps-v1", "2022-01-03", "d" * 64, 0.05, "one_order")
CLOSE_FIRST = OrderStyle("tsmom-megacaps-v1", "2022-01-03", "d" * 64, 0.05, "close_first")


def sized(targets, prices, shares=None, *, equity=1_000_000.0, cooling=(), style=STYLE):
    book = Book(equity, shares or {}, frozenset(cooling))
    orders = size_orders(targets, prices, book, LIMITS, style)
    return {o.symbol: o.quantity if o.side == "buy" else -o.quantity for o in orders}


def test_shares_are_cut_towards_zero():
    """0.1 of a million at 182.3 is 548.5 shares; the short side is cut alike."""
    assert sized({"AAPL": 0.1, "AMZN": -0.1}, {"AAPL": 182.3, "AMZN": 182.3}) == {
        "AAPL": 548,
        "AMZN": -548,
    }


def test_only_the_difference_is_ordered():
    assert sized({"AAPL": 0.1}, {"AAPL": 100.0}, {"AAPL": 400}) == {"AAPL": 600}
    assert sized({"AAPL": 0.1}, {"AAPL": 100.0}, {"AAPL": 1_000}) == {}


def test_a_symbol_that_is_held_and_no_longer_named_is_closed():
    assert sized({}, {"AAPL": 100.0}, {"AAPL": -7}) == {"AAPL": 7}


def test_a_small_trade_waits_and_a_closing_one_does_not():
    assert sized({"AAPL": 0.1005}, {"AAPL": 100.0}, {"AAPL": 1_000}) == {}
    assert sized({"AAPL": 0.0}, {"AAPL": 100.0}, {"AAPL": 1}) == {"AAPL": -1}


@pytest.mark.parametrize("price", [None, math.nan, math.inf, 0.0, -5.0])
def test_a_symbol_without_a_price_is_left_as_it_is(price):
    assert sized({"AAPL": 0.1}, {"AAPL": price}, {"AAPL": 10}) == {}
    assert sized({"AAPL": 0.1}, {}) == {}


def test_a_reversal_is_one_order_or_stops_at_zero():
    assert sized({"AAPL": -0.1}, {"AAPL": 100.0}, {"AAPL": 300}) == {"AAPL": -1_300}
    closed = sized({"AAPL": -0.1}, {"AAPL": 100.0}, {"AAPL": 300}, style=CLOSE_FIRST)
    assert closed == {"AAPL": -300}


def test_a_cooling_symbol_may_shrink_but_not_grow():
    """As `accounting_kernel._cooled`: smaller or closed, but not larger."""
    assert sized({"AAPL": 0.2}, {"AAPL": 100.0}, {"AAPL": 900}, cooling=["AAPL"]) == {}
    assert sized({"AAPL": 0.05}, {"AAPL": 100.0}, {"AAPL": 900}, cooling=["AAPL"]) == {"AAPL": -400}
    assert sized({"AAPL": -0.2}, {"AAPL": 100.0}, {"AAPL": 900}, cooling=["AAPL"]) == {"AAPL": -900}
    assert sized({"AAPL": 0.2}, {"AAPL": 100.0}, {}, cooling=["AAPL"]) == {}


def test_targets_are_limited_like_those_of_the_simulated_account():
    """Clip 0.5 to 0.35, then scale a gross of 1.4 to 1: every symbol has a quarter."""
    names = ("A", "B", "C", "D")
    assert limited_targets(dict.fromkeys(names, 0.5), LIMITS) == pytest.approx(
        dict.fromkeys(names, 0.25)
    )
    tight = LIMITS.model_copy(update={"max_net_fraction": 0.1})
    assert limited_targets({"A": 0.3, "B": -0.1}, tight) == pytest.approx({"A": 0.15, "B": -0.05})


@pytest.mark.parametrize("weight", [math.nan, math.inf, -math.inf])
def test_a_weight_that_is_no_number_is_refused(weight):
    with pytest.raises(BadInputError, match="finite weight"):
        sized({"AAPL": weight}, {"AAPL": 100.0})


@pytest.mark.parametrize("equity", [math.nan, 0.0, -1.0])
def test_equity_that_is_no_amount_is_refused(equity):
    with pytest.raises(BadInputError, match="equity"):
        sized({"AAPL": 0.1}, {"AAPL": 100.0}, equity=equity)


def test_an_order_carries_its_key_and_a_limit_on_the_dear_side():
    orders = size_orders(
        {"AAPL": 0.1, "AMZN": -0.1},
        {"AAPL": 100.0, "AMZN": 50.0},
        Book(1_000_000.0, {}),
        LIMITS,
        STYLE,
    )
    assert [(o.symbol, o.side, o.limit_price_usd) for o in orders] == [
        ("AAPL", "buy", 105.0),
        ("AMZN", "sell", 47.5),
    ]
    assert orders[0].key == order_key(
        "tsmom-megacaps-v1", "2022-01-03", "AAPL", "rebalance", "d" * 64
    )


def test_limits_lie_on_the_tick_and_not_past_the_offset():
    """SEC Rule 612: whole cents from 1 USD on, hundredths of a cent below."""
    assert limit_price(182.37, 0.05) == 191.48
    assert limit_price(182.37, -0.05) == 173.26
    assert limit_price(0.5, 0.05) == 0.525
    assert limit_price(100.0, 0.1) == 110.0


NAMES = st.sampled_from(["AAPL", "AMZN", "GOOG"])


@given(
    targets=st.dictionaries(NAMES, st.floats(-0.6, 0.6)),
    prices=st.fixed_dictionaries(dict.fromkeys(["AAPL", "AMZN", "GOOG"], st.floats(1, 900))),
    shares=st.dictionaries(NAMES, st.integers(-5_000, 5_000)),
    equity=st.floats(1e4, 1e8),
)
def test_after_its_orders_a_book_is_within_its_limits_or_as_it_was(targets, prices, shares, equity):
    """A symbol that traded lies within its limited target; sizing again then changes nothing."""
    ordered = sized(targets, prices, shares, equity=equity)
    wanted = limited_targets(targets, LIMITS)
    after = {s: shares.get(s, 0) + ordered.get(s, 0) for s in shares.keys() | ordered.keys()}
    for symbol in ordered:
        weight = wanted.get(symbol, 0.0)
        assert abs(after[symbol] * prices[symbol]) <= abs(weight) * equity * (1 + 1e-12)
        assert after[symbol] * weight >= 0
    assert sized(targets, prices, after, equity=equity) == {}
