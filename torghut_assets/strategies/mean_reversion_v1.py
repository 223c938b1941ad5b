"""Mean reversion: lean against short moves that are large for their own volatility.

The score is the return over a short horizon in units of what trailing volatility would
make of it. Inside the entry band nothing is held; beyond it the position grows linearly
against the move until `full_score`, then stays.

References
----------
Lehmann, B. (1990). Fads, martingales, and market efficiency. Quarterly Journal of
Economics 105(1). Short-horizon reversal; the sizing is our own.
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
    BARS_PER_YEAR,
    finished_weights,
    forward_filled,
    risk_units,
    scale_shorts,
    simple_returns,
    trailing_volatility,
)


class MeanReversionParameters(StrategyParameters):
    """What a researcher may vary."""

    horizon_bars: int = Field(
        default=5, ge=1, le=60, description="Bars over which the short move is measured."
    )
    volatility_bars: int = Field(
        default=60, ge=10, le=1_000, description="Returns in the volatility estimate."
    )
    entry_score: float = Field(
        default=1.0, ge=0.0, le=5.0, description="Moves below this many deviations are ignored."
    )
    full_score: float = Field(
        default=2.5, gt=0.0, le=10.0, description="Deviations at which the position is full."
    )
    target_volatility_fraction: float = Field(
        default=0.15, gt=0.0, le=0.60, description="Annual volatility that full sizes aim at."
    )
    short_fraction: float = Field(
        default=0.0, ge=0.0, le=1.0, description="Size of shorts: 0 long only, 1 symmetric."
    )

    @model_validator(mode="after")
    def _full_lies_beyond_entry(self) -> Self:
        if self.full_score <= self.entry_score:
            raise ValueError("full_score must be greater than entry_score")
        return self


class MeanReversion:
    """Against the short-horizon move, in proportion to its size in deviations."""

    name: str = "mean-reversion"
    version: str = "1.0.0"
    parameters_type: type[StrategyParameters] = MeanReversionParameters
    required_features: tuple[Feature, ...] = ("close", "adjusted_close")
    max_gross: float = 1.0

    def warm_up_bars(self, parameters: StrategyParameters) -> int:
        """Bars until both the horizon and the volatility window are full."""
        p = MeanReversionParameters.of(parameters)
        return max(p.horizon_bars, p.volatility_bars)

    def target_weights(self, bars: BarPanel, parameters: StrategyParameters) -> Floats:
        """Weights of shape (n_bars, n_symbols), fractions of equity."""
        p = MeanReversionParameters.of(parameters)
        known = forward_filled(bars.adjusted_close)
        volatility = trailing_volatility(bars.adjusted_close, p.volatility_bars)
        score = simple_returns(known, p.horizon_bars)
        score /= volatility
        score /= np.sqrt(p.horizon_bars / BARS_PER_YEAR)
        raw = np.abs(score)
        raw -= p.entry_score
        raw /= p.full_score - p.entry_score
        np.clip(raw, 0.0, 1.0, out=raw)
        np.negative(score, out=score)
        np.copysign(raw, score, out=raw)
        scale_shorts(raw, p.short_fraction)
        raw *= risk_units(volatility, p.target_volatility_fraction)
        return finished_weights(
            raw, bars, warm_up_bars=self.warm_up_bars(p), max_gross=self.max_gross
        )


STRATEGY: Final = MeanReversion()
