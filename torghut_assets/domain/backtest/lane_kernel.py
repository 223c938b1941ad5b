"""Eight accounts in step, compiled: what `accounting_kernel.run_account` does, lane by lane.

`run_account` is the definition of the account; read it first. Here every number is a vector of
eight lanes, one account each, and the operations are its operations in its order. So the bits
are the same, which tests hold for all rules. Only the net return and the turnover are kept. A
ruined account has no valid results here: it is only named, and must run alone.

Both kernels advance a block of lanes over some bars and leave its state for the next bars:
weights arrive piece by piece and never as one array. `lane_accounts` calls them.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.backtest.accounting_kernel import DUST, KernelMarket, KernelRules
from torghut_assets.domain.candidates.lanes import (
    LANES,
    compiled,
    fill,
    load,
    square_root,
    store,
    where,
)

Array = npt.NDArray[Any]

# Vectors of a block's state, before those per symbol. ODD is NaN after a weight that was not
# finite; under plain rules such a weight shows in TRADED.
KEPT, GAIN, EQUITY, TRADED, LEAST, DEAREST, ODD = range(7)
SCALARS = 7
# Vectors per symbol, each `n_symbols` of them.
HELD, WORKING, FORGOTTEN, LAST_TRADE = range(4)
PLAIN_FIELDS, ALL_FIELDS = 1, 4


class Piece(NamedTuple):
    """Some bars of some blocks.

    Attributes
    ----------
    targets : ndarray of float64, shape (n_blocks, n_piece, n_symbols, LANES), flat
        Decided weights of the accounts.
    lag : int
        Bars from decision to trade.
    start, end : int
        Bars at which these targets were decided, `[start, end)`.
    first_block, end_block : int
    """

    targets: Array
    lag: int
    start: int
    end: int
    first_block: int
    end_block: int


@compiled
def run_plain(
    piece: Piece, returns: Array, rates: Array, state: Array, net_returns: Array, rows: Array
) -> None:
    """Advance accounts between which and their targets there is nothing but a constant cost.

    Parameters
    ----------
    piece : Piece
    returns : ndarray of float64, shape (n_bars, n_symbols)
    rates : ndarray of float64, shape (LANES,)
        Cost per unit of traded notional of each lane.
    state : ndarray of float64, shape (n_blocks, (SCALARS + n_symbols) * LANES)
        From `fresh_state`; changed.
    net_returns : ndarray of float64, shape (n_accounts, n_bars)
        Output.
    rows : ndarray of int64, shape (n_blocks * LANES,)
        Row of `net_returns` of each lane; -1 for a lane that nobody asked for.
    """
    n_bars, n_symbols = returns.shape
    rate, net = load(rates, 0), np.empty(LANES)
    n_piece = piece.end - piece.start
    for block in range(piece.first_block, piece.end_block):
        own = state[block]
        kept, gain = load(own, KEPT * LANES), load(own, GAIN * LANES)
        total = load(own, TRADED * LANES)
        least, dearest = load(own, LEAST * LANES), load(own, DEAREST * LANES)
        for decided in range(piece.start, min(piece.end, n_bars - piece.lag)):
            bar = decided + piece.lag
            earned, earns = returns[bar], returns[min(bar + 1, n_bars - 1)]
            place = ((block - piece.first_block) * n_piece + decided - piece.start) * n_symbols
            # Mark to market.
            growth = kept + gain
            shrink = 1.0 / growth
            cost, traded, gain = fill(0.0), fill(0.0), fill(0.0)
            # Order, fill, pay.
            for i in range(n_symbols):
                goal = load(piece.targets, (place + i) * LANES)
                at = (SCALARS + i) * LANES
                drifted = load(own, at) * (1.0 + earned[i]) * shrink
                size = abs(goal - drifted)
                dust = size < DUST
                goal = where(dust, drifted, goal)
                size = where(dust, 0.0, size)
                cost = cost + size * rate
                traded = traded + size
                gain = gain + goal * earns[i]
                store(own, at, goal)
            # Book.
            least = where(growth < least, growth, least)
            dearest = where(cost > dearest, cost, dearest)
            total = total + traded
            store(net, 0, growth * (1.0 - cost) / kept - 1.0)
            kept = 1.0 - cost
            for lane in range(LANES):
                row = rows[block * LANES + lane]
                if row >= 0:
                    net_returns[row, bar] = net[lane]
        store(own, KEPT * LANES, kept)
        store(own, GAIN * LANES, gain)
        store(own, TRADED * LANES, total)
        store(own, LEAST * LANES, least)
        store(own, DEAREST * LANES, dearest)


@compiled
def run_limited(  # noqa: PLR0912, PLR0915 - the account's one loop again, read top to bottom
    piece: Piece,
    market: KernelMarket,
    rules: KernelRules,
    state: Array,
    net_returns: Array,
    rows: Array,
) -> None:
    """Advance accounts under all rules and costs.

    Parameters are those of `run_plain`, but for the state, which has `ALL_FIELDS` vectors per
    symbol: (SCALARS + ALL_FIELDS * n_symbols) * LANES numbers per block.
    """
    returns = market.returns
    n_bars, n_symbols = returns.shape
    bounded = market.liquidity.size > 0
    priced = market.volatility.size > 0
    forgets = bounded and not rules.carries
    limited = rules.max_gross < np.inf or rules.max_net < np.inf
    rested = float(rules.cooldown)
    net = np.empty(LANES)
    n_piece = piece.end - piece.start
    stride = n_symbols * LANES
    for block in range(piece.first_block, piece.end_block):
        own = state[block]
        kept, gain = load(own, KEPT * LANES), load(own, GAIN * LANES)
        total, odd = load(own, TRADED * LANES), load(own, ODD * LANES)
        least, dearest = load(own, LEAST * LANES), load(own, DEAREST * LANES)
        equity = load(own, EQUITY * LANES)
        for decided in range(piece.start, min(piece.end, n_bars - piece.lag)):
            bar = decided + piece.lag
            earned, earns = returns[bar], returns[min(bar + 1, n_bars - 1)]
            place = ((block - piece.first_block) * n_piece + decided - piece.start) * n_symbols
            # Mark to market.
            growth = kept + gain
            equity = equity * growth
            equity_usd = equity * rules.equity_usd
            shrink = 1.0 / growth
            cost, traded, gain = fill(0.0), fill(0.0), fill(0.0)
            # Limit the target.
            scale = fill(1.0)
            if limited:
                gross, sum_net = fill(0.0), fill(0.0)
                for i in range(n_symbols):
                    weight = _clip(load(piece.targets, (place + i) * LANES), rules.max_symbol)
                    gross = gross + abs(weight)
                    sum_net = sum_net + weight
                scale = where(gross > rules.max_gross, rules.max_gross / gross, scale)
                side_net = abs(sum_net)
                scale = where(side_net * scale > rules.max_net, rules.max_net / side_net, scale)
            for i in range(n_symbols):
                # Order.
                raw = load(piece.targets, (place + i) * LANES)
                odd = odd + raw * 0.0
                at = (SCALARS + i) * LANES
                drifted = load(own, at) * (1.0 + earned[i]) * shrink
                goal = _clip(raw, rules.max_symbol) * scale
                forgotten = fill(np.nan)
                if forgets:
                    forgotten = load(own, at + FORGOTTEN * stride)
                    same = raw == forgotten
                    goal = where(same, drifted, goal)
                    forgotten = where(same, forgotten, np.nan)
                if rules.cooldown > 0:
                    since = float(bar) - load(own, at + LAST_TRADE * stride)
                    cooled = _cooled(goal, drifted, load(own, at + WORKING * stride))
                    goal = where(since <= rested, cooled, goal)
                distance = abs(goal - drifted)
                small = (distance < rules.min_trade) & (goal != 0.0)
                ignored = (distance < DUST) | small
                goal = where(ignored, drifted, goal)
                size = where(ignored, 0.0, distance)
                # Fill.
                share = fill(0.0)
                if bounded:
                    liquidity = market.liquidity[bar, i]
                    room = fill(0.0)
                    if liquidity > 0.0:
                        room = rules.max_participation * liquidity / equity_usd
                    capped = size > room
                    side = where(capped, where(goal > drifted, fill(1.0), -1.0), 0.0)
                    if rules.carries:
                        store(own, at + WORKING * stride, side)
                    else:
                        store(own, at + FORGOTTEN * stride, where(capped, raw, forgotten))
                    goal = where(capped, drifted + side * room, goal)
                    size = where(capped, room, size)
                    share = size * equity_usd / (liquidity if liquidity > 0.0 else 1.0)
                # Pay.
                paid = size * rules.fixed_rate
                if priced:
                    sigma = market.volatility[bar, i]
                    moved = rules.slippage * sigma + rules.impact * sigma * square_root(share)
                    paid = size * (rules.fixed_rate + moved)
                # Book.
                if rules.cooldown > 0:
                    last = load(own, at + LAST_TRADE * stride)
                    store(own, at + LAST_TRADE * stride, where(size > 0.0, float(bar), last))
                store(own, at, goal)
                cost = cost + paid
                traded = traded + size
                gain = gain + goal * earns[i]
            least = where(growth < least, growth, least)
            dearest = where(cost > dearest, cost, dearest)
            total = total + traded
            store(net, 0, growth * (1.0 - cost) / kept - 1.0)
            kept = 1.0 - cost
            for lane in range(LANES):
                row = rows[block * LANES + lane]
                if row >= 0:
                    net_returns[row, bar] = net[lane]
        store(own, KEPT * LANES, kept)
        store(own, GAIN * LANES, gain)
        store(own, EQUITY * LANES, equity)
        store(own, TRADED * LANES, total)
        store(own, ODD * LANES, odd)
        store(own, LEAST * LANES, least)
        store(own, DEAREST * LANES, dearest)


@compiled
def _clip(weight: Array, limit: float) -> Array:
    """Limit the size of weights."""
    floored = where(weight < -limit, -limit, weight)
    return where(floored > limit, limit, floored)


@compiled
def _cooled(goal: Array, drifted: Array, working: Array) -> Array:
    """Goal during a cooldown: smaller or closed, but not larger unless an order carries on."""
    smaller = where(abs(goal) > abs(drifted), drifted, goal)
    closed = where(goal * drifted < 0.0, 0.0, smaller)
    return where(working * (goal - drifted) > 0.0, goal, closed)
