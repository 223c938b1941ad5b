"""Rows of trading: deployments, sessions, orders, fills, costs, drift, rollbacks, incidents."""

import datetime as dt
from collections.abc import Iterator

from torghut_assets.domain.backtest.trials import UtcTime
from torghut_assets.domain.drift.records import SEVERITY, DriftReport
from torghut_assets.domain.orders.records import PaperDeployment, PaperFills
from torghut_assets.domain.records import Digest
from torghut_assets.domain.rollback.records import IncidentReport, RollbackReceipt
from torghut_assets.domain.tca.records import PaperTca
from torghut_assets.domain.warehouse.evidence_rows import Origin, Row
from torghut_assets.domain.warehouse.research_rows import MadeRow


class DeploymentRow(MadeRow):
    """One admission of a candidate to paper trading, with what it rests on."""

    candidate_id: str
    snapshot_id: str
    gate_report_digest: Digest
    candidate_spec_digest: Digest
    strategy_build_digest: Digest
    target_weights_digest: Digest
    backtest_metrics_digest: Digest
    mode: str
    broker: str
    budget_usd: float
    champion_id: str | None


class SessionRow(MadeRow):
    """What happened in one session of a candidate, as read back from the broker."""

    candidate_id: str
    session: dt.date
    deployment_digest: Digest
    intents_digest: Digest
    orders_digest: Digest
    verdict: str
    orders: int
    fills: int
    differences: int
    equity_before_usd: float
    equity_after_usd: float
    net_return_fraction: float
    turnover_fraction: float


class OrderCostRow(MadeRow):
    """What one order of a session cost. Amounts of the shortfall are `None` if not defined."""

    candidate_id: str
    session: dt.date
    fills_digest: Digest
    order_key: Digest
    symbol: str
    side: str
    status: str
    ordered_shares: int
    filled_shares: int
    notional_usd: float
    filled_notional_usd: float
    delay_usd: float | None
    trading_usd: float | None
    opportunity_usd: float | None
    fees_usd: float | None
    shortfall_usd: float | None
    shortfall_bps: float | None
    expected_cost_bps: float | None
    realised_cost_bps: float | None
    arrival_slippage_bps: float | None
    fill_rate_fraction: float


class OrderRow(Row):
    """One order of the journal: its claim, its state, and how far its chain leads back.

    `broken_link` is the first link that does not resolve; `None` if all do. `chain_is_removed`
    says that it ends at a tombstone, as the retention policy wants.
    """

    order_key: Digest
    candidate_id: str
    session: dt.date
    deployment_digest: Digest
    purpose: str
    symbol: str
    side: str
    quantity: int
    order_type: str
    status: str
    filled_quantity: int
    decided_at: UtcTime
    submitted_at: UtcTime | None
    chain_resolves: bool
    chain_is_removed: bool
    resolved_links: int
    broken_link: str | None
    broken_because: str | None


class FillRow(Row):
    """One execution of the journal. `fee_usd` is positive when it is paid."""

    order_key: Digest
    fill_id: str
    symbol: str
    side: str
    quantity: int
    price_usd: float
    fee_usd: float
    filled_at: UtcTime


class DriftReadingRow(MadeRow):
    """One reading of a drift report next to its limits, all in `unit`."""

    candidate_id: str
    session: dt.date
    report_level: str
    report_verdict: str
    policy_digest: Digest
    position: int
    measurement: str
    reading_group: str
    unit: str
    bound: str
    measured: float | None
    degrade_limit: float | None
    abstain_limit: float | None
    fail_limit: float | None
    problem: str | None
    sessions: int
    needed_sessions: int
    level: str
    severity: int
    reason: str | None


class RollbackRow(MadeRow):
    """What one rollback came to, as it was read back."""

    candidate_id: str
    session: dt.date
    plan_digest: Digest
    mode: str
    broker: str
    restores_candidate_id: str | None
    state: str
    verdict: str
    orders: int
    differences: int


class RollbackOrderRow(MadeRow):
    """One order that a rollback dealt with, and how it stood afterwards."""

    candidate_id: str
    session: dt.date
    order_key: Digest
    symbol: str
    side: str
    purpose: str
    ordered_shares: int
    filled_shares: int
    status: str


class IncidentRow(MadeRow):
    """One incident: what happened and how bad it is. `A` is the worst class."""

    candidate_id: str
    session: dt.date
    deployment_digest: Digest
    incident_class: str
    circumstances: str
    receipt_state: str
    demands_kill_switch: bool
    corrective_action: str


def deployment_rows(record: PaperDeployment, origin: Origin) -> Iterator[DeploymentRow]:
    """Yield the row of a deployment."""
    yield DeploymentRow(
        digest=origin.digest,
        ledger_sequence=origin.sequence,
        is_current=origin.is_current,
        candidate_id=record.candidate_id,
        snapshot_id=record.snapshot_id,
        gate_report_digest=record.gate_report_digest,
        candidate_spec_digest=record.candidate_spec_digest,
        strategy_build_digest=record.strategy_build_digest,
        target_weights_digest=record.target_weights_digest,
        backtest_metrics_digest=record.backtest_metrics_digest,
        mode=record.mode,
        broker=record.broker,
        budget_usd=record.budget_usd,
        champion_id=record.champion.candidate_id if record.champion else None,
    )


