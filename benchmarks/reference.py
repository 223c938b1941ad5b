"""The workloads written down once more, naively, in NumPy: what every contender must match.

Nothing here imports the project. `accounts` is the fair NumPy peer (a loop over days, all
accounts at once); the rest favours the formula over speed.
"""

import itertools

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def momentum_weights(close: Floats, lookback: int, window: int) -> Floats:
    """Decided weights of W1, shape (n_bars, n_symbols)."""
    n_bars, n_symbols = close.shape
    returns = np.zeros_like(close)
    returns[1:] = close[1:] / close[:-1] - 1.0
    first = max(lookback, window)
    weights = np.zeros_like(close)
    if first >= n_bars:
        return weights
    sign = np.sign(close[first:] - close[first - lookback : n_bars - lookback])
    windows = np.lib.stride_tricks.sliding_window_view(returns, window, axis=0)
    variance = np.var(windows[first - window + 1 :], axis=2, ddof=1)
    sigma = np.maximum(np.sqrt(252.0 * variance), 0.05)
    raw = sign * (0.10 / np.sqrt(n_symbols)) / sigma
    gross = np.abs(raw).sum(axis=1)
    weights[first:] = raw / np.maximum(1.0, gross)[:, np.newaxis]
    return weights


def momentum_weights_by_sums(close: Floats, lookback: int, window: int) -> Floats:
    """The same the quick NumPy way: the variance from differences of running totals."""
    n_bars, n_symbols = close.shape
    returns = np.zeros_like(close)
    returns[1:] = close[1:] / close[:-1] - 1.0
    first = max(lookback, window)
    weights = np.zeros_like(close)
    sign = np.sign(close[first:] - close[first - lookback : n_bars - lookback])
    total = np.cumsum(returns, axis=0)
    square = np.cumsum(returns * returns, axis=0)
    total = total[first:] - total[first - window : n_bars - window]
    square = square[first:] - square[first - window : n_bars - window]
    variance = (square - total * total / window) / (window - 1)
    sigma = np.maximum(np.sqrt(np.maximum(252.0 * variance, 0.0)), 0.05)
    raw = sign * (0.10 / np.sqrt(n_symbols)) / sigma
    gross = np.abs(raw).sum(axis=1)
    weights[first:] = raw / np.maximum(1.0, gross)[:, np.newaxis]
    return weights


def executed(weights: Floats, lag: int) -> Floats:
    """Targets that trade at each close: decided `lag` bars earlier, 0 before there are any."""
    targets = np.zeros_like(weights)
    targets[lag:] = weights[:-lag]
    return targets


def accounts(returns: Floats, targets: Floats, cost: float) -> tuple[Floats, Floats]:
    """Self-financing accounts side by side: a loop over days, all accounts in one array.

    Parameters
    ----------
    returns : ndarray of shape (n_bars, n_symbols)
    targets : ndarray of shape (n_bars, n_accounts * n_symbols)
    cost : float
        Paid per unit of traded notional, as a fraction.

    Returns
    -------
    net_returns : ndarray of shape (n_accounts, n_bars)
    turnover : ndarray of shape (n_accounts,)
    """
    n_bars, n_symbols = returns.shape
    x = targets.reshape(n_bars, -1, n_symbols)
    n_accounts = x.shape[1]
    before = np.zeros((n_accounts, n_symbols))
    kept = np.ones(n_accounts)
    net = np.empty((n_accounts, n_bars))
    turnover = np.zeros(n_accounts)
    for bar in range(n_bars):
        growth = kept + before @ returns[bar]
        drifted = before * (1.0 + returns[bar]) / growth[:, np.newaxis]
        traded = np.abs(x[bar] - drifted).sum(axis=1)
        after = 1.0 - cost * traded
        net[:, bar] = growth * after / kept - 1.0
        turnover += traded
        before, kept = x[bar], after
    return net, turnover


