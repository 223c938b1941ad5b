"""Each limit of the shipped policy, on its edge and just beyond it."""

import datetime as dt
import math
from collections.abc import Callable

import pytest
from gate_evidence import POLICY, changed, get, passing, rebound, without_item

from torghut_assets.domain.gates.evaluate import evaluate_gates
from torghut_assets.domain.gates.evidence import GateEvidence
from torghut_assets.domain.gates.measurements import MEASUREMENTS
from torghut_assets.domain.gates.policy import GatePolicy
from torghut_assets.domain.gates.records import GateReport, LimitResult
from torghut_assets.domain.snapshots.records import QualityFinding
from torghut_assets.domain.verdicts import Verdict

Change = Callable[[GateEvidence], GateEvidence]


def decide(evidence: GateEvidence, policy: GatePolicy = POLICY) -> GateReport:
    return evaluate_gates(evidence, policy, code_version="test")


def result_of(report: GateReport, name: str) -> LimitResult:
    return next(r for gate in report.gates for r in gate.limits if r.name == name)


def to(*assignments: tuple[str, object]) -> Change:
    def change(evidence: GateEvidence) -> GateEvidence:
        for path, value in assignments:
            evidence = changed(evidence, path, value)
        return evidence

    return change


def without(path: str, place: int = 0) -> Change:
    return lambda evidence: without_item(evidence, path, place)


def out_of_sample(field: str, value: float) -> Change:
    """Change the out-of-sample path where it is recorded: in backtest and stress base."""
    return to(
        (f"backtest_metrics.out_of_sample.{field}", value), (f"stress_metrics.base.{field}", value)
    )


def folds_lost(count: int) -> Change:
    """Let the first `count` folds lose."""
    return to(
        *(
            (f"backtest_metrics.folds.{place}.test.total_return_fraction", -0.01)
            for place in range(count)
        ),
        *(
            (f"backtest_metrics.folds.{place}.test.total_return_fraction", 0.01)
            for place in range(count, 8)
        ),
    )


def with_folds(count: int) -> Change:
    """Keep the first `count` folds, with a path of their length."""

    def change(evidence: GateEvidence) -> GateEvidence:
        folds = get(evidence, "backtest_metrics.folds")[:count]
        bars = sum(fold.test.n_bars for fold in folds)
        evidence = changed(evidence, "backtest_metrics.folds", folds)
        evidence = out_of_sample("n_bars", bars)(evidence)
        return changed(evidence, "overfit_diagnostics.observed_bars", bars)

    return change


def gaps(sessions: int) -> Change:
    """Let every symbol miss so many of its 2,266 sessions."""

    def change(evidence: GateEvidence) -> GateEvidence:
        for place in range(6):
            where = f"dataset_snapshot.symbols.{place}"
            evidence = changed(evidence, f"{where}.missing_sessions", sessions)
            evidence = changed(evidence, f"{where}.rows", 2500 - sessions)
        rows = 6 * (2500 - sessions)
        return to(("dataset_snapshot.rows", rows), ("dataset_snapshot.files.0.rows", rows))(
            evidence
        )

    return change


def one_symbol_covers(rows: int) -> Change:
    """Let one of six symbols have so many of 2,000 sessions, in a long snapshot."""

    def change(evidence: GateEvidence) -> GateEvidence:
        for place in range(6):
            present = rows if place == 2 else 20_000
            missing = 2_000 - rows if place == 2 else 0
            where = f"dataset_snapshot.symbols.{place}"
            evidence = changed(evidence, f"{where}.rows", present)
            evidence = changed(evidence, f"{where}.missing_sessions", missing)
        total = 5 * 20_000 + rows
        return to(("dataset_snapshot.rows", total), ("dataset_snapshot.files.0.rows", total))(
            evidence
        )

    return change


def stale(days: int) -> Change:
    last = dt.date(2021, 12, 31) - dt.timedelta(days=days)
    return to(("dataset_snapshot.last_session", last))


