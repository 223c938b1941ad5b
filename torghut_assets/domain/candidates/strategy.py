"""The strategy SDK: what a plugin is given, what it must return and what it must never do.

A plugin is an object that satisfies `Strategy`, named by an entry point of the group
`torghut_assets.strategies`. `docs/writing-a-strategy.md` is the guide.
"""

from dataclasses import dataclass, fields
from typing import Literal, Protocol, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from torghut_assets.domain.errors import BadInputError

Floats = npt.NDArray[np.float64]
Feature = Literal["open", "high", "low", "close", "adjusted_close", "volume"]

VOLATILITY_FLOOR = 0.05
"""Lowest annualized volatility, as a fraction, that a plugin may divide by.

Without a floor a price that stands still would take the whole gross limit."""

STALE_BARS = 5
"""A symbol whose close has not changed for this many bars counts as stale: weight 0."""


class StrategyParameters(BaseModel):
    """Base of a plugin's parameters: every field typed, bounded and described."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class BarPanel:
    """Bars of a universe as aligned arrays; a missing bar is NaN in every field.

    Attributes
    ----------
    times : ndarray of datetime64[us], shape (n_bars,)
        Bar labels in UTC, strictly increasing.
    symbols : tuple of str, length n_symbols
    open, high, low, close, adjusted_close : ndarray of float64, shape (n_bars, n_symbols)
        Prices in USD per share. `adjusted_close` includes splits and dividends.
    volume : ndarray of float64, shape (n_bars, n_symbols)
        Shares.
    """

    times: npt.NDArray[np.datetime64]
    symbols: tuple[str, ...]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    adjusted_close: Floats
    volume: Floats

    def __post_init__(self) -> None:
        shape = (len(self.times), len(self.symbols))
        for name in ("open", "high", "low", "close", "adjusted_close", "volume"):
            found = getattr(self, name).shape
            if found != shape:
                raise BadInputError(
                    location=f"bar panel field {name}", found=str(found), expected=str(shape)
                )

    @property
    def n_bars(self) -> int:
        """Number of bars."""
        return len(self.times)

    @property
    def n_symbols(self) -> int:
        """Number of symbols."""
        return len(self.symbols)

    def until(self, n_bars: int) -> Self:
        """Return the first `n_bars` bars: what was known at the close of the last of them."""
        cut = {
            field.name: getattr(self, field.name)[:n_bars]
            for field in fields(self)
            if field.name != "symbols"
        }
        return type(self)(symbols=self.symbols, **cut)

    def read_only(self) -> Self:
        """Return the same arrays behind views that refuse writing."""
        views = {}
        for field in fields(self):
            if field.name != "symbols":
                view = getattr(self, field.name).view()
                view.flags.writeable = False
                views[field.name] = view
        return type(self)(symbols=self.symbols, **views)


class Strategy(Protocol):
    """What a plugin provides. Weights are fractions of equity, decided at the close of a bar.

    `target_weights(bars, parameters)` returns a float64 array of shape
    (n_bars, n_symbols). Row t may depend only on bars[: t + 1]. Rows before
    `warm_up_bars(parameters)` are zero. A symbol that is missing or stale at t has weight
    0 in row t. The sum of absolute weights of a row is at most `max_gross`.
    """

    name: str
    version: str
    parameters_type: type[StrategyParameters]
    required_features: tuple[Feature, ...]
    max_gross: float

    def warm_up_bars(self, parameters: StrategyParameters) -> int:
        """Bars needed before the first weight that may differ from zero."""
        ...

    def target_weights(self, bars: BarPanel, parameters: StrategyParameters) -> Floats:
        """Weights per bar and symbol, fractions of equity."""
        ...
