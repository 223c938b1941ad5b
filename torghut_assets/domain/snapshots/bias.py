"""Two ways in which a data set misleads: names chosen in hindsight, and bars that are errors."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.errors import StatisticsInputError, TooFewObservationsError

Floats = npt.NDArray[np.float64]
_MAD_TO_SIGMA: Final = 1.4826


@dataclass(frozen=True)
class SurvivorshipBias:
    """Mean one-period returns as fractions; `bias` is what looking only at survivors adds."""

    all: float
    survivors: float

    @property
    def bias(self) -> float:
        """`survivors - all`, a fraction."""
        return self.survivors - self.all


def survivorship_bias(returns: Floats, survived: npt.NDArray[np.bool_]) -> SurvivorshipBias:
    """Compare the equal-weight mean of all names with that of the names still listed.

    Parameters
    ----------
    returns : ndarray of float64, shape (n_names,)
        Simple returns over one period of every name listed at its start; a delisted name
        has its delisting return (-1 if it became worthless).
    survived : ndarray of bool, shape (n_names,)
        Whether the name was still listed at the end.

    Raises
    ------
    StatisticsInputError
        If a return is not finite or below -1, the shapes differ, or nothing survived.

    References
    ----------
    Shumway, T. (1997). The delisting bias in CRSP data. Journal of Finance 52(1), 327-340.
    """
    values = np.asarray(returns, dtype=np.float64)
    alive = np.asarray(survived, dtype=bool)
    if values.ndim != 1 or values.shape != alive.shape or not alive.any():
        raise StatisticsInputError(
            location="survivorship_bias",
            found=f"{values.shape} returns and {int(alive.sum())} survivors of {alive.shape}",
            expected="one return and one flag per name, at least one survivor",
        )
    if not (np.isfinite(values) & (values >= -1.0)).all():
        raise StatisticsInputError(
            location="survivorship_bias",
            found="a return that is missing or below -1",
            expected="a finite simple return for every name; -1 if it became worthless",
        )
    return SurvivorshipBias(all=float(values.mean()), survivors=float(values[alive].mean()))


def daily_bar_outliers(close: Floats, limit: float = 10.0) -> npt.NDArray[np.bool_]:
    """Mark bars that jump away and come back: bad prints rather than news.

    Bar t is marked if the log returns into and out of it are both further than `limit`
    robust standard deviations from the median return, with opposite signs. News moves a
    price and leaves it there; an error reverses.

    Parameters
    ----------
    close : ndarray of float64, shape (n_bars,)
        Adjusted closes of one symbol, all above zero.
    limit : float
        In units of 1.4826 times the median absolute deviation of the log returns.

    Returns
    -------
    ndarray of bool, shape (n_bars,)
        Never true for the first and the last bar, which have only one neighbour. All false
        if the deviation is zero, i.e. more than half of the returns are equal.

    Raises
    ------
    TooFewObservationsError
        With fewer than 5 bars.
    StatisticsInputError
        If a close is not finite or not above zero, or `limit` is not above zero.

    References
    ----------
    Hampel, F. R. (1974). The influence curve and its role in robust estimation. JASA 69,
    383-393 (median and MAD). Brownlees, C. and Gallo, G. (2006). Financial econometric
    analysis at ultra-high frequency: data handling concerns. CSDA 51(4), section 3.2.
    """
    prices = np.asarray(close, dtype=np.float64)
    if len(prices) < 5:
        raise TooFewObservationsError(needed=5, found=len(prices), location="daily_bar_outliers")
    if not (np.isfinite(prices) & (prices > 0.0)).all() or not limit > 0.0:
        raise StatisticsInputError(
            location="daily_bar_outliers",
            found=f"a close that is missing or not above zero, or the limit {limit}",
            expected="finite closes above zero and a limit above zero",
        )
    moves = np.diff(np.log(prices))
    centred = moves - np.median(moves)
    bound = limit * _MAD_TO_SIGMA * float(np.median(np.abs(centred)))
    marked = np.zeros(len(prices), dtype=bool)
    if bound > 0.0:
        far = np.abs(centred) > bound
        reverses = np.sign(centred[:-1]) != np.sign(centred[1:])
        marked[1:-1] = far[:-1] & far[1:] & reverses
    return marked
