"""What a measurement is, and how one is taken from evidence that may be bad.

`measure` never raises because of the evidence: the problem is part of the answer. The closed
list of measurements is in `measurements`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torghut_assets.domain.gates.evidence import (
    Found,
    GateEvidence,
    Problem,
    UnusableEvidenceError,
    number,
    record_of,
)
from torghut_assets.domain.records import round_significant

Better = Literal["higher", "lower"]
Unit = Literal[
    "count",
    "days",
    "bars",
    "fraction",
    "ratio",
    "sharpe_annual",
    "times_per_year",
    "bps_per_bar",
    "probability",
    "p_value",
    "usd",
]


@dataclass(frozen=True)
class Measurement:
    """One thing that can be limited.

    Attributes
    ----------
    better : "higher" or "lower"
        A limit on something whose higher values are better is a lower bound.
    lowest, highest : float
        Values outside `[lowest, highest]` cannot exist and fail whatever the limit is.
    records : tuple of str
        The records it reads, by asset name.
    meaning : str
        One sentence for the documentation and the report.
    """

    name: str
    unit: Unit
    better: Better
    lowest: float
    highest: float
    records: tuple[str, ...]
    meaning: str
    read: Callable[[GateEvidence], Found]


class Reading(NamedTuple):
    """A value in the measurement's unit, or the problem that there is instead.

    `value` is `None` whenever it is not a finite number. A finite value that cannot exist
    comes with its `problem`.
    """

    value: float | None
    problem: Problem | None
    details: tuple[str, ...]


def measure(measurement: Measurement, evidence: GateEvidence) -> Reading:
    """Take one measurement from the evidence; problems are returned, not raised."""
    try:
        found = measurement.read(evidence)
    except UnusableEvidenceError as error:
        return Reading(None, error.problem, (str(error),))
    if not math.isfinite(found.value):
        # Finite inputs whose quotient or product is beyond any float.
        return Reading(None, Problem.INFINITE, found.details)
    value = round_significant(found.value)
    if measurement.lowest <= value <= measurement.highest:
        return Reading(value, None, found.details)
    below_zero = value < measurement.lowest and measurement.lowest == 0.0
    problem = Problem.WRONG_SIGN if below_zero else Problem.IMPOSSIBLE_VALUE
    return Reading(value, problem, found.details)


class Scale(NamedTuple):
    """Unit, which way is better, and the values that can exist."""

    unit: Unit
    better: Better
    span: tuple[float, float]


def computed(
    name: str,
    scale: Scale,
    records: tuple[str, ...],
    read: Callable[[GateEvidence], Found],
    meaning: str,
) -> Measurement:
    """Make a measurement that one function of `readings` computes."""
    return Measurement(name, scale.unit, scale.better, *scale.span, records, meaning, read)


def field_of(name: str, scale: Scale, path: str, meaning: str) -> Measurement:
    """Make a measurement that is one field of one record: `<record>.<attributes>`."""
    record, _, attributes = path.partition(".")

    def read(evidence: GateEvidence) -> Found:
        return Found(number(record_of(evidence, record), attributes))

    return computed(name, scale, (record,), read, meaning)
