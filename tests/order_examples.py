"""Order requests and journal notes that many tests share."""

from typing import Any

import session_examples as example

from torghut_assets.domain.orders.journal import OrderNote
from torghut_assets.domain.orders.keys import OrderRequest, order_key
from torghut_assets.domain.orders.records import Fill


def request(**changes: Any) -> OrderRequest:
    """Buy 100 AAPL at 189 or better; the key follows from what it means unless given."""
    fields: dict[str, Any] = {
        "candidate_id": example.CANDIDATE,
        "session": example.SESSION,
        "deployment_digest": example.deployment().digest,
        "purpose": "rebalance",
        "symbol": "AAPL",
        "side": "buy",
        "quantity": 100,
        "order_type": "limit",
        "limit_price_usd": 189.0,
        "decided_at": "2021-12-31T21:00:00Z",
    } | changes
    fields.setdefault(
        "key",
        order_key(
            fields["candidate_id"],
            fields["session"],
            fields["symbol"],
            fields["purpose"],
            fields["deployment_digest"],
        ),
    )
    return OrderRequest(**fields)


def note(event: str, **changes: Any) -> OrderNote:
    """One thing that happens to `request()`, or to the request that is given."""
    asked = changes.pop("request", None) or request()
    at = changes.pop("at", "2022-01-03T14:25:00Z")
    fill = None
    if event == "execute":
        fields = {
            "fill_id": "f-1",
            "key": asked.key,
            "symbol": asked.symbol,
            "side": asked.side,
            "quantity": asked.quantity,
            "price_usd": 181.0,
            "fee_usd": 0.0,
            "filled_at": at,
        }
        fill = Fill(**(fields | changes))
        changes = {}
    else:
        changes = {k: v for k, v in changes.items() if k in {"broker_order_id", "reason"}}
    return OrderNote(
        key=asked.key,
        candidate_id=asked.candidate_id,
        session=asked.session,
        event=event,
        at=at,
        request=asked if event == "claim" else None,
        fill=fill,
        **changes,
    )
