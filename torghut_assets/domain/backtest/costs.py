"""How a fill is priced: the conditions under which the simulated account trades.

Per unit of traded notional::

    rate = half_spread + fee + slippage * sigma + impact * sigma * sqrt(participation)

`sigma` is the volatility per bar known one bar before the trade; `participation` is the traded
notional over the bar's dollar volume. All rates are fractions, positive, paid from cash.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from torghut_assets.domain.backtest.market import MarketArrays
from torghut_assets.domain.backtest.records import CostModel
from torghut_assets.domain.candidates.strategy import Floats
from torghut_assets.domain.errors import BadInputError

BPS = 1e-4


@dataclass(frozen=True)
class CostRates:
    """Coefficients of the cost formula, as fractions of notional."""

    half_spread: float
    fee: float
    slippage_volatility: float
    impact: float

    @classmethod
    def of(cls, model: CostModel) -> Self:
        """Convert a cost model from basis points to fractions."""
        return cls(
            half_spread=model.half_spread_bps * BPS,
            fee=model.fee_bps * BPS,
            slippage_volatility=model.slippage_volatility_fraction,
            impact=model.impact_coefficient,
        )

    @property
    def fixed(self) -> float:
        """The part that depends on nothing."""
        return self.half_spread + self.fee

    @property
    def needs_volatility(self) -> bool:
        """Whether a trade without a known volatility cannot be priced."""
        return self.slippage_volatility > 0 or self.impact > 0


def cost_rate(rates: CostRates, volatility: float, participation: float) -> float:
    """Cost per unit of notional of one trade, as a fraction; the formula of this module.

    Parameters
    ----------
    rates : CostRates
    volatility : float
        Per bar, a fraction, at least 0.
    participation : float
        Share of the bar's dollar volume, at least 0.

    Raises
    ------
    BadInputError
        If volatility or participation is negative or not finite.

    References
    ----------
    Toth, B. et al. (2011). Anomalous price impact and the critical nature of liquidity in
    financial markets. Physical Review X 1, 021006 (square-root impact).
    """
    for name, value in (("volatility", volatility), ("participation", participation)):
        if not (np.isfinite(value) and value >= 0):
            raise BadInputError(location=name, found=repr(value), expected="a number >= 0")
    return float(
        rates.fixed
        + rates.slippage_volatility * volatility
        + rates.impact * volatility * np.sqrt(participation)
    )


@dataclass(frozen=True)
class Conditions:
    """What the account meets at every bar; arrays are (n_bars, n_symbols).

    Attributes
    ----------
    returns : ndarray of float64
        Simple returns, finite.
    liquidity_usd : ndarray of float64, or of shape (0, 0)
        Dollar volume an order can meet; 0 means no fill. An empty array means that volume
        limits nothing and participation is 0.
    volatility : ndarray of float64, or of shape (0, 0)
        Per bar, known one bar before; finite wherever `liquidity_usd` is above 0. Empty if no
        rate needs it.
    rates : CostRates
    """

    returns: Floats
    liquidity_usd: Floats
    volatility: Floats
    rates: CostRates

    @classmethod
    def proportional(cls, returns: Floats, rate: float) -> Self:
        """Unlimited volume at one cost rate: the frictions of a textbook."""
        empty = np.empty((0, 0))
        rates = CostRates(half_spread=rate, fee=0.0, slippage_volatility=0.0, impact=0.0)
        return cls(
            returns=np.ascontiguousarray(returns),
            liquidity_usd=empty,
            volatility=empty,
            rates=rates,
        )

    def at_rates(self, rates: CostRates) -> Self:
        """Return the same market at other costs."""
        return replace(self, rates=rates)

    def with_liquidity(self, liquidity_usd: Floats) -> Self:
        """Return the same market with other volumes; 0 means no fill."""
        return replace(self, liquidity_usd=np.ascontiguousarray(liquidity_usd))


def trading_conditions(market: MarketArrays, rates: CostRates) -> Conditions:
    """Join a market with the cost of trading in it.

    A trade that cannot be priced is not filled: where `rates` need a volatility and none is
    known yet (the first bars of a symbol), the liquidity is 0.
    """
    liquidity = market.dollar_volume
    volatility = market.volatility
    if rates.needs_volatility:
        priced = np.isfinite(volatility)
        liquidity = np.where(priced, liquidity, 0.0)
        volatility = np.where(priced, volatility, 0.0)
    else:
        volatility = np.empty((0, 0))
    return Conditions(
        returns=np.ascontiguousarray(market.returns),
        liquidity_usd=np.ascontiguousarray(liquidity),
        volatility=np.ascontiguousarray(volatility),
        rates=rates,
    )
