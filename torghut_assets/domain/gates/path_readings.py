"""How robust is the simulated path: measurements of folds, neighbours, stress and record.

Every function takes the evidence and returns `Found`: a value and, where it helps a reader,
what it comes from. Each raises `UnusableEvidenceError` if any value it needs is unusable: an
aggregate over a NaN is never the aggregate over the rest, and a worst case over incomplete
parts is not a worst case.
"""

from typing import Any, Final, get_args

from torghut_assets.domain.backtest.folds import incomplete_folds
from torghut_assets.domain.backtest.records import StressName
from torghut_assets.domain.gates.evidence import (
    Found,
    GateEvidence,
    Problem,
    UnusableEvidenceError,
    attribute,
    items,
    items_of,
    number,
    quotient,
    record_of,
    require_names,
    require_sum,
    text,
)

SCENARIOS: Final[tuple[str, ...]] = get_args(StressName)
DOUBLE_COST: Final = ("spread_x2", "fees_x2")


def folds(evidence: GateEvidence) -> Found:
    """Count the folds."""
    return Found(float(len(items(record_of(evidence, "backtest_metrics"), "folds"))))


def fold_faults(evidence: GateEvidence) -> Found:
    """Sentences that `folds.incomplete_folds` finds; the record must be valid as a whole."""
    backtest = record_of(evidence, "backtest_metrics")
    if evidence.digests["backtest_metrics"] is None:
        raise UnusableEvidenceError(Problem.WRONG_TYPE, "backtest_metrics is not a valid record")
    found = incomplete_folds(backtest.folds, backtest.settings)
    return Found(float(len(found)), found)


def _all_folds(evidence: GateEvidence) -> tuple[Any, ...]:
    """Return the folds, whose tests make up the whole out-of-sample path."""
    backtest = record_of(evidence, "backtest_metrics")
    tested = items_of(backtest, "folds")
    bars = sum(number(fold, "test.n_bars") for fold in tested)
    require_sum("test bars of the folds", bars, number(backtest, "out_of_sample.n_bars"))
    return tested


def positive_fold_share(evidence: GateEvidence) -> Found:
    """Share of folds whose test return is above zero."""
    tested = _all_folds(evidence)
    negative = [
        f"fold {number(fold, 'fold'):g}: {number(fold, 'test.total_return_fraction'):+.1%}"
        for fold in tested
        if number(fold, "test.total_return_fraction") <= 0.0
    ]
    return Found(1.0 - len(negative) / len(tested), tuple(negative))


def sharpe_retention_ratio(evidence: GateEvidence) -> Found:
    """Out-of-sample over in-sample Sharpe ratio; not measured unless the latter is positive."""
    backtest = record_of(evidence, "backtest_metrics")
    return Found(quotient(backtest, "out_of_sample.sharpe_annual", "in_sample_sharpe_annual"))


def neighbour_median_ratio(evidence: GateEvidence) -> Found:
    """Neighbours' median over declared Sharpe ratio; not measured without any neighbour."""
    sensitivity = attribute(record_of(evidence, "backtest_metrics"), "sensitivity")
    neighbours = number(sensitivity, "neighbours")
    if neighbours < 1:
        raise UnusableEvidenceError(
            Problem.NOT_MEASURED, "the declared point has no neighbour in the parameter grid"
        )
    ratio = quotient(sensitivity, "neighbour_median_sharpe_annual", "declared_sharpe_annual")
    return Found(ratio, (f"{neighbours:g} neighbours",))


def track_record_ratio(evidence: GateEvidence) -> Found:
    """Observed over needed bars; not measured unless the need is positive."""
    overfit = record_of(evidence, "overfit_diagnostics")
    return Found(quotient(overfit, "observed_bars", "min_track_record_bars"))


def _all_scenarios(evidence: GateEvidence) -> tuple[Any, ...]:
    """Return the results, among them one for every scenario of the closed list."""
    results = items_of(record_of(evidence, "stress_metrics"), "results")
    require_names(SCENARIOS, {text(result, "scenario") for result in results})
    return results


def stress_scenarios_missing(evidence: GateEvidence) -> Found:
    """Names of the closed list that no result has."""
    results = items(record_of(evidence, "stress_metrics"), "results")
    present = {text(result, "scenario") for result in results}
    missing = tuple(name for name in SCENARIOS if name not in present)
    return Found(float(len(missing)), missing)


def stress_equal_to_base(evidence: GateEvidence) -> Found:
    """Scenarios whose returns digest is the base's."""
    stress = record_of(evidence, "stress_metrics")
    base = text(stress, "base_returns_digest")
    equal = [
        text(result, "scenario")
        for result in _all_scenarios(evidence)
        if text(result, "returns_digest") == base
    ]
    return Found(float(len(equal)), tuple(equal))


def worst_stress_sharpe_change(evidence: GateEvidence) -> Found:
    """Lowest change of the Sharpe ratio, as recorded or as the paths say, whichever is lower."""
    stress = record_of(evidence, "stress_metrics")
    base = number(stress, "base.sharpe_annual")
    changes = [
        (
            min(number(result, "sharpe_change"), number(result, "path.sharpe_annual") - base),
            text(result, "scenario"),
        )
        for result in _all_scenarios(evidence)
    ]
    worst = min(changes)
    return Found(worst[0], (f"worst scenario: {worst[1]}",))


def worst_stress_drawdown_fraction(evidence: GateEvidence) -> Found:
    """Deepest drawdown of any scenario."""
    depths = [
        (number(result, "path.max_drawdown_fraction"), text(result, "scenario"))
        for result in _all_scenarios(evidence)
    ]
    deepest = max(depths)
    if min(depths)[0] < 0.0:
        deepest = min(depths)  # a negative drawdown cannot exist; it must not hide behind another
    return Found(deepest[0], (f"worst scenario: {deepest[1]}",))


def double_cost_expectancy_bps_per_bar(evidence: GateEvidence) -> Found:
    """Lowest mean return of the scenarios that double a cost; all of them must be there."""
    means = [
        (number(result, "mean_return_per_bar") * 1e4, text(result, "scenario"))
        for result in _all_scenarios(evidence)
        if text(result, "scenario") in DOUBLE_COST
    ]
    lowest = min(means)
    return Found(lowest[0], (f"worst scenario: {lowest[1]}",))