def stress_sharpe(change_of_worst: float) -> Change:
    return to(
        ("stress_metrics.results.1.path.sharpe_annual", 1.05 + change_of_worst),
        ("stress_metrics.results.1.sharpe_change", change_of_worst),
    )


def ratio(numerator: str, denominator: str, value: float) -> Change:
    return to((numerator, value * 2.0), (denominator, 2.0))


AN_ERROR = QualityFinding(check="positive_prices", severity="error", count=1, example="AAPL")
A_WARNING = QualityFinding(check="price_jumps", severity="warning", count=9, example="NFLX")
SENSITIVITY = "backtest_metrics.sensitivity."
OVERFIT = "overfit_diagnostics."

EDGES: dict[str, tuple[Change, Change]] = {
    "data_errors": (
        to(("dataset_snapshot.findings", (A_WARNING,))),
        to(("dataset_snapshot.findings", (A_WARNING, AN_ERROR))),
    ),
    "missing_sessions": (gaps(50), gaps(51)),
    "symbol_coverage": (one_symbol_covers(1600), one_symbol_covers(1599)),
    "staleness": (stale(5), stale(6)),
    "conformance_tests": (to(), without("strategy_build.results")),
    "conformance_failures": (
        to(),
        to(("strategy_build.results.3.verdict", Verdict.INCONCLUSIVE)),
    ),
    "reproducibility": (
        to(),
        to(("reproducibility_manifest.outputs.1.second_digest", "f" * 64)),
    ),
    "evidence_chain": (to(), to(("backtest_metrics.by_symbol.0.symbol", "TSLA"))),
    "folds": (with_folds(5), with_folds(4)),
    "folds_sound": (to(), to(("backtest_metrics.folds.2.train_end_bar", 770))),
    "positive_folds": (folds_lost(3), folds_lost(4)),
    "out_of_sample_length": (with_folds(6), with_folds(5)),
    "out_of_sample_sharpe": (
        out_of_sample("sharpe_annual", 0.5),
        out_of_sample("sharpe_annual", 0.4999),
    ),
    "sharpe_retention": (
        to(("backtest_metrics.in_sample_sharpe_annual", 2.1)),
        to(("backtest_metrics.in_sample_sharpe_annual", 2.1001)),
    ),
    "parameter_plateau": (
        ratio(
            SENSITIVITY + "neighbour_median_sharpe_annual",
            SENSITIVITY + "declared_sharpe_annual",
            0.7,
        ),
        ratio(
            SENSITIVITY + "neighbour_median_sharpe_annual",
            SENSITIVITY + "declared_sharpe_annual",
            0.6999,
        ),
    ),
    "grid_positive": (
        to((SENSITIVITY + "grid_share_positive", 0.7)),
        to((SENSITIVITY + "grid_share_positive", 0.6999)),
    ),
    "stress_complete": (to(), without("stress_metrics.results", 2)),
    "stress_bites": (to(), to(("stress_metrics.results.4.returns_digest", "6" * 64))),
    "stress_sharpe": (stress_sharpe(-0.5), stress_sharpe(-0.5001)),
    "double_cost_expectancy": (
        to(("stress_metrics.results.0.mean_return_per_bar", 0.1e-4)),
        to(("stress_metrics.results.6.mean_return_per_bar", 0.0999e-4)),
    ),
    "overfit_evidence_chain": (to(), to((OVERFIT + "observed_bars", 1007))),
    "deflated_sharpe": (to((OVERFIT + "dsr", 0.95)), to((OVERFIT + "dsr", 0.9499))),
    "overfitting_probability": (to((OVERFIT + "pbo", 0.1)), to((OVERFIT + "pbo", 0.1001))),
    "superior_ability": (
        to((OVERFIT + "spa_p_consistent", 0.05)),
        to((OVERFIT + "spa_p_consistent", 0.0501)),
    ),
    "track_record": (
        to((OVERFIT + "min_track_record_bars", 1008.0)),
        to((OVERFIT + "min_track_record_bars", 1009.0)),
    ),
    "narrow_peak": (
        to((OVERFIT + "sensitivity.narrow_peak_ratio", 0.5)),
        to((OVERFIT + "sensitivity.narrow_peak_ratio", 0.5001)),
    ),
    "drawdown": (
        out_of_sample("max_drawdown_fraction", 0.3),
        out_of_sample("max_drawdown_fraction", 0.3001),
    ),
    "stress_drawdown": (
        to(("stress_metrics.results.5.path.max_drawdown_fraction", 0.45)),
        to(("stress_metrics.results.5.path.max_drawdown_fraction", 0.4501)),
    ),
    "turnover": (out_of_sample("turnover_annual", 25.0), out_of_sample("turnover_annual", 25.01)),
    "cost": (
        out_of_sample("cost_annual_fraction", 0.02),
        out_of_sample("cost_annual_fraction", 0.0201),
    ),
    "gross_exposure": (
        out_of_sample("max_gross_fraction", 1.1),
        out_of_sample("max_gross_fraction", 1.1001),
    ),
    "symbol_weight": (
        out_of_sample("max_symbol_fraction", 0.4),
        out_of_sample("max_symbol_fraction", 0.4001),
    ),
    "concentration": (
        out_of_sample("concentration_hhi", 0.5),
        out_of_sample("concentration_hhi", 0.5001),
    ),
    "participation": (
        out_of_sample("max_participation_fraction", 0.05),
        out_of_sample("max_participation_fraction", 0.0501),
    ),
    "unfilled": (
        out_of_sample("unfilled_fraction", 0.05),
        out_of_sample("unfilled_fraction", 0.0501),
    ),
    "capacity": (
        to(("backtest_metrics.capacity_usd", 2e7)),
        to(("backtest_metrics.capacity_usd", 1.999e7)),
    ),
}
"""Limit name: a change to the last evidence that passes, and one to the first that does not."""

