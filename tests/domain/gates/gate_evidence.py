"""Evidence that passes every limit of the shipped policy, and ways to spoil it.

`PASSING` is consistent: every digest that a record cites is that of the record next to it.
`changed` replaces a value without any validation, as a hostile or broken writer could;
`rebound` then makes all citations agree again, so that only the value itself is wrong.
"""

import datetime as dt
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import get_args

from torghut_assets.domain.backtest.overfit_records import (
    FoldStability,
    HoldoutResult,
    NeighbourhoodSensitivity,
    OverfitDiagnostics,
    SharpeInterval,
)
from torghut_assets.domain.backtest.records import (
    BacktestMetrics,
    CostModel,
    EvaluationInputs,
    EvaluationSettings,
    FoldResult,
    OutputComparison,
    OverfitSettings,
    PathMetrics,
    RegimeResult,
    ReproducibilityManifest,
    RiskLimits,
    SensitivityResult,
    StressMetrics,
    StressName,
    StressResult,
    StressSettings,
    SymbolResult,
    TargetWeights,
)
from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.domain.candidates.records import (
    CandidateSpec,
    ConformanceResult,
    FeatureHypothesis,
    RegimeExpectation,
    StrategyBuild,
    StrategyReference,
)
from torghut_assets.domain.gates.evidence import GateEvidence
from torghut_assets.domain.gates.measurements import MEASUREMENTS
from torghut_assets.domain.gates.policy import GatePolicy, Limit, parse_gate_policy
from torghut_assets.domain.records import Record, round_significant
from torghut_assets.domain.snapshots.records import (
    BarFile,
    SnapshotManifest,
    SourceDescription,
    SymbolCoverage,
)
from torghut_assets.domain.verdicts import Verdict

CANDIDATE = "trend-of-six"
SNAPSHOT = "us-megacaps@2021-12-31"
SYMBOLS = ("AAPL", "AMZN", "GOOG", "META", "NFLX", "NVDA")
N_FOLDS = 8
FOLD_BARS = 126
OUTPUTS = {
    "target-weights": "target_weights",
    "backtest-metrics": "backtest_metrics",
    "stress-metrics": "stress_metrics",
}
D = {c: c * 64 for c in "0123456789abcdef"}
POLICY_BYTES = (
    Path(__file__).parents[3] / "torghut_assets" / "config" / "gate_policy.yaml"
).read_bytes()
SHIPPED_POLICY = parse_gate_policy(POLICY_BYTES)


def staged(policy: GatePolicy) -> GatePolicy:
    """Return the policy with its overfitting limits required beyond paper only, all others for it.

    Tests of the two verdicts need limits of both kinds, whatever the shipped policy says.
    """

    def stage(limit: Limit) -> Limit:
        later = "overfit_diagnostics" in MEASUREMENTS[limit.measurement].records
        return limit.model_copy(update={"required_for": "beyond_paper" if later else "paper"})

    gates = tuple(
        gate.model_copy(update={"limits": tuple(stage(limit) for limit in gate.limits)})
        for gate in policy.gates
    )
    return policy.model_copy(update={"gates": gates})


POLICY = staged(SHIPPED_POLICY)
N_TESTS = next(int(x.limit) for x in POLICY.limits if x.measurement == "conformance_tests")


def sources_of(model: type[Record]) -> dict[str, str]:
    names = set(model.model_fields) - {"sources"}
    return {name: "made up for tests" for name in names if not name.endswith("_version")}


def a_path(n_bars: int = N_FOLDS * FOLD_BARS, **changes: float | None) -> PathMetrics:
    values = {
        "n_bars": n_bars,
        "total_return_fraction": 0.9,
        "annual_return_fraction": 0.17,
        "annual_volatility_fraction": 0.16,
        "sharpe_annual": 1.05,
        "sharpe_per_bar": 0.066,
        "sortino_annual": 1.5,
        "skew": -0.3,
        "kurtosis": 5.0,
        "max_drawdown_fraction": 0.19,
        "hit_rate_fraction": 0.54,
        "turnover_annual": 9.0,
        "cost_annual_fraction": 0.004,
        "mean_gross_fraction": 0.8,
        "max_gross_fraction": 1.02,
        "max_symbol_fraction": 0.36,
        "concentration_hhi": 0.22,
        "max_participation_fraction": 0.004,
        "unfilled_fraction": 0.0,
    }
    return PathMetrics(**{**values, **changes})


