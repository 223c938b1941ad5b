"""Receipts: what was decided about a candidate's stage, appended once.

A `StageDecision` says what was found and where it leads; a `StageReceipt` is that decision
as one link of an append-only chain, with its time and actor. The outcome is derived from the
findings each time it is asked for, so that an edited outcome does not exist.
"""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from torghut_assets.domain.backtest.trials import RegisterEntry, RegisterRow
from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.gates.records import ArtifactRef
from torghut_assets.domain.records import Digest, Part
from torghut_assets.domain.stages.evidence import Finding, Outcome, outcome_of


class StageDecision(Part):
    """What was found at one stage, and where the candidate stands after it.

    `superseded` says which evidence changed when an earlier decision no longer holds; there
    are no findings then. `held_because` says why a pass did not advance.
    """

    candidate_id: str
    snapshot_id: str | None
    session: str | None
    parent: str | None
    stage: str
    to_stage: str
    requires: tuple[Finding, ...]
    ensures: tuple[Finding, ...]
    superseded: str | None
    held_because: str | None
    pipeline_digest: Digest
    code_digest: Digest

    @model_validator(mode="after")
    def _has_findings_or_a_reason(self) -> Self:
        if (self.superseded is None) != bool(self.requires):
            raise ValueError("findings, or what superseded them: one of both")
        return self

    @property
    def outcome(self) -> Outcome:
        """What the findings come to; preconditions count before postconditions."""
        if self.superseded is not None:
            return Outcome.SUPERSEDED
        before = outcome_of(self.requires)
        return before if before is not Outcome.PASS else outcome_of(self.ensures)

    @property
    def inputs(self) -> tuple[ArtifactRef, ...]:
        """Everything that was looked at, each once."""
        found = {(r.name, r.digest) for f in (*self.requires, *self.ensures) for r in f.looked_at}
        return tuple(ArtifactRef(name=n, digest=d) for n, d in sorted(found, key=str))

    @property
    def digest(self) -> str:
        """SHA-256 of the decision without time, actor and place in the chain."""
        return sha256_hex(canonical_json(self.model_dump(mode="json")))


class StageReceipt(RegisterEntry):
    """One stage decision as it was appended."""

    record_kind: ClassVar[str] = "stage-receipt"

    actor: str = Field(min_length=1, max_length=80)
    decision: StageDecision

    @property
    def outcome(self) -> Outcome:
        """What was decided."""
        return self.decision.outcome


def read_receipt(row: RegisterRow) -> StageReceipt:
    """Return the receipt that a row holds.

    Raises
    ------
    EvidenceError
        If the payload is not the canonical form of a receipt.
    """
    return StageReceipt.from_canonical_bytes(row.payload, location=f"stage receipt {row.sequence}")