FALLS_WITH: dict[str, set[str]] = {
    "folds": {"out_of_sample_length", "track_record"},
    "stress_complete": {
        "stress_bites",
        "stress_sharpe",
        "double_cost_expectancy",
        "stress_drawdown",
    },
    "overfit_evidence_chain": {"track_record"},
    "out_of_sample_sharpe": {"sharpe_retention"},
}
"""Limits that the same change may breach too, because they look at the same number."""


def test_the_table_covers_the_policy():
    assert set(EDGES) == {limit.name for limit in POLICY.limits}


def test_the_passing_evidence_passes_everything():
    report = decide(passing())
    assert report.failed == ()
    assert report.verdict is report.beyond_paper_verdict is Verdict.PASS
    assert report.next_action == "request_paper_deployment"


@pytest.mark.parametrize("name", EDGES)
def test_every_limit_is_inclusive(name):
    on_the_edge = rebound(EDGES[name][0](passing()))
    result = result_of(decide(on_the_edge), name)
    assert result.verdict is Verdict.PASS
    assert result.status == "PASSED"
    assert result.reason is None


@pytest.mark.parametrize(
    "name",
    [name for name in EDGES if name != "positive_folds"],
)
def test_the_edge_is_the_limit_itself(name):
    result = result_of(decide(rebound(EDGES[name][0](passing()))), name)
    assert result.margin == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("limit", POLICY.limits, ids=lambda limit: limit.name)
def test_every_limit_can_fail(limit):
    report = decide(rebound(EDGES[limit.name][1](passing())))
    result = result_of(report, limit.name)
    assert result.status == "LIMIT_BREACHED"
    assert result.margin < 0.0
    assert result.reason.code == limit.reason_code
    assert limit.name in result.reason.text
    assert limit.name in report.failed
    assert set(report.failed) - {limit.name} <= FALLS_WITH.get(limit.name, set())
    failed_for_paper = limit.required_for == "paper"
    assert (report.verdict is Verdict.FAIL) == failed_for_paper
    assert report.beyond_paper_verdict is Verdict.FAIL
    assert (report.next_action == "return_to_research_intake") == failed_for_paper
    gate = next(g for g in report.gates if limit.name in {r.name for r in g.limits})
    assert (gate.status is Verdict.FAIL) == failed_for_paper
    assert gate.beyond_paper_status is Verdict.FAIL


