"""Time-series momentum: hold what rose, scaled so that every symbol carries equal risk.

Direction is the sign of the price change over the lookback; size is a share of the risk
target over trailing volatility. With `short_fraction` 1 and a target of 0.10 this is the
sweep signal of the project's benchmarks.

References
----------
Moskowitz, T., Ooi, Y. H. and Pedersen, L. H. (2012). Time series momentum. Journal of
Financial Economics 104(2), equation 5.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from pydantic import Field

from torghut_assets.domain.candidates.strategy import (
    BarPanel,
    Feature,
    Floats,
    StrategyParameters,
)
from torghut_assets.strategies.building_blocks import (
    finished_weights,
    forward_filled,
    price_changes,
    risk_units,
    scale_shorts,
    trailing_volatility,
)
from torghut_assets.strategies.direction_times_risk import DirectionTimesRisk, Factor


class TimeSeriesMomentumParameters(StrategyParameters):
    """What a researcher may vary."""

    lookback_bars: int = Field(
        default=120, ge=5, le=1_000, description="Bars over which the price change is taken."
    )
    volatility_bars: int = Field(
        default=60, ge=5, le=1_000, description="Returns in the volatility estimate."
    )
    target_volatility_fraction: float = Field(
        default=0.10, gt=0.0, le=0.60, description="Annual volatility that the sizes aim at."
    )
    short_fraction: float = Field(
        default=1.0, ge=0.0, le=1.0, description="Size of shorts: 0 long only, 1 symmetric."
    )


class TimeSeriesMomentum:
    """Sign of the past return, scaled to a volatility target."""

    name: str = "time-series-momentum"
    version: str = "1.0.0"
    parameters_type: type[StrategyParameters] = TimeSeriesMomentumParameters
    required_features: tuple[Feature, ...] = ("close", "adjusted_close")
    max_gross: float = 1.0

    def warm_up_bars(self, parameters: StrategyParameters) -> int:
        """Bars until both the lookback and the volatility window are full."""
        p = TimeSeriesMomentumParameters.of(parameters)
        return max(p.lookback_bars, p.volatility_bars)

    def target_weights(self, bars: BarPanel, parameters: StrategyParameters) -> Floats:
        """Weights of shape (n_bars, n_symbols), fractions of equity."""
        p = TimeSeriesMomentumParameters.of(parameters)
        raw = _direction(forward_filled(bars.adjusted_close), p.lookback_bars, p.short_fraction)
        raw *= _risk(bars.adjusted_close, p.volatility_bars, p.target_volatility_fraction)
        return finished_weights(
            raw, bars, warm_up_bars=self.warm_up_bars(p), max_gross=self.max_gross
        )

    def grid_program(
        self, bars: BarPanel, points: Sequence[StrategyParameters]
    ) -> DirectionTimesRisk:
        """Return the weights of many points at once, for speed: the bits of `target_weights`."""
        known, price = forward_filled(bars.adjusted_close), bars.adjusted_close
        grid = [TimeSeriesMomentumParameters.of(point) for point in points]

        def direction(key: tuple[int, float], start: int, end: int) -> Floats:
            first = max(0, start - key[0])
            return _direction(known[first:end], *key)[start - first :]

        def risk(key: tuple[int, float], start: int, end: int) -> Floats:
            first = max(0, start - key[0])
            return _risk(price[first:end], *key)[start - first :]

        return DirectionTimesRisk(
            bars,
            Factor([(p.lookback_bars, p.short_fraction) for p in grid], direction),
            Factor([(p.volatility_bars, p.target_volatility_fraction) for p in grid], risk),
            max_gross=self.max_gross,
        )


def _direction(known: Floats, lookback_bars: int, short_fraction: float) -> Floats:
    """Sign of the price change, with shorts of their size; NaN where there is no change."""
    signs = price_changes(known, lookback_bars)
    np.sign(signs, out=signs)
    scale_shorts(signs, short_fraction)
    return signs


def _risk(price: Floats, volatility_bars: int, target_volatility_fraction: float) -> Floats:
    """Size of a position that carries its share of the risk."""
    return risk_units(trailing_volatility(price, volatility_bars), target_volatility_fraction)


STRATEGY: Final = TimeSeriesMomentum()
