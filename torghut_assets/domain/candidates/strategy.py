"""The strategy SDK: what a plugin is given, what it must return and what it must never do.

A plugin is an object that satisfies `Strategy`, named by an entry point of the group
`torghut_assets.strategies`. `docs/writing-a-strategy.md` is the guide.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, Protocol, Self, get_args

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from torghut_assets.domain.errors import BadInputError

Floats = npt.NDArray[np.float64]
Feature = Literal["open", "high", "low", "close", "adjusted_close", "volume"]
FEATURES: Final[tuple[Feature, ...]] = get_args(Feature)
"""Fields of a bar, in the order of `BarPanel`."""

VOLATILITY_FLOOR = 0.05
"""Lowest annualized volatility, as a fraction, that a plugin may divide by.

Without a floor a price that stands still would take the whole gross limit."""

STALE_BARS = 5
"""A symbol whose last known close has not changed over this many bars is stale: weight 0.

At bar t the closes t - STALE_BARS .. t are compared; a missing bar is no change."""


class StrategyParameters(BaseModel):
    """Base of a plugin's parameters: every field typed, bounded and described."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def of(cls, parameters: "StrategyParameters") -> Self:
        """Return `parameters` as this class, which a plugin knows by its own fields.

        Raises
        ------
        BadInputError
            If they are another plugin's parameters.
        """
        if not isinstance(parameters, cls):
            raise BadInputError(
                location="strategy parameters",
                found=type(parameters).__name__,
                expected=cls.__name__,
            )
        return parameters


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
        for name in FEATURES:
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

    def with_fields(self, changed: Mapping[Feature, Floats]) -> Self:
        """Return the same bars with some fields replaced."""
        kept: dict[str, Any] = {name: getattr(self, name) for name in FEATURES}
        return type(self)(times=self.times, symbols=self.symbols, **(kept | dict(changed)))

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


@dataclass(frozen=True)
class LoadedStrategy:
    """A plugin together with the digest of the code that it consists of.

    Attributes
    ----------
    strategy : Strategy
        The plugin object.
    code_digest : str
        SHA-256 over the sources that decide what the plugin computes.
    module : str
        Dotted name of the plugin's module.
    """

    strategy: Strategy
    code_digest: str
    module: str
