"""The stress scenarios: each changes what the account meets and names the change.

A scenario never edits a result. It returns other conditions or rules, and `stress` runs the same
account through them. Everything is deterministic: windows are laid out from the first
out-of-sample bar, and only the rejection bursts draw random numbers, from a given seed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from torghut_assets.domain.backtest.accounting import AccountRules
from torghut_assets.domain.backtest.costs import Conditions
from torghut_assets.domain.backtest.market import Booleans
from torghut_assets.domain.backtest.records import StressName, StressSettings
from torghut_assets.domain.candidates.strategy import Floats

_LOWEST_RETURN = -0.95


@dataclass(frozen=True)
class Setting:
    """What a scenario starts from: the base case and how hard to press.

    `observed` of shape (n_bars, n_symbols) says which bars exist; `first_bar` is the first
    out-of-sample bar.
    """

    conditions: Conditions
    rules: AccountRules
    observed: Booleans
    first_bar: int
    stress: StressSettings
    seed: int


@dataclass(frozen=True)
class Scenario:
    """A named change. `change` is the sentence that the record shows."""

    name: StressName
    change: str
    conditions: Conditions
    rules: AccountRules


def _spread_times(base: Setting, factor: float) -> Conditions:
    rates = base.conditions.rates
    return base.conditions.at_rates(replace(rates, half_spread=rates.half_spread * factor))


def _spread_x2(base: Setting) -> Scenario:
    return Scenario("spread_x2", "half spread x 2", _spread_times(base, 2.0), base.rules)


def _spread_x3(base: Setting) -> Scenario:
    return Scenario("spread_x3", "half spread x 3", _spread_times(base, 3.0), base.rules)


def _fees_x2(base: Setting) -> Scenario:
    rates = base.conditions.rates
    doubled = base.conditions.at_rates(replace(rates, fee=rates.fee * 2.0))
    return Scenario("fees_x2", "fees x 2", doubled, base.rules)


def _volatility_spike(base: Setting) -> Scenario:
    """Amplify returns around their window mean, and the volatility that prices trades."""
    stress = base.stress
    factor = stress.volatility_spike_factor
    returns = base.conditions.returns.copy()
    volatility = base.conditions.volatility.copy()
    for start, end in spike_windows(base, len(returns)):
        returns[start:end] = amplified(returns[start:end], base.observed[start:end], factor)
        if volatility.size:
            volatility[start:end] *= factor
    change = (
        f"returns amplified x {factor:g} around their mean and volatility x {factor:g}, "
        f"{stress.volatility_spike_bars} of every {stress.volatility_spike_every_bars} bars"
    )
    spiked = replace(base.conditions, returns=returns, volatility=volatility)
    return Scenario("volatility_spike", change, spiked, base.rules)


def spike_windows(base: Setting, n_bars: int) -> list[tuple[int, int]]:
    """Windows `[start, end)` of the volatility spikes: the middle of each period."""
    every, bars = base.stress.volatility_spike_every_bars, base.stress.volatility_spike_bars
    first = base.first_bar + (every - bars) // 2
    return [(start, min(start + bars, n_bars)) for start in range(first, n_bars, every)]


def amplified(returns: Floats, observed: Booleans, factor: float) -> Floats:
    """Stretch each symbol's returns around their mean by `factor`; never below -95 %.

    Parameters
    ----------
    returns : ndarray of float64, shape (n_window, n_symbols)
    observed : ndarray of bool, same shape
        Bars that do not exist keep their return of 0.
    factor : float
    """
    count = np.maximum(observed.sum(axis=0), 1)
    mean = np.where(observed, returns, 0.0).sum(axis=0) / count
    stretched = np.maximum(mean + factor * (returns - mean), _LOWEST_RETURN)
    return np.where(observed, stretched, returns)


def _liquidity_drought(base: Setting) -> Scenario:
    fraction = base.stress.drought_volume_fraction
    dry = base.conditions.with_liquidity(base.conditions.liquidity_usd * fraction)
    return Scenario("liquidity_drought", f"volume x {fraction:g} at every bar", dry, base.rules)


def _delayed_data(base: Setting) -> Scenario:
    return Scenario(
        "delayed_data", "every order one bar later", base.conditions, base.rules.later_by(1)
    )


def _rejection_bursts(base: Setting) -> Scenario:
    stress = base.stress
    refused = rejected_orders(base)
    liquidity = base.conditions.liquidity_usd
    if not liquidity.size:  # volume limits nothing: only refusals do
        liquidity = np.full(refused.shape, np.inf)
    change = (
        f"{stress.rejection_burst_bars} of every {stress.rejection_burst_every_bars} bars refuse "
        f"orders with probability {stress.rejection_probability:g}, seed {base.seed}"
    )
    bursts = base.conditions.with_liquidity(np.where(refused, 0.0, liquidity))
    return Scenario("rejection_bursts", change, bursts, base.rules)


def rejected_orders(base: Setting) -> Booleans:
    """Which bar and symbol refuses an order: one burst per period, at a random place in it."""
    stress = base.stress
    draw = np.random.Generator(np.random.PCG64(base.seed))
    n_bars, n_symbols = base.observed.shape
    every, bars = stress.rejection_burst_every_bars, stress.rejection_burst_bars
    refused = np.zeros((n_bars, n_symbols), dtype=np.bool_)
    for period in range(base.first_bar, n_bars, every):
        start = period + int(draw.random() * (every - bars + 1))
        hit = draw.random((bars, n_symbols)) < stress.rejection_probability
        end = min(start + bars, n_bars)
        refused[start:end] = hit[: max(end - start, 0)]
    return refused


SCENARIOS: Final[dict[StressName, Callable[[Setting], Scenario]]] = {
    "spread_x2": _spread_x2,
    "spread_x3": _spread_x3,
    "volatility_spike": _volatility_spike,
    "liquidity_drought": _liquidity_drought,
    "delayed_data": _delayed_data,
    "rejection_bursts": _rejection_bursts,
    "fees_x2": _fees_x2,
}
"""Every scenario, in report order."""
