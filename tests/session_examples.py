"""Records of paper sessions that many tests share: consistent by default, changed by keyword.

`fills()` is a whole session that reconciles: one buy of 100 AAPL filled in two parts. Every
function takes the fields of its record as keywords; `sessions(n)` names n sessions of 2022.
"""

import datetime as dt
from typing import Any

from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.orders.records import (
    Fill,
    GuardrailFinding,
    OrderIntent,
    OrderIntents,
    PaperDeployment,
    PaperFills,
    PaperOrder,
    PaperOrders,
    Position,
    SessionBar,
    SymbolTarget,
)
from torghut_assets.domain.verdicts import Verdict

CANDIDATE = "tsmom-megacaps-v1"
SESSION = "2022-01-03"
DECIDED_ON = "2021-12-31"
SYMBOLS = ("AAPL", "AMZN")
CLOSED = {dt.date(2022, 1, 17), dt.date(2022, 2, 21), dt.date(2022, 4, 15), dt.date(2022, 5, 30)}


def digest_of(text: str) -> str:
    """A digest that stands for something that this test does not look at."""
    return sha256_hex(text.encode())


def sessions(n: int) -> list[str]:
    """The first n (up to 100) sessions of XNYS in 2022."""
    days = (dt.date(2022, 1, 3) + dt.timedelta(days=i) for i in range(160))
    open_days = [d for d in days if d.weekday() < 5 and d not in CLOSED]
    return [day.isoformat() for day in open_days[:n]]


def deployment(**changes: Any) -> PaperDeployment:
    """A candidate admitted to paper trading with a budget of a million."""
    fields: dict[str, Any] = {
        "candidate_id": CANDIDATE,
        "snapshot_id": "us-megacaps@2021-12-31",
        "gate_report_digest": digest_of("gate report"),
        "candidate_spec_digest": digest_of("spec"),
        "strategy_build_digest": digest_of("build"),
        "target_weights_digest": digest_of("weights"),
        "backtest_metrics_digest": digest_of("metrics"),
        "code_digest": digest_of("plugin code"),
        "strategy_type": "time-series-momentum",
        "strategy_version": "1.0.0",
        "parameters": {"lookback_bars": 120},
        "universe": "us-megacaps",
        "symbols": SYMBOLS,
        "mode": "paper",
        "broker": "replay",
        "budget_usd": 1_000_000.0,
        "champion": None,
        "policies": {"order_limits": digest_of("order limits")},
    }
    return PaperDeployment(**(fields | changes))


def finding(rule: str = "kill_switch", **changes: Any) -> GuardrailFinding:
    """A guardrail that passes."""
    fields: dict[str, Any] = {
        "rule": rule,
        "symbol": None,
        "verdict": Verdict.PASS,
        "measured": 0.0,
        "limit": 0.0,
        "unit": "count",
        "detail": "as it should be",
    }
    return GuardrailFinding(**(fields | changes))


def intent(**changes: Any) -> OrderIntent:
    """Buy 100 AAPL, decided at 180 USD."""
    fields: dict[str, Any] = {
        "key": digest_of("AAPL key"),
        "symbol": "AAPL",
        "side": "buy",
        "quantity": 100,
        "order_type": "limit",
        "limit_price_usd": 189.0,
        "decision_price_usd": 180.0,
        "target_fraction": 0.018,
    }
    return OrderIntent(**(fields | changes))


def intents(**changes: Any) -> OrderIntents:
    """One intent, everything agreed and nothing blocked."""
    fields: dict[str, Any] = {
        "candidate_id": CANDIDATE,
        "session": SESSION,
        "decided_on": DECIDED_ON,
        "deployment_digest": deployment().digest,
        "bars_digest": digest_of("bars through the decision"),
        "code_digest": digest_of("plugin code"),
        "equity_usd": 1_000_000.0,
        "cash_usd": 1_000_000.0,
        "positions": (),
        "targets": (
            SymbolTarget(symbol="AAPL", target_fraction=0.018, reference_fraction=0.018),
            SymbolTarget(symbol="AMZN", target_fraction=0.0, reference_fraction=0.0),
        ),
        "parity_sessions": 250,
        "parity_max_difference_fraction": 0.0,
        "parity_tolerance_fraction": 1e-9,
        "guardrails": (finding(),),
        "intents": (intent(),),
    }
    return OrderIntents(**(fields | changes))


def order(**changes: Any) -> PaperOrder:
    """The order of `intent()`, filled."""
    fields: dict[str, Any] = {
        "key": digest_of("AAPL key"),
        "symbol": "AAPL",
        "side": "buy",
        "quantity": 100,
        "order_type": "limit",
        "limit_price_usd": 189.0,
        "status": "filled",
        "broker_order_id": "replay-1",
        "decided_at": "2021-12-31T21:00:00Z",
        "submitted_at": "2022-01-03T14:25:00Z",
        "acknowledged_at": "2022-01-03T14:25:00Z",
        "reason": None,
    }
    return PaperOrder(**(fields | changes))


def orders(**changes: Any) -> PaperOrders:
    """The orders of `intents()`, as they are once routed."""
    fields: dict[str, Any] = {
        "candidate_id": CANDIDATE,
        "session": SESSION,
        "intents_digest": intents().digest,
        "deployment_digest": deployment().digest,
        "mode": "paper",
        "broker": "replay",
        "journal_head": digest_of("journal"),
        "orders": (order(status="submitted"),),
    }
    return PaperOrders(**(fields | changes))


def fill(fill_id: str = "replay-1-1", **changes: Any) -> Fill:
    """Half of `order()` at the open."""
    fields: dict[str, Any] = {
        "fill_id": fill_id,
        "key": digest_of("AAPL key"),
        "symbol": "AAPL",
        "side": "buy",
        "quantity": 50,
        "price_usd": 181.0,
        "fee_usd": 0.0,
        "filled_at": "2022-01-03T14:30:00Z",
    }
    return Fill(**(fields | changes))


def bar(symbol: str = "AAPL", **changes: Any) -> SessionBar:
    """A bar of the session."""
    fields: dict[str, Any] = {
        "symbol": symbol,
        "open_usd": 181.0,
        "high_usd": 184.0,
        "low_usd": 180.0,
        "close_usd": 183.0,
        "volume_shares": 100_000_000.0,
    }
    return SessionBar(**(fields | changes))


def fills(**changes: Any) -> PaperFills:
    """100 AAPL bought in two halves at 181 and 182 and closed at 183; nothing unexplained."""
    executions = (
        fill("replay-1-1"),
        fill("replay-1-2", price_usd=182.0, filled_at="2022-01-03T17:45:00Z"),
    )
    cash = 1_000_000.0 - sum(f.quantity * f.price_usd for f in executions)
    after = cash + 100 * 183.0
    fields: dict[str, Any] = {
        "candidate_id": CANDIDATE,
        "session": SESSION,
        "orders_digest": orders().digest,
        "intents_digest": intents().digest,
        "deployment_digest": deployment().digest,
        "bars_digest": digest_of("bars through the session"),
        "orders": (order(),),
        "fills": executions,
        "bars": (bar("AAPL"), bar("AMZN")),
        "positions": (Position(symbol="AAPL", quantity=100, price_usd=183.0),),
        "cash_usd": cash,
        "equity_before_usd": 1_000_000.0,
        "equity_after_usd": after,
        "net_return_fraction": after / 1_000_000.0 - 1.0,
        "turnover_fraction": sum(f.quantity * f.price_usd for f in executions) / 1_000_000.0,
        "cancels": 0,
        "replaces": 0,
        "differences": (),
    }
    return PaperFills(**(fields | changes))
