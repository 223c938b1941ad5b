"""The four shipped plugins against plain loops, and laws on random panels."""

import datetime as dt
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from torghut_assets.domain.candidates.conformance import run_conformance
from torghut_assets.domain.candidates.panels import sessions
from torghut_assets.domain.candidates.strategy import FEATURES, BarPanel
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.strategies.calendar_pattern_v1 import STRATEGY as CALENDAR
from torghut_assets.strategies.calendar_pattern_v1 import CalendarPatternParameters
from torghut_assets.strategies.mean_reversion_v1 import STRATEGY as REVERSION
from torghut_assets.strategies.mean_reversion_v1 import MeanReversionParameters
from torghut_assets.strategies.moving_average_trend_v1 import STRATEGY as TREND
from torghut_assets.strategies.moving_average_trend_v1 import MovingAverageTrendParameters
from torghut_assets.strategies.time_series_momentum_v1 import STRATEGY as MOMENTUM
from torghut_assets.strategies.time_series_momentum_v1 import TimeSeriesMomentumParameters

ALL = (MOMENTUM, REVERSION, TREND, CALENDAR)
SHORT = {
    MOMENTUM.name: TimeSeriesMomentumParameters(
        lookback_bars=9, volatility_bars=7, short_fraction=0.3
    ),
    REVERSION.name: MeanReversionParameters(
        horizon_bars=3, volatility_bars=10, entry_score=0.2, full_score=1.0, short_fraction=1.0
    ),
    TREND.name: MovingAverageTrendParameters(
        fast_bars=3, slow_bars=11, band_fraction=0.0, volatility_bars=6, short_fraction=1.0
    ),
    CALENDAR.name: CalendarPatternParameters(
        first_day=20, window_days=20, outside_direction=-0.5, volatility_bars=8, skipped_weekday=2
    ),
}


def panel(seed, n_bars=60, n_symbols=3, missing=0.0, still=0.0):
    rng = np.random.default_rng(seed)
    returns = rng.uniform(-0.04, 0.04, (n_bars, n_symbols))
    returns[rng.uniform(size=returns.shape) < still] = 0.0
    price = 50.0 * np.cumprod(1.0 + returns, axis=0)
    price[rng.uniform(size=price.shape) < missing] = np.nan
    fields = dict.fromkeys(FEATURES, price)
    return BarPanel(sessions(n_bars), tuple(f"S{i}" for i in range(n_symbols)), **fields)


def sigma(price, t, bars):
    returns = price[1:] / price[:-1] - 1.0
    return np.maximum(0.05, np.sqrt(252 * returns[t - bars : t].var(axis=0, ddof=1)))


def capped(raw):
    return raw / max(1.0, float(np.abs(raw).sum()))


def by_loop(bars, warm_up, row):
    """Weights row by row; panels for these tests have no gaps and no standstills."""
    out = np.zeros(bars.close.shape)
    for t in range(warm_up, bars.n_bars):
        out[t] = capped(row(bars.adjusted_close, t))
    return out


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("target", [0.10, 0.6])
def test_momentum_is_sign_over_volatility(seed, target):
    """The sweep signal of the benchmarks: sign * target / sqrt(N) / sigma, gross at most 1."""
    bars = panel(seed, 200, 4)
    p = TimeSeriesMomentumParameters(
        lookback_bars=30, volatility_bars=21, target_volatility_fraction=target
    )

    def row(price, t):
        return np.sign(price[t] - price[t - 30]) * target / 2.0 / sigma(price, t, 21)

    found = MOMENTUM.target_weights(bars, p)
    np.testing.assert_allclose(found, by_loop(bars, 30, row), rtol=1e-12, atol=1e-15)
    assert np.abs(found).sum() > 1.0


def test_reversion_leans_against_large_moves_in_proportion():
    bars = panel(3, 200, 4)
    p = MeanReversionParameters(
        horizon_bars=5, volatility_bars=20, entry_score=0.5, full_score=1.5, short_fraction=0.4
    )

    def row(price, t):
        vol = sigma(price, t, 20)
        score = (price[t] / price[t - 5] - 1.0) / (vol * np.sqrt(5 / 252))
        size = np.minimum(1.0, np.maximum(0.0, (np.abs(score) - 0.5) / 1.0))
        side = np.where(score < 0, 1.0, -0.4)
        return size * side * 0.15 / 2.0 / vol

    found = REVERSION.target_weights(bars, p)
    np.testing.assert_allclose(found, by_loop(bars, 20, row), rtol=1e-10, atol=1e-14)
    assert (found > 0).any()
    assert (found < 0).any()
    assert (found[20:] == 0).any()


def test_trend_is_in_above_the_band_out_within_and_short_below():
    bars = panel(4, 300, 4)
    p = MovingAverageTrendParameters(
        fast_bars=10, slow_bars=40, band_fraction=0.02, volatility_bars=30, short_fraction=0.5
    )

    def row(price, t):
        gap = price[t - 9 : t + 1].mean(axis=0) / price[t - 39 : t + 1].mean(axis=0) - 1.0
        side = np.where(gap > 0.02, 1.0, np.where(gap < -0.02, -0.5, 0.0))
        return side * 0.10 / 2.0 / sigma(price, t, 30)

    found = TREND.target_weights(bars, p)
    np.testing.assert_allclose(found, by_loop(bars, 40, row), rtol=1e-10, atol=1e-14)
    assert {-1.0, 0.0, 1.0} == set(np.sign(found[40:]).ravel().tolist())


