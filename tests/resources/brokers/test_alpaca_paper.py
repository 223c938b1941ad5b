"""The real alpaca-py client against a local account that answers, fails and stays silent."""

import pytest
import session_examples as example
from alpaca_server import paper_account
from broker_examples import AT, CLOSE, desk_of, market
from order_examples import request

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.orders.errors import KeyReusedError
from torghut_assets.domain.orders.reconcile import reconcile
from torghut_assets.resources.brokers.alpaca import AlpacaPaperBroker
from torghut_assets.resources.brokers.interface import (
    BrokerRejectedError,
    BrokerUnavailableError,
    BrokerUnknownOutcomeError,
    SessionNotOverError,
)
from torghut_assets.resources.order_journal import OrderJournal

BOTH = [request(), request(symbol="AMZN", side="sell", quantity=40, limit_price_usd=150.0)]
KEYS = [r.key for r in BOTH]


@pytest.fixture
def service(monkeypatch):
    with paper_account() as (account, url):
        monkeypatch.setenv("APCA_API_BASE_URL", url)
        monkeypatch.setenv("APCA_API_KEY_ID", "a-key")
        monkeypatch.setenv("APCA_API_SECRET_KEY", "a-secret")
        yield account


@pytest.fixture
def broker(service):
    return AlpacaPaperBroker.from_environment(timeout_seconds=0.6, retry_wait_seconds=0)


def test_an_order_arrives_under_its_key_and_is_found_by_it(service, broker):
    sent = broker.submit(BOTH[0], AT)
    assert (sent.key, sent.status, sent.quantity) == (KEYS[0], "submitted", 100)
    assert sent.acknowledged_at == "2022-01-03T14:25:00.987654Z"
    assert broker.find(KEYS[0]) == sent
    assert broker.find(KEYS[1]) is None
    (taken,) = service.orders.values()
    assert taken["limit_price"] == "189"
    assert taken["time_in_force"] == "day"


def test_the_same_key_again_is_the_first_order(service, broker):
    first = broker.submit(BOTH[0], AT)
    assert broker.submit(BOTH[0], AT) == first
    assert len(service.orders) == 1
    with pytest.raises(KeyReusedError):
        broker.submit(request(quantity=101), AT)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("403", BrokerRejectedError),
        ("401", BrokerUnavailableError),
        ("500", BrokerUnknownOutcomeError),
        ("500 after accept", BrokerUnknownOutcomeError),
        ("timeout after accept", BrokerUnknownOutcomeError),
        ("garbage", BrokerUnknownOutcomeError),
        ("lost", BrokerUnknownOutcomeError),
    ],
)
def test_every_fault_of_sending_has_its_meaning(service, broker, fault, error):
    service.faults = [fault]
    with pytest.raises(error):
        broker.submit(BOTH[0], AT)


def test_what_the_service_refuses_is_rejected_with_its_words(broker):
    with pytest.raises(BrokerRejectedError, match="asset XXXX not found"):
        broker.submit(request(symbol="XXXX"), AT)


def test_a_busy_service_is_asked_again_and_then_left(service, broker):
    service.faults = ["429", "429"]
    assert broker.submit(BOTH[0], AT).status == "submitted"
    assert service.posts == 3
    service.faults = ["429"] * 4
    with pytest.raises(BrokerUnavailableError, match="429"):
        broker.submit(BOTH[1], AT)


def test_a_gateway_that_loses_the_answer_makes_no_second_order(service, broker):
    """alpaca-py sends a 504 again by itself; the key makes that one order."""
    service.faults = ["504 after accept"]
    assert broker.submit(BOTH[0], AT).key == KEYS[0]
    assert (service.posts, len(service.orders)) == (2, 1)


@pytest.mark.parametrize(
    "fault", ["lost", "500", "500 after accept", "timeout after accept", "garbage"]
)
def test_routing_through_a_fault_ends_in_one_order_each(home, service, broker, fault):
    service.faults = [fault]
    states = desk_of(home, broker).route(BOTH, AT)
    assert [s.status for s in states] == ["submitted", "submitted"]
    assert sorted(o["client_order_id"] for o in service.orders.values()) == sorted(KEYS)


