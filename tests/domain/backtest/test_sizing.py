"""Kelly, volatility, turnover, concentration and volatility regimes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.backtest.sizing import (
    concentration,
    kelly_binary,
    kelly_continuous,
    rolling_volatility,
    turnover,
    vol_target_leverage,
)
from torghut_assets.domain.backtest.statistics_errors import ConstantSeriesError
from torghut_assets.domain.backtest.volatility_regimes import volatility_terciles
from torghut_assets.domain.errors import StatisticsInputError


@given(p=st.floats(0.01, 0.99), b=st.floats(0.1, 10))
def test_no_other_stake_grows_faster_than_kelly(p, b):
    stake = kelly_binary(p, b).clipped

    def growth(f):
        return p * math.log1p(b * f) + (1 - p) * math.log1p(-f)

    best = growth(stake)
    assert all(growth(f) <= best + 1e-12 for f in np.linspace(0, 0.99, 25))


@pytest.mark.parametrize(("p", "b"), [(1.1, 1), (-0.1, 1), (0.5, 0), (0.5, -1), (math.nan, 1)])
def test_a_bet_outside_its_range_is_refused(p, b):
    with pytest.raises(StatisticsInputError):
        kelly_binary(p, b)


def test_half_the_leverage_gives_three_quarters_of_the_growth():
    found = kelly_continuous(0.11, 0.06, 0.15)
    half = 0.06 + found.fraction / 2 * 0.05 - (found.fraction / 2 * 0.15) ** 2 / 2
    assert (half - 0.06) / (found.growth - 0.06) == pytest.approx(0.75)


@pytest.mark.parametrize("sigma", [0.0, -0.1, math.nan, math.inf])
def test_kelly_needs_a_volatility(sigma):
    with pytest.raises(StatisticsInputError):
        kelly_continuous(0.1, 0.02, sigma)


def test_rolling_volatility_agrees_with_pandas():
    import pandas as pd

    returns = np.random.default_rng(2).normal(0, 0.01, 50)
    returns[20] = math.nan
    expected = pd.Series(returns).rolling(6).std() * math.sqrt(252)
    assert rolling_volatility(returns, 6) == pytest.approx(expected.to_numpy(), nan_ok=True)


def test_a_still_window_has_volatility_zero_and_a_short_series_none():
    assert rolling_volatility([0.001] * 4, 3)[-1] == 0
    assert np.isnan(rolling_volatility([0.01, 0.02], 3)).all()


@pytest.mark.parametrize(
    ("returns", "window"), [([0.1, 0.2], 1), ([[0.1]], 2), ([0.1, math.inf, 0.2], 2)]
)
def test_windows_that_mean_nothing_are_refused(returns, window):
    with pytest.raises(StatisticsInputError):
        rolling_volatility(returns, window)


def test_leverage_is_capped_and_uses_the_last_window_only():
    returns = [math.nan, 5.0, 0.01, -0.01, 0.01, -0.01]
    found = vol_target_leverage(returns, 4, 0.1, 3.0)
    assert found.realised_vol == pytest.approx(math.sqrt(4e-4 / 3 * 252))
    assert found.leverage == pytest.approx(0.1 / found.realised_vol)
    assert vol_target_leverage(returns, 4, 10.0, 3.0).leverage == 3.0


def test_stale_prices_do_not_earn_full_leverage():
    with pytest.raises(ConstantSeriesError):
        vol_target_leverage([0.0] * 30, 20, 0.1, 2.0)


@pytest.mark.parametrize(
    ("returns", "window", "target", "cap"),
    [
        ([0.01, 0.02], 3, 0.1, 2),
        ([0.01, math.nan, 0.02], 3, 0.1, 2),
        ([0.01, 0.02, 0.03], 3, 0.0, 2),
        ([0.01, 0.02, 0.03], 3, 0.1, -1),
        ([[0.01, 0.02]], 2, 0.1, 2),
    ],
)
def test_a_window_that_is_not_filled_has_no_leverage(returns, window, target, cap):
    with pytest.raises(StatisticsInputError):
        vol_target_leverage(returns, window, target, cap)


@given(st.lists(st.tuples(st.floats(0, 0.3), st.floats(-0.5, 0.5)), min_size=1, max_size=8))
def test_holding_what_has_drifted_costs_no_turnover(positions):
    weights, returns = zip(*positions, strict=True)
    if 1 + np.dot(weights, returns) <= 0.01:
        return
    drifted = turnover(weights, returns, weights).drifted
    assert turnover(weights, returns, drifted).two_way == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize(
    ("before", "moves", "after"),
    [([0.5], [0.1, 0.2], [0.5]), ([1.0], [-1.0], [0.0]), ([math.nan], [0.1], [0.1])],
)
def test_turnover_without_wealth_or_shape_is_refused(before, moves, after):
    with pytest.raises(StatisticsInputError):
        turnover(before, moves, after)


@given(st.integers(2, 40))
def test_equal_weights_are_not_concentrated(n):
    found = concentration([0.3, -0.3] + [0.3] * (n - 2) + [0.0])
    assert found.effective_n == pytest.approx(n)
    assert found.normalised == pytest.approx(0, abs=1e-12)


def test_a_single_name_is_full_concentration():
    found = concentration([0.0, -0.2])
    assert (found.hhi, found.effective_n) == (1.0, 1.0)
    assert math.isnan(found.normalised)


@pytest.mark.parametrize("weights", [[], [0.0], [math.nan, 0.1]])
def test_nothing_held_has_no_concentration(weights):
    with pytest.raises(StatisticsInputError):
        concentration(weights)


@given(
    st.lists(st.one_of(st.floats(0.001, 1), st.just(math.nan)), min_size=3, max_size=40),
    st.integers(1, 5),
)
def test_expanding_labels_never_look_ahead(vol, min_obs):
    if all(math.isnan(v) for v in vol):
        return
    whole = volatility_terciles(vol, min_obs).expanding
    for cut in range(1, len(vol) + 1):
        if not all(math.isnan(v) for v in vol[:cut]):
            known = volatility_terciles(vol[:cut], min_obs).expanding
            assert np.array_equal(known, whole[:cut], equal_nan=True)


def test_terciles_need_one_observation():
    with pytest.raises(StatisticsInputError):
        volatility_terciles([math.nan, math.nan])
    with pytest.raises(StatisticsInputError):
        volatility_terciles([0.1], 0)