def sharpe(net: Floats) -> Floats:
    """Annual ratio of each row, without the first 252 bars."""
    used = net[:, 252:]
    ratio: Floats = np.sqrt(252.0) * used.mean(axis=1) / used.std(axis=1, ddof=1)
    return ratio


def max_drawdown(net: Floats) -> Floats:
    """Largest loss since a peak, per row; the start counts as a peak."""
    value = np.cumprod(1.0 + net, axis=1)
    peak = np.maximum(np.maximum.accumulate(value, axis=1), 1.0)
    worst: Floats = np.max(1.0 - value / peak, axis=1)
    return worst


def walk_forward(returns: Floats) -> tuple[npt.NDArray[np.int64], Floats, float]:
    """W3a: picks, their test ratios, and the ratio of the joined tests (per bar, ddof=1)."""
    picks, tested, joined = [], [], []
    for start in range(766, len(returns) - 126 + 1, 126):
        train = returns[start - 766 : start - 10]
        pick = int(np.argmax(train.mean(axis=0) / train.std(axis=0, ddof=1)))
        test = returns[start : start + 126, pick]
        picks.append(pick)
        tested.append(test.mean() / test.std(ddof=1))
        joined.append(test)
    path = np.concatenate(joined)
    return np.array(picks), np.array(tested), float(path.mean() / path.std(ddof=1))


def cscv_logits(returns: Floats, n_blocks: int) -> Floats:
    """W3b by joining the rows of every split; one logit per split in lexicographic order."""
    used = returns[len(returns) % n_blocks :]
    blocks = np.split(np.arange(len(used)), n_blocks)
    logits = []
    for half in itertools.combinations(range(n_blocks), n_blocks // 2):
        rest = [b for b in range(n_blocks) if b not in half]
        inside = used[np.concatenate([blocks[b] for b in half])]
        outside = used[np.concatenate([blocks[b] for b in rest])]
        pick = np.argmax(inside.mean(axis=0) / inside.std(axis=0, ddof=1))
        ratio = outside.mean(axis=0) / outside.std(axis=0, ddof=1)
        share = (1 + np.sum(ratio < ratio[pick])) / (ratio.size + 1)
        logits.append(np.log(share / (1 - share)))
    return np.array(logits)


def cscv_logits_by_blocks(returns: Floats, n_blocks: int) -> Floats:
    """W3b the quick NumPy way: sums of blocks, then a matrix product for all splits at once."""
    used = returns[len(returns) % n_blocks :]
    rows = len(used) // n_blocks
    centred = used - used.mean(axis=0)
    parts = centred.reshape(n_blocks, rows, -1)
    sums, squares = parts.sum(axis=1), (parts**2).sum(axis=1)
    halves = list(itertools.combinations(range(n_blocks), n_blocks // 2))
    member = np.zeros((len(halves), n_blocks))
    for split, half in enumerate(halves):
        member[split, list(half)] = 1.0
    n = rows * n_blocks // 2
    mean = used.mean(axis=0)
    logits = np.empty(len(halves))
    for first in range(0, len(halves), 512):
        piece = slice(first, first + 512)
        ratios = []
        for chosen in (member[piece], 1.0 - member[piece]):
            total, square = chosen @ sums, chosen @ squares
            deviation = np.sqrt((square - total * total / n) / (n - 1))
            ratios.append((total / n + mean) / deviation)
        pick = np.argmax(ratios[0], axis=1)
        own = np.take_along_axis(ratios[1], pick[:, np.newaxis], axis=1)
        share = (1 + np.sum(ratios[1] < own, axis=1)) / (ratios[1].shape[1] + 1)
        logits[piece] = np.log(share / (1 - share))
    return logits


def reality_check(values: Floats, indices: npt.NDArray[np.int64]) -> float:
    """W3d: White's p-value from given index sets."""
    root = np.sqrt(len(values))
    mean = values.mean(axis=0)
    limit = root * mean.max()
    above = [root * (values[rows].mean(axis=0) - mean).max() > limit for rows in indices]
    return float(np.mean(above))
