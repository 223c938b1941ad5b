"""Is the edge luck or search? All overfitting statistics of one evaluation, side by side.

Read `measure_overfitting` first. Every statistic is over the same bars: those of the
out-of-sample path. What is not defined for its input becomes `None` with a reason in
`not_measured`; a limit that asks for it then fails. docs/numerics-overfitting.md has the
choices that are made here and what each of them costs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from torghut_assets.domain.backtest.deflation import DeflatedSharpe, deflated_sharpe_ratio
from torghut_assets.domain.backtest.effective_trials import effective_trials
from torghut_assets.domain.backtest.metrics import annualized
from torghut_assets.domain.backtest.overfit import OverfitProbability, pbo_cscv
from torghut_assets.domain.backtest.overfit_fan import FAN_PERCENTILES, equity_fan, sharpe_interval
from torghut_assets.domain.backtest.overfit_records import (
    FoldStability,
    HoldoutLook,
    OverfitDiagnostics,
    SharpeInterval,
)
from torghut_assets.domain.backtest.overfit_sample import (
    GridSample,
    neighbourhood,
    trials_variance,
    varying_columns,
)
from torghut_assets.domain.backtest.records import BacktestMetrics, FoldResult
from torghut_assets.domain.backtest.resample import (
    optimal_block_length,
    stationary_bootstrap_indices,
)
from torghut_assets.domain.backtest.series import IntArray
from torghut_assets.domain.backtest.sharpe import probabilistic_sharpe_ratio
from torghut_assets.domain.backtest.superior_ability import RealityCheck, reality_check_spa
from torghut_assets.domain.backtest.track_record import minimum_track_record_length
from torghut_assets.domain.backtest.trial_count import TrialCount
from torghut_assets.domain.candidates.strategy import Floats
from torghut_assets.domain.errors import EvidenceContradictionError, StatisticsInputError

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class OverfitMeasurement:
    """The record, and what its pictures are drawn from.

    Attributes
    ----------
    record : OverfitDiagnostics
    sample : GridSample
    logits : ndarray of float64, shape (n_splits,)
        Of CSCV; empty if it was not measured.
    fan : ndarray of float64, shape (n_steps, len(FAN_PERCENTILES))
        Percentiles of bootstrapped equity, starting from 1; empty if not measured.
    fan_bars : ndarray of int64, shape (n_steps,)
        Bars after which the fan is taken.
    """

    record: OverfitDiagnostics
    sample: GridSample
    logits: Floats
    fan: Floats
    fan_bars: IntArray


def measure_overfitting(
    metrics: BacktestMetrics, sample: GridSample, count: TrialCount, look: HoldoutLook
) -> OverfitMeasurement:
    """Compute every overfitting statistic of one backtest.

    Parameters
    ----------
    metrics : BacktestMetrics
    sample : GridSample
        From the frames that `metrics` names.
    count : TrialCount
        Of the candidate's family, from the trial register.
    look : HoldoutLook

    Raises
    ------
    EvidenceContradictionError
        If the sample or the count are not those of the metrics.
    """
    _require_matching(metrics, sample, count)
    settings = metrics.settings
    measured = _Measuring()
    resampled = measured(
        "block_length", lambda: _resample(sample.path, settings.seed, settings.overfit.resamples)
    )
    variance, with_returns = trials_variance(sample)
    effective = measured(
        "trials_effective", lambda: _trials_effective(sample, count, settings.overfit.max_points)
    )
    out = metrics.out_of_sample
    raw = measured("dsr", lambda: _deflated(metrics, float(count.raw), variance))
    fewer = None
    if effective is not None:
        known = effective
        fewer = measured("dsr_effective", lambda: _deflated(metrics, known, variance))
    splits = measured("pbo", lambda: _splits(sample, metrics))
    superior = None
    interval: tuple[float, float] | None = None
    if resampled is not None:
        indices, block = resampled
        superior = measured("spa_p_consistent", lambda: _superior(sample, metrics, indices, block))
        interval = measured(
            "sharpe_interval",
            lambda: sharpe_interval(sample.path, indices, settings.overfit.confidence),
        )
    periods = settings.periods_per_year
    record = OverfitDiagnostics(
        inputs=metrics.inputs,
        backtest_digest=metrics.digest,
        trials_raw=count.raw,
        trials_effective=effective,
        trials_declared_outside=count.declared_outside,
        trials_with_returns=with_returns,
        trials_variance=variance,
        trial_register_head=count.head_digest,
        psr=measured("psr", lambda: _probabilistic(metrics)),
        dsr=None if raw is None else raw.dsr,
        dsr_effective=None if fewer is None else fewer.dsr,
        pbo=None if splits is None else splits.pbo,
        pbo_blocks=settings.overfit.pbo_blocks if splits is not None else 0,
        reality_check_p=None if superior is None else superior.rc_p,
        spa_p_consistent=None if superior is None else superior.spa_p.consistent,
        spa_p_lower=None if superior is None else superior.spa_p.lower,
        spa_p_upper=None if superior is None else superior.spa_p.upper,
        min_track_record_bars=measured("min_track_record_bars", lambda: _min_track(metrics)),
        observed_bars=out.n_bars,
        expected_max_sharpe_per_bar=None if raw is None else raw.sr0,
        sensitivity=neighbourhood(sample),
        fold_stability=fold_stability(metrics.folds),
        sharpe_interval=SharpeInterval(
            confidence=settings.overfit.confidence,
            sharpe_annual_low=annualized(interval[0], periods) if interval else None,
            sharpe_annual_high=annualized(interval[1], periods) if interval else None,
        ),
        holdout=look.result,
        holdout_refusal=look.refusal,
        seed=settings.seed,
        resamples=settings.overfit.resamples if resampled is not None else 0,
        block_length=None if resampled is None else resampled[1],
        not_measured=measured.reasons,
    )
    fan_bars, fan = (
        (np.empty(0, np.int64), np.empty((0, len(FAN_PERCENTILES))))
        if resampled is None
        else equity_fan(sample.path, resampled[0])
    )
    return OverfitMeasurement(
        record=record,
        sample=sample,
        logits=np.empty(0) if splits is None else splits.logits,
        fan=fan,
        fan_bars=fan_bars,
    )


class NotDefinedHereError(StatisticsInputError):
    """A statistic has no value for this evaluation, by its definition."""

    def __init__(self, *, location: str, found: str, expected: str) -> None:
        super().__init__(location=location, found=found, expected=expected)


class _Measuring:
    """Computes statistics one by one, and remembers why one has no value."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    def __call__(self, name: str, compute: Callable[[], ResultT]) -> ResultT | None:
        try:
            return compute()
        except StatisticsInputError as error:
            self.reasons[name] = str(error)
            return None


