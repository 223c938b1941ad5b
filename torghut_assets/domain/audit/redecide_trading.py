"""Decide again whether a candidate drifted, what a rollback had to undo, how bad it was.

A drift report is measured again from every record of its window and from the tables of the
backtest. Of a rollback, what the order journal and the event log alone can say is taken as it
stands: open orders, the journal's head, and that a report was silent.
"""

import datetime as dt
from dataclasses import replace

from torghut_assets.domain.audit.faults import PackFault, PackFaultError
from torghut_assets.domain.audit.redecided import (
    CannotDecideError,
    Records,
    Redecided,
    exchange_sessions,
    require_same,
)
from torghut_assets.domain.backtest.records import BacktestMetrics, RiskLimits
from torghut_assets.domain.drift.evaluate import evaluate_drift
from torghut_assets.domain.drift.history import DriftEvidence, SessionFacts, session_facts
from torghut_assets.domain.drift.policy import DriftPolicy
from torghut_assets.domain.drift.records import DriftReport, EvidenceRef, SessionRef
from torghut_assets.domain.drift.reference import DriftReference, require_same_backtest
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.orders.records import OrderIntents, PaperDeployment, PaperFills
from torghut_assets.domain.rollback.decide import (
    ReportSeen,
    Situation,
    rollback_plan,
    trigger_of_report,
    triggers_of_drift,
)
from torghut_assets.domain.rollback.incident import circumstances_of
from torghut_assets.domain.rollback.records import (
    Holding,
    IncidentReport,
    RollbackPlan,
    RollbackReceipt,
    Trigger,
)
from torghut_assets.domain.snapshots.calendar import load_sessions
from torghut_assets.domain.tca.records import PaperTca

_LONGEST = 600


def redecide_drift(report: DriftReport, records: Records) -> Redecided:
    """Measure drift again, over every session since the first and against the backtest.

    Raises
    ------
    PackFaultError
        With `decision_differs`, naming the first reading that comes out otherwise.
    CannotDecideError
        If records are redacted, or the tables of the backtest are withheld.
    """
    where = f"drift report of {report.subject}"
    inputs = {ref.name: ref for ref in report.inputs}
    policy = records.load(DriftPolicy, report.policy_digest, needed_by=where)
    deployment = records.load(
        PaperDeployment, _named(inputs, "paper_deployment", where), needed_by=where
    )
    limits = records.load(RiskLimits, _named(inputs, "risk_limits", where), needed_by=where)
    expected = (
        exchange_sessions(report.first_session, report.session) if report.first_session else ()
    )
    facts = {
        ref.session: found
        for ref in report.window
        if (found := _facts(ref, deployment, records, where)) is not None
    }
    now = facts.get(report.session)
    reference, problem = _reference(inputs, deployment, policy, records, where)
    named = [
        EvidenceRef(name="paper_deployment", digest=deployment.digest, problem=None),
        EvidenceRef(name="risk_limits", digest=limits.digest, problem=None),
        *(_session_inputs(now.refs) if now is not None else ()),
        *(
            EvidenceRef(name=name, digest=digest, problem=problem)
            for name, digest in (
                ("backtest_metrics", deployment.backtest_metrics_digest),
                ("target_weights", deployment.target_weights_digest),
            )
        ),
    ]
    evidence = DriftEvidence(
        candidate_id=report.candidate_id,
        session=report.session,
        deployment=deployment,
        expected=expected,
        facts=facts,
        previous=None,
        decision_age_sessions=None if now is None else _age(now.decided_on, report.session),
        reference=reference,
        gross_limit_fraction=limits.max_gross_fraction,
        position_limit_fraction=limits.max_symbol_fraction,
        inputs=tuple(named),
    )
    again = _with_some_previous(report, evidence, policy, records)
    require_same(report, again, where)
    return Redecided(report.record_kind, report.subject, report.digest, report.verdict.value)


