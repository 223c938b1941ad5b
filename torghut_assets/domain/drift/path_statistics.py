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


def siegmund_run_length(limit: float, slack: float) -> float:
    """Sessions until a one-sided CUSUM of normal scores in control exceeds its limit, on average.

    `(exp(2 k b) - 2 k b - 1) / (2 k^2)` with `b = h + 1.166`.

    References
    ----------
    Siegmund, D. (1985). Sequential Analysis, section X.2; Montgomery and Runger, section 16-10.
    """
    if slack <= 0.0 or limit < 0.0:
        raise OutOfRangeError(
            location="slack, limit", found=f"{slack:g}, {limit:g}", expected="> 0 and >= 0"
        )
    exponent = 2.0 * slack * (limit + 1.166)
    return (math.exp(exponent) - exponent - 1.0) / (2.0 * slack**2)


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


def drawdown_fan(reference: ArrayLike, horizon: int, n_paths: int, seed: int) -> Floats:
    """Deepest drawdown so far, at every session, of paths resampled from the reference.

    Stationary bootstrap with the block length that suits the reference.

    Parameters
    ----------
    reference : array_like of shape (n_reference,)
        At least 60 net returns per session.
    horizon : int
        Sessions, at least 1.
    n_paths, seed : int
        Same seed, same fan.

    Returns
    -------
    ndarray of shape (n_paths, horizon)

    References
    ----------
    Politis and Romano (1994), Politis and White (2004), as in `backtest.resample`.
    """
    values = vector(reference, "reference", at_least=_FEWEST)
    generator = np.random.default_rng(seed)
    mean_block = max(1.0, optimal_block_length(values).stationary)
    rows = [
        stationary_bootstrap_indices(values.size, mean_block, n_paths, generator)
        for _ in range(math.ceil(horizon / values.size))
    ]
    return _running_drawdown(values[np.hstack(rows)[:, :horizon]])


def drawdown_probability(drawdown: float, fan: Floats, n_sessions: int) -> float:
    """Share of the fan's paths that were at least as deep after `n_sessions`, in (0, 1].

    The live path counts as one of them (Davison and Hinkley 1997, section 4.2).

    Raises
    ------
    OutOfRangeError
        If the fan does not reach that far or the drawdown is no number.
    """
    if not 1 <= n_sessions <= fan.shape[1] or not math.isfinite(drawdown):
        raise OutOfRangeError(
            location="drawdown fan",
            found=f"{drawdown:g} after {n_sessions} sessions",
            expected=f"a finite drawdown after 1 to {fan.shape[1]} sessions",
        )
    at_least = np.count_nonzero(fan[:, n_sessions - 1] >= drawdown)
    return float((1 + at_least) / (1 + len(fan)))


def _running_drawdown(paths: Floats) -> Floats:
    """Deepest fall so far of each row of returns; a path starts at 1."""
    equity = np.cumprod(1.0 + paths, axis=1)
    peaks = np.maximum(np.maximum.accumulate(equity, axis=1), 1.0)
    return np.asarray(np.maximum.accumulate(1.0 - equity / peaks, axis=1))
