"""W1: signals and accounting of a whole parameter grid, from prices to figures.

Ours is what the product runs: the shipped plugin `time-series-momentum` decides each grid
point by itself (it may not know that points share windows), and the accounting kernel runs
the points side by side. Peers: NumPy (running totals, then a loop over days for all
accounts) and vectorbt fed with those NumPy signals.
"""

import numpy as np
import reference
import runner
import workload_data
from w1g_accounting import vectorbt_public

from torghut_assets.domain.backtest.accounting import AccountRules, simulate_side_by_side
from torghut_assets.domain.backtest.costs import Conditions
from torghut_assets.domain.backtest.walk_forward_run import reuse_freed_memory
from torghut_assets.domain.candidates.strategy import BarPanel
from torghut_assets.strategies.time_series_momentum_v1 import (
    STRATEGY,
    TimeSeriesMomentumParameters,
)

COST = 5e-4
AT_ONCE = 40
TOLERANCE = {"net": 1e-12, "turnover": 1e-9, "sharpe": 1e-12, "drawdown": 1e-12}


def panel(prices):
    """Bars of which only closes are known.

    The workload does not know the product's rule that a symbol whose `close` stands still has
    weight 0 (RRC does so for 69 bars). The plugin reads `close` for that rule only, so it gets
    closes that always move, and the true ones as `adjusted_close`.
    """
    close = prices.close
    moving = close * (1.0 + 1e-9 * (np.arange(len(close)) % 2))[:, np.newaxis]
    volume = np.full(close.shape, 1e9)
    times = prices.dates.astype("datetime64[us]")
    return BarPanel(times, prices.symbols, moving, moving, moving, moving, close, volume)


def figures(net, turnover):
    return {
        "net": net,
        "turnover": turnover,
        "sharpe": reference.sharpe(net),
        "drawdown": reference.max_drawdown(net),
    }


def ours(bars, returns, grid, cost=COST):
    """Each point through the plugin, then the kernel, `AT_ONCE` accounts in step."""
    reuse_freed_memory()  # as the product does before a grid
    n_bars, n_symbols = returns.shape
    conditions = Conditions.proportional(returns, cost)
    net, turnover = np.empty((len(grid), n_bars)), np.empty(len(grid))
    for first in range(0, len(grid), AT_ONCE):
        points = grid[first : first + AT_ONCE]
        decided = np.empty((n_bars, len(points) * n_symbols))
        for k, (lookback, window) in enumerate(points):
            parameters = TimeSeriesMomentumParameters(
                lookback_bars=lookback, volatility_bars=window
            )
            columns = slice(k * n_symbols, (k + 1) * n_symbols)
            decided[:, columns] = STRATEGY.target_weights(bars, parameters)
        piece = slice(first, first + len(points))
        net[piece], turnover[piece] = simulate_side_by_side(decided, conditions, AccountRules())
    return figures(net, turnover)


def by_numpy(close, returns, grid):
    net, turnover = [], []
    for first in range(0, len(grid), AT_ONCE):
        targets = _targets(close, grid[first : first + AT_ONCE])
        one, other = reference.accounts(returns, targets, COST)
        net.append(one)
        turnover.append(other)
    return figures(np.concatenate(net), np.concatenate(turnover))


def by_vectorbt(close, grid, cost):
    net = [
        vectorbt_public(close, _targets(close, grid[first : first + AT_ONCE]), cost)["net"]
        for first in range(0, len(grid), AT_ONCE)
    ]
    return {"net": np.concatenate(net)}


def _targets(close, grid):
    decided = [reference.momentum_weights_by_sums(close, *point) for point in grid]
    return reference.executed(np.hstack(decided), 1)


def main():
    chosen = runner.options(__doc__)
    prices = workload_data.px20()
    bars, returns = panel(prices), prices.returns
    few, many = workload_data.sweep_grid(20, 5), workload_data.sweep_grid(40, 25)
    free = ours(bars, returns, few[:AT_ONCE], cost=0.0)
    agreement = runner.largest_difference({"net": 1e-12})(
        free, by_vectorbt(prices.close, few[:AT_ONCE], 0.0)
    )
    check = runner.largest_difference(TOLERANCE)
    results = runner.compare(
        [
            runner.Contender("torghut", lambda: ours(bars, returns, few)),
            runner.Contender("NumPy", lambda: by_numpy(prices.close, returns, few), check),
            runner.Contender(
                "vectorbt, public API",
                lambda: by_vectorbt(prices.close, few, COST),
                lambda *_: f"without fees: {agreement}",
                chosen.slow_rounds,
            ),
        ],
        chosen.rounds,
    )
    notes = [f"100 combinations, 20 names, 8,313 bars. {runner.machine()}."]
    runner.publish(runner.markdown("W1 sweep", results, notes), chosen.output)
    if chosen.growth:
        lines = ["| W1 combinations | CPU of torghut |", "| ---: | ---: |"]
        for grid in (workload_data.sweep_grid(5, 2), few, many):
            seconds = runner.median_seconds(lambda g=grid: ours(bars, returns, g), rounds=3)
            lines.append(f"| {len(grid):,} | {seconds:.3f} s |")
        runner.publish("\n".join([*lines, ""]), chosen.output)


if __name__ == "__main__":
    main()
