"""The closed list of what a gate policy can ask for.

A policy names a measurement; it cannot define one. Every entry says its unit, which direction
is better, what values can exist at all and which records it reads.
"""

import math
from types import MappingProxyType
from typing import Final

from torghut_assets.domain.gates import data_readings, path_readings
from torghut_assets.domain.gates.consistency import CORE_RECORDS
from torghut_assets.domain.gates.measuring import Scale, computed, field_of

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
    computed(
        "data_errors",
        Scale("count", "lower", _NOT_NEGATIVE),
        _SNAPSHOT,
        data_readings.data_errors,
        "Violations of the data checks that forbid the use of the snapshot.",
    ),
    computed(
        "missing_session_share",
        Scale("fraction", "lower", _SHARE),
        _SNAPSHOT,
        data_readings.missing_session_share,
        "Exchange sessions without a bar, over all symbols, as a share of all there should be.",
    ),
    computed(
        "symbol_coverage_share",
        Scale("fraction", "higher", _SHARE),
        _SNAPSHOT,
        data_readings.symbol_coverage_share,
        "Sessions with a bar as a share of the snapshot's sessions, for the worst symbol.",
    ),
    computed(
        "staleness_days",
        Scale("days", "lower", _NOT_NEGATIVE),
        _SNAPSHOT,
        data_readings.staleness_days,
        "Calendar days from the last session with a bar to the as-of date.",
    ),
    computed(
        "conformance_tests",
        Scale("count", "higher", _NOT_NEGATIVE),
        _BUILD,
        data_readings.conformance_tests,
        "Different tests of the strategy contract that were run on the plugin.",
    ),
    computed(
        "conformance_failures",
        Scale("count", "lower", _NOT_NEGATIVE),
        _BUILD,
        data_readings.conformance_failures,
        "Tests of the strategy contract that the plugin did not pass.",
    ),
    computed(
        "reproducibility_mismatches",
        Scale("count", "lower", _NOT_NEGATIVE),
        _REPRODUCED,
        data_readings.reproducibility_mismatches,
        "Outputs whose second computation did not give the same bytes.",
    ),
    computed(
        "evidence_contradictions",
        Scale("count", "lower", _NOT_NEGATIVE),
        CORE_RECORDS,
        data_readings.evidence_contradictions,
        "Records that are malformed, cite other records than these, or leave out a part.",
    ),
)

_ROBUSTNESS: Final = (
    computed(
        "folds",
        Scale("count", "higher", _NOT_NEGATIVE),
        _BACKTEST,
        path_readings.folds,
        "Walk-forward folds with a test window.",
    ),
    computed(
        "fold_faults",
        Scale("count", "lower", _NOT_NEGATIVE),
        _BACKTEST,
        path_readings.fold_faults,
        "Ways in which the folds are not whole, purged, in order and without a gap.",
    ),
    computed(
        "positive_fold_share",
        Scale("fraction", "higher", _SHARE),
        _BACKTEST,
        path_readings.positive_fold_share,
        "Test folds with a positive return after costs, as a share of all.",
    ),
    field_of(
        "out_of_sample_bars",
        Scale("bars", "higher", _NOT_NEGATIVE),
        "backtest_metrics.out_of_sample.n_bars",
        "Length of the out-of-sample path.",
    ),
    field_of(
        "out_of_sample_sharpe_annual",
        Scale("sharpe_annual", "higher", _ANY),
        "backtest_metrics.out_of_sample.sharpe_annual",
        "Annualized Sharpe ratio of the out-of-sample path after costs.",
    ),
    computed(
        "sharpe_retention_ratio",
        Scale("ratio", "higher", _ANY),
        _BACKTEST,
        path_readings.sharpe_retention_ratio,
        "Out-of-sample over in-sample Sharpe ratio: what is left of what the fit promised.",
    ),
    computed(
        "neighbour_median_ratio",
        Scale("ratio", "higher", _ANY),
        _BACKTEST,
        path_readings.neighbour_median_ratio,
        "Median Sharpe ratio of the neighbouring grid points over that of the declared point.",
    ),
    field_of(
        "grid_share_positive",
        Scale("fraction", "higher", _SHARE),
        "backtest_metrics.sensitivity.grid_share_positive",
        "Grid points with a positive Sharpe ratio, as a share of all.",
    ),
    computed(
        "stress_scenarios_missing",
        Scale("count", "lower", _NOT_NEGATIVE),
        _STRESS,
        path_readings.stress_scenarios_missing,
        "Stress scenarios of the closed list that were not simulated.",
    ),
    computed(
        "stress_equal_to_base",
        Scale("count", "lower", _NOT_NEGATIVE),
        _STRESS,
        path_readings.stress_equal_to_base,
        "Stress scenarios whose returns are the base's: a scenario that did not bite.",
    ),
    computed(
        "worst_stress_sharpe_change",
        Scale("sharpe_annual", "higher", _ANY),
        _STRESS,
        path_readings.worst_stress_sharpe_change,
        "Change of the annualized Sharpe ratio under the scenario that hurts most.",
    ),
    computed(
        "double_cost_expectancy_bps_per_bar",
        Scale("bps_per_bar", "higher", _ANY),
        _STRESS,
        path_readings.double_cost_expectancy_bps_per_bar,
        "Mean return per bar at twice the spread or twice the fees, whichever is lower.",
    ),
)

