"""The published form of a gate report: what other programs read, under a versioned schema.

`torghut_assets/schemas/gate-report.v1.json` describes it. Here, and only here, the decision
meets the time at which it was made (ADR 3).
"""

import datetime as dt
from typing import Any, Final

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.gates.records import GateReport, GateResult, LimitResult, Reason

SCHEMA_VERSION: Final = "gate-report.v1"


def publication(report: GateReport, evaluated_at: dt.datetime) -> dict[str, Any]:
    """Return the document that is published for a report, as plain JSON data.

    Parameters
    ----------
    report : GateReport
        The decision.
    evaluated_at : datetime
        When it was made; with a time zone, any. Published in UTC to the second.

    Raises
    ------
    BadInputError
        If `evaluated_at` has no time zone.
    """
    at = utc_text(evaluated_at)
    return {
        "schema_version": SCHEMA_VERSION,
        "report_digest": report.digest,
        "candidate_id": report.candidate_id,
        "snapshot_id": report.snapshot_id,
        "evaluated_at": at,
        "code_version": report.code_version,
        "policy_version": report.policy_version,
        "policy_digest": report.policy_digest,
        "inputs": {ref.name: ref.digest for ref in report.inputs},
        "verdict": report.verdict.value,
        "beyond_paper_verdict": report.beyond_paper_verdict.value,
        "next_action": report.next_action,
        "gates": [_gate(gate, at, report.code_version) for gate in report.gates],
    }


def utc_text(moment: dt.datetime) -> str:
    """RFC 3339 in UTC to the second, e.g. `2024-05-01T09:30:00Z`.

    Raises
    ------
    BadInputError
        If `moment` has no time zone.
    """
    if moment.utcoffset() is None:
        raise BadInputError(
            location="evaluated_at",
            found=f"{moment.isoformat()} without a time zone",
            expected="a time with its zone",
        )
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _gate(gate: GateResult, evaluated_at: str, code_version: str) -> dict[str, Any]:
    return {
        "gate_id": gate.gate_id,
        "title": gate.title,
        "status": gate.status.value,
        "beyond_paper_status": gate.beyond_paper_status.value,
        "reasons": [_reason(reason) for reason in gate.reasons],
        "artifact_refs": {ref.name: ref.digest for ref in gate.artifact_refs},
        "evaluated_at": evaluated_at,
        "code_version": code_version,
        "limits": [_limit(result) for result in gate.limits],
    }


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "code": reason.code,
        "text": reason.text,
        "limit": reason.limit,
        "reason_class": reason.reason_class,
        "required_for": reason.required_for,
    }


def _limit(result: LimitResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "measurement": result.measurement,
        "status": result.status,
        "measured": result.measured,
        "bound": result.bound,
        "limit": result.limit,
        "unit": result.unit,
        "margin": result.margin,
        "required_for": result.required_for,
        "reason_class": result.reason_class,
        "source": result.source,
        "details": list(result.details),
    }
