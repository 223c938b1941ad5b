"""Reconciliation: a whole session agrees; each lie of either side is named."""

import dataclasses

import pytest
from order_examples import note, request

from torghut_assets.domain.orders.journal import fold
from torghut_assets.domain.orders.reconcile import (
    Activity,
    BrokerOrder,
    Holdings,
    Statement,
    reconcile,
)
from torghut_assets.domain.orders.records import Position

KEY = request().key
BEFORE = Holdings(100_000.0, 101_660.0, (Position(symbol="AMZN", quantity=10, price_usd=166.0),))
NOTES = [
    note("claim"),
    note("submit"),
    note("acknowledge", broker_order_id="b-1"),
    note("execute", quantity=100, price_usd=181.0, fee_usd=1.0),
]
STATES = tuple(fold(NOTES).orders.values())
STATED = Statement(
    orders=(BrokerOrder(KEY, "b-1", "AAPL", "buy", 100, "filled", 100, "2022-01-03T14:25:00Z"),),
    fills=STATES[0].fills,
    activities=(Activity("AMZN", 2.5), Activity("AMZN", 0.0, 190, "split")),
    after=Holdings(
        100_000.0 - 18_101.0 + 2.5,
        0.0,
        (
            Position(symbol="AAPL", quantity=100, price_usd=183.0),
            Position(symbol="AMZN", quantity=200, price_usd=8.3),
        ),
    ),
)


def found(stated=STATED, states=STATES, before=BEFORE):
    return {(d.what, d.name) for d in reconcile(before, states, stated)}


def changed_order(**changes):
    order = dataclasses.replace(STATED.orders[0], **changes)
    return dataclasses.replace(STATED, orders=(order,))


def with_after(**changes):
    return dataclasses.replace(STATED, after=dataclasses.replace(STATED.after, **changes))


def test_a_whole_session_agrees():
    assert found() == set()


def test_half_a_cent_is_rounding_and_a_cent_is_not():
    cash = STATED.after.cash_usd
    assert found(with_after(cash_usd=cash + 0.004)) == set()
    assert found(with_after(cash_usd=cash + 0.01)) == {("cash", "cash_usd")}
    assert found(with_after(cash_usd=float("nan"))) == {("cash", "cash_usd")}


@pytest.mark.parametrize(
    ("stated", "names"),
    [
        (dataclasses.replace(STATED, orders=()), {("order", KEY)}),
        (changed_order(status="cancelled"), {("order", KEY)}),
        (changed_order(filled_quantity=90), {("order", KEY)}),
        (changed_order(side="sell"), {("order", KEY)}),
        (changed_order(symbol="AMZN"), {("order", KEY)}),
        (changed_order(key="f" * 64), {("order", KEY), ("order", "f" * 64)}),
        (dataclasses.replace(STATED, fills=()), {("fill", "f-1")}),
        (
            dataclasses.replace(
                STATED, fills=(STATED.fills[0].model_copy(update={"price_usd": 1.0}),)
            ),
            {("fill", "f-1")},
        ),
        (with_after(positions=()), {("position", "AAPL"), ("position", "AMZN")}),
        (
            dataclasses.replace(STATED, activities=STATED.activities[:1]),
            {("position", "AMZN")},
        ),
        (dataclasses.replace(STATED, activities=STATED.activities[1:]), {("cash", "cash_usd")}),
    ],
)
def test_each_contradiction_is_named(stated, names):
    assert found(stated) == names


def test_a_fill_that_the_broker_tells_twice_in_two_ways_is_named():
    other = STATED.fills[0].model_copy(update={"quantity": 7})
    stated = dataclasses.replace(STATED, fills=(*STATED.fills, other))
    assert found(stated) == {("fill", "f-1")}


def test_an_order_that_was_never_sent_needs_no_counterpart():
    never = tuple(fold([note("claim"), note("cancel", reason="kill")]).orders.values())
    nothing = Statement((), (), (), BEFORE)
    assert found(nothing, never) == set()
    sent = tuple(fold(NOTES[:3]).orders.values())
    assert found(nothing, sent) == {("order", KEY)}
