"""Volatility regimes by terciles: what they are, and what could be known at the time.

`full_sample` uses the whole series and therefore looks ahead: it is for reporting only.
`expanding` uses values up to and including its own; a decision may use it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from torghut_assets.domain.backtest.series import FloatArray, observed_returns, whole_number

_TERCILES = (1 / 3, 2 / 3)


@dataclass(frozen=True)
class VolatilityTerciles:
    """Labels 0 (calm), 1 and 2 (stormy), NaN where unknown; shape (n_periods,) each."""

    thresholds: FloatArray
    full_sample: FloatArray
    expanding: FloatArray


def volatility_terciles(vol: ArrayLike, min_obs: int = 2) -> VolatilityTerciles:
    """Label every period by the tercile of its volatility.

    Parameters
    ----------
    vol : array_like of shape (n_periods,)
        Volatility; NaN is a gap and stays NaN.
    min_obs : int
        Observed values that the expanding labels need, at least 1.

    Returns
    -------
    VolatilityTerciles
        Thresholds q1, q2 of the whole series (linear quantiles at 1/3 and 2/3) and labels:
        0 if ``v <= q1``, 1 if ``q1 < v <= q2``, otherwise 2.

    Raises
    ------
    TooFewObservationsError, NonFiniteInputError
        If nothing was observed, or a value is infinite.
    """
    needed = whole_number(min_obs, at_least=1, location="min_obs")
    observed = observed_returns(vol, needed=1, location="vol")
    values = np.asarray(vol, dtype=np.float64)
    thresholds = np.quantile(observed, _TERCILES)
    expanding = np.full(values.shape, np.nan)
    for t in np.flatnonzero(~np.isnan(values)):
        known = values[: t + 1]
        known = known[~np.isnan(known)]
        if known.size >= needed:
            expanding[t] = _label(values[t : t + 1], np.quantile(known, _TERCILES))[0]
    return VolatilityTerciles(
        thresholds=thresholds, full_sample=_label(values, thresholds), expanding=expanding
    )


def _label(values: FloatArray, thresholds: FloatArray) -> FloatArray:
    """0, 1 or 2 by threshold; NaN stays NaN."""
    labels = (values > thresholds[0]).astype(np.float64) + (values > thresholds[1])
    return np.where(np.isnan(values), np.nan, labels)
