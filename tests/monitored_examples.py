"""A deployed candidate that trades real bars of 2022, session by session, as stored records.

`trade` writes what the session assets would have written (intents, orders, fills, costs), made
by the functions that make them, into a home in which the candidate was evaluated. It holds a
tenth of the budget in every symbol and trades a little AAPL to and fro.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files as resource_files
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
from evaluated_examples import KEY, PASSING, SNAPSHOT
from session_examples import deployment as any_deployment
from session_examples import digest_of, fills, finding, intents, orders

from torghut_assets.assets.partitions import CANDIDATES, SESSIONS
from torghut_assets.domain.backtest.records import BacktestMetrics, CostModel
from torghut_assets.domain.backtest.settings import parse_cost_model
from torghut_assets.domain.orders.keys import order_key
from torghut_assets.domain.orders.records import (
    Fill,
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
from torghut_assets.domain.records import Record
from torghut_assets.domain.tca.records import PaperTca, SessionConditions, SymbolConditions
from torghut_assets.domain.tca.session import SessionEvidence, paper_tca
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import current_record

SYMBOLS = ("AAPL", "AMZN", "GOOG", "META", "NFLX", "NVDA")
_SHIPPED = resource_files("torghut_assets")


@lru_cache
def bars_of_2022() -> dict[str, dict[str, SessionBar]]:
    """Real bars by session and symbol, from the last session of 2021 on."""
    path = _SHIPPED / "data/us-megacaps/bars.parquet"
    table = pq.read_table(str(path)).to_pylist()
    found: dict[str, dict[str, SessionBar]] = {}
    for row in table:
        session = next(str(v)[:10] for k, v in row.items() if k in ("date", "session", "time"))
        if "2021-12-31" <= session <= "2022-12-31" and row["symbol"] in SYMBOLS:
            found.setdefault(session, {})[row["symbol"]] = SessionBar(
                symbol=row["symbol"],
                open_usd=float(row["open"]),
                high_usd=float(max(row["high"], row["open"], row["close"])),
                low_usd=float(min(row["low"], row["open"], row["close"])),
                close_usd=float(row["close"]),
                volume_shares=float(row["volume"]),
            )
    return dict(sorted(found.items()))


def sessions_of_2022(n: int) -> list[str]:
    """The first n sessions of 2022."""
    return list(bars_of_2022())[1 : n + 1]


@lru_cache
def cost_model() -> CostModel:
    return parse_cost_model((_SHIPPED / "config/cost_model.yaml").read_bytes())


def deployment_of(home: Home, instance: dg.DagsterInstance, **changes: Any) -> PaperDeployment:
    """The evaluated candidate, deployed on its real backtest."""
    metrics = current_record(
        instance, home.store, BacktestMetrics, dg.AssetKey("backtest_metrics"), KEY
    )
    assert metrics is not None
    return any_deployment(
        **(
            {
                "candidate_id": PASSING,
                "snapshot_id": SNAPSHOT,
                "symbols": SYMBOLS,
                "backtest_metrics_digest": metrics.digest,
                "target_weights_digest": metrics.target_weights_digest,
            }
            | changes
        )
    )


def publish(
    home: Home, instance: dg.DagsterInstance, asset: str, record: Record, partition: str | None
) -> None:
    """Store a record and log its materialization, as the I/O manager does."""
    digest = home.store.put(record.canonical_bytes())
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset_key=asset, partition=partition, tags={"dagster/data_version": digest}
        )
    )


@dataclass(frozen=True)
class Traded:
    """The records of one session."""

    intents: OrderIntents
    orders: PaperOrders
    fills: PaperFills
    tca: PaperTca

    @property
    def session(self) -> str:
        return self.fills.session

    def publish(self, home: Home, instance: dg.DagsterInstance) -> None:
        for name, record in (
            ("order_intents", self.intents),
            ("paper_orders", self.orders),
            ("paper_fills", self.fills),
            ("paper_tca", self.tca),
        ):
            publish(home, instance, name, record, record.subject)


def traded(
    deployment: PaperDeployment, through: str, *, crash_from: str | None = None
) -> list[Traded]:
    """Every session of 2022 through one, as records. From `crash_from` on it loses 3 % each."""
    bars, known = bars_of_2022(), list(bars_of_2022())
    held: dict[str, int] = {}
    cash = deployment.budget_usd
    equity = deployment.budget_usd
    found = []
    for index, session in enumerate(known[1:], start=1):
        if session > through:
            break
        before, now = bars[known[index - 1]], bars[session]
        wanted = _wanted(deployment, held, before, index)
        made = []
        for symbol, quantity in wanted.items():
            held[symbol] = held.get(symbol, 0) + quantity
            cash -= quantity * float(now[symbol].open_usd or 0.0)
            made.append((symbol, quantity))
        value = sum(q * float(now[s].close_usd or 0.0) for s, q in held.items())
        after = cash + value
        if crash_from is not None and session >= crash_from:
            cash -= 0.03 * equity + (after - equity)
            after = cash + value
        found.append(
            _session(deployment, known[index - 1], session, made, held, (cash, equity, after))
        )
        equity = after
    return found


def _wanted(
    deployment: PaperDeployment, held: dict[str, int], before: dict[str, SessionBar], index: int
) -> dict[str, int]:
    if not held:
        budget = deployment.budget_usd
        return {s: int(0.1 * budget / float(before[s].close_usd or 1.0)) for s in SYMBOLS}
    return {"AAPL": 10 if index % 2 else -10}


def _session(
    deployment: PaperDeployment,
    decided_on: str,
    session: str,
    made: list[tuple[str, int]],
    held: dict[str, int],
    money: tuple[float, float, float],
) -> Traded:
    cash, before, after = money
    bars = bars_of_2022()
    closes = bars[decided_on]
    wanted, asked, done = [], [], []
    for symbol, quantity in made:
        key = order_key(deployment.candidate_id, session, symbol, "rebalance", deployment.digest)
        side: Any = "buy" if quantity > 0 else "sell"
        wanted.append(
            OrderIntent(
                key=key,
                symbol=symbol,
                side=side,
                quantity=abs(quantity),
                order_type="market",
                limit_price_usd=None,
                decision_price_usd=float(closes[symbol].close_usd or 0.0),
                target_fraction=0.1,
            )
        )
        asked.append(
            PaperOrder(
                key=key,
                symbol=symbol,
                side=side,
                quantity=abs(quantity),
                order_type="market",
                limit_price_usd=None,
                status="filled",
                broker_order_id=f"replay-{key[:16]}",
                decided_at=f"{decided_on}T21:00:00Z",
                submitted_at=f"{session}T14:25:00Z",
                acknowledged_at=f"{session}T14:25:00Z",
                reason=None,
            )
        )
        done.append(
            Fill(
                fill_id=f"{key[:16]}-1",
                key=key,
                symbol=symbol,
                side=side,
                quantity=abs(quantity),
                price_usd=float(bars[session][symbol].open_usd or 0.0),
                fee_usd=0.0,
                filled_at=f"{session}T14:30:00Z",
            )
        )
    intent = intents(
        candidate_id=deployment.candidate_id,
        session=session,
        decided_on=decided_on,
        deployment_digest=deployment.digest,
        equity_usd=before,
        targets=tuple(
            SymbolTarget(symbol=s, target_fraction=0.1, reference_fraction=0.1) for s in SYMBOLS
        ),
        guardrails=(finding(),),
        intents=tuple(wanted),
    )
    routed = orders(
        candidate_id=deployment.candidate_id,
        session=session,
        intents_digest=intent.digest,
        deployment_digest=deployment.digest,
        orders=tuple(asked),
    )
    happened = fills(
        candidate_id=deployment.candidate_id,
        session=session,
        orders_digest=routed.digest,
        intents_digest=intent.digest,
        deployment_digest=deployment.digest,
        bars_digest=digest_of(session),
        orders=tuple(asked),
        fills=tuple(done),
        bars=tuple(bars[session][s] for s in SYMBOLS),
        positions=tuple(
            Position(symbol=s, quantity=q, price_usd=float(bars[session][s].close_usd or 0.0))
            for s, q in sorted(held.items())
            if q
        ),
        cash_usd=cash,
        equity_before_usd=before,
        equity_after_usd=after,
        net_return_fraction=after / before - 1.0,
        turnover_fraction=sum(f.quantity * f.price_usd for f in done) / before,
    )
    conditions = SessionConditions(
        volatility_regime="normal",
        trend_regime="bear",
        symbols=tuple(
            SymbolConditions(
                symbol=s,
                volatility_fraction=0.02,
                price_factor=1.0,
                close_usd=bars[session][s].close_usd,
            )
            for s in SYMBOLS
        ),
    )
    tca = paper_tca(SessionEvidence(deployment, intent, routed, happened, cost_model(), conditions))
    return Traded(intent, routed, happened, tca)


def register(instance: dg.DagsterInstance, candidate: str, sessions: Iterable[str]) -> None:
    """Add the partitions of a candidate's sessions."""
    instance.add_dynamic_partitions(str(CANDIDATES.name), [candidate])
    instance.add_dynamic_partitions(str(SESSIONS.name), list(sessions))


def today(session: str, hour: int = 22) -> dt.datetime:
    """A moment on the day of a session, in UTC."""
    return dt.datetime.combine(dt.date.fromisoformat(session), dt.time(hour), dt.UTC)
