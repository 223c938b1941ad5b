import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torghut_assets.domain.errors import StatisticsInputError
from torghut_assets.domain.tca.errors import OutOfRangeError
from torghut_assets.domain.tca.schedule import ExecutionProblem, almgren_chriss_schedule

# Almgren and Chriss (2000), section 3.4: one million shares at 50 over five days.
PAPER = ExecutionProblem(
    lam=2e-6, tau=1.0, sigma=0.95, gamma=2.5e-7, eta=2.5e-6, epsilon=0.0625, X=1e6, T=5.0
)


def objective(problem, holdings):
    """Cost + risk aversion x variance, straight from the paper's equations 4 and 5."""
    holdings = np.asarray(holdings)
    trades = -np.diff(holdings)
    velocity = trades / problem.tau
    cost = problem.gamma * problem.tau * np.sum(holdings[1:] * velocity)
    cost += np.sum(problem.epsilon * np.abs(trades) + problem.eta * velocity * trades)
    variance = problem.sigma**2 * problem.tau * np.sum(holdings[1:] ** 2)
    return cost, variance


@settings(max_examples=60)
@given(
    lam=st.floats(0.0, 1e-4),
    steps=st.integers(2, 12),
    seed=st.integers(0, 10_000),
)
def test_no_other_schedule_is_better(lam, steps, seed):
    problem = replace(PAPER, lam=lam, tau=5.0 / steps)
    schedule = almgren_chriss_schedule(problem)
    cost, variance = objective(problem, schedule.holdings)
    assert schedule.expected_cost == pytest.approx(cost, rel=1e-9)
    assert schedule.cost_variance == pytest.approx(variance, rel=1e-9)
    change = np.zeros(steps + 1)
    change[1:-1] = np.random.default_rng(seed).normal(scale=1e4, size=steps - 1)
    other_cost, other_variance = objective(problem, np.array(schedule.holdings) + change)
    assert other_cost + lam * other_variance >= (cost + lam * variance) * (1 - 1e-12)


def test_urgency_and_half_life_of_the_published_parameters():
    schedule = almgren_chriss_schedule(PAPER)
    assert schedule.half_life == pytest.approx(math.sqrt((2.5e-6 - 1.25e-7) / (2e-6 * 0.95**2)))
    assert schedule.kappa == pytest.approx(math.acosh(1 + 0.5 / schedule.half_life**2))
    assert schedule.holdings[0] == 1e6
    assert schedule.holdings[-1] == 0.0
    assert sum(schedule.trades) == pytest.approx(1e6)


@pytest.mark.parametrize("change", [{"lam": 0.0}, {"sigma": 0.0}])
def test_without_risk_the_schedule_is_even(change):
    schedule = almgren_chriss_schedule(replace(PAPER, **change))
    assert schedule.holdings == pytest.approx((1e6, 8e5, 6e5, 4e5, 2e5, 0.0))
    assert schedule.kappa == 0.0
    assert schedule.half_life is None
    assert schedule.expected_cost == pytest.approx(662_500.0)


def test_a_buy_program_mirrors_a_sell_program():
    sell, buy = almgren_chriss_schedule(PAPER), almgren_chriss_schedule(replace(PAPER, X=-1e6))
    assert buy.trades == pytest.approx([-trade for trade in sell.trades])
    assert buy.expected_cost == pytest.approx(sell.expected_cost)


def test_extreme_urgency_sells_everything_at_once_without_overflow():
    schedule = almgren_chriss_schedule(replace(PAPER, lam=1e6))
    assert schedule.trades[0] == pytest.approx(1e6)
    assert all(math.isfinite(held) for held in schedule.holdings)


def test_vanishing_urgency_is_even_as_well():
    schedule = almgren_chriss_schedule(replace(PAPER, lam=1e-25))
    assert schedule.holdings == pytest.approx((1e6, 8e5, 6e5, 4e5, 2e5, 0.0))


@pytest.mark.parametrize(
    "change",
    [
        {"lam": -1e-6},
        {"tau": 0.0},
        {"tau": 2.0},
        {"T": math.nan},
        {"eta": 1e-7},
        {"eta": 1.25e-7},
        {"sigma": -1.0},
        {"epsilon": -0.1},
        {"X": math.inf},
        {"tau": 1e-9},
    ],
)
def test_a_problem_without_a_solution_is_refused(change):
    with pytest.raises(StatisticsInputError):
        almgren_chriss_schedule(replace(PAPER, **change))


def test_the_message_names_the_step():
    with pytest.raises(OutOfRangeError, match="whole steps of tau 2"):
        almgren_chriss_schedule(replace(PAPER, tau=2.0))
