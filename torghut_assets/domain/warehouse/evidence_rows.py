"""Rows about the evidence itself: statements, receipts, trial tickets, approvals, the ledger.

Every row carries the digest of what it was read from and the ledger entry that states it. A
register entry that no statement names yet has no ledger entry: `None`, never a guess.
"""

import datetime as dt
from typing import NamedTuple

from pydantic import Field

from torghut_assets.domain.backtest.trials import TrialOutcome, TrialTicket, UtcTime
from torghut_assets.domain.evidence.approval_records import Approval
from torghut_assets.domain.evidence.approvals import Judgement
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.evidence.statement import RecordMade
from torghut_assets.domain.records import Digest, Part
from torghut_assets.domain.stages.evidence import Outcome
from torghut_assets.domain.stages.receipts import StageReceipt


class Origin(NamedTuple):
    """Where a record's rows come from.

    `sequence` is the newest ledger entry that states the record; `is_current` says that no newer
    record was stated for the same partition of its asset.
    """

    digest: str
    sequence: int
    asset: str
    partition: str | None
    is_current: bool


class Row(Part):
    """What every row begins with."""

    digest: Digest
    ledger_sequence: int | None = Field(ge=1)


class RecordRow(Row):
    """One record of one partition, as the ledger states it."""

    is_current: bool
    asset: str
    partition: str | None
    candidate_id: str | None
    record_kind: str
    statement_kind: str
    verdict: str | None
    first_ledger_sequence: int
    times_stated: int
    recorded_at: UtcTime
    statement_digest: Digest
    code_digest: Digest
    run_id: str | None
    actor: str
    is_late: bool
    is_removed: bool


class StageReceiptRow(Row):
    """One decision about a candidate's stage, as it was appended."""

    sequence: int
    recorded_at: UtcTime
    actor: str
    candidate_id: str
    snapshot_id: str | None
    session: dt.date | None
    parent: str | None
    stage: str
    to_stage: str
    outcome: str
    reason: str | None
    pipeline_digest: Digest
    code_digest: Digest


class ReceiptEvidenceRow(Row):
    """One record that a stage decision looked at; no digest if it was missing."""

    sequence: int
    asset: str
    evidence_digest: Digest | None


class TrialTicketRow(Row):
    """One ticket of the trial register, and how it ended."""

    sequence: int
    recorded_at: UtcTime
    candidate_id: str
    snapshot_id: str
    purpose: str
    family: str
    parent: str | None
    grid_points: int
    declared_outside_trials: int
    evaluation_digest: Digest
    spec_digest: Digest
    code_digest: Digest
    status: str
    outcome_sequence: int | None
    outcome_digest: Digest | None
    result_digest: Digest | None
    correlated_tickets: int | None


class ApprovalRow(Row):
    """One signed approval by a person, and whether it counts now."""

    recorded_at: UtcTime
    approver: str
    decision_kind: str
    candidate_id: str | None
    stage: str | None
    report_digest: Digest
    policy_digest: Digest
    expires_at: UtcTime
    counts: bool
    because: str


class LedgerHeadRow(Row):
    """The ledger that everything here was read from; `digest` is the root of its tree."""

    recorded_at: UtcTime


def record_row(
    origin: Origin, entries: list[LedgerEntry], made: RecordMade, *, is_removed: bool
) -> RecordRow:
    """Return the row of a record.

    Parameters
    ----------
    origin : Origin
    entries : list of LedgerEntry
        Every entry that states the record for this partition, in order.
    made : RecordMade
        What the last of them says.
    is_removed : bool
        Whether a tombstone stands for the record: no other table has rows of it then.
    """
    last = entries[-1]
    return RecordRow(
        digest=origin.digest,
        ledger_sequence=origin.sequence,
        is_current=origin.is_current,
        asset=origin.asset,
        partition=origin.partition,
        candidate_id=candidate_in(origin.partition),
        record_kind=made.record_kind_made,
        statement_kind=last.kind,
        verdict=made.verdict,
        first_ledger_sequence=entries[0].sequence,
        times_stated=len(entries),
        recorded_at=last.recorded_at,
        statement_digest=last.statement_digest,
        code_digest=made.code_digest,
        run_id=made.run_id,
        actor=made.actor,
        is_late=made.late,
        is_removed=is_removed,
    )


