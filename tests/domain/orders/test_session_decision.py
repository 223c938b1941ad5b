"""The decision of a session: parity that was not measured, or not kept, sends nothing."""

import dataclasses

import numpy as np
import pytest
import session_examples as example

from torghut_assets.domain.backtest.settings import parse_risk_limits
from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.orders.decide import (
    Account,
    Market,
    Parity,
    SessionEvidence,
    Watch,
    compare_weights,
    decide_session,
    sizing_equity,
)
from torghut_assets.domain.orders.errors import OrdersBlockedError
from torghut_assets.domain.orders.limits import parse_order_limits
from torghut_assets.domain.orders.policy import parse_paper_policy
from torghut_assets.domain.orders.reconcile import Holdings
from torghut_assets.domain.orders.records import Position
from torghut_assets.domain.orders.session_results import requests_of, require_link
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.home import Home

HOME = Home.from_environment()
LIMITS = parse_order_limits(HOME.config_path("order_limits").read_bytes())
RISK = parse_risk_limits(HOME.config_path("risk_limits").read_bytes())
POLICY = parse_paper_policy(HOME.config_path("paper_policy").read_bytes())
POLICY = POLICY.model_copy(update={"degraded_fraction": 0.5})
AT = "2021-12-31T21:00:00Z"


def evidence(**changes):
    market = Market(
        bars_digest=example.digest_of("bars"),
        closes_usd={"AAPL": 180.0, "AMZN": 166.0},
        sessions_behind={"AAPL": 0, "AMZN": 0},
        average_volume_shares={"AAPL": 1e8, "AMZN": 6e7},
    )
    account = Account(
        holdings=Holdings(1_000_000.0, 1_000_000.0, ()),
        previous_fills_digest=None,
        cooling=frozenset(),
        recent_messages=0,
        kill="clear",
    )
    fields = {
        "deployment": example.deployment(),
        "session": example.SESSION,
        "decided_on": example.DECIDED_ON,
        "session_is_open": True,
        "live": {"AAPL": 0.2, "AMZN": -0.1},
        "reference": {"AAPL": 0.2, "AMZN": -0.1},
        "overlap": Parity(250, 0.0),
        "market": market,
        "account": account,
    }
    return SessionEvidence(**(fields | changes))


def decided(**changes):
    return decide_session(evidence(**changes), LIMITS, RISK, POLICY)


def test_agreeing_weights_become_orders():
    intents = decided()
    assert (intents.parity_verdict, intents.parity_sessions) == (Verdict.PASS, 251)
    sent = [(r.symbol, r.side, r.quantity) for r in requests_of(intents, AT)]
    assert sent == [("AAPL", "buy", 1_111), ("AMZN", "sell", 602)]


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"reference": {"AAPL": 0.2, "AMZN": -0.1 + 1e-6}}, Verdict.FAIL),
        ({"overlap": Parity(250, 1e-6)}, Verdict.FAIL),
        ({"overlap": Parity(0, None)}, Verdict.INCONCLUSIVE),
        ({"overlap": Parity(250, None)}, Verdict.INCONCLUSIVE),
        ({"reference": {"AAPL": 0.2, "AMZN": float("inf")}}, Verdict.INCONCLUSIVE),
    ],
)
def test_weights_that_differ_or_were_not_compared_send_nothing(changes, verdict):
    try:
        intents = decided(**changes)
    except ValueError:  # an infinite weight is in no record
        return
    assert intents.parity_verdict is verdict
    with pytest.raises(OrdersBlockedError, match=f"parity {verdict.value}"):
        requests_of(intents, AT)


def held(**shares):
    holdings = Holdings(
        1_000_000.0,
        1_000_000.0,
        tuple(Position(symbol=s, quantity=q, price_usd=180.0) for s, q in shares.items()),
    )
    return dataclasses.replace(evidence().account, holdings=holdings)


def wanted(intents):
    return {i.symbol: (i.side, i.quantity) for i in intents.intents}


def test_after_a_degrading_report_half_of_every_target_is_left():
    intents = decided(watch=Watch("degrade", example.digest_of("drift")))
    assert wanted(intents) == {"AAPL": ("buy", 555), "AMZN": ("sell", 301)}
    assert (intents.stance, intents.drift_report_digest) == ("degrade", example.digest_of("drift"))
    assert [t.target_fraction for t in intents.targets] == [0.2, -0.1]
    assert intents.parity_verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({}, {}),
        ({"AAPL": 500, "AMZN": -100}, {}),
        ({"AAPL": 2_000, "AMZN": -900}, {"AAPL": ("sell", 889), "AMZN": ("buy", 298)}),
        ({"AAPL": -500}, {"AAPL": ("buy", 500)}),
        ({"MSFT": 50}, {"MSFT": ("sell", 50)}),
    ],
)
def test_a_report_that_abstains_lets_nothing_grow_or_turn(shares, expected):
    market = dataclasses.replace(
        evidence().market, closes_usd={"AAPL": 180.0, "AMZN": 166.0, "MSFT": 300.0}
    )
    intents = decided(watch=Watch("abstain"), account=held(**shares), market=market)
    assert wanted(intents) == expected
    assert (intents.stance, intents.drift_report_digest) == ("abstain", None)


def test_an_engaged_switch_or_a_stale_feed_blocks_with_its_name():
    killed = dataclasses.replace(evidence().account, kill="engaged")
    with pytest.raises(OrdersBlockedError, match="kill_switch fail"):
        requests_of(decided(account=killed), AT)
    stale = dataclasses.replace(
        evidence().market,
        closes_usd={"AAPL": None, "AMZN": None},
        sessions_behind={"AAPL": 1, "AMZN": 2},
    )
    intents = decided(market=stale)
    assert intents.intents == ()
    with pytest.raises(OrdersBlockedError, match="stale_data fail"):
        requests_of(intents, AT)


def test_a_halted_symbol_is_left_as_it_is_and_the_rest_trades():
    halted = dataclasses.replace(
        evidence().market,
        closes_usd={"AAPL": 180.0, "AMZN": None},
        sessions_behind={"AAPL": 0, "AMZN": 3},
    )
    assert [r.symbol for r in requests_of(decided(market=halted), AT)] == ["AAPL"]


def test_weights_are_compared_from_the_end_and_in_one_shape():
    stored = np.zeros((5, 2))
    again = stored.copy()
    again[0, 0] = 0.5
    assert compare_weights(stored, again, 4) == Parity(4, 0.0)
    assert compare_weights(stored, again, 5) == Parity(5, 0.5)
    assert compare_weights(stored, again[:4], 4) == Parity(0, None)
    again[4, 1] = np.nan
    assert compare_weights(stored, again, 4) == Parity(4, None)


def test_an_outside_account_trades_its_budget_and_no_more():
    outside = POLICY.model_copy(update={"broker": "alpaca-paper", "budget_usd": 1_000.0})
    assert sizing_equity(5_000.0, outside) == 1_000.0
    assert sizing_equity(500.0, outside) == 500.0
    assert sizing_equity(5_000.0, POLICY) == 5_000.0


def test_records_that_do_not_follow_each_other_are_refused():
    require_link("paper_orders", "a", "a")
    with pytest.raises(EvidenceContradictionError, match="paper_orders"):
        require_link("paper_orders", "a", "b")
