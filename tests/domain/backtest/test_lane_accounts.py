"""Accounts in step against `simulate`: the same bits, under every rule, in every lane."""

import importlib

import numpy as np
import pytest
from test_accounting_differential import random_world, returns_of

from torghut_assets.domain.backtest.accounting import AccountRules, simulate
from torghut_assets.domain.backtest.costs import Conditions
from torghut_assets.domain.backtest.errors import AccountRulesError, WeightsRefusedError
from torghut_assets.domain.backtest.lane_accounts import LaneReturns, is_plain
from torghut_assets.domain.backtest.lane_grid import simulate_side_by_side
from torghut_assets.domain.backtest.lane_scenarios import PlainScenario, simulate_scenarios


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


SCENARIOS = [PlainScenario(lag, rate) for lag in (1, 3, 2, 70) for rate in (0.0, 5e-4, 0.01)]


@pytest.mark.parametrize("n_scenarios", [1, 3, 8, 12])
@pytest.mark.parametrize(("n_bars", "n_symbols"), [(80, 5), (33, 1), (65, 700), (2, 3)])
def test_scenarios_in_step_equal_scenarios_alone_to_the_bit(n_scenarios, n_bars, n_symbols):
    draw = np.random.default_rng(n_scenarios)
    returns = draw.normal(0, 0.02, (n_bars, n_symbols))
    weights = draw.normal(0, 1.0 / n_symbols, (n_bars, n_symbols))
    found = simulate_scenarios(weights, returns, SCENARIOS[:n_scenarios])
    for k, scenario in enumerate(SCENARIOS[:n_scenarios]):
        conditions = Conditions.proportional(returns, scenario.rate)
        alone = simulate(weights, conditions, AccountRules(lag=scenario.lag))
        assert found.net_returns[k].tobytes() == alone.net_return.tobytes()
        assert found.turnover[k] == sum(alone.turnover.tolist())


def test_a_scenario_that_ruins_is_computed_by_the_definition():
    weights = np.array([[0.5], [-3.0], [3.0], [-3.0], [1.0]])
    returns = np.full((5, 1), 0.01)
    found = simulate_scenarios(weights, returns, (PlainScenario(1, 0.2), PlainScenario(1, 0.01)))
    for k, rate in enumerate((0.2, 0.01)):
        alone = simulate(weights, Conditions.proportional(returns, rate), AccountRules())
        assert found.net_returns[k].tobytes() == alone.net_return.tobytes()
        assert (alone.ruin_bar is not None) == (k == 0)


def test_scenarios_refuse_what_an_account_refuses():
    returns = np.zeros((4, 2))
    with pytest.raises(WeightsRefusedError, match="bar 3, column 0"):
        simulate_scenarios(
            np.array([[0, 0], [0, 0], [0, 0], [np.nan, 0]]), returns, [PlainScenario(1, 0.0)]
        )
    with pytest.raises(AccountRulesError, match="lag"):
        simulate_scenarios(np.zeros((4, 2)), returns, [PlainScenario(0, 0.0)])


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("bar", [0, 33, 37, 39])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_bad_weight_of_accounts_in_step_is_refused_by_place(plain, bar, bad):
    """Also one that was decided too late to be traded."""
    weights = np.zeros((40, 6))
    weights[bar, 4] = bad
    rules = AccountRules(lag=2) if plain else AccountRules(lag=2, max_symbol=0.5)
    with pytest.raises(WeightsRefusedError, match=f"bar {bar}, column 4"):
        simulate_side_by_side(weights, Conditions.proportional(np.zeros((40, 2)), 0.0), rules)


KERNELS = {
    "lane_kernel": ("run_plain", "run_limited", "_clip", "_cooled"),
    "lane_rows_kernel": ("gather", "gather_delayed", "summarize"),
}


@pytest.mark.parametrize("seed", range(6))
def test_compiled_and_interpreted_lanes_agree_to_the_bit(seed, monkeypatch):
    """Interpreted, the kernels run on NumPy arrays: another evaluation of the same source."""
    prices, volumes, sigmas, weights, rules, rates = random_world(seed)
    returns = returns_of(prices)
    worlds = [
        (Conditions(returns, volumes, sigmas, rates), rules),
        (Conditions.proportional(returns, 0.001), AccountRules(lag=2)),
    ]
    wide = np.hstack([weights, 0.3 * weights, -weights])
    compiled = [simulate_side_by_side(wide, *world) for world in worlds]
    stressed = simulate_scenarios(weights, returns, SCENARIOS[:5])
    told = stressed.figures(252, 3)
    for module, names in KERNELS.items():
        kernel = importlib.import_module(f"torghut_assets.domain.backtest.{module}")
        for name in names:
            monkeypatch.setattr(kernel, name, getattr(kernel, name).py_func)
    with np.errstate(all="ignore"):
        interpreted = [simulate_side_by_side(wide, *world) for world in worlds]
        again = simulate_scenarios(weights, returns, SCENARIOS[:5])
        figures = again.figures(252, 3)
    for one, other in zip(compiled, interpreted, strict=True):
        assert one[0].tobytes() == other[0].tobytes()
        assert one[1].tobytes() == other[1].tobytes()
    assert stressed.net_returns.tobytes() == again.net_returns.tobytes()
    assert [one.tobytes() for one in told] == [one.tobytes() for one in figures]


@pytest.mark.parametrize("n_accounts", [1, 8, 19])
def test_figures_are_the_textbooks(n_accounts):
    draw = np.random.default_rng(n_accounts)
    net = draw.normal(0.0005, 0.02, (n_accounts, 300))
    net[0] = 0.0
    ratios, drawdowns = LaneReturns(net, np.zeros(n_accounts)).figures(252, 50)
    assert np.isnan(ratios[0])
    assert drawdowns[0] == 0.0
    for k in range(1, n_accounts):
        used = net[k, 50:]
        expected = np.sqrt(252.0) * used.mean() / used.std(ddof=1)
        assert ratios[k] == pytest.approx(expected, rel=1e-12)
        value = np.concatenate([[1.0], np.cumprod(1.0 + net[k])])
        worst = max(1.0 - value[t] / value[: t + 1].max() for t in range(len(value)))
        assert drawdowns[k] == pytest.approx(worst, abs=1e-13)
