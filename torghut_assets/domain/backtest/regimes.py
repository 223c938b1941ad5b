"""Market regimes that were known before each bar began.

Two independent labels per bar, both from the equal-weight return of the universe up to the
*previous* close: volatility (calm, normal, turbulent) and trend (bull, bear).
"""

from bisect import insort
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.backtest.market import MarketArrays, has_return, trailing_volatility
from torghut_assets.domain.candidates.strategy import Floats

VOLATILITY_REGIMES: Final = ("calm", "normal", "turbulent")
TREND_REGIMES: Final = ("bull", "bear")
UNKNOWN: Final = "unknown"

Labels = npt.NDArray[np.str_]


@dataclass(frozen=True)
class RegimeLabels:
    """Labels per bar, each of shape (n_bars,); `unknown` before there is enough history."""

    volatility: Labels
    trend: Labels


def label_regimes(market: MarketArrays, window: int) -> RegimeLabels:
    """Label every bar with the regime that was known at the close before it.

    Parameters
    ----------
    market : MarketArrays
    window : int
        Bars of the trailing volatility and of the trailing return. Thresholds need as many
        volatilities again before the first label.
    """
    universe = universe_returns(market)
    return RegimeLabels(
        volatility=_volatility_labels(universe, window), trend=_trend_labels(universe, window)
    )


def universe_returns(market: MarketArrays) -> Floats:
    """Equal-weight mean of the returns that exist at each bar; 0 if there are none."""
    count = has_return(market.observed).sum(axis=1)
    total = market.returns.sum(axis=1)
    mean: Floats = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    return mean


def _volatility_labels(universe: Floats, window: int) -> Labels:
    """Terciles of the volatilities seen so far, by linear interpolation."""
    known = trailing_volatility(universe[:, np.newaxis], window)[:, 0]
    known[: window + 1] = np.nan  # full windows only, and the first return is not one
    labels = np.full(len(universe), UNKNOWN, dtype="<U9")
    seen: list[float] = []
    for bar, volatility in enumerate(known.tolist()):
        if np.isnan(volatility):
            continue
        insort(seen, volatility)
        if len(seen) < window:
            continue
        low, high = _quantile(seen, 1.0 / 3.0), _quantile(seen, 2.0 / 3.0)
        labels[bar] = VOLATILITY_REGIMES[int(volatility > low) + int(volatility > high)]
    return labels


def _quantile(ordered: list[float], share: float) -> float:
    """Quantile of sorted values, linear between neighbours (Hyndman and Fan type 7)."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _trend_labels(universe: Floats, window: int) -> Labels:
    """Bull if the universe rose over the window that ended at the previous close."""
    level = np.cumprod(1.0 + universe)
    labels = np.full(len(universe), UNKNOWN, dtype="<U9")
    if len(universe) > window + 1:
        rose = level[window:-1] > level[: -window - 1]
        labels[window + 1 :] = np.where(rose, *TREND_REGIMES)
    return labels
