"""Between rows and lanes, compiled: targets into blocks of eight, and figures of eight rows."""

from typing import Any

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.backtest.lane_kernel import Piece
from torghut_assets.domain.candidates.lanes import LANES, compiled, fill, load, store, where

Array = npt.NDArray[Any]


@compiled
def gather(weights: Array, piece: Piece) -> None:
    """Fill `piece.targets` from accounts that lie side by side in the columns of `weights`.

    Parameters
    ----------
    weights : ndarray of float64, shape (n_bars, n_accounts * n_symbols)
    piece : Piece
        Lane k of block b is account b * LANES + k. A lane after the last account gets zeros.
    """
    n_piece = piece.end - piece.start
    n_symbols = piece.targets.size // (n_piece * LANES * (piece.end_block - piece.first_block))
    n_accounts = weights.shape[1] // n_symbols
    for block in range(piece.first_block, piece.end_block):
        for bar in range(piece.start, piece.end):
            row = weights[bar]
            place = ((block - piece.first_block) * n_piece + bar - piece.start) * n_symbols
            for lane in range(LANES):
                account = block * LANES + lane
                for i in range(n_symbols):
                    at = (place + i) * LANES + lane
                    known = account < n_accounts
                    piece.targets[at] = row[account * n_symbols + i] if known else 0.0


@compiled
def gather_delayed(weights: Array, lags: Array, member: Array, piece: Piece) -> None:
    """Fill one block of `piece.targets` from one account's weights, each lane with its delay.

    Parameters
    ----------
    weights : ndarray of float64, shape (n_bars, n_symbols)
    lags : ndarray of int64, shape (n_lags,)
        The different delays.
    member : ndarray of float64, shape (n_lags * LANES,)
        1 where a lane has this delay.
    piece : Piece
        With a lag of 0: row t of the targets is what trades at bar t.
    """
    n_symbols = weights.shape[1]
    for bar in range(piece.start, piece.end):
        place = (bar - piece.start) * n_symbols
        for j in range(len(lags)):
            ours = load(member, j * LANES) > 0.0
            row = weights[max(bar - lags[j], 0)]
            decided = 1.0 if bar >= lags[j] else 0.0
            for i in range(n_symbols):
                at = (place + i) * LANES
                others = load(piece.targets, at) if j > 0 else fill(0.0)
                store(piece.targets, at, where(ours, row[i] * decided, others))


@compiled
def summarize(net_returns: Array, skipped: int, sums: Array, drawdowns: Array) -> None:
    """Mean and variance of returns, and the largest drawdown, of eight accounts at a time.

    Parameters
    ----------
    net_returns : ndarray of float64, shape (n_accounts, n_bars)
    skipped : int
        First bars that mean and variance leave out; fewer than n_bars - 1.
    sums : ndarray of float64, shape (2, n_blocks * LANES)
        Output: mean, and variance with n - 1.
    drawdowns : ndarray of float64, shape (n_blocks * LANES,)
        Output: largest loss since a peak, as a fraction; the start counts as a peak.
    """
    n_accounts, n_bars = net_returns.shape
    rows = np.empty(n_bars * LANES)
    n_used = float(n_bars - skipped)
    for first in range(0, n_accounts, LANES):
        for lane in range(LANES):
            row = net_returns[min(first + lane, n_accounts - 1)]
            for bar in range(n_bars):
                rows[bar * LANES + lane] = row[bar]
        total = fill(0.0)
        value, peak, worst = fill(1.0), fill(1.0), fill(0.0)
        for bar in range(n_bars):
            net = load(rows, bar * LANES)
            if bar >= skipped:
                total = total + net
            value = value * (1.0 + net)
            peak = where(value > peak, value, peak)
            lost = 1.0 - value / peak
            worst = where(lost > worst, lost, worst)
        mean, squares = total / n_used, fill(0.0)
        for bar in range(skipped, n_bars):
            distance = load(rows, bar * LANES) - mean
            squares = squares + distance * distance
        store(sums[0], first, mean)
        store(sums[1], first, squares / (n_used - 1.0))
        store(drawdowns, first, worst)
