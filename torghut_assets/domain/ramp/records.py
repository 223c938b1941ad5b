"""What the ramp decides on and what it leaves: request, readiness gates, grant, stage.

A `RampRequest` is what two persons look at and sign. A `RampGrant` is the level itself: it exists
only with both gates passed and enough persons, and stands signed in the ledger with the approvals
that it used up. A `RampStage` says for one session on which level a candidate is, and why not on
a higher one. Verdicts, margins and reasons are derived, never stored.
"""

from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from torghut_assets.domain.evidence.approval_records import ApprovedLimit, Decision, person_key
from torghut_assets.domain.evidence.moments import UtcSecond
from torghut_assets.domain.gates.evidence import MEANINGS, Problem
from torghut_assets.domain.gates.policy import Bound
from torghut_assets.domain.gates.records import ArtifactRef
from torghut_assets.domain.orders.records import Session
from torghut_assets.domain.ramp.limit_card import LimitCard
from torghut_assets.domain.ramp.policy import RampStageName
from torghut_assets.domain.records import Digest, Measured, MeasuredOrNone, Part, Record
from torghut_assets.domain.verdicts import Verdict

RampGateId = Literal["gate4_operational_readiness", "gate5_live_ramp_readiness"]
RAMP_GATE_IDS: Final[tuple[RampGateId, ...]] = (
    "gate4_operational_readiness",
    "gate5_live_ramp_readiness",
)
RampUnit = Literal["count", "hours", "seconds", "sessions", "persons", "fraction"]
RampReasonClass = Literal["operations", "evidence", "stability", "approval", "policy"]
LevelName = Annotated[str, StringConstraints(pattern=r"^L[0-9]$")]


class RampReason(Part):
    """Why a limit is not kept: a code for programs, a sentence for people."""

    code: str
    text: str
    measurement: str
    reason_class: RampReasonClass


class ReadinessLimit(Part):
    """One limit of gate 4 or 5 next to one measurement, both in `unit`; inclusive.

    Either there is a value, or `problem` says why there is none.
    """

    measurement: str
    bound: Bound
    limit: Measured
    unit: RampUnit
    breach_code: str
    reason_class: RampReasonClass
    source: str
    measured: MeasuredOrNone
    problem: Problem | None
    details: tuple[str, ...]

    @model_validator(mode="after")
    def _is_measured_or_says_why_not(self) -> Self:
        if (self.measured is None) == (self.problem is None):
            raise ValueError(f"{self.measurement}: needs a measurement or a problem, not both")
        return self

    @property
    def margin(self) -> float | None:
        """Distance to the limit in `unit`: negative if breached; `None` if not measured."""
        if self.measured is None:
            return None
        above = self.measured - self.limit
        return above if self.bound == "at_least" else -above

    @property
    def verdict(self) -> Verdict:
        """`PASS` on the limit itself; what is not measured fails."""
        margin = self.margin
        return Verdict.PASS if margin is not None and margin >= 0.0 else Verdict.FAIL

    @property
    def reason(self) -> RampReason | None:
        """Why it is not kept; `None` if it is."""
        if self.verdict is Verdict.PASS:
            return None
        wanted = f"{self.bound.replace('_', ' ')} {self.limit:g} {self.unit}"
        found = f"found {self.measured:.4g}" if self.problem is None else MEANINGS[self.problem]
        because = f" ({'; '.join(self.details)})" if self.details else ""
        return RampReason(
            code=self.breach_code if self.problem is None else self.problem.value,
            text=f"{self.measurement}: {found}; limit is {wanted}{because}",
            measurement=self.measurement,
            reason_class=self.reason_class,
        )


class ReadinessGate(Part):
    """All limits of one of the two gates, and the records that they were measured on."""

    gate_id: RampGateId
    limits: tuple[ReadinessLimit, ...] = Field(min_length=1)
    artifact_refs: tuple[ArtifactRef, ...]

    @property
    def verdict(self) -> Verdict:
        """`PASS` if every limit is kept."""
        kept = all(limit.verdict is Verdict.PASS for limit in self.limits)
        return Verdict.PASS if self.limits and kept else Verdict.FAIL

    @property
    def reasons(self) -> tuple[RampReason, ...]:
        """Why it does not pass, in the order of the limits."""
        return tuple(limit.reason for limit in self.limits if limit.reason is not None)