@pytest.mark.parametrize("phase", [0, 1, 2, 3])
def test_calendar_acts_on_the_days_that_it_names(phase):
    bars = panel(5, 300, 2)
    p = CalendarPatternParameters(
        first_day=28,
        window_days=6,
        skipped_weekday=4,
        month_phase=phase,
        inside_direction=1.0,
        outside_direction=-0.25,
        volatility_bars=10,
        target_volatility_fraction=0.05,
    )
    found = CALENDAR.target_weights(bars, p)
    for t in range(10, bars.n_bars):
        day = dt.date.fromisoformat(str(bars.times[t].astype("datetime64[D]")))
        inside = day.day >= 28 or day.day <= 2
        acts = day.weekday() != 4 and phase in (3, (day.month - 1) % 3)
        expected = (1.0 if inside else -0.25) if acts else 0.0
        ratio = found[t] * sigma(bars.close, t, 10) * np.sqrt(2) / 0.05
        np.testing.assert_allclose(ratio, expected, atol=1e-12)


@pytest.mark.parametrize("strategy", ALL, ids=lambda s: s.name)
@pytest.mark.parametrize("short", [False, True], ids=["defaults", "short windows"])
def test_shipped_plugins_keep_the_contract(strategy, short):
    parameters = SHORT[strategy.name] if short else strategy.parameters_type()
    results = run_conformance(strategy, parameters)
    assert {r.test: r.detail for r in results if r.verdict is not Verdict.PASS} == {}


@pytest.mark.parametrize("strategy", ALL, ids=lambda s: s.name)
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    cut=st.integers(1, 60),
    n_symbols=st.integers(1, 12),
    missing=st.sampled_from([0.0, 0.02, 0.3]),
    still=st.sampled_from([0.0, 0.8]),
)
def test_cutting_random_bars_gives_the_same_bytes(strategy, seed, cut, n_symbols, missing, still):
    bars = panel(seed, 60, n_symbols, missing, still)
    parameters = SHORT[strategy.name]
    whole = strategy.target_weights(bars, parameters)
    part = strategy.target_weights(bars.until(cut), parameters)
    assert part.tobytes() == whole[:cut].tobytes()


@pytest.mark.parametrize("strategy", ALL, ids=lambda s: s.name)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.sampled_from([0.5, 2.0, 4.0, 1024.0]))
def test_the_unit_of_price_does_not_matter(strategy, seed, factor):
    """Powers of two scale exactly: another currency or a later split changes no weight."""
    bars = panel(seed)
    scaled = bars.with_fields({name: getattr(bars, name) * factor for name in FEATURES})
    parameters = SHORT[strategy.name]
    assert np.array_equal(
        strategy.target_weights(bars, parameters), strategy.target_weights(scaled, parameters)
    )


@pytest.mark.parametrize("strategy", ALL, ids=lambda s: s.name)
def test_constant_prices_get_no_weight(strategy):
    bars = panel(1)
    flat = bars.with_fields(dict.fromkeys(FEATURES, np.full(bars.close.shape, 10.0)))
    assert (strategy.target_weights(flat, SHORT[strategy.name])[12:] == 0).all()


@pytest.mark.parametrize("strategy", ALL, ids=lambda s: s.name)
@pytest.mark.parametrize("n_bars", [0, 1, 2])
def test_almost_no_data_give_no_weight(strategy, n_bars):
    bars = panel(1).until(n_bars)
    found = strategy.target_weights(bars, strategy.parameters_type())
    assert found.shape == (n_bars, 3)
    assert (found == 0).all()


@pytest.mark.parametrize("strategy", ALL, ids=lambda s: s.name)
def test_another_plugins_parameters_are_refused(strategy):
    other = ALL[(ALL.index(strategy) + 1) % len(ALL)].parameters_type()
    with pytest.raises(BadInputError, match="strategy parameters"):
        strategy.target_weights(panel(1), other)


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (MeanReversionParameters, {"entry_score": 2.0, "full_score": 2.0}),
        (MovingAverageTrendParameters, {"fast_bars": 50, "slow_bars": 50}),
    ],
)
def test_impossible_combinations_are_refused(model, values):
    with pytest.raises(ValidationError):
        model(**values)


@pytest.mark.parametrize("strategy", ALL, ids=lambda s: s.name)
def test_a_thousand_points_on_twenty_names_are_affordable(strategy):
    """Goal 3 ms a call on a quiet machine; the bound leaves room for a busy one."""
    bars = panel(1, 8_313, 20)
    parameters = strategy.parameters_type()
    times = []
    for _ in range(5):
        start = time.process_time()
        strategy.target_weights(bars, parameters)
        times.append(time.process_time() - start)
    assert min(times) < 0.015
