"""Calendar pattern: hold for some days of the month, optionally against the rest of it.

Seasonality is the classic of data mining: the windows are many, each sounds like a story
(pay-day flows, option expiry, month-end rebalancing), and the best of them always looks
good on the sample that chose it. The plugin is honest code (it reads only the dates of
past and current bars); what a large grid makes of it is what the gates are for.

References
----------
Sullivan, R., Timmermann, A. and White, H. (2001). Dangers of data mining: the case of
calendar effects in stock returns. Journal of Econometrics 105(1).
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import Field

from torghut_assets.domain.candidates.strategy import (
    BarPanel,
    Feature,
    Floats,
    StrategyParameters,
)
from torghut_assets.strategies.building_blocks import (
    finished_weights,
    risk_units,
    trailing_volatility,
)

_THURSDAY: Final = 3  # 1970-01-01 was a Thursday; Monday is 0
_EVERY_WEEKDAY: Final = 5
_DAYS_IN_CYCLE: Final = 31


class CalendarPatternParameters(StrategyParameters):
    """What a researcher may vary. Days are calendar days of the bar's date in UTC."""

    first_day: int = Field(
        default=26, ge=1, le=31, description="Day of the month on which the window opens."
    )
    window_days: int = Field(
        default=8, ge=1, le=30, description="Length of the window; it may wrap into next month."
    )
    skipped_weekday: int = Field(
        default=_EVERY_WEEKDAY,
        ge=0,
        le=_EVERY_WEEKDAY,
        description="Weekday without a position: 0 Monday .. 4 Friday, 5 none.",
    )
    month_phase: int = Field(
        default=3, ge=0, le=3, description="Month of each quarter to act in: 0, 1, 2, or 3 for all."
    )
    outside_direction: float = Field(
        default=0.0, ge=-1.0, le=1.0, description="Position outside the window, in full sizes."
    )
    inside_direction: float = Field(
        default=1.0, ge=-1.0, le=1.0, description="Position inside the window, in full sizes."
    )
    volatility_bars: int = Field(
        default=20, ge=5, le=1_000, description="Returns in the volatility estimate."
    )
    target_volatility_fraction: float = Field(
        default=0.15, gt=0.0, le=0.60, description="Annual volatility that full sizes aim at."
    )


class CalendarPattern:
    """The same position in every symbol, decided by the date of the bar."""

    name: str = "calendar-pattern"
    version: str = "1.0.0"
    parameters_type: type[StrategyParameters] = CalendarPatternParameters
    required_features: tuple[Feature, ...] = ("close", "adjusted_close")
    max_gross: float = 1.0

    def warm_up_bars(self, parameters: StrategyParameters) -> int:
        """Bars until the volatility window is full."""
        return CalendarPatternParameters.of(parameters).volatility_bars

    def target_weights(self, bars: BarPanel, parameters: StrategyParameters) -> Floats:
        """Weights of shape (n_bars, n_symbols), fractions of equity."""
        p = CalendarPatternParameters.of(parameters)
        direction = _direction(bars.times, p)
        volatility = trailing_volatility(bars.adjusted_close, p.volatility_bars)
        raw = direction[:, np.newaxis] * risk_units(volatility, p.target_volatility_fraction)
        return finished_weights(
            raw, bars, warm_up_bars=self.warm_up_bars(p), max_gross=self.max_gross
        )


def _direction(times: npt.NDArray[np.datetime64], p: CalendarPatternParameters) -> Floats:
    """Position in full sizes per bar, shape (n_bars,)."""
    days = times.astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    day_of_month = (days - months).astype(np.int64) + 1
    weekday = (days.astype(np.int64) + _THURSDAY) % 7
    phase = months.astype(np.int64) % 3
    inside = (day_of_month - p.first_day) % _DAYS_IN_CYCLE < p.window_days
    direction = np.where(inside, p.inside_direction, p.outside_direction)
    acts = weekday != p.skipped_weekday
    if p.month_phase < 3:
        acts &= phase == p.month_phase
    return np.where(acts, direction, 0.0)


STRATEGY: Final = CalendarPattern()
