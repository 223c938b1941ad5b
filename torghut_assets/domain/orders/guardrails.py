"""Guardrails: may the orders of this session be sent? One finding per rule, all fail closed.

`judge_guardrails` is a pure function of a frozen situation. A measurement that is missing, NaN
or of impossible sign is never a pass: it is `inconclusive`, which blocks like a failure.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from torghut_assets.domain.orders.limits import OrderLimits
from torghut_assets.domain.orders.records import GuardrailFinding, OrderIntent, Position
from torghut_assets.domain.verdicts import Verdict

KillState = Literal["clear", "engaged", "unreadable"]
MESSAGE_RATE = "message_rate"
RULES = (
    "kill_switch",
    "session_open",
    MESSAGE_RATE,
    "session_notional",
    "gross",
    "net",
    "order_notional",
    "price_collar",
    "restricted",
    "stale_data",
    "participation",
    "concentration",
)


@dataclass(frozen=True)
class Situation:
    """Everything that the guardrails look at; `None` or a missing symbol is "not known".

    Attributes
    ----------
    kill : str
        State of the kill switch, for this candidate.
    session_is_open : bool or None
        Whether the exchange trades in the session.
    budget_usd, equity_usd : float or None
    positions : tuple of Position or None
        Shares held before the session.
    intents : tuple of OrderIntent
    last_close_usd : mapping of str to float or None
        Newest close by symbol, from the market data and not from the intents.
    sessions_behind : mapping of str to int or None
        Sessions between the newest bar and the one of the decision; 0 is current.
    average_volume_shares : mapping of str to float or None
        Mean real volume over `OrderLimits.volume_window_sessions` sessions.
    recent_messages : int or None
        Orders and cancels sent in the `message_window_seconds` before the session's orders.
    """

    kill: KillState
    session_is_open: bool | None
    budget_usd: float | None
    equity_usd: float | None
    positions: tuple[Position, ...] | None
    intents: tuple[OrderIntent, ...]
    last_close_usd: Mapping[str, float | None]
    sessions_behind: Mapping[str, int | None]
    average_volume_shares: Mapping[str, float | None]
    recent_messages: int | None


def judge_guardrails(now: Situation, limits: OrderLimits) -> tuple[GuardrailFinding, ...]:
    """Return one finding per rule for the session, and one per rule and order.

    Rules, measurement and limit: `kill_switch` state; `session_open`; `message_rate` recent
    messages and these orders; `session_notional` and `order_notional` quantity times the higher
    of limit and decision price over the budget; `gross`, `net` and `concentration` positions
    after all orders at their decision prices over equity; `price_collar` distance of the limit
    from the newest close; `restricted`; `stale_data` sessions, of the feed and of each order;
    `participation` quantity over mean volume.
    """
    return (*_of_the_session(now, limits), *_of_every_order(now, limits))


def needs_latch(findings: tuple[GuardrailFinding, ...]) -> bool:
    """Whether the message rate was exceeded: sending is disabled until a person re-enables it."""
    return any(f.rule == MESSAGE_RATE and f.verdict is Verdict.FAIL for f in findings)


def _of_the_session(now: Situation, limits: OrderLimits) -> Iterator[GuardrailFinding]:
    engaged = {"clear": 0.0, "engaged": 1.0}.get(now.kill)
    yield _at_most("kill_switch", engaged, 0.0, "engaged", now.kill)
    closed = None if now.session_is_open is None else float(not now.session_is_open)
    yield _at_most("session_open", closed, 0.0, "closed", "by the exchange's calendar")
    messages = None
    if now.recent_messages is not None and now.recent_messages >= 0:
        messages = float(now.recent_messages + len(now.intents))
    yield _at_most(
        MESSAGE_RATE,
        messages,
        float(limits.max_messages),
        "messages",
        f"in {limits.message_window_seconds} seconds",
    )
    known = [age for age in now.sessions_behind.values() if age is not None and age >= 0]
    yield _at_most(
        "stale_data",
        float(min(known)) if known else None,
        float(limits.max_stale_sessions),
        "sessions",
        "age of the newest bar of any symbol",
    )
    notional = math.fsum(_notional(intent) for intent in now.intents)
    yield _at_most(
        "session_notional",
        _over(notional, now.budget_usd),
        limits.max_session_notional_fraction,
        "fraction of budget",
        f"{len(now.intents)} orders",
    )
    after = _values_after(now)
    gross = None if after is None else math.fsum(abs(value) for value in after.values())
    net = None if after is None else abs(math.fsum(after.values()))
    for rule, value, limit in (
        ("gross", gross, limits.max_gross_fraction),
        ("net", net, limits.max_net_fraction),
    ):
        yield _at_most(
            rule, _over(value, now.equity_usd), limit, "fraction of equity", "after all orders"
        )


def _of_every_order(now: Situation, limits: OrderLimits) -> Iterator[GuardrailFinding]:
    after = _values_after(now)
    for intent in now.intents:
        symbol = intent.symbol
        yield _at_most(
            "order_notional",
            _over(_notional(intent), now.budget_usd),
            limits.max_order_notional_fraction,
            "fraction of budget",
            f"{intent.side} {intent.quantity}",
            symbol,
        )
        close = _positive(now.last_close_usd.get(symbol))
        distance = None
        if close is not None and intent.limit_price_usd is not None:
            furthest = max(
                abs(intent.limit_price_usd - close), abs(intent.decision_price_usd - close)
            )
            distance = furthest / close
        yield _at_most(
            "price_collar",
            distance,
            limits.price_collar_fraction,
            "fraction of price",
            "no limit price" if intent.limit_price_usd is None else "from the newest close",
            symbol,
        )
        banned = float(symbol in limits.restricted_symbols)
        yield _at_most("restricted", banned, 0.0, "on the list", "restricted_symbols", symbol)
        behind = now.sessions_behind.get(symbol)
        age = None if behind is None or behind < 0 else float(behind)
        yield _at_most(
            "stale_data", age, float(limits.max_stale_sessions), "sessions", "old", symbol
        )
        volume = _positive(now.average_volume_shares.get(symbol))
        yield _at_most(
            "participation",
            _over(float(intent.quantity), volume),
            limits.max_participation_fraction,
            "fraction of mean volume",
            f"over {limits.volume_window_sessions} sessions",
            symbol,
        )
    held = sorted(after) if after is not None else sorted({i.symbol for i in now.intents})
    for symbol in held:
        value = None if after is None else abs(after[symbol])
        yield _at_most(
            "concentration",
            _over(value, now.equity_usd),
            limits.max_symbol_fraction,
            "fraction of equity",
            "after its order",
            symbol,
        )


def _at_most(
    rule: str,
    measured: float | None,
    limit: float,
    unit: str,
    detail: str,
    symbol: str | None = None,
) -> GuardrailFinding:
    """Compare; what is not a finite number is not known, and what is not known does not pass."""
    if measured is None or not math.isfinite(measured):
        return GuardrailFinding(
            rule=rule,
            symbol=symbol,
            verdict=Verdict.INCONCLUSIVE,
            measured=None,
            limit=limit,
            unit=unit,
            detail=f"not known; {detail}",
        )
    return GuardrailFinding(
        rule=rule,
        symbol=symbol,
        verdict=Verdict.PASS if measured <= limit else Verdict.FAIL,
        measured=measured,
        limit=limit,
        unit=unit,
        detail=detail,
    )


def _positive(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) and value > 0 else None


def _over(value: float | None, base: float | None) -> float | None:
    """Return a share of a base; unknown unless the base is above 0."""
    known = _positive(base)
    return None if value is None or known is None else value / known


def _notional(intent: OrderIntent) -> float:
    """Return the most an order may come to, in USD; a sell is taken at its decision price."""
    return intent.quantity * max(intent.decision_price_usd, intent.limit_price_usd or 0.0)


def _values_after(now: Situation) -> dict[str, float] | None:
    """Value of every position after all orders are filled, in USD; `None` if not known."""
    if now.positions is None:
        return None
    shares = {p.symbol: p.quantity for p in now.positions}
    prices = {p.symbol: p.price_usd for p in now.positions}
    for intent in now.intents:
        signed = intent.quantity if intent.side == "buy" else -intent.quantity
        shares[intent.symbol] = shares.get(intent.symbol, 0) + signed
        prices[intent.symbol] = intent.decision_price_usd
    return {symbol: shares[symbol] * prices[symbol] for symbol in shares}
