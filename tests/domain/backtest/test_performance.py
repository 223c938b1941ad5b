"""Drawdown, downside ratios, tail loss, hit rates."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.backtest.performance import (
    calmar_ratio,
    drawdown_depths,
    historical_var_cvar,
    hit_rate_profit_factor,
    max_drawdown,
    omega_ratio,
    sortino_ratio,
)
from torghut_assets.domain.backtest.statistics_errors import NoDownsideError
from torghut_assets.domain.errors import StatisticsInputError

RETURNS = st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=60)


@given(RETURNS)
def test_drawdown_is_the_worst_of_all_pairs(returns):
    wealth = np.concatenate(([1.0], np.cumprod(1 + np.array(returns))))
    worst = min(
        wealth[j] / wealth[i] - 1 for i in range(len(wealth)) for j in range(i, len(wealth))
    )
    assert max_drawdown(returns) == pytest.approx(worst, abs=1e-12)
    assert -1 <= max_drawdown(returns) <= 0


def test_losing_everything_is_a_drawdown_of_one():
    assert max_drawdown([0.1, -1.0, 0.5]) == -1


@given(RETURNS)
def test_gaps_change_nothing(returns):
    gapped = [math.nan, *returns, math.nan]
    assert max_drawdown(gapped) == max_drawdown(returns)
    assert hit_rate_profit_factor(gapped) == pytest.approx(
        hit_rate_profit_factor(returns), nan_ok=True
    ) or str(hit_rate_profit_factor(gapped)) == str(hit_rate_profit_factor(returns))


@pytest.mark.parametrize("returns", [[], [math.nan], [0.1, math.inf], [0.1, -1.5]])
def test_a_path_that_cannot_compound_has_no_drawdown(returns):
    with pytest.raises(StatisticsInputError):
        max_drawdown(returns)
    with pytest.raises(StatisticsInputError):
        calmar_ratio(returns)


@pytest.mark.parametrize(
    ("equity", "depths"),
    [
        ([100, 110, 120], []),
        ([100, 90, 100, 80, 101], [20]),
        ([100, 90, 101, 95], [10, 6]),
        ([100], []),
        ([-5, -7, -1], [2]),
    ],
)
def test_depths_lie_between_new_highs(equity, depths):
    assert drawdown_depths(equity).tolist() == depths


@given(st.lists(st.floats(1, 1000), min_size=1, max_size=60))
def test_the_deepest_of_the_depths_is_the_deepest_of_all_falls(equity):
    values = np.array(equity)
    falls = np.maximum.accumulate(values) - values
    depths = drawdown_depths(equity)
    assert max(depths.tolist(), default=0.0) == falls.max()


def test_a_gap_in_equity_is_refused():
    with pytest.raises(StatisticsInputError):
        drawdown_depths([100, math.nan, 90])


def test_without_losses_there_is_no_downside_ratio():
    gains = [0.01, 0.02, 0.0]
    for ratio in (calmar_ratio, sortino_ratio, omega_ratio):
        with pytest.raises(NoDownsideError):
            ratio(gains)


@given(RETURNS.filter(lambda r: min(r) < -1e-3), st.floats(0.01, 10))
def test_omega_and_sortino_do_not_depend_on_scale(returns, scale):
    scaled = (np.array(returns) * scale).tolist()
    assert omega_ratio(scaled) == pytest.approx(omega_ratio(returns), rel=1e-9, abs=1e-12)
    assert sortino_ratio(scaled) == pytest.approx(sortino_ratio(returns), rel=1e-9, abs=1e-12)


def test_the_downside_is_taken_over_all_observations():
    assert sortino_ratio([0.1, -0.1, 0.1, 0.1]) == pytest.approx(0.05 / math.sqrt(0.01 / 4))


@given(RETURNS, st.floats(0.5, 0.99))
def test_shortfall_is_never_better_than_the_quantile_that_it_lies_behind(returns, confidence):
    found = historical_var_cvar(returns, confidence)
    assert min(returns) - 1e-12 <= found.cvar_ru
    assert found.cvar_tail <= found.var_linear + 1e-12
    assert found.cvar_ru <= float(np.mean(returns)) + 1e-9


def test_shortfall_minimizes_the_objective_of_rockafellar_and_uryasev():
    """CVaR is the maximum over c of c - mean(max(c - r, 0)) / tail, attained at a return."""
    returns = np.random.default_rng(5).standard_t(4, 73) / 100
    for confidence in (0.9, 0.95, 0.99):
        tail = 1 - confidence
        best = max(c - np.mean(np.maximum(c - returns, 0)) / tail for c in returns)
        assert historical_var_cvar(returns, confidence).cvar_ru == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.1, 95, math.nan])
def test_confidence_is_a_fraction(confidence):
    with pytest.raises(StatisticsInputError):
        historical_var_cvar([0.01, -0.01, 0.0], confidence)


def test_hit_rates_without_losses_leave_the_profit_factor_undefined():
    found = hit_rate_profit_factor([0.01, 0.0, 0.02, 0.0])
    assert (found.hit_rate_all, found.hit_rate_nonzero) == (0.5, 1.0)
    assert math.isnan(found.profit_factor)


def test_calmar_counts_only_what_was_observed():
    full = calmar_ratio([0.1, -0.05, 0.02], 12)
    assert calmar_ratio([0.1, math.nan, -0.05, 0.02], 12) == full
    assert full.cagr == pytest.approx((1.1 * 0.95 * 1.02) ** 4 - 1)
