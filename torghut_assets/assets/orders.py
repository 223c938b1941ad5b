"""Paper trading: a deployment that rests on a pass, then intents, orders and fills per session."""

from typing import Final

import dagster as dg

from torghut_assets.assets import keys
from torghut_assets.assets.partitions import CANDIDATE_SESSIONS, CANDIDATES
from torghut_assets.assets.tables import rounded, table, unbroken
from torghut_assets.domain.backtest.records import RiskLimits
from torghut_assets.domain.identifiers import parse_candidate_id, parse_session_key
from torghut_assets.domain.orders import session_results
from torghut_assets.domain.orders.decide import decide_session
from torghut_assets.domain.orders.guardrails import needs_latch
from torghut_assets.domain.orders.limits import OrderLimits
from torghut_assets.domain.orders.policy import PaperPolicy
from torghut_assets.domain.orders.reconcile import Holdings
from torghut_assets.domain.orders.records import (
    Difference,
    OrderIntents,
    PaperDeployment,
    PaperFills,
    PaperOrders,
)
from torghut_assets.domain.orders.session_results import requests_of, require_link
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.brokers.opening import open_broker
from torghut_assets.resources.brokers.routing import OrderDesk
from torghut_assets.resources.code_version import code_digest
from torghut_assets.resources.deployment_desk import DeploymentDesk
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import INPUT_DIGESTS
from torghut_assets.resources.session_desk import (
    SessionDesk,
    SessionPolicies,
    require_policies,
    submit_time,
)
from torghut_assets.resources.session_market import market_digest
from torghut_assets.resources.stage_desk import Held

ORDER_CODE: Final = code_digest("domain/orders", "domain/records.py", "domain/digests.py")
_GROUP: Final = "shadow_paper_deployment"


@dg.asset(
    partitions_def=CANDIDATES,
    group_name=_GROUP,
    owners=["team:trading"],
    kinds={"json"},
    io_manager_key="record_io",
    code_version=ORDER_CODE[:16],
    deps=[keys.ORDER_LIMITS, keys.PAPER_POLICY, keys.GATE_REPORT],
)
def paper_deployment(
    context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]
) -> dg.MaterializeResult[PaperDeployment]:
    """A candidate admitted to paper trading, on its latest passing decision, decided again."""
    held = {n: Held(m.record_type, m.dimension, m.command) for n, m in keys.ASSETS.items()}
    desk = DeploymentDesk(home, context.instance, held)
    deployment = desk.admit(parse_candidate_id(str(context.partition_key)))
    return dg.MaterializeResult(
        value=deployment,
        data_version=dg.DataVersion(deployment.digest),
        metadata={
            "snapshot": deployment.snapshot_id,
            "mode": deployment.mode,
            "broker": deployment.broker,
            "budget_usd": deployment.budget_usd,
            "champion": deployment.champion.candidate_id if deployment.champion else "none",
            "gate_report": deployment.gate_report_digest,
            INPUT_DIGESTS: dg.MetadataValue.json(desk.read),
        },
    )


@dg.asset(
    partitions_def=CANDIDATE_SESSIONS,
    group_name=_GROUP,
    owners=["team:trading"],
    kinds={"numpy"},
    io_manager_key="record_io",
    code_version=ORDER_CODE[:16],
)
def order_intents(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    session_desk: dg.ResourceParam[SessionDesk],
    paper_deployment: PaperDeployment,
    order_limits: OrderLimits,
    risk_limits: RiskLimits,
    paper_policy: PaperPolicy,
) -> dg.MaterializeResult[OrderIntents]:
    """What the strategy wants before the open, compared with the backtest, and every guardrail."""
    session = parse_session_key(str(context.partition_key)).session
    policies = SessionPolicies(order_limits, risk_limits, paper_policy)
    if paper_deployment.mode == "shadow":
        holdings = Holdings(paper_deployment.budget_usd, paper_deployment.budget_usd, ())
    else:
        broker = open_broker(home, paper_deployment)
        holdings = broker.holdings_before(session.isoformat())
    evidence = session_desk.evidence(
        context.instance, paper_deployment, session, policies, holdings
    )
    intents = decide_session(evidence, order_limits, risk_limits, paper_policy)
    if needs_latch(intents.guardrails):  # before anything can be sent: a person re-enables it
        candidate = paper_deployment.candidate_id
        session_desk.kill.engage(candidate, "the message rate was exceeded", "message_rate")
    return dg.MaterializeResult(
        value=intents,
        data_version=dg.DataVersion(intents.digest),
        metadata={
            "blocked_by": ", ".join(f.rule for f in intents.blocked_by) or "nothing",
            "parity": intents.parity_verdict.value,
            "stance": intents.stance,
            "equity_usd": round(intents.equity_usd, 2),
            "intents": table(
                {
                    "symbol": intent.symbol,
                    "side": intent.side,
                    "quantity": intent.quantity,
                    "decision_price_usd": rounded(intent.decision_price_usd, 2),
                    "target_%": rounded(100 * intent.target_fraction, 2),
                }
                for intent in intents.intents
            ),
        },
    )


