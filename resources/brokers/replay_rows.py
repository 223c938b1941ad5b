"""What the replay broker's file looks like: its tables, and rows to values and back."""

import json
from typing import Any, Final

from torghut_assets.domain.digests import canonical_json
from torghut_assets.domain.orders.keys import OrderRequest
from torghut_assets.domain.orders.reconcile import BrokerOrder, Holdings
from torghut_assets.domain.orders.records import OrderStatus, Position

SCHEMA_VERSION: Final = 1
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS accounts (
    account TEXT PRIMARY KEY, opening_usd REAL NOT NULL, cash_usd REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS orders (
    key TEXT PRIMARY KEY, account TEXT NOT NULL, session TEXT NOT NULL, symbol TEXT NOT NULL,
    status TEXT NOT NULL, filled INTEGER NOT NULL, request TEXT NOT NULL,
    acknowledged_at TEXT NOT NULL, reason TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS orders_of_session ON orders (account, session);
CREATE INDEX IF NOT EXISTS orders_open ON orders (account) WHERE status = 'submitted';
CREATE TABLE IF NOT EXISTS fills (
    fill_id TEXT PRIMARY KEY, account TEXT NOT NULL, session TEXT NOT NULL, fill TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS fills_of_session ON fills (account, session);
CREATE TABLE IF NOT EXISTS positions (
    account TEXT NOT NULL, symbol TEXT NOT NULL, quantity INTEGER NOT NULL, price_usd REAL NOT NULL,
    PRIMARY KEY (account, symbol)
) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
    account TEXT NOT NULL, session TEXT NOT NULL, activities TEXT NOT NULL, holdings TEXT NOT NULL,
    PRIMARY KEY (account, session)
) STRICT;
PRAGMA user_version = 1;
"""


def order_id(key: str) -> str:
    """Return the broker's own id of an order."""
    return f"replay-{key[:16]}"


def order_of(
    row: tuple[str, OrderStatus, int, str, str | None],
) -> tuple[BrokerOrder, OrderRequest]:
    """Return an order as it is stated, and as it was asked for."""
    request = OrderRequest.model_validate_json(row[0])
    order = BrokerOrder(
        key=request.key,
        broker_order_id=order_id(request.key),
        symbol=request.symbol,
        side=request.side,
        quantity=request.quantity,
        status=row[1],
        filled_quantity=row[2],
        acknowledged_at=row[3],
        reason=row[4],
    )
    return order, request


def text_of(holdings: Holdings) -> str:
    """Write holdings down."""
    fields: dict[str, Any] = {
        "cash_usd": holdings.cash_usd,
        "equity_usd": holdings.equity_usd,
        "positions": [p.model_dump(mode="json") for p in holdings.positions],
    }
    return canonical_json(fields).decode()


def holdings_of(text: str) -> Holdings:
    """Read holdings back."""
    fields = json.loads(text)
    return Holdings(
        cash_usd=float(fields["cash_usd"]),
        equity_usd=float(fields["equity_usd"]),
        positions=tuple(Position.model_validate(p) for p in fields["positions"]),
    )
