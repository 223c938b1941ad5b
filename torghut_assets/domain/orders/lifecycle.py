"""The life of one order: a closed table of statuses and events.

What is not in `TRANSITIONS` cannot happen and is refused. `unknown` is left only by what was
read back from the broker: the broker's word about the order, or `not_found`, its word that it
never got it; only then may the order be sent again, under the same key.
"""

from typing import Final, Literal, get_args

from torghut_assets.domain.orders.errors import ImpossibleEventError
from torghut_assets.domain.orders.records import OrderStatus

OrderEventName = Literal[
    "claim",
    "submit",
    "acknowledge",
    "partial_fill",
    "fill",
    "cancel",
    "reject",
    "expire",
    "lose",
    "not_found",
]
"""`submit` is written before the broker is called; `lose` when the call had no answer."""

EVENTS: Final[tuple[OrderEventName, ...]] = get_args(OrderEventName)
STATUSES: Final[tuple[OrderStatus, ...]] = get_args(OrderStatus)

TRANSITIONS: Final[dict[tuple[OrderStatus | None, OrderEventName], OrderStatus]] = {
    (None, "claim"): "claimed",
    ("claimed", "submit"): "submitted",
    ("claimed", "cancel"): "cancelled",  # before it was ever sent
    ("claimed", "reject"): "rejected",  # refused on our side
    ("submitted", "acknowledge"): "submitted",
    ("submitted", "partial_fill"): "partially_filled",
    ("submitted", "fill"): "filled",
    ("submitted", "cancel"): "cancelled",
    ("submitted", "reject"): "rejected",
    ("submitted", "expire"): "expired",
    ("submitted", "lose"): "unknown",
    ("partially_filled", "acknowledge"): "partially_filled",  # it came after the fill
    ("partially_filled", "partial_fill"): "partially_filled",
    ("partially_filled", "fill"): "filled",
    ("partially_filled", "cancel"): "cancelled",
    ("partially_filled", "expire"): "expired",
    ("unknown", "acknowledge"): "submitted",
    ("unknown", "partial_fill"): "partially_filled",
    ("unknown", "fill"): "filled",
    ("unknown", "cancel"): "cancelled",
    ("unknown", "reject"): "rejected",
    ("unknown", "expire"): "expired",
    ("unknown", "not_found"): "claimed",
    ("filled", "acknowledge"): "filled",  # it came after the last fill
    ("cancelled", "acknowledge"): "cancelled",  # cancelled by another process meanwhile
    ("cancelled", "partial_fill"): "cancelled",  # filled before the cancel took effect
    ("cancelled", "fill"): "filled",
    ("expired", "partial_fill"): "expired",
    ("expired", "fill"): "filled",
}


def next_status(status: OrderStatus | None, event: OrderEventName, *, key: str) -> OrderStatus:
    """Return the status after an event.

    Raises
    ------
    ImpossibleEventError
        If the table does not have the pair.
    """
    following = TRANSITIONS.get((status, event))
    if following is None:
        raise ImpossibleEventError(key=key, status=status, event=event)
    return following
