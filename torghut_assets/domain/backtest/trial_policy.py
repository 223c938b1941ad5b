"""What counts as one family, how long the final holdout is, and who may look at it twice."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from torghut_assets.domain.documents import parse_yaml
from torghut_assets.domain.records import Record, parse_record


class TrialPolicy(Record):
    """The parsed `trial_policy.yaml`.

    `join_correlation` joins families whose returns correlate at least so much, in absolute
    value; correlations are written down from `recorded_correlation` on, so that a later,
    stricter policy finds them.
    """

    record_kind: ClassVar[str] = "trial-policy"

    policy_version: str = Field(min_length=1)
    join_correlation: float = Field(ge=0.5, le=1)
    recorded_correlation: float = Field(ge=0, le=1)
    min_overlap_bars: int = Field(ge=20)
    holdout_months: int = Field(ge=0, le=120)
    holdout_looks_per_family: int = Field(ge=0, le=100)
    grant_disjoint_windows: bool
    source: str = Field(min_length=3)

    @model_validator(mode="after")
    def _records_what_it_joins(self) -> Self:
        if self.recorded_correlation > self.join_correlation:
            raise ValueError("recorded_correlation must not exceed join_correlation")
        return self


def parse_trial_policy(payload: bytes, *, location: str = "trial_policy.yaml") -> TrialPolicy:
    """Parse the YAML document of a policy.

    Raises
    ------
    BadInputError
        With the first problem found; `location` says which document it is in.
    """
    return parse_record(TrialPolicy, parse_yaml(payload, location=location), location=location)