def _with_some_previous(
    report: DriftReport, evidence: DriftEvidence, policy: DriftPolicy, records: Records
) -> DriftReport:
    """Evaluate again next to the report of the session before, whichever of them was current.

    A report does not name it. Without one in the pack the reading says that it is missing, which
    is never better.
    """
    windows: list[tuple[SessionRef, ...] | None] = [None]
    if len(evidence.expected) > 1:
        before = f"{report.candidate_id}|{evidence.expected[-2]}"
        for digest in records.of_kind(DriftReport.record_kind):
            other = records.load(DriftReport, digest, needed_by=report.subject)
            if other.subject == before:
                windows.insert(0, other.window)
    tried = [
        evaluate_drift(replace(evidence, previous=window), policy, code_version=report.code_version)
        for window in windows
    ]
    return next((again for again in tried if again.digest == report.digest), tried[0])


def _named(inputs: dict[str, EvidenceRef], name: str, where: str) -> str:
    ref = inputs.get(name)
    if ref is None or ref.digest is None:
        raise PackFaultError(
            PackFault.DECISION_DIFFERS, location=where, detail=f"it names no {name}"
        )
    return ref.digest


def _facts(
    ref: SessionRef, deployment: PaperDeployment, records: Records, where: str
) -> SessionFacts | None:
    """Reduce one session's records again; `None` if the report says that one was missing."""
    digests = (ref.intents_digest, ref.fills_digest, ref.tca_digest)
    if digests[0] is None or digests[1] is None or digests[2] is None:
        return None
    return session_facts(
        records.load(OrderIntents, digests[0], needed_by=where),
        records.load(PaperFills, digests[1], needed_by=where),
        records.load(PaperTca, digests[2], needed_by=where),
        deployment,
    )


def _reference(
    inputs: dict[str, EvidenceRef],
    deployment: PaperDeployment,
    policy: DriftPolicy,
    records: Records,
    where: str,
) -> tuple[DriftReference | None, str | None]:
    """Read what the backtest saw, or return the problem that the report had with it.

    A report that could not read it fails every reading that needs it: that is never better.
    """
    noted = inputs.get("backtest_metrics")
    if noted is None or noted.problem is not None:
        return None, noted.problem if noted is not None else "not named"
    metrics = records.load(BacktestMetrics, deployment.backtest_metrics_digest, needed_by=where)
    require_same_backtest(metrics, deployment)
    return records.reference(metrics, policy, deployment.symbols), None


def _session_inputs(refs: SessionRef) -> tuple[EvidenceRef, ...]:
    return tuple(
        EvidenceRef(name=name, digest=digest, problem=None)
        for name, digest in (
            ("order_intents", refs.intents_digest),
            ("paper_fills", refs.fills_digest),
            ("paper_tca", refs.tca_digest),
        )
    )


def _age(decided_on: str, session: str) -> int:
    """Sessions from a decision's close to a session; -1 if it lies after it."""
    one, other = dt.date.fromisoformat(decided_on), dt.date.fromisoformat(session)
    first = min(one, other)
    calendar = load_sessions(
        "XNYS", dt.date(first.year, 1, 1), dt.date(max(one, other).year, 12, 31)
    )
    return calendar.between(one, other) if one <= other else -1


