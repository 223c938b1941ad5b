"""The decision of gate 3: limits next to measurements with their intervals.

Only measurements, limits and digests are stored; verdicts, margins and reasons are derived.
There are three outcomes: an interval on the wrong side of its limit fails, one on both sides
is inconclusive and extends the window, and only one wholly on the right side passes.
"""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from torghut_assets.domain.gates.evidence import MEANINGS, Problem
from torghut_assets.domain.gates.paper_policy import OnBreach, PaperReasonClass, PaperUnit
from torghut_assets.domain.gates.policy import Bound
from torghut_assets.domain.orders.records import Session
from torghut_assets.domain.records import Digest, Measured, MeasuredOrNone, Part, Record
from torghut_assets.domain.verdicts import Verdict

PaperNextAction = Literal["request_live_ramp_stage_1", "extend_window", "return_to_research_intake"]


class PaperReason(Part):
    """Why a limit did not pass: a code for programs, a sentence for people."""

    code: str
    text: str
    measurement: str
    verdict: Verdict
    reason_class: PaperReasonClass


class PaperLimitResult(Part):
    """One limit next to one measurement and its interval, all in `unit`.

    Either there is a value, or `problem` says why there is none. Bounds of `None` next to a
    value say that no interval exists yet.
    """

    measurement: str
    bound: Bound
    limit: Measured
    unit: PaperUnit
    on_breach: OnBreach
    breach_code: str
    reason_class: PaperReasonClass
    source: str
    measured: MeasuredOrNone
    low: MeasuredOrNone
    high: MeasuredOrNone
    problem: Problem | None
    details: tuple[str, ...]

    @model_validator(mode="after")
    def _is_measured_or_says_why_not(self) -> Self:
        if (self.measured is None) == (self.problem is None):
            raise ValueError(f"{self.measurement}: needs a measurement or a problem, not both")
        if (self.low is None) != (self.high is None):
            raise ValueError(f"{self.measurement}: one bound without the other")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"{self.measurement}: the bounds are the wrong way round")
        return self

    @property
    def verdict(self) -> Verdict:
        """`PASS` if the whole interval keeps the limit; limits are inclusive."""
        if self.problem is not None:
            undefined = self.problem is Problem.NOT_MEASURED
            return Verdict.INCONCLUSIVE if undefined else Verdict.FAIL
        if self.low is None or self.high is None:
            return Verdict.INCONCLUSIVE
        lower_bound = self.bound == "at_least"
        worst, best = (self.low, self.high) if lower_bound else (self.high, self.low)
        if self._keeps(worst):
            return Verdict.PASS
        if self._keeps(best) or self.on_breach == "inconclusive":
            return Verdict.INCONCLUSIVE
        return Verdict.FAIL

    def _keeps(self, value: float) -> bool:
        return value >= self.limit if self.bound == "at_least" else value <= self.limit

    @property
    def reason(self) -> PaperReason | None:
        """Why this limit did not pass; `None` if it did."""
        if self.verdict is Verdict.PASS:
            return None
        wanted = f"{self.bound.replace('_', ' ')} {self.limit:g} {self.unit}"
        if self.problem is not None:
            code, found = self.problem.value, MEANINGS[self.problem]
        else:
            code = self.breach_code if self.verdict is Verdict.FAIL else "AMBIGUOUS"
            if self.on_breach == "inconclusive":
                code = self.breach_code
            found = f"found {self.measured:.4g}"
            if self.low is None:
                found += ", too few sessions for an interval"
            elif self.low != self.high:
                found += f", between {self.low:.4g} and {self.high:.4g}"
        because = f" ({'; '.join(self.details[:3])})" if self.details else ""
        return PaperReason(
            code=code,
            text=f"{self.measurement}: {found}; limit is {wanted}{because}",
            measurement=self.measurement,
            verdict=self.verdict,
            reason_class=self.reason_class,
        )


class SessionRef(Part):
    """A session of the window and the record it was read from; no digest if there is none."""

    session: Session
    tca_digest: Digest | None
    champion_tca_digest: Digest | None


class RegimeComparison(Part):
    """Annual certainty equivalents in one regime, or in all, and their difference.

    `None` marks what needs more sessions.
    """

    regime: Literal["all", "high_volatility", "normal_volatility"]
    sessions: int = Field(ge=0)
    challenger_annual: MeasuredOrNone
    reference_annual: MeasuredOrNone
    difference_annual: MeasuredOrNone
    low_annual: MeasuredOrNone
    high_annual: MeasuredOrNone


class WindowMarkout(Part):
    """Notional-weighted move after the window's fills; positive is in the trader's favour."""

    horizon: Literal["1_session", "5_sessions"]
    orders: int = Field(ge=0)
    mean_bps: MeasuredOrNone


class PaperGateReport(Record):
    """Gate 3 on one candidate after one session: the window, every limit, every input."""

    record_kind: ClassVar[str] = "paper-gate-report"
    gate_id: ClassVar[str] = "gate3_shadow_paper_quality"

    candidate_id: str
    session: Session
    policy_version: str
    policy_digest: Digest
    code_version: str = Field(min_length=1, max_length=128)
    deployment_digest: Digest | None
    reference: Literal["champion", "cash"]
    champion_id: str | None
    window: tuple[SessionRef, ...] = Field(min_length=1)
    limits: tuple[PaperLimitResult, ...] = Field(min_length=1)
    regimes: tuple[RegimeComparison, ...]
    markouts: tuple[WindowMarkout, ...]

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if (self.reference == "champion") != (self.champion_id is not None):
            raise ValueError(f"reference {self.reference} with champion {self.champion_id}")
        if self.window[-1].session != self.session:
            raise ValueError(f"the window ends with {self.window[-1].session}, not {self.session}")
        return self

    @property
    def subject(self) -> str:
        """Candidate and session."""
        return f"{self.candidate_id}|{self.session}"

    @property
    def verdict(self) -> Verdict:
        """`FAIL` if a limit failed, else `INCONCLUSIVE` if one is, else `PASS`."""
        verdicts = {limit.verdict for limit in self.limits}
        for worst in (Verdict.FAIL, Verdict.INCONCLUSIVE):
            if worst in verdicts:
                return worst
        return Verdict.PASS

    @property
    def reasons(self) -> tuple[PaperReason, ...]:
        """Why the verdict is not better: failures first."""
        reasons = [limit.reason for limit in self.limits if limit.reason is not None]
        return tuple(sorted(reasons, key=lambda reason: reason.verdict is not Verdict.FAIL))

    @property
    def next_action(self) -> PaperNextAction:
        """What happens next."""
        if self.verdict is Verdict.PASS:
            return "request_live_ramp_stage_1"
        failed = self.verdict is Verdict.FAIL
        return "return_to_research_intake" if failed else "extend_window"
