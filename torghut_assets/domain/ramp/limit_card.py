"""The limit card: what a trading runtime may do with the capital of one level.

Read `card_of` to make one and `card_faults` to judge one, whoever made it. A card is complete or
it is refused: every field is there and positive, and none is wider than what the order limits
allow the same notional on paper. The fields are those of Regulation (EU) 2017/589 (RTS 6),
Article 8: instruments; price, value and number of orders; positions; venues.
"""

import math
from collections.abc import Mapping
from statistics import median
from typing import Final

from torghut_assets.domain.evidence.approval_records import ApprovedLimit
from torghut_assets.domain.orders.limits import OrderLimits
from torghut_assets.domain.orders.records import PaperDeployment, PaperFills
from torghut_assets.domain.ramp.policy import RampLevel, RampPolicy
from torghut_assets.domain.records import Measured, Part

_NUMBERS: Final = (
    "max_price_deviation_fraction",
    "max_order_value_usd",
    "max_orders_per_session",
    "max_symbol_position_usd",
    "max_gross_position_usd",
)
_CENT = 0.005


class LimitCard(Part):
    """Everything that one level of capital is held to; money is in USD, rounded down to cents.

    `max_price_deviation_fraction` is how far an order's price may lie from the last price.
    """

    instruments: tuple[str, ...]
    max_price_deviation_fraction: Measured
    max_order_value_usd: Measured
    max_orders_per_session: int
    max_symbol_position_usd: Measured
    max_gross_position_usd: Measured
    venues: tuple[str, ...]

    @property
    def approved_limits(self) -> tuple[ApprovedLimit, ...]:
        """The numbers as a person approves them, in order of names."""
        return tuple(
            ApprovedLimit(name=name, value=float(getattr(self, name))) for name in sorted(_NUMBERS)
        )


def notional_usd(level: RampLevel, budget_usd: float) -> float:
    """Return the notional of a level, rounded down to cents."""
    return math.floor(round(level.notional_fraction * budget_usd * 100, 6)) / 100


def card_of(
    level: RampLevel,
    policy: RampPolicy,
    deployment: PaperDeployment,
    instruments: tuple[str, ...],
) -> LimitCard:
    """Return the card of a level; `card_faults` says whether it will do."""
    notional, card = notional_usd(level, deployment.budget_usd), policy.card

    def share(fraction: float) -> float:
        return math.floor(round(fraction * notional * 100, 6)) / 100

    return LimitCard(
        instruments=instruments,
        max_price_deviation_fraction=card.max_price_deviation_fraction,
        max_order_value_usd=share(card.max_order_fraction),
        max_orders_per_session=card.max_orders_per_session,
        max_symbol_position_usd=share(card.max_symbol_fraction),
        max_gross_position_usd=share(card.max_gross_fraction),
        venues=tuple(sorted(policy.venues)),
    )


def card_faults(
    card: LimitCard, limits: OrderLimits, deployment: PaperDeployment, notional: float
) -> tuple[str, ...]:
    """Say what is wrong with a card, one sentence each; nothing if it is complete.

    Parameters
    ----------
    card : LimitCard
    limits : OrderLimits
        What paper trading is held to; the card must be as tight or tighter.
    deployment : PaperDeployment
        What may be traded at all.
    notional : float
        The capital of the level, USD.
    """
    faults = [f"{name} is empty" for name in ("instruments", "venues") if not getattr(card, name)]
    for name in ("instruments", "venues"):
        listed = getattr(card, name)
        if list(listed) != sorted(set(listed)):
            faults.append(f"{name} are not in order, each once")
    for name in _NUMBERS:
        value = getattr(card, name)
        if not (math.isfinite(value) and value > 0):
            faults.append(f"{name} is {value!r}, it must be positive")
    if unknown := sorted(set(card.instruments) - set(deployment.symbols)):
        faults.append(f"{', '.join(unknown)} is not in the deployment")
    if barred := sorted(set(card.instruments) & set(limits.restricted_symbols)):
        faults.append(f"{', '.join(barred)} is restricted")
    for name, widest in (
        ("max_price_deviation_fraction", limits.price_collar_fraction),
        ("max_order_value_usd", limits.max_order_notional_fraction * notional),
        ("max_orders_per_session", limits.max_messages),
        ("max_symbol_position_usd", limits.max_symbol_fraction * notional),
        ("max_gross_position_usd", limits.max_gross_fraction * notional),
    ):
        value = getattr(card, name)
        if not value <= widest + (_CENT if name.endswith("_usd") else 0.0):
            faults.append(f"{name} is {value:g}, the order limits allow {widest:g}")
    return tuple(faults)


def instruments_of(
    level: RampLevel,
    deployment: PaperDeployment,
    limits: OrderLimits,
    fills: Mapping[str, PaperFills],
) -> tuple[str, ...]:
    """Return the symbols of a level, in order: all, or the most traded ones for a canary.

    How much a symbol trades is the median over sessions of closing price times volume, from the
    bars that the fills hold. Symbols without one bar are no canaries.
    """
    allowed = [s for s in deployment.symbols if s not in limits.restricted_symbols]
    if level.canary_symbols is None:
        return tuple(sorted(allowed))
    traded = {s: _median_traded_usd(s, fills) for s in allowed}
    known = sorted((s for s in allowed if traded[s] > 0), key=lambda s: (-traded[s], s))
    return tuple(sorted(known[: level.canary_symbols]))


def _median_traded_usd(symbol: str, fills: Mapping[str, PaperFills]) -> float:
    values = [
        bar.close_usd * bar.volume_shares
        for record in fills.values()
        for bar in record.bars
        if bar.symbol == symbol and bar.close_usd is not None and bar.volume_shares is not None
    ]
    return median(values) if values else 0.0