def redecide_rollback(plan: RollbackPlan, records: Records) -> Redecided:
    """Say again what a rollback had to undo, from the reports that called for it.

    Raises
    ------
    PackFaultError
        With `decision_differs` if a report does not call for it, or something else had to be done.
    CannotDecideError
        If nothing but silence called for it: of what was not made there is no record.
    """
    where = f"rollback plan of {plan.subject}"
    deployment = records.load(PaperDeployment, plan.deployment_digest, needed_by=where)
    policy = records.load(DriftPolicy, plan.policy_digest, needed_by=where)
    triggers = _triggers(plan, records, where)
    holdings: tuple[Holding, ...] = ()
    if plan.fills_digest is not None:
        fills = records.load(PaperFills, plan.fills_digest, needed_by=where)
        holdings = tuple(
            Holding(symbol=p.symbol, quantity=p.quantity) for p in fills.positions if p.quantity
        )
    if plan.restores is not None and plan.restores != deployment.champion:
        raise PackFaultError(
            PackFault.DECISION_DIFFERS, location=where, detail="it restores no champion of its own"
        )
    again = rollback_plan(
        deployment,
        plan.session,
        triggers,
        Situation(holdings, plan.fills_digest, plan.restores, plan.cancels, plan.journal_head),
        policy,
    )
    require_same(plan, again, where)
    if all(trigger.digest is None for trigger in plan.triggers):
        raise CannotDecideError("only silence called for it; what it had to undo is the same")
    return Redecided(
        plan.record_kind, plan.subject, plan.digest, f"{plan.mode}, {len(triggers)} triggers"
    )


def _triggers(plan: RollbackPlan, records: Records, where: str) -> list[Trigger]:
    """Return what the named reports call for; silence and what could not be read as they stand."""
    found: list[Trigger] = []
    for (asset, digest), said in _by_report(plan).items():
        unreadable = digest is None or any(t.circumstance == "silence" for t in said)
        if unreadable or digest is None:
            found += said
        elif asset == "drift_report":
            found += triggers_of_drift(records.load(DriftReport, digest, needed_by=where))
        else:
            report = records.load(PaperGateReport, digest, needed_by=where)
            reasons = "; ".join(reason.text for reason in report.reasons)[:_LONGEST]
            detail = reasons or f"the verdict is {report.verdict.value}"
            found += trigger_of_report(
                ReportSeen("paper_gate_report", digest, report.verdict, detail)
            )
    return found


def _by_report(plan: RollbackPlan) -> dict[tuple[str | None, str | None], list[Trigger]]:
    found: dict[tuple[str | None, str | None], list[Trigger]] = {}
    for trigger in plan.triggers:
        found.setdefault((trigger.record, trigger.digest), []).append(trigger)
    return found


def redecide_incident(incident: IncidentReport, records: Records) -> Redecided:
    """Classify an incident again from plan, receipt and policy; times and messages stay as told.

    Raises
    ------
    PackFaultError
        With `decision_differs` if circumstances, rules, findings or state come out otherwise.
    """
    where = f"incident report of {incident.subject}"
    named = {item.name: item.digest for item in incident.evidence}
    try:
        digests = named["rollback_plan"], named["rollback_receipt"]
    except KeyError as error:
        raise PackFaultError(
            PackFault.DECISION_DIFFERS, location=where, detail=f"it names no {error.args[0]}"
        ) from error
    plan = records.load(RollbackPlan, digests[0], needed_by=where)
    receipt = records.load(RollbackReceipt, digests[1], needed_by=where)
    policy = records.load(DriftPolicy, plan.policy_digest, needed_by=where)
    try:
        circumstances = circumstances_of(plan, receipt)
    except EvidenceError as error:
        raise PackFaultError(
            PackFault.DECISION_DIFFERS, location=where, detail=str(error).rstrip(".")
        ) from error
    details = [t.detail for t in plan.triggers] + list(receipt.differences + receipt.problems)
    again = incident.model_copy(
        update={
            "candidate_id": plan.candidate_id,
            "session": plan.session,
            "deployment_digest": plan.deployment_digest,
            "policy_digest": policy.digest,
            "circumstances": circumstances,
            "rules": policy.incident_classes,
            "receipt_state": receipt.state,
            "findings": tuple(dict.fromkeys(details)),
        }
    )
    require_same(incident, again, where)
    verdict = f"class {incident.incident_class}, {incident.receipt_state}"
    return Redecided(incident.record_kind, incident.subject, incident.digest, verdict)
