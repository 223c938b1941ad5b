"""Effective and realized spread of fills against the quotes around them.

Read `effective_realized_spread` first. Spreads are full spreads (twice the distance to the
midpoint) in price units unless the name says bps; positive = cost to the trader.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from torghut_assets.domain.tca.errors import NoFillsError
from torghut_assets.domain.tca.inputs import (
    Floats,
    Side,
    non_negative_vector,
    positive,
    positive_vector,
    same_length,
    side_sign,
    side_signs,
    uncrossed,
)
from torghut_assets.domain.tca.slippage import BPS, known_prices


@dataclass(frozen=True, slots=True)
class SpreadCosts:
    """Share-weighted spread statistics of a set of fills.

    `quoted`, `effective`, `realized`, `impact` and `price_improvement` are in price units
    per share, `*_bps` relative to the midpoint at the fill, `eq_ratio` and `spread_capture`
    are fractions. NaN marks what is not defined.
    """

    quoted: float
    effective: float
    realized: float
    impact: float
    price_improvement: float
    effective_bps: float
    realized_bps: float
    eq_ratio: float
    spread_capture: float


def effective_spread(side: Side, price: float, mid: float) -> float:
    """`2 s (price - mid)`: the spread that one fill paid, in price units, positive = cost."""
    return 2.0 * side_sign(side) * (positive(price, "price") - positive(mid, "mid"))


def realized_spread(side: Side, price: float, mid_after: float) -> float:
    """`2 s (price - mid_after)`: what the other side kept once the price had moved."""
    return 2.0 * side_sign(side) * (positive(price, "price") - positive(mid_after, "mid_after"))


def effective_realized_spread(
    *,
    side: Sequence[Side],
    quantity: ArrayLike,
    price: ArrayLike,
    bid: ArrayLike,
    ask: ArrayLike,
    mid_after: Sequence[float | None],
) -> SpreadCosts:
    """Effective, realized and quoted spread, impact and price improvement of fills.

    Per fill, with `mid = (bid + ask) / 2`: quoted `ask - bid`; effective `2 s (price - mid)`;
    realized `2 s (price - mid_after)`; impact `2 s (mid_after - mid)`, so that effective =
    realized + impact; price improvement `ask - price` for a buy, `price - bid` for a sell,
    negative when the fill was outside the quote. All are averaged with shares as weights.

    Parameters
    ----------
    side : sequence of {"buy", "sell"} of length n_fills
    quantity, price, bid, ask : array_like of shape (n_fills,)
        Shares (>= 0) and prices (> 0); the quote is the one in force at the fill.
    mid_after : sequence of length n_fills
        Midpoint one horizon after the fill (Rule 605: five minutes, and others as amended);
        `None` or NaN where unknown, which makes realized spread and impact NaN.

    Returns
    -------
    SpreadCosts
        `eq_ratio` = effective / quoted and `spread_capture` = 1 - `eq_ratio` are NaN in a
        locked market (quoted 0); the other figures stay defined.

    Raises
    ------
    NoFillsError
        Without a filled share.
    CrossedQuoteError
        If a bid is above its ask.
    ShapeMismatchError, NotANumberError, OutOfRangeError, UnknownSideError

    References
    ----------
    17 CFR 242.600(b) (average effective and realized spread); Rule 605 as amended,
    89 FR 26428 (2024). Huang, R. and Stoll, H. (1996). Dealer versus auction markets.
    Journal of Financial Economics 41(3).
    """
    sign = side_signs(side)
    if sign.size == 0:
        raise NoFillsError(location="fills")
    shares = non_negative_vector(quantity, "quantity")
    fill = positive_vector(price, "price")
    bids, asks = positive_vector(bid, "bid"), positive_vector(ask, "ask")
    later = known_prices(mid_after, "mid_after")
    same_length(side=sign, quantity=shares, price=fill, bid=bids, ask=asks, mid_after=later)
    uncrossed(bids, asks)
    if shares.sum() == 0.0:
        raise NoFillsError(location="fills")

    mid = (bids + asks) / 2.0
    effective = 2.0 * sign * (fill - mid)
    realized = 2.0 * sign * (fill - later)
    mean_quoted = _share_weighted(asks - bids, shares)
    mean_effective = _share_weighted(effective, shares)
    ratio = mean_effective / mean_quoted if mean_quoted > 0.0 else math.nan
    return SpreadCosts(
        quoted=mean_quoted,
        effective=mean_effective,
        realized=_share_weighted(realized, shares),
        impact=_share_weighted(2.0 * sign * (later - mid), shares),
        price_improvement=_share_weighted(np.where(sign > 0, asks - fill, fill - bids), shares),
        effective_bps=_share_weighted(effective / mid * BPS, shares),
        realized_bps=_share_weighted(realized / mid * BPS, shares),
        eq_ratio=ratio,
        spread_capture=1.0 - ratio,
    )


def _share_weighted(values: Floats, shares: Floats) -> float:
    """Mean over fills with shares as weights; fills of zero shares do not count."""
    filled = shares > 0.0
    return float(values[filled] @ shares[filled] / shares[filled].sum())
