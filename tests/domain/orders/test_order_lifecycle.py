"""Every pair of status and event, and lives that are not in the table."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from order_examples import note, request

from torghut_assets.domain.orders.errors import (
    ImpossibleEventError,
    KeyReusedError,
    UnexplainedOrderError,
)
from torghut_assets.domain.orders.journal import Ledger, OrderNote, fold
from torghut_assets.domain.orders.lifecycle import EVENTS, STATUSES, next_status
from torghut_assets.domain.orders.records import FINAL_STATUSES

# Written out a second time on purpose: what each status may become, read from the issue.
ALLOWED = {
    None: {"claim": "claimed"},
    "claimed": {"submit": "submitted", "cancel": "cancelled", "reject": "rejected"},
    "submitted": {
        "acknowledge": "submitted",
        "partial_fill": "partially_filled",
        "fill": "filled",
        "cancel": "cancelled",
        "reject": "rejected",
        "expire": "expired",
        "lose": "unknown",
    },
    "partially_filled": {
        "acknowledge": "partially_filled",
        "partial_fill": "partially_filled",
        "fill": "filled",
        "cancel": "cancelled",
        "expire": "expired",
    },
    "unknown": {
        "acknowledge": "submitted",
        "partial_fill": "partially_filled",
        "fill": "filled",
        "cancel": "cancelled",
        "reject": "rejected",
        "expire": "expired",
        "not_found": "claimed",
    },
    "filled": {"acknowledge": "filled"},
    "cancelled": {"acknowledge": "cancelled", "partial_fill": "cancelled", "fill": "filled"},
    "rejected": {},
    "expired": {"partial_fill": "expired", "fill": "filled"},
}


@pytest.mark.parametrize(("status", "event"), list(itertools.product((None, *STATUSES), EVENTS)))
def test_every_status_and_event_is_allowed_or_refused_as_listed(status, event):
    expected = ALLOWED[status].get(event)
    if expected is None:
        with pytest.raises(ImpossibleEventError):
            next_status(status, event, key="k")
    else:
        assert next_status(status, event, key="k") == expected


def test_an_unknown_order_is_never_submitted_again_before_it_was_read_back():
    assert "submit" not in ALLOWED["unknown"]
    with pytest.raises(ImpossibleEventError):
        fold([note("claim"), note("submit"), note("lose"), note("submit")])
    ledger = fold([note("claim"), note("submit"), note("lose"), note("not_found"), note("submit")])
    assert ledger.orders[request().key].status == "submitted"


def test_a_final_order_never_opens_again():
    for status in FINAL_STATUSES:
        for event in EVENTS:
            if (following := ALLOWED[status].get(event)) is not None:
                assert following in FINAL_STATUSES


def test_fills_add_up_in_any_order_and_each_counts_once():
    first = note("execute", quantity=30, fill_id="f-1", at="2022-01-03T14:30:00Z")
    second = note("execute", quantity=70, fill_id="f-2", at="2022-01-03T17:45:00Z")
    start = [note("claim"), note("submit")]
    in_order = fold([*start, note("acknowledge"), first, second]).orders[request().key]
    out_of_order = fold([*start, second, first, first, note("acknowledge"), second])
    state = out_of_order.orders[request().key]
    assert state.fills == in_order.fills
    assert (state.status, state.filled) == ("filled", 100)


def test_a_fill_that_comes_back_changed_is_refused():
    start = [note("claim"), note("submit"), note("execute", quantity=30, fill_id="f-1")]
    with pytest.raises(UnexplainedOrderError, match="first reported"):
        fold([*start, note("execute", quantity=31, fill_id="f-1")])


def test_more_than_was_ordered_is_refused():
    start = [note("claim"), note("submit"), note("execute", quantity=60, fill_id="f-1")]
    with pytest.raises(UnexplainedOrderError, match="at most the 100"):
        fold([*start, note("execute", quantity=41, fill_id="f-2")])


def test_a_fill_of_another_symbol_or_side_is_refused():
    start = [note("claim"), note("submit")]
    for changed in ({"symbol": "MSFT"}, {"side": "sell"}):
        with pytest.raises(UnexplainedOrderError, match="as the order"):
            fold([*start, note("execute", quantity=1, fill_id="f-1", **changed)])


def test_a_fill_for_an_unknown_order_is_refused():
    with pytest.raises(UnexplainedOrderError, match="expected a claim"):
        fold([note("execute", quantity=1, fill_id="f-1")])


def test_a_fill_of_a_rejected_order_is_refused():
    with pytest.raises(ImpossibleEventError):
        fold([note("claim"), note("submit"), note("reject"), note("execute", quantity=1)])


def test_the_same_claim_again_changes_nothing_and_another_body_is_an_error():
    ledger = fold([note("claim"), note("submit"), note("claim")])
    assert ledger.orders[request().key].status == "submitted"
    assert len(ledger.notes) == 2
    for changed in ({"quantity": 101}, {"side": "sell"}, {"limit_price_usd": 1.0}):
        with pytest.raises(KeyReusedError):
            ledger.apply(note("claim", request=request(**changed)))


@pytest.mark.parametrize(
    "bad",
    [
        {"event": "claim", "request": None},
        {"event": "submit", "request": request()},
        {"event": "execute", "fill": None},
    ],
)
def test_a_note_carries_exactly_what_its_event_needs(bad):
    fields = note("submit").model_dump() | bad
    with pytest.raises(ValueError, match="carries"):
        OrderNote(**fields)


@given(st.lists(st.sampled_from(EVENTS), max_size=12))
def test_random_lives_stay_in_the_table(events):
    """Whatever happens, the ledger holds a listed status or the event was refused."""
    ledger, status = Ledger(), None
    ledger.apply(note("claim"))
    status = "claimed"
    for number, event in enumerate(events):
        if event == "claim":
            continue
        quantity = 100 if event == "fill" else 1
        name = "execute" if event in {"fill", "partial_fill"} else event
        step = note(name, quantity=quantity, fill_id=f"f-{number}")
        if event == "fill":  # the rest of the order
            rest = 100 - ledger.orders[request().key].filled
            if rest == 0:
                continue
            step = note(name, quantity=rest, fill_id=f"f-{number}")
        expected = ALLOWED[status].get(event)
        if expected is None:
            with pytest.raises((ImpossibleEventError, UnexplainedOrderError)):
                ledger.apply(step)
        else:
            ledger.apply(step)
            status = expected
        assert ledger.orders[request().key].status == status


def test_the_history_digest_is_of_the_events_and_of_nothing_else():
    notes = [note("claim"), note("submit"), note("acknowledge")]
    digest = fold(notes).history_digest("tsmom-megacaps-v1", "2022-01-03")
    assert digest == fold(notes).history_digest("tsmom-megacaps-v1", "2022-01-03")
    assert digest != fold(notes[:2]).history_digest("tsmom-megacaps-v1", "2022-01-03")
    assert digest != fold(notes).history_digest("tsmom-megacaps-v1", "2022-01-04")


def test_messages_are_counted_by_their_own_times():
    ledger = fold([note("claim"), note("submit", at="2022-01-03T14:25:00Z"), note("acknowledge")])
    inside = ("tsmom-megacaps-v1", "2022-01-03T14:24:00Z", "2022-01-03T14:25:00Z")
    assert ledger.messages_between(*inside) == 1
    assert ledger.messages_between("another-candidate", *inside[1:]) == 0
    assert ledger.messages_between(inside[0], "2022-01-03T14:25:01Z", "2022-01-03T15:00:00Z") == 0
