"""One account under many delays and proportional costs: eight scenarios in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from torghut_assets.domain.backtest.accounting import AccountRules, checked_weights, simulate
from torghut_assets.domain.backtest.costs import Conditions
from torghut_assets.domain.backtest.lane_accounts import (
    AccountsInStep,
    LaneReturns,
    piece_shape,
    run_alone,
)
from torghut_assets.domain.backtest.lane_grid import simulate_side_by_side
from torghut_assets.domain.candidates.grid_program import LANES, NOBODY
from torghut_assets.domain.candidates.strategy import Floats


@dataclass(frozen=True)
class PlainScenario:
    """A delay in bars, at least 1, and a cost per unit of traded notional, as a fraction."""

    lag: int
    rate: float


def simulate_scenarios(
    weights: Floats, returns: Floats, scenarios: Sequence[PlainScenario]
) -> LaneReturns:
    """Run one account's weights under many delays and proportional costs, in one pass each eight.

    Parameters
    ----------
    weights, returns : ndarray of float64, shape (n_bars, n_symbols)
    scenarios : sequence of PlainScenario
        At least one. Each is `simulate` with `Conditions.proportional` and this lag, bit by bit.

    Raises
    ------
    WeightsRefusedError
        If the shapes differ or a weight is NaN or infinite.
    AccountRulesError
        If a lag is below 1.
    """
    n_bars = len(returns)
    checked = checked_weights(weights, (n_bars, returns.shape[1]))
    found = LaneReturns(np.empty((len(scenarios), n_bars)), np.empty(len(scenarios)))
    rules = [AccountRules(lag=scenario.lag) for scenario in scenarios]
    for first in range(0, len(scenarios), LANES):
        piece = slice(first, first + LANES)
        ruined = _eight_scenarios(checked, returns, scenarios[piece], first, found)
        for index in ruined:
            world = Conditions.proportional(returns, scenarios[index].rate)
            run_alone(found, index, checked, world, rules[index])
    return found


def _eight_scenarios(
    weights: Floats,
    returns: Floats,
    scenarios: Sequence[PlainScenario],
    first: int,
    found: LaneReturns,
) -> list[int]:
    """Fill the results of at most eight scenarios; return which of them were ruined."""
    from torghut_assets.domain.backtest.lane_kernel import Piece
    from torghut_assets.domain.backtest.lane_rows_kernel import gather_delayed

    n_bars, n_symbols = returns.shape
    rows = np.full(LANES, NOBODY)
    rows[: len(scenarios)] = np.arange(len(scenarios))
    lags = np.array(sorted({scenario.lag for scenario in scenarios}))
    member, rates = np.zeros((len(lags), LANES)), np.zeros(LANES)
    for lane, scenario in enumerate(scenarios):
        member[np.searchsorted(lags, scenario.lag), lane] = 1.0
        rates[lane] = scenario.rate
    accounts = AccountsInStep(rows, Conditions.proportional(returns, 0.0), AccountRules(), rates)
    step, _ = piece_shape(n_symbols)
    buffer = np.empty(step * n_symbols * LANES)
    for start in range(0, n_bars, step):
        end = min(start + step, n_bars)
        targets = buffer[: (end - start) * n_symbols * LANES]
        piece = Piece(targets, 0, start, end, 0, 1)
        gather_delayed(weights, lags, member.ravel(), piece)
        accounts.advance(piece)
    returned, ruined = accounts.finished()
    found.net_returns[first : first + len(scenarios)] = returned.net_returns
    found.turnover[first : first + len(scenarios)] = returned.turnover
    return [first + lane for lane in ruined]


def warm_up_kernels() -> None:
    """Compile every account kernel into its cache, so that the first evaluation need not wait."""
    returns, weights = np.zeros((2, 1)), np.zeros((2, 1))
    free = Conditions.proportional(returns, 0.0)
    simulate(weights, free, AccountRules())
    simulate_side_by_side(weights, free, AccountRules())
    simulate_side_by_side(weights, free, AccountRules(cooldown=1))
    simulate_scenarios(weights, returns, (PlainScenario(1, 0.0),)).figures(periods_per_year=252)
