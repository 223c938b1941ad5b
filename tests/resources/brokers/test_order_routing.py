"""Routing and settling on the real replay broker and journal, with lines that break."""

import pytest
import session_examples as example
from broker_examples import AT, CLOSE, LineBreaks, broker_of, day, desk_of, market
from order_examples import request

from torghut_assets.domain.orders.errors import KeyReusedError
from torghut_assets.domain.orders.kill import OrdersKilledError
from torghut_assets.domain.orders.reconcile import Statement, reconcile
from torghut_assets.domain.orders.records import Fill
from torghut_assets.resources.kill_switch import KillSwitch
from torghut_assets.resources.order_journal import OrderJournal

BOTH = [request(), request(symbol="AMZN", side="sell", quantity=40, limit_price_usd=150.0)]
KEYS = [r.key for r in BOTH]


def settled(home, desk, broker):
    """Play the session, settle and return the states and the differences."""
    before = broker.holdings_before(example.SESSION)
    broker.end_session(market())
    stated = broker.statement(example.SESSION)
    found = desk.settle(KEYS, stated, CLOSE)
    states = OrderJournal(home).ledger().of_session(example.CANDIDATE, example.SESSION)
    return states, (*found, *reconcile(before, states, stated))


def test_a_session_goes_from_claim_to_reconciled(home):
    broker, desk = broker_of(home), desk_of(home)
    routed = desk.route(BOTH, AT)
    assert [s.status for s in routed] == ["submitted", "submitted"]
    assert all(s.acknowledged_at == AT and s.broker_order_id for s in routed)
    states, differences = settled(home, desk, broker)
    assert differences == ()
    assert [(s.status, s.filled) for s in states] == [("filled", 100), ("filled", 40)]


def test_routing_again_sends_nothing_and_returns_the_first_result(home):
    line = LineBreaks(broker_of(home))
    desk = desk_of(home, line)
    first = desk.route(BOTH, AT)
    assert desk.route(BOTH, "2022-01-03T14:26:00Z") == first
    assert desk_of(home, line).route(BOTH, AT) == first  # another process
    assert len(line.calls) == 2


def test_a_known_key_with_another_body_sends_nothing(home):
    line = LineBreaks(broker_of(home))
    desk = desk_of(home, line)
    desk.route(BOTH[:1], AT)
    with pytest.raises(KeyReusedError):
        desk.route([BOTH[1], request(quantity=101)], AT)
    assert line.calls == KEYS[:1]
    assert KEYS[1] not in OrderJournal(home).ledger().orders


@pytest.mark.parametrize("first", ["before", "after"])
@pytest.mark.parametrize("second", ["before", "after", "works"])
@pytest.mark.parametrize("third", ["before", "after", "works"])
def test_whenever_the_line_breaks_there_is_one_order_each(home, first, second, third):
    """No answer: the order is read back by its key, and sent again only if it never arrived."""
    broker = broker_of(home)
    line = LineBreaks(broker, first, second, third)
    desk = desk_of(home, line)
    for _ in range(3):
        desk.route(BOTH, AT)
    assert len(broker.open_orders()) == 2
    states, differences = settled(home, desk, broker)
    assert differences == ()
    assert [s.filled for s in states] == [100, 40]
    broke = [first, second, third][: len(line.calls)]
    assert len(line.calls) == 2 + broke.count("before")


def test_an_order_that_arrives_late_is_still_one_order(home):
    """The broker says it never got it, it is sent again, and then the first one arrives too."""
    broker = broker_of(home)
    desk = desk_of(home, LineBreaks(broker, "before"))
    desk.route(BOTH[:1], AT)
    broker.submit(BOTH[0], AT)  # the first message, late
    assert len(broker.open_orders()) == 1


def test_an_order_the_broker_refuses_ends_there(home):
    broker, desk = broker_of(home), desk_of(home)
    broker.end_session(market())
    states = desk.route(BOTH, AT)
    assert {s.status for s in states} == {"rejected"}
    assert states[0].reason == "2022-01-03 is over"


def test_the_kill_switch_stops_routing_before_anything_is_written(home):
    KillSwitch(home).engage(example.CANDIDATE, "drill")
    with pytest.raises(OrdersKilledError):
        desk_of(home).route(BOTH, AT)
    assert OrderJournal(home).ledger().orders == {}


def test_a_kill_between_two_orders_stops_the_second(home):
    switch, broker = KillSwitch(home), broker_of(home)

    class KilledMeanwhile(LineBreaks):
        def submit(self, order, at):
            taken = super().submit(order, at)
            switch.write(None, "while an order was on its way")
            return taken

    with pytest.raises(OrdersKilledError):
        desk_of(home, KilledMeanwhile(broker)).route(BOTH, AT)
    assert [o.key for o in broker.open_orders()] == KEYS[:1]
    desk = desk_of(home, broker)
    assert desk.cancel_open(example.CANDIDATE, "drill", AT) == 0
    states = OrderJournal(home).ledger().of_session(example.CANDIDATE, example.SESSION)
    assert [s.status for s in states] == ["cancelled", "cancelled"]
    settled_states, differences = settled(home, desk, broker)
    assert differences == ()
    assert [s.filled for s in settled_states] == [0, 0]


