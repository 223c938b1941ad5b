"""What a gate decision is: limits next to measurements, and nothing that was typed in.

Only measurements, limits and digests are stored. Verdicts, margins and reasons are derived
from them each time they are asked for, so that an edited verdict does not exist. The time of
the decision is not part of it (ADR 3): `publication` adds it.
"""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from torghut_assets.domain.gates.evidence import MEANINGS, Problem
from torghut_assets.domain.gates.measuring import Unit
from torghut_assets.domain.gates.policy import (
    GATE_IDS,
    Bound,
    GateId,
    ReasonClass,
    RequiredFor,
)
from torghut_assets.domain.records import Digest, Measured, MeasuredOrNone, Part, Record
from torghut_assets.domain.verdicts import Verdict

NextAction = Literal["request_paper_deployment", "return_to_research_intake"]
_VALUE_MAY_STAND: tuple[Problem, ...] = (Problem.WRONG_SIGN, Problem.IMPOSSIBLE_VALUE)


class ArtifactRef(Part):
    """A record by asset name; no digest if it is missing or malformed."""

    name: str
    digest: Digest | None


class Reason(Part):
    """Why a limit failed: a code for programs, a sentence for people."""

    code: str
    text: str
    limit: str
    reason_class: ReasonClass
    required_for: RequiredFor


class LimitResult(Part):
    """One limit next to one measurement, both in `unit`.

    Either `measured` holds a value that can exist, or `problem` says why there is none. A
    value with the wrong sign, or one that cannot exist, stands next to its problem.
    """

    name: str
    measurement: str
    bound: Bound
    limit: Measured
    unit: Unit
    required_for: RequiredFor
    breach_code: str
    reason_class: ReasonClass
    source: str
    measured: MeasuredOrNone
    problem: Problem | None
    details: tuple[str, ...]

    @model_validator(mode="after")
    def _is_measured_or_says_why_not(self) -> Self:
        if self.measured is None and self.problem is None:
            raise ValueError(f"{self.name}: neither a measurement nor a problem")
        if self.measured is not None and self.problem not in (None, *_VALUE_MAY_STAND):
            raise ValueError(f"{self.name}: {self.problem} next to a measurement")
        return self

    @property
    def margin(self) -> float | None:
        """Distance to the limit in `unit`: negative if breached; `None` if not comparable."""
        if self.measured is None or self.problem is not None:
            return None
        above = self.measured - self.limit
        return above if self.bound == "at_least" else -above

    @property
    def verdict(self) -> Verdict:
        """`PASS` on the limit itself: limits are inclusive. What is not comparable fails."""
        margin = self.margin
        return Verdict.PASS if margin is not None and margin >= 0.0 else Verdict.FAIL

    @property
    def status(self) -> str:
        """`PASSED`, `LIMIT_BREACHED` or the name of the problem."""
        if self.problem is not None:
            return self.problem.value
        return "PASSED" if self.verdict is Verdict.PASS else "LIMIT_BREACHED"

    @property
    def reason(self) -> Reason | None:
        """Why this limit failed; `None` if it passed."""
        if self.verdict is Verdict.PASS:
            return None
        wanted = f"{self.bound.replace('_', ' ')} {self.limit:g} {self.unit}"
        if self.problem is None:
            code, found = self.breach_code, f"found {self.measured:.4g}, limit is {wanted}"
        else:
            code, found = self.problem.value, f"{MEANINGS[self.problem]}; limit is {wanted}"
        because = f" ({'; '.join(self.details)})" if self.details else ""
        return Reason(
            code=code,
            text=f"{self.name}: {found}{because}",
            limit=self.name,
            reason_class=self.reason_class,
            required_for=self.required_for,
        )


def _verdict_of(results: tuple[LimitResult, ...]) -> Verdict:
    passed = bool(results) and all(result.verdict is Verdict.PASS for result in results)
    return Verdict.PASS if passed else Verdict.FAIL


class GateResult(Part):
    """All limits of one gate, and the records that they were measured on."""

    gate_id: GateId
    title: str
    limits: tuple[LimitResult, ...] = Field(min_length=1)
    artifact_refs: tuple[ArtifactRef, ...] = Field(min_length=1)

    @property
    def status(self) -> Verdict:
        """`PASS` if every limit that paper trading requires passed, and there is one."""
        return _verdict_of(tuple(r for r in self.limits if r.required_for == "paper"))

    @property
    def beyond_paper_status(self) -> Verdict:
        """`PASS` if every limit passed, and paper trading's part of them did."""
        both = (self.status, _verdict_of(self.limits))
        return Verdict.PASS if both == (Verdict.PASS, Verdict.PASS) else Verdict.FAIL

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why limits failed, those that paper trading requires first."""
        reasons = [result.reason for result in self.limits if result.reason is not None]
        return tuple(sorted(reasons, key=lambda reason: reason.required_for != "paper"))


class GateReport(Record):
    """The decision on one candidate and snapshot: every limit, every measurement, every input."""

    record_kind: ClassVar[str] = "gate-report"

    candidate_id: str
    snapshot_id: str
    policy_version: str
    policy_digest: Digest
    code_version: str = Field(min_length=1, max_length=128)
    inputs: tuple[ArtifactRef, ...] = Field(min_length=1)
    gates: tuple[GateResult, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_every_gate(self) -> Self:
        found = tuple(gate.gate_id for gate in self.gates)
        if found != GATE_IDS:
            raise ValueError(f"gates are {', '.join(found)}, expected {', '.join(GATE_IDS)}")
        return self

    @property
    def subject(self) -> str:
        """Partition key: `<candidate>|<snapshot>`."""
        return f"{self.candidate_id}|{self.snapshot_id}"

    @property
    def verdict(self) -> Verdict:
        """Whether the candidate may go to paper trading: `PASS` if every gate passed."""
        passed = all(gate.status is Verdict.PASS for gate in self.gates)
        return Verdict.PASS if passed else Verdict.FAIL

    @property
    def beyond_paper_verdict(self) -> Verdict:
        """Whether the evidence suffices beyond paper trading: `PASS` if every limit passed."""
        passed = all(gate.beyond_paper_status is Verdict.PASS for gate in self.gates)
        return Verdict.PASS if passed else Verdict.FAIL

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why the verdict is not better, in the order of the gates."""
        return tuple(reason for gate in self.gates for reason in gate.reasons)

    @property
    def blocking_reasons(self) -> tuple[Reason, ...]:
        """The reasons that keep the candidate from paper trading."""
        return tuple(reason for reason in self.reasons if reason.required_for == "paper")

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the limits that failed, in report order."""
        return tuple(reason.limit for reason in self.reasons)

    @property
    def next_action(self) -> NextAction:
        """What happens next: a request that a person approves, or back to research."""
        passed = self.verdict is Verdict.PASS
        return "request_paper_deployment" if passed else "return_to_research_intake"
