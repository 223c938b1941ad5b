"""From target weights to orders of whole shares.

Targets are limited as the simulated account limits them (`RiskLimits`: symbol, gross, net,
smallest trade, cooldown), so that paper trading trades what was judged. Shares are cut towards
zero, so that rounding never takes a position over its target.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torghut_assets.domain.backtest.records import RiskLimits
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.orders.keys import order_key
from torghut_assets.domain.orders.policy import Reversal
from torghut_assets.domain.orders.records import OrderIntent


@dataclass(frozen=True)
class Book:
    """What is held when a session is decided.

    Attributes
    ----------
    equity_usd : float
        Above 0.
    shares : mapping of str to int
        Shares held by symbol; negative is short.
    cooling : frozenset of str
        Symbols that may not be enlarged: traded too recently, or all of them while drift says so.
    """

    equity_usd: float
    shares: Mapping[str, int]
    cooling: frozenset[str] = frozenset()


@dataclass(frozen=True)
class OrderStyle:
    """How an order is written: whose it is, how far its limit lies, what a reversal does."""

    candidate_id: str
    session: str
    deployment_digest: str
    limit_offset_fraction: float
    reversal: Reversal


def limited_targets(targets: Mapping[str, float], limits: RiskLimits) -> dict[str, float]:
    """Return targets within the account's limits, by the rules of the simulated account.

    Parameters
    ----------
    targets : mapping of str to float
        Weights, fractions of equity, finite.

    Raises
    ------
    BadInputError
        If a weight is not a finite number.
    """
    for symbol, weight in targets.items():
        if not math.isfinite(weight):
            raise BadInputError(
                location=f"target of {symbol}", found=repr(weight), expected="a finite weight"
            )
    most = limits.max_symbol_fraction
    clipped = {symbol: min(max(weight, -most), most) for symbol, weight in targets.items()}
    gross = sum(abs(weight) for weight in clipped.values())
    net = sum(clipped.values())
    scale = limits.max_gross_fraction / gross if gross > limits.max_gross_fraction else 1.0
    if abs(net) * scale > limits.max_net_fraction:
        scale = limits.max_net_fraction / abs(net)
    return {symbol: weight * scale for symbol, weight in clipped.items()}


def size_orders(
    targets: Mapping[str, float],
    prices: Mapping[str, float | None],
    book: Book,
    limits: RiskLimits,
    style: OrderStyle,
) -> tuple[OrderIntent, ...]:
    """Return the orders that bring a book to its targets, in order of their symbols.

    Parameters
    ----------
    targets : mapping of str to float
        Weights by symbol; a symbol that is held and not named is brought to zero.
    prices : mapping of str to float or None
        Last known prices in USD. A symbol without one is left as it is: it cannot be sized.

    Raises
    ------
    BadInputError
        If a weight or the equity is not a finite number, or the equity is not above 0.
    """
    if not (math.isfinite(book.equity_usd) and book.equity_usd > 0):
        raise BadInputError(
            location="equity", found=repr(book.equity_usd), expected="an amount above 0"
        )
    wanted = limited_targets(targets, limits)
    orders = []
    for symbol in sorted(wanted.keys() | book.shares.keys()):
        price = prices.get(symbol)
        if price is None or not math.isfinite(price) or price <= 0:
            continue
        weight, held = wanted.get(symbol, 0.0), book.shares.get(symbol, 0)
        goal = math.trunc(weight * book.equity_usd / price)
        cooling = symbol in book.cooling
        if goal * held < 0 and (cooling or style.reversal == "close_first"):
            goal = 0
        change = goal - held
        if change == 0 or _too_small(change, goal, price, book, limits):
            continue
        if cooling and abs(goal) > abs(held):
            continue
        orders.append(_order(symbol, change, price, weight, style))
    return tuple(orders)


def _too_small(change: int, goal: int, price: float, book: Book, limits: RiskLimits) -> bool:
    """Whether a trade is below the smallest one; closing a position is never too small."""
    return goal != 0 and abs(change) * price < limits.min_trade_fraction * book.equity_usd


def _order(symbol: str, change: int, price: float, weight: float, style: OrderStyle) -> OrderIntent:
    buys = change > 0
    offset = style.limit_offset_fraction if buys else -style.limit_offset_fraction
    return OrderIntent(
        key=order_key(
            style.candidate_id, style.session, symbol, "rebalance", style.deployment_digest
        ),
        symbol=symbol,
        side="buy" if buys else "sell",
        quantity=abs(change),
        order_type="limit",
        limit_price_usd=limit_price(price, offset),
        decision_price_usd=price,
        target_fraction=weight,
    )


def limit_price(price: float, offset_fraction: float) -> float:
    """Return a limit at an offset from a price, in whole cents (from 1 USD on; else 1/100 cent).

    The tick is that of SEC Rule 612 of Regulation NMS. Never rounded past the offset.
    """
    exact = price * (1.0 + offset_fraction)
    per_usd = 100 if exact >= 1.0 else 10_000
    cut = math.floor if offset_fraction > 0 else math.ceil
    return cut(round(exact * per_usd, 6)) / per_usd
