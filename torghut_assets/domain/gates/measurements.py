"""The closed list of what a gate policy can ask for.

A policy names a measurement; it cannot define one. Every entry says its unit, which direction
is better, what values can exist at all and which records it reads.
"""

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import Final, NamedTuple

from torghut_assets.domain.gates import readings
from torghut_assets.domain.gates.evidence import GateEvidence, number, record_of
from torghut_assets.domain.gates.measuring import Better, Measurement, Unit
from torghut_assets.domain.gates.readings import Found


class _Scale(NamedTuple):
    """Unit, which way is better, and the values that can exist."""

    unit: Unit
    better: Better
    span: tuple[float, float]


def _computed(
    name: str,
    scale: _Scale,
    records: tuple[str, ...],
    read: Callable[[GateEvidence], Found],
    meaning: str,
) -> Measurement:
    """Make a measurement that one function of `readings` computes."""
    return Measurement(name, scale.unit, scale.better, *scale.span, records, meaning, read)


def _field(name: str, scale: _Scale, path: str, meaning: str) -> Measurement:
    """Make a measurement that is one field of one record: `<record>.<attributes>`."""
    record, _, attributes = path.partition(".")

    def read(evidence: GateEvidence) -> Found:
        return Found(number(record_of(evidence, record), attributes))

    return _computed(name, scale, (record,), read, meaning)


_ANY: Final = (-math.inf, math.inf)
_SHARE: Final = (0.0, 1.0)
_NOT_NEGATIVE: Final = (0.0, math.inf)
_BACKTEST: Final = ("backtest_metrics",)
_STRESS: Final = ("stress_metrics",)
_SNAPSHOT: Final = ("dataset_snapshot",)
_BUILD: Final = ("strategy_build",)
_REPRODUCED: Final = ("reproducibility_manifest",)
_OOS: Final = "backtest_metrics.out_of_sample."

_DATA: Final = (
    _computed(
        "data_errors",
        _Scale("count", "lower", _NOT_NEGATIVE),
        _SNAPSHOT,
        readings.data_errors,
        "Violations of the data checks that forbid the use of the snapshot.",
    ),
    _computed(
        "missing_session_share",
        _Scale("fraction", "lower", _SHARE),
        _SNAPSHOT,
        readings.missing_session_share,
        "Exchange sessions without a bar, over all symbols, as a share of all there should be.",
    ),
    _computed(
        "symbol_coverage_share",
        _Scale("fraction", "higher", _SHARE),
        _SNAPSHOT,
        readings.symbol_coverage_share,
        "Sessions with a bar as a share of the snapshot's sessions, for the worst symbol.",
    ),
    _computed(
        "staleness_days",
        _Scale("days", "lower", _NOT_NEGATIVE),
        _SNAPSHOT,
        readings.staleness_days,
        "Calendar days from the last session with a bar to the as-of date.",
    ),
    _computed(
        "conformance_tests",
        _Scale("count", "higher", _NOT_NEGATIVE),
        _BUILD,
        readings.conformance_tests,
        "Different tests of the strategy contract that were run on the plugin.",
    ),
    _computed(
        "conformance_failures",
        _Scale("count", "lower", _NOT_NEGATIVE),
        _BUILD,
        readings.conformance_failures,
        "Tests of the strategy contract that the plugin did not pass.",
    ),
    _computed(
        "reproducibility_mismatches",
        _Scale("count", "lower", _NOT_NEGATIVE),
        _REPRODUCED,
        readings.reproducibility_mismatches,
        "Outputs whose second computation did not give the same bytes.",
    ),
    _computed(
        "evidence_contradictions",
        _Scale("count", "lower", _NOT_NEGATIVE),
        readings.CORE_RECORDS,
        readings.evidence_contradictions,
        "Records that are malformed, cite other records than these, or leave out a part.",
    ),
)

_ROBUSTNESS: Final = (
    _computed(
        "folds",
        _Scale("count", "higher", _NOT_NEGATIVE),
        _BACKTEST,
        readings.folds,
        "Walk-forward folds with a test window.",
    ),
    _computed(
        "fold_faults",
        _Scale("count", "lower", _NOT_NEGATIVE),
        _BACKTEST,
        readings.fold_faults,
        "Ways in which the folds are not whole, purged, in order and without a gap.",
    ),
    _computed(
        "positive_fold_share",
        _Scale("fraction", "higher", _SHARE),
        _BACKTEST,
        readings.positive_fold_share,
        "Test folds with a positive return after costs, as a share of all.",
    ),
    _field(
        "out_of_sample_bars",
        _Scale("bars", "higher", _NOT_NEGATIVE),
        "backtest_metrics.out_of_sample.n_bars",
        "Length of the out-of-sample path.",
    ),
    _field(
        "out_of_sample_sharpe_annual",
        _Scale("sharpe_annual", "higher", _ANY),
        "backtest_metrics.out_of_sample.sharpe_annual",
        "Annualized Sharpe ratio of the out-of-sample path after costs.",
    ),
    _computed(
        "sharpe_retention_ratio",
        _Scale("ratio", "higher", _ANY),
        _BACKTEST,
        readings.sharpe_retention_ratio,
        "Out-of-sample over in-sample Sharpe ratio: what is left of what the fit promised.",
    ),
    _computed(
        "neighbour_median_ratio",
        _Scale("ratio", "higher", _ANY),
        _BACKTEST,
        readings.neighbour_median_ratio,
        "Median Sharpe ratio of the neighbouring grid points over that of the declared point.",
    ),
    _field(
        "grid_share_positive",
        _Scale("fraction", "higher", _SHARE),
        "backtest_metrics.sensitivity.grid_share_positive",
        "Grid points with a positive Sharpe ratio, as a share of all.",
    ),
    _computed(
        "stress_scenarios_missing",
        _Scale("count", "lower", _NOT_NEGATIVE),
        _STRESS,
        readings.stress_scenarios_missing,
        "Stress scenarios of the closed list that were not simulated.",
    ),
    _computed(
        "stress_equal_to_base",
        _Scale("count", "lower", _NOT_NEGATIVE),
        _STRESS,
        readings.stress_equal_to_base,
        "Stress scenarios whose returns are the base's: a scenario that did not bite.",
    ),
    _computed(
        "worst_stress_sharpe_change",
        _Scale("sharpe_annual", "higher", _ANY),
        _STRESS,
        readings.worst_stress_sharpe_change,
        "Change of the annualized Sharpe ratio under the scenario that hurts most.",
    ),
    _computed(
        "double_cost_expectancy_bps_per_bar",
        _Scale("bps_per_bar", "higher", _ANY),
        _STRESS,
        readings.double_cost_expectancy_bps_per_bar,
        "Mean return per bar at twice the spread or twice the fees, whichever is lower.",
    ),
)

