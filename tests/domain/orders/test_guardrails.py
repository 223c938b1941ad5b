"""Guardrails: each rule fails on its own, and nothing that gets worse or lost ever helps."""

import dataclasses
import math

import pytest
import session_examples as example
from hypothesis import given, settings
from hypothesis import strategies as st

from torghut_assets.domain.orders.guardrails import (
    RULES,
    Situation,
    judge_guardrails,
    needs_latch,
)
from torghut_assets.domain.orders.limits import OrderLimits, parse_order_limits
from torghut_assets.domain.orders.records import Position
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.home import Home

SYMBOLS = ("AAPL", "AMZN")
NAN = float("nan")


def limits(**changes) -> OrderLimits:
    shipped = Home.from_environment().config_path("order_limits").read_bytes()
    return parse_order_limits(shipped).model_copy(update=changes)


LIMITS = limits()


def situation(**changes) -> Situation:
    fields = {
        "kill": "clear",
        "session_is_open": True,
        "budget_usd": 1_000_000.0,
        "equity_usd": 1_000_000.0,
        "positions": (Position(symbol="AMZN", quantity=500, price_usd=166.0),),
        "intents": (
            example.intent(),
            example.intent(
                symbol="AMZN",
                side="sell",
                quantity=200,
                limit_price_usd=158.0,
                decision_price_usd=166.0,
            ),
        ),
        "last_close_usd": {"AAPL": 180.0, "AMZN": 166.0},
        "sessions_behind": {"AAPL": 0, "AMZN": 0},
        "average_volume_shares": {"AAPL": 1e8, "AMZN": 6e7},
        "recent_messages": 0,
    }
    return Situation(**(fields | changes))


def blocked(now: Situation, by: OrderLimits = LIMITS) -> set[str]:
    return {f.rule for f in judge_guardrails(now, by) if f.verdict is not Verdict.PASS}


def test_a_sound_session_passes_every_rule_that_there_is():
    findings = judge_guardrails(situation(), LIMITS)
    assert blocked(situation()) == set()
    assert {f.rule for f in findings} == set(RULES)


def big(**changes):
    return situation(intents=(example.intent(**changes),))


@pytest.mark.parametrize(
    ("rule", "now", "by"),
    [
        ("kill_switch", situation(kill="engaged"), {}),
        ("kill_switch", situation(kill="unreadable"), {}),
        ("session_open", situation(session_is_open=False), {}),
        ("message_rate", situation(recent_messages=99), {}),
        ("session_notional", situation(), {"max_session_notional_fraction": 0.05}),
        ("order_notional", dataclasses.replace(big(quantity=4_000), equity_usd=1e7), {}),
        ("gross", situation(), {"max_gross_fraction": 0.06}),
        ("net", situation(), {"max_net_fraction": 0.06}),
        ("concentration", big(quantity=2_500), {}),
        ("price_collar", big(limit_price_usd=198.1), {}),
        ("price_collar", big(limit_price_usd=None, order_type="market"), {}),
        ("price_collar", situation(last_close_usd={"AAPL": 160.0, "AMZN": 166.0}), {}),
        ("restricted", situation(), {"restricted_symbols": ("AAPL",)}),
        ("stale_data", situation(sessions_behind={"AAPL": 1, "AMZN": 0}), {}),
        ("participation", situation(average_volume_shares={"AAPL": 4_999, "AMZN": 1e9}), {}),
    ],
)
def test_each_rule_blocks_on_its_own(rule, now, by):
    assert blocked(now, limits(**by)) == {rule}


def test_a_short_book_has_gross_and_net_of_its_size():
    now = situation(
        positions=(Position(symbol="AMZN", quantity=-7_000, price_usd=166.0),), intents=()
    )
    found = {f.rule: f.measured for f in judge_guardrails(now, LIMITS)}
    assert found["gross"] == found["net"] == found["concentration"] == pytest.approx(1.162)


def test_long_and_short_add_up_in_gross_and_cancel_in_net():
    now = situation(
        positions=(
            Position(symbol="AMZN", quantity=-3_000, price_usd=100.0),
            Position(symbol="AAPL", quantity=1_000, price_usd=180.0),
        ),
        intents=(),
    )
    found = {f.rule: f.measured for f in judge_guardrails(now, LIMITS)}
    assert found["gross"] == pytest.approx(0.48)
    assert found["net"] == pytest.approx(0.12)


def test_a_limit_is_kept_by_what_equals_it():
    now = situation(recent_messages=98)
    assert "message_rate" not in blocked(now)
    assert "message_rate" in blocked(situation(recent_messages=99))


def test_only_too_many_messages_call_for_the_latch():
    assert not needs_latch(judge_guardrails(situation(), LIMITS))
    assert needs_latch(judge_guardrails(situation(recent_messages=200), LIMITS))
    assert not needs_latch(judge_guardrails(situation(recent_messages=None), LIMITS))


def missing(name, value):
    """A situation without one piece of evidence."""
    return dataclasses.replace(situation(), **{name: value})