def _a_fold(number: int) -> FoldResult:
    start = 509 + (number - 1) * FOLD_BARS
    first = dt.date(2016, 1, 4) + dt.timedelta(days=182 * (number - 1))
    gain = -0.02 if number == 4 else 0.09
    return FoldResult(
        fold=number,
        train_start_bar=start - 509,
        train_end_bar=start - 5,
        test_start_bar=start,
        test_end_bar=start + FOLD_BARS,
        train_bars=504,
        train_first=first - dt.timedelta(days=730),
        train_last=first - dt.timedelta(days=8),
        test_first=first,
        test_last=first + dt.timedelta(days=181),
        chosen={"lookback_bars": 120, "rule": "cross|over"},
        train_sharpe_annual=1.3,
        test=a_path(FOLD_BARS, total_return_fraction=gain, sharpe_annual=10 * gain),
    )


@cache
def passing() -> GateEvidence:
    """Build the evidence with placeholder citations and bind them."""
    inputs = EvaluationInputs(
        candidate_id=CANDIDATE,
        snapshot_id=SNAPSHOT,
        spec_digest=D["0"],
        build_digest=D["0"],
        manifest_digest=D["0"],
        cost_model_digest=D["0"],
        risk_limits_digest=D["0"],
        settings_digest=D["0"],
        trial_policy_digest=D["0"],
    )
    settings = EvaluationSettings(
        settings_version="1",
        periods_per_year=252,
        train_bars=504,
        test_bars=FOLD_BARS,
        label_horizon_bars=2,
        purge_bars=5,
        embargo_bars=5,
        expanding_train=False,
        regime_window_bars=63,
        max_grid_points=1000,
        seed=7,
        stress=StressSettings(
            volatility_spike_factor=2.5,
            volatility_spike_every_bars=126,
            volatility_spike_bars=21,
            drought_volume_fraction=0.1,
            rejection_burst_every_bars=42,
            rejection_burst_bars=5,
            rejection_probability=0.7,
        ),
        overfit=OverfitSettings(resamples=1000, pbo_blocks=16, confidence=0.95, max_points=5000),
        sources=sources_of(EvaluationSettings),
    )
    evidence = GateEvidence(
        candidate_id=CANDIDATE,
        snapshot_id=SNAPSHOT,
        candidate_spec=_a_spec(),
        strategy_build=_a_build(),
        dataset_snapshot=_a_snapshot(),
        cost_model=CostModel(
            model_version="1",
            half_spread_bps=1.0,
            fee_bps=0.3,
            slippage_volatility_fraction=0.02,
            impact_coefficient=0.8,
            volatility_window_bars=20,
            sources=sources_of(CostModel),
        ),
        risk_limits=RiskLimits(
            limits_version="1",
            initial_equity_usd=1e7,
            max_gross_fraction=1.0,
            max_net_fraction=1.0,
            max_symbol_fraction=0.35,
            max_participation_fraction=0.05,
            min_trade_fraction=0.001,
            cooldown_bars=1,
            unfilled="carry",
            execution_lag_bars=1,
            sources=sources_of(RiskLimits),
        ),
        evaluation_settings=settings,
        trial_policy=TrialPolicy(
            policy_version="1",
            join_correlation=0.95,
            recorded_correlation=0.8,
            min_overlap_bars=60,
            holdout_months=12,
            holdout_looks_per_family=1,
            grant_disjoint_windows=False,
            source="made up for tests",
        ),
        target_weights=TargetWeights(
            inputs=inputs,
            frame_digest=D["1"],
            n_bars=1600,
            symbols=SYMBOLS,
            first_nonzero_bar=120,
            mean_gross_fraction=0.8,
            max_gross_fraction=1.0,
        ),
        backtest_metrics=_a_backtest(inputs, settings),
        stress_metrics=_a_stress(inputs),
        reproducibility_manifest=ReproducibilityManifest(
            inputs=inputs,
            code_digest=D["2"],
            package_versions={"numpy": "2.1.0"},
            seed=7,
            outputs=tuple(
                OutputComparison(output=name, first_digest=D["0"], second_digest=D["0"])
                for name in OUTPUTS
            ),
        ),
        overfit_diagnostics=_an_overfit(inputs),
    )
    return rebound(evidence)


def _a_spec() -> CandidateSpec:
    return CandidateSpec(
        candidate_id=CANDIDATE,
        title="Trend <of> six",
        author="A. Researcher",
        thesis="Large caps | trend because flows follow returns.",
        universe="us-megacaps",
        feature_hypotheses=(
            FeatureHypothesis(feature="momentum", hypothesis="Past winners keep winning."),
        ),
        expected_regimes=(
            RegimeExpectation(regime="bull", expectation="Earns most of its return here."),
            RegimeExpectation(regime="turbulent", expectation="Loses a little, never a lot."),
        ),
        strategy=StrategyReference(type="moving-average-trend", version="1.0.0"),
        parameters={"lookback_bars": 120},
        parameter_grid={"lookback_bars": (60, 120, 180)},
        parent=None,
        prior_run_evidence=(),
        declared_outside_trials=4,
    )


