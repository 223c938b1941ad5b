"""What a backtest found: settings, folds, paths, regimes, stress, and a second computation.

All returns are simple, per bar and net of costs unless a name says otherwise. Fractions are
of equity; `annual` means scaled by `periods_per_year`; costs are positive.
"""

import datetime as dt
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from torghut_assets.domain.candidates.records import ParameterValue
from torghut_assets.domain.records import Digest, Measured, MeasuredOrNone, Part, Record
from torghut_assets.domain.verdicts import Verdict

StressName = Literal[
    "spread_x2",
    "spread_x3",
    "volatility_spike",
    "liquidity_drought",
    "delayed_data",
    "rejection_bursts",
    "fees_x2",
]


class SourcedRecord(Record):
    """A setting whose every number says where it comes from."""

    sources: dict[str, str]

    @model_validator(mode="after")
    def _every_value_has_a_source(self) -> Self:
        """Refuse a value without a source, a source without a value and an empty source."""
        values = {name for name in type(self).model_fields if name != "sources"}
        values = {name for name in values if not name.endswith("_version")}
        if missing := sorted(values - self.sources.keys()):
            raise ValueError(f"sources: no source for {', '.join(missing)}")
        if unknown := sorted(self.sources.keys() - values):
            raise ValueError(f"sources: {', '.join(unknown)} is not a value of this document")
        if empty := sorted(name for name, text in self.sources.items() if len(text.strip()) < 3):
            raise ValueError(f"sources: nothing said about {', '.join(empty)}")
        return self


class CostModel(SourcedRecord):
    """What trading costs; the parsed `cost_model.yaml`. See `backtest/costs`."""

    record_kind: ClassVar[str] = "cost-model"

    model_version: str
    half_spread_bps: float = Field(ge=0, le=1_000)
    fee_bps: float = Field(ge=0, le=1_000)
    slippage_volatility_fraction: float = Field(ge=0, le=10)
    impact_coefficient: float = Field(ge=0, le=100)
    volatility_window_bars: int = Field(ge=2, le=1_000)


class RiskLimits(SourcedRecord):
    """What the simulated (and later the paper) account may hold and trade."""

    record_kind: ClassVar[str] = "risk-limits"

    limits_version: str
    initial_equity_usd: float = Field(gt=0)
    max_gross_fraction: float = Field(gt=0, le=10)
    max_net_fraction: float = Field(gt=0, le=10)
    max_symbol_fraction: float = Field(gt=0, le=10)
    max_participation_fraction: float = Field(gt=0, le=1)
    min_trade_fraction: float = Field(ge=0, lt=1)
    cooldown_bars: int = Field(ge=0, le=1_000)
    unfilled: Literal["carry", "cancel"]
    execution_lag_bars: int = Field(ge=1, le=100)


class StressSettings(Part):
    """How hard the stress scenarios press. See `backtest/scenarios`."""

    volatility_spike_factor: float = Field(gt=1, le=20)
    volatility_spike_every_bars: int = Field(ge=2)
    volatility_spike_bars: int = Field(ge=1)
    drought_volume_fraction: float = Field(gt=0, lt=1)
    rejection_burst_every_bars: int = Field(ge=2)
    rejection_burst_bars: int = Field(ge=1)
    rejection_probability: float = Field(gt=0, le=1)

    @model_validator(mode="after")
    def _windows_fit_their_period(self) -> Self:
        if self.volatility_spike_bars >= self.volatility_spike_every_bars:
            raise ValueError("volatility_spike_bars must be below volatility_spike_every_bars")
        if self.rejection_burst_bars >= self.rejection_burst_every_bars:
            raise ValueError("rejection_burst_bars must be below rejection_burst_every_bars")
        return self


class OverfitSettings(Part):
    """How the overfitting statistics resample and divide. See `backtest/overfit_evidence`.

    A grid of more than `max_points` is not measured, which fails every limit that asks.
    """

    resamples: int = Field(ge=100, le=100_000)
    pbo_blocks: int = Field(ge=4, le=20, multiple_of=2)
    confidence: float = Field(ge=0.5, lt=1)
    max_points: int = Field(ge=2, le=5_000)


class EvaluationSettings(SourcedRecord):
    """How a candidate is evaluated: walk-forward windows, regimes and seed."""

    record_kind: ClassVar[str] = "evaluation-settings"

    settings_version: str
    periods_per_year: int = Field(ge=1, le=200_000)
    train_bars: int = Field(ge=20)
    test_bars: int = Field(ge=5)
    label_horizon_bars: int = Field(ge=1)
    purge_bars: int = Field(ge=1)
    embargo_bars: int = Field(ge=0)
    expanding_train: bool
    regime_window_bars: int = Field(ge=5)
    max_grid_points: int = Field(ge=1)
    seed: int = Field(ge=0)
    stress: StressSettings
    overfit: OverfitSettings


class PathMetrics(Part):
    """One simulated path. `None` means undefined (e.g. the Sharpe ratio of a flat path)."""

    n_bars: int = Field(ge=1)
    total_return_fraction: Measured
    annual_return_fraction: MeasuredOrNone
    annual_volatility_fraction: MeasuredOrNone
    sharpe_annual: MeasuredOrNone
    sharpe_per_bar: MeasuredOrNone
    sortino_annual: MeasuredOrNone
    skew: MeasuredOrNone
    kurtosis: MeasuredOrNone
    max_drawdown_fraction: Measured
    hit_rate_fraction: MeasuredOrNone
    turnover_annual: Measured
    cost_annual_fraction: Measured
    mean_gross_fraction: Measured
    max_gross_fraction: Measured
    max_symbol_fraction: Measured
    concentration_hhi: MeasuredOrNone
    max_participation_fraction: Measured
    unfilled_fraction: Measured


