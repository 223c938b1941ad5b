"""Limits, policy and keys: what ships is valid, what is wrong is refused by name."""

import datetime as dt

import pytest
import session_examples as example
from order_examples import request

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.orders.errors import KeyReusedError
from torghut_assets.domain.orders.keys import key_faults, order_key, request_of
from torghut_assets.domain.orders.limits import parse_order_limits
from torghut_assets.domain.orders.policy import parse_paper_policy
from torghut_assets.resources.home import Home

HOME = Home.from_environment()
LIMITS = HOME.config_path("order_limits").read_bytes()
POLICY = HOME.config_path("paper_policy").read_bytes()


def test_the_shipped_settings_are_valid_and_agree():
    limits, policy = parse_order_limits(LIMITS), parse_paper_policy(POLICY)
    assert policy.limit_offset_fraction <= limits.price_collar_fraction
    assert policy.mode == "paper"
    assert policy.broker == "replay"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"max_messages: 100\n", b"", "max_messages"),
        (b"max_messages: 100\n", b"max_messages: 0\n", "max_messages"),
        (b"max_gross_fraction: 1.05\n", b"max_gross_fraction: .nan\n", ".nan"),
        (b"max_gross_fraction: 1.05\n", b"max_gross_fraction: -1\n", "max_gross_fraction"),
        (b"restricted_symbols: []", b"restricted_symbols: [X, X]", "twice"),
        (b"max_order_notional_fraction: 0.6", b"max_order_notional_fraction: 4", "must not exceed"),
        (b"  max_messages: >-", b"  max_mess: >-", "no source for max_messages"),
    ],
)
def test_wrong_limits_are_refused(old, new, said):
    assert old in LIMITS
    with pytest.raises(BadInputError, match=said):
        parse_order_limits(LIMITS.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"\nbroker: replay", b"\nbroker: alpaca-paper", "close_first"),
        (b"\nbroker: replay", b"\nbroker: alpaca-live", "broker"),
        (b"\nmode: paper", b"\nmode: live", "mode"),
        (b"budget_usd: 10000000", b"budget_usd: 0", "budget_usd"),
        (b'"2022-01-01"', b'"2022-06-01"', "must rise"),
    ],
)
def test_a_wrong_policy_is_refused(old, new, said):
    assert old in POLICY
    with pytest.raises(BadInputError, match=said):
        parse_paper_policy(POLICY.replace(old, new, 1))


@pytest.mark.parametrize(
    ("day", "sec"),
    [("2019-01-01", 5.1), ("2022-05-13", 5.1), ("2022-05-14", 22.9), ("2023-09-01", 8.0)],
)
def test_fees_are_those_in_force(day, sec):
    fees = parse_paper_policy(POLICY).fees_on(dt.date.fromisoformat(day))
    assert fees.sec_usd_per_million == sec


def test_every_part_of_a_key_changes_it():
    parts = ("tsmom-megacaps-v1", "2022-01-03", "AAPL", "rebalance", "d" * 64)
    changed = [
        order_key(*(*parts[:i], other, *parts[i + 1 :]))
        for i, other in enumerate(("other-one", "2022-01-04", "AMZN", "flatten", "e" * 64))
    ]
    assert len({order_key(*parts), *changed}) == 6


def test_an_intent_becomes_the_request_it_means():
    asked = request()
    intents = example.intents(intents=(example.intent(key=asked.key),))
    assert request_of(intents.intents[0], intents, asked.decided_at) == asked
    assert asked.signed_quantity == 100
    assert request(side="sell").signed_quantity == -100
    assert "buy 100 AAPL limit at 189.0" in asked.body
    assert "market" in request(limit_price_usd=None, order_type="market").body


def test_a_foreign_key_is_refused_and_shown():
    foreign = example.intents()  # its key is only a stand-in
    with pytest.raises(KeyReusedError):
        request_of(foreign.intents[0], foreign, "2021-12-31T21:00:00Z")
    assert "is not its key" in key_faults(foreign)[0]
    own = example.intent(key=request().key)
    assert key_faults(example.intents(intents=(own,))) == ()
    assert "the same key" in key_faults(example.intents(intents=(own, own)))[0]