@dg.asset(
    partitions_def=CANDIDATE_SESSIONS,
    group_name=_GROUP,
    owners=["team:trading"],
    kinds={"sqlite"},
    io_manager_key="record_io",
    code_version=ORDER_CODE[:16],
)
def paper_orders(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    session_desk: dg.ResourceParam[SessionDesk],
    order_intents: OrderIntents,
) -> dg.MaterializeResult[PaperOrders]:
    """Orders with the broker: each claimed under its key before it is sent, none sent twice.

    Everything is read through the intents, so that no path leads around their guardrails.
    """
    candidate = order_intents.candidate_id
    session_desk.kill.require_clear(candidate, subject=order_intents.subject)
    paper_deployment, paper_policy = session_desk.deployed(order_intents)
    times = session_desk.times(
        paper_deployment, parse_session_key(str(context.partition_key)).session
    )
    requests = requests_of(order_intents, times.previous_close)
    if paper_deployment.mode == "paper":
        broker = open_broker(home, paper_deployment)
        at = (
            submit_time(times, paper_policy)
            if paper_deployment.broker == "replay"
            else f"{session_desk.clock():%Y-%m-%dT%H:%M:%SZ}"
        )
        OrderDesk(session_desk.journal, broker, session_desk.kill).route(requests, at)
    orders = session_results.paper_orders(
        order_intents, paper_deployment, session_desk.journal.ledger()
    )
    return dg.MaterializeResult(
        value=orders,
        data_version=dg.DataVersion(orders.digest),
        metadata={
            "mode": orders.mode,
            "broker": orders.broker,
            "orders": table(
                {
                    "symbol": order.symbol,
                    "side": order.side,
                    "quantity": order.quantity,
                    "status": order.status,
                    "reason": order.reason or "",
                    "key": order.key[:16],
                }
                for order in orders.orders
            ),
        },
    )


@dg.asset(
    partitions_def=CANDIDATE_SESSIONS,
    group_name=_GROUP,
    owners=["team:trading"],
    kinds={"sqlite"},
    io_manager_key="record_io",
    code_version=ORDER_CODE[:16],
)
def paper_fills(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    session_desk: dg.ResourceParam[SessionDesk],
    paper_deployment: PaperDeployment,
    paper_policy: PaperPolicy,
    order_intents: OrderIntents,
    paper_orders: PaperOrders,
) -> dg.MaterializeResult[PaperFills]:
    """What happened in the session, and every difference between our books and the broker's."""
    session = parse_session_key(str(context.partition_key)).session
    require_link("paper_orders", paper_orders.intents_digest, order_intents.digest)
    require_link("paper_orders", paper_orders.deployment_digest, paper_deployment.digest)
    require_policies(paper_deployment, {"paper_policy": paper_policy})
    universe = session_desk.universe_of(paper_deployment)
    market = session_desk.bars.market(universe, session, paper_deployment.symbols, paper_policy)
    statement = session_results.shadow_statement(order_intents)
    differences: tuple[Difference, ...] = ()
    if paper_deployment.mode == "paper":
        broker = open_broker(home, paper_deployment)
        desk = OrderDesk(session_desk.journal, broker, session_desk.kill)
        statement, differences = desk.close_session(paper_deployment.candidate_id, market)
    ledger = session_desk.journal.ledger()
    subject = (paper_deployment.candidate_id, market.session)
    fills = session_results.paper_fills(
        paper_orders,
        order_intents,
        session_results.Settlement(
            states=ledger.of_session(*subject),
            statement=statement,
            market=market,
            market_digest=market_digest(market),
            cancels=ledger.cancels(*subject),
            differences=differences,
        ),
    )
    return dg.MaterializeResult(
        value=fills,
        data_version=dg.DataVersion(fills.digest),
        metadata={
            "reconciled": fills.verdict is Verdict.PASS,
            "differences": table(d.model_dump() for d in fills.differences),
            "net_return_%": rounded(100 * fills.net_return_fraction, 4),
            "equity_usd": round(fills.equity_after_usd, 2),
            "equity_before_usd": round(fills.equity_before_usd, 2),
            "fills": table(
                {
                    "symbol": fill.symbol,
                    "side": fill.side,
                    "quantity": fill.quantity,
                    "price_usd": rounded(fill.price_usd, 4),
                    "fee_usd": rounded(fill.fee_usd, 2),
                    "at": unbroken(fill.filled_at),
                }
                for fill in fills.fills
            ),
        },
    )
