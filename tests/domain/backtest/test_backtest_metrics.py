"""Figures of a path against values worked out apart from the code."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from scipy import stats

from torghut_assets.domain.backtest.accounting import AccountRules, simulate
from torghut_assets.domain.backtest.costs import Conditions
from torghut_assets.domain.backtest.metrics import (
    annual_return,
    annualized,
    drawdowns,
    equity_curve,
    max_drawdown,
    path_metrics,
    returns_digest,
    sharpe_per_bar,
)

RETURNS = st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=60).map(np.array)


def path_of(returns, weight=1.0, rate=0.0):
    """A path that holds `weight` of one stock; its first two bars have no position."""
    column = np.concatenate([[0.0, 0.0], returns])[:, np.newaxis]
    return simulate(
        np.full_like(column, weight), Conditions.proportional(column, rate), AccountRules()
    )


def test_figures_of_four_returns_by_hand():
    # 10 %, -5 %, 2 %, -1 %: mean 0.015; deviations 0.085, -0.065, 0.005, -0.025
    net = [0.10, -0.05, 0.02, -0.01]
    metrics = path_metrics(path_of(net), (2, 6), 252)
    growth = 1.1 * 0.95 * 1.02 * 0.99
    deviation = ((0.085**2 + 0.065**2 + 0.005**2 + 0.025**2) / 3) ** 0.5
    downside = ((0.05**2 + 0.01**2) / 4) ** 0.5
    assert metrics.n_bars == 4
    assert metrics.total_return_fraction == pytest.approx(growth - 1)
    assert metrics.annual_return_fraction == pytest.approx(growth**63 - 1)
    assert metrics.annual_volatility_fraction == pytest.approx(deviation * 252**0.5)
    assert metrics.sharpe_per_bar == pytest.approx(0.015 / deviation)
    assert metrics.sharpe_annual == pytest.approx(0.015 / deviation * 252**0.5)
    assert metrics.sortino_annual == pytest.approx(0.015 / downside * 252**0.5)
    assert metrics.max_drawdown_fraction == pytest.approx(0.05)
    assert metrics.hit_rate_fraction == 0.5
    assert metrics.mean_gross_fraction == pytest.approx(1.0)
    assert metrics.concentration_hhi == 1.0
    assert metrics.unfilled_fraction == 0.0


def test_costs_and_turnover_are_per_year():
    path = path_of([0.0, 0.0], weight=0.5, rate=0.01)
    metrics = path_metrics(path, (0, 4), 252)
    assert metrics.turnover_annual == pytest.approx(path.turnover.sum() / 4 * 252)
    assert metrics.cost_annual_fraction == pytest.approx(path.cost_fraction.mean() * 252)
    assert path.cost_fraction[1] == pytest.approx(0.005)


@given(RETURNS)
@examples(deadline=None)
def test_moments_agree_with_scipy(returns):
    if sharpe_per_bar(returns) is None or np.ptp(returns) < 1e-6:
        return
    metrics = path_metrics(path_of(returns), (2, len(returns) + 2), 252)
    assert metrics.skew == pytest.approx(stats.skew(returns), rel=1e-6, abs=1e-7)
    assert metrics.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False), rel=1e-6)


@given(RETURNS)
@examples(deadline=None)
def test_drawdown_is_the_worst_fall_between_any_two_points(returns):
    equity = np.concatenate([[1.0], equity_curve(returns)])
    worst = max(
        1 - equity[j] / equity[i] for i in range(len(equity)) for j in range(i, len(equity))
    )
    assert max_drawdown(returns) == pytest.approx(worst, abs=1e-12)
    assert np.all(drawdowns(returns) >= 0)


@given(returns=RETURNS, factor=st.floats(0.1, 1))
@examples(deadline=None)
def test_sharpe_does_not_change_with_scale(returns, factor):
    base, scaled = sharpe_per_bar(returns), sharpe_per_bar(returns * factor)
    if base is not None and scaled is not None:
        assert scaled == pytest.approx(base, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    "returns", [np.zeros(10), np.full(10, 0.01), np.full(7, 0.1) + 1e-17, np.array([0.02])]
)
def test_returns_that_do_not_vary_have_no_sharpe_ratio(returns):
    assert sharpe_per_bar(returns) is None


def test_a_flat_path_is_undefined_not_zero():
    metrics = path_metrics(path_of([0.0, 0.0], weight=0.0), (0, 4), 252)
    undefined = {name for name, value in metrics if value is None}
    assert undefined == {
        "sharpe_annual",
        "sharpe_per_bar",
        "sortino_annual",
        "skew",
        "kurtosis",
        "hit_rate_fraction",
        "concentration_hhi",
    }
    assert metrics.annual_volatility_fraction == 0.0


def test_one_bar_has_a_return_and_no_volatility():
    metrics = path_metrics(path_of([0.1]), (2, 3), 252)
    assert metrics.total_return_fraction == pytest.approx(0.1)
    assert metrics.annual_volatility_fraction is None
    assert metrics.sharpe_annual is None


def test_a_path_without_a_loss_has_no_sortino_ratio():
    assert path_metrics(path_of([0.1, 0.2, 0.0]), (2, 5), 252).sortino_annual is None


def test_annual_returns_at_their_edges():
    assert annual_return(0.0, 10, 252) == -1.0
    assert annual_return(1e30, 1, 252) is None
    assert annual_return(1.21, 504, 252) == pytest.approx(0.1)
    assert annualized(None, 252) is None
    assert annualized(0.5, 4) == 1.0


def test_the_unfilled_share_is_what_was_ordered_and_not_traded():
    liquidity = np.full((3, 1), 1_000.0)
    conditions = Conditions.proportional(np.zeros((3, 1)), 0.0).with_liquidity(liquidity)
    rules = AccountRules(max_participation=0.1, equity_usd=1_000.0)
    path = simulate(np.full((3, 1), 0.25), conditions, rules)
    # ordered 250 then 150, filled 100 each
    assert path_metrics(path, (0, 3), 252).unfilled_fraction == pytest.approx(0.5)


def test_a_digest_of_returns_ignores_the_last_bits_and_nothing_else():
    returns = np.array([0.01, -0.02, 0.0])
    assert returns_digest(returns) == returns_digest(returns * (1 + 1e-15))
    assert returns_digest(np.array([0.0])) == returns_digest(np.array([-0.0]))
    assert returns_digest(returns) != returns_digest(returns * (1 + 1e-9))
    assert returns_digest(returns) != returns_digest(returns[:2])
