"""The one accounting loop, compiled: the definition that `lane_kernel` is held to, bit by bit.

Read the loop top to bottom: mark to market, limit the target, order, fill, pay, book. There
is no reduction in another order than written (no fast-math), so results are the same bits on
every machine that follows IEEE 754. docs/numerics-backtest.md has the formulas.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Columns of the per-bar output.
NET, GROSS, COST, TURNOVER, ORDERED, GROSS_EXPOSURE, NET_EXPOSURE = range(7)
LARGEST, CONCENTRATION, PARTICIPATION, EQUITY = range(7, 11)
BAR_FIELDS = 11

# Rows of the per-symbol output.
CONTRIBUTION, SYMBOL_COST, SYMBOL_TURNOVER, MAX_WEIGHT, TRADED_NOTIONAL = range(5)
SYMBOL_FIELDS = 5

DUST = 1e-13
"""A smaller trade, as a fraction of equity, is rounding and not an order. Without this a last
bit would start a cooldown or a cancellation."""


class KernelMarket(NamedTuple):
    """Arrays of `costs.Conditions`; `liquidity` and `volatility` may be of shape (0, 0)."""

    returns: Array
    liquidity: Array
    volatility: Array


class KernelRules(NamedTuple):
    """Scalars of `accounting.AccountRules` and `costs.CostRates`."""

    lag: int
    max_gross: float
    max_net: float
    max_symbol: float
    max_participation: float
    min_trade: float
    cooldown: int
    carries: bool
    equity_usd: float
    fixed_rate: float
    slippage: float
    impact: float


class KernelOutput(NamedTuple):
    """Arrays that the kernel fills.

    `by_bar` has shape (n_bars, BAR_FIELDS), `by_symbol` (SYMBOL_FIELDS, n_symbols) and counts
    the bars `[start, end)`.
    """

    by_bar: Array
    by_symbol: Array
    start: int
    end: int


@numba.njit(cache=True, nogil=True, error_model="numpy")
def run_account(  # noqa: PLR0912, PLR0915 - one loop, read top to bottom; calls double its time
    weights: Array, offset: int, market: KernelMarket, rules: KernelRules, output: KernelOutput
) -> int:
    """Simulate one account; return the bar of its ruin, or -1.

    Parameters
    ----------
    weights : ndarray of float64, shape (n_bars, >= offset + n_symbols)
        Decided weights, finite; the account reads columns [offset, offset + n_symbols).
    offset : int
    market, rules
    output : KernelOutput
        Overwritten.
    """
    returns, by_bar, totals = market.returns, output.by_bar, output.by_symbol
    n_bars, n_symbols = returns.shape
    bounded = market.liquidity.size > 0
    priced = market.volatility.size > 0
    forgets = bounded and not rules.carries
    limited = rules.max_gross < np.inf or rules.max_net < np.inf
    held = np.zeros(n_symbols)  # fraction of the equity before trading
    working = np.zeros(n_symbols)  # sign of an order whose remainder is carried
    forgotten = np.full(n_symbols, np.nan)  # decided weight whose order was cancelled
    last_trade = np.full(n_symbols, -rules.cooldown - 1)
    before, drifted, goal = np.empty(n_symbols), np.empty(n_symbols), np.empty(n_symbols)
    size, room, side = np.empty(n_symbols), np.empty(n_symbols), np.empty(n_symbols)
    share, paid = np.zeros(n_symbols), np.empty(n_symbols)
    by_bar[:] = 0.0
    totals[:] = 0.0
    equity = 1.0  # before trading
    kept = 1.0  # equity after trading / equity before trading
    for bar in range(n_bars):
        # Mark to market: positions earn, cash does not.
        counted = output.start <= bar < output.end
        gain = 0.0
        for i in range(n_symbols):
            gain += held[i] * returns[bar, i]
        growth = kept + gain
        if growth <= 0.0:
            if counted:
                for i in range(n_symbols):
                    totals[CONTRIBUTION, i] += held[i] * returns[bar, i] / kept
            by_bar[bar, GROSS] = -1.0
            by_bar[bar, NET] = -1.0
            return bar
        equity *= growth
        equity_usd = equity * rules.equity_usd
        shrink = 1.0 / growth

        # Limit the target that was decided `lag` bars ago; before there is one, hold nothing.
        decided = max(bar - rules.lag, 0)
        scale = 1.0 if bar >= rules.lag else 0.0
        if limited and bar >= rules.lag:
            gross = net = 0.0
            for i in range(n_symbols):
                weight = _clip(weights[decided, offset + i], rules.max_symbol)
                gross += abs(weight)
                net += weight
            if gross > rules.max_gross:
                scale = rules.max_gross / gross
            if abs(net) * scale > rules.max_net:
                scale = rules.max_net / abs(net)

        # Each loop does one thing for every symbol, so that it becomes vector instructions.
        earned, raw = returns[bar], weights[decided, offset : offset + n_symbols]
        # Order.
        for i in range(n_symbols):
            before[i] = held[i]
            drifted[i] = held[i] * (1.0 + earned[i]) * shrink
        for i in range(n_symbols):
            goal[i] = _clip(raw[i], rules.max_symbol) * scale
        if forgets:
            for i in range(n_symbols):
                goal[i] = drifted[i] if raw[i] == forgotten[i] else goal[i]
            for i in range(n_symbols):
                forgotten[i] = forgotten[i] if raw[i] == forgotten[i] else np.nan
        if rules.cooldown > 0:
            for i in range(n_symbols):
                cooled = _cooled(goal[i], drifted[i], working[i])
                goal[i] = cooled if bar - last_trade[i] <= rules.cooldown else goal[i]
        for i in range(n_symbols):
            distance = abs(goal[i] - drifted[i])
            ignored = (distance < DUST) | ((distance < rules.min_trade) & (goal[i] != 0.0))
            goal[i] = drifted[i] if ignored else goal[i]
            size[i] = 0.0 if ignored else distance
        ordered = 0.0
        for i in range(n_symbols):
            ordered += size[i]
        # Fill.
        if bounded:
            liquidity = market.liquidity[bar]
            for i in range(n_symbols):
                most = rules.max_participation * liquidity[i] / equity_usd
                room[i] = most if liquidity[i] > 0.0 else 0.0
            for i in range(n_symbols):
                side[i] = 1.0 if goal[i] > drifted[i] else -1.0
                side[i] = side[i] if size[i] > room[i] else 0.0
            if rules.carries:
                working[:] = side
            else:
                for i in range(n_symbols):
                    forgotten[i] = raw[i] if side[i] != 0.0 else forgotten[i]
            for i in range(n_symbols):
                partly = drifted[i] + side[i] * room[i]
                goal[i] = partly if side[i] != 0.0 else goal[i]
            for i in range(n_symbols):
                size[i] = room[i] if side[i] != 0.0 else size[i]
            for i in range(n_symbols):
                # Where nothing is traded the size is 0, and so is its share of anything.
                share[i] = size[i] * equity_usd / (liquidity[i] if liquidity[i] > 0.0 else 1.0)
        # Pay.
        if priced:
            volatility = market.volatility[bar]
            for i in range(n_symbols):
                sigma = volatility[i]
                rate = rules.fixed_rate
                rate += rules.slippage * sigma + rules.impact * sigma * np.sqrt(share[i])
                paid[i] = size[i] * rate
        else:
            for i in range(n_symbols):
                paid[i] = size[i] * rules.fixed_rate
        # Book: sums over symbols are added in their order.
        if rules.cooldown > 0:
            for i in range(n_symbols):
                last_trade[i] = bar if size[i] > 0.0 else last_trade[i]
        held[:] = goal
        cost = turnover = busiest = 0.0
        exposure = net_exposure = squares = largest = 0.0
        for i in range(n_symbols):
            weight = abs(goal[i])
            cost += paid[i]
            turnover += size[i]
            exposure += weight
            net_exposure += goal[i]
            squares += weight * weight
            largest = max(largest, weight)
            busiest = max(busiest, share[i])
        if counted:
            for i in range(n_symbols):
                totals[CONTRIBUTION, i] += (before[i] * earned[i] - growth * paid[i]) / kept
            for i in range(n_symbols):
                totals[SYMBOL_COST, i] += paid[i]
                totals[SYMBOL_TURNOVER, i] += size[i]
                totals[TRADED_NOTIONAL, i] += size[i] * equity_usd
                totals[MAX_WEIGHT, i] = max(totals[MAX_WEIGHT, i], abs(goal[i]))

        by_bar[bar, GROSS] = growth / kept - 1.0
        by_bar[bar, COST] = cost
        by_bar[bar, TURNOVER] = turnover
        by_bar[bar, ORDERED] = ordered
        by_bar[bar, PARTICIPATION] = busiest
        if cost >= 1.0:
            by_bar[bar, NET] = -1.0
            return bar
        by_bar[bar, NET] = growth * (1.0 - cost) / kept - 1.0
        by_bar[bar, GROSS_EXPOSURE] = exposure
        by_bar[bar, NET_EXPOSURE] = net_exposure
        by_bar[bar, LARGEST] = largest
        by_bar[bar, CONCENTRATION] = squares / (exposure * exposure) if exposure > 0.0 else 0.0
        kept = 1.0 - cost
        by_bar[bar, EQUITY] = equity * kept
    return -1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _clip(weight: float, limit: float) -> float:
    """Limit the size of one weight."""
    return min(max(weight, -limit), limit)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _cooled(goal: float, drifted: float, working: float) -> float:
    """Goal during a cooldown: smaller or closed, but not larger unless an order carries on."""
    if working * (goal - drifted) > 0.0:
        return goal
    if goal * drifted < 0.0:
        return 0.0
    return drifted if abs(goal) > abs(drifted) else goal
