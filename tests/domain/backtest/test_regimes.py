"""Regimes are known before the bar they label."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_markets import bar_panel, random_prices

from torghut_assets.domain.backtest.market import market_arrays
from torghut_assets.domain.backtest.regimes import (
    TREND_REGIMES,
    UNKNOWN,
    VOLATILITY_REGIMES,
    label_regimes,
    universe_returns,
)

WINDOW = 12


def market_of(prices):
    return market_arrays(bar_panel(prices), 10)


@given(seed=st.integers(0, 1_000), cut=st.integers(1, 149))
@settings(max_examples=30, deadline=None)
def test_labels_do_not_depend_on_their_own_bar_or_later_ones(seed, cut):
    prices = random_prices(seed, n_bars=150, holes=0.03)
    whole = label_regimes(market_of(prices), WINDOW)
    changed = prices.copy()
    changed[cut:] *= np.linspace(0.5, 2.0, 150 - cut)[:, np.newaxis]
    other = label_regimes(market_of(changed), WINDOW)
    assert np.array_equal(whole.volatility[: cut + 1], other.volatility[: cut + 1])
    assert np.array_equal(whole.trend[: cut + 1], other.trend[: cut + 1])


def test_volatility_labels_agree_with_a_plain_computation():
    market = market_of(random_prices(3, n_bars=160))
    universe = pd.Series(market.returns.mean(axis=1))
    universe[0] = np.nan
    volatility = universe.rolling(WINDOW).std(ddof=1).to_numpy()
    labels = label_regimes(market, WINDOW).volatility
    for bar in range(160):
        seen = volatility[:bar][~np.isnan(volatility[:bar])]
        if len(seen) < WINDOW:
            assert labels[bar] == UNKNOWN
            continue
        low, high = np.quantile(seen, [1 / 3, 2 / 3])
        rank = int(seen[-1] > low) + int(seen[-1] > high)
        assert labels[bar] == VOLATILITY_REGIMES[rank], bar


def test_trend_labels_agree_with_a_plain_computation():
    market = market_of(random_prices(4, n_bars=120))
    growth = 1 + market.returns.mean(axis=1)
    labels = label_regimes(market, WINDOW).trend
    assert set(labels[: WINDOW + 1]) == {UNKNOWN}
    for bar in range(WINDOW + 1, 120):
        rose = np.prod(growth[bar - WINDOW : bar]) > 1
        assert labels[bar] == ("bull" if rose else "bear"), bar
    assert set(labels[WINDOW + 1 :]) == set(TREND_REGIMES)


def test_a_jump_in_volatility_becomes_turbulent():
    draw = np.random.default_rng(0)
    steps = np.concatenate([draw.normal(0, 0.002, 100), draw.normal(0, 0.04, 40)])
    labels = label_regimes(market_of(100 * np.exp(np.cumsum(steps))[:, np.newaxis]), WINDOW)
    assert set(labels.volatility[115:]) == {"turbulent"}


def test_constant_prices_are_calm_and_do_not_rise():
    labels = label_regimes(market_of(np.full((80, 2), 5.0)), WINDOW)
    assert labels.volatility[-1] == "calm"
    assert labels.trend[-1] == "bear"


def test_too_few_bars_are_unknown():
    labels = label_regimes(market_of(random_prices(1, n_bars=10)), WINDOW)
    assert set(labels.volatility) == set(labels.trend) == {UNKNOWN}


def test_the_universe_return_is_the_mean_of_the_returns_that_exist():
    nan = float("nan")
    market = market_of(np.array([[10.0, nan], [11.0, 20.0], [nan, 22.0], [nan, nan]]))
    assert universe_returns(market) == pytest.approx([0.0, 0.1, 0.1, 0.0])