_OVERFITTING: Final = (
    _computed(
        "overfit_contradictions",
        _Scale("count", "lower", _NOT_NEGATIVE),
        ("overfit_diagnostics", "backtest_metrics", "candidate_spec"),
        readings.overfit_contradictions,
        "Ways in which the overfitting diagnostics do not belong to the other records.",
    ),
    _field(
        "deflated_sharpe_probability",
        _Scale("probability", "higher", _SHARE),
        "overfit_diagnostics.dsr",
        "Probability that the true Sharpe ratio beats the best of all raw trials under luck.",
    ),
    _field(
        "deflated_sharpe_probability_effective",
        _Scale("probability", "higher", _SHARE),
        "overfit_diagnostics.dsr_effective",
        "The same, against the effective number of independent trials.",
    ),
    _field(
        "backtest_overfitting_probability",
        _Scale("probability", "lower", _SHARE),
        "overfit_diagnostics.pbo",
        "Probability that the best variant in sample is below the median out of sample.",
    ),
    _field(
        "superior_predictive_ability_p",
        _Scale("p_value", "lower", _SHARE),
        "overfit_diagnostics.spa_p_consistent",
        "Consistent p-value of Hansen's test that no variant beats holding nothing.",
    ),
    _field(
        "reality_check_p",
        _Scale("p_value", "lower", _SHARE),
        "overfit_diagnostics.reality_check_p",
        "p-value of White's Reality Check, more conservative than Hansen's.",
    ),
    _computed(
        "track_record_ratio",
        _Scale("ratio", "higher", _NOT_NEGATIVE),
        ("overfit_diagnostics",),
        readings.track_record_ratio,
        "Observed bars over the minimum track record length.",
    ),
    _field(
        "narrow_peak_share",
        _Scale("fraction", "lower", _SHARE),
        "overfit_diagnostics.sensitivity.narrow_peak_ratio",
        "Neighbours that keep less than half of the declared Sharpe ratio, as a share.",
    ),
    _field(
        "bootstrap_sharpe_annual_low",
        _Scale("sharpe_annual", "higher", _ANY),
        "overfit_diagnostics.sharpe_interval.sharpe_annual_low",
        "Lower end of the bootstrap confidence interval of the annualized Sharpe ratio.",
    ),
)

_RISK: Final = (
    _field(
        "max_drawdown_fraction",
        _Scale("fraction", "lower", _SHARE),
        _OOS + "max_drawdown_fraction",
        "Deepest fall of out-of-sample equity from its peak.",
    ),
    _computed(
        "worst_stress_drawdown_fraction",
        _Scale("fraction", "lower", _SHARE),
        _STRESS,
        readings.worst_stress_drawdown_fraction,
        "Deepest fall of equity from its peak under any stress scenario.",
    ),
    _field(
        "turnover_annual",
        _Scale("times_per_year", "lower", _NOT_NEGATIVE),
        _OOS + "turnover_annual",
        "Traded notional per year over equity, buys and sells added.",
    ),
    _field(
        "cost_annual_fraction",
        _Scale("fraction", "lower", _NOT_NEGATIVE),
        _OOS + "cost_annual_fraction",
        "Trading costs per year as a fraction of equity.",
    ),
    _field(
        "max_gross_fraction",
        _Scale("fraction", "lower", _NOT_NEGATIVE),
        _OOS + "max_gross_fraction",
        "Largest sum of absolute weights.",
    ),
    _field(
        "max_symbol_fraction",
        _Scale("fraction", "lower", _NOT_NEGATIVE),
        _OOS + "max_symbol_fraction",
        "Largest absolute weight of one symbol.",
    ),
    _field(
        "concentration_hhi",
        _Scale("fraction", "lower", _SHARE),
        _OOS + "concentration_hhi",
        "Herfindahl-Hirschman index of the absolute weights; its inverse counts equal names.",
    ),
    _field(
        "max_participation_fraction",
        _Scale("fraction", "lower", _SHARE),
        _OOS + "max_participation_fraction",
        "Largest share of a bar's volume that one trade took.",
    ),
    _field(
        "unfilled_fraction",
        _Scale("fraction", "lower", _SHARE),
        _OOS + "unfilled_fraction",
        "Desired notional that found no volume, as a fraction of what was desired.",
    ),
    _field(
        "capacity_usd",
        _Scale("usd", "higher", _NOT_NEGATIVE),
        "backtest_metrics.capacity_usd",
        "Equity up to which the strategy still pays for its own market impact.",
    ),
)

MEASUREMENTS: Final = MappingProxyType(
    {entry.name: entry for entry in (*_DATA, *_ROBUSTNESS, *_OVERFITTING, *_RISK)}
)
"""Every measurement by name, in the order of the gates."""