class RampRequest(Record):
    """One step up, as persons review it: from where to where, how far, on which evidence.

    `reviewed` names everything that would be deployed or was looked at, with its digest; whatever
    of it changes makes another request, which nobody has approved.
    """

    record_kind: ClassVar[str] = "ramp-request"

    candidate_id: str
    session: Session
    stage: RampStageName
    authors: tuple[str, ...] = Field(min_length=1)
    level_from: LevelName
    level_to: LevelName
    budget_usd: Measured = Field(gt=0)
    notional_before_usd: Measured = Field(ge=0)
    notional_after_usd: Measured = Field(gt=0)
    limit_card: LimitCard
    policy_digest: Digest
    reviewed: tuple[ArtifactRef, ...] = Field(min_length=1)

    @property
    def subject(self) -> str:
        """Partition key: `<candidate>|<session>`."""
        return f"{self.candidate_id}|{self.session}"

    @property
    def decision(self) -> Decision:
        """What each person must approve, to the last number."""
        notional = ApprovedLimit(name="notional_usd", value=self.notional_after_usd)
        limits = (notional, *self.limit_card.approved_limits)
        return Decision(
            kind="ramp",
            candidate_id=self.candidate_id,
            authors=tuple(sorted(set(self.authors))),
            stage=self.stage,
            report_digest=self.digest,
            policy_digest=self.policy_digest,
            limits=tuple(sorted(limits, key=lambda limit: limit.name)),
        )

    def differences(self, other: "RampRequest") -> tuple[str, ...]:
        """Say in which of its parts another request is different, one sentence each."""
        found = []
        for name in ("candidate_id", "session", "stage", "authors", "level_from", "level_to"):
            found += _differs(name, getattr(self, name), getattr(other, name))
        for name in ("budget_usd", "notional_before_usd", "notional_after_usd", "policy_digest"):
            found += _differs(name, getattr(self, name), getattr(other, name))
        card, theirs = self.limit_card.model_dump(), other.limit_card.model_dump()
        for name, value in card.items():
            found += _differs(f"limit_card.{name}", value, theirs[name])
        mine = {ref.name: ref.digest for ref in self.reviewed}
        others = {ref.name: ref.digest for ref in other.reviewed}
        for name in sorted(mine | others):
            found += _differs(name, mine.get(name), others.get(name))
        return tuple(found)


def _differs(name: str, approved: object, target: object) -> list[str]:
    return [] if approved == target else [f"{name}: approved {approved}, target {target}"]


class ApprovalRef(Part):
    """One approval that a grant used up: who, which record, where in the ledger."""

    person: str = Field(min_length=2, max_length=80)
    digest: Digest
    sequence: int = Field(ge=1)