def bad_fill(broker, **changes):
    """The broker's statement with one more fill."""
    fields = {
        "fill_id": "extra",
        "key": KEYS[0],
        "symbol": "AAPL",
        "side": "buy",
        "quantity": 1,
        "price_usd": 181.0,
        "fee_usd": 0.0,
        "filled_at": "2022-01-03T15:00:00Z",
    }
    stated = broker.statement(example.SESSION)
    extra = Fill(**(fields | changes))
    return Statement(stated.orders, (extra, *stated.fills), stated.activities, stated.after)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"key": "f" * 64}, "extra"),
        ({"quantity": 1_000}, "extra"),
        ({"symbol": "AMZN"}, "extra"),
        ({"side": "sell"}, "extra"),
    ],
)
def test_a_fill_that_cannot_be_is_a_difference_and_is_not_written(home, changes, name):
    broker, desk = broker_of(home), desk_of(home)
    desk.route(BOTH, AT)
    broker.end_session(market())
    stated = bad_fill(broker, **changes)
    found = desk.settle(KEYS, stated, CLOSE)
    assert [(d.what, d.name) for d in found] == [("fill", name)]
    states = OrderJournal(home).ledger().of_session(example.CANDIDATE, example.SESSION)
    assert [s.filled for s in states] == [100, 40]
    before = broker.holdings_before(example.SESSION)
    assert "extra" in {d.name for d in reconcile(before, states, stated)}


def test_duplicate_and_out_of_order_fills_count_once(home):
    broker, desk = broker_of(home), desk_of(home)
    desk.route(BOTH, AT)
    broker.end_session(market())
    stated = broker.statement(example.SESSION)
    shuffled = Statement(
        stated.orders, (*reversed(stated.fills), *stated.fills), stated.activities, stated.after
    )
    assert desk.settle(KEYS, shuffled, CLOSE) == ()
    assert desk.settle(KEYS, stated, CLOSE) == ()
    states = OrderJournal(home).ledger().of_session(example.CANDIDATE, example.SESSION)
    assert [s.filled for s in states] == [100, 40]
    before = broker.holdings_before(example.SESSION)
    assert reconcile(before, states, shuffled) == ()


def test_a_fill_that_comes_back_with_another_price_is_a_difference(home):
    broker, desk = broker_of(home), desk_of(home)
    desk.route(BOTH, AT)
    broker.end_session(market())
    stated = broker.statement(example.SESSION)
    assert desk.settle(KEYS, stated, CLOSE) == ()
    changed = stated.fills[0].model_copy(update={"price_usd": 1.0})
    again = Statement(stated.orders, (changed, *stated.fills[1:]), stated.activities, stated.after)
    assert [d.name for d in desk.settle(KEYS, again, CLOSE)] == [changed.fill_id]


def test_a_cancel_that_fails_is_said(home):
    broker = broker_of(home)

    class Deaf(LineBreaks):
        def cancel_all(self):
            return None

    desk = desk_of(home, Deaf(broker))
    desk.route(BOTH, AT)
    assert desk.cancel_open(example.CANDIDATE, "drill", AT) == 2
    states = OrderJournal(home).ledger().of_session(example.CANDIDATE, example.SESSION)
    assert [s.status for s in states] == ["submitted", "submitted"]


def test_a_cancel_before_the_open_ends_everything_without_a_fill(home):
    broker, desk = broker_of(home), desk_of(home)
    desk.route(BOTH, AT)
    assert desk.cancel_open(example.CANDIDATE, "drill", AT) == 0
    states, differences = settled(home, desk, broker)
    assert differences == ()
    assert [(s.status, s.reason) for s in states] == [("cancelled", "drill")] * 2


def test_a_partial_fill_expires_with_its_rest(home):
    broker, desk = broker_of(home), desk_of(home)
    desk.route(BOTH[:1], AT)
    before = broker.holdings_before(example.SESSION)
    broker.end_session(market(AAPL=day("AAPL", volume_shares=1_200.0)))
    stated = broker.statement(example.SESSION)
    assert desk.settle(KEYS[:1], stated, CLOSE) == ()
    (state,) = OrderJournal(home).ledger().of_session(example.CANDIDATE, example.SESSION)
    assert (state.status, state.filled, state.reason) == (
        "expired",
        60,
        "60 of 100 filled: participation cap",
    )
    assert reconcile(before, [state], stated) == ()