def session_rows(record: PaperFills, origin: Origin) -> Iterator[SessionRow]:
    """Yield the row of a session."""
    yield SessionRow(
        digest=origin.digest,
        ledger_sequence=origin.sequence,
        is_current=origin.is_current,
        candidate_id=record.candidate_id,
        session=dt.date.fromisoformat(record.session),
        deployment_digest=record.deployment_digest,
        intents_digest=record.intents_digest,
        orders_digest=record.orders_digest,
        verdict=record.verdict.value,
        orders=len(record.orders),
        fills=len(record.fills),
        differences=len(record.differences),
        equity_before_usd=record.equity_before_usd,
        equity_after_usd=record.equity_after_usd,
        net_return_fraction=record.net_return_fraction,
        turnover_fraction=record.turnover_fraction,
    )


def order_cost_rows(record: PaperTca, origin: Origin) -> Iterator[OrderCostRow]:
    """Yield one row for each order of a cost analysis."""
    for order in record.orders:
        parts = order.shortfall
        yield OrderCostRow(
            digest=origin.digest,
            ledger_sequence=origin.sequence,
            is_current=origin.is_current,
            candidate_id=record.candidate_id,
            session=dt.date.fromisoformat(record.session),
            fills_digest=record.fills_digest,
            order_key=order.key,
            symbol=order.symbol,
            side=order.side,
            status=order.status,
            ordered_shares=order.ordered_shares,
            filled_shares=order.filled_shares,
            notional_usd=order.notional_usd,
            filled_notional_usd=order.filled_notional_usd,
            delay_usd=parts.delay_usd if parts else None,
            trading_usd=parts.trading_usd if parts else None,
            opportunity_usd=parts.opportunity_usd if parts else None,
            fees_usd=parts.fees_usd if parts else None,
            shortfall_usd=parts.total_usd if parts else None,
            shortfall_bps=order.shortfall_bps,
            expected_cost_bps=order.expected_cost_bps,
            realised_cost_bps=order.realised_cost_bps,
            arrival_slippage_bps=order.arrival_slippage_bps,
            fill_rate_fraction=order.fill_rate_fraction,
        )


def drift_reading_rows(record: DriftReport, origin: Origin) -> Iterator[DriftReadingRow]:
    """Yield one row for each reading of a drift report, in its order."""
    for position, reading in enumerate(record.readings, start=1):
        yield DriftReadingRow(
            digest=origin.digest,
            ledger_sequence=origin.sequence,
            is_current=origin.is_current,
            candidate_id=record.candidate_id,
            session=dt.date.fromisoformat(record.session),
            report_level=record.level.value,
            report_verdict=record.verdict.value,
            policy_digest=record.policy_digest,
            position=position,
            measurement=reading.measurement,
            reading_group=reading.group,
            unit=reading.unit,
            bound=reading.bound,
            measured=reading.measured,
            degrade_limit=reading.degrade,
            abstain_limit=reading.abstain,
            fail_limit=reading.fail,
            problem=reading.problem,
            sessions=reading.sessions,
            needed_sessions=reading.needed_sessions,
            level=reading.level.value,
            severity=SEVERITY.index(reading.level),
            reason=reading.reason,
        )


def rollback_rows(record: RollbackReceipt, origin: Origin) -> Iterator[RollbackRow]:
    """Yield the row of a rollback."""
    yield RollbackRow(
        digest=origin.digest,
        ledger_sequence=origin.sequence,
        is_current=origin.is_current,
        candidate_id=record.candidate_id,
        session=dt.date.fromisoformat(record.session),
        plan_digest=record.plan_digest,
        mode=record.mode,
        broker=record.broker,
        restores_candidate_id=record.restores.candidate_id if record.restores else None,
        state=record.state,
        verdict=record.verdict.value,
        orders=len(record.orders),
        differences=len(record.differences),
    )


def rollback_order_rows(record: RollbackReceipt, origin: Origin) -> Iterator[RollbackOrderRow]:
    """Yield one row for each order of a rollback."""
    for order in record.orders:
        yield RollbackOrderRow(
            digest=origin.digest,
            ledger_sequence=origin.sequence,
            is_current=origin.is_current,
            candidate_id=record.candidate_id,
            session=dt.date.fromisoformat(record.session),
            order_key=order.key,
            symbol=order.symbol,
            side=order.side,
            purpose=order.purpose,
            ordered_shares=order.quantity,
            filled_shares=order.filled,
            status=order.status,
        )


def incident_rows(record: IncidentReport, origin: Origin) -> Iterator[IncidentRow]:
    """Yield the row of an incident."""
    yield IncidentRow(
        digest=origin.digest,
        ledger_sequence=origin.sequence,
        is_current=origin.is_current,
        candidate_id=record.candidate_id,
        session=dt.date.fromisoformat(record.session),
        deployment_digest=record.deployment_digest,
        incident_class=record.incident_class,
        circumstances=", ".join(sorted(record.circumstances)),
        receipt_state=record.receipt_state,
        demands_kill_switch=record.demands_kill_switch,
        corrective_action=record.corrective_action,
    )