def fold_stability(folds: tuple[FoldResult, ...]) -> FoldStability:
    """Describe how evenly the folds earned the result.

    `largest_return_share` is the best fold's log growth as a share of that of all folds with a
    gain: 1 if a single fold earned everything, 1/n if all earned the same.
    """
    returns = np.array([fold.test.total_return_fraction for fold in folds])
    ratios = [fold.test.sharpe_annual for fold in folds]
    defined = np.array([ratio for ratio in ratios if ratio is not None])
    complete = len(defined) == len(folds)
    gains = np.log1p(returns[returns > 0])
    return FoldStability(
        folds=len(folds),
        positive_share=float(np.mean(returns > 0)),
        sharpe_annual_mean=float(defined.mean()) if complete else None,
        sharpe_annual_standard_deviation=(
            float(defined.std(ddof=1)) if complete and len(folds) > 1 else None
        ),
        sharpe_annual_worst=float(defined.min()) if complete else None,
        largest_return_share=float(gains.max() / gains.sum()) if gains.size else None,
    )


def _require_matching(metrics: BacktestMetrics, sample: GridSample, count: TrialCount) -> None:
    n_bars = metrics.out_of_sample.n_bars
    for what, found, expected in (
        ("bars of the path", len(sample.path), n_bars),
        ("grid returns", sample.returns.shape, (n_bars, metrics.grid_points)),
        ("points of the grid", len(sample.points), metrics.grid_points),
        ("candidate of the count", count.candidate_id, metrics.inputs.candidate_id),
        ("policy of the count", count.policy_digest, metrics.inputs.trial_policy_digest),
    ):
        if found != expected:
            raise EvidenceContradictionError(
                location=f"overfitting sample, {what}", found=str(found), expected=str(expected)
            )
    if count.registered_trials < metrics.grid_points:
        raise EvidenceContradictionError(
            location="trial count",
            found=f"{count.registered_trials} registered trials",
            expected=f"at least the {metrics.grid_points} grid points of this backtest",
        )


