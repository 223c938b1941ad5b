"""A candidate whose step to the canary may be taken, and a ledger that is really signed."""

import datetime as dt
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import session_examples as paper

sys.path.append(str(Path(__file__).parent / "domain" / "gates"))
sys.path.append(str(Path(__file__).parent / "domain" / "evidence"))

import gate_evidence
import paper_gate_examples as gate_3
from ledger_examples import ALICE, BOB, Book, signed

import torghut_assets
from torghut_assets.domain.drift.records import GROUPS, DriftReading, DriftReport, EvidenceRef
from torghut_assets.domain.evidence.approval_records import Approval
from torghut_assets.domain.gates.evaluate import evaluate_gates
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.orders.limits import parse_order_limits
from torghut_assets.domain.ramp.approving import approvals_for
from torghut_assets.domain.ramp.drills import (
    AlertMeasured,
    DrillReport,
    KillMeasured,
    RollbackMeasured,
    RunbookExecution,
)
from torghut_assets.domain.ramp.evaluate import judge_readiness
from torghut_assets.domain.ramp.evidence import Operations, RampCase, RampEvidence
from torghut_assets.domain.ramp.policy import parse_ramp_policy
from torghut_assets.domain.ramp.records import RampGrant
from torghut_assets.domain.ramp.request import ramp_request

CONFIG = Path(torghut_assets.__file__).parent / "config"
SHIPPED = parse_ramp_policy((CONFIG / "ramp_policy.yaml").read_bytes())
LIMITS = parse_order_limits((CONFIG / "order_limits.yaml").read_bytes())
STAGE = "live_ramp_stage_1"
SECOND = "live_ramp_stage_2_plus"
AUTHOR = "Ann Author"
SESSIONS = tuple(paper.sessions(8))
SESSION = SESSIONS[-1]
NOW = dt.datetime(2026, 3, 2, 18, tzinfo=dt.UTC)
POLICY = SHIPPED.model_copy(
    update={
        "live_enabled": True,
        "levels": tuple(
            level.model_copy(update={"burn_in_sessions": 5}) for level in SHIPPED.levels
        ),
    }
)
"""The shipped policy with live trading on and a short burn-in."""


@cache
def gate_report() -> GateReport:
    """A gate report that passes every limit, about the deployed candidate."""
    report = evaluate_gates(gate_evidence.passing(), gate_evidence.POLICY, code_version="test")
    return report.model_copy(
        update={"candidate_id": paper.CANDIDATE, "snapshot_id": paper.deployment().snapshot_id}
    )


@cache
def deployment():
    """The deployment that rests on that report, under limits that exist."""
    return paper.deployment(
        gate_report_digest=gate_report().digest, policies={"order_limits": LIMITS.digest}
    )


@cache
def paper_gate_report():
    """Gate 3, passed on eight sessions."""
    return gate_3.decide(gate_3.passing(len(SESSIONS)), gate_3.quick())


@cache
def drift_report(session, measured=0.0):
    """A report whose readings are all within limits, unless `measured` is above 1."""
    return DriftReport(
        candidate_id=paper.CANDIDATE,
        session=session,
        first_session=SESSIONS[0],
        policy_version="1",
        policy_digest=paper.digest_of("drift policy"),
        code_version="test",
        inputs=(EvidenceRef(name="paper_deployment", digest=deployment().digest, problem=None),),
        window=(),
        readings=tuple(
            DriftReading(
                measurement=group,
                group=group,
                unit="count",
                bound="at_most",
                degrade=None,
                abstain=None,
                fail=1.0,
                measured=measured,
                problem=None,
                sessions=1,
                needed_sessions=1,
                deployed_sessions=1,
                warm_up_sessions=1,
                source="a test",
                detail="",
            )
            for group in GROUPS
        ),
    )


@cache
def fills(session):
    """A session of the deployment; AAPL trades more than AMZN."""
    return paper.fills(
        session=session,
        deployment_digest=deployment().digest,
        bars=(paper.bar("AAPL"), paper.bar("AMZN", volume_shares=1e6)),
    )


def kill_drill(hours=1.0, **changes):
    fields = {
        "open_before": 1_000,
        "open_after": 0,
        "open_in_journal_after": 0,
        "sent_after": 0,
        "exit_status": 0,
        "seconds": 1.2,
    }
    return _drill("kill", hours, kill=KillMeasured(**(fields | changes)))


