"""Overfitting diagnostics: how likely luck or search explains a backtest."""

import dagster as dg

from torghut_assets.assets.backtest import ENGINE_CODE
from torghut_assets.assets.overfit_pictures import bootstrap_fan, logit_histogram, sensitivity
from torghut_assets.assets.partitions import EVALUATIONS
from torghut_assets.assets.tables import Cell, rounded, table
from torghut_assets.domain.backtest.overfit_records import OverfitDiagnostics
from torghut_assets.domain.backtest.preconditions import EvaluationEvidence
from torghut_assets.domain.backtest.records import (
    BacktestMetrics,
    CostModel,
    EvaluationSettings,
    RiskLimits,
)
from torghut_assets.domain.backtest.reproduction import require_same_evaluation
from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.domain.candidates.records import CandidateSpec, StrategyBuild
from torghut_assets.domain.snapshots.records import SnapshotManifest
from torghut_assets.resources.evaluation_desk import EvaluationDesk
from torghut_assets.resources.home import Home
from torghut_assets.resources.overfit_work import overfit_measurement


@dg.asset(
    partitions_def=EVALUATIONS,
    group_name="backtest_robustness",
    owners=["team:research"],
    kinds={"numba"},
    io_manager_key="record_io",
    code_version=ENGINE_CODE[:16],
)
def overfit_diagnostics(
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
) -> dg.MaterializeResult[OverfitDiagnostics]:
    """Deflated Sharpe, PBO, Reality Check, SPA, plateau, holdout; trials from the register."""
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
    with desk.at_work(evidence, purpose="overfit_diagnostics") as work:
        measured = overfit_measurement(home.store, work, backtest_metrics)
        record = measured.record
        work.finish(record.digest)
    title = f"{evidence.inputs.candidate_id} on {evidence.inputs.snapshot_id}"
    return dg.MaterializeResult(
        value=record,
        data_version=dg.DataVersion(record.digest),
        metadata={
            "statistics": table(_statistics(record)),
            "pbo_logits": logit_histogram(measured.logits, record.pbo, title),
            "parameter_sensitivity": sensitivity(measured.sample, title),
            "bootstrap_fan": bootstrap_fan(measured, title),
            "which_n_decides": dg.MetadataValue.md(_which_n(record)),
            "holdout": dg.MetadataValue.md(_holdout(record)),
            "trials_raw": record.trials_raw,
            "trials_effective": record.trials_effective or "not measured",
            "trial_ticket": work.ticket.sequence,
        },
    )


def _statistics(record: OverfitDiagnostics) -> list[dict[str, Cell]]:
    """Every statistic of the record, one row each, with the reason if there is no value."""
    interval, folds, near = record.sharpe_interval, record.fold_stability, record.sensitivity
    low, high = interval.sharpe_annual_low, interval.sharpe_annual_high
    rows: tuple[tuple[str, str, float | None, str], ...] = (
        ("probabilistic Sharpe ratio", "psr", record.psr, "true ratio above 0"),
        ("deflated Sharpe ratio, raw N", "dsr", record.dsr, f"N = {record.trials_raw}; decides"),
        (
            "deflated Sharpe ratio, effective N",
            "dsr_effective",
            record.dsr_effective,
            f"N = {record.trials_effective}; shown",
        ),
        ("probability of overfitting", "pbo", record.pbo, f"{record.pbo_blocks} blocks"),
        ("SPA p, consistent", "spa_p_consistent", record.spa_p_consistent, "against holding cash"),
        ("SPA p, lower", "spa_p_consistent", record.spa_p_lower, "most liberal"),
        ("SPA p, upper", "spa_p_consistent", record.spa_p_upper, "most conservative"),
        ("Reality Check p", "spa_p_consistent", record.reality_check_p, "not studentised"),
        (
            "minimum track record, bars",
            "min_track_record_bars",
            record.min_track_record_bars,
            f"{record.observed_bars} observed",
        ),
        ("Sharpe a year, low", "sharpe_interval", low, f"{interval.confidence:.0%} bootstrap"),
        ("Sharpe a year, high", "sharpe_interval", high, f"{interval.confidence:.0%} bootstrap"),
        ("neighbours, median ratio", "", near.median_ratio, f"{near.neighbours} neighbours"),
        ("neighbours, narrow share", "", near.narrow_peak_ratio, "below half of the declared"),
        ("folds with a gain", "", folds.positive_share, f"{folds.folds} folds"),
        ("folds, worst Sharpe a year", "", folds.sharpe_annual_worst, ""),
        ("folds, best fold's share", "", folds.largest_return_share, "of all gains"),
    )
    return [
        {"statistic": name, "value": _shown(value), "remark": _remark(record, key, value, said)}
        for name, key, value, said in rows
    ]


def _shown(value: float | None) -> float | None:
    """Four decimals for what is near one; whole numbers for counts of bars."""
    return rounded(value, 0 if value is not None and abs(value) >= 100 else 4)


def _remark(record: OverfitDiagnostics, key: str, value: float | None, said: str) -> str:
    return said if value is not None else record.not_measured.get(key, "not defined")


def _which_n(record: OverfitDiagnostics) -> str:
    declared = record.trials_declared_outside
    return (
        f"**N = {record.trials_raw}** decides: every grid point that the register counts for the "
        f"family, {declared} declared from outside included. The effective number "
        f"({record.trials_effective or 'not measured'}) is an estimate from correlations and "
        "would flatter if it were too low, so it is shown and does not decide. Both use the "
        f"variance of the Sharpe ratios of the {record.trials_with_returns} trials whose returns "
        f"are at hand. Register head `{record.trial_register_head[:16]}`."
    )


def _holdout(record: OverfitDiagnostics) -> str:
    if (seen := record.holdout) is None:
        return f"not looked at: {record.holdout_refusal}"
    return (
        f"{seen.total_return_fraction:+.1%} in {seen.n_bars} bars, Sharpe ratio "
        f"{'undefined' if seen.sharpe_annual is None else format(seen.sharpe_annual, '.2f')} a "
        f"year; {seen.looks} look(s) of the family, receipt `{seen.receipt_digest[:16]}`"
    )
