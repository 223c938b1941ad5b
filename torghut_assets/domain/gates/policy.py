"""The gate policy: which limits a candidate must keep, and where each limit comes from.

`parse_gate_policy` reads `gate_policy.yaml`. A policy that could let something through by
being incomplete is refused when it is read: no limits, a gate without a limit that paper
trading needs, an unknown measurement, a bound that points the wrong way, another unit.
"""

from typing import ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from torghut_assets.domain.documents import parse_yaml
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.gates.measurements import MEASUREMENTS
from torghut_assets.domain.gates.measuring import Unit
from torghut_assets.domain.records import Measured, Part, Record, parse_record

GateId = Literal["gate0_data_integrity", "gate1_statistical_robustness", "gate2_risk_capacity"]
GATE_IDS: Final[tuple[GateId, ...]] = (
    "gate0_data_integrity",
    "gate1_statistical_robustness",
    "gate2_risk_capacity",
)
"""The gates of a policy, in the only order there is."""

ReasonClass = Literal[
    "data", "statistics", "overfitting", "cost", "risk", "capacity", "reproducibility"
]
Bound = Literal["at_least", "at_most"]
RequiredFor = Literal["paper", "beyond_paper"]
_BOUND_FOR: Final[dict[str, Bound]] = {"higher": "at_least", "lower": "at_most"}


class GatePolicyRefusedError(BadInputError):
    """A gate policy could not refuse what it is there to refuse."""


class Limit(Part):
    """One bound on one measurement. Limits are inclusive: a value equal to it passes."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{2,62}$")
    measurement: str
    bound: Bound
    limit: Measured
    unit: Unit
    required_for: RequiredFor
    reason_code: str = Field(pattern=r"^[A-Z][A-Z0-9_]{2,62}$")
    reason_class: ReasonClass
    source: str = Field(min_length=10, max_length=600)

    @model_validator(mode="after")
    def _agrees_with_the_measurement(self) -> Self:
        """Refuse an unknown measurement, another unit, the wrong way or an impossible limit."""
        known = MEASUREMENTS.get(self.measurement)
        if known is None:
            raise ValueError(
                f"limit {self.name}: unknown measurement {self.measurement[:80]!a}, known are "
                + ", ".join(MEASUREMENTS)
            )
        if self.unit != known.unit:
            raise ValueError(
                f"limit {self.name}: unit {self.unit}, {self.measurement} is in {known.unit}"
            )
        if self.bound != _BOUND_FOR[known.better]:
            raise ValueError(
                f"limit {self.name}: bound {self.bound}, but {known.better} is better for "
                f"{self.measurement}: it needs {_BOUND_FOR[known.better]}"
            )
        if not known.lowest <= self.limit <= known.highest:
            raise ValueError(
                f"limit {self.name}: {self.limit:g} lies outside [{known.lowest:g}, "
                f"{known.highest:g}], where {self.measurement} can be"
            )
        return self


class Gate(Part):
    """A numbered group of limits, at least one of which paper trading needs."""

    gate_id: GateId
    title: str = Field(min_length=3, max_length=80)
    limits: tuple[Limit, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _can_refuse_paper(self) -> Self:
        if all(limit.required_for != "paper" for limit in self.limits):
            raise ValueError(f"{self.gate_id}: no limit is required for paper")
        return self


class GatePolicy(Record):
    """Every limit that a decision compares with a measurement; the parsed `gate_policy.yaml`."""

    record_kind: ClassVar[str] = "gate-policy"

    policy_version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")
    gates: tuple[Gate, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        """Refuse missing, repeated or reordered gates and repeated names and reason codes."""
        found = tuple(gate.gate_id for gate in self.gates)
        if found != GATE_IDS:
            raise ValueError(f"gates are {', '.join(found)}, expected {', '.join(GATE_IDS)}")
        for what in ("name", "reason_code"):
            seen: set[str] = set()
            for limit in self.limits:
                value = getattr(limit, what)
                if value in seen:
                    raise ValueError(f"two limits have the {what} {value}")
                seen.add(value)
        return self

    @property
    def limits(self) -> tuple[Limit, ...]:
        """All limits in the order of the gates."""
        return tuple(limit for gate in self.gates for limit in gate.limits)


def parse_gate_policy(payload: bytes, *, location: str = "gate_policy.yaml") -> GatePolicy:
    """Read a gate policy.

    Raises
    ------
    DocumentRefusedError
        If the YAML breaks a rule of `documents` (size, aliases, NaN, duplicate keys, …).
    GatePolicyRefusedError
        If the policy is empty, incomplete or contradicts the list of measurements.
    """
    try:
        return parse_record(GatePolicy, parse_yaml(payload, location=location), location=location)
    except BadInputError as error:
        if error.expected != "a valid GatePolicy":
            raise
        raise GatePolicyRefusedError(
            location=error.location,
            found=error.found,
            expected="a gate policy with all three gates and every limit fully stated",
            action="docs/gates.md lists measurements, units and directions.",
        ) from error
