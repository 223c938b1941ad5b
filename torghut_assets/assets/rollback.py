"""Rollback: the plan, its execution read back from the broker, and the incident.

The three run together, once per failing report. A second run that another daemon launched finds
the claim of the first and makes nothing; a run after a crash goes on where the first one ended.
"""

import datetime as dt
import time
from collections.abc import Iterator

import dagster as dg

from torghut_assets.assets.partitions import CANDIDATE_SESSIONS
from torghut_assets.assets.tables import table, unbroken
from torghut_assets.domain.drift.policy import ClassRule, DriftPolicy
from torghut_assets.domain.errors import StageRefusedError
from torghut_assets.domain.identifiers import parse_session_key
from torghut_assets.domain.orders.policy import PaperPolicy
from torghut_assets.domain.orders.records import PaperDeployment
from torghut_assets.domain.rollback.decide import rollback_plan as plan_rollback
from torghut_assets.domain.rollback.incident import Aftermath, circumstances_of, worst_rule
from torghut_assets.domain.rollback.incident import incident_report as report_incident
from torghut_assets.domain.rollback.records import (
    EvidenceItem,
    IncidentReport,
    RollbackPlan,
    RollbackReceipt,
    TimelineEntry,
)
from torghut_assets.resources.brokers.opening import open_broker
from torghut_assets.resources.brokers.routing import OrderDesk
from torghut_assets.resources.brokers.unwind import TradingTimes, Unwinding
from torghut_assets.resources.code_version import code_digest
from torghut_assets.resources.drift_desk import sessions_after
from torghut_assets.resources.home import Home
from torghut_assets.resources.notifications import notify
from torghut_assets.resources.rollback_desk import Deployed, RollbackDesk
from torghut_assets.resources.session_desk import SessionDesk, require_policies, submit_time

_CODE = code_digest("domain/rollback", "domain/drift/policy.py", "domain/records.py")[:16]


@dg.asset(
    partitions_def=CANDIDATE_SESSIONS,
    group_name="rollback_incident",
    owners=["team:operations"],
    kinds={"json"},
    io_manager_key="record_io",
    code_version=_CODE,
    output_required=False,
    deps=[dg.AssetKey("drift_report"), dg.AssetKey("paper_gate_report")],
)
def rollback_plan(
    context: dg.AssetExecutionContext,
    session_desk: dg.ResourceParam[SessionDesk],
    rollback_desk: dg.ResourceParam[RollbackDesk],
    paper_deployment: PaperDeployment,
    drift_policy: DriftPolicy,
) -> Iterator[dg.MaterializeResult[RollbackPlan]]:
    """What must be undone, and why: only if a report fails, or none was made for too long."""
    key = parse_session_key(str(context.partition_key))
    if not rollback_desk.claim(context.instance, str(key), context.run.run_id):
        context.log.info("another run is rolling this back: nothing to do here")
        return
    deployed = Deployed(paper_deployment, rollback_desk.since(context.instance, paper_deployment))
    triggers = rollback_desk.triggers(
        context.instance,
        deployed,
        key.session.isoformat(),
        drift_policy.silence,
        session_desk.clock(),
    )
    answers = frozenset(t.digest for t in triggers if t.digest is not None)
    plan = rollback_desk.existing_plan(context.instance, str(key), answers)
    if plan is not None and rollback_desk.is_done(context.instance, plan):
        context.log.info("these reports were answered: nothing to do here")
        rollback_desk.release(context.run.run_id)
        return
    if plan is None:
        situation = rollback_desk.situation(
            context.instance, paper_deployment, session_desk.journal
        )
        plan = plan_rollback(
            paper_deployment, key.session.isoformat(), triggers, situation, drift_policy
        )
    yield dg.MaterializeResult(
        value=plan,
        data_version=dg.DataVersion(plan.digest),
        metadata={
            "triggers": table(
                {"circumstance": t.circumstance, "record": t.record or "", "detail": t.detail}
                for t in plan.triggers
            ),
            "mode": plan.mode,
            "restores": plan.restores.deployment_digest if plan.restores else "nothing in force",
            "orders_to_cancel": len(plan.cancels),
            "positions": table(
                {"symbol": h.symbol, "shares": h.quantity} for h in plan.known_holdings
            ),
        },
    )


