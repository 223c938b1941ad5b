"""How much of the market an order took, and how much of the order was done.

Read `participation_capped_fills` first. Rates are fractions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from numpy.typing import ArrayLike

from torghut_assets.domain.tca.errors import OutOfRangeError, OverfilledOrderError
from torghut_assets.domain.tca.inputs import (
    count,
    finite,
    non_negative,
    non_negative_vector,
    positive,
)


@dataclass(frozen=True, slots=True)
class CappedFills:
    """Shares filled per bar; `fill_rate` is NaN for an order of nothing."""

    fills: tuple[float, ...]
    filled: float
    unfilled: float
    fill_rate: float


def participation_capped_fills(
    quantity: float, bar_volumes: Sequence[float], cap: float
) -> CappedFills:
    """Fill an order bar by bar, at most a share of what each bar traded.

    `fill = min(remaining, floor(cap * volume))`, whole shares. The cap is applied in exact
    decimal arithmetic: 29 % of 100 shares are 29, not 28. The volume of a bar is known at its
    end only: whoever uses this must not let a decision inside the bar see it.

    Parameters
    ----------
    quantity : float
        Shares to fill, >= 0, of either side.
    bar_volumes : sequence of float of length n_bars
        Shares traded per bar, >= 0, in time order. No bars fill nothing.
    cap : float
        Largest share of a bar's volume, in [0, 1].

    Returns
    -------
    CappedFills
        Whole numbers when `quantity` is whole.

    Raises
    ------
    OutOfRangeError, NotANumberError
        A NaN volume is refused: unknown is not zero.
    """
    remaining = non_negative(quantity, "quantity")
    limit = non_negative(cap, "cap")
    if limit > 1.0:
        raise OutOfRangeError(location="cap", found=limit, expected="a fraction in [0, 1]")
    volumes = non_negative_vector(bar_volumes, "bar_volumes", at_least=0)
    exact_cap = Fraction(repr(limit))
    fills = []
    for volume in volumes.tolist():
        fill = min(remaining, float(math.floor(exact_cap * Fraction(volume))))
        fills.append(_whole(fill))
        remaining -= fill
    filled = float(quantity) - remaining
    return CappedFills(
        fills=tuple(fills),
        filled=_whole(filled),
        unfilled=_whole(remaining),
        fill_rate=filled / float(quantity) if quantity > 0 else math.nan,
    )


def _whole(shares: float) -> float:
    """Give an `int` if the number of shares is whole."""
    return int(shares) if shares.is_integer() else shares


def fill_rate(filled: float, ordered: float) -> float:
    """Share of an order that was filled, in [0, 1].

    Raises
    ------
    OverfilledOrderError
        If more was filled than ordered.
    OutOfRangeError, NotANumberError
        Unless `ordered` > 0 and `filled` >= 0.
    """
    done, wanted = non_negative(filled, "filled"), positive(ordered, "ordered")
    if done > wanted:
        raise OverfilledOrderError(filled=done, ordered=wanted)
    return done / wanted


def participation_rate(filled: float, market_volume: float) -> float:
    """Shares filled over shares traded in the market (own fills included) meanwhile.

    Raises
    ------
    OutOfRangeError
        If nothing traded (the rate is not defined), or more was filled than traded: then the
        volume belongs to another interval or the fills to another market.
    NotANumberError
    """
    done, traded = non_negative(filled, "filled"), positive(market_volume, "market_volume")
    if done > traded:
        raise OutOfRangeError(
            location="filled", found=done, expected=f"at most the {traded:g} shares traded"
        )
    return done / traded


def churn_rate(cancels: int, replaces: int, submitted: int) -> float:
    """Cancel and replace messages per submitted order: `(cancels + replaces) / submitted`.

    0 is an order flow left alone; the rate has no upper end, one order can be replaced often.

    Raises
    ------
    OutOfRangeError, NotANumberError
        For counts that are negative or not whole, or if nothing was submitted.
    """
    orders = count(submitted, "submitted")
    if orders == 0:
        raise OutOfRangeError(location="submitted", found=0, expected="at least one order")
    return (count(cancels, "cancels") + count(replaces, "replaces")) / orders


def time_weighted_participation(fills: ArrayLike, bar_volumes: ArrayLike) -> float:
    """Mean participation over the bars that traded; NaN if none did.

    Differs from `participation_rate` (volume weighted) when the order was front- or
    back-loaded. A fill in a bar without volume raises `OutOfRangeError`.
    """
    done = non_negative_vector(fills, "fills")
    traded = non_negative_vector(bar_volumes, "bar_volumes")
    if done.size != traded.size or (done > traded).any():
        raise OutOfRangeError(
            location="fills", found=done.tolist(), expected="one per bar, at most its volume"
        )
    active = traded > 0.0
    return finite((done[active] / traded[active]).mean(), "mean") if active.any() else math.nan