_OVERFITTING: Final = (
    computed(
        "overfit_contradictions",
        Scale("count", "lower", _NOT_NEGATIVE),
        ("overfit_diagnostics", "backtest_metrics", "candidate_spec"),
        data_readings.overfit_contradictions,
        "Ways in which the overfitting diagnostics do not belong to the other records.",
    ),
    field_of(
        "deflated_sharpe_probability",
        Scale("probability", "higher", _SHARE),
        "overfit_diagnostics.dsr",
        "Probability that the true Sharpe ratio beats the best of all raw trials under luck.",
    ),
    field_of(
        "deflated_sharpe_probability_effective",
        Scale("probability", "higher", _SHARE),
        "overfit_diagnostics.dsr_effective",
        "The same, against the effective number of independent trials.",
    ),
    field_of(
        "backtest_overfitting_probability",
        Scale("probability", "lower", _SHARE),
        "overfit_diagnostics.pbo",
        "Probability that the best variant in sample is below the median out of sample.",
    ),
    field_of(
        "superior_predictive_ability_p",
        Scale("p_value", "lower", _SHARE),
        "overfit_diagnostics.spa_p_consistent",
        "Consistent p-value of Hansen's test that no variant beats holding nothing.",
    ),
    field_of(
        "reality_check_p",
        Scale("p_value", "lower", _SHARE),
        "overfit_diagnostics.reality_check_p",
        "p-value of White's Reality Check, more conservative than Hansen's.",
    ),
    computed(
        "track_record_ratio",
        Scale("ratio", "higher", _NOT_NEGATIVE),
        ("overfit_diagnostics",),
        path_readings.track_record_ratio,
        "Observed bars over the minimum track record length.",
    ),
    field_of(
        "narrow_peak_share",
        Scale("fraction", "lower", _SHARE),
        "overfit_diagnostics.sensitivity.narrow_peak_ratio",
        "Neighbours that keep less than half of the declared Sharpe ratio, as a share.",
    ),
    field_of(
        "bootstrap_sharpe_annual_low",
        Scale("sharpe_annual", "higher", _ANY),
        "overfit_diagnostics.sharpe_interval.sharpe_annual_low",
        "Lower end of the bootstrap confidence interval of the annualized Sharpe ratio.",
    ),
)

_RISK: Final = (
    field_of(
        "max_drawdown_fraction",
        Scale("fraction", "lower", _SHARE),
        _OOS + "max_drawdown_fraction",
        "Deepest fall of out-of-sample equity from its peak.",
    ),
    computed(
        "worst_stress_drawdown_fraction",
        Scale("fraction", "lower", _SHARE),
        _STRESS,
        path_readings.worst_stress_drawdown_fraction,
        "Deepest fall of equity from its peak under any stress scenario.",
    ),
    field_of(
        "turnover_annual",
        Scale("times_per_year", "lower", _NOT_NEGATIVE),
        _OOS + "turnover_annual",
        "Traded notional per year over equity, buys and sells added.",
    ),
    field_of(
        "cost_annual_fraction",
        Scale("fraction", "lower", _NOT_NEGATIVE),
        _OOS + "cost_annual_fraction",
        "Trading costs per year as a fraction of equity.",
    ),
    field_of(
        "max_gross_fraction",
        Scale("fraction", "lower", _NOT_NEGATIVE),
        _OOS + "max_gross_fraction",
        "Largest sum of absolute weights.",
    ),
    field_of(
        "max_symbol_fraction",
        Scale("fraction", "lower", _NOT_NEGATIVE),
        _OOS + "max_symbol_fraction",
        "Largest absolute weight of one symbol.",
    ),
    field_of(
        "concentration_hhi",
        Scale("fraction", "lower", _SHARE),
        _OOS + "concentration_hhi",
        "Herfindahl-Hirschman index of the absolute weights; its inverse counts equal names.",
    ),
    field_of(
        "max_participation_fraction",
        Scale("fraction", "lower", _SHARE),
        _OOS + "max_participation_fraction",
        "Largest share of a bar's volume that one trade took.",
    ),
    field_of(
        "unfilled_fraction",
        Scale("fraction", "lower", _SHARE),
        _OOS + "unfilled_fraction",
        "Desired notional that found no volume, as a fraction of what was desired.",
    ),
    field_of(
        "capacity_usd",
        Scale("usd", "higher", _NOT_NEGATIVE),
        "backtest_metrics.capacity_usd",
        "Equity up to which the strategy still pays for its own market impact.",
    ),
)

MEASUREMENTS: Final = MappingProxyType(
    {entry.name: entry for entry in (*_DATA, *_ROBUSTNESS, *_OVERFITTING, *_RISK)}
)
"""Every measurement by name, in the order of the gates."""
