"""Evaluations: intents, walk-forward metrics, stress, and a second computation of them all."""

import importlib.metadata

import dagster as dg

from torghut_assets.assets.partitions import EVALUATIONS
from torghut_assets.assets.pictures import equity_and_drawdown
from torghut_assets.assets.tables import day, rounded, table
from torghut_assets.domain.backtest.preconditions import EvaluationEvidence
from torghut_assets.domain.backtest.records import (
    BacktestMetrics,
    CostModel,
    EvaluationSettings,
    ReproducibilityManifest,
    RiskLimits,
    StressMetrics,
    TargetWeights,
)
from torghut_assets.domain.backtest.reproduction import compare_outputs, require_same_evaluation
from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.domain.candidates.records import CandidateSpec, StrategyBuild
from torghut_assets.domain.snapshots.records import SnapshotManifest
from torghut_assets.resources.code_version import code_digest
from torghut_assets.resources.evaluation_desk import EvaluationDesk
from torghut_assets.resources.evaluation_outputs import EvaluationOutputs
from torghut_assets.resources.frame_io import read_frame
from torghut_assets.resources.home import Home

ENGINE_CODE = code_digest("domain/backtest", "domain/candidates", "strategies")
_COMPARED_POINTS = 200  # of a grid program's points, decided by `target_weights` as well
_PACKAGES = ("numba", "numpy", "pandas", "pyarrow", "pydantic", "scipy")


@dg.asset(
    partitions_def=EVALUATIONS,
    group_name="backtest_robustness",
    owners=["team:research"],
    kinds={"numpy"},
    io_manager_key="record_io",
    code_version=ENGINE_CODE[:16],
)
def target_weights(
    home: dg.ResourceParam[Home],
    desk: dg.ResourceParam[EvaluationDesk],
    candidate_spec: CandidateSpec,
    strategy_build: StrategyBuild,
    dataset_snapshot: SnapshotManifest,
    cost_model: CostModel,
    risk_limits: RiskLimits,
    evaluation_settings: EvaluationSettings,
    trial_policy: TrialPolicy,
) -> dg.MaterializeResult[TargetWeights]:
    """The strategy's point-in-time intents at its declared parameters."""
    evidence = EvaluationEvidence(
        candidate_spec,
        strategy_build,
        dataset_snapshot,
        cost_model,
        risk_limits,
        evaluation_settings,
        trial_policy,
    )
    with desk.at_work(evidence, purpose="target_weights") as work:
        weights = EvaluationOutputs(home.store, work).target_weights()
        work.finish(weights.digest)
    return dg.MaterializeResult(
        value=weights,
        data_version=dg.DataVersion(weights.digest),
        metadata={
            "bars": weights.n_bars,
            "symbols": ", ".join(weights.symbols),
            "mean_gross_fraction": weights.mean_gross_fraction,
            "max_gross_fraction": weights.max_gross_fraction,
            "frame_digest": weights.frame_digest,
            "trial_ticket": work.ticket.sequence,
        },
    )


@dg.asset(
    partitions_def=EVALUATIONS,
    group_name="backtest_robustness",
    owners=["team:research"],
    kinds={"numba"},
    io_manager_key="record_io",
    code_version=ENGINE_CODE[:16],
)
def backtest_metrics(
    home: dg.ResourceParam[Home],
    desk: dg.ResourceParam[EvaluationDesk],
    candidate_spec: CandidateSpec,
    strategy_build: StrategyBuild,
    dataset_snapshot: SnapshotManifest,
    cost_model: CostModel,
    risk_limits: RiskLimits,
    evaluation_settings: EvaluationSettings,
    trial_policy: TrialPolicy,
    target_weights: TargetWeights,
) -> dg.MaterializeResult[BacktestMetrics]:
    """Purged, embargoed walk-forward: parameters chosen on train, judged on test, net of costs."""
    evidence = EvaluationEvidence(
        candidate_spec,
        strategy_build,
        dataset_snapshot,
        cost_model,
        risk_limits,
        evaluation_settings,
        trial_policy,
    )
    require_same_evaluation("target_weights", target_weights.inputs, evidence.inputs)
    with desk.at_work(evidence, purpose="backtest_metrics") as work:
        run = desk.remembered_run(work)
        metrics = EvaluationOutputs(home.store, work).backtest_metrics(run, target_weights.digest)
        work.finish(metrics.digest, desk.stored_returns(metrics.path_frame_digest))
    out = metrics.out_of_sample
    return dg.MaterializeResult(
        value=metrics,
        data_version=dg.DataVersion(metrics.digest),
        metadata={
            "sharpe_annual": rounded(out.sharpe_annual) or "undefined",
            "max_drawdown_fraction": round(out.max_drawdown_fraction, 4),
            "turnover_annual": round(out.turnover_annual, 2),
            "cost_annual_fraction": round(out.cost_annual_fraction, 4),
            "grid_points": metrics.grid_points,
            "equity_and_drawdown": equity_and_drawdown(
                read_frame(home.store, metrics.path_frame_digest),
                f"{evidence.inputs.candidate_id} on {evidence.inputs.snapshot_id}, "
                "out of sample, net of costs",
            ),
            "folds": table(
                {
                    "fold": fold.fold,
                    "from": day(fold.test_first),
                    "to": day(fold.test_last),
                    "sharpe": rounded(fold.test.sharpe_annual, 2),
                    "return_%": rounded(100 * fold.test.total_return_fraction, 1),
                    "drawdown_%": rounded(100 * fold.test.max_drawdown_fraction, 1),
                    "in_train": rounded(fold.train_sharpe_annual, 2),
                    "chosen": ", ".join(
                        f"{name}={fold.chosen[name]}"
                        for name in sorted(candidate_spec.parameter_grid)
                    ),
                }
                for fold in metrics.folds
            ),
            "regimes": table(
                {
                    "regime": regime.regime,
                    "bars": regime.n_bars,
                    "sharpe": rounded(regime.sharpe_annual),
                    "return_%": rounded(
                        None
                        if regime.total_return_fraction is None
                        else 100 * regime.total_return_fraction,
                        2,
                    ),
                }
                for regime in metrics.by_regime
            ),
            "symbols": table(
                {
                    "symbol": symbol.symbol,
                    "contribution_%": rounded(100 * symbol.contribution_fraction, 2),
                    "cost_%": rounded(100 * symbol.cost_fraction, 3),
                    "turnover": rounded(symbol.turnover, 1),
                    "max_weight_%": rounded(100 * symbol.max_weight_fraction, 1),
                }
                for symbol in metrics.by_symbol
            ),
            "trial_ticket": work.ticket.sequence,
        },
    )