def candidate_in(partition: str | None) -> str | None:
    """Return the candidate in a partition key; `None` if it names none."""
    candidate, bar, _ = (partition or "").partition("|")
    return (candidate or None) if bar or "@" not in candidate else None


def receipt_row(receipt: StageReceipt, sequence: int | None) -> StageReceiptRow:
    """Return the row of a stage receipt that the ledger names in an entry."""
    decision = receipt.decision
    findings = (*decision.requires, *decision.ensures)
    unmet = (f"{f.condition}: {f.detail}" for f in findings if f.outcome is not Outcome.PASS)
    return StageReceiptRow(
        digest=receipt.digest,
        ledger_sequence=sequence,
        sequence=receipt.sequence,
        recorded_at=receipt.recorded_at,
        actor=receipt.actor,
        candidate_id=decision.candidate_id,
        snapshot_id=decision.snapshot_id,
        session=dt.date.fromisoformat(decision.session) if decision.session else None,
        parent=decision.parent,
        stage=decision.stage,
        to_stage=decision.to_stage,
        outcome=receipt.outcome.value,
        reason=decision.superseded or next(unmet, None) or decision.held_because,
        pipeline_digest=decision.pipeline_digest,
        code_digest=decision.code_digest,
    )


def receipt_evidence_rows(
    receipt: StageReceipt, sequence: int | None
) -> tuple[ReceiptEvidenceRow, ...]:
    """Return one row for each record that a stage decision looked at."""
    return tuple(
        ReceiptEvidenceRow(
            digest=receipt.digest,
            ledger_sequence=sequence,
            sequence=receipt.sequence,
            asset=ref.name,
            evidence_digest=ref.digest,
        )
        for ref in receipt.decision.inputs
    )


def ticket_row(
    ticket: TrialTicket, outcome: TrialOutcome | None, sequence: int | None
) -> TrialTicketRow:
    """Return the row of a trial ticket; one without an outcome is open."""
    trial = ticket.trial
    return TrialTicketRow(
        digest=ticket.digest,
        ledger_sequence=sequence,
        sequence=ticket.sequence,
        recorded_at=ticket.recorded_at,
        candidate_id=trial.inputs.candidate_id,
        snapshot_id=trial.inputs.snapshot_id,
        purpose=trial.purpose,
        family=trial.family,
        parent=trial.parent,
        grid_points=trial.grid_points,
        declared_outside_trials=trial.declared_outside_trials,
        evaluation_digest=trial.evaluation_digest,
        spec_digest=trial.inputs.spec_digest,
        code_digest=trial.code_digest,
        status=outcome.status if outcome else "open",
        outcome_sequence=outcome.sequence if outcome else None,
        outcome_digest=outcome.digest if outcome else None,
        result_digest=outcome.result_digest if outcome else None,
        correlated_tickets=len(outcome.correlated) if outcome else None,
    )


def approval_row(entry: LedgerEntry, approval: Approval, judged: Judgement) -> ApprovalRow:
    """Return the row of a signed approval."""
    decision = approval.decision
    return ApprovalRow(
        digest=approval.digest,
        ledger_sequence=entry.sequence,
        recorded_at=entry.recorded_at,
        approver=approval.approver,
        decision_kind=decision.kind,
        candidate_id=decision.candidate_id,
        stage=decision.stage,
        report_digest=decision.report_digest,
        policy_digest=decision.policy_digest,
        expires_at=approval.expires_at,
        counts=judged.accepted is not None,
        because=judged.fault.value if judged.fault else judged.detail,
    )
