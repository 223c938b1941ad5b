"""Transaction cost analyses that many tests share: consistent by default, changed by keyword."""

from typing import Any

import numpy as np
import session_examples as paper

from torghut_assets.domain.backtest.records import CostModel
from torghut_assets.domain.tca.records import (
    OrderCosts,
    OrderPrices,
    PaperTca,
    SessionConditions,
    Shortfall,
    SymbolConditions,
)


def cost_model(**changes: Any) -> CostModel:
    """Half a spread of 1 bp, a fee of 0.3 bp, 2 % of volatility, and impact."""
    fields: dict[str, Any] = {
        "model_version": "1",
        "half_spread_bps": 1.0,
        "fee_bps": 0.3,
        "slippage_volatility_fraction": 0.02,
        "impact_coefficient": 0.8,
        "volatility_window_bars": 20,
    }
    fields |= changes
    sources = {name: "stated by a test" for name in fields if name != "model_version"}
    return CostModel(**fields, sources=sources)


def conditions(regime: str = "normal", **changes: Any) -> SessionConditions:
    """Both symbols at 1 % a day, without a split."""
    symbols = tuple(
        SymbolConditions(symbol=symbol, volatility_fraction=0.01, price_factor=1.0, close_usd=183.0)
        for symbol in paper.SYMBOLS
    )
    fields = {"volatility_regime": regime, "trend_regime": "bull", "symbols": symbols}
    return SessionConditions(**(fields | changes))


def row(key: str = "a", **changes: Any) -> OrderCosts:
    """100 AAPL bought at 181.5, decided at 180, arrived at 181, closed at 183."""
    fields: dict[str, Any] = {
        "key": paper.digest_of(key),
        "symbol": "AAPL",
        "side": "buy",
        "order_type": "limit",
        "status": "filled",
        "ordered_shares": 100,
        "filled_shares": 100,
        "fills": 2,
        "hour_utc": 14,
        "latency_seconds": 60.0,
        "notional_usd": 18_000.0,
        "filled_notional_usd": 18_150.0,
        "prices": OrderPrices(
            basis="daily_bar",
            decision_usd=180.0,
            arrival_usd=181.0,
            average_fill_usd=181.5,
            vwap_usd=181.4,
            twap_usd=182.0,
            end_usd=183.0,
        ),
        "shortfall": Shortfall(
            delay_usd=100.0,
            trading_usd=50.0,
            opportunity_usd=0.0,
            fees_usd=0.5,
            paper_profit_usd=300.0,
            actual_profit_usd=149.5,
        ),
        "shortfall_bps": 83.6,
        "arrival_slippage_bps": 27.6,
        "vwap_slippage_bps": 5.5,
        "twap_slippage_bps": -27.5,
        "expected_cost_bps": 3.5,
        "realised_cost_bps": 4.0,
        "interval_cost_bps": 4.0,
        "effective_spread_bps": 11.0,
        "realized_spread_bps": -160.0,
        "spread_capture_fraction": None,
        "markouts": (),
        "volatility_fraction": 0.01,
        "participation_fraction": 0.000001,
        "fill_rate_fraction": 1.0,
    }
    return OrderCosts(**(fields | changes))


def tca(session: str = paper.SESSION, **changes: Any) -> PaperTca:
    """A session with one order that cost half a basis point more than expected."""
    orders = changes.pop("orders", (row(),))
    fields: dict[str, Any] = {
        "candidate_id": paper.CANDIDATE,
        "session": session,
        "deployment_digest": paper.deployment().digest,
        "intents_digest": paper.digest_of("intents"),
        "orders_digest": paper.digest_of("orders"),
        "fills_digest": paper.digest_of("fills"),
        "cost_model_digest": cost_model().digest,
        "policies": {"order_limits": paper.digest_of("order limits")},
        "mode": "paper",
        "broker": "replay",
        "conditions": conditions(),
        "intents": len(orders),
        "unrouted_intents": 0,
        "unrouted_opportunity_usd": 0.0,
        "orders": orders,
        "cancels": 0,
        "replaces": 0,
        "differences": 0,
        "open_orders": 0,
        "equity_before_usd": 1_000_000.0,
        "net_return_fraction": 0.0005,
        "turnover_fraction": 0.018,
    }
    return PaperTca(**(fields | changes))


def window(
    n_sessions: int = 40,
    per_session: int = 10,
    noise: float = 0.0,
    seed: int = 1,
    truth: tuple[float, ...] = (6.0, 0.05, 1.5, 0.9),
) -> list[PaperTca]:
    """Make sessions whose orders cost half spread, volatility, impact and fee as `truth` says."""
    draw = np.random.default_rng(seed)
    half, slack, impact, fee = truth
    records = []
    for day in paper.sessions(n_sessions):
        market = draw.normal(0, noise)
        rows = []
        for i in range(per_session):
            sigma, part = draw.uniform(0.005, 0.04), draw.uniform(1e-5, 0.05)
            slippage = half + 1e4 * sigma * (slack + impact * np.sqrt(part))
            slippage += 1e4 * sigma * (market + draw.normal(0, noise))
            shortfall = row().shortfall.model_copy(update={"fees_usd": fee * 18_150.0 / 1e4})
            rows.append(
                row(
                    f"{day}{i}",
                    arrival_slippage_bps=slippage,
                    volatility_fraction=sigma,
                    participation_fraction=part,
                    shortfall=shortfall,
                )
            )
        records.append(tca(day, orders=tuple(rows)))
    return records
