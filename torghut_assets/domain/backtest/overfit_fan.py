"""What the out-of-sample path could as well have been: intervals from the stationary bootstrap."""

import numpy as np

from torghut_assets.domain.backtest.metrics import sharpe_ratios
from torghut_assets.domain.backtest.series import IntArray
from torghut_assets.domain.candidates.strategy import Floats

FAN_PERCENTILES = (2.5, 25.0, 50.0, 75.0, 97.5)
_FAN_POINTS = 240


def sharpe_interval(path: Floats, indices: IntArray, confidence: float) -> tuple[float, float]:
    """Percentile interval of the resampled Sharpe ratio per bar.

    Parameters
    ----------
    path : ndarray of float64, shape (n_bars,)
    indices : ndarray of int, shape (n_resamples, n_bars)
        Of the stationary bootstrap.
    confidence : float
        Two-sided.

    References
    ----------
    Efron, B. (1979). Bootstrap methods. Annals of Statistics 7(1); Ledoit, O. and Wolf, M.
    (2008). Robust performance hypothesis testing with the Sharpe ratio. J. of Empirical
    Finance 15(5), for blocks.
    """
    ratios = sharpe_ratios(path[indices])
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(np.nan_to_num(ratios, nan=0.0), [tail, 1.0 - tail])
    return float(low), float(high)


def equity_fan(path: Floats, indices: IntArray) -> tuple[IntArray, Floats]:
    """Percentiles of resampled equity at up to 240 bars, the last one included."""
    n_bars = len(path)
    ends = np.unique(np.linspace(1, n_bars, min(n_bars, _FAN_POINTS)).round().astype(np.int64))
    growth = np.log1p(np.maximum(path, -1.0 + 1e-12))[indices]
    starts = np.concatenate([[0], ends[:-1]])
    steps = np.add.reduceat(growth, starts, axis=1)
    equity = np.exp(np.cumsum(steps, axis=1))
    return ends, np.percentile(equity, FAN_PERCENTILES, axis=0).T