@dg.asset(
    partitions_def=CANDIDATE_SESSIONS,
    group_name="rollback_incident",
    owners=["team:operations"],
    kinds={"json"},
    io_manager_key="record_io",
    code_version=_CODE,
)
def rollback_receipt(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    session_desk: dg.ResourceParam[SessionDesk],
    rollback_desk: dg.ResourceParam[RollbackDesk],
    paper_deployment: PaperDeployment,
    paper_policy: PaperPolicy,
    drift_policy: DriftPolicy,
    rollback_plan: RollbackPlan,
) -> dg.MaterializeResult[RollbackReceipt]:
    """Cancelled, closed and read back from the broker: restored, or unknown and alarming."""
    if rollback_plan.deployment_digest != paper_deployment.digest:
        raise StageRefusedError(
            f"rollback_receipt of {rollback_plan.subject}: the plan is of the deployment "
            f"{rollback_plan.deployment_digest}, in force is {paper_deployment.digest}. "
            "Materialize rollback_plan again."
        )
    require_policies(paper_deployment, {"paper_policy": paper_policy})
    last = rollback_desk.last_session(
        context.instance, rollback_plan.candidate_id, rollback_plan.session
    )
    broker = open_broker(home, paper_deployment)
    unwinding = Unwinding(
        plan=rollback_plan,
        broker=broker,
        desk=OrderDesk(session_desk.journal, broker, session_desk.kill),
        journal=session_desk.journal,
        times=_times(session_desk, paper_deployment, (paper_policy, drift_policy), last),
    )
    champion = rollback_desk.champion_in_force(context.instance, rollback_plan.restores)
    receipt = unwinding.run(champion.deployment_digest if champion else None)
    if receipt.state == "unknown":
        context.log.error(
            f"rollback of {receipt.subject}: UNKNOWN. "
            + "; ".join([*receipt.differences, *receipt.problems])
        )
    return dg.MaterializeResult(
        value=receipt,
        data_version=dg.DataVersion(receipt.digest),
        metadata={
            "state": receipt.state,
            "verdict": receipt.verdict.value,
            "differences": table({"difference": text} for text in receipt.differences),
            "problems": table({"problem": text} for text in receipt.problems),
            "orders": table(
                {
                    "symbol": o.symbol,
                    "side": o.side,
                    "shares": o.quantity,
                    "filled": o.filled,
                    "status": o.status,
                    "purpose": o.purpose,
                }
                for o in receipt.orders
            ),
        },
    )


def _times(
    desk: SessionDesk,
    deployment: PaperDeployment,
    policies: tuple[PaperPolicy, DriftPolicy],
    last: str,
) -> TradingTimes:
    """When a broker may close what is held: sessions after the last one that was traded."""
    policy, drift_policy = policies
    rules = drift_policy.rollback
    universe = desk.universe_of(deployment)
    replay = deployment.broker == "replay"

    def now() -> str:
        return f"{desk.clock():%Y-%m-%dT%H:%M:%SZ}"

    def moments(session: str) -> tuple[str, str]:
        if not replay:
            return now(), now()
        times = desk.bars.times(universe, dt.date.fromisoformat(session))
        return submit_time(times, policy), times.closes_at

    if not replay:  # whatever was traded last: the session that is open, or opens next
        yesterday = f"{desk.clock() - dt.timedelta(days=1):%Y-%m-%d}"
        today = sessions_after(max(last, yesterday), 1)[0]
        closes = desk.bars.times(universe, dt.date.fromisoformat(today)).closes_at
        last = today if now() >= closes else max(last, yesterday)
    return TradingTimes(
        sessions=sessions_after(last, rules.settle_attempts if replay else 1),
        market_of=(
            (
                lambda session: desk.bars.market(
                    universe, dt.date.fromisoformat(session), deployment.symbols, policy
                )
            )
            if replay
            else None
        ),
        moments_of=moments,
        looks=rules.settle_attempts,
        wait=lambda: time.sleep(rules.settle_wait_seconds),
    )


