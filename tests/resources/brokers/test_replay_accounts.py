"""Accounts of the replay broker: corporate actions, marks, order of sessions."""

import pytest
import session_examples as example
from broker_examples import AT, broker_of, day, market
from order_examples import request

from torghut_assets.resources.brokers.interface import (
    BrokerRejectedError,
    BrokerUnavailableError,
    SessionNotOverError,
)
from torghut_assets.resources.brokers.replay import ReplayBroker, replay_accounts

NEXT = "2022-01-04"


@pytest.fixture
def holding(home):
    """An account that holds 100 AAPL, bought at 181 and 182."""
    broker = broker_of(home)
    broker.submit(request(), AT)
    broker.end_session(market())
    return broker


def test_a_purchase_is_paid_and_marked_to_the_close(holding):
    now = holding.holdings()
    assert now.cash_usd == 1_000_000.0 - 50 * 181.0 - 50 * 182.0
    assert now.equity_usd == now.cash_usd + 100 * 183.0
    assert holding.holdings_before(example.SESSION).equity_usd == 1_000_000.0
    assert holding.holdings_before(NEXT) == now


def test_a_dividend_is_paid_on_what_was_held_before(holding):
    before = holding.holdings().cash_usd
    holding.end_session(market(NEXT, AAPL=day("AAPL", dividend_usd=0.22)))
    stated = holding.statement(NEXT)
    assert [(a.symbol, a.cash_usd) for a in stated.activities] == [("AAPL", 22.0)]
    assert stated.after.cash_usd == pytest.approx(before + 22.0)


def test_a_split_multiplies_shares_and_pays_fractions(holding):
    value = holding.holdings().equity_usd
    split = {"split_ratio": 1.5, "close_usd": 122.0, "open_usd": 121.0, "low_usd": 120.0}
    holding.end_session(market(NEXT, AAPL=day("AAPL", high_usd=123.0, **split)))
    after = holding.statement(NEXT).after
    assert after.shares == {"AAPL": 150}
    assert after.equity_usd == pytest.approx(value)


def test_a_session_ends_once_and_in_order(holding):
    first = holding.statement(example.SESSION)
    holding.end_session(market())
    assert holding.statement(example.SESSION) == first
    with pytest.raises(SessionNotOverError, match="has seen"):
        holding.end_session(market("2021-12-31"))
    with pytest.raises(SessionNotOverError, match="not played yet"):
        holding.statement(NEXT)
    with pytest.raises(BrokerRejectedError, match="is over"):
        holding.submit(request(symbol="AMZN"), AT)


def test_accounts_are_apart(home, holding):
    other = ReplayBroker(home.replay_broker_path, "another-one", 500.0)
    assert other.holdings().cash_usd == 500.0
    with pytest.raises(BrokerRejectedError, match="another account"):
        other.submit(request(symbol="AMZN"), AT)
    assert replay_accounts(home.replay_broker_path) == ("another-one", example.CANDIDATE)


def test_an_account_that_was_never_opened_is_unavailable(home, holding):
    with pytest.raises(BrokerUnavailableError, match="no account"):
        ReplayBroker(home.replay_broker_path, "nobody-here").holdings()
    nowhere = ReplayBroker(home.root / "nowhere.sqlite", "nobody-here")
    with pytest.raises(BrokerUnavailableError, match="no file"):
        nowhere.holdings()


def test_a_symbol_that_the_market_does_not_have_is_rejected(home):
    broker = broker_of(home)
    broker.submit(request(symbol="GONE"), AT)
    broker.end_session(market())
    (order,) = broker.statement(example.SESSION).orders
    assert (order.status, order.filled_quantity) == ("rejected", 0)
    assert "no such symbol" in order.reason


def test_the_same_orders_and_bars_give_the_same_statement(home, tmp_path):
    statements = []
    for name in ("one", "two"):
        broker = ReplayBroker(tmp_path / name, example.CANDIDATE, 1_000_000.0)
        for asked in (request(), request(symbol="AMZN", side="sell", limit_price_usd=150.0)):
            broker.submit(asked, AT)
        broker.end_session(market())
        statements.append(broker.statement(example.SESSION))
    assert statements[0] == statements[1]