class RampGrant(Record):
    """A level of capital: granted once, under two signatures, with a manifest.

    It is the predicate of a statement of kind `ramp` in the ledger, which names the approvals as
    its subjects and so uses them up.
    """

    record_kind: ClassVar[str] = "ramp-grant"

    candidate_id: str
    session: Session
    stage: RampStageName
    level_from: LevelName
    level_to: LevelName
    notional_before_usd: Measured = Field(ge=0)
    notional_after_usd: Measured = Field(gt=0)
    limit_card: LimitCard
    deployment_digest: Digest
    policy_digest: Digest
    request_digest: Digest
    manifest_digest: Digest
    gates: tuple[ReadinessGate, ...]
    approvals: tuple[ApprovalRef, ...] = Field(min_length=2)
    granted_at: UtcSecond

    @model_validator(mode="after")
    def _may_exist(self) -> Self:
        found = tuple(gate.gate_id for gate in self.gates)
        if found != RAMP_GATE_IDS:
            raise ValueError(f"gates are {', '.join(found)}, expected {', '.join(RAMP_GATE_IDS)}")
        for gate in self.gates:
            if gate.verdict is not Verdict.PASS:
                raise ValueError(f"{gate.gate_id} does not pass: nothing is granted")
        if len(self.persons) < 2:
            raise ValueError("two different persons approve, or nothing is granted")
        if not self.notional_after_usd > self.notional_before_usd:
            raise ValueError("a grant is an increase")
        return self

    @property
    def subject(self) -> str:
        """Partition key: `<candidate>|<session>`."""
        return f"{self.candidate_id}|{self.session}"

    @property
    def persons(self) -> tuple[str, ...]:
        """The different persons who approved."""
        return tuple({person_key(ref.person): ref.person for ref in self.approvals}.values())

    @property
    def subjects(self) -> dict[str, str]:
        """What the statement about it is about: SHA-256 by name; it uses the approvals up."""
        used = {f"approval-{n}": ref.digest for n, ref in enumerate(self.approvals, start=1)}
        return {
            "deployment": self.deployment_digest,
            "manifest": self.manifest_digest,
            "policy": self.policy_digest,
            "request": self.request_digest,
            **used,
        }


class Stability(Part):
    """The sessions on the present level: how many, and which of them count against it."""

    level: LevelName
    since: Session | None
    sessions: int = Field(ge=0)
    burn_in_sessions: int = Field(ge=1)
    failing: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """`PASS` after a whole burn-in without a failing or missing drift report."""
        if self.failing or self.missing or self.sessions < self.burn_in_sessions:
            return Verdict.INCONCLUSIVE
        return Verdict.PASS


class RampStage(Record):
    """On which level a candidate is after one session, and what stands before the next.

    `gates` judge the step that the stage would take; there are none if it has none to take.
    `grant` is the grant that the present level rests on, of this session or an earlier one.
    """

    record_kind: ClassVar[str] = "ramp-stage"

    candidate_id: str
    session: Session
    stage: RampStageName
    level_from: LevelName
    level_to: LevelName
    notional_before_usd: Measured = Field(ge=0)
    notional_after_usd: Measured = Field(ge=0)
    limit_card: LimitCard | None
    stability: Stability
    policy_digest: Digest
    deployment_digest: Digest
    request_digest: Digest | None
    gates: tuple[ReadinessGate, ...]
    refusals: tuple[str, ...]
    grant: RampGrant | None
    judged_at: UtcSecond

    @model_validator(mode="after")
    def _rests_on_a_grant(self) -> Self:
        advanced = self.level_from != self.level_to
        grant = self.grant
        if grant is None:
            if advanced or self.notional_after_usd > 0 or self.notional_before_usd > 0:
                raise ValueError("capital without a grant")
            return self
        found = (grant.candidate_id, grant.deployment_digest, grant.level_to)
        if found != (self.candidate_id, self.deployment_digest, self.level_to):
            raise ValueError("the grant is of something else")
        if grant.notional_after_usd != self.notional_after_usd or advanced != (
            grant.session == self.session and grant.level_from == self.level_from
        ):
            raise ValueError("the grant does not make this change")
        if grant.limit_card != self.limit_card:
            raise ValueError("the limit card is not that of the grant")
        return self

    @property
    def subject(self) -> str:
        """Partition key: `<candidate>|<session>`."""
        return f"{self.candidate_id}|{self.session}"

    @property
    def advanced(self) -> bool:
        """Whether this session took the candidate to another level."""
        return self.level_from != self.level_to

    @property
    def reasons(self) -> tuple[RampReason, ...]:
        """Why it did not go further, those of gate 5 first: the first is the policy's own."""
        gates = sorted(self.gates, key=lambda gate: gate.gate_id, reverse=True)
        return tuple(reason for gate in gates for reason in gate.reasons)

    @property
    def verdict(self) -> Verdict:
        """`PASS` if a step was taken. Standing still is no failure."""
        return Verdict.PASS if self.advanced else Verdict.INCONCLUSIVE
