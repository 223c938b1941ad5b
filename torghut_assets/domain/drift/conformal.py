"""Conformal intervals for the next session's return, and how often outcomes lie in them.

The score of an outcome is its distance from the middle of the reference: split conformal
prediction with the backtest's out-of-sample outcomes as the calibration set. Outcomes are per
unit of exposure, so that an account that is small today is not called calm. A session without
exposure is an abstention: it is counted apart and neither covered nor missed.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from torghut_assets.domain.drift.path_statistics import resampled_rows
from torghut_assets.domain.errors import TooFewObservationsError
from torghut_assets.domain.tca.inputs import Floats, probability, same_length, vector

LEAST_EXPOSURE = 0.01
"""Gross exposure, as a fraction of equity, below which a session is an abstention."""


@dataclass(frozen=True)
class ConformalInterval:
    """An interval that covers the next outcome with probability `target` if nothing changed."""

    middle: float
    half_width: float
    target: float
    n_calibration: int

    def covers(self, outcomes: Floats) -> int:
        """Count the outcomes inside, borders included."""
        return int(np.count_nonzero(np.abs(outcomes - self.middle) <= self.half_width))


def per_exposure(returns: ArrayLike, exposures: ArrayLike) -> Floats:
    """Returns divided by gross exposure, abstentions left out.

    Parameters
    ----------
    returns, exposures : array_like of shape (n,)
        Fractions of equity.
    """
    earned, held = vector(returns, "returns"), vector(exposures, "exposures")
    same_length(returns=earned, exposures=held)
    some = held >= LEAST_EXPOSURE
    return np.asarray(earned[some] / held[some])


def split_conformal(calibration: ArrayLike, target: float) -> ConformalInterval:
    """Interval around the median whose half width is the conformal quantile of the distances.

    The quantile is the `ceil((n + 1) target)`-th smallest distance.

    Parameters
    ----------
    calibration : array_like of shape (n,)
        Outcomes of the reference; enough that the quantile exists.
    target : float
        Promised coverage in (0, 1).

    Raises
    ------
    TooFewObservationsError
        If `n < target / (1 - target)`: the interval would have no borders.

    References
    ----------
    Papadopoulos, H. et al. (2002). Inductive confidence machines for regression. ECML.
    Lei, J. et al. (2018). Distribution-free predictive inference for regression. JASA 113(523),
    section 2.2. Vovk, Gammerman and Shafer (2005).
    """
    promised = probability(target, "target")
    values = vector(calibration, "calibration")
    rank = math.ceil((values.size + 1) * promised)
    if rank > values.size:
        raise TooFewObservationsError(
            needed=math.ceil(promised / (1.0 - promised)),
            found=int(values.size),
            location="calibration",
        )
    middle = float(np.median(values))
    distances = np.sort(np.abs(values - middle))
    return ConformalInterval(middle, float(distances[rank - 1]), promised, int(values.size))


@dataclass(frozen=True)
class Coverage:
    """How often the intervals held."""

    outcomes: int
    covered: int
    target: float

    @property
    def error(self) -> float:
        """|observed - target|, a fraction."""
        return abs(self.covered / self.outcomes - self.target)

    @property
    def missed(self) -> int:
        """Outcomes outside their interval."""
        return self.outcomes - self.covered


def misses_of_paths(
    interval: ConformalInterval, calibration: Floats, horizon: int, draws: tuple[int, int]
) -> Floats:
    """Missed outcomes so far along paths resampled from the calibration outcomes.

    Misses come in spells, so that a binomial law would call a spell impossible.

    Parameters
    ----------
    draws : tuple of int
        Paths and seed.

    Returns
    -------
    ndarray of shape (n_paths, horizon)
    """
    missed = np.abs(calibration - interval.middle) > interval.half_width
    return np.cumsum(missed[resampled_rows(calibration, horizon, draws)], axis=1, dtype=np.float64)


def coverage_of(interval: ConformalInterval, outcomes: Floats) -> Coverage:
    """Compare outcomes with the interval.

    Raises
    ------
    TooFewObservationsError
        If there are none: no observations are no evidence.
    """
    values = vector(outcomes, "outcomes")
    return Coverage(int(values.size), interval.covers(values), interval.target)
