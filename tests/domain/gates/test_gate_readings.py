"""Measurements that are more than one field, next to values counted by hand."""

import datetime as dt
import math

import pytest
from gate_evidence import changed, get, passing, without_item
from pydantic import ValidationError

from torghut_assets.domain.backtest.overfit_records import OverfitDiagnostics, SharpeInterval
from torghut_assets.domain.gates.evidence import GateEvidence, Problem
from torghut_assets.domain.gates.measurements import MEASUREMENTS
from torghut_assets.domain.gates.measuring import Reading, measure
from torghut_assets.domain.snapshots.records import QualityFinding


def reading(name: str, evidence: GateEvidence) -> Reading:
    return measure(MEASUREMENTS[name], evidence)


def minute_bars(missing: int, first: dt.date, last: dt.date) -> GateEvidence:
    evidence = changed(passing(), "dataset_snapshot.frequency", "1m")
    evidence = changed(evidence, "dataset_snapshot.first_session", first)
    evidence = changed(evidence, "dataset_snapshot.last_session", last)
    return changed(evidence, "dataset_snapshot.symbols.1.missing_sessions", missing)


def test_gaps_of_daily_bars_are_a_share_of_rows_and_gaps():
    # 2,265 rows and 1 gap for each of six symbols; one symbol has 35 gaps.
    evidence = changed(passing(), "dataset_snapshot.symbols.4.missing_sessions", 35)
    pooled = reading("missing_session_share", evidence)
    assert pooled.value == pytest.approx(40 / (5 * 2266 + 2300))
    assert pooled.details == ("most gaps: NFLX",)
    worst = reading("symbol_coverage_share", evidence)
    assert worst.value == pytest.approx(2265 / 2300)
    assert worst.details == ("worst symbol: NFLX",)


@pytest.mark.parametrize(
    ("first", "last", "weekdays"),
    [
        (dt.date(2024, 1, 1), dt.date(2024, 12, 31), 262),
        (dt.date(2024, 1, 1), dt.date(2024, 1, 5), 5),
        (dt.date(2024, 1, 5), dt.date(2024, 1, 8), 2),
        (dt.date(2024, 1, 4), dt.date(2024, 1, 16), 9),
    ],
)
def test_gaps_of_minute_bars_are_a_share_of_weekdays(first, last, weekdays):
    expected = weekdays * 248 / 262
    value = reading("symbol_coverage_share", minute_bars(2, first, last)).value
    assert value == pytest.approx(max(0.0, 1 - 2 / max(expected, 2)))


def test_a_window_that_ends_before_it_starts_covers_nothing():
    evidence = minute_bars(3, dt.date(2024, 2, 1), dt.date(2024, 1, 1))
    assert reading("symbol_coverage_share", evidence).value == 0.0


def test_a_symbol_without_any_session_is_not_measured():
    evidence = changed(passing(), "dataset_snapshot.symbols.0.rows", 0)
    evidence = changed(evidence, "dataset_snapshot.symbols.0.missing_sessions", 0)
    evidence = changed(evidence, "dataset_snapshot.rows", 5 * 2265)
    assert reading("missing_session_share", evidence).problem is Problem.NOT_MEASURED


@pytest.mark.parametrize("day", ["2021-12-30", dt.datetime(2021, 12, 30, tzinfo=dt.UTC), None, 7])
def test_a_day_that_is_no_date_is_not_a_day(day):
    evidence = changed(passing(), "dataset_snapshot.last_session", day)
    assert reading("staleness_days", evidence).problem is Problem.WRONG_TYPE


def test_violations_are_summed_over_checks_and_warnings_do_not_count():
    findings = (
        QualityFinding(check="volume_sign", severity="error", count=3, example="x"),
        QualityFinding(check="price_jumps", severity="warning", count=50, example="x"),
        QualityFinding(check="no_nulls", severity="error", count=2, example="x"),
    )
    found = reading("data_errors", changed(passing(), "dataset_snapshot.findings", findings))
    assert found.value == 5
    assert found.details == ("volume_sign: 3", "no_nulls: 2")


@pytest.mark.parametrize("count", [0, -7])
def test_a_finding_with_a_hostile_count_is_still_a_finding(count):
    finding = QualityFinding(check="no_nulls", severity="error", count=1, example="x")
    hostile = finding.model_copy(update={"count": count})
    evidence = changed(passing(), "dataset_snapshot.findings", (hostile,))
    assert reading("data_errors", evidence).value == 1


def test_an_unknown_severity_is_not_harmless():
    finding = QualityFinding(check="no_nulls", severity="error", count=1, example="x")
    hostile = finding.model_copy(update={"severity": "info"})
    evidence = changed(passing(), "dataset_snapshot.findings", (hostile,))
    assert reading("data_errors", evidence).problem is Problem.WRONG_TYPE


def test_a_test_that_was_repeated_counts_once():
    results = passing().strategy_build.results
    evidence = changed(passing(), "strategy_build.results", results + results[:3])
    assert reading("conformance_tests", evidence).value == len(results)


