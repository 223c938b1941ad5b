"""What a trade costs before it is made, and how large a trade an edge can carry.

Read `transaction_cost` first. Amounts are in currency or basis points, positive = cost.
"""

import math
from dataclasses import dataclass

import numpy as np

from torghut_assets.domain.tca.errors import OutOfRangeError
from torghut_assets.domain.tca.inputs import finite, non_negative, positive, uncrossed
from torghut_assets.domain.tca.slippage import BPS


@dataclass(frozen=True, slots=True)
class PricedTrade:
    """A trade with its tariff and quote.

    Parameters
    ----------
    quantity : float
        Shares; the sign (side) does not matter.
    price : float
        Price per share that the proportional fee is charged on, > 0.
    rate_bps : float
        Proportional fee in basis points of the traded amount, >= 0.
    commission_per_share, min_commission : float
        Commission per share and its minimum per trade, in currency, >= 0.
    bid, ask : float
        Quote in force, 0 < bid <= ask.
    """

    quantity: float
    price: float
    rate_bps: float
    commission_per_share: float
    min_commission: float
    bid: float
    ask: float


@dataclass(frozen=True, slots=True)
class TransactionCost:
    """Parts of the cost in currency, and the total relative to `|quantity| * mid`."""

    proportional: float
    commission: float
    half_spread: float
    total: float
    total_bps: float


def transaction_cost(trade: PricedTrade) -> TransactionCost:
    """Fees, commission and half the spread of one trade.

    Proportional `|q| price rate / 1e4`; commission `|q| commission_per_share`, at least
    `min_commission` unless nothing is traded; half spread `|q| (ask - bid) / 2`.

    Returns
    -------
    TransactionCost
        All zero, `total_bps` included, when nothing is traded.

    Raises
    ------
    CrossedQuoteError, OutOfRangeError, NotANumberError
    """
    quantity = abs(finite(trade.quantity, "quantity"))
    price = positive(trade.price, "price")
    rate = non_negative(trade.rate_bps, "rate_bps")
    per_share = non_negative(trade.commission_per_share, "commission_per_share")
    minimum = non_negative(trade.min_commission, "min_commission")
    bid, ask = positive(trade.bid, "bid"), positive(trade.ask, "ask")
    uncrossed(np.array([bid]), np.array([ask]))
    if quantity == 0.0:
        return TransactionCost(0.0, 0.0, 0.0, 0.0, 0.0)
    proportional = quantity * price * rate / BPS
    commission = max(per_share * quantity, minimum)
    half_spread = quantity * (ask - bid) / 2.0
    total = proportional + commission + half_spread
    return TransactionCost(
        proportional=proportional,
        commission=commission,
        half_spread=half_spread,
        total=total,
        total_bps=total / (quantity * (bid + ask) / 2.0) * BPS,
    )


@dataclass(frozen=True, slots=True)
class CapacityProblem:
    """An edge and the market that it has to be traded in.

    Parameters
    ----------
    alpha_bps : float
        Expected gross edge per trade, basis points.
    half_spread_bps, min_net_bps : float
        Half spread (>= 0) and the least net edge that must remain, basis points.
    Y, sigma_daily, adv : float
        Square-root impact: prefactor, daily volatility (fraction), daily shares; all > 0.
    price : float
        Price per share, > 0.
    participation_cap : float or None
        Largest share of `adv` per trade, in [0, 1]; `None` = no cap.
    """

    alpha_bps: float
    half_spread_bps: float
    min_net_bps: float
    Y: float
    sigma_daily: float
    adv: float
    price: float
    participation_cap: float | None = None


@dataclass(frozen=True, slots=True)
class Capacity:
    """Largest trade in shares: by impact alone, and after the participation cap.

    `capital` is `q * price`; `binding` is `impact` or `participation`.
    """

    q_impact: float
    q: float
    capital: float
    binding: str


def capacity(problem: CapacityProblem) -> Capacity:
    """Largest order that still earns `min_net_bps` after half spread and impact.

    The largest Q with `alpha - half_spread - 1e4 Y sigma sqrt(Q / adv) >= min_net`:
    `Q = adv ((alpha - half_spread - min_net) / (1e4 Y sigma))²`, 0 if the bracket is negative;
    then at most `participation_cap * adv`.

    Returns
    -------
    Capacity
        Shares per trade and currency.

    Raises
    ------
    OutOfRangeError, NotANumberError

    References
    ----------
    Grinold, R. and Kahn, R. (2000). Active Portfolio Management, chapter 16. Almgren, R. et
    al. (2005). Direct estimation of equity market impact. Risk 18(7).
    """
    adv, price = positive(problem.adv, "adv"), positive(problem.price, "price")
    impact_bps = BPS * positive(problem.Y, "Y") * positive(problem.sigma_daily, "sigma_daily")
    bracket = (
        finite(problem.alpha_bps, "alpha_bps")
        - non_negative(problem.half_spread_bps, "half_spread_bps")
        - finite(problem.min_net_bps, "min_net_bps")
    )
    by_impact = adv * (max(bracket, 0.0) / impact_bps) ** 2
    by_cap = math.inf
    if problem.participation_cap is not None:
        cap = non_negative(problem.participation_cap, "participation_cap")
        if cap > 1.0:
            raise OutOfRangeError(
                location="participation_cap", found=cap, expected="a fraction in [0, 1]"
            )
        by_cap = cap * adv
    q = min(by_impact, by_cap)
    return Capacity(
        q_impact=by_impact,
        q=q,
        capital=q * price,
        binding="impact" if by_impact <= by_cap else "participation",
    )