@pytest.mark.parametrize("limit", POLICY.limits, ids=lambda limit: limit.name)
def test_a_limit_names_its_source_and_a_known_measurement(limit):
    entry = MEASUREMENTS[limit.measurement]
    assert limit.unit == entry.unit
    assert (limit.bound == "at_least") == (entry.better == "higher")
    assert len(limit.source) > 30


BROKEN_VALUES = [
    (None, "NOT_MEASURED"),
    (math.nan, "NOT_A_NUMBER"),
    (math.inf, "INFINITE"),
    (-math.inf, "INFINITE"),
    (10**400, "INFINITE"),
    ("0.1", "WRONG_TYPE"),
    (True, "WRONG_TYPE"),
    ([0.1], "WRONG_TYPE"),
]
PATHS = {
    "max_drawdown_fraction": "backtest_metrics.out_of_sample.max_drawdown_fraction",
    "turnover_annual": "backtest_metrics.out_of_sample.turnover_annual",
    "cost_annual_fraction": "backtest_metrics.out_of_sample.cost_annual_fraction",
    "max_gross_fraction": "backtest_metrics.out_of_sample.max_gross_fraction",
    "max_symbol_fraction": "backtest_metrics.out_of_sample.max_symbol_fraction",
    "concentration_hhi": "backtest_metrics.out_of_sample.concentration_hhi",
    "max_participation_fraction": "backtest_metrics.out_of_sample.max_participation_fraction",
    "unfilled_fraction": "backtest_metrics.out_of_sample.unfilled_fraction",
    "capacity_usd": "backtest_metrics.capacity_usd",
    "out_of_sample_bars": "backtest_metrics.out_of_sample.n_bars",
    "out_of_sample_sharpe_annual": "backtest_metrics.out_of_sample.sharpe_annual",
    "sharpe_retention_ratio": "backtest_metrics.in_sample_sharpe_annual",
    "positive_fold_share": "backtest_metrics.folds.7.test.total_return_fraction",
    "neighbour_median_ratio": "backtest_metrics.sensitivity.neighbour_median_sharpe_annual",
    "grid_share_positive": "backtest_metrics.sensitivity.grid_share_positive",
    "worst_stress_sharpe_change": "stress_metrics.results.2.sharpe_change",
    "worst_stress_drawdown_fraction": "stress_metrics.results.2.path.max_drawdown_fraction",
    "double_cost_expectancy_bps_per_bar": "stress_metrics.results.0.mean_return_per_bar",
    "missing_session_share": "dataset_snapshot.symbols.3.missing_sessions",
    "symbol_coverage_share": "dataset_snapshot.symbols.3.missing_sessions",
    "evidence_contradictions": "dataset_snapshot.rows",
    "overfit_contradictions": "overfit_diagnostics.trials_raw",
    "deflated_sharpe_probability": "overfit_diagnostics.dsr",
    "deflated_sharpe_probability_effective": "overfit_diagnostics.dsr_effective",
    "backtest_overfitting_probability": "overfit_diagnostics.pbo",
    "superior_predictive_ability_p": "overfit_diagnostics.spa_p_consistent",
    "reality_check_p": "overfit_diagnostics.reality_check_p",
    "track_record_ratio": "overfit_diagnostics.min_track_record_bars",
    "narrow_peak_share": "overfit_diagnostics.sensitivity.narrow_peak_ratio",
    "bootstrap_sharpe_annual_low": "overfit_diagnostics.sharpe_interval.sharpe_annual_low",
}
"""Measurement: one number that it cannot do without."""