def rollback_drill(hours=1.0, **changes):
    fields = {
        "candidate_id": paper.CANDIDATE,
        "deployment_digest": deployment().digest,
        "held_before": 2,
        "open_before": 2,
        "receipt_digest": paper.digest_of("receipt"),
        "state": "restored",
        "differences": (),
        "seconds": 0.4,
    }
    return _drill("rollback", hours, rollback=RollbackMeasured(**(fields | changes)))


def alert_drill(hours=1.0, outcome="delivered"):
    measured = AlertMeasured(outcome=outcome, detail="HTTP status 204", seconds=0.1)
    return _drill("alerts", hours, alerts=measured)


def _drill(kind, hours, **measured):
    return DrillReport(
        drill=kind,
        finished_at=NOW - dt.timedelta(minutes=round(60 * hours)),
        code_digest=paper.digest_of("code"),
        **measured,
    )


def runbook(name, hours=24.0):
    return RunbookExecution(
        runbook=name,
        document_digest=paper.digest_of(name),
        outcome="done as it is written, nothing was missing",
        executed_by="Alice Example",
        executed_at=NOW - dt.timedelta(hours=hours),
    )


def operations(**changes):
    """A house in order."""
    fields = {
        "drills": (kill_drill(), rollback_drill(), alert_drill()),
        "runbooks": tuple(runbook(name) for name in POLICY.runbooks),
        "journal_faults": (),
        "ledger_faults": (),
    }
    return Operations(**(fields | changes))


def evidence(**changes):
    """Everything behind a step to the canary, all of it good."""
    fields = {
        "candidate_id": paper.CANDIDATE,
        "session": SESSION,
        "stage": STAGE,
        "now": NOW,
        "authors": (AUTHOR,),
        "deployment": deployment(),
        "gate_report": gate_report(),
        "paper_gate_report": paper_gate_report(),
        "order_limits": LIMITS,
        "sessions": SESSIONS,
        "drift": {session: drift_report(session) for session in SESSIONS},
        "fills": {session: fills(session) for session in SESSIONS},
        "grants": (),
        "in_force": {"code": deployment().code_digest, **deployment().policies},
        "unresolved": (),
        "operations": operations(),
    }
    return RampEvidence(**(fields | changes))


def approve(book, request, key, owner, *, hours=8, **changes):
    """Append a person's approval of a request to a ledger in memory."""
    fields = {
        "decision": request.decision,
        "approver": owner,
        "issued_at": book.now,
        "expires_at": book.now + dt.timedelta(hours=hours),
        "nonce": f"{len(book.entries):032x}",
    }
    return book.add(signed(Approval(**(fields | changes)).statement(), key))


def book_with(request, *keys):
    """A ledger in which some persons approved a request."""
    book = Book()
    owners = {ALICE.key_id: "Alice Example", BOB.key_id: "Bob Example"}
    for key in keys:
        approve(book, request, key, owners[key.key_id])
    return book


def case(with_evidence=None, policy=POLICY, keys=(ALICE, BOB), stage=STAGE):
    """A step that is asked for, approved by some persons."""
    found = evidence() if with_evidence is None else with_evidence
    request, refusals = ramp_request(found, policy, stage)
    if request is None:
        return RampCase(found, None, refusals)
    book = book_with(request, *keys)
    approvals = approvals_for(book.entries, book.ring, request.decision, book.now)
    return RampCase(found, request, (), approvals)


def grant_of(granted, policy=POLICY):
    """Return the grant of a case that passes."""
    request, approvals = granted.request, granted.approvals
    return RampGrant(
        candidate_id=request.candidate_id,
        session=request.session,
        stage=request.stage,
        level_from=request.level_from,
        level_to=request.level_to,
        notional_before_usd=request.notional_before_usd,
        notional_after_usd=request.notional_after_usd,
        limit_card=request.limit_card,
        deployment_digest=granted.evidence.deployment.digest,
        policy_digest=policy.digest,
        request_digest=request.digest,
        manifest_digest=paper.digest_of("manifest"),
        gates=judge_readiness(granted, policy),
        approvals=approvals.accepted,
        granted_at=NOW,
    )


def limit_of(gates, measurement):
    """Return one limit of the two gates."""
    return next(x for gate in gates for x in gate.limits if x.measurement == measurement)


def codes(gates):
    """The codes of everything that is not kept, in order."""
    return [reason.code for gate in gates for reason in gate.reasons]


def with_operations(found, **changes):
    """Evidence with some of its operations changed."""
    return replace(found, operations=replace(found.operations, **changes))