def _a_build() -> StrategyBuild:
    return StrategyBuild(
        candidate_id=CANDIDATE,
        spec_digest=D["0"],
        strategy_type="moving-average-trend",
        strategy_version="1.0.0",
        code_digest=D["3"],
        code_module="strategies.moving_average_trend_v1",
        parameter_schema_json="{}",
        parameters={"lookback_bars": 120},
        warm_up_bars=120,
        results=tuple(
            ConformanceResult(test=f"test_{number}", verdict=Verdict.PASS, detail="as it should be")
            for number in range(N_TESTS)
        ),
    )


def _a_snapshot() -> SnapshotManifest:
    first, last = dt.date(2013, 1, 2), dt.date(2021, 12, 30)
    return SnapshotManifest(
        snapshot_id=SNAPSHOT,
        universe="us-megacaps",
        as_of=dt.date(2021, 12, 31),
        frequency="1d",
        calendar="XNYS",
        first_session=first,
        last_session=last,
        rows=6 * 2265,
        symbols=tuple(
            SymbolCoverage(
                symbol=name, rows=2265, first_session=first, last_session=last, missing_sessions=1
            )
            for name in SYMBOLS
        ),
        files=(BarFile(digest=D["4"], rows=6 * 2265, size_bytes=400_000),),
        source=SourceDescription(
            source_kind="embedded", name="made up", licence="none", digest=D["5"], caveats=()
        ),
        checks=("schema", "staleness"),
        findings=(),
    )


def _a_backtest(inputs: EvaluationInputs, settings: EvaluationSettings) -> BacktestMetrics:
    return BacktestMetrics(
        inputs=inputs,
        target_weights_digest=D["0"],
        settings=settings,
        grid_points=3,
        folds=tuple(_a_fold(number) for number in range(1, N_FOLDS + 1)),
        out_of_sample=a_path(),
        in_sample_sharpe_annual=1.4,
        declared=a_path(1600),
        gross_of_costs_sharpe_annual=1.08,
        by_symbol=tuple(
            SymbolResult(
                symbol=name,
                contribution_fraction=0.15,
                cost_fraction=0.003,
                turnover=6.0,
                max_weight_fraction=0.36,
                traded_notional_usd=6e7,
            )
            for name in SYMBOLS
        ),
        by_regime=(
            RegimeResult(
                regime="bull",
                n_bars=700,
                total_return_fraction=0.8,
                sharpe_annual=1.4,
                max_drawdown_fraction=0.1,
            ),
            RegimeResult(
                regime="bear",
                n_bars=308,
                total_return_fraction=0.05,
                sharpe_annual=None,
                max_drawdown_fraction=0.19,
            ),
        ),
        sensitivity=SensitivityResult(
            declared_sharpe_annual=1.2,
            neighbours=2,
            neighbour_median_sharpe_annual=1.1,
            neighbour_worst_sharpe_annual=0.9,
            grid_share_positive=1.0,
        ),
        capacity_usd=2.5e8,
        path_frame_digest=D["6"],
        grid_returns_frame_digest=D["7"],
    )


def _a_stress(inputs: EvaluationInputs) -> StressMetrics:
    def result(place: int, name: str) -> StressResult:
        sharpe = round_significant(0.95 - 0.05 * place)
        return StressResult(
            scenario=name,
            change="one input is made worse",
            path=a_path(sharpe_annual=sharpe, max_drawdown_fraction=0.2 + 0.01 * place),
            returns_digest=D["89abcdef"[place]],
            sharpe_change=round_significant(sharpe - 1.05),
            return_change_fraction=-0.1,
            mean_return_per_bar=0.0004,
        )

    return StressMetrics(
        inputs=inputs,
        backtest_digest=D["0"],
        base=a_path(),
        base_returns_digest=D["6"],
        results=tuple(result(place, name) for place, name in enumerate(get_args(StressName))),
    )


