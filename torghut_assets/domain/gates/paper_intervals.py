"""Intervals that worse evidence can only make worse.

A t interval widens with its outliers: making one extreme good result bad can narrow it, and a
refusal would turn into a pass. Here the resamples are drawn before any value is looked at
(seed, length and a fixed mean block decide them), and what is resampled rises with every
value. So each resampled figure, and with it every bound, moves with the evidence.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.backtest.resample import stationary_bootstrap_indices
from torghut_assets.domain.candidates.strategy import Floats
from torghut_assets.domain.errors import StatisticsInputError
from torghut_assets.domain.gates.paper_policy import Resampling


@lru_cache(maxsize=8)
def _draws(n: int, mean_block: float, resamples: int, seed: int) -> npt.NDArray[np.intp]:
    """Rows of every resample, shape (resamples, n)."""
    generator = np.random.default_rng(seed)
    return np.asarray(stationary_bootstrap_indices(n, mean_block, resamples, generator))


def _bounds(figures: Floats, how: Resampling) -> tuple[float, float]:
    """Percentile interval of the resampled figures."""
    tail = (1.0 - how.confidence_fraction) / 2.0
    low, high = np.quantile(figures, [tail, 1.0 - tail]).tolist()
    return low, high


def ratio_interval(
    totals: Floats, weights: Floats, how: Resampling
) -> tuple[float, float | None, float | None]:
    """`sum(totals) / sum(weights)` with its stationary-bootstrap percentile interval.

    Sessions are drawn whole: orders of one session share its market move.

    Parameters
    ----------
    totals, weights : ndarray of shape (n_sessions,)
        Per session, weights positive; e.g. notional times cost, and notional.
    how : Resampling

    Returns
    -------
    value, low, high : float
        The bounds are `None` for one session.

    References
    ----------
    Politis, D. and Romano, J. (1994). The stationary bootstrap. JASA 89(428).
    """
    if totals.size == 0 or not (weights > 0.0).all():
        raise StatisticsInputError(
            location="weights", found=f"{totals.size} sessions", expected="positive, at least one"
        )
    value = float(totals.sum()) / float(weights.sum())
    if totals.size < 2:
        return value, None, None
    rows = _draws(totals.size, how.mean_block_sessions, how.resamples, how.seed)
    return (value, *_bounds(totals[rows].sum(axis=1) / weights[rows].sum(axis=1), how))


def certainty_equivalent(returns: Floats, risk_aversion: float) -> Floats:
    r"""Sure return per session that is worth as much as the returns: net, and net of risk.

    .. math:: \left(\frac1T\sum_t (1 + r_t)^{-\gamma}\right)^{-1/\gamma} - 1

    Unlike a Sharpe ratio it rises with every single return.

    Parameters
    ----------
    returns : ndarray of shape (..., n_sessions)
        Simple, net of costs, above -1.
    risk_aversion : float
        gamma > 0.

    Returns
    -------
    ndarray of shape (...)

    References
    ----------
    Morningstar (2021). The Morningstar Rating for Funds, appendix on MRAR, which uses
    gamma = 2. Pratt, J. (1964). Risk aversion in the small and in the large. Econometrica 32.
    """
    return _sure(np.mean(_disutility(returns, risk_aversion), axis=-1), risk_aversion)


def _disutility(returns: Floats, risk_aversion: float) -> Floats:
    if not (returns > -1.0).all():
        raise StatisticsInputError(
            location="returns", found=f"{returns.min():g}", expected="more than -1"
        )
    return np.asarray((1.0 + returns) ** -risk_aversion)


def _sure(mean_disutility: Floats, risk_aversion: float) -> Floats:
    return np.asarray(mean_disutility ** (-1.0 / risk_aversion) - 1.0)


def advantage_interval(
    challenger: Floats, reference: Floats, risk_aversion: float, how: Resampling
) -> tuple[float, float | None, float | None]:
    """Certainty equivalent of the challenger less that of the reference, per session.

    Both are resampled with the same rows, so that what moved both cancels.

    Parameters
    ----------
    challenger, reference : ndarray of shape (n_sessions,)
        Net returns of the same sessions.

    Returns
    -------
    value, low, high : float
        The bounds are `None` for one session.
    """
    felt = _disutility(np.stack([challenger, reference]), risk_aversion)
    ours, theirs = _sure(felt.mean(axis=1), risk_aversion)
    value = float(ours - theirs)
    if challenger.size < 2:
        return value, None, None
    rows = _draws(challenger.size, how.mean_block_sessions, how.resamples, how.seed)
    one, other = (_sure(side[rows].mean(axis=1), risk_aversion) for side in felt)
    return (value, *_bounds(one - other, how))
