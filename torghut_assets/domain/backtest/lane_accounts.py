"""Many accounts in step: a whole grid, or one account under many costs and delays.

`accounting.simulate` defines the account. What runs here are the kernels of `lane_kernel`, which
compute the same bits for eight accounts at a time. Which one runs is a rule, not a choice: the
plain kernel if a constant cost is all that stands between a target and its fill, else the
limited one. An account that is ruined is computed by `simulate`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.backtest.accounting import (
    AccountRules,
    checked_weights,
    kernel_inputs,
    simulate,
)
from torghut_assets.domain.backtest.costs import Conditions
from torghut_assets.domain.backtest.errors import WeightsRefusedError
from torghut_assets.domain.backtest.series import ROUNDING
from torghut_assets.domain.candidates.grid_program import LANES, NOBODY, GridPiece, GridProgram
from torghut_assets.domain.candidates.strategy import Floats

if TYPE_CHECKING:
    from torghut_assets.domain.backtest.lane_kernel import Piece

Progress = Callable[[int, int], None]

_PIECE_VALUES = 1 << 16
"""Weights in the buffer at a time, 512 KiB: it stays in the second-level cache."""

_PIECE_BARS = 32


@dataclass(frozen=True)
class LaneReturns:
    """What is kept of accounts in step.

    Attributes
    ----------
    net_returns : ndarray of float64, shape (n_accounts, n_bars)
    turnover : ndarray of float64, shape (n_accounts,)
        Sum over all bars.
    """

    net_returns: Floats
    turnover: Floats

    def figures(self, periods_per_year: int, skipped_bars: int = 0) -> tuple[Floats, Floats]:
        """Annual Sharpe ratios and largest drawdowns, each of shape (n_accounts,).

        Parameters
        ----------
        periods_per_year : int
        skipped_bars : int
            First bars that the ratio leaves out; at least two must remain.

        Returns
        -------
        sharpe_annual, max_drawdown_fraction : ndarray of float64
            A ratio is NaN where returns do not vary; a drawdown counts the start as a peak.
        """
        from torghut_assets.domain.backtest.lane_kernel import summarize

        n_accounts = len(self.net_returns)
        width = -(-n_accounts // LANES) * LANES
        sums, drawdowns = np.empty((2, width)), np.empty(width)
        summarize(self.net_returns, skipped_bars, sums, drawdowns)
        mean, deviation = sums[0, :n_accounts], np.sqrt(sums[1, :n_accounts])
        ratio = np.full(n_accounts, np.nan)
        np.divide(mean, deviation, out=ratio, where=deviation > ROUNDING * np.abs(mean))
        return ratio * np.sqrt(periods_per_year), drawdowns[:n_accounts]


def is_plain(conditions: Conditions, rules: AccountRules) -> bool:
    """Whether nothing but a constant cost stands between a target and its fill."""
    return (
        conditions.liquidity_usd.size == 0
        and conditions.volatility.size == 0
        and rules.max_gross == rules.max_net == rules.max_symbol == inf
        and rules.min_trade == 0.0
        and rules.cooldown == 0
    )


class AccountsInStep:
    """Accounts in blocks of eight lanes, advanced piece by piece.

    Parameters
    ----------
    rows : ndarray of int64, shape (n_blocks * LANES,)
        Which account a lane is, or `NOBODY`.
    conditions : Conditions
    rules : AccountRules
    lane_rates : ndarray of float64, shape (LANES,), optional
        Cost of each lane instead of the conditions' fixed rate; under plain rules only.
    """

    def __init__(
        self,
        rows: npt.NDArray[np.int64],
        conditions: Conditions,
        rules: AccountRules,
        lane_rates: Floats | None = None,
    ) -> None:
        from torghut_assets.domain.backtest import lane_kernel as kernel

        n_bars, n_symbols = conditions.returns.shape
        n_accounts = int(np.count_nonzero(rows != NOBODY))
        self.plain = is_plain(conditions, rules)
        self.net_returns = np.empty((n_accounts, n_bars))
        self.net_returns[:, : rules.lag] = 0.0
        self._rows, self._kernel = rows, kernel
        self._rates = np.full(LANES, conditions.rates.fixed) if lane_rates is None else lane_rates
        self._market, self._scalars = kernel_inputs(conditions, rules)
        fields = kernel.PLAIN_FIELDS if self.plain else kernel.ALL_FIELDS
        self._state = np.zeros((rows.size // LANES, (kernel.SCALARS + fields * n_symbols) * LANES))
        vectors = self._state.reshape(len(self._state), -1, LANES)
        for one in (kernel.KEPT, kernel.EQUITY, kernel.LEAST):
            vectors[:, one] = 1.0
        if not self.plain:
            by_symbol = vectors[:, kernel.SCALARS :].reshape(len(vectors), fields, n_symbols, LANES)
            by_symbol[:, kernel.FORGOTTEN] = np.nan
            by_symbol[:, kernel.LAST_TRADE] = -rules.cooldown - 1

    def advance(self, piece: "Piece") -> None:
        """Trade what was decided in one piece; the pieces of a block must come in their order."""
        if self.plain:
            self._kernel.run_plain(
                piece, self._market.returns, self._rates, self._state, self.net_returns, self._rows
            )
        else:
            self._kernel.run_limited(
                piece, self._market, self._scalars, self._state, self.net_returns, self._rows
            )

    def finished(self) -> tuple[LaneReturns, list[int]]:
        """Return the results, and the accounts whose results are not valid: they were ruined.

        Raises
        ------
        WeightsRefusedError
            If some weight was not finite.
        """
        kernel = self._kernel
        vectors = self._state.reshape(len(self._state), -1, LANES)
        asked = self._rows != NOBODY
        accounts = self._rows[asked]
        traded, odd, least, dearest = (
            vectors[:, one].ravel()[asked]
            for one in (kernel.TRADED, kernel.ODD, kernel.LEAST, kernel.DEAREST)
        )
        ruined = (least <= 0.0) | (dearest >= 1.0)
        unknown = np.isnan(odd) | ~(np.isfinite(traded) | ruined)
        if unknown.any():
            raise _not_finite(int(accounts[unknown].min()))
        turnover = np.empty(accounts.size)
        turnover[accounts] = traded
        return LaneReturns(self.net_returns, turnover), sorted(accounts[ruined].tolist())


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
    step = max(4, min(_PIECE_BARS, _PIECE_VALUES // width))
    at_once = max(1, _PIECE_VALUES // (step * width))
    buffer = np.empty(step * at_once * width)
    for start in range(0, n_bars, step):
        end = min(start + step, n_bars)
        for first in range(0, n_blocks, at_once):
            last = min(first + at_once, n_blocks)
            targets = buffer[: (last - first) * (end - start) * width]
            program.decide(GridPiece(start, end, first, last), targets)
            if end > n_bars - rules.lag and not np.isfinite(targets).all():  # never traded
                raise _not_finite(None)
            accounts.advance(Piece(targets, rules.lag, start, end, first, last))
        if on_point is not None:
            on_point(n_points * end // n_bars, n_points)
    found, ruined = accounts.finished()
    for point in ruined:
        _alone(found, point, weights_of(point), conditions, rules)
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

    from torghut_assets.domain.backtest.lane_kernel import Piece, gather

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
    step = max(4, min(_PIECE_BARS, _PIECE_VALUES // width))
    at_once = max(1, _PIECE_VALUES // (step * width))
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
        _alone(found, account, own, conditions, rules)
    return found.net_returns, found.turnover


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
            _alone(found, index, checked, world, rules[index])
    return found


def warm_up_kernels() -> None:
    """Compile every account kernel into its cache, so that the first evaluation need not wait."""
    returns, weights = np.zeros((2, 1)), np.zeros((2, 1))
    free = Conditions.proportional(returns, 0.0)
    simulate(weights, free, AccountRules())
    simulate_side_by_side(weights, free, AccountRules())
    simulate_side_by_side(weights, free, AccountRules(cooldown=1))
    simulate_scenarios(weights, returns, (PlainScenario(1, 0.0),)).figures(periods_per_year=252)


def _eight_scenarios(
    weights: Floats,
    returns: Floats,
    scenarios: Sequence[PlainScenario],
    first: int,
    found: LaneReturns,
) -> list[int]:
    """Fill the results of at most eight scenarios; return which of them were ruined."""
    from torghut_assets.domain.backtest.lane_kernel import Piece, gather_delayed

    n_bars, n_symbols = returns.shape
    rows = np.full(LANES, NOBODY)
    rows[: len(scenarios)] = np.arange(len(scenarios))
    lags = np.array(sorted({scenario.lag for scenario in scenarios}))
    member, rates = np.zeros((len(lags), LANES)), np.zeros(LANES)
    for lane, scenario in enumerate(scenarios):
        member[np.searchsorted(lags, scenario.lag), lane] = 1.0
        rates[lane] = scenario.rate
    accounts = AccountsInStep(rows, Conditions.proportional(returns, 0.0), AccountRules(), rates)
    step = max(4, min(_PIECE_BARS, _PIECE_VALUES // (n_symbols * LANES)))
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


def _not_finite(account: int | None) -> WeightsRefusedError:
    which = "an account" if account is None else f"account {account}"
    return WeightsRefusedError(
        location=f"target weights of {which}",
        found="NaN or infinity",
        expected="finite numbers; 0 where there is no opinion",
    )


def _alone(
    found: LaneReturns, account: int, weights: Floats, conditions: Conditions, rules: AccountRules
) -> None:
    """Compute one account by the definition."""
    path = simulate(weights, conditions, rules, (0, 0))
    found.net_returns[account] = path.net_return
    found.turnover[account] = np.cumsum(path.turnover)[-1] if path.n_bars else 0.0
