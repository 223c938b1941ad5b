"""W1: signals and accounting of a whole parameter grid, from prices to figures.

Ours is what the product runs: the shipped plugin `time-series-momentum` offers a program for its
grid, and the accounts run eight in step over what it decides. Before anything is timed, its
returns are compared, to the bit, with those of `target_weights` point by point, which is timed
too. Peers: NumPy (running totals, then a loop over days for all accounts) and vectorbt fed with
those NumPy signals.
"""

import numpy as np
import reference
import runner
import workload_data
from w1g_accounting import vectorbt_public

from torghut_assets.domain.backtest.accounting import AccountRules
from torghut_assets.domain.backtest.costs import Conditions
from torghut_assets.domain.backtest.lane_accounts import LaneReturns
from torghut_assets.domain.backtest.lane_grid import run_program, simulate_side_by_side
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
    """The plugin's program for the grid, and the accounts over what it decides."""
    points = _points(grid)
    return told(
        run_program(
            STRATEGY.grid_program(bars, points),
            Conditions.proportional(returns, cost),
            AccountRules(),
            lambda point: STRATEGY.target_weights(bars, points[point]),
        )
    )


def point_by_point(bars, returns, grid):
    """Each point by `target_weights`, then `AT_ONCE` accounts in step."""
    reuse_freed_memory()  # as the product does before a grid
    conditions = Conditions.proportional(returns, COST)
    net, turnover = np.empty((len(grid), len(returns))), np.empty(len(grid))
    points = _points(grid)
    for first in range(0, len(grid), AT_ONCE):
        piece = slice(first, min(first + AT_ONCE, len(grid)))
        decided = np.hstack([STRATEGY.target_weights(bars, point) for point in points[piece]])
        net[piece], turnover[piece] = simulate_side_by_side(decided, conditions, AccountRules())
    return told(LaneReturns(net, turnover))


def _points(grid):
    return [
        TimeSeriesMomentumParameters(lookback_bars=lookback, volatility_bars=window)
        for lookback, window in grid
    ]


def told(found):
    sharpe, drawdown = found.figures(252, skipped_bars=252)
    net, turnover = found.net_returns, found.turnover
    return {"net": net, "turnover": turnover, "sharpe": sharpe, "drawdown": drawdown}


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
    same = runner.largest_difference(dict.fromkeys(TOLERANCE, 0.0))
    check = runner.largest_difference(TOLERANCE)
    for title, grid, slow_rounds in (
        ("100 combinations", few, chosen.slow_rounds),
        ("1,000 combinations", many, 0),
    ):
        if chosen.only not in title:
            continue
        by_point = runner.Contender(
            "torghut, target_weights",
            lambda g=grid: point_by_point(bars, returns, g),
            same,
            chosen.slow_rounds,
        )
        by_day = runner.Contender(
            "NumPy", lambda g=grid: by_numpy(prices.close, returns, g), check, chosen.slow_rounds
        )
        by_orders = runner.Contender(
            "vectorbt, public API",
            lambda g=grid: by_vectorbt(prices.close, g, COST),
            lambda *_: f"without fees: {agreement}",
            slow_rounds,
        )
        program = runner.Contender("torghut, grid program", lambda g=grid: ours(bars, returns, g))
        results = runner.compare([program, by_point, by_day, by_orders], chosen.rounds)
        notes = [f"{title}, 20 names, 8,313 bars. {runner.machine()}."]
        runner.publish(runner.markdown(f"W1 sweep, {title}", results, notes), chosen.output)
    if chosen.growth:
        publish_growth(chosen)


def publish_growth(chosen):
    """CPU time as one of combinations, days and symbols grows and the others stay."""
    small, large = workload_data.px20(), workload_data.px500()
    few = workload_data.sweep_grid(20, 5)
    sizes = {
        f"{nl * nv:,} combinations": (small, workload_data.sweep_grid(nl, nv))
        for nl, nv in ((5, 2), (20, 5), (40, 25), (100, 100))
    }
    sizes |= {f"{n:,} days": (_cut(small, n, 20), few) for n in (1000, 2000, 4000, 8000)}
    sizes |= {f"{n:,} symbols": (_cut(large, 8313, n), few) for n in (20, 100, 500)}
    lines = ["| W1, else 100 combinations of 20 names, 8,313 days | CPU | per cell |"]
    lines.append("| ---: | ---: | ---: |")
    for title, (prices, grid) in sizes.items():
        bars, returns = panel(prices), prices.returns
        seconds = runner.median_seconds(lambda b=bars, r=returns, g=grid: ours(b, r, g), rounds=3)
        cells = returns.size * len(grid)
        lines.append(f"| {title} | {1e3 * seconds:,.1f} ms | {1e9 * seconds / cells:.2f} ns |")
    runner.publish("\n".join([*lines, "", runner.machine(), ""]), chosen.output)


def _cut(prices, n_bars, n_symbols):
    return workload_data.Prices(
        prices.dates[:n_bars],
        prices.symbols[:n_symbols],
        np.ascontiguousarray(prices.close[:n_bars, :n_symbols]),
    )


if __name__ == "__main__":
    main()
