"""What a candidate is: its specification, and the build that its plugin passed or failed."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from torghut_assets.domain.records import Digest, Part, Record
from torghut_assets.domain.verdicts import Verdict

Text = Annotated[str, StringConstraints(min_length=10, max_length=2_000)]
Regime = Literal["calm", "normal", "turbulent", "bull", "bear"]
ParameterValue = int | float | str | bool


class FeatureHypothesis(Part):
    """Why one feature should carry information."""

    feature: str = Field(min_length=2, max_length=80)
    hypothesis: Text


class RegimeExpectation(Part):
    """What the thesis expects in one market regime, written before the backtest."""

    regime: Regime
    expectation: Text


class PriorEvidence(Part):
    """An earlier run's record that this candidate rests on, e.g. its parent's feedback."""

    digest: Digest
    note: Text


class StrategyReference(Part):
    """Which plugin: entry point name and semantic version."""

    type: str = Field(pattern=r"^[a-z][a-z0-9-]{2,62}$")
    version: str = Field(pattern=r"^\d{1,4}\.\d{1,4}\.\d{1,4}$")


class CandidateSpec(Record):
    """A strategy type, version and parameters with a thesis: what a researcher submits."""

    record_kind: ClassVar[str] = "candidate-spec"

    candidate_id: str
    title: str = Field(min_length=3, max_length=120)
    author: str = Field(min_length=2, max_length=80)
    thesis: Text
    universe: str
    feature_hypotheses: tuple[FeatureHypothesis, ...] = Field(min_length=1, max_length=20)
    expected_regimes: tuple[RegimeExpectation, ...] = Field(min_length=1, max_length=10)
    strategy: StrategyReference
    parameters: dict[str, ParameterValue]
    parameter_grid: dict[str, tuple[ParameterValue, ...]]
    parent: str | None
    prior_run_evidence: tuple[PriorEvidence, ...] = Field(max_length=20)
    declared_outside_trials: int = Field(ge=0, le=10_000_000)

    @property
    def grid_points(self) -> int:
        """Number of parameter combinations that an evaluation tries."""
        points = 1
        for values in self.parameter_grid.values():
            points *= len(values)
        return points

    @property
    def subject(self) -> str:
        """Partition key: the candidate id."""
        return self.candidate_id


class ConformanceResult(Part):
    """What one conformance test of the strategy contract found."""

    test: str = Field(min_length=3)
    verdict: Verdict
    detail: str


class StrategyBuild(Record):
    """One candidate's plugin, frozen by the digest of its code, with its conformance."""

    record_kind: ClassVar[str] = "strategy-build"

    candidate_id: str
    spec_digest: Digest
    strategy_type: str
    strategy_version: str
    code_digest: Digest
    code_module: str
    parameter_schema_json: str
    parameters: dict[str, ParameterValue]
    warm_up_bars: int = Field(ge=0)
    results: tuple[ConformanceResult, ...] = Field(min_length=1)

    @property
    def verdict(self) -> Verdict:
        """`PASS` only if every conformance test passed."""
        passed = all(result.verdict is Verdict.PASS for result in self.results)
        return Verdict.PASS if passed else Verdict.FAIL

    @property
    def subject(self) -> str:
        """Partition key: the candidate id."""
        return self.candidate_id
