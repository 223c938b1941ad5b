"""The records and tables of a run say what the run did."""

import json

import numpy as np
import pyarrow as pa
import pytest
from simulated_markets import (
    INPUTS,
    POINTS,
    bar_panel,
    momentum,
    plan,
    random_prices,
    walk_forward,
)

from torghut_assets.domain.backtest.evaluate import (
    StoredFrames,
    backtest_metrics,
    describe_weights,
)
from torghut_assets.domain.backtest.frames import (
    grid_returns_frame,
    grid_returns_matrix,
    path_frame,
    weights_frame,
)
from torghut_assets.domain.backtest.market import market_arrays
from torghut_assets.domain.backtest.metrics import path_metrics, sharpe_per_bar
from torghut_assets.domain.backtest.records import BacktestMetrics, TargetWeights
from torghut_assets.domain.backtest.regimes import label_regimes
from torghut_assets.domain.backtest.walk_forward_run import run_walk_forward

STORED = StoredFrames("1" * 64, "2" * 64, "3" * 64)


@pytest.fixture(scope="module")
def run():
    return walk_forward(seed=4)


@pytest.fixture(scope="module")
def metrics(run):
    return backtest_metrics(run, INPUTS, STORED)


def test_the_record_survives_its_own_bytes(metrics):
    assert BacktestMetrics.from_canonical_bytes(metrics.canonical_bytes(), location="t") == metrics
    assert metrics.target_weights_digest == "1" * 64
    assert metrics.path_frame_digest == "2" * 64
    assert metrics.grid_returns_frame_digest == "3" * 64


def test_the_same_run_again_gives_the_same_bytes(metrics):
    again = backtest_metrics(walk_forward(seed=4), INPUTS, STORED)
    assert again.canonical_bytes() == metrics.canonical_bytes()


def test_folds_report_windows_sessions_and_choice(run, metrics):
    assert len(metrics.folds) == len(run.choices) == 4
    first = metrics.folds[0]
    assert (first.train_start_bar, first.train_end_bar) == (40, 100)
    assert (first.test_start_bar, first.test_end_bar) == (103, 123)
    dates = run.market.times.astype("datetime64[D]")
    assert first.train_first == dates[40].item()
    assert first.train_last == dates[99].item()
    assert first.test_first == dates[103].item()
    assert first.test_last == dates[122].item()
    assert first.chosen == POINTS[run.choices[0].point]
    assert first.test == path_metrics(run.stitched, (103, 123), 252)
    assert sum(fold.test.n_bars for fold in metrics.folds) == metrics.out_of_sample.n_bars


def test_fold_returns_compound_to_the_whole(metrics):
    growth = np.prod([1 + fold.test.total_return_fraction for fold in metrics.folds])
    assert growth - 1 == pytest.approx(metrics.out_of_sample.total_return_fraction)


def test_in_sample_is_the_mean_train_ratio_of_the_choices(run, metrics):
    train = [choice.train_sharpe * 252**0.5 for choice in run.choices]
    assert metrics.in_sample_sharpe_annual == pytest.approx(np.mean(train))
    assert [fold.train_sharpe_annual for fold in metrics.folds] == pytest.approx(train)


def test_gross_of_costs_is_better_than_net(run, metrics):
    bars = slice(*run.out_of_sample)
    gross = sharpe_per_bar(run.stitched.gross_return[bars]) * 252**0.5
    assert metrics.gross_of_costs_sharpe_annual == pytest.approx(gross)
    assert gross > metrics.out_of_sample.sharpe_annual


def test_symbols_add_up_to_the_path(run, metrics):
    bars = slice(*run.out_of_sample)
    assert [result.symbol for result in metrics.by_symbol] == list(run.market.symbols)
    contribution = sum(result.contribution_fraction for result in metrics.by_symbol)
    assert contribution == pytest.approx(run.stitched.net_return[bars].sum())
    cost = sum(result.cost_fraction for result in metrics.by_symbol)
    assert cost == pytest.approx(run.stitched.cost_fraction[bars].sum())
    assert max(r.max_weight_fraction for r in metrics.by_symbol) == pytest.approx(
        metrics.out_of_sample.max_symbol_fraction
    )
    assert all(result.traded_notional_usd > 0 for result in metrics.by_symbol)


