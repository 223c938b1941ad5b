"""Decide again whether a step of the ramp could be taken: gates 4 and 5, persons, level.

Everything that rests on records, drills, signed runbooks and approvals is measured again at the
time of the decision. Five readings are of the house as it was found then, and no record holds
what they looked at; `FOUND_THEN` names them. They stay as they were told, next to limits that are
read from the policy once more.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from torghut_assets.domain.audit.redecided import (
    CannotDecideError,
    Records,
    RecordT,
    Redecided,
    exchange_sessions,
    require_same,
)
from torghut_assets.domain.candidates.records import CandidateSpec
from torghut_assets.domain.drift.records import DriftReport
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.evidence.keys import KeyRing, fold_keys
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.orders.limits import OrderLimits
from torghut_assets.domain.orders.records import PaperDeployment, PaperFills
from torghut_assets.domain.ramp.approving import approvals_for
from torghut_assets.domain.ramp.drills import DrillReport, RunbookExecution
from torghut_assets.domain.ramp.evaluate import has_step, judge_readiness, ramp_stage
from torghut_assets.domain.ramp.evidence import Operations, RampCase, RampEvidence
from torghut_assets.domain.ramp.policy import RampPolicy
from torghut_assets.domain.ramp.records import (
    RampGrant,
    RampStage,
    ReadinessGate,
    ReadinessLimit,
)
from torghut_assets.domain.ramp.request import ramp_request

FOUND_THEN: Final = frozenset(
    {
        "order_journal_faults",
        "ledger_faults",
        "unresolved_evidence",
        "configuration_differences",
        "request_age",
    }
)
"""Measurements of gates 4 and 5 that looked at files, plugins and sessions of that moment."""
_KEYS: Final = ("key-registration", "key-revocation")


def redecide_ramp(record: RampStage, records: Records) -> Redecided:
    """Judge gates 4 and 5 again at the time of the decision, and say which level follows.

    Raises
    ------
    PackFaultError
        With `decision_differs`, naming the first limit or level that comes out otherwise.
    CannotDecideError
        If later sessions had been traded already when it was decided.
    """
    where = f"{record.stage} of {record.candidate_id}|{record.session}"
    policy = records.load(RampPolicy, record.policy_digest, needed_by=where)
    said = {limit.measurement: limit for gate in record.gates for limit in gate.limits}
    age = said.get("request_age")
    if age is not None and age.measured:
        raise CannotDecideError("later sessions had been traded when it was decided")
    granted = record.grant if record.level_from != record.level_to else None
    now = granted.granted_at if granted is not None else record.judged_at
    known = _known_then(records.entries, now, granted)
    ring = fold_keys(entry for entry in known if entry.kind in _KEYS)
    grants, operations = _from_ledger(known, ring, record)
    evidence = replace(
        _evidence(record, records, where), now=now, grants=grants, operations=operations
    )
    case, gates = RampCase(evidence, None), tuple[ReadinessGate, ...]()
    if has_step(evidence, policy, record.stage):
        request, refusals = ramp_request(evidence, policy, record.stage)
        approvals = approvals_for(known, ring, request.decision, now) if request else None
        case = RampCase(evidence, request, refusals, approvals)
        gates = tuple(_as_found(gate, said) for gate in judge_readiness(case, policy))
    judged = replace(case, evidence=replace(evidence, now=record.judged_at))
    require_same(record, ramp_stage(judged, policy, record.stage, gates, granted), where)
    verdict = f"{record.level_from} to {record.level_to}"
    return Redecided(record.record_kind, str(record.subject), record.digest, verdict)


def _known_then(
    entries: Sequence[LedgerEntry], now: dt.datetime, granted: RampGrant | None
) -> tuple[LedgerEntry, ...]:
    """Return what the ledger knew when it was decided, without the grant itself."""
    then = [entry for entry in entries if entry.recorded_at <= now]
    if granted is not None:
        own = [e.sequence for e in then if e.statement.record_digest == granted.digest]
        then = [entry for entry in then if not own or entry.sequence < own[0]]
    return tuple(then)


def _evidence(record: RampStage, records: Records, where: str) -> RampEvidence:
    """Return what the records in the pack say, without ledger and clock."""
    named = {ref.name: ref.digest for gate in record.gates for ref in gate.artifact_refs}
    deployment = records.load(PaperDeployment, record.deployment_digest, needed_by=where)
    spec = records.load(CandidateSpec, deployment.candidate_spec_digest, needed_by=where)

    def of_session(model: type[RecordT]) -> dict[str, RecordT]:
        found = (
            records.load(model, digest, needed_by=where)
            for digest in records.of_kind(model.record_kind)
        )
        own = ((str(each.subject).partition("|"), each) for each in found)
        return {
            session: each
            for (candidate, _, session), each in own
            if candidate == record.candidate_id and session <= record.session
        }

    def looked_at(model: type[RecordT], name: str) -> RecordT | None:
        digest = named.get(name)
        return None if digest is None else records.load(model, digest, needed_by=where)

    fills = {
        session: each
        for session, each in of_session(PaperFills).items()
        if each.deployment_digest == deployment.digest
    }
    drift = of_session(DriftReport)
    if (current := looked_at(DriftReport, "drift_report")) is not None:
        drift[record.session] = current
    return RampEvidence(
        candidate_id=record.candidate_id,
        session=record.session,
        stage=record.stage,
        now=record.judged_at,
        authors=(spec.author,),
        deployment=deployment,
        gate_report=looked_at(GateReport, "gate_report"),
        paper_gate_report=looked_at(PaperGateReport, "paper_gate_report"),
        order_limits=looked_at(OrderLimits, "order_limits"),
        sessions=(exchange_sessions(min(fills), max([record.session, *fills])) if fills else ()),
        drift=drift,
        fills=fills,
    )


def _from_ledger(
    known: Sequence[LedgerEntry], ring: KeyRing, record: RampStage
) -> tuple[tuple[RampGrant, ...], Operations]:
    """Return grants, drills and signed runbooks as the ledger had them then."""

    def said(kind: str, model: type[RecordT]) -> list[tuple[LedgerEntry, RecordT]]:
        return [
            (e, e.statement.record(model, location=f"ledger entry {e.sequence}"))
            for e in known
            if e.kind == kind and e.statement.predicate.kind == model.record_kind
        ]

    grants = [grant for _, grant in said("ramp", RampGrant)]
    runbooks = [
        runbook
        for entry, runbook in said("runbook", RunbookExecution)
        if any(
            key is not None and key.is_active and key.owner == runbook.executed_by
            for key in map(ring.get, entry.envelope.key_ids)
        )
    ]
    drills = tuple(drill for _, drill in said("drill", DrillReport))
    return (
        tuple(g for g in grants if g.deployment_digest == record.deployment_digest),
        Operations(drills=drills, runbooks=tuple(runbooks)),
    )


def _as_found(gate: ReadinessGate, said: dict[str, ReadinessLimit]) -> ReadinessGate:
    """Return a gate whose readings of the house are those that were told."""
    return gate.model_copy(
        update={
            "limits": tuple(
                limit.model_copy(
                    update={
                        name: getattr(said[limit.measurement], name)
                        for name in ("measured", "problem", "details")
                    }
                )
                if limit.measurement in FOUND_THEN and limit.measurement in said
                else limit
                for limit in gate.limits
            )
        }
    )
