"""From a finished walk-forward run to its records: `target_weights`, `backtest_metrics`."""

from dataclasses import dataclass

import numpy as np

from torghut_assets.domain.backtest.capacity import capacity_usd
from torghut_assets.domain.backtest.metrics import (
    annualized,
    max_drawdown,
    path_metrics,
    sharpe_per_bar,
)
from torghut_assets.domain.backtest.records import (
    BacktestMetrics,
    EvaluationInputs,
    FoldResult,
    RegimeResult,
    SymbolResult,
    TargetWeights,
)
from torghut_assets.domain.backtest.regimes import (
    TREND_REGIMES,
    VOLATILITY_REGIMES,
    Labels,
    label_regimes,
)
from torghut_assets.domain.backtest.sensitivity import sensitivity
from torghut_assets.domain.backtest.walk_forward_run import FoldChoice, WalkForwardRun
from torghut_assets.domain.candidates.strategy import Floats
from torghut_assets.domain.records import Digest


@dataclass(frozen=True)
class StoredFrames:
    """Digests of what was stored before the record is made."""

    target_weights_digest: Digest
    path_frame_digest: Digest
    grid_returns_frame_digest: Digest


def describe_weights(
    weights: Floats, symbols: tuple[str, ...], inputs: EvaluationInputs, frame_digest: Digest
) -> TargetWeights:
    """Describe decided weights of shape (n_bars, n_symbols) whose frame is already stored."""
    gross = np.abs(weights).sum(axis=1)
    active = np.flatnonzero(gross)
    return TargetWeights(
        inputs=inputs,
        frame_digest=frame_digest,
        n_bars=len(weights),
        symbols=symbols,
        first_nonzero_bar=int(active[0]) if len(active) else None,
        mean_gross_fraction=float(gross.mean()),
        max_gross_fraction=float(gross.max()),
    )


def backtest_metrics(
    run: WalkForwardRun, inputs: EvaluationInputs, stored: StoredFrames
) -> BacktestMetrics:
    """Measure a walk-forward run: folds, path, symbols, regimes, sensitivity, capacity."""
    settings = run.plan.settings
    periods = settings.periods_per_year
    window = run.out_of_sample
    bars = slice(*window)
    train = [choice.train_sharpe for choice in run.choices if choice.train_sharpe is not None]
    return BacktestMetrics(
        inputs=inputs,
        target_weights_digest=stored.target_weights_digest,
        settings=settings,
        grid_points=len(run.points),
        folds=tuple(_fold_result(run, choice) for choice in run.choices),
        out_of_sample=path_metrics(run.stitched, window, periods),
        in_sample_sharpe_annual=annualized(float(np.mean(train)), periods) if train else None,
        declared=path_metrics(run.declared, window, periods),
        gross_of_costs_sharpe_annual=annualized(
            sharpe_per_bar(run.stitched.gross_return[bars]), periods
        ),
        by_symbol=_symbol_results(run),
        by_regime=_regime_results(run),
        sensitivity=sensitivity(run),
        capacity_usd=capacity_usd(run),
        path_frame_digest=stored.path_frame_digest,
        grid_returns_frame_digest=stored.grid_returns_frame_digest,
    )


def _fold_result(run: WalkForwardRun, choice: FoldChoice) -> FoldResult:
    fold = choice.fold
    periods = run.plan.settings.periods_per_year
    dates = run.market.times.astype("datetime64[D]")
    return FoldResult(
        fold=fold.number,
        train_start_bar=fold.train_start,
        train_end_bar=fold.train_end,
        test_start_bar=fold.test_start,
        test_end_bar=fold.test_end,
        train_bars=len(fold.train_bars),
        train_first=dates[fold.train_start].item(),
        train_last=dates[fold.train_end - 1].item(),
        test_first=dates[fold.test_start].item(),
        test_last=dates[fold.test_end - 1].item(),
        chosen=dict(run.points[choice.point]),
        train_sharpe_annual=annualized(choice.train_sharpe, periods),
        test=path_metrics(run.stitched, (fold.test_start, fold.test_end), periods),
    )


def _symbol_results(run: WalkForwardRun) -> tuple[SymbolResult, ...]:
    totals = run.stitched.by_symbol
    return tuple(
        SymbolResult(
            symbol=symbol,
            contribution_fraction=float(totals.contribution[index]),
            cost_fraction=float(totals.cost[index]),
            turnover=float(totals.turnover[index]),
            max_weight_fraction=float(totals.max_weight[index]),
            traded_notional_usd=float(totals.traded_notional_usd[index]),
        )
        for index, symbol in enumerate(run.market.symbols)
    )


def _regime_results(run: WalkForwardRun) -> tuple[RegimeResult, ...]:
    labels = label_regimes(run.market, run.plan.settings.regime_window_bars)
    by_volatility = [_regime_result(run, labels.volatility, name) for name in VOLATILITY_REGIMES]
    by_trend = [_regime_result(run, labels.trend, name) for name in TREND_REGIMES]
    return tuple(by_volatility + by_trend)


def _regime_result(run: WalkForwardRun, labels: Labels, regime: str) -> RegimeResult:
    """Measure the bars of one regime as if they had followed each other."""
    bars = slice(*run.out_of_sample)
    net = run.stitched.net_return[bars][labels[bars] == regime]
    return RegimeResult(
        regime=regime,
        n_bars=len(net),
        total_return_fraction=float(np.prod(1.0 + net)) - 1.0 if len(net) else None,
        sharpe_annual=annualized(sharpe_per_bar(net), run.plan.settings.periods_per_year),
        max_drawdown_fraction=max_drawdown(net) if len(net) else None,
    )
