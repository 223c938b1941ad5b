"""Whether live returns can still be those of the backtest: sums, ratios and drawdowns.

Every statistic here gets worse, or stays, when any live return gets worse. That is why the spread
of the live returns is in none of them: one very bad day would raise it and so excuse the rest.
Returns are simple, per session, net of costs.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from torghut_assets.domain.backtest.resample import (
    optimal_block_length,
    stationary_bootstrap_indices,
)
from torghut_assets.domain.backtest.series import IntArray
from torghut_assets.domain.backtest.sharpe import sharpe_standard_error, standardized_moments
from torghut_assets.domain.drift.sequential import cusum_tabular
from torghut_assets.domain.tca.errors import OutOfRangeError
from torghut_assets.domain.tca.inputs import Floats, vector

_FEWEST = 60


@dataclass(frozen=True)
class ReturnLevel:
    """What the backtest earned per session: moments of its out-of-sample net returns."""

    mean: float
    deviation: float
    skew: float
    kurtosis: float
    n_sessions: int

    @property
    def ratio(self) -> float:
        """Sharpe ratio per session."""
        return self.mean / self.deviation


def return_level(reference: ArrayLike) -> ReturnLevel:
    """Measure the level of a reference of at least 60 returns.

    Raises
    ------
    TooFewObservationsError, NotANumberError, ConstantSeriesError
    """
    values = vector(reference, "reference", at_least=_FEWEST)
    skew, kurtosis = standardized_moments(values)
    return ReturnLevel(
        mean=float(values.mean()),
        deviation=float(values.std(ddof=1)),
        skew=skew,
        kurtosis=kurtosis,
        n_sessions=int(values.size),
    )


def cusum_down(live: ArrayLike, level: ReturnLevel, slack: float) -> float:
    """Highest value so far of the lower CUSUM of live returns, in reference deviations.

    Parameters
    ----------
    live : array_like of shape (n,)
        Returns in time order.
    level : ReturnLevel
    slack : float
        In deviations; half of the fall of the mean that should be found.

    References
    ----------
    Page (1954), as `sequential.cusum_tabular`. The highest value is kept so that a later
    recovery does not undo an alarm.
    """
    scores = (vector(live, "live") - level.mean) / level.deviation
    return max(cusum_tabular(scores, target=0.0, k=slack, h=0.0).lower)


def ratio_shortfall(live: ArrayLike, level: ReturnLevel) -> float:
    """By how many standard errors the live Sharpe ratio is below the backtest's.

    `(S - mean(live) / s) / sqrt(se(S, n_live)^2 + se(S, n_reference)^2)`, where `S` and `s` are
    ratio and deviation of the reference and `se` is the standard error of a ratio with the
    reference's skewness and kurtosis. Negative if live is better.

    Parameters
    ----------
    live : array_like of shape (n,)
        At least 2 returns.
    level : ReturnLevel

    References
    ----------
    Lo (2002) and Mertens (2002), as `sharpe.sharpe_standard_error`.
    """
    values = vector(live, "live", at_least=2)
    errors = [
        sharpe_standard_error(level.ratio, n, level.skew, level.kurtosis)
        for n in (int(values.size), level.n_sessions)
    ]
    return (level.ratio - float(values.mean()) / level.deviation) / math.hypot(*errors)


def deepest_drawdown(returns: ArrayLike) -> float:
    """Largest fall from an earlier peak, the start included, as a fraction of the peak."""
    return float(_running_drawdown(vector(returns, "returns")[None, :])[0, -1])


@dataclass(frozen=True)
class PathFan:
    """How far paths that are resampled from the reference had come after every session.

    Attributes
    ----------
    drawdowns, cusums : ndarray of shape (n_paths, horizon)
        Deepest drawdown and highest lower CUSUM so far.
    """

    drawdowns: Floats
    cusums: Floats

    @property
    def horizon(self) -> int:
        """Sessions that the fan covers."""
        return int(self.drawdowns.shape[1])


def path_fan(reference: ArrayLike, horizon: int, slack: float, draws: tuple[int, int]) -> PathFan:
    """Resample the reference and follow drawdown and CUSUM along every path.

    Parameters
    ----------
    reference : array_like of shape (n_reference,)
        At least 60 net returns per session.
    horizon : int
        Sessions, at least 1.
    slack : float
        Of the CUSUM, in deviations.
    draws : tuple of int
        Paths and seed; same seed, same fan.

    References
    ----------
    Politis and Romano (1994), Politis and White (2004), as in `backtest.resample`.
    """
    values = vector(reference, "reference", at_least=_FEWEST)
    level = return_level(values)
    paths = values[resampled_rows(values, horizon, draws)]
    scores = (paths - level.mean) / level.deviation
    sums, highest = np.zeros(len(paths)), np.zeros(len(paths))
    cusums = np.empty_like(paths)
    for session in range(horizon):
        sums = np.maximum(0.0, sums - scores[:, session] - slack)
        highest = np.maximum(highest, sums)
        cusums[:, session] = highest
    return PathFan(drawdowns=_running_drawdown(paths), cusums=cusums)


def resampled_rows(values: Floats, horizon: int, draws: tuple[int, int]) -> IntArray:
    """Rows of stationary-bootstrap paths, shape (n_paths, horizon).

    Blocks are as long, on average, as suits the size of the values: volatility comes in longer
    spells than returns.
    """
    n_paths, seed = draws
    generator = np.random.default_rng(seed)
    lengths = [optimal_block_length(series).stationary for series in (values, np.abs(values))]
    rows = [
        stationary_bootstrap_indices(values.size, max(1.0, *lengths), n_paths, generator)
        for _ in range(math.ceil(horizon / values.size))
    ]
    return np.hstack(rows)[:, :horizon]


def share_at_least(value: float, of_paths: Floats) -> float:
    """Share of paths whose figure is at least `value`, in (0, 1]; the live one counts as one.

    Raises
    ------
    OutOfRangeError
        If `value` is not a number or there are no paths.

    References
    ----------
    Davison, A. and Hinkley, D. (1997). Bootstrap Methods and their Application, section 4.2.
    """
    if not math.isfinite(value) or not of_paths.size:
        raise OutOfRangeError(location="fan", found=value, expected="a finite value and paths")
    return float((1 + np.count_nonzero(of_paths >= value)) / (1 + of_paths.size))


def _running_drawdown(paths: Floats) -> Floats:
    """Deepest fall so far of each row of returns; a path starts at 1."""
    equity = np.cumprod(1.0 + paths, axis=1)
    peaks = np.maximum(np.maximum.accumulate(equity, axis=1), 1.0)
    return np.asarray(np.maximum.accumulate(1.0 - equity / peaks, axis=1))