def _an_overfit(inputs: EvaluationInputs) -> OverfitDiagnostics:
    return OverfitDiagnostics(
        inputs=inputs,
        backtest_digest=D["0"],
        trials_raw=12,
        trials_effective=3.5,
        trials_declared_outside=4,
        trial_register_head=D["1"],
        psr=0.99,
        dsr=0.97,
        dsr_effective=0.98,
        pbo=0.05,
        pbo_blocks=16,
        reality_check_p=0.03,
        spa_p_consistent=0.02,
        spa_p_lower=0.01,
        spa_p_upper=0.03,
        min_track_record_bars=600.0,
        observed_bars=N_FOLDS * FOLD_BARS,
        expected_max_sharpe_per_bar=0.03,
        sensitivity=NeighbourhoodSensitivity(
            neighbours=2, median_ratio=0.9, worst_ratio=0.75, narrow_peak_ratio=0.0
        ),
        fold_stability=FoldStability(
            folds=N_FOLDS,
            positive_share=0.875,
            sharpe_annual_mean=1.0,
            sharpe_annual_standard_deviation=0.6,
            sharpe_annual_worst=-0.2,
            largest_return_share=0.2,
        ),
        sharpe_interval=SharpeInterval(
            confidence=0.95, sharpe_annual_low=0.2, sharpe_annual_high=1.9
        ),
        holdout=HoldoutResult(
            n_bars=126,
            sharpe_annual=0.9,
            total_return_fraction=0.08,
            receipt_digest=D["2"],
            looks=1,
        ),
        seed=7,
        resamples=1000,
        block_length=9.0,
    )


def _set(owner: object, steps: list[str], value: object) -> object:
    """Copy of `owner` with the value at the end of `steps` replaced; nothing is validated."""
    step, *rest = steps
    if isinstance(owner, tuple):
        place = int(step)
        new = _set(owner[place], rest, value) if rest else value
        return (*owner[:place], new, *owner[place + 1 :])
    new = _set(getattr(owner, step), rest, value) if rest else value
    return owner.model_copy(update={step: new})


def get(evidence: GateEvidence, path: str) -> object:
    """Value at a dotted path, e.g. `backtest_metrics.folds.3.test.n_bars`."""
    value: object = evidence
    for step in path.split("."):
        value = value[int(step)] if isinstance(value, tuple) else getattr(value, step)
    return value


def changed(evidence: GateEvidence, path: str, value: object) -> GateEvidence:
    """Evidence with one value (or, without a dot, one record) replaced, unvalidated."""
    if isinstance(value, float):
        value = round_significant(value)
    name, *steps = path.split(".")
    new = _set(getattr(evidence, name), steps, value) if steps else value
    return replace(evidence, **{name: new})


def without_item(evidence: GateEvidence, path: str, place: int) -> GateEvidence:
    """Evidence with one element of a tuple left out."""
    items = get(evidence, path)
    return changed(evidence, path, items[:place] + items[place + 1 :])


def _cite(evidence: GateEvidence, path: str, cited: str) -> GateEvidence:
    """Let `path` cite the record `cited`, if both exist and the latter has a digest."""
    record, digest = path.split(".", maxsplit=1)[0], evidence.digests[cited]
    if getattr(evidence, record) is None or digest is None or get(evidence, path) == digest:
        return evidence
    return changed(evidence, path, digest)


def rebound(evidence: GateEvidence) -> GateEvidence:
    """Evidence whose records cite each other as they now are, in the order of their making."""
    evidence = _cite(evidence, "strategy_build.spec_digest", "candidate_spec")
    for field, cited in (
        ("spec_digest", "candidate_spec"),
        ("build_digest", "strategy_build"),
        ("manifest_digest", "dataset_snapshot"),
        ("cost_model_digest", "cost_model"),
        ("risk_limits_digest", "risk_limits"),
        ("settings_digest", "evaluation_settings"),
        ("trial_policy_digest", "trial_policy"),
    ):
        for name in (
            "target_weights",
            "backtest_metrics",
            "stress_metrics",
            "reproducibility_manifest",
            "overfit_diagnostics",
        ):
            evidence = _cite(evidence, f"{name}.inputs.{field}", cited)
    evidence = _cite(evidence, "backtest_metrics.target_weights_digest", "target_weights")
    evidence = _cite(evidence, "stress_metrics.backtest_digest", "backtest_metrics")
    evidence = _cite(evidence, "overfit_diagnostics.backtest_digest", "backtest_metrics")
    manifest = evidence.reproducibility_manifest
    for place, output in enumerate(manifest.outputs if manifest is not None else ()):
        digest = evidence.digests[OUTPUTS[output.output]]
        if digest is None:
            continue
        same = output.first_digest == output.second_digest
        where = f"reproducibility_manifest.outputs.{place}"
        if output.first_digest != digest:
            evidence = changed(evidence, f"{where}.first_digest", digest)
            evidence = changed(evidence, f"{where}.second_digest", digest if same else D["f"])
    return evidence
