"""How the replay broker fills: worked by hand, bounded by laws."""

import math

import pytest
from broker_examples import FEES, day, rules
from hypothesis import given
from hypothesis import strategies as st
from order_examples import request

from torghut_assets.domain.orders.corporate_actions import corporate_action
from torghut_assets.domain.orders.execution import execute, fee_usd


def run(order=None, of=None, **rule_changes):
    return execute(order or request(), of or day(), rules(**rule_changes), "replay-x")


def test_half_at_the_open_and_half_at_the_middle_of_the_session():
    """Bar 181/184/180/183: open 181, (181 + 184 + 180 + 183) / 4 = 182."""
    outcome = run()
    assert outcome.status == "filled"
    assert [(f.quantity, f.price_usd, f.filled_at[11:16]) for f in outcome.fills] == [
        (50, 181.0, "14:30"),
        (50, 182.0, "17:45"),
    ]


def test_half_the_spread_is_paid_on_either_side():
    """10 bps of 181 is 0.181, of 182 is 0.182."""
    bought = run(of=day(half_spread=0.001)).fills
    sold = run(request(side="sell", limit_price_usd=170.0), day(half_spread=0.001)).fills
    assert [f.price_usd for f in bought] == [181.181, 182.182]
    assert [f.price_usd for f in sold] == [180.819, 181.818]


def test_no_more_than_the_share_of_the_volume_is_filled():
    outcome = run(of=day(volume_shares=1_000.0))
    assert (outcome.status, [f.quantity for f in outcome.fills]) == ("expired", [25, 25])
    assert outcome.reason == "50 of 100 filled: participation cap"


def test_a_limit_below_the_open_waits_for_the_session_to_touch_it():
    outcome = run(request(limit_price_usd=180.5))
    assert (outcome.status, [(f.quantity, f.price_usd) for f in outcome.fills]) == (
        "filled",
        [(100, 180.5)],
    )


def test_a_limit_that_is_never_touched_expires():
    outcome = run(request(limit_price_usd=179.9))
    assert (outcome.status, outcome.fills) == ("expired", ())
    assert outcome.reason == "0 of 100 filled: limit not reached"
    sell = run(request(side="sell", limit_price_usd=184.1))
    assert (sell.status, sell.fills) == ("expired", ())


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (day(open_usd=None), "halted"),
        (day(close_usd=None), "halted"),
        (day(volume_shares=None), "halted"),
        (day(volume_shares=0.0), "no volume"),
        (day(half_spread=None), "no spread"),
        (day(split_ratio=4.0), "split 4 for 1"),
    ],
)
def test_what_cannot_trade_is_rejected_by_rule(of, reason):
    outcome = run(of=of)
    assert (outcome.status, outcome.fills) == ("rejected", ())
    assert outcome.reason.startswith(reason or "halted")


def test_regulatory_fees_are_those_of_the_schedule():
    """2022: 5.10 USD per million sold, 0.00013 USD a share up to 6.49, each up to the cent.

    A sale of 1,000 at 180: 0.918 -> 0.92 and 0.13; of 100,000: 91.80 and the cap of 6.49.
    """
    assert fee_usd("buy", 1_000, 180.0, FEES) == 0.0
    assert fee_usd("sell", 1_000, 180.0, FEES) == pytest.approx(1.05)
    assert fee_usd("sell", 100_000, 180.0, FEES) == pytest.approx(98.29)


@given(
    quantity=st.integers(1, 100_000),
    volume=st.integers(0, 1_000_000),
    side=st.sampled_from(["buy", "sell"]),
    limit=st.one_of(st.none(), st.floats(150, 210)),
    share=st.floats(0, 1),
    half_spread=st.floats(0, 0.01),
)
def test_fills_keep_order_cap_limit_and_side_of_the_market(
    quantity, volume, side, limit, share, half_spread
):
    asked = request(quantity=quantity, side=side, limit_price_usd=limit)
    of = day(volume_shares=float(volume), half_spread=half_spread)
    outcome = run(asked, of, open_share_fraction=share)
    done = sum(f.quantity for f in outcome.fills)
    assert done <= min(quantity, 0.05 * volume)
    assert (outcome.status == "filled") == (done == quantity)
    assert outcome == run(asked, of, open_share_fraction=share)  # no chance
    for fill in outcome.fills:
        if limit is not None:
            assert fill.price_usd <= limit if side == "buy" else fill.price_usd >= limit
        reachable = (180.0 * (1 - half_spread) - 0.01, 184.0 * (1 + half_spread) + 0.01)
        assert reachable[0] <= fill.price_usd <= reachable[1]


def test_published_actions_are_recognized():
    """Apple paid 0.22 USD on 2022-02-04; a 4 for 1 split and a 1 for 10 reverse split; nothing."""
    paid = corporate_action(172.9, 172.9 * (1 - 0.22 / 172.9), 172.39, 172.39)
    assert paid.split_ratio == 1.0
    assert paid.dividend_usd == pytest.approx(0.22)
    assert corporate_action(499.23, 124.8075, 129.04, 129.04).split_ratio == 4.0
    assert corporate_action(1.0, 10.0, 10.1, 10.1).split_ratio == 0.1
    assert corporate_action(300.0, 200.0, 201.0, 201.0).split_ratio == 1.5
    assert corporate_action(100.0, 100.0, 101.0, 101.0) == (1.0, 0.0)
    assert corporate_action(100.0, 100.001, 101.0, 101.0) == (1.0, 0.0)  # rounding
    assert corporate_action(100.0, 100.2, 100.0, 100.0) == (1.0, 0.0)  # a factor that rises
    assert corporate_action(math.nan, 1.0, 1.0, 1.0) == (1.0, 0.0)


def test_a_large_special_dividend_is_no_split():
    """A dividend of 14.3 % of the price falls between the ratios of real splits."""
    action = corporate_action(70.0, 60.0 - 0.35, 60.0, 60.0)
    assert action.split_ratio == 1.0
    assert action.dividend_usd == pytest.approx(10.35)
