"""What is said about removing evidence: tombstones, legal holds, and their end.

A tombstone takes the place of an artifact that was removed under a policy. It says everything
that `removals.read_retention` needs to prove that this was allowed: which statements named the
artifact, how long each kind is kept, which plan two persons approved. A file that is gone
without one is missing.
"""

import datetime as dt
from typing import ClassVar, Final, Self

from pydantic import Field, model_validator

from torghut_assets.domain.evidence.approval_records import Decision
from torghut_assets.domain.evidence.moments import UtcSecond
from torghut_assets.domain.evidence.statement import Statement, statement_about
from torghut_assets.domain.records import Digest, Part, Record

TOMBSTONE: Final = "tombstone"
LEGAL_HOLD: Final = "legal-hold"
HOLD_RELEASE: Final = "hold-release"
MIN_PERSONS: Final = 2
"""No policy may let fewer persons approve a removal."""
MAX_PLANNED: Final = 5_000
_HOLD_NAME: Final = r"^[a-z0-9][a-z0-9-]{2,62}$"


class StatedAs(Part):
    """The newest statement of one kind that names an artifact, and how long that kind is kept."""

    kind: str = Field(min_length=1, max_length=80)
    sequence: int = Field(ge=1)
    recorded_at: UtcSecond
    keep_days: int = Field(ge=0, le=36_500)

    @property
    def expires_at(self) -> dt.datetime:
        """When the artifact need not be kept any more, as far as this kind goes."""
        return self.recorded_at + dt.timedelta(days=self.keep_days)


class PlannedRemoval(Part):
    """One artifact that may go: what it is, and every kind of statement that names it."""

    artifact: Digest
    what: str = Field(min_length=1, max_length=200)
    size_bytes: int = Field(ge=0)
    stated: tuple[StatedAs, ...] = Field(min_length=1, max_length=40)

    @model_validator(mode="after")
    def _names_each_kind_once(self) -> Self:
        kinds = [each.kind for each in self.stated]
        if kinds != sorted(set(kinds)):
            raise ValueError("kinds are in order, each once")
        return self

    @property
    def expires_at(self) -> dt.datetime:
        """The last of the times at which it need not be kept any more."""
        return max(each.expires_at for each in self.stated)


class RetentionPlan(Record):
    """What would be removed: made by a machine, approved by persons, by its digest.

    `ledger_size` and `ledger_root` say which ledger it was made from.
    """

    record_kind: ClassVar[str] = "retention-plan"

    policy_digest: Digest
    persons_required: int = Field(ge=MIN_PERSONS, le=10)
    made_at: UtcSecond
    ledger_size: int = Field(ge=1)
    ledger_root: Digest
    items: tuple[PlannedRemoval, ...] = Field(min_length=1, max_length=MAX_PLANNED)

    @model_validator(mode="after")
    def _names_each_artifact_once(self) -> Self:
        named = [item.artifact for item in self.items]
        if named != sorted(set(named)):
            raise ValueError("artifacts are in order, each once")
        return self

    @property
    def decision(self) -> Decision:
        """What persons approve: exactly this plan, under this policy."""
        return Decision(
            kind="retention",
            candidate_id=None,
            authors=(),
            stage=None,
            report_digest=self.digest,
            policy_digest=self.policy_digest,
        )


class Tombstone(Record):
    """Predicate: an artifact was removed, because nothing required it any more."""

    record_kind: ClassVar[str] = "tombstone"

    removed: PlannedRemoval
    policy_digest: Digest
    plan_digest: Digest
    persons_required: int = Field(ge=MIN_PERSONS, le=10)
    reason: str = Field(min_length=10, max_length=400)

    def subjects(self, approvals: tuple[str, ...]) -> dict[str, str]:
        """Return what the statement is about: SHA-256 by name, approvals as records."""
        named = {f"approval-{n}": digest for n, digest in enumerate(approvals, start=1)}
        return {
            "artifact": self.removed.artifact,
            "plan": self.plan_digest,
            "policy": self.policy_digest,
            **named,
        }


class LegalHold(Record):
    """Predicate: a person orders that evidence stays, whatever the policy says.

    `candidates` holds everything stated about them and all that it rests on, `artifacts` single
    digests and all that they rest on, `everything` the whole store.
    """

    record_kind: ClassVar[str] = "legal-hold"

    name: str = Field(pattern=_HOLD_NAME)
    reason: str = Field(min_length=3, max_length=400)
    holder: str = Field(min_length=2, max_length=80)
    everything: bool
    candidates: tuple[str, ...] = Field(max_length=1_000)
    artifacts: tuple[Digest, ...] = Field(max_length=5_000)
    placed_at: UtcSecond

    @model_validator(mode="after")
    def _holds_something(self) -> Self:
        for listed in (self.candidates, self.artifacts):
            if list(listed) != sorted(set(listed)):
                raise ValueError("lists are in order, each entry once")
        if self.everything == bool(self.candidates or self.artifacts):
            raise ValueError("a hold names candidates or artifacts, or else everything")
        return self

    def statement(self) -> Statement:
        """Return the statement that the holder signs."""
        named = {f"artifact-{n:04d}": digest for n, digest in enumerate(self.artifacts, start=1)}
        return statement_about(LEGAL_HOLD, {"hold": self.digest, **named}, self)


class HoldRelease(Record):
    """Predicate: a person ends a hold."""

    record_kind: ClassVar[str] = "hold-release"

    name: str = Field(pattern=_HOLD_NAME)
    hold_digest: Digest
    reason: str = Field(min_length=3, max_length=400)
    releaser: str = Field(min_length=2, max_length=80)
    released_at: UtcSecond

    def statement(self) -> Statement:
        """Return the statement that the releaser signs."""
        return statement_about(HOLD_RELEASE, {"hold": self.hold_digest}, self)
