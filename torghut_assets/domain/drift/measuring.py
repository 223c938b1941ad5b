"""What a drift measurement is, and how one is taken from evidence that may be bad."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from torghut_assets.domain.drift.history import DriftEvidence
from torghut_assets.domain.drift.records import Bound, DriftProblem, DriftUnit, Group
from torghut_assets.domain.errors import EvidenceError, StatisticsInputError


class MonitorSettings(NamedTuple):
    """Settings that more than one measurement reads; see `DriftPolicy`."""

    window_sessions: int
    cusum_slack_deviations: float


class Observed(NamedTuple):
    """A value in the measurement's unit, the sessions behind it, and what else to know."""

    value: float
    sessions: int
    detail: str = ""


@dataclass(frozen=True)
class Measurement:
    """One thing that a drift policy limits. `at_most` means that lower is better."""

    name: str
    group: Group
    unit: DriftUnit
    bound: Bound
    meaning: str
    read: Callable[[DriftEvidence, MonitorSettings], Observed]


class Taken(NamedTuple):
    """What came of a measurement: a value, or the problem that there is instead."""

    value: float | None
    sessions: int
    problem: DriftProblem | None
    detail: str


def take(
    measurement: Measurement, evidence: DriftEvidence, settings: MonitorSettings, needed: int
) -> Taken:
    """Take a measurement; problems are returned, not raised.

    Before `needed` sessions it has neither a value nor a problem.
    """
    n = len(evidence.expected)
    if n < needed:
        return Taken(None, n, None, "")
    try:
        observed = measurement.read(evidence, settings)
    except EvidenceError as error:
        return Taken(None, 0, "missing", str(error)[:200])
    except StatisticsInputError as error:
        return Taken(None, 0, "undefined", str(error)[:200])
    if not math.isfinite(observed.value):
        return Taken(None, observed.sessions, "not_finite", observed.detail)
    return Taken(observed.value, observed.sessions, None, observed.detail)
