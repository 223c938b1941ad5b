"""From the records of one paper session to its transaction cost analysis.

Read `paper_tca` first. The records must cite each other; whatever contradicts them (a fill of
an unknown order, a fill twice, an order that nobody intended) is refused, not left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torghut_assets.domain.backtest.costs import CostRates
from torghut_assets.domain.backtest.records import CostModel
from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.orders.records import (
    FINAL_STATUSES,
    Fill,
    OrderIntent,
    OrderIntents,
    PaperDeployment,
    PaperFills,
    PaperOrder,
    PaperOrders,
)
from torghut_assets.domain.tca.errors import OverfilledOrderError
from torghut_assets.domain.tca.inputs import side_sign
from torghut_assets.domain.tca.order_costs import WorkedOrder, order_costs
from torghut_assets.domain.tca.records import (
    OrderCosts,
    PaperTca,
    SessionConditions,
    SymbolConditions,
)
from torghut_assets.domain.tca.session_market import SymbolMarket


@dataclass(frozen=True)
class SessionEvidence:
    """Everything that one session's analysis rests on.

    `markets` may add minute bars or quotes to a symbol; the bars of the fills are the least.
    """

    deployment: PaperDeployment
    intents: OrderIntents
    orders: PaperOrders
    fills: PaperFills
    cost_model: CostModel
    conditions: SessionConditions
    markets: Mapping[str, SymbolMarket] = field(default_factory=dict)


def paper_tca(evidence: SessionEvidence) -> PaperTca:
    """Measure every order of a session, and what was intended but never routed.

    Raises
    ------
    EvidenceContradictionError
        If the records do not cite each other, or hold fills, orders or prices that do not
        belong together.
    OverfilledOrderError
        If an order has more filled shares than it ordered.
    """
    _require_citations(evidence)
    fills, intents = evidence.fills, evidence.intents
    wanted = {intent.key: intent for intent in intents.intents}
    filled = _fills_by_order(fills, evidence)
    conditions = {item.symbol: item for item in evidence.conditions.symbols}
    rates = CostRates.of(evidence.cost_model)
    markets = {bar.symbol: SymbolMarket(bar) for bar in fills.bars} | dict(evidence.markets)
    rows: list[OrderCosts] = []
    for order in fills.orders:
        intent = wanted.get(order.key)
        if intent is None:
            raise _contradiction(evidence, f"order {order.key[:12]} of {order.symbol}", "an intent")
        _require_same(evidence, order, intent)
        if order.symbol not in markets or order.symbol not in conditions:
            raise _contradiction(evidence, f"no bar of {order.symbol}", "one per traded symbol")
        worked = WorkedOrder(order, intent.decision_price_usd, filled.get(order.key, ()))
        rows.append(order_costs(worked, markets[order.symbol], conditions[order.symbol], rates))
    routed = {order.key for order in fills.orders}
    unrouted = [intent for intent in intents.intents if intent.key not in routed]
    return PaperTca(
        candidate_id=fills.candidate_id,
        session=fills.session,
        deployment_digest=evidence.deployment.digest,
        intents_digest=intents.digest,
        orders_digest=evidence.orders.digest,
        fills_digest=fills.digest,
        cost_model_digest=evidence.cost_model.digest,
        policies={**evidence.deployment.policies, "cost_model": evidence.cost_model.digest},
        mode=evidence.orders.mode,
        broker=evidence.orders.broker,
        conditions=evidence.conditions,
        intents=len(intents.intents),
        unrouted_intents=len(unrouted),
        unrouted_opportunity_usd=_missed(unrouted, markets, conditions),
        orders=tuple(rows),
        cancels=fills.cancels,
        replaces=fills.replaces,
        differences=len(fills.differences),
        open_orders=sum(order.status not in FINAL_STATUSES for order in fills.orders),
        equity_before_usd=fills.equity_before_usd,
        net_return_fraction=fills.net_return_fraction,
        turnover_fraction=fills.turnover_fraction,
    )


def _require_citations(evidence: SessionEvidence) -> None:
    """Refuse records that are about another session, candidate, deployment or each other."""
    deployment, intents = evidence.deployment, evidence.intents
    orders, fills = evidence.orders, evidence.fills
    same = (
        ("intents cite deployment", intents.deployment_digest, deployment.digest),
        ("orders cite deployment", orders.deployment_digest, deployment.digest),
        ("fills cite deployment", fills.deployment_digest, deployment.digest),
        ("orders cite intents", orders.intents_digest, intents.digest),
        ("fills cite intents", fills.intents_digest, intents.digest),
        ("fills cite orders", fills.orders_digest, orders.digest),
        ("orders are about", orders.subject, intents.subject),
        ("fills are about", fills.subject, intents.subject),
        ("the deployment is of", deployment.candidate_id, intents.candidate_id),
    )
    for what, found, expected in same:
        if found != expected:
            raise _contradiction(evidence, f"{what} {found[:80]}", expected[:80])


def _fills_by_order(fills: PaperFills, evidence: SessionEvidence) -> dict[str, tuple[Fill, ...]]:
    """Fills of each order; refuse one that is doubled, foreign or too much."""
    orders = {order.key: order for order in fills.orders}
    seen: set[str] = set()
    by_order: dict[str, tuple[Fill, ...]] = {}
    for fill in fills.fills:
        order = orders.get(fill.key)
        if order is None:
            raise _contradiction(evidence, f"fill {fill.fill_id} of no order", "a known order")
        if fill.fill_id in seen:
            raise _contradiction(evidence, f"fill {fill.fill_id} twice", "every fill once")
        if (fill.symbol, fill.side) != (order.symbol, order.side):
            raise _contradiction(
                evidence,
                f"fill {fill.fill_id}: {fill.side} {fill.symbol}",
                f"{order.side} {order.symbol}, as ordered",
            )
        seen.add(fill.fill_id)
        by_order[fill.key] = (*by_order.get(fill.key, ()), fill)
    for key, done in by_order.items():
        if (shares := sum(fill.quantity for fill in done)) > orders[key].quantity:
            raise OverfilledOrderError(filled=shares, ordered=orders[key].quantity)
    return by_order


def _require_same(evidence: SessionEvidence, order: PaperOrder, intent: OrderIntent) -> None:
    """Refuse an order that is not what its intent says."""
    found = (order.symbol, order.side, order.quantity)
    wanted = (intent.symbol, intent.side, intent.quantity)
    if found != wanted:
        raise _contradiction(evidence, f"order {found}", f"its intent {wanted}")


def _missed(
    unrouted: list[OrderIntent],
    markets: Mapping[str, SymbolMarket],
    conditions: Mapping[str, SymbolConditions],
) -> float | None:
    """Move from decision to close of what was wanted but never routed, positive = lost."""
    total = 0.0
    for intent in unrouted:
        market, known = markets.get(intent.symbol), conditions.get(intent.symbol)
        if market is None or known is None or market.bar.close_usd is None:
            return None
        decision = intent.decision_price_usd / (known.price_factor or 1.0)
        move = market.bar.close_usd - decision
        total += side_sign(intent.side) * intent.quantity * move
    return total


def _contradiction(
    evidence: SessionEvidence, found: str, expected: str
) -> EvidenceContradictionError:
    return EvidenceContradictionError(
        location=f"session {evidence.fills.subject}", found=found, expected=expected
    )
