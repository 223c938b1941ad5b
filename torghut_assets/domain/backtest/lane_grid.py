"""A whole grid of accounts in step: decided by a program, or given as one wide array."""

from collections.abc import Callable

import numpy as np

from torghut_assets.domain.backtest.accounting import AccountRules, checked_weights
from torghut_assets.domain.backtest.costs import Conditions
from torghut_assets.domain.backtest.errors import WeightsRefusedError
from torghut_assets.domain.backtest.lane_accounts import (
    AccountsInStep,
    LaneReturns,
    not_finite,
    piece_shape,
    run_alone,
)
from torghut_assets.domain.candidates.grid_program import LANES, NOBODY, GridPiece, GridProgram
from torghut_assets.domain.candidates.strategy import Floats

Progress = Callable[[int, int], None]


def run_program(
    program: GridProgram,
    conditions: Conditions,
    rules: AccountRules,
    weights_of: Callable[[int], Floats],
    on_point: Progress | None = None,
) -> LaneReturns:
    """Decide and simulate a whole grid, so that no array of its weights ever exists.

    Parameters
    ----------
    program : GridProgram
    conditions : Conditions
    rules : AccountRules
    weights_of : callable
        Weights of one point by `target_weights`; asked for points that were ruined.
    on_point : callable, optional
        Told `(points done, points in all)`, as a share of the bars that are done.

    Raises
    ------
    WeightsRefusedError
        If some weight was not finite.
    """
    from torghut_assets.domain.backtest.lane_kernel import Piece

    n_bars, n_symbols = conditions.returns.shape
    n_blocks = program.lane_points.size // LANES
    accounts = AccountsInStep(program.lane_points, conditions, rules)
    n_points = len(accounts.net_returns)
    width = n_symbols * LANES
    step, at_once = piece_shape(n_symbols)
    buffer = np.empty(step * at_once * width)
    for start in range(0, n_bars, step):
        end = min(start + step, n_bars)
        for first in range(0, n_blocks, at_once):
            last = min(first + at_once, n_blocks)
            targets = buffer[: (last - first) * (end - start) * width]
            program.decide(GridPiece(start, end, first, last), targets)
            if end > n_bars - rules.lag and not np.isfinite(targets).all():  # never traded
                raise not_finite(None)
            accounts.advance(Piece(targets, rules.lag, start, end, first, last))
        if on_point is not None:
            on_point(n_points * end // n_bars, n_points)
    found, ruined = accounts.finished()
    for point in ruined:
        run_alone(found, point, weights_of(point), conditions, rules)
    return found


def simulate_side_by_side(
    weights: Floats, conditions: Conditions, rules: AccountRules, threads: int = 1
) -> tuple[Floats, Floats]:
    """Run many accounts over the same symbols; only returns and turnover are kept.

    Parameters
    ----------
    weights : ndarray of float64, shape (n_bars, n_accounts * n_symbols)
        Account k owns columns [k * n_symbols, (k + 1) * n_symbols).
    conditions, rules
        As in `simulate`.
    threads : int
        Number of threads; the result does not depend on it.

    Returns
    -------
    net_returns : ndarray of float64, shape (n_accounts, n_bars)
    turnover : ndarray of float64, shape (n_accounts,)
        Sum over all bars.

    Raises
    ------
    WeightsRefusedError
        If the columns are not a multiple of the symbols, or a weight is NaN or infinite.
    """
    from concurrent.futures import ThreadPoolExecutor

    from torghut_assets.domain.backtest.lane_kernel import Piece
    from torghut_assets.domain.backtest.lane_rows_kernel import gather

    n_bars, n_symbols = conditions.returns.shape
    n_accounts = max(1, weights.shape[-1] // n_symbols)
    wide = np.ascontiguousarray(weights, dtype=np.float64)
    whole = (n_bars, n_accounts * n_symbols)
    if wide.shape != whole or not np.isfinite(wide[n_bars - rules.lag :]).all():
        checked_weights(wide, whole)  # refuses; what is traded is checked as it is traded
    n_blocks = -(-n_accounts // LANES)
    rows = np.full(n_blocks * LANES, NOBODY)
    rows[:n_accounts] = np.arange(n_accounts)
    accounts = AccountsInStep(rows, conditions, rules)
    width = n_symbols * LANES
    step, at_once = piece_shape(n_symbols)
    edges = [n_blocks * part // threads for part in range(threads + 1)]

    def run(part: int) -> None:
        buffer = np.empty(step * at_once * width)
        for start in range(0, n_bars, step):
            end = min(start + step, n_bars)
            for first in range(edges[part], edges[part + 1], at_once):
                last = min(first + at_once, edges[part + 1])
                targets = buffer[: (last - first) * (end - start) * width]
                piece = Piece(targets, rules.lag, start, end, first, last)
                gather(wide, piece)
                accounts.advance(piece)

    if threads == 1:
        run(0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(run, range(threads)))
    try:
        found, ruined = accounts.finished()
    except WeightsRefusedError:
        checked_weights(wide, whole)  # names the bar and the column
        raise
    for account in ruined:
        own = wide[:, account * n_symbols : (account + 1) * n_symbols]
        run_alone(found, account, own, conditions, rules)
    return found.net_returns, found.turnover
