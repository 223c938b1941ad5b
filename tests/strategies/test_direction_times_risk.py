"""The grid program of time-series momentum against its `target_weights`: the same bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torghut_assets.domain.candidates.grid_agreement import block_weights
from torghut_assets.domain.candidates.grid_program import LANES, NOBODY, GridPiece
from torghut_assets.domain.candidates.panels import sessions
from torghut_assets.domain.candidates.strategy import BarPanel
from torghut_assets.strategies import direction_times_risk
from torghut_assets.strategies.time_series_momentum_v1 import (
    TimeSeriesMomentum,
    TimeSeriesMomentumParameters,
)

N_BARS = 260


def panel(seed, n_symbols, n_bars=N_BARS, gaps=True):
    """Jumps, standstills of the price or of the close alone; gaps, a symbol that starts late."""
    draw = np.random.default_rng(seed)
    returns = draw.normal(0.0, 0.02, (n_bars, n_symbols))
    returns[draw.random(returns.shape) < 0.02] *= 20.0
    price = 50.0 * np.cumprod(np.maximum(1.0 + returns, 0.05), axis=0)
    price[100:120, 0] = price[100, 0]
    close = price.copy()
    close[150:165, n_symbols - 1] = close[150, n_symbols - 1]
    missing = draw.random(price.shape) < 0.05
    missing[:40, 0] = True
    missing[180:240, n_symbols - 1] = True
    missing &= gaps
    price[missing] = close[missing] = np.nan
    volume = np.where(missing, np.nan, 1e6)
    return BarPanel(
        sessions(n_bars),
        tuple(f"S{i}" for i in range(n_symbols)),
        *(close, close, close, close, price, volume),
    )


POINTS = st.builds(
    TimeSeriesMomentumParameters,
    lookback_bars=st.integers(5, 270),
    volatility_bars=st.integers(5, 270),
    target_volatility_fraction=st.sampled_from([0.02, 0.1, 0.37, 0.6]),
    short_fraction=st.sampled_from([0.0, 0.3, 1.0]),
)


def expect_the_same(bars, points, max_gross=1.0, step=N_BARS):
    plugin = TimeSeriesMomentum()
    plugin.max_gross = max_gross
    program = plugin.grid_program(bars, points)
    lanes = program.lane_points
    assert sorted(lanes[lanes != NOBODY].tolist()) == list(range(len(points)))
    traded = 0
    for block in range(lanes.size // LANES):
        found = block_weights(program, block, (bars.n_bars, bars.n_symbols), step)
        for lane, point in enumerate(lanes[block * LANES :][:LANES].tolist()):
            if point != NOBODY:
                expected = plugin.target_weights(bars, points[point])
                assert found[:, :, lane].tobytes() == expected.tobytes()
                traded += np.count_nonzero(expected)
    return traded


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    n_symbols=st.sampled_from([1, 2, 5, 9, 23]),
    points=st.lists(POINTS, min_size=1, max_size=20),
    max_gross=st.sampled_from([0.1, 1.0, 3.7]),
    step=st.sampled_from([1, 32, 100, N_BARS]),
    gaps=st.booleans(),
)
def test_any_points_on_any_bars_get_the_same_bits(seed, n_symbols, points, max_gross, step, gaps):
    expect_the_same(panel(seed, n_symbols, gaps=gaps), points, max_gross, step)


@pytest.mark.parametrize("gaps", [True, False])
@pytest.mark.parametrize(("lookbacks", "windows"), [(1, 1), (1, 9), (9, 1), (5, 17), (16, 8)])
def test_a_product_grid_gets_the_same_bits(lookbacks, windows, gaps):
    points = [
        TimeSeriesMomentumParameters(lookback_bars=5 + 7 * i, volatility_bars=5 + 5 * j)
        for i in range(lookbacks)
        for j in range(windows)
    ]
    assert expect_the_same(panel(3, 6, gaps=gaps), points) > 100 * len(points)


def test_points_that_are_equal_are_decided_each():
    points = [TimeSeriesMomentumParameters(lookback_bars=20, volatility_bars=20)] * 3
    assert expect_the_same(panel(4, 3), points) > 0


@pytest.mark.parametrize("gaps", [True, False])
def test_tables_that_hold_few_bars_change_nothing(gaps, monkeypatch):
    monkeypatch.setattr(direction_times_risk, "_TABLE_VALUES", 1)
    monkeypatch.setattr(direction_times_risk, "_FEWEST_TABLE_BARS", 16)
    points = [
        TimeSeriesMomentumParameters(lookback_bars=5 + i, volatility_bars=30) for i in range(9)
    ]
    for step in (1, 16, 31, 100):
        assert expect_the_same(panel(5, 4, gaps=gaps), points, step=step) > 0


def test_pieces_may_come_in_any_order_and_again():
    bars = panel(6, 3)
    points = [TimeSeriesMomentumParameters(lookback_bars=10, volatility_bars=20)]
    program = TimeSeriesMomentum().grid_program(bars, points)
    pieces = {}
    for start in (200, 40, 0, 200, 120):
        out = np.empty(60 * 3 * LANES)
        program.decide(GridPiece(start, start + 60, 0, 1), out)
        assert pieces.setdefault(start, out.tobytes()) == out.tobytes()
    assert len(set(pieces.values())) == 4


@pytest.mark.parametrize("gaps", [True, False])
def test_compiled_and_interpreted_kernels_agree_to_the_bit(gaps, monkeypatch):
    from torghut_assets.strategies import direction_times_risk_kernel as kernel

    points = [
        TimeSeriesMomentumParameters(lookback_bars=lookback, volatility_bars=23, short_fraction=0.3)
        for lookback in (7, 30)
    ]
    for name in ("decide", "direction_rows", "risk_rows", "_window_sums"):
        monkeypatch.setattr(kernel, name, getattr(kernel, name).py_func)
    with np.errstate(invalid="ignore"):
        assert expect_the_same(panel(8, 3, gaps=gaps), points) > 0
