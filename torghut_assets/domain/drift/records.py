"""What a drift report is: readings next to limits, and nothing that was typed in.

A reading holds a measurement, its unit and up to three limits; its level and the verdict of the
report are derived each time they are asked for. A statistic that needs more sessions than there
were so far says how many it needs and is `not_yet`, within the policy's warm-up and no longer.
"""

from enum import StrEnum
from typing import ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from torghut_assets.domain.orders.records import Session
from torghut_assets.domain.records import Digest, MeasuredOrNone, Part, Record
from torghut_assets.domain.verdicts import Verdict

Group = Literal["data", "model", "execution", "performance", "risk"]
GROUPS: Final[tuple[Group, ...]] = ("data", "model", "execution", "performance", "risk")
Bound = Literal["at_least", "at_most"]
DriftUnit = Literal[
    "count",
    "sessions",
    "fraction",
    "bps",
    "nats",
    "probability",
    "standard_errors",
    "deviations",
]
DriftProblem = Literal["missing", "not_finite", "undefined"]


class Level(StrEnum):
    """What one reading calls for, from nothing to a rollback."""

    PASS = "pass"  # noqa: S105 - a level, not a password
    NOT_YET = "not_yet"
    DEGRADE = "degrade"
    ABSTAIN = "abstain"
    FAIL = "fail"


SEVERITY: Final = (Level.PASS, Level.NOT_YET, Level.DEGRADE, Level.ABSTAIN, Level.FAIL)
"""Levels from good to bad. `degrade`: trade less; `abstain`: no new risk; `fail`: roll back."""


def worst(levels: tuple[Level, ...]) -> Level:
    """Return the worst level; nothing at all is a failure."""
    return max(levels, key=SEVERITY.index, default=Level.FAIL)


class EvidenceRef(Part):
    """A record that the report rests on, by asset; no digest if it is missing or unusable."""

    name: str
    digest: Digest | None
    problem: str | None


class SessionRef(Part):
    """One session of the deployment, with the records read for it; `None` if one is missing."""

    session: Session
    intents_digest: Digest | None
    fills_digest: Digest | None
    tca_digest: Digest | None


class DriftReading(Part):
    """One measurement next to its limits, all in `unit`. Limits are inclusive.

    `sessions` is how many sessions lie behind the measurement and `needed_sessions` how many it
    needs; `deployed_sessions` is how many the calendar counts since the first one traded.
    """

    measurement: str
    group: Group
    unit: DriftUnit
    bound: Bound
    degrade: MeasuredOrNone
    abstain: MeasuredOrNone
    fail: MeasuredOrNone
    measured: MeasuredOrNone
    problem: DriftProblem | None
    sessions: int = Field(ge=0)
    needed_sessions: int = Field(ge=1)
    deployed_sessions: int = Field(ge=0)
    warm_up_sessions: int = Field(ge=0)
    source: str
    detail: str

    @model_validator(mode="after")
    def _is_measured_or_says_why_not(self) -> Self:
        if self.measured is not None and self.problem is not None:
            raise ValueError(f"{self.measurement}: {self.problem} next to a measurement")
        return self

    @property
    def level(self) -> Level:
        """What this reading calls for; what cannot be measured when it should be fails."""
        if self.problem is not None:
            return Level.FAIL
        if self.measured is None:
            warming_up = 0 < self.deployed_sessions < self.needed_sessions <= self.warm_up_sessions
            return Level.NOT_YET if warming_up else Level.FAIL
        for limit, level in (
            (self.fail, Level.FAIL),
            (self.abstain, Level.ABSTAIN),
            (self.degrade, Level.DEGRADE),
        ):
            if limit is not None and not self._within(limit):
                return level
        return Level.PASS

    @property
    def reason(self) -> str | None:
        """Why the level is not `pass`, in one sentence."""
        if self.level is Level.PASS:
            return None
        limits = ", ".join(
            f"{name} beyond {limit:g}"
            for name, limit in (
                ("degrade", self.degrade),
                ("abstain", self.abstain),
                ("fail", self.fail),
            )
            if limit is not None
        )
        if self.level is Level.NOT_YET:
            found = f"not yet: {self.deployed_sessions} of {self.needed_sessions} sessions"
        elif self.measured is None:
            found = self.problem or f"not measured after {self.deployed_sessions} sessions"
        else:
            found = f"{self.measured:.4g}"
        because = f" ({self.detail})" if self.detail else ""
        return f"{self.measurement}: {found} {self.unit}, {limits}{because}"

    def _within(self, limit: float) -> bool:
        assert self.measured is not None
        return self.measured >= limit if self.bound == "at_least" else self.measured <= limit


class DriftReport(Record):
    """Whether a deployed candidate still behaves as its evidence says, after one session."""

    record_kind: ClassVar[str] = "drift-report"

    candidate_id: str
    session: Session
    first_session: Session | None
    policy_version: str
    policy_digest: Digest
    code_version: str = Field(min_length=1, max_length=128)
    inputs: tuple[EvidenceRef, ...] = Field(min_length=1)
    window: tuple[SessionRef, ...]
    readings: tuple[DriftReading, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _reads_every_group_once(self) -> Self:
        if missing := set(GROUPS) - {reading.group for reading in self.readings}:
            raise ValueError(f"no reading of {', '.join(sorted(missing))}")
        names = [reading.measurement for reading in self.readings]
        if len(set(names)) != len(names):
            raise ValueError("two readings of one measurement")
        return self

    @property
    def subject(self) -> str:
        """Partition key: `<candidate>|<session>`."""
        return f"{self.candidate_id}|{self.session}"

    @property
    def level(self) -> Level:
        """The worst level of all readings."""
        return worst(tuple(reading.level for reading in self.readings))

    @property
    def gate7_uncertainty(self) -> Level:
        """What the coverage of the conformal intervals calls for."""
        named = [r.level for r in self.readings if r.measurement.startswith("interval_coverage")]
        return worst(tuple(named))

    @property
    def verdict(self) -> Verdict:
        """Whether the candidate may go on trading: `FAIL` if any reading failed."""
        return Verdict.FAIL if self.level is Level.FAIL else Verdict.PASS

    @property
    def advance_verdict(self) -> Verdict:
        """Whether the report supports more capital: only if every reading passed."""
        if self.verdict is Verdict.FAIL:
            return Verdict.FAIL
        return Verdict.PASS if self.level is Level.PASS else Verdict.INCONCLUSIVE

    @property
    def failed(self) -> tuple[DriftReading, ...]:
        """The readings that failed, in report order."""
        return tuple(reading for reading in self.readings if reading.level is Level.FAIL)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the level is not `pass`, worst first."""
        known = [reading for reading in self.readings if reading.reason is not None]
        known.sort(key=lambda reading: -SEVERITY.index(reading.level))
        return tuple(reading.reason for reading in known if reading.reason is not None)
