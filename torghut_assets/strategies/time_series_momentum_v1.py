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
from torghut_assets.strategies.direction_times_risk import (
    DirectionRows,
    DirectionTimesRisk,
    Factor,
    RiskRows,
)


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
        known = forward_filled(bars.adjusted_close)
        raw = price_changes(known, p.lookback_bars)
        np.sign(raw, out=raw)
        scale_shorts(raw, p.short_fraction)
        volatility = trailing_volatility(bars.adjusted_close, p.volatility_bars)
        raw *= risk_units(volatility, p.target_volatility_fraction)
        return finished_weights(
            raw, bars, warm_up_bars=self.warm_up_bars(p), max_gross=self.max_gross
        )

    def grid_program(
        self, bars: BarPanel, points: Sequence[StrategyParameters]
    ) -> DirectionTimesRisk:
        """Return the weights of many points at once, for speed: the bits of `target_weights`."""
        grid = [TimeSeriesMomentumParameters.of(point) for point in points]
        return DirectionTimesRisk(
            bars,
            Factor(
                [(p.lookback_bars, p.short_fraction) for p in grid],
                DirectionRows(forward_filled(bars.adjusted_close)),
            ),
            Factor(
                [(p.volatility_bars, p.target_volatility_fraction) for p in grid],
                RiskRows(bars.adjusted_close),
            ),
            max_gross=self.max_gross,
        )


STRATEGY: Final = TimeSeriesMomentum()
