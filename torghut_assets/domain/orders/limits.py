"""The limits that stand between intents and a broker; the parsed `order_limits.yaml`.

Fractions of money are of the deployment's budget for what one order or session may trade, and
of equity for what may be held afterwards. `domain/orders/guardrails` applies them.
"""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from torghut_assets.domain.backtest.records import SourcedRecord
from torghut_assets.domain.documents import parse_yaml
from torghut_assets.domain.records import parse_record


class OrderLimits(SourcedRecord):
    """What may be sent to a broker, each number with its source."""

    record_kind: ClassVar[str] = "order-limits"

    limits_version: str = Field(min_length=1)
    max_order_notional_fraction: float = Field(gt=0, le=10)
    max_session_notional_fraction: float = Field(gt=0, le=20)
    price_collar_fraction: float = Field(gt=0, lt=1)
    max_gross_fraction: float = Field(gt=0, le=10)
    max_net_fraction: float = Field(gt=0, le=10)
    max_symbol_fraction: float = Field(gt=0, le=10)
    max_participation_fraction: float = Field(gt=0, le=1)
    volume_window_sessions: int = Field(ge=1, le=1_000)
    max_messages: int = Field(ge=1, le=1_000_000)
    message_window_seconds: int = Field(ge=1, le=86_400)
    max_stale_sessions: int = Field(ge=0, le=20)
    restricted_symbols: tuple[str, ...]

    @model_validator(mode="after")
    def _one_order_fits_a_session(self) -> Self:
        if self.max_order_notional_fraction > self.max_session_notional_fraction:
            raise ValueError(
                "max_order_notional_fraction must not exceed max_session_notional_fraction"
            )
        if len(set(self.restricted_symbols)) != len(self.restricted_symbols):
            raise ValueError("restricted_symbols names a symbol twice")
        return self


def parse_order_limits(payload: bytes, *, location: str = "order_limits.yaml") -> OrderLimits:
    """Read the limits.

    Raises
    ------
    DocumentRefusedError
        If the bytes are not a YAML document within the limits of all documents.
    BadInputError
        If a value is missing, unknown, out of range or without a source.
    """
    return parse_record(OrderLimits, parse_yaml(payload, location=location), location=location)
