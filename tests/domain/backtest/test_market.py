"""Bars become returns, volumes and volatilities that were known beforehand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_markets import bar_panel, random_prices

from torghut_assets.domain.backtest.errors import MarketRefusedError
from torghut_assets.domain.backtest.market import (
    has_return,
    market_arrays,
    returns_since_last_price,
    trailing_volatility,
)
from torghut_assets.domain.candidates.strategy import BarPanel

NAN = float("nan")


def test_a_missing_bar_gives_its_return_to_the_next_one():
    returns, observed = returns_since_last_price(
        np.array([[100.0], [NAN], [NAN], [121.0], [110.0]])
    )
    assert returns[:, 0] == pytest.approx([0.0, 0.0, 0.0, 0.21, 110 / 121 - 1])
    assert observed[:, 0].tolist() == [True, False, False, True, True]


def test_a_late_listing_has_no_return_at_its_first_price():
    returns, observed = returns_since_last_price(np.array([[NAN], [50.0], [55.0]]))
    assert returns[:, 0] == pytest.approx([0.0, 0.0, 0.1])
    assert has_return(observed)[:, 0].tolist() == [False, False, True]


@given(seed=st.integers(0, 10_000), holes=st.floats(0, 0.5))
@settings(max_examples=40, deadline=None)
def test_returns_compound_to_the_price_ratio(seed, holes):
    prices = random_prices(seed, n_bars=40, holes=holes)
    returns, observed = returns_since_last_price(prices)
    for column in range(prices.shape[1]):
        seen = prices[observed[:, column], column]
        if len(seen):
            assert np.prod(1 + returns[:, column]) == pytest.approx(seen[-1] / seen[0])


@pytest.mark.parametrize("window", [2, 5, 20])
@pytest.mark.parametrize("holes", [0.0, 0.3])
def test_volatility_agrees_with_pandas_and_lags_one_bar(window, holes):
    draw = np.random.default_rng(4)
    returns = draw.normal(0, 0.02, (120, 3))
    returns[draw.random(returns.shape) < holes] = NAN
    needed = max(2, -(-window // 2))
    expected = pd.DataFrame(returns).rolling(window, min_periods=needed).std(ddof=1).shift(1)
    ours = trailing_volatility(returns, window)
    whole = expected.to_numpy()[window:]
    assert ours[window:] == pytest.approx(whole, rel=1e-9, nan_ok=True)


def test_volatility_of_few_bars_is_unknown():
    volatility = trailing_volatility(np.array([[0.01], [0.03], [0.02], [0.0], [0.01]]), 4)
    assert np.isnan(volatility[:2, 0]).all()
    assert volatility[2, 0] == pytest.approx(np.std([0.01, 0.03], ddof=1))
    assert volatility[4, 0] == pytest.approx(np.std([0.01, 0.03, 0.02, 0.0], ddof=1))


def test_volatility_of_constant_prices_is_zero_not_rounding():
    market = market_arrays(bar_panel(np.full((30, 2), 17.3)), 5)
    assert np.all(market.volatility[6:] == 0.0)
    assert np.all(market.returns == 0.0)


@given(cut=st.integers(2, 99), seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_nothing_in_a_row_depends_on_later_bars(cut, seed):
    bars = bar_panel(random_prices(seed, n_bars=100, holes=0.05))
    whole, part = market_arrays(bars, 10), market_arrays(bars.until(cut), 10)
    for field in ("returns", "observed", "dollar_volume", "volatility"):
        assert np.array_equal(getattr(whole, field)[:cut], getattr(part, field), equal_nan=True)


def test_dollar_volume_is_close_times_volume_and_zero_where_nothing_trades():
    prices = np.array([[10.0, 20.0], [11.0, NAN], [12.0, 22.0]])
    volume = np.array([[100.0, 5.0], [0.0, NAN], [NAN, 7.0]])
    market = market_arrays(bar_panel(prices, volume), 2)
    assert market.dollar_volume.tolist() == [[1000.0, 100.0], [0.0, 0.0], [0.0, 154.0]]
    assert market.n_bars == 3
    assert market.n_symbols == 2


def test_one_bar_is_a_market_without_returns():
    market = market_arrays(bar_panel([[10.0, 20.0]]), 20)
    assert market.returns.tolist() == [[0.0, 0.0]]
    assert np.isnan(market.volatility).all()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("adjusted_close", 0.0),
        ("adjusted_close", -1.0),
        ("adjusted_close", np.inf),
        ("close", -5.0),
        ("volume", -1.0),
        ("volume", np.inf),
    ],
)
def test_impossible_bars_are_refused_by_place(field, value):
    bars = bar_panel(random_prices(1, n_bars=10))
    getattr(bars, field)[3, 2] = value
    with pytest.raises(MarketRefusedError) as caught:
        market_arrays(bars, 5)
    assert caught.value.location.startswith(f"{field} of S2 at 2020-01-04")


@pytest.mark.parametrize("shape", [(0, 2), (3, 0)])
def test_an_empty_panel_is_refused(shape):
    with pytest.raises(MarketRefusedError, match="at least one bar of one symbol"):
        market_arrays(bar_panel(np.ones(shape)), 5)


def test_times_that_repeat_are_refused():
    bars = bar_panel(np.ones((3, 1)))
    times = bars.times.copy()
    times[2] = times[1]
    fields = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    twice = BarPanel(
        times=times, symbols=bars.symbols, adjusted_close=bars.adjusted_close, **fields
    )
    with pytest.raises(MarketRefusedError, match="repeats"):
        market_arrays(twice, 5)
