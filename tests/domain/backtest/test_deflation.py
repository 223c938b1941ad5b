"""Expected best of many trials, deflated ratio, minimum backtest length."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.backtest.deflation import (
    deflated_sharpe_ratio,
    deflated_sharpe_ratio_from_trials,
    expected_max_normal,
    expected_max_sharpe,
    minimum_backtest_length,
)
from torghut_assets.domain.backtest.sharpe import probabilistic_sharpe_ratio
from torghut_assets.domain.errors import StatisticsInputError


@pytest.mark.parametrize(
    ("n", "exact"),
    [
        (2, 1 / math.sqrt(math.pi)),
        (3, 1.5 / math.sqrt(math.pi)),
        (5, 1.16296447364052),
        (10, 1.53875273083517),
        (1000, 3.24143577),
    ],
)
def test_exact_maximum_matches_tables_of_normal_order_statistics(n, exact):
    """Harter (1961), Expected values of normal order statistics; closed forms for 2 and 3."""
    assert expected_max_normal(n, 1.0) == pytest.approx(exact, rel=1e-8)


@pytest.mark.parametrize(("n", "excess"), [(10, 0.023), (100, 0.009), (1000, 0.004)])
def test_the_approximation_is_high_by_the_stated_share(n, excess):
    share = expected_max_sharpe(n, 1.0) / expected_max_normal(n, 1.0) - 1
    assert share == pytest.approx(excess, abs=6e-4)


@given(n=st.integers(2, 10**9), variance=st.floats(1e-6, 1), mean=st.floats(-1, 1))
def test_the_maximum_scales_with_the_spread_and_moves_with_the_mean(n, variance, mean):
    unit = expected_max_sharpe(n, 1.0)
    assert expected_max_sharpe(n, variance, mean) == pytest.approx(
        mean + math.sqrt(variance) * unit, rel=1e-9, abs=1e-12
    )


def test_more_trials_always_raise_the_bar_even_astronomically_many():
    bars = [expected_max_sharpe(n, 1.0) for n in (2, 3, 10, 1e3, 1e9, 1e18, 1e100)]
    assert bars == sorted(bars)
    assert len(set(bars)) == len(bars)


@given(one=st.integers(1, 5_000), other=st.integers(1, 5_000), variance=st.floats(0, 0.01))
def test_more_trials_never_help(one, other, variance):
    def dsr(n):
        return deflated_sharpe_ratio(0.1, 1000, -1.0, 6.0, n_trials=n, trials_variance=variance).dsr

    assert dsr(max(one, other)) <= dsr(min(one, other)) + 1e-15


def test_one_trial_is_no_choice():
    found = deflated_sharpe_ratio(0.1, 250, 0.0, 3.0, n_trials=1, trials_variance=0.5)
    assert found.sr0 == 0
    assert found.dsr == probabilistic_sharpe_ratio(0.1, 0.0, 250)


@pytest.mark.parametrize("n", [1, 0, 1.5, -4, math.nan, math.inf])
def test_the_formula_needs_two_trials(n):
    with pytest.raises(StatisticsInputError):
        expected_max_sharpe(n, 1.0)
    with pytest.raises(StatisticsInputError):
        minimum_backtest_length(n)


@pytest.mark.parametrize("variance", [-1e-9, math.nan, math.inf])
def test_a_variance_is_finite_and_not_negative(variance):
    with pytest.raises(StatisticsInputError):
        deflated_sharpe_ratio(0.1, 250, 0.0, 3.0, n_trials=10, trials_variance=variance)


def test_a_trial_without_a_ratio_cannot_be_left_out_silently():
    with pytest.raises(StatisticsInputError):
        deflated_sharpe_ratio_from_trials(0.1, 250, 0.0, 3.0, trial_sharpes=[0.1, math.nan, 0.2])
    with pytest.raises(StatisticsInputError):
        deflated_sharpe_ratio_from_trials(0.1, 250, 0.0, 3.0, trial_sharpes=[0.1])
    with pytest.raises(StatisticsInputError):
        deflated_sharpe_ratio_from_trials(0.1, 250, 0.0, 3.0, trial_sharpes=[0.1, 0.2], ddof=2)


def test_the_deflated_ratio_of_pure_noise_is_rarely_high():
    """The best of 200 worthless trials beats the bar in about half of all worlds."""
    rng = np.random.default_rng(11)
    passed = 0
    for _ in range(200):
        noise = rng.normal(0, 0.01, (500, 200))
        ratios = noise.mean(axis=0) / noise.std(axis=0, ddof=1)
        found = deflated_sharpe_ratio_from_trials(ratios.max(), 500, 0.0, 3.0, trial_sharpes=ratios)
        passed += found.dsr >= 0.95
    assert passed <= 4


def test_the_upper_bound_holds_for_the_backtest_length():
    for n in (2, 10, 45, 1000, 10**6):
        found = minimum_backtest_length(n, 1.3)
        assert 0 < found.years <= found.upper_bound
    with pytest.raises(StatisticsInputError):
        minimum_backtest_length(10, 0.0)
