"""What the conditions of a stage look at, and what each of them found.

Conditions ask `StageEvidence` for records. It reads each at most once, and notes digests,
so that a receipt names exactly what was looked at. Reading is done by an `EvidenceReader`
from outside the domain, which verifies every byte.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeVar

from pydantic import Field

from torghut_assets.domain.backtest.preconditions import EvaluationEvidence
from torghut_assets.domain.backtest.records import CostModel, EvaluationSettings, RiskLimits
from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.domain.candidates.records import (
    CandidateSpec,
    StrategyBuild,
    StrategyReference,
)
from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.gates.records import ArtifactRef
from torghut_assets.domain.records import Part, Record
from torghut_assets.domain.snapshots.records import SnapshotManifest

if TYPE_CHECKING:
    from torghut_assets.domain.ramp.records import RampGrant
    from torghut_assets.domain.stages.line import LineState

RecordT = TypeVar("RecordT", bound=Record)


class Outcome(StrEnum):
    """What a condition or a stage came to. Only `PASS` ever advances anything."""

    PASS = "pass"  # noqa: S105 - an outcome, not a password
    FAIL = "fail"
    MISSING = "missing"
    INCONCLUSIVE = "inconclusive"
    SUPERSEDED = "superseded"


class Finding(Part):
    """What one condition found, and the digests of the records it looked at."""

    condition: str = Field(min_length=3)
    outcome: Outcome
    detail: str = Field(min_length=1)
    looked_at: tuple[ArtifactRef, ...]


def outcome_of(findings: tuple[Finding, ...]) -> Outcome:
    """Return the outcome of conditions together: a failure counts more than what is missing.

    Nothing at all is missing evidence: no stage passes without a condition.
    """
    found = {finding.outcome for finding in findings}
    for outcome in (Outcome.FAIL, Outcome.MISSING, Outcome.INCONCLUSIVE):
        if outcome in found:
            return outcome
    return Outcome.PASS if found == {Outcome.PASS} else Outcome.MISSING


Found = tuple[Outcome, str]
"""What a condition returns: an outcome and a sentence."""


def require_agreement(location: str, found: str, expected: str) -> None:
    """Refuse evidence that is about something else.

    Raises
    ------
    EvidenceContradictionError
        Unless both are the same.
    """
    if found != expected:
        raise EvidenceContradictionError(location=location, found=found, expected=expected)


class EvidenceReader(Protocol):
    """Reads evidence about one candidate, verified; every method raises `EvidenceError`."""

    def record(self, name: str) -> Record:
        """Return the current record of an asset for this candidate and snapshot."""
        ...

    def submission(self) -> CandidateSpec:
        """Return what the submitted file says now."""
        ...

    def plugin_code_digest(self, strategy: StrategyReference) -> str:
        """Return the digest of the plugin's code as it is installed now."""
        ...

    def cited(self, digest: str) -> Record:
        """Return a feedback or gate report that a candidate cites by digest."""
        ...

    def line(self, parent: str | None) -> "LineState":
        """Return what the receipts say about the candidate's line."""
        ...

    def kill_reason(self) -> str | None:
        """Return why all orders are blocked for the candidate; `None` if they are not."""
        ...

    def ramp_approvers(self, grant: "RampGrant") -> tuple[str, ...]:
        """Return who approved a step of the ramp, by the signed ledger."""
        ...


class StageEvidence:
    """The evidence on one candidate, and on a snapshot and a session unless they are `None`."""

    def __init__(
        self,
        candidate_id: str,
        snapshot_id: str | None,
        reader: EvidenceReader,
        session: str | None = None,
    ) -> None:
        self.candidate_id = candidate_id
        self.snapshot_id = snapshot_id
        self.session = session
        self._reader = reader
        self._records: dict[str, Record] = {}
        self._noted: dict[str, str] = {}

    @property
    def subject(self) -> str:
        """Partition key of evidence about the session."""
        return f"{self.candidate_id}|{self.session}"

    @contextmanager
    def noting(self) -> Iterator[dict[str, str]]:
        """Yield a mapping that gets the digest of everything that the block looks at."""
        before, self._noted = self._noted, {}
        try:
            yield self._noted
        finally:
            self._noted = before

    def get(self, model: type[RecordT], name: str) -> RecordT:
        """Return the current record of an asset.

        Raises
        ------
        EvidenceError
            If it is missing, altered, about something else or of another kind.
        """
        if name not in self._records:
            self._records[name] = self._reader.record(name)
        record = self._records[name]
        if not isinstance(record, model):
            raise EvidenceContradictionError(
                location=name, found=f"a {type(record).__name__}", expected=model.__name__
            )
        self._noted[name] = record.digest
        return record

    @property
    def submission(self) -> CandidateSpec:
        """What the submitted file says now."""
        spec = self._reader.submission()
        self._noted["submission"] = spec.digest
        return spec

    def plugin_code_digest(self, strategy: StrategyReference) -> str:
        """Digest of the installed plugin's code."""
        digest = self._reader.plugin_code_digest(strategy)
        self._noted["plugin_code"] = digest
        return digest

    def cited(self, digest: str) -> Record:
        """Return a record that the candidate cites."""
        record = self._reader.cited(digest)
        self._noted[f"cited_{record.record_kind.replace('-', '_')}"] = record.digest
        return record

    def line(self, parent: str | None) -> "LineState":
        """Return what receipts and signed approvals say about the candidate's line."""
        line = self._reader.line(parent)
        for number, digest in enumerate(line.approvals, start=1):
            self._noted[f"unfreeze_approval_{number}"] = digest
        return line

    def kill_reason(self) -> str | None:
        """Return why all orders are blocked for the candidate; `None` if they are not."""
        return self._reader.kill_reason()

    def ramp_approvers(self, grant: "RampGrant") -> tuple[str, ...]:
        """Return who approved a step of the ramp, by the signed ledger, and note the approvals.

        Raises
        ------
        EvidenceError
            If the ledger does not hold the grant, or its approvals do not count.
        """
        persons = self._reader.ramp_approvers(grant)
        self._noted["ramp_grant"] = grant.digest
        for number, ref in enumerate(grant.approvals, start=1):
            self._noted[f"ramp_approval_{number}"] = ref.digest
        return persons

    @property
    def evaluation(self) -> EvaluationEvidence:
        """The records that an evaluation rests on."""
        return EvaluationEvidence(
            spec=self.get(CandidateSpec, "candidate_spec"),
            build=self.get(StrategyBuild, "strategy_build"),
            manifest=self.get(SnapshotManifest, "dataset_snapshot"),
            cost_model=self.get(CostModel, "cost_model"),
            risk_limits=self.get(RiskLimits, "risk_limits"),
            settings=self.get(EvaluationSettings, "evaluation_settings"),
            trial_policy=self.get(TrialPolicy, "trial_policy"),
        )