@pytest.mark.parametrize(
    ("now", "rule"),
    [
        (missing("session_is_open", None), "session_open"),
        (missing("budget_usd", None), "order_notional"),
        (missing("budget_usd", NAN), "session_notional"),
        (missing("budget_usd", 0.0), "session_notional"),
        (missing("equity_usd", None), "gross"),
        (missing("equity_usd", math.inf), "gross"),
        (missing("equity_usd", -1.0), "net"),
        (missing("positions", None), "concentration"),
        (missing("last_close_usd", {}), "price_collar"),
        (missing("last_close_usd", {"AAPL": NAN, "AMZN": 166.0}), "price_collar"),
        (missing("last_close_usd", {"AAPL": -180.0, "AMZN": 166.0}), "price_collar"),
        (missing("sessions_behind", {"AMZN": 0}), "stale_data"),
        (missing("sessions_behind", {"AAPL": -1, "AMZN": 0}), "stale_data"),
        (missing("average_volume_shares", {"AMZN": 1e8}), "participation"),
        (missing("average_volume_shares", {"AAPL": 0.0, "AMZN": 1e8}), "participation"),
        (missing("average_volume_shares", {"AAPL": NAN, "AMZN": 1e8}), "participation"),
        (missing("recent_messages", None), "message_rate"),
        (missing("recent_messages", -5), "message_rate"),
    ],
)
def test_what_is_not_known_does_not_pass(now, rule):
    findings = [f for f in judge_guardrails(now, LIMITS) if f.rule == rule]
    assert any(f.verdict is Verdict.INCONCLUSIVE and f.measured is None for f in findings)


MONEY = st.sampled_from([None, NAN, -1.0, 0.0, 1e3, 1e5, 3e5, 1e6, 1e7])
COUNTS = st.sampled_from([None, -1, 0, 1, 50, 97, 98, 99, 500])
VOLUMES = st.sampled_from([None, NAN, 0.0, 1e3, 1e4, 5e4, 1e8])


@st.composite
def situations(draw):
    intents = tuple(
        example.intent(
            symbol=symbol,
            side=draw(st.sampled_from(["buy", "sell"])),
            quantity=draw(st.sampled_from([1, 100, 1_000, 3_000])),
            decision_price_usd=180.0,
            limit_price_usd=draw(st.sampled_from([None, 175.0, 189.0, 220.0])),
        )
        for symbol in SYMBOLS[: draw(st.integers(0, 2))]
    )
    held = draw(st.sampled_from([None, 0, 500, -800, 3_000]))
    positions = (
        None
        if held is None
        else (Position(symbol="AMZN", quantity=held, price_usd=166.0),) * (held != 0)
    )
    of_symbols = lambda values: {s: draw(values) for s in SYMBOLS}  # noqa: E731
    return Situation(
        kill=draw(st.sampled_from(["clear", "engaged", "unreadable"])),
        session_is_open=draw(st.sampled_from([True, False, None])),
        budget_usd=draw(MONEY),
        equity_usd=draw(MONEY),
        positions=positions,
        intents=intents,
        last_close_usd=of_symbols(st.sampled_from([None, NAN, 150.0, 180.0])),
        sessions_behind=of_symbols(COUNTS),
        average_volume_shares=of_symbols(VOLUMES),
        recent_messages=draw(COUNTS),
    )


def smaller_amount(value):
    return None if value is None or not value > 0 else value / 2


def later(value):
    return None if value is None or value < 0 else value + 1


WORSE = {
    "kill": lambda now: {"kill": "engaged"},
    "kill lost": lambda now: {"kill": "unreadable"},
    "closed": lambda now: {"session_is_open": False},
    "calendar lost": lambda now: {"session_is_open": None},
    "less budget": lambda now: {"budget_usd": smaller_amount(now.budget_usd)},
    "budget lost": lambda now: {"budget_usd": None},
    "budget nan": lambda now: {"budget_usd": NAN},
    "less equity": lambda now: {"equity_usd": smaller_amount(now.equity_usd)},
    "equity lost": lambda now: {"equity_usd": NAN},
    "positions lost": lambda now: {"positions": None},
    "closes lost": lambda now: {"last_close_usd": {}},
    "one close nan": lambda now: {"last_close_usd": now.last_close_usd | {"AAPL": NAN}},
    "bars older": lambda now: {
        "sessions_behind": {s: later(v) for s, v in now.sessions_behind.items()}
    },
    "bars lost": lambda now: {"sessions_behind": {}},
    "less volume": lambda now: {
        "average_volume_shares": {
            s: smaller_amount(v) for s, v in now.average_volume_shares.items()
        }
    },
    "volume lost": lambda now: {"average_volume_shares": {}},
    "more messages": lambda now: {"recent_messages": later(now.recent_messages)},
    "messages lost": lambda now: {"recent_messages": None},
}


@settings(max_examples=400)
@given(now=situations())
def test_worse_or_missing_never_turns_a_refusal_into_a_pass(now):
    """Rule by rule and symbol by symbol, not only in all: 400 situations made worse 18 ways."""
    refused = {
        (f.rule, f.symbol) for f in judge_guardrails(now, LIMITS) if f.verdict is not Verdict.PASS
    }
    for how, worsen in WORSE.items():
        worse = dataclasses.replace(now, **worsen(now))
        found = judge_guardrails(worse, LIMITS)
        passed = {(f.rule, f.symbol) for f in found if f.verdict is Verdict.PASS}
        assert not refused & passed, how


TIGHTER = [name for name in OrderLimits.model_fields if name.startswith("max_")]


@settings(max_examples=500)
@given(now=situations(), name=st.sampled_from(TIGHTER))
def test_a_tighter_limit_never_turns_a_refusal_into_a_pass(now, name):
    value = getattr(LIMITS, name)
    tighter = LIMITS.model_copy(update={name: type(value)(value / 2)})
    before = blocked(now)
    assert before <= blocked(now, tighter)
