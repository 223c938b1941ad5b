"""The drift policy: limits of the monitor, what follows a failure, and who is told.

`parse_drift_policy` reads `drift_policy.yaml`. A policy that could let drift through by being
incomplete is refused: every measurement needs a limit, every group one that can fail, and every
circumstance an incident class.
"""

import itertools
from typing import ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from torghut_assets.domain.documents import parse_yaml
from torghut_assets.domain.drift.measurements import MEASUREMENTS
from torghut_assets.domain.drift.measuring import MonitorSettings
from torghut_assets.domain.drift.records import GROUPS, Bound, DriftUnit
from torghut_assets.domain.drift.reference import ReferenceSettings
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.records import Measured, MeasuredOrNone, Part, Record, parse_record

IncidentClass = Literal["A", "B", "C", "D"]
CLASSES: Final[tuple[IncidentClass, ...]] = ("A", "B", "C", "D")
Circumstance = Literal[
    "state_unknown",
    "unexplained_difference",
    "risk_breach",
    "performance_drift",
    "model_drift",
    "execution_drift",
    "data_drift",
    "paper_gate_failure",
    "silence",
    "request",
]
"""What an incident can be about; each belongs to one class."""


class DriftPolicyRefusedError(BadInputError):
    """A drift policy could let through what it is there to stop."""


class DriftLimit(Part):
    """Limits of one measurement, mildest first; inclusive, a value equal to one keeps it."""

    measurement: str
    unit: DriftUnit
    bound: Bound
    degrade: MeasuredOrNone = None
    abstain: MeasuredOrNone = None
    fail: MeasuredOrNone = None
    needed_sessions: int = Field(ge=1, le=1_000)
    source: str = Field(min_length=10, max_length=600)

    @model_validator(mode="after")
    def _agrees_with_the_measurement(self) -> Self:
        known = MEASUREMENTS.get(self.measurement)
        if known is None:
            raise ValueError(f"unknown measurement {self.measurement[:80]!a}")
        if (self.unit, self.bound) != (known.unit, known.bound):
            raise ValueError(
                f"{self.measurement}: {self.bound} in {self.unit}, it is {known.bound} in "
                f"{known.unit}"
            )
        limits = [v for v in (self.degrade, self.abstain, self.fail) if v is not None]
        if not limits:
            raise ValueError(f"{self.measurement}: no limit")
        sign = 1.0 if self.bound == "at_most" else -1.0
        if any(sign * one > sign * other for one, other in itertools.pairwise(limits)):
            raise ValueError(f"{self.measurement}: a milder limit is beyond a stricter one")
        return self


class ClassRule(Part):
    """Which circumstances make an incident of this class, and whether everything must stop."""

    incident_class: IncidentClass
    circumstances: tuple[Circumstance, ...]
    demands_kill_switch: bool
    corrective_action: str = Field(min_length=20, max_length=400)


class SilenceBudget(Part):
    """How long a deployed candidate may be without a passing report.

    A session counts as silent once `grace_minutes` have passed since its close.
    """

    sessions: int = Field(ge=1, le=20)
    grace_minutes: int = Field(ge=0, le=24 * 60)


class Webhook(Part):
    """Where incidents are announced: the address stands in an environment variable."""

    url_variable: str = Field(pattern=r"^[A-Z][A-Z0-9_]{2,62}$")
    timeout_seconds: Measured = Field(gt=0, le=30)


class RollbackRules(Part):
    """What a rollback leaves: nothing (`flat`), or what it held, which may only shrink."""

    mode: Literal["flat", "reduce_only"]
    settle_attempts: int = Field(ge=1, le=100)
    settle_wait_seconds: Measured = Field(ge=0, le=60)


class DriftPolicy(Record):
    """The parsed `drift_policy.yaml`."""

    record_kind: ClassVar[str] = "drift-policy"

    policy_version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")
    window_sessions: int = Field(ge=10, le=252)
    warm_up_sessions: int = Field(ge=1, le=126)
    coverage_target: Measured = Field(gt=0.5, lt=1)
    cusum_slack_deviations: Measured = Field(gt=0, le=5)
    fan_paths: int = Field(ge=200, le=20_000)
    seed: int = Field(ge=0)
    rollback: RollbackRules
    silence: SilenceBudget
    webhook: Webhook
    incident_classes: tuple[ClassRule, ...]
    limits: tuple[DriftLimit, ...]

    @model_validator(mode="after")
    def _limits_are_complete(self) -> Self:
        names = [limit.measurement for limit in self.limits]
        if len(set(names)) != len(names):
            raise ValueError("two limits of one measurement")
        if missing := sorted(MEASUREMENTS.keys() - set(names)):
            raise ValueError(f"no limit of {', '.join(missing)}")
        can_fail = {MEASUREMENTS[x.measurement].group for x in self.limits if x.fail is not None}
        if lenient := sorted(set(GROUPS) - can_fail):
            raise ValueError(f"nothing in {', '.join(lenient)} can fail")
        for limit in self.limits:
            if limit.needed_sessions > self.warm_up_sessions:
                raise ValueError(
                    f"{limit.measurement}: needs {limit.needed_sessions} sessions, beyond the "
                    f"warm-up of {self.warm_up_sessions}"
                )
        return self

    @model_validator(mode="after")
    def _classes_cover_everything_once(self) -> Self:
        if tuple(rule.incident_class for rule in self.incident_classes) != CLASSES:
            raise ValueError("incident classes are A, B, C, D in this order")
        named = [c for rule in self.incident_classes for c in rule.circumstances]
        every = set(Circumstance.__args__)  # type: ignore[attr-defined]
        if sorted(named) != sorted(every):
            raise ValueError(
                "incident classes: each circumstance belongs to exactly one class; "
                f"{', '.join(sorted(every - set(named))) or 'one is named twice'}"
            )
        if not self.incident_classes[0].demands_kill_switch:
            raise ValueError("incident class A demands the kill switch")
        return self

    @property
    def monitor(self) -> MonitorSettings:
        """Settings that the measurements read."""
        return MonitorSettings(self.window_sessions, self.cusum_slack_deviations)

    @property
    def reference(self) -> ReferenceSettings:
        """Settings that the reference is prepared with."""
        return ReferenceSettings(
            coverage_target=self.coverage_target,
            cusum_slack_deviations=self.cusum_slack_deviations,
            window_sessions=self.window_sessions,
            draws=(self.fan_paths, self.seed),
        )


def parse_drift_policy(payload: bytes, *, location: str = "drift_policy.yaml") -> DriftPolicy:
    """Read a drift policy.

    Raises
    ------
    DocumentRefusedError
        If the YAML breaks a rule of `documents`.
    DriftPolicyRefusedError
        If it is incomplete or contradicts the list of measurements.
    """
    try:
        return parse_record(DriftPolicy, parse_yaml(payload, location=location), location=location)
    except BadInputError as error:
        if error.expected != "a valid DriftPolicy":
            raise
        raise DriftPolicyRefusedError(
            location=error.location,
            found=error.found,
            expected="a drift policy with a limit for every measurement, fully stated",
            action="docs/drift-and-rollback.md lists measurements, units and directions.",
        ) from error