def test_regimes_of_a_kind_cover_the_path_once(metrics):
    by_name = {result.regime: result for result in metrics.by_regime}
    assert list(by_name) == ["calm", "normal", "turbulent", "bull", "bear"]
    for kind in (("calm", "normal", "turbulent"), ("bull", "bear")):
        assert sum(by_name[name].n_bars for name in kind) == metrics.out_of_sample.n_bars
        growth = np.prod([1 + (by_name[name].total_return_fraction or 0.0) for name in kind])
        assert growth - 1 == pytest.approx(metrics.out_of_sample.total_return_fraction)


def test_a_regime_that_never_was_is_undefined():
    """Prices that only rise have no bear market."""
    steps = 0.001 + 0.0005 * np.sin(np.arange(200.0))[:, np.newaxis] * np.ones((1, 2))
    bars = bar_panel(100 * np.cumprod(1 + steps, axis=0))
    rising = run_walk_forward(market_arrays(bars, 10), POINTS[:2], momentum(bars), plan())
    bear = backtest_metrics(rising, INPUTS, STORED).by_regime[-1]
    assert (bear.regime, bear.n_bars) == ("bear", 0)
    assert bear.total_return_fraction is None
    assert bear.max_drawdown_fraction is None


def test_a_strategy_that_never_trades_is_undefined_not_zero():
    bars = bar_panel(random_prices(1))
    idle = run_walk_forward(market_arrays(bars, 10), POINTS, lambda _: np.zeros((200, 4)), plan())
    metrics = backtest_metrics(idle, INPUTS, STORED)
    assert metrics.in_sample_sharpe_annual is None
    assert metrics.out_of_sample.sharpe_annual is None
    assert metrics.gross_of_costs_sharpe_annual is None
    assert metrics.capacity_usd is None
    assert {fold.train_sharpe_annual for fold in metrics.folds} == {None}


def test_the_path_table_holds_the_out_of_sample_bars(run, metrics):
    table = path_frame(run)
    start, end = run.out_of_sample
    assert table.num_rows == end - start
    assert table.column("net_return").to_pylist() == run.stitched.net_return[start:end].tolist()
    assert table.column("equity").to_numpy()[-1] == pytest.approx(
        1 + metrics.out_of_sample.total_return_fraction
    )
    assert table.column("drawdown").to_numpy().max() == pytest.approx(
        metrics.out_of_sample.max_drawdown_fraction
    )
    labels = label_regimes(run.market, 15)
    assert table.column("volatility_regime").to_pylist() == labels.volatility[start:end].tolist()
    assert table.column("trend_regime").to_pylist() == labels.trend[start:end].tolist()
    assert table.column("fold").to_pylist() == sorted([1, 2, 3, 4] * 20)
    assert table.schema.field("session").type == pa.date32()
    assert table.schema.field("time").type == pa.timestamp("us", tz="UTC")
    assert path_frame(run).equals(table)


def test_the_grid_table_gives_its_matrix_back(run):
    table = grid_returns_frame(run)
    matrix = grid_returns_matrix(table)
    first, end = run.choices[0].fold.train_start, run.out_of_sample[1]
    assert np.array_equal(matrix, run.grid_returns[:, first:end].T)
    assert json.loads(table.schema.metadata[b"points"]) == list(POINTS)
    start, stop = json.loads(table.schema.metadata[b"out_of_sample"])
    assert np.array_equal(matrix[start:stop, 0], run.declared.net_return[slice(*run.out_of_sample)])


def test_weights_are_described_and_tabled(run):
    weights = run.declared_weights
    record = describe_weights(weights, run.market.symbols, INPUTS, "4" * 64)
    assert TargetWeights.from_canonical_bytes(record.canonical_bytes(), location="t") == record
    assert record.first_nonzero_bar == 10
    assert record.max_gross_fraction == pytest.approx(1.0)
    assert record.mean_gross_fraction == pytest.approx(np.abs(weights).sum(axis=1).mean())
    table = weights_frame(run.market.times, run.market.symbols, weights)
    assert table.column("S2").to_pylist() == weights[:, 2].tolist()
    assert describe_weights(
        weights * 0, run.market.symbols, INPUTS, "4" * 64
    ).first_nonzero_bar is (None)
