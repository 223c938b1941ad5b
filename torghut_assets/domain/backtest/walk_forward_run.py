"""Walk-forward evaluation: choose parameters on the past, trade them on what follows.

Every grid point is simulated once over all bars. Each fold picks the point with the best train
Sharpe ratio. The picked weights are stitched together, one test window after the other, and
simulated again as one account, so that switching between points costs what it costs. The
out-of-sample path is that account, restricted to the test windows.

A plugin may offer a program that decides its grid at once (`candidates.grid_program`). Then the
grid is simulated eight points at a time; everything that is traded is still decided by
`target_weights`, and whatever point a fold picks must have the same returns both ways, bit by bit.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from torghut_assets.domain.backtest.accounting import (
    AccountPath,
    AccountRules,
    checked_weights,
    simulate,
)
from torghut_assets.domain.backtest.costs import Conditions, CostRates, trading_conditions
from torghut_assets.domain.backtest.errors import GridProgramRefusedError, GridRefusedError
from torghut_assets.domain.backtest.folds import Fold, walk_forward_folds
from torghut_assets.domain.backtest.lane_grid import run_program
from torghut_assets.domain.backtest.market import MarketArrays
from torghut_assets.domain.backtest.metrics import sharpe_ratios
from torghut_assets.domain.backtest.records import CostModel, EvaluationSettings, RiskLimits
from torghut_assets.domain.candidates.grid_program import GridProgram, lanes_are_complete
from torghut_assets.domain.candidates.records import ParameterValue
from torghut_assets.domain.candidates.strategy import Floats

Point = Mapping[str, ParameterValue]
WeightsOf = Callable[[Point], Floats]
Progress = Callable[[int, int], None]

NOTHING_COUNTED = (0, 0)
"""For a grid point only the returns are kept, so no totals per symbol are summed."""

_SPARE_VALUES = 31 << 17  # an array of 31 MiB


@dataclass(frozen=True)
class EvaluationPlan:
    """Everything but the market and the strategy."""

    settings: EvaluationSettings
    cost_model: CostModel
    limits: RiskLimits
    warm_up_bars: int


@dataclass(frozen=True)
class GridShortcut:
    """A plugin's program for the grid, and how closely it is watched.

    The declared point and every point that a fold picked are always decided by `target_weights`
    too, and must have the same returns; so must `compared` further points, spread evenly.
    """

    program: GridProgram
    compared: int = 0


@dataclass(frozen=True)
class FoldChoice:
    """The grid point that a fold picked, by index, and its train Sharpe ratio per bar."""

    fold: Fold
    point: int
    train_sharpe: float | None


@dataclass(frozen=True)
class WalkForwardRun:
    """A finished walk-forward evaluation.

    Attributes
    ----------
    points : tuple of mappings
        Parameters of each grid point; the declared one first.
    choices : tuple of FoldChoice
    grid_returns : ndarray of float64, shape (n_points, n_bars)
        Net returns of every point, traded alone over all bars.
    declared_weights, stitched_weights : ndarray of float64, shape (n_bars, n_symbols)
    declared, stitched : AccountPath
        Over all bars; totals per symbol cover the test windows.
    """

    market: MarketArrays
    plan: EvaluationPlan
    conditions: Conditions
    rules: AccountRules
    points: tuple[Point, ...]
    choices: tuple[FoldChoice, ...]
    grid_returns: Floats
    declared_weights: Floats
    stitched_weights: Floats
    declared: AccountPath
    stitched: AccountPath

    @property
    def out_of_sample(self) -> tuple[int, int]:
        """Bars `[start, end)` of all test windows, which lie end to end."""
        return self.choices[0].fold.test_start, self.choices[-1].fold.test_end


def run_walk_forward(
    market: MarketArrays,
    points: Sequence[Point],
    weights_of: WeightsOf,
    plan: EvaluationPlan,
    on_point: Progress | None = None,
    shortcut: GridShortcut | None = None,
) -> WalkForwardRun:
    """Evaluate a strategy's parameter grid on one market.

    Parameters
    ----------
    market : MarketArrays
        Built with the cost model's `volatility_window_bars`.
    points : sequence of mappings
        Grid points, the declared one first; see `candidates.grid`.
    weights_of : callable
        Decided weights of a point, shape (n_bars, n_symbols). Called once per point, and again
        for each point that a fold picks, so that a large grid need not be kept in memory.
    plan : EvaluationPlan
    on_point : callable, optional
        Told `(points done, points in all)`, for a progress bar.
    shortcut : GridShortcut, optional
        Decides the same points faster; the result is the same without it, to the bit.

    Raises
    ------
    GridProgramRefusedError
        If the program does not decide every point, or not as `weights_of` does.
    FoldPlanError
        If the folds cannot be laid out.
    WeightsRefusedError
        If a point's weights have the wrong shape or are not finite.
    GridRefusedError
        If there is no point, or more than the settings allow.
    """
    _refuse_grid_size(len(points), plan.settings.max_grid_points)
    folds = walk_forward_folds(market.n_bars, plan.warm_up_bars, plan.settings)
    tested = (folds[0].test_start, folds[-1].test_end)
    conditions = trading_conditions(market, CostRates.of(plan.cost_model))
    rules = AccountRules.of(plan.limits)
    shape = (market.n_bars, market.n_symbols)

    declared_weights = checked_weights(weights_of(points[0]), shape).copy()
    declared = simulate(declared_weights, conditions, rules, tested)

    def weights_at(index: int) -> Floats:
        return checked_weights(weights_of(points[index]), shape).copy()

    def net_returns(weights: Floats) -> Floats:
        return simulate(weights, conditions, rules, NOTHING_COUNTED).net_return

    if shortcut is None:
        grid_returns = np.empty((len(points), market.n_bars))
        grid_returns[0] = declared.net_return
        _simulate_grid(grid_returns, weights_at, net_returns, on_point)
    else:
        _refuse_lanes(shortcut.program, len(points))
        grid = run_program(shortcut.program, conditions, rules, weights_at, on_point)
        grid_returns = grid.net_returns
        _refuse_other_returns(grid_returns, 0, declared.net_return)
        n_compared = min(len(points), shortcut.compared)
        for index in np.linspace(0, len(points) - 1, n_compared).astype(np.int64).tolist():
            _refuse_other_returns(grid_returns, index, net_returns(weights_at(index)))
    choices = tuple(choose(grid_returns, fold) for fold in folds)

    def decided(index: int) -> Floats:
        if index == 0:
            return declared_weights
        weights = weights_at(index)
        if shortcut is not None:
            _refuse_other_returns(grid_returns, index, net_returns(weights))
        return weights

    stitched_weights = _stitch(choices, shape, decided)
    return WalkForwardRun(
        market=market,
        plan=plan,
        conditions=conditions,
        rules=rules,
        points=tuple(points),
        choices=choices,
        grid_returns=grid_returns,
        declared_weights=declared_weights,
        stitched_weights=stitched_weights,
        declared=declared,
        stitched=simulate(stitched_weights, conditions, rules, tested),
    )


def _simulate_grid(
    grid_returns: Floats,
    weights_at: Callable[[int], Floats],
    net_returns: Callable[[Floats], Floats],
    on_point: Progress | None,
) -> None:
    """Fill all rows but the first; the plugin decides a point while the last one is simulated.

    The plugin stays on the caller's thread, one call after the other. The simulation, compiled
    and without the interpreter lock, runs beside it.
    """
    n_points = len(grid_returns)
    reuse_freed_memory()
    if on_point is not None:
        on_point(1, n_points)
    with ThreadPoolExecutor(1) as beside:
        running: Future[Floats] | None = None
        for index in range(1, n_points + 1):
            weights = weights_at(index) if index < n_points else None
            if running is not None:
                grid_returns[index - 1] = running.result()
                if on_point is not None:
                    on_point(index, n_points)
            running = None if weights is None else beside.submit(net_returns, weights)


def reuse_freed_memory() -> None:
    """Make the C library keep what a plugin's arrays leave behind, for the next ones.

    glibc keeps freed memory up to twice the largest block that was ever returned to it. Fresh
    pages for every array cost a plugin as much time as its arithmetic. Elsewhere it does nothing.
    """
    np.empty(_SPARE_VALUES)  # taken and returned at once


def choose(grid_returns: Floats, fold: Fold) -> FoldChoice:
    """Pick the point with the highest Sharpe ratio on the fold's train bars, first on ties.

    A point whose ratio is undefined never wins; if all are undefined the declared point (index
    0) is kept, with no train ratio.
    """
    ratios = sharpe_ratios(grid_returns[:, fold.train_bars])
    if np.isnan(ratios).all():
        return FoldChoice(fold=fold, point=0, train_sharpe=None)
    best = int(np.nanargmax(ratios))
    return FoldChoice(fold=fold, point=best, train_sharpe=float(ratios[best]))


def _refuse_grid_size(found: int, allowed: int) -> None:
    if found == 0:
        raise GridRefusedError(location="grid points", found="none", expected="the declared point")
    if found > allowed:
        raise GridRefusedError(
            location="grid points",
            found=str(found),
            expected=f"at most {allowed}",
            action="Thin out the grid, or raise max_grid_points in evaluation.yaml.",
        )


def _refuse_lanes(program: GridProgram, n_points: int) -> None:
    if not lanes_are_complete(program.lane_points, n_points):
        raise GridProgramRefusedError(
            location="grid program, lane_points",
            found=f"{program.lane_points.size} lanes",
            expected=f"whole blocks that hold each of {n_points} points once",
        )


def _refuse_other_returns(grid_returns: Floats, index: int, by_weights: Floats) -> None:
    """The plugin's two ways of deciding one point must lead to the same account."""
    differ = np.flatnonzero(grid_returns[index].view(np.int64) != by_weights.view(np.int64))
    if differ.size:
        bar = int(differ[0])
        raise GridProgramRefusedError(
            location=f"grid program, point {index}, bar {bar}",
            found=f"a net return of {float(grid_returns[index, bar])!r}",
            expected=f"{float(by_weights[bar])!r}, as target_weights leads to",
            action="Repair the plugin, or remove its grid_program.",
        )


def _stitch(
    choices: Sequence[FoldChoice], shape: tuple[int, int], decided: Callable[[int], Floats]
) -> Floats:
    """Weights decided in each test window by the point that its fold picked; 0 elsewhere."""
    stitched = np.zeros(shape)
    for index in sorted({choice.point for choice in choices}):
        weights = decided(index)
        for choice in choices:
            if choice.point == index:
                window = slice(choice.fold.test_start, choice.fold.test_end)
                stitched[window] = weights[window]
    return stitched