@pytest.mark.parametrize(("value", "problem"), BROKEN_VALUES, ids=lambda v: str(v)[:12])
@pytest.mark.parametrize("measurement", PATHS)
def test_a_broken_number_fails_with_its_own_reason(measurement, value, problem):
    path = PATHS[measurement]
    evidence = passing()
    name, _, field = path.rpartition(".")
    owner = get(evidence, name)
    evidence = changed(evidence, name, owner.model_copy(update={field: value}))
    policy = policy_with(measurement)
    report = decide(evidence, policy)
    result = result_of(report, "probe")
    assert result.status == problem
    assert result.measured is None
    assert result.margin is None
    assert result.reason.code == problem
    assert report.verdict is Verdict.FAIL


def policy_with(measurement: str) -> GatePolicy:
    """Return a policy with one limit on the measurement, and one that passes per other gate."""
    entry = MEASUREMENTS[measurement]
    first, second, third = POLICY.gates
    probe = second.limits[0].model_copy(
        update={
            "name": "probe",
            "measurement": measurement,
            "bound": "at_least" if entry.better == "higher" else "at_most",
            "unit": entry.unit,
            "limit": 0.5,
            "required_for": "paper",
        }
    )
    return POLICY.model_copy(
        update={
            "gates": (
                first.model_copy(update={"limits": (first.limits[0],)}),
                second.model_copy(update={"limits": (probe,)}),
                third.model_copy(update={"limits": (third.limits[0],)}),
            )
        }
    )


RECORDS = {name: entry.records for name, entry in MEASUREMENTS.items()}


@pytest.mark.parametrize(
    ("measurement", "record"), [(name, r) for name, records in RECORDS.items() for r in records]
)
def test_a_missing_record_fails_what_reads_it(measurement, record):
    policy = policy_with(measurement)
    result = result_of(decide(changed(passing(), record, None), policy), "probe")
    assert result.status == "MISSING_EVIDENCE"
    assert result.verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("measurement", "record"), [(name, r) for name, records in RECORDS.items() for r in records]
)
@pytest.mark.parametrize("impostor", [{"dsr": 1.0}, "a record", 1.0])
def test_an_impostor_fails_what_reads_it(measurement, record, impostor):
    policy = policy_with(measurement)
    result = result_of(decide(changed(passing(), record, impostor), policy), "probe")
    assert result.status == "WRONG_TYPE"


@pytest.mark.parametrize(
    ("path", "value", "limit", "problem"),
    [
        ("backtest_metrics.out_of_sample.max_drawdown_fraction", -0.1, "drawdown", "WRONG_SIGN"),
        (
            "backtest_metrics.out_of_sample.max_drawdown_fraction",
            1.2,
            "drawdown",
            "IMPOSSIBLE_VALUE",
        ),
        ("backtest_metrics.out_of_sample.cost_annual_fraction", -0.001, "cost", "WRONG_SIGN"),
        ("backtest_metrics.out_of_sample.turnover_annual", -3.0, "turnover", "WRONG_SIGN"),
        ("backtest_metrics.capacity_usd", -1.0, "capacity", "WRONG_SIGN"),
        ("overfit_diagnostics.dsr", 1.01, "deflated_sharpe", "IMPOSSIBLE_VALUE"),
        ("overfit_diagnostics.dsr", -0.01, "deflated_sharpe", "WRONG_SIGN"),
        ("overfit_diagnostics.pbo", -0.01, "overfitting_probability", "WRONG_SIGN"),
        ("overfit_diagnostics.spa_p_consistent", -1e-9, "superior_ability", "WRONG_SIGN"),
        (
            "stress_metrics.results.1.path.max_drawdown_fraction",
            -0.2,
            "stress_drawdown",
            "WRONG_SIGN",
        ),
        ("dataset_snapshot.last_session", dt.date(2022, 1, 3), "staleness", "WRONG_SIGN"),
    ],
)
def test_a_value_that_cannot_exist_fails_though_it_would_keep_the_limit(
    path, value, limit, problem
):
    report = decide(rebound(changed(passing(), path, value)))
    result = result_of(report, limit)
    assert result.status == problem
    assert result.measured is not None
    assert result.margin is None
    assert limit in report.failed
    assert report.beyond_paper_verdict is Verdict.FAIL
