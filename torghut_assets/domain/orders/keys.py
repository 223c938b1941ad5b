"""Idempotency: one key per intent, and what an order consists of.

A key says what is meant (candidate, session, symbol, purpose, deployment), not how much: an
order computed again to another body keeps its key, and that is an error, never a second order.
"""

from typing import Literal

from pydantic import Field

from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.orders.errors import KeyReusedError
from torghut_assets.domain.orders.records import (
    Moment,
    OrderIntent,
    OrderIntents,
    OrderType,
    Session,
    Side,
)
from torghut_assets.domain.records import Digest, MeasuredOrNone, Part

Purpose = Literal["rebalance", "flatten"]
"""`rebalance`: towards the strategy's target. `flatten`: a rollback's order towards zero."""


class OrderRequest(Part):
    """One order as it is claimed, sent and looked up, always the same under one key."""

    key: Digest
    candidate_id: str
    session: Session
    deployment_digest: Digest
    purpose: Purpose
    symbol: str
    side: Side
    quantity: int = Field(gt=0)
    order_type: OrderType
    limit_price_usd: MeasuredOrNone
    decided_at: Moment

    @property
    def signed_quantity(self) -> int:
        """Shares with their sign: positive buys."""
        return self.quantity if self.side == "buy" else -self.quantity

    @property
    def body(self) -> str:
        """What the key stands for, in one line."""
        price = "market" if self.limit_price_usd is None else f"at {self.limit_price_usd!r}"
        return (
            f"{self.candidate_id} {self.session} {self.purpose} {self.side} {self.quantity} "
            f"{self.symbol} {self.order_type} {price}"
        )


def order_key(
    candidate_id: str, session: str, symbol: str, purpose: Purpose, deployment_digest: str
) -> str:
    """Return the idempotency key: SHA-256 of the canonical JSON of the five."""
    return sha256_hex(
        canonical_json(
            {
                "candidate": candidate_id,
                "deployment": deployment_digest,
                "intent": purpose,
                "session": session,
                "symbol": symbol,
            }
        )
    )


def request_of(intent: OrderIntent, intents: OrderIntents, decided_at: str) -> OrderRequest:
    """Return the order that an intent asks for; refuses a key that is not the intent's own.

    Raises
    ------
    KeyReusedError
        If the intent's key is not the digest of what it means.
    """
    expected = order_key(
        intents.candidate_id,
        intents.session,
        intent.symbol,
        "rebalance",
        intents.deployment_digest,
    )
    if intent.key != expected:
        raise KeyReusedError(
            key=intent.key, found=f"it on {intent.symbol}", expected=f"the key {expected}"
        )
    return OrderRequest(
        key=intent.key,
        candidate_id=intents.candidate_id,
        session=intents.session,
        deployment_digest=intents.deployment_digest,
        purpose="rebalance",
        symbol=intent.symbol,
        side=intent.side,
        quantity=intent.quantity,
        order_type=intent.order_type,
        limit_price_usd=intent.limit_price_usd,
        decided_at=decided_at,
    )


def key_faults(intents: OrderIntents) -> tuple[str, ...]:
    """Return what is wrong with the keys of a session: foreign or repeated ones."""
    faults = []
    seen: dict[str, str] = {}
    for intent in intents.intents:
        expected = order_key(
            intents.candidate_id,
            intents.session,
            intent.symbol,
            "rebalance",
            intents.deployment_digest,
        )
        if intent.key != expected:
            faults.append(f"{intent.symbol}: {intent.key[:16]} is not its key")
        if intent.key in seen:
            faults.append(f"{intent.symbol}: the same key as {seen[intent.key]}")
        seen[intent.key] = intent.symbol
    return tuple(faults)