def _moments(metrics: BacktestMetrics) -> tuple[float, int, float, float]:
    """Ratio per bar, bars, skew and kurtosis of the path, all defined."""
    out = metrics.out_of_sample
    if out.sharpe_per_bar is None or out.skew is None or out.kurtosis is None:
        raise NotDefinedHereError(
            location="out-of-sample path", found="no Sharpe ratio", expected="returns that vary"
        )
    return out.sharpe_per_bar, out.n_bars, out.skew, out.kurtosis


def _probabilistic(metrics: BacktestMetrics) -> float:
    ratio, n_bars, skew, kurtosis = _moments(metrics)
    return probabilistic_sharpe_ratio(ratio, 0.0, n_bars, skew, kurtosis)


def _deflated(metrics: BacktestMetrics, n_trials: float, variance: float) -> DeflatedSharpe:
    ratio, n_bars, skew, kurtosis = _moments(metrics)
    return deflated_sharpe_ratio(
        ratio, n_bars, skew, kurtosis, n_trials=n_trials, trials_variance=variance
    )


def _min_track(metrics: BacktestMetrics) -> float:
    ratio, _, skew, kurtosis = _moments(metrics)
    length = minimum_track_record_length(
        ratio, 0.0, skew, kurtosis, metrics.settings.overfit.confidence
    )
    if not np.isfinite(length):
        raise NotDefinedHereError(
            location="minimum track record length",
            found=f"a Sharpe ratio of {ratio:.4f} per bar",
            expected="one above 0: no length proves an edge that is not there",
        )
    return length


def _resample(path: Floats, seed: int, resamples: int) -> tuple[IntArray, float]:
    """Row numbers of all resamples, and the mean block length (at least 1) they were drawn with."""
    block = max(1.0, optimal_block_length(path).stationary)
    generator = np.random.default_rng(seed)
    return stationary_bootstrap_indices(len(path), block, resamples, generator), block


def _few_enough(sample: GridSample, allowed: int) -> None:
    if len(sample.points) > allowed:
        raise NotDefinedHereError(
            location="grid points",
            found=str(len(sample.points)),
            expected=f"at most overfit.max_points = {allowed} of evaluation.yaml",
        )


def _trials_effective(sample: GridSample, count: TrialCount, allowed: int) -> float:
    """Independent trials of this grid, and one for each trial whose returns are elsewhere.

    A point that never varies has no correlation and counts as one.
    """
    _few_enough(sample, allowed)
    varying = varying_columns(sample.returns)
    grid = sample.returns.shape[1]
    flat = grid - len(varying)
    clusters = effective_trials(sample.returns[:, varying]).n_effective if len(varying) else 0
    return float(clusters + flat + count.raw - grid)


def _splits(sample: GridSample, metrics: BacktestMetrics) -> OverfitProbability:
    overfit = metrics.settings.overfit
    if len(sample.points) < 2:
        raise NotDefinedHereError(
            location="probability of backtest overfitting",
            found="one grid point",
            expected="at least 2: where nothing is chosen, choosing cannot be judged",
        )
    _few_enough(sample, overfit.max_points)
    return pbo_cscv(sample.returns, overfit.pbo_blocks)


def _superior(
    sample: GridSample, metrics: BacktestMetrics, indices: IntArray, block: float
) -> RealityCheck:
    """Test the path and every grid point against holding nothing.

    A point that never trades is the benchmark itself: it cannot be the best, and is left out.
    """
    _few_enough(sample, metrics.settings.overfit.max_points)
    models = np.column_stack([sample.path, sample.returns[:, varying_columns(sample.returns)]])
    return reality_check_spa(models, indices, block)
