"""Accounts in step against `simulate`: the same bits, under every rule, in every lane."""

import numpy as np
import pytest
from test_accounting_differential import random_world, returns_of

from torghut_assets.domain.backtest.accounting import AccountRules, simulate
from torghut_assets.domain.backtest.costs import Conditions
from torghut_assets.domain.backtest.errors import AccountRulesError, WeightsRefusedError
from torghut_assets.domain.backtest.lane_accounts import (
    PlainScenario,
    is_plain,
    simulate_scenarios,
    simulate_side_by_side,
)


@pytest.mark.parametrize("seed", range(40))
def test_accounts_under_all_rules_equal_accounts_alone_to_the_bit(seed):
    prices, volumes, sigmas, first, rules, rates = random_world(seed)
    conditions = Conditions(returns_of(prices), volumes, sigmas, rates)
    draw = np.random.default_rng(seed)
    accounts = [first * scale for scale in draw.uniform(0.1, 2.0, 1 + seed % 11)]
    net, turnover = simulate_side_by_side(np.hstack(accounts), conditions, rules)
    assert not is_plain(conditions, rules)
    for k, weights in enumerate(accounts):
        alone = simulate(weights, conditions, rules)
        assert net[k].tobytes() == alone.net_return.tobytes()
        assert turnover[k] == sum(alone.turnover.tolist())


@pytest.mark.parametrize("n_accounts", [1, 7, 64, 65, 130])
@pytest.mark.parametrize("lag", [1, 3])
def test_accounts_in_step_equal_accounts_alone_to_the_bit(n_accounts, lag):
    """Without limits accounts run in step; some of these are ruined and some orders are dust."""
    draw = np.random.default_rng(n_accounts)
    returns = draw.normal(0, 0.02, (80, 4))
    weights = draw.normal(0, 0.3, (80, 4 * n_accounts))
    weights[draw.random(weights.shape) < 0.2] = 0.0
    weights[40:, ::3] = weights[40, ::3]
    weights[:, :4] *= 400.0  # ruined by a loss
    if n_accounts > 1:
        weights[:, 4:8] = 0.0
    conditions = Conditions.proportional(returns, 0.002)
    net, turnover = simulate_side_by_side(weights, conditions, AccountRules(lag=lag))
    ruined = 0
    for k in range(n_accounts):
        alone = simulate(weights[:, 4 * k : 4 * k + 4], conditions, AccountRules(lag=lag))
        assert net[k].tobytes() == alone.net_return.tobytes()
        assert turnover[k] == sum(alone.turnover.tolist())
        ruined += alone.ruin_bar is not None
    assert ruined == 1


def test_a_cost_that_eats_everything_ruins_accounts_in_step_too():
    weights = np.array([[0.5, 3.0], [-0.5, -3.0], [0.5, 3.0], [0.5, 3.0]])
    conditions = Conditions.proportional(np.full((4, 1), 0.01), 0.3)
    net, turnover = simulate_side_by_side(weights, conditions, AccountRules())
    for k in range(2):
        alone = simulate(weights[:, k : k + 1], conditions, AccountRules())
        assert net[k].tobytes() == alone.net_return.tobytes()
        assert turnover[k] == sum(alone.turnover.tolist())
    assert net[1].min() == -1.0 < net[0].min()