class FoldResult(Part):
    """One walk-forward fold: windows `[start, end)` in bars and sessions, choice and outcome.

    `train_bars` counts the bars of the train window that were used: those under the embargo
    of an earlier test window are not.
    """

    fold: int = Field(ge=1)
    train_start_bar: int = Field(ge=0)
    train_end_bar: int
    test_start_bar: int
    test_end_bar: int
    train_bars: int = Field(ge=2)
    train_first: dt.date
    train_last: dt.date
    test_first: dt.date
    test_last: dt.date
    chosen: dict[str, ParameterValue]
    train_sharpe_annual: MeasuredOrNone
    test: PathMetrics


class SymbolResult(Part):
    """One symbol's part in the out-of-sample path."""

    symbol: str
    contribution_fraction: Measured
    cost_fraction: Measured
    turnover: Measured
    max_weight_fraction: Measured
    traded_notional_usd: Measured


class RegimeResult(Part):
    """The out-of-sample path within one regime, known at the close before each bar."""

    regime: str
    n_bars: int = Field(ge=0)
    total_return_fraction: MeasuredOrNone
    sharpe_annual: MeasuredOrNone
    max_drawdown_fraction: MeasuredOrNone


class SensitivityResult(Part):
    """How the declared point compares with its neighbours in the parameter grid."""

    declared_sharpe_annual: MeasuredOrNone
    neighbours: int = Field(ge=0)
    neighbour_median_sharpe_annual: MeasuredOrNone
    neighbour_worst_sharpe_annual: MeasuredOrNone
    grid_share_positive: MeasuredOrNone


class EvaluationInputs(Part):
    """Digests of everything that an evaluation was computed from."""

    candidate_id: str
    snapshot_id: str
    spec_digest: Digest
    build_digest: Digest
    manifest_digest: Digest
    cost_model_digest: Digest
    risk_limits_digest: Digest
    settings_digest: Digest
    trial_policy_digest: Digest

    @property
    def subject(self) -> str:
        """Partition key `<candidate>|<snapshot>`."""
        return f"{self.candidate_id}|{self.snapshot_id}"


class TargetWeights(Record):
    """The strategy's point-in-time intents at its declared parameters."""

    record_kind: ClassVar[str] = "target-weights"

    inputs: EvaluationInputs
    frame_digest: Digest
    n_bars: int = Field(ge=1)
    symbols: tuple[str, ...]
    first_nonzero_bar: int | None
    mean_gross_fraction: Measured
    max_gross_fraction: Measured

    @property
    def subject(self) -> str:
        """Partition key: `<candidate>|<snapshot>`."""
        return self.inputs.subject


class BacktestMetrics(Record):
    """Walk-forward evaluation of one candidate on one snapshot."""

    record_kind: ClassVar[str] = "backtest-metrics"

    inputs: EvaluationInputs
    target_weights_digest: Digest
    settings: EvaluationSettings
    grid_points: int = Field(ge=1)
    folds: tuple[FoldResult, ...] = Field(min_length=1)
    out_of_sample: PathMetrics
    in_sample_sharpe_annual: MeasuredOrNone
    declared: PathMetrics
    gross_of_costs_sharpe_annual: MeasuredOrNone
    by_symbol: tuple[SymbolResult, ...] = Field(min_length=1)
    by_regime: tuple[RegimeResult, ...] = Field(min_length=1)
    sensitivity: SensitivityResult
    capacity_usd: MeasuredOrNone
    path_frame_digest: Digest
    grid_returns_frame_digest: Digest

    @property
    def subject(self) -> str:
        """Partition key: `<candidate>|<snapshot>`."""
        return self.inputs.subject


class StressResult(Part):
    """One scenario, re-simulated: what was changed and what came of it."""

    scenario: StressName
    change: str = Field(min_length=3)
    path: PathMetrics
    returns_digest: Digest
    sharpe_change: MeasuredOrNone
    return_change_fraction: Measured
    mean_return_per_bar: Measured


class StressMetrics(Record):
    """Every stress scenario next to the base path."""

    record_kind: ClassVar[str] = "stress-metrics"

    inputs: EvaluationInputs
    backtest_digest: Digest
    base: PathMetrics
    base_returns_digest: Digest
    results: tuple[StressResult, ...] = Field(min_length=1)

    @property
    def equal_to_base(self) -> tuple[str, ...]:
        """Scenarios whose returns are the base's: a defect, the scenario did not bite."""
        return tuple(
            r.scenario for r in self.results if r.returns_digest == self.base_returns_digest
        )

    @property
    def subject(self) -> str:
        """Partition key: `<candidate>|<snapshot>`."""
        return self.inputs.subject


class OutputComparison(Part):
    """One output's digest, first and second time."""

    output: str
    first_digest: Digest
    second_digest: Digest


class ReproducibilityManifest(Record):
    """Digests of data, code, settings, seeds and outputs, and a second computation."""

    record_kind: ClassVar[str] = "reproducibility-manifest"

    inputs: EvaluationInputs
    code_digest: Digest
    package_versions: dict[str, str]
    seed: int
    outputs: tuple[OutputComparison, ...] = Field(min_length=1)

    @property
    def verdict(self) -> Verdict:
        """`PASS` if every output came out the same twice."""
        same = all(o.first_digest == o.second_digest for o in self.outputs)
        return Verdict.PASS if same else Verdict.FAIL

    @property
    def subject(self) -> str:
        """Partition key: `<candidate>|<snapshot>`."""
        return self.inputs.subject
