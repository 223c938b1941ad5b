"""How the replay broker fills an order within one session, from that session's real bar.

The price path is the open, then `(open + high + low + close) / 4` as a stand-in for the rest of
the session; half the spread, estimated from earlier real bars, is added. Nothing here knows the
cost model that the fills are later judged against. All rules, no chance.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torghut_assets.domain.orders.keys import OrderRequest
from torghut_assets.domain.orders.policy import FeePeriod
from torghut_assets.domain.orders.records import Fill, OrderStatus, SessionBar

PRICE_DIGITS = 4
MIN_TICK_USD = 0.01


@dataclass(frozen=True)
class SymbolDay:
    """One symbol in one session.

    Attributes
    ----------
    bar : SessionBar
        As the market data has it; `None` in a field is missing.
    half_spread_fraction : float or None
        Half the bid-ask spread over the price, from bars before the session.
    split_ratio : float
        New shares per old share; 1 if there was no split.
    dividend_usd : float
        Cash per share held before the session; 0 if none.
    """

    bar: SessionBar
    half_spread_fraction: float | None
    split_ratio: float = 1.0
    dividend_usd: float = 0.0


@dataclass(frozen=True)
class SessionRules:
    """What holds for every order of a session; times are RFC 3339 in UTC."""

    participation_fraction: float
    open_share_fraction: float
    fees: FeePeriod
    opens_at: str
    middle_at: str
    closes_at: str


@dataclass(frozen=True)
class SessionMarket:
    """What a replay broker needs of a session: each symbol's day, and the rules."""

    session: str
    days: Mapping[str, SymbolDay]
    rules: SessionRules


@dataclass(frozen=True)
class Outcome:
    """What became of an order by the end of the session."""

    status: OrderStatus
    fills: tuple[Fill, ...] = ()
    reason: str | None = None


def execute(
    order: OrderRequest, day: SymbolDay, rules: SessionRules, broker_order_id: str
) -> Outcome:
    """Return the fills of a day order and how it ended.

    A part of the order (`open_share_fraction`) is filled at the open, the rest over the session,
    both up to the participation cap of the session's real volume and only where the limit was
    reached. Rejected: no complete bar (halted), no volume, a split on the day.
    """
    bar = day.bar
    prices = (bar.open_usd, bar.high_usd, bar.low_usd, bar.close_usd)
    known = [p for p in prices if p is not None and math.isfinite(p) and p > 0]
    if len(known) < 4 or bar.volume_shares is None:
        return Outcome("rejected", reason="halted: the session has no complete bar")
    if day.half_spread_fraction is None:
        return Outcome("rejected", reason="no spread is known for the symbol")
    if day.split_ratio != 1.0:
        return Outcome("rejected", reason=f"split {day.split_ratio:g} for 1 before the open")
    cap = math.floor(rules.participation_fraction * bar.volume_shares)
    if cap < 1:
        return Outcome("rejected", reason="no volume to trade against")
    opened, high, low, _ = known
    first = min(
        math.ceil(order.quantity * rules.open_share_fraction),
        math.floor(cap * rules.open_share_fraction),
    )
    price = _paid(opened, order, day.half_spread_fraction)
    fills: list[Fill] = []
    if first > 0 and _within(price, order):
        fills.append(_fill(order, first, price, rules.opens_at, rules, f"{broker_order_id}-1"))
    rest = min(order.quantity, cap) - sum(fill.quantity for fill in fills)
    if rest > 0 and (later := _later_price(order, day, sum(known) / 4.0, high, low)) is not None:
        fills.append(_fill(order, rest, later, rules.middle_at, rules, f"{broker_order_id}-2"))
    done = sum(fill.quantity for fill in fills)
    if done == order.quantity:
        return Outcome("filled", tuple(fills))
    why = "participation cap" if done == cap else "limit not reached"
    return Outcome("expired", tuple(fills), f"{done} of {order.quantity} filled: {why}")


def fee_usd(side: str, quantity: int, price_usd: float, fees: FeePeriod) -> float:
    """Return the regulatory fees of one execution in USD; purchases have none.

    Each of the two is rounded up to the cent, as brokers pass them on.
    """
    if side == "buy":
        return 0.0
    sec = quantity * price_usd * fees.sec_usd_per_million / 1e6
    taf = min(quantity * fees.taf_usd_per_share, fees.taf_cap_usd)
    return sum(math.ceil(round(part * 100.0, 6)) for part in (sec, taf)) / 100.0


def _paid(price: float, order: OrderRequest, half_spread: float) -> float:
    sign = 1.0 if order.side == "buy" else -1.0
    return round(price * (1.0 + sign * half_spread), PRICE_DIGITS)


def _within(price: float, order: OrderRequest) -> bool:
    limit = order.limit_price_usd
    if limit is None:
        return True
    return price <= limit if order.side == "buy" else price >= limit


def _later_price(
    order: OrderRequest, day: SymbolDay, middle: float, high: float, low: float
) -> float | None:
    """Price over the session: its middle, else the limit if the session touched it."""
    half_spread = day.half_spread_fraction or 0.0
    price = _paid(middle, order, half_spread)
    if _within(price, order):
        return price
    best = _paid(low if order.side == "buy" else high, order, half_spread)
    return order.limit_price_usd if _within(best, order) else None


def _fill(
    order: OrderRequest, quantity: int, price: float, at: str, rules: SessionRules, fill_id: str
) -> Fill:
    return Fill(
        fill_id=fill_id,
        key=order.key,
        symbol=order.symbol,
        side=order.side,
        quantity=quantity,
        price_usd=price,
        fee_usd=fee_usd(order.side, quantity, price, rules.fees),
        filled_at=at,
    )
