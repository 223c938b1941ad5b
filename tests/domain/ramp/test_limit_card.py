"""A limit card is complete, positive and no wider than paper trading, or it is refused."""

import pytest
import ramp_examples as ramp
import session_examples as paper
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.ramp.limit_card import (
    card_faults,
    card_of,
    instruments_of,
    notional_usd,
)

CANARY, SECOND_LEVEL = ramp.POLICY.levels[1], ramp.POLICY.levels[2]
FILLS = {day: ramp.fills(day) for day in ramp.SESSIONS}
NOTIONAL = 50_000.0


def card(**changes):
    made = card_of(CANARY, ramp.POLICY, ramp.deployment(), ("AAPL",))
    return made.model_copy(update=changes)


def faults(found):
    return card_faults(found, ramp.LIMITS, ramp.deployment(), NOTIONAL)


def test_the_card_of_the_canary_by_hand():
    """A twentieth of a million; 0.4 of it per order and symbol, all of it in all."""
    found = card()
    assert notional_usd(CANARY, 1_000_000.0) == NOTIONAL
    assert found.max_order_value_usd == 20_000.0
    assert found.max_symbol_position_usd == 20_000.0
    assert found.max_gross_position_usd == 50_000.0
    assert (found.max_price_deviation_fraction, found.max_orders_per_session) == (0.05, 50)
    assert found.venues == ("XNAS", "XNYS")
    assert faults(found) == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"instruments": ()}, "instruments is empty"),
        ({"venues": ()}, "venues is empty"),
        ({"venues": ("XNYS", "XNAS")}, "not in order"),
        ({"instruments": ("AAPL", "AAPL")}, "not in order"),
        ({"instruments": ("TSLA",)}, "TSLA is not in the deployment"),
        ({"max_price_deviation_fraction": 0.0}, "must be positive"),
        ({"max_price_deviation_fraction": 0.11}, "allow 0.1"),
        ({"max_order_value_usd": -1.0}, "must be positive"),
        ({"max_order_value_usd": 30_000.02}, "allow 30000"),
        ({"max_orders_per_session": 0}, "must be positive"),
        ({"max_orders_per_session": 101}, "allow 100"),
        ({"max_symbol_position_usd": 20_000.02}, "allow 20000"),
        ({"max_gross_position_usd": 52_500.02}, "allow 52500"),
        ({"max_gross_position_usd": float("nan")}, "must be positive"),
        ({"max_gross_position_usd": float("inf")}, "must be positive"),
    ],
)
def test_an_incomplete_or_wider_card_is_refused(change, says):
    found = faults(card(**change))
    assert any(says in fault for fault in found), found


def test_a_restricted_symbol_is_on_no_card():
    limits = ramp.LIMITS.model_copy(update={"restricted_symbols": ("AAPL",)})
    found = card_faults(card(), limits, ramp.deployment(), NOTIONAL)
    assert found == ("AAPL is restricted",)
    assert instruments_of(SECOND_LEVEL, ramp.deployment(), limits, FILLS) == ("AMZN",)


def test_the_canary_trades_the_most_traded_symbols():
    """AAPL closes at 183 with a hundred million shares, AMZN with one."""
    one = CANARY.model_copy(update={"canary_symbols": 1})
    assert instruments_of(one, ramp.deployment(), ramp.LIMITS, FILLS) == ("AAPL",)
    assert instruments_of(CANARY, ramp.deployment(), ramp.LIMITS, FILLS) == ("AAPL", "AMZN")
    quiet = {s: f.model_copy(update={"bars": (paper.bar("AMZN"),)}) for s, f in FILLS.items()}
    assert instruments_of(CANARY, ramp.deployment(), ramp.LIMITS, quiet) == ("AMZN",)
    assert instruments_of(CANARY, ramp.deployment(), ramp.LIMITS, {}) == ()
    assert instruments_of(SECOND_LEVEL, ramp.deployment(), ramp.LIMITS, {}) == ("AAPL", "AMZN")


@given(budget=st.floats(1.0, 1e10), fraction=st.floats(0.0, 1.0))
def test_a_level_never_has_more_than_its_share(budget, fraction):
    level = CANARY.model_copy(update={"notional_fraction": fraction})
    exact = budget * fraction
    assert exact - 0.0100001 <= notional_usd(level, budget) <= exact + 1e-6 * max(1.0, exact * 1e-6)


@given(
    value=st.floats(0, 1e9),
    limit=st.sampled_from(["max_order_value_usd", "max_gross_position_usd"]),
)
def test_a_wider_card_never_has_fewer_faults(value, limit):
    tighter = card(**{limit: value})
    wider = card(**{limit: value * 2 + 1})
    assert value == 0 or len(faults(wider)) >= len(faults(tighter))
