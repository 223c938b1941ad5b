"""The records that a routed and a settled session leave: built from what was written and read."""

from collections.abc import Iterable
from dataclasses import dataclass

from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.orders.errors import OrdersBlockedError
from torghut_assets.domain.orders.execution import SessionMarket
from torghut_assets.domain.orders.journal import Ledger, OrderState
from torghut_assets.domain.orders.keys import OrderRequest, key_faults, request_of
from torghut_assets.domain.orders.reconcile import Holdings, Statement, reconcile
from torghut_assets.domain.orders.records import (
    Difference,
    OrderIntents,
    PaperDeployment,
    PaperFills,
    PaperOrders,
)
from torghut_assets.domain.verdicts import Verdict


def requests_of(intents: OrderIntents, decided_at: str) -> tuple[OrderRequest, ...]:
    """Return the orders that a session's intents ask for, if nothing blocks them.

    Raises
    ------
    OrdersBlockedError
        If a guardrail, the parity or a key does not hold: each is named.
    """
    reasons = [
        f"{f.rule}{f' of {f.symbol}' if f.symbol else ''} {f.verdict.value} "
        f"({_shown(f.measured)} against {_shown(f.limit)} {f.unit})"
        for f in intents.blocked_by
    ]
    if intents.parity_verdict is not Verdict.PASS:
        reasons.append(
            f"parity {intents.parity_verdict.value} "
            f"({_shown(intents.parity_max_difference_fraction)} against "
            f"{intents.parity_tolerance_fraction:g})"
        )
    reasons.extend(f"key of {fault}" for fault in key_faults(intents))
    if reasons:
        raise OrdersBlockedError(subject=intents.subject, reasons=tuple(reasons))
    return tuple(request_of(intent, intents, decided_at) for intent in intents.intents)


def require_link(location: str, found: str, expected: str) -> None:
    """Refuse a record that does not name the one it is said to follow.

    Raises
    ------
    EvidenceContradictionError
        If the digests differ.
    """
    if found != expected:
        raise EvidenceContradictionError(location=location, found=found, expected=expected)


def paper_orders(intents: OrderIntents, deployment: PaperDeployment, ledger: Ledger) -> PaperOrders:
    """Return what the broker was asked, as the journal has it once everything was routed."""
    routed = ledger.as_routed(intents.candidate_id, intents.session)
    return PaperOrders(
        candidate_id=intents.candidate_id,
        session=intents.session,
        intents_digest=intents.digest,
        deployment_digest=deployment.digest,
        mode=deployment.mode,
        broker=deployment.broker,
        journal_head=routed.history_digest(intents.candidate_id, intents.session),
        orders=tuple(
            state.paper_order()
            for state in routed.of_session(intents.candidate_id, intents.session)
        ),
    )


@dataclass(frozen=True)
class Settlement:
    """What is known of a session that is over."""

    states: tuple[OrderState, ...]
    statement: Statement
    market: SessionMarket
    market_digest: str
    cancels: int
    differences: tuple[Difference, ...]


def opening_holdings(intents: OrderIntents) -> Holdings:
    """Return the account as it was when the session was decided."""
    return Holdings(intents.cash_usd, intents.equity_usd, intents.positions)


def shadow_statement(intents: OrderIntents) -> Statement:
    """Return the statement of a session in which nothing was sent."""
    return Statement(orders=(), fills=(), activities=(), after=opening_holdings(intents))


def paper_fills(orders: PaperOrders, intents: OrderIntents, settled: Settlement) -> PaperFills:
    """Return what happened in a session, reconciled.

    `Settlement.differences` were found while fills were written; those of the reconciliation
    are added, each once.
    """
    before, after = opening_holdings(intents), settled.statement.after
    found = (*settled.differences, *reconcile(before, settled.states, settled.statement))
    fills = sorted(
        (fill for state in settled.states for fill in state.fills),
        key=lambda f: (f.filled_at, f.symbol, f.fill_id),
    )
    traded = sum(fill.quantity * fill.price_usd for fill in fills)
    return PaperFills(
        candidate_id=orders.candidate_id,
        session=orders.session,
        orders_digest=orders.digest,
        intents_digest=intents.digest,
        deployment_digest=orders.deployment_digest,
        bars_digest=settled.market_digest,
        orders=tuple(state.paper_order() for state in settled.states),
        fills=tuple(fills),
        bars=tuple(settled.market.days[s].bar for s in sorted(settled.market.days)),
        positions=after.positions,
        cash_usd=after.cash_usd,
        equity_before_usd=before.equity_usd,
        equity_after_usd=after.equity_usd,
        net_return_fraction=after.equity_usd / before.equity_usd - 1.0,
        turnover_fraction=traded / before.equity_usd,
        cancels=settled.cancels,
        replaces=0,  # a changed intent is the next session's order, under its own key
        differences=_each_once(found),
    )


def _each_once(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    return tuple({(d.what, d.name): d for d in differences}.values())


def _shown(value: float | None) -> str:
    return "not known" if value is None else f"{value:.4g}"
