"""How likely it is that a backtest's edge is luck or search: the overfitting evidence.

All Sharpe ratios are per bar unless a name says annual. `None` means not measured or not
defined, and fails every limit that asks for it. Whatever counts trials takes its number from
the trial register whose head is named here, never from an argument.
"""

from typing import ClassVar, NamedTuple, Self

from pydantic import Field, model_validator

from torghut_assets.domain.backtest.records import EvaluationInputs
from torghut_assets.domain.records import Digest, Measured, MeasuredOrNone, Part, Record


class NeighbourhoodSensitivity(Part):
    """The declared point next to its neighbours in the parameter grid, as Sharpe ratios.

    A ratio is neighbour over declared; it is `None` if the declared ratio is not positive.
    `narrow_peak_ratio` is the share of neighbours that keep less than half of the declared
    Sharpe ratio: 0 on a plateau, 1 on a needle.
    """

    neighbours: int = Field(ge=0)
    median_ratio: MeasuredOrNone
    worst_ratio: MeasuredOrNone
    narrow_peak_ratio: MeasuredOrNone


class FoldStability(Part):
    """How evenly the walk-forward folds earned the out-of-sample result."""

    folds: int = Field(ge=1)
    positive_share: MeasuredOrNone
    sharpe_annual_mean: MeasuredOrNone
    sharpe_annual_standard_deviation: MeasuredOrNone
    sharpe_annual_worst: MeasuredOrNone
    largest_return_share: MeasuredOrNone


class SharpeInterval(Part):
    """Bootstrap confidence interval of the out-of-sample Sharpe ratio, annualized."""

    confidence: float = Field(gt=0, lt=1)
    sharpe_annual_low: MeasuredOrNone
    sharpe_annual_high: MeasuredOrNone

    @model_validator(mode="after")
    def _low_is_not_above_high(self) -> Self:
        low, high = self.sharpe_annual_low, self.sharpe_annual_high
        if low is not None and high is not None and low > high:
            raise ValueError(f"sharpe_annual_low {low} is above sharpe_annual_high {high}")
        return self


class HoldoutResult(Part):
    """The final window, opened once against a receipt. `looks` counts every opening."""

    n_bars: int = Field(ge=1)
    sharpe_annual: MeasuredOrNone
    total_return_fraction: Measured
    receipt_digest: Digest
    looks: int = Field(ge=1)


class HoldoutLook(NamedTuple):
    """What came of asking for the final holdout: a result, or why it stayed shut."""

    result: HoldoutResult | None
    refusal: str | None


class OverfitDiagnostics(Record):
    """Overfitting statistics of one candidate on one snapshot, with the trials they count.

    `psr`, `dsr` and `dsr_effective` are probabilities that the true Sharpe ratio is above
    zero, above the best of `trials_raw` and above the best of `trials_effective` lucky
    trials. `pbo` is the probability that the best in sample is below the median out of
    sample. `reality_check_p` and the three `spa_p` are p-values (small is good).

    `trials_variance` is that of the Sharpe ratios per bar of `trials_with_returns` registered
    trials; the deflated ratios use it. `not_measured` says why a statistic is `None`, and
    `holdout_refusal` why there is no holdout result.
    """

    record_kind: ClassVar[str] = "overfit-diagnostics"

    inputs: EvaluationInputs
    backtest_digest: Digest
    trials_raw: int = Field(ge=1)
    trials_effective: MeasuredOrNone
    trials_declared_outside: int = Field(ge=0)
    trials_with_returns: int = Field(default=1, ge=1)
    trials_variance: MeasuredOrNone = None
    trial_register_head: Digest
    psr: MeasuredOrNone
    dsr: MeasuredOrNone
    dsr_effective: MeasuredOrNone
    pbo: MeasuredOrNone
    pbo_blocks: int = Field(ge=0)
    reality_check_p: MeasuredOrNone
    spa_p_consistent: MeasuredOrNone
    spa_p_lower: MeasuredOrNone
    spa_p_upper: MeasuredOrNone
    min_track_record_bars: MeasuredOrNone
    observed_bars: int = Field(ge=1)
    expected_max_sharpe_per_bar: MeasuredOrNone
    sensitivity: NeighbourhoodSensitivity
    fold_stability: FoldStability
    sharpe_interval: SharpeInterval
    holdout: HoldoutResult | None
    holdout_refusal: str | None = None
    seed: int = Field(ge=0)
    resamples: int = Field(ge=0)
    block_length: MeasuredOrNone
    not_measured: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _a_holdout_is_seen_or_refused(self) -> Self:
        if self.holdout is not None and self.holdout_refusal is not None:
            raise ValueError("holdout_refusal: there is a holdout result, so none was refused")
        return self

    @property
    def subject(self) -> str:
        """Partition key: `<candidate>|<snapshot>`."""
        return self.inputs.subject
