"""The ramp policy: how much capital on which level, after how long, signed by how many.

`parse_ramp_policy` reads `ramp_policy.yaml`. A policy that would let capital in faster than a
quarter of the approved budget at a time, with fewer than two persons, or without a burn-in is
refused when it is read. Live trading is off unless the file says otherwise.
"""

import itertools
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from torghut_assets.domain.backtest.records import SourcedRecord
from torghut_assets.domain.documents import parse_yaml
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.records import Measured, Part, parse_record

RampStageName = Literal["live_ramp_stage_1", "live_ramp_stage_2_plus"]
FIRST_STAGE: Final[RampStageName] = "live_ramp_stage_1"
SECOND_STAGE: Final[RampStageName] = "live_ramp_stage_2_plus"
LARGEST_INCREMENT_FRACTION: Final = 0.25
"""No policy may allow a larger step; fraction of the approved budget."""

Venue = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{4}$")]
"""A market identifier code of ISO 10383, e.g. `XNYS`."""
RunbookName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{2,60}$")]


class RampPolicyRefusedError(BadInputError):
    """A ramp policy would let capital in without what it is there to demand."""


class RampLevel(Part):
    """One level of capital.

    `notional_fraction` is of the approved budget; `canary_symbols` how many symbols may be
    traded, `None` all of the deployment's; `burn_in_sessions` how many sessions a candidate
    stays before it may go on.
    """

    level: str = Field(pattern=r"^L[0-9]$")
    notional_fraction: Measured = Field(ge=0, le=1)
    canary_symbols: int | None = Field(ge=1, le=1_000)
    burn_in_sessions: int = Field(ge=1, le=1_000)


class CardPolicy(Part):
    """What the limit card of a level says; fractions of money are of the level's notional."""

    max_price_deviation_fraction: Measured = Field(gt=0, lt=1)
    max_order_fraction: Measured = Field(gt=0, le=1)
    max_orders_per_session: int = Field(ge=1, le=1_000_000)
    max_symbol_fraction: Measured = Field(gt=0, le=1)
    max_gross_fraction: Measured = Field(gt=0, le=1)


class KillDrillPolicy(Part):
    """What a kill drill must show."""

    min_open_orders: int = Field(ge=1, le=1_000_000)
    max_seconds: Measured = Field(gt=0, le=60)


class RampPolicy(SourcedRecord):
    """The parsed `ramp_policy.yaml`, each number with its source."""

    record_kind: ClassVar[str] = "ramp-policy"

    policy_version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")
    live_enabled: bool
    persons_required: int = Field(ge=2, le=10)
    max_increment_fraction: Measured = Field(gt=0, le=LARGEST_INCREMENT_FRACTION)
    levels: tuple[RampLevel, ...] = Field(min_length=2, max_length=10)
    max_request_age_sessions: int = Field(ge=0, le=10)
    drill_max_age_hours: Measured = Field(gt=0, le=168)
    kill_drill: KillDrillPolicy
    runbooks: tuple[RunbookName, ...] = Field(min_length=1)
    runbook_max_age_hours: Measured = Field(gt=0, le=8_784)
    venues: tuple[Venue, ...] = Field(min_length=1)
    card: CardPolicy

    @model_validator(mode="after")
    def _levels_rise_in_steps(self) -> Self:
        names = [level.level for level in self.levels]
        if names != [f"L{n}" for n in range(len(names))]:
            raise ValueError(f"levels are {', '.join(names)}, expected L0, L1, … in order")
        paper, canary = self.levels[0], self.levels[1]
        if paper.notional_fraction != 0:
            raise ValueError("L0 is paper: its notional_fraction is 0")
        if canary.canary_symbols is None:
            raise ValueError("L1 is the canary: it needs canary_symbols")
        for one, other in itertools.pairwise(self.levels):
            step = other.notional_fraction - one.notional_fraction
            if step <= 0:
                raise ValueError(f"{other.level} has no more notional than {one.level}")
            if step > self.max_increment_fraction + 1e-12:
                raise ValueError(
                    f"{one.level} to {other.level}: a step of {step:g} of the budget, "
                    f"max_increment_fraction is {self.max_increment_fraction:g}"
                )
        for listed in (self.runbooks, self.venues):
            if len(set(listed)) != len(listed):
                raise ValueError("runbooks and venues are named once each")
        return self

    def level(self, name: str) -> RampLevel | None:
        """Return a level by name; `None` if the policy has none of it."""
        return next((level for level in self.levels if level.level == name), None)

    def after(self, name: str) -> RampLevel | None:
        """Return the level above another; `None` above the last or an unknown one."""
        pairs = itertools.pairwise(self.levels)
        return next((other for one, other in pairs if one.level == name), None)

    def wanted(self, stage: str, now: str) -> RampLevel | None:
        """Return the level that a stage would take a candidate to; `None` if it has nothing to do.

        The first stage leads from L0 to L1, the second from there on, one level at a time.
        """
        if (now == self.levels[0].level) != (stage == FIRST_STAGE):
            return None
        return self.after(now)


def parse_ramp_policy(payload: bytes, *, location: str = "ramp_policy.yaml") -> RampPolicy:
    """Read a ramp policy.

    Raises
    ------
    DocumentRefusedError
        If the YAML breaks a rule of `documents`.
    RampPolicyRefusedError
        If a value is missing, unknown, without a source, or too lenient for any policy.
    """
    data = parse_yaml(payload, location=location)
    try:
        return parse_record(RampPolicy, data, location=location)
    except BadInputError as error:
        raise RampPolicyRefusedError(
            location=error.location,
            found=error.found,
            expected="a ramp policy within the bounds of every ramp",
            action="docs/ramp.md says what each value means and how far it may go.",
        ) from error
