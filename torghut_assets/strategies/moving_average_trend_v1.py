"""Moving-average trend: in while the fast average is above the slow one, by a margin.

The margin (`band_fraction`) keeps the two averages from trading noise when they lie close
together. Sizes are equal shares of the risk target over trailing volatility.

References
----------
Brock, W., Lakonishok, J. and LeBaron, B. (1992). Simple technical trading rules and the
stochastic properties of stock returns. Journal of Finance 47(5), variable-length rules.
"""

from typing import Final, Self

import numpy as np
from pydantic import Field, model_validator

from torghut_assets.domain.candidates.strategy import (
    BarPanel,
    Feature,
    Floats,
    StrategyParameters,
)
from torghut_assets.strategies.building_blocks import (
    finished_weights,
    forward_filled,
    risk_units,
    scale_shorts,
    trailing_volatility,
    window_sums,
)


class MovingAverageTrendParameters(StrategyParameters):
    """What a researcher may vary."""

    fast_bars: int = Field(default=50, ge=2, le=500, description="Bars of the fast average.")
    slow_bars: int = Field(default=200, ge=5, le=1_000, description="Bars of the slow average.")
    band_fraction: float = Field(
        default=0.01, ge=0.0, le=0.20, description="Margin between averages before a position."
    )
    volatility_bars: int = Field(
        default=60, ge=5, le=1_000, description="Returns in the volatility estimate."
    )
    target_volatility_fraction: float = Field(
        default=0.10, gt=0.0, le=0.60, description="Annual volatility that the sizes aim at."
    )
    short_fraction: float = Field(
        default=0.0, ge=0.0, le=1.0, description="Size of shorts: 0 long only, 1 symmetric."
    )

    @model_validator(mode="after")
    def _fast_is_faster(self) -> Self:
        if self.fast_bars >= self.slow_bars:
            raise ValueError("fast_bars must be less than slow_bars")
        return self


class MovingAverageTrend:
    """Long above the band, short (scaled) below it, nothing within."""

    name: str = "moving-average-trend"
    version: str = "1.0.0"
    parameters_type: type[StrategyParameters] = MovingAverageTrendParameters
    required_features: tuple[Feature, ...] = ("close", "adjusted_close")
    max_gross: float = 1.0

    def warm_up_bars(self, parameters: StrategyParameters) -> int:
        """Bars until both the slow average and the volatility window are full."""
        p = MovingAverageTrendParameters.of(parameters)
        return max(p.slow_bars, p.volatility_bars)

    def target_weights(self, bars: BarPanel, parameters: StrategyParameters) -> Floats:
        """Weights of shape (n_bars, n_symbols), fractions of equity."""
        p = MovingAverageTrendParameters.of(parameters)
        known = forward_filled(bars.adjusted_close)
        gap = window_sums(known, p.fast_bars)
        gap /= window_sums(known, p.slow_bars)
        gap *= p.slow_bars / p.fast_bars
        gap -= 1.0
        raw = np.sign(gap)
        raw *= np.abs(gap) > p.band_fraction
        scale_shorts(raw, p.short_fraction)
        volatility = trailing_volatility(bars.adjusted_close, p.volatility_bars)
        raw *= risk_units(volatility, p.target_volatility_fraction)
        return finished_weights(
            raw, bars, warm_up_bars=self.warm_up_bars(p), max_gross=self.max_gross
        )


STRATEGY: Final = MovingAverageTrend()