@pytest.mark.parametrize(
    ("name", "path", "place"),
    [
        ("positive_fold_share", "backtest_metrics.folds", 3),
        ("missing_session_share", "dataset_snapshot.symbols", 0),
        ("symbol_coverage_share", "dataset_snapshot.symbols", 0),
        ("reproducibility_mismatches", "reproducibility_manifest.outputs", 2),
        ("stress_equal_to_base", "stress_metrics.results", 2),
        ("worst_stress_sharpe_change", "stress_metrics.results", 6),
        ("worst_stress_drawdown_fraction", "stress_metrics.results", 6),
        ("double_cost_expectancy_bps_per_bar", "stress_metrics.results", 0),
    ],
)
def test_an_aggregate_over_incomplete_parts_is_missing_evidence(name, path, place):
    found = reading(name, without_item(passing(), path, place))
    assert found.problem is Problem.MISSING_EVIDENCE
    assert found.value is None


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("conformance_failures", "strategy_build.results"),
        ("reproducibility_mismatches", "reproducibility_manifest.outputs"),
        ("stress_equal_to_base", "stress_metrics.results"),
        ("positive_fold_share", "backtest_metrics.folds"),
        ("missing_session_share", "dataset_snapshot.symbols"),
    ],
)
def test_nothing_at_all_is_not_measured(name, path):
    assert reading(name, changed(passing(), path, ())).problem is Problem.NOT_MEASURED


def test_the_worst_scenario_is_named():
    found = reading("worst_stress_sharpe_change", passing())
    assert found.value == pytest.approx(-0.4)
    assert found.details == ("worst scenario: fees_x2",)


@pytest.mark.parametrize("field", ["sharpe_change", "path.sharpe_annual"])
def test_the_worse_of_recorded_and_recomputed_change_counts(field):
    evidence = changed(passing(), f"stress_metrics.results.3.{field}", -1.0)
    expected = -1.0 if field == "sharpe_change" else -2.05
    assert reading("worst_stress_sharpe_change", evidence).value == pytest.approx(expected)


def test_the_same_scenario_twice_counts_at_its_worst():
    results = get(passing(), "stress_metrics.results")
    path = results[0].path.model_copy(update={"max_drawdown_fraction": 0.88})
    twice = (*results, results[0].model_copy(update={"path": path}))
    evidence = changed(passing(), "stress_metrics.results", twice)
    assert reading("worst_stress_drawdown_fraction", evidence).value == 0.88


@pytest.mark.parametrize("divisor", [0.0, -0.0, -1.2])
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("sharpe_retention_ratio", "backtest_metrics.in_sample_sharpe_annual"),
        ("neighbour_median_ratio", "backtest_metrics.sensitivity.declared_sharpe_annual"),
        ("track_record_ratio", "overfit_diagnostics.min_track_record_bars"),
    ],
)
def test_a_ratio_to_nothing_is_not_measured(name, path, divisor):
    assert reading(name, changed(passing(), path, divisor)).problem is Problem.NOT_MEASURED


def test_two_losses_do_not_make_a_good_ratio():
    evidence = changed(passing(), "backtest_metrics.in_sample_sharpe_annual", -0.5)
    evidence = changed(evidence, "backtest_metrics.out_of_sample.sharpe_annual", -0.6)
    assert reading("sharpe_retention_ratio", evidence).problem is Problem.NOT_MEASURED


def test_a_point_without_neighbours_is_not_a_plateau():
    evidence = changed(passing(), "backtest_metrics.sensitivity.neighbours", 0)
    assert reading("neighbour_median_ratio", evidence).problem is Problem.NOT_MEASURED


def test_a_quotient_beyond_any_float_is_infinite():
    evidence = changed(passing(), "backtest_metrics.out_of_sample.sharpe_annual", 1e300)
    evidence = changed(evidence, "backtest_metrics.in_sample_sharpe_annual", 1e-300)
    found = reading("sharpe_retention_ratio", evidence)
    assert found.problem is Problem.INFINITE
    assert found.value is None


def test_an_invalid_backtest_has_no_sound_folds():
    evidence = changed(passing(), "backtest_metrics.capacity_usd", math.nan)
    assert reading("fold_faults", evidence).problem is Problem.WRONG_TYPE


def test_overfit_evidence_is_stored_and_read_back():
    record = passing().overfit_diagnostics
    assert record.subject == "trend-of-six|us-megacaps@2021-12-31"
    payload = record.canonical_bytes()
    assert OverfitDiagnostics.from_canonical_bytes(payload, location="store") == record


def test_an_interval_does_not_end_before_it_starts():
    SharpeInterval(confidence=0.95, sharpe_annual_low=None, sharpe_annual_high=0.1)
    with pytest.raises(ValidationError, match="above"):
        SharpeInterval(confidence=0.95, sharpe_annual_low=0.2, sharpe_annual_high=0.1)
