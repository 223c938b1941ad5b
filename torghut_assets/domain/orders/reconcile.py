"""Does what we believe agree with the broker's own statement? What is left over is listed.

Ours: holdings before the session, corporate actions that the broker announced, and the fills
in the journal. Theirs: orders, fills, positions and cash as read back after the session. The
positions and cash of a broker that lost or invented a fill cannot tie to its fills.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torghut_assets.domain.orders.journal import OrderState
from torghut_assets.domain.orders.records import Difference, Fill, OrderStatus, Position

CASH_TOLERANCE_USD = 0.005
"""Half a cent: below it, two orders of summation may differ."""


@dataclass(frozen=True)
class Holdings:
    """Cash, equity and positions of an account at one moment."""

    cash_usd: float
    equity_usd: float
    positions: tuple[Position, ...]

    @property
    def shares(self) -> dict[str, int]:
        """Shares by symbol, without those of zero."""
        return {p.symbol: p.quantity for p in self.positions if p.quantity}


@dataclass(frozen=True)
class Activity:
    """What a broker booked that is no trade: cash, or a change of shares by a split."""

    symbol: str
    cash_usd: float = 0.0
    share_change: int = 0
    what: str = "dividend"


@dataclass(frozen=True)
class BrokerOrder:
    """An order as a broker states it. `status` is never `claimed` or `unknown`."""

    key: str
    broker_order_id: str
    symbol: str
    side: str
    quantity: int
    status: OrderStatus
    filled_quantity: int
    acknowledged_at: str
    reason: str | None = None


@dataclass(frozen=True)
class Statement:
    """Everything a broker states about one session of one account."""

    orders: tuple[BrokerOrder, ...]
    fills: tuple[Fill, ...]
    activities: tuple[Activity, ...]
    after: Holdings


def reconcile(
    before: Holdings, states: Iterable[OrderState], stated: Statement
) -> tuple[Difference, ...]:
    """Return every difference between journal and broker, in a fixed order."""
    ours = {state.request.key: state for state in states}
    return (
        *_orders(ours, {order.key: order for order in stated.orders}),
        *_fills(ours, stated.fills),
        *_positions(before, ours.values(), stated),
        *_cash(before, ours.values(), stated),
    )


def _orders(
    ours: Mapping[str, OrderState], theirs: Mapping[str, BrokerOrder]
) -> Iterable[Difference]:
    for key in sorted(ours.keys() | theirs.keys()):
        mine, broker = ours.get(key), theirs.get(key)
        if broker is None:
            never_sent = mine is not None and mine.broker_order_id is None
            if mine is not None and not (never_sent and mine.status in ("rejected", "cancelled")):
                yield _difference("order", key, mine.status, "no such order")
            continue
        said = f"{broker.status}, {broker.filled_quantity} of {broker.quantity} {broker.symbol}"
        if mine is None:
            yield _difference("order", key, "no such order", said)
            continue
        asked = mine.request
        believed = f"{mine.status}, {mine.filled} of {asked.quantity} {asked.symbol}"
        if believed != said or asked.side != broker.side:
            yield _difference("order", key, f"{asked.side} {believed}", f"{broker.side} {said}")


def _fills(ours: Mapping[str, OrderState], theirs: Iterable[Fill]) -> Iterable[Difference]:
    mine = {fill.fill_id: fill for state in ours.values() for fill in state.fills}
    seen: dict[str, Fill] = {}
    for fill in theirs:
        if fill.fill_id in seen and seen[fill.fill_id] != fill:
            yield _difference("fill", fill.fill_id, _fill(seen[fill.fill_id]), _fill(fill))
        seen.setdefault(fill.fill_id, fill)
    for fill_id in sorted(mine.keys() | seen.keys()):
        one, other = mine.get(fill_id), seen.get(fill_id)
        if one != other:
            yield _difference("fill", fill_id, _fill(one), _fill(other))


def _positions(
    before: Holdings, states: Iterable[OrderState], stated: Statement
) -> Iterable[Difference]:
    expected = dict(before.shares)
    for activity in stated.activities:
        expected[activity.symbol] = expected.get(activity.symbol, 0) + activity.share_change
    for state in states:
        sign = 1 if state.request.side == "buy" else -1
        symbol = state.request.symbol
        expected[symbol] = expected.get(symbol, 0) + sign * state.filled
    theirs = stated.after.shares
    for symbol in sorted(expected.keys() | theirs.keys()):
        mine, broker = expected.get(symbol, 0), theirs.get(symbol, 0)
        if mine != broker:
            yield _difference("position", symbol, str(mine), str(broker))


def _cash(
    before: Holdings, states: Iterable[OrderState], stated: Statement
) -> Iterable[Difference]:
    expected = before.cash_usd + sum(activity.cash_usd for activity in stated.activities)
    for state in states:
        for fill in state.fills:
            sign = -1.0 if fill.side == "buy" else 1.0
            expected += sign * fill.quantity * fill.price_usd - fill.fee_usd
    if not abs(expected - stated.after.cash_usd) <= CASH_TOLERANCE_USD:
        theirs = stated.after.cash_usd
        yield _difference("cash", "cash_usd", f"{expected:.4f}", f"{theirs:.4f}")


def _fill(fill: Fill | None) -> str:
    if fill is None:
        return "no such fill"
    return f"{fill.side} {fill.quantity} {fill.symbol} at {fill.price_usd!r} for {fill.key[:16]}"


def _difference(what: str, name: str, ours: str, brokers: str) -> Difference:
    return Difference.model_validate({"what": what, "name": name, "ours": ours, "brokers": brokers})