def test_a_session_with_partial_fills_reconciles(home, service, broker):
    desk = desk_of(home, broker)
    before = broker.holdings_before(example.SESSION)
    desk.route(BOTH, AT)
    service.fill(KEYS[0], 30)
    service.fill(KEYS[0], 70)
    service.fill(KEYS[1], 15)
    service.activities.append(
        {"activity_type": "FEE", "id": "f", "symbol": "AMZN", "net_amount": "-0.02", "qty": None}
    )
    service.cash -= 0.02
    with pytest.raises(SessionNotOverError):
        desk.close_session(example.CANDIDATE, market())
    service.end_day()
    stated, differences = desk.close_session(example.CANDIDATE, market())
    states = OrderJournal(home).ledger().of_session(example.CANDIDATE, example.SESSION)
    assert differences == ()
    assert [(s.status, s.filled) for s in states] == [("filled", 100), ("expired", 15)]
    assert reconcile(before, states, stated) == ()
    assert stated.after.shares == {"AAPL": 100, "AMZN": -15}


def test_a_fill_that_the_service_invents_is_found(home, service, broker):
    desk = desk_of(home, broker)
    before = broker.holdings_before(example.SESSION)
    desk.route(BOTH[:1], AT)
    service.fill(KEYS[0], 100)
    service.positions["AMZN"] = 7  # no fill says so
    service.end_day()
    stated, _ = desk.close_session(example.CANDIDATE, market())
    states = OrderJournal(home).ledger().of_session(example.CANDIDATE, example.SESSION)
    found = reconcile(before, states, stated)
    assert [(d.what, d.name, d.ours, d.brokers) for d in found] == [("position", "AMZN", "0", "7")]


def test_an_order_that_somebody_else_sent_is_found(home, service, broker):
    desk = desk_of(home, broker)
    before = broker.holdings_before(example.SESSION)
    desk.route(BOTH[:1], AT)
    service.take({"client_order_id": "by-hand", "symbol": "AAPL", "qty": "5", "side": "buy"})
    service.fill("by-hand", 5)
    service.end_day()
    stated, differences = desk.close_session(example.CANDIDATE, market())
    states = OrderJournal(home).ledger().of_session(example.CANDIDATE, example.SESSION)
    assert [d.ours for d in differences] == ["no such order"]
    found = {d.what for d in reconcile(before, states, stated)}
    assert found == {"order", "fill", "position", "cash"}


def test_more_activities_than_a_page_are_all_read(home, service, broker):
    desk = desk_of(home, broker)
    desk.route(BOTH[:1], AT)
    for _ in range(100):
        service.fill(KEYS[0], 1)
    service.activities.append({"activity_type": "DIV", "id": "d", "net_amount": "3.5"})
    service.cash += 3.5
    service.end_day()
    stated, differences = desk.close_session(example.CANDIDATE, market())
    assert differences == ()
    assert (len(stated.fills), stated.activities[0].cash_usd) == (100, 3.5)


def test_cancels_end_orders_and_a_failed_one_is_said(home, service, broker):
    desk = desk_of(home, broker)
    desk.route(BOTH, AT)
    broker.cancel(KEYS[0])
    broker.cancel(KEYS[0])  # not cancelable any more
    broker.cancel("f" * 64)  # never there
    assert [o.key for o in broker.open_orders()] == [KEYS[1]]
    service.deaf_to_cancels = True
    assert desk.cancel_open(example.CANDIDATE, "drill", CLOSE) == 1
    service.deaf_to_cancels = False
    assert desk.cancel_open(example.CANDIDATE, "drill", CLOSE) == 0
    states = OrderJournal(home).ledger().of_session(example.CANDIDATE, example.SESSION)
    assert [s.status for s in states] == ["cancelled", "cancelled"]


def test_a_service_that_is_down_is_unavailable_and_changes_nothing(home, service, broker):
    desk = desk_of(home, broker)
    desk.route(BOTH, AT)
    broker._client._base_url = "http://127.0.0.1:9"  # nobody listens
    for ask in (broker.holdings, broker.open_orders, broker.cancel_all):
        with pytest.raises(BrokerUnavailableError):
            ask()
    states = OrderJournal(home).ledger().of_session(example.CANDIDATE, example.SESSION)
    assert [s.status for s in states] == ["submitted", "submitted"]


def test_fractions_of_shares_are_not_ours(service, broker):
    service.positions["AAPL"] = 0.5
    with pytest.raises(BrokerUnavailableError, match="fraction of a share"):
        broker.holdings()


@pytest.mark.parametrize(
    "url", ["https://api.alpaca.markets", "http://paper-api.alpaca.markets", "https://x.example"]
)
def test_only_paper_addresses_are_accepted(monkeypatch, service, url):
    monkeypatch.setenv("APCA_API_BASE_URL", url)
    with pytest.raises(BadInputError, match="paper accounts only"):
        AlpacaPaperBroker.from_environment()


def test_missing_keys_are_named(monkeypatch, service):
    monkeypatch.delenv("APCA_API_SECRET_KEY")
    with pytest.raises(BadInputError, match="no APCA_API_SECRET_KEY"):
        AlpacaPaperBroker.from_environment()