@dg.asset(
    partitions_def=EVALUATIONS,
    group_name="backtest_robustness",
    owners=["team:research"],
    kinds={"numba"},
    io_manager_key="record_io",
    code_version=ENGINE_CODE[:16],
)
def stress_metrics(
    home: dg.ResourceParam[Home],
    desk: dg.ResourceParam[EvaluationDesk],
    candidate_spec: CandidateSpec,
    strategy_build: StrategyBuild,
    dataset_snapshot: SnapshotManifest,
    cost_model: CostModel,
    risk_limits: RiskLimits,
    evaluation_settings: EvaluationSettings,
    trial_policy: TrialPolicy,
    backtest_metrics: BacktestMetrics,
) -> dg.MaterializeResult[StressMetrics]:
    """Every stress scenario, re-simulated: spreads, volatility, liquidity, delay, rejects, fees."""
    evidence = EvaluationEvidence(
        candidate_spec,
        strategy_build,
        dataset_snapshot,
        cost_model,
        risk_limits,
        evaluation_settings,
        trial_policy,
    )
    require_same_evaluation("backtest_metrics", backtest_metrics.inputs, evidence.inputs)
    with desk.at_work(evidence, purpose="stress_metrics") as work:
        run = desk.remembered_run(work)
        stress = EvaluationOutputs(home.store, work).stress_metrics(run, backtest_metrics.digest)
        work.finish(stress.digest)
    return dg.MaterializeResult(
        value=stress,
        data_version=dg.DataVersion(stress.digest),
        metadata={
            "base_sharpe_annual": rounded(stress.base.sharpe_annual) or "undefined",
            "scenarios": table(
                {
                    "scenario": result.scenario,
                    "sharpe": rounded(result.path.sharpe_annual),
                    "sharpe_change": rounded(result.sharpe_change),
                    "return_%": rounded(100 * result.path.total_return_fraction, 2),
                    "drawdown_%": rounded(100 * result.path.max_drawdown_fraction, 2),
                    "change": result.change,
                }
                for result in stress.results
            ),
            "trial_ticket": work.ticket.sequence,
        },
    )


@dg.asset(
    partitions_def=EVALUATIONS,
    group_name="backtest_robustness",
    owners=["team:platform"],
    kinds={"python"},
    io_manager_key="record_io",
    code_version=ENGINE_CODE[:16],
)
def reproducibility_manifest(
    home: dg.ResourceParam[Home],
    desk: dg.ResourceParam[EvaluationDesk],
    candidate_spec: CandidateSpec,
    strategy_build: StrategyBuild,
    dataset_snapshot: SnapshotManifest,
    cost_model: CostModel,
    risk_limits: RiskLimits,
    evaluation_settings: EvaluationSettings,
    trial_policy: TrialPolicy,
    target_weights: TargetWeights,
    backtest_metrics: BacktestMetrics,
    stress_metrics: StressMetrics,
) -> dg.MaterializeResult[ReproducibilityManifest]:
    """Digests of data, code, settings and outputs, and the outputs computed a second time."""
    evidence = EvaluationEvidence(
        candidate_spec,
        strategy_build,
        dataset_snapshot,
        cost_model,
        risk_limits,
        evaluation_settings,
        trial_policy,
    )
    require_same_evaluation("backtest_metrics", backtest_metrics.inputs, evidence.inputs)
    with desk.at_work(evidence, purpose="reproducibility_manifest") as work:
        outputs = EvaluationOutputs(home.store, work)
        second_weights = outputs.target_weights()
        second_run = work.walk_forward(compared_points=_COMPARED_POINTS)
        second_metrics = outputs.backtest_metrics(second_run, second_weights.digest)
        second_stress = outputs.stress_metrics(second_run, second_metrics.digest)
        manifest = ReproducibilityManifest(
            inputs=evidence.inputs,
            code_digest=ENGINE_CODE,
            package_versions={name: importlib.metadata.version(name) for name in _PACKAGES},
            seed=evaluation_settings.seed,
            outputs=compare_outputs(
                (target_weights, second_weights),
                (backtest_metrics, second_metrics),
                (stress_metrics, second_stress),
            ),
        )
        work.finish(manifest.digest)
    return dg.MaterializeResult(
        value=manifest,
        data_version=dg.DataVersion(manifest.digest),
        metadata={
            "verdict": manifest.verdict.value,
            "outputs": table(
                {
                    "output": output.output,
                    "first": output.first_digest[:16],
                    "second": output.second_digest[:16],
                    "equal": output.first_digest == output.second_digest,
                }
                for output in manifest.outputs
            ),
            "packages": dg.MetadataValue.json(manifest.package_versions),
            "trial_ticket": work.ticket.sequence,
        },
    )