@dg.asset(
    partitions_def=CANDIDATE_SESSIONS,
    group_name="rollback_incident",
    owners=["team:operations"],
    kinds={"json"},
    io_manager_key="record_io",
    code_version=_CODE,
)
def incident_report(
    context: dg.AssetExecutionContext,
    session_desk: dg.ResourceParam[SessionDesk],
    rollback_desk: dg.ResourceParam[RollbackDesk],
    drift_policy: DriftPolicy,
    rollback_plan: RollbackPlan,
    rollback_receipt: RollbackReceipt,
) -> dg.MaterializeResult[IncidentReport]:
    """What happened, how bad it is, what must follow; back to research. Class A stops all."""
    circumstances = circumstances_of(rollback_plan, rollback_receipt)
    rule = worst_rule(circumstances, drift_policy)
    subject = rollback_plan.subject
    latch = (
        _stop_everything(session_desk, rollback_plan, rule) if rule.demands_kill_switch else None
    )
    findings = [t.detail for t in rollback_plan.triggers]
    findings += [*rollback_receipt.differences, *rollback_receipt.problems]
    told = notify(
        {
            "subject": subject,
            "incident_class": rule.incident_class,
            "state": rollback_receipt.state,
            "circumstances": list(circumstances),
            "findings": findings,
            "kill_switch": "engaged" if latch else "not demanded",
            "rollback_receipt": rollback_receipt.digest,
        },
        drift_policy.webhook,
        context.log.error,
    )
    report = report_incident(
        rollback_plan,
        rollback_receipt,
        drift_policy,
        [
            n
            for n in session_desk.journal.ledger().notes
            if n.candidate_id == rollback_plan.candidate_id
        ],
        Aftermath(
            moments=[
                TimelineEntry(
                    at=f"{at:%Y-%m-%dT%H:%M:%S}Z",
                    what=f"{name} was made",
                    source=name,
                    digest=digest,
                )
                for name, digest, at in rollback_desk.moments(context.instance, rollback_plan)
            ],
            evidence=[
                EvidenceItem(name=t.record, digest=t.digest)
                for t in rollback_plan.triggers
                if t.record and t.digest
            ],
            kill_latch_digest=latch,
            notifications=told,
        ),
    )
    rollback_desk.release(context.run.run_id)
    return dg.MaterializeResult(
        value=report,
        data_version=dg.DataVersion(report.digest),
        metadata={
            "incident_class": report.incident_class,
            "state": report.receipt_state,
            "corrective_action": report.corrective_action,
            "returns_to": report.returns_to,
            "kill_switch": "engaged" if latch else "not demanded",
            "notifications": table(
                {"channel": n.channel, "outcome": n.outcome, "detail": n.detail} for n in told
            ),
            "timeline": table(
                {"at": unbroken(e.at), "what": e.what, "source": e.source}
                for e in report.timeline[-40:]
            ),
        },
    )


def _stop_everything(desk: SessionDesk, plan: RollbackPlan, rule: ClassRule) -> str:
    """Engage the kill switch for every candidate, once per plan; return the latch's digest."""
    reason = f"incident of class {rule.incident_class}: {plan.subject}, plan {plan.digest}"
    for latch in desk.kill.reading(None).engaged:
        if (latch.candidate_id, latch.cause, latch.reason) == (None, "incident", reason):
            return latch.digest
    return desk.kill.engage(None, reason, "incident").digest
