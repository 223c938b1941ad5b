"""Execution quality of one order measured from minute bars, for when there are no quotes.

Read `tca_from_minute_bars` first. Bars are stamped with the start of their minute and cover
`[start, start + 1 minute)`; an order's window is half open as well.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from torghut_assets.domain.tca.asof import Moment, Times, moments
from torghut_assets.domain.tca.errors import OutOfRangeError, ShapeMismatchError
from torghut_assets.domain.tca.inputs import (
    Floats,
    Side,
    non_negative_vector,
    positive_vector,
    same_length,
)
from torghut_assets.domain.tca.participation import participation_rate
from torghut_assets.domain.tca.shortfall import (
    ImplementationShortfall,
    OrderOutcome,
    implementation_shortfall,
)
from torghut_assets.domain.tca.slippage import (
    average_fill_price,
    slippage_bps,
    time_weighted_price,
    volume_weighted_price,
)

_MINUTE = np.timedelta64(60_000_000, "us")


@dataclass(frozen=True, slots=True)
class MinuteBars:
    """Consecutive minute bars of one symbol; missing minutes are minutes without trading.

    Parameters
    ----------
    time : sequence of length n_bars
        Start of each minute, strictly increasing.
    open, high, low, close : array_like of shape (n_bars,)
        Prices > 0 with low <= open, close <= high.
    volume : array_like of shape (n_bars,)
        Shares traded, >= 0.
    """

    time: Sequence[Moment]
    open: ArrayLike
    high: ArrayLike
    low: ArrayLike
    close: ArrayLike
    volume: ArrayLike


@dataclass(frozen=True, slots=True)
class WorkedOrder:
    """An order worked in the window `[start, end)`.

    `decision` is the price at the decision, `None` for "decided on arrival". `fills` are
    (quantity, price); `fees` are in currency.
    """

    side: Side
    ordered: float
    start: Moment
    end: Moment
    fills: Sequence[Sequence[float]]
    decision: float | None = None
    fees: float = 0.0


@dataclass(frozen=True, slots=True)
class MinuteBarTca:
    """Benchmarks (prices), slippages (bps, positive = cost) and rates of one order.

    Slippages are NaN for an order without fills; VWAP and participation are NaN if nothing
    traded in the window.
    """

    arrival: float
    vwap: float
    twap: float
    close: float
    avg_fill: float
    arrival_slippage_bps: float
    vwap_slippage_bps: float
    twap_slippage_bps: float
    close_slippage_bps: float
    market_volume: float
    filled: float
    fill_rate: float
    participation: float
    shortfall: ImplementationShortfall


def tca_from_minute_bars(order: WorkedOrder, bars: MinuteBars) -> MinuteBarTca:
    """Benchmark prices, slippage, participation and shortfall of an order from minute bars.

    Arrival is the close of the last minute that was over at `start`, else the open of the
    first minute of the window. VWAP weights each minute's typical price (high + low +
    close) / 3 with its volume; TWAP is the mean close of the window; close is its last close,
    at which the unfilled rest is valued.

    Returns
    -------
    MinuteBarTca

    Raises
    ------
    OutOfRangeError
        For bars that are not in order or inconsistent, a window that is empty or holds no bar,
        a fill outside the window's price range, or more filled than was traded.
    OverfilledOrderError, ShapeMismatchError, NotANumberError, UnknownSideError

    References
    ----------
    Kissell, R. (2014). The Science of Algorithmic Trading, chapter 3. Perold (1988).
    """
    time, opens, highs, lows, closes, volumes = _checked(bars)
    start, end = moments([order.start, order.end], "window")
    inside = (time >= start) & (time < end)
    if not inside.any():
        raise OutOfRangeError(
            location="window", found=f"[{start}, {end})", expected="a window that holds a bar"
        )
    over = np.flatnonzero(time + _MINUTE <= start)
    arrival = float(closes[over[-1]]) if over.size else float(opens[inside][0])
    typical = (highs + lows + closes) / 3.0
    close = float(closes[inside][-1])
    traded = float(volumes[inside].sum())
    prices = {
        "arrival": arrival,
        "vwap": volume_weighted_price(typical[inside], volumes[inside]),
        "twap": time_weighted_price(closes[inside]),
        "close": close,
    }
    shortfall = implementation_shortfall(
        OrderOutcome(
            side=order.side,
            ordered=order.ordered,
            decision=arrival if order.decision is None else order.decision,
            arrival=arrival,
            fills=order.fills,
            end=close,
            fees=order.fees,
        )
    )
    filled = float(sum(quantity for quantity, _ in order.fills))
    _within_range(order, float(lows[inside].min()), float(highs[inside].max()))
    average = average_fill_price(order.fills) if filled > 0.0 else math.nan
    slippage = {
        f"{name}_slippage_bps": math.nan
        if filled == 0.0 or math.isnan(price)
        else slippage_bps(order.side, average, price)
        for name, price in prices.items()
    }
    return MinuteBarTca(
        **prices,
        **slippage,
        avg_fill=average,
        market_volume=traded,
        filled=filled,
        fill_rate=shortfall.fill_rate,
        participation=_participation(filled, traded),
        shortfall=shortfall,
    )


def _participation(filled: float, traded: float) -> float:
    """Share of the window's volume; NaN if neither the market nor the order traded."""
    return math.nan if filled == traded == 0.0 else participation_rate(filled, traded)


def _within_range(order: WorkedOrder, lowest: float, highest: float) -> None:
    """Raise for a fill at a price that the window did not trade at."""
    for i, (quantity, price) in enumerate(order.fills):
        if quantity > 0 and not lowest <= price <= highest:
            raise OutOfRangeError(
                location=f"fills[{i}].price",
                found=price,
                expected=f"a price in the window's range {lowest:g} to {highest:g}",
            )


def _checked(bars: MinuteBars) -> tuple[Times, Floats, Floats, Floats, Floats, Floats]:
    """Columns of `bars` as arrays, after the sanity of every bar was proven."""
    time = moments(bars.time, "bars.time")
    opens = positive_vector(bars.open, "bars.open")
    highs = positive_vector(bars.high, "bars.high")
    lows = positive_vector(bars.low, "bars.low")
    closes = positive_vector(bars.close, "bars.close")
    volumes = non_negative_vector(bars.volume, "bars.volume")
    same_length(open=opens, high=highs, low=lows, close=closes, volume=volumes)
    if len(time) != opens.size:
        raise ShapeMismatchError(
            location="bars.time", found=f"{len(time)} times", expected=f"{opens.size}"
        )
    disorder = np.diff(time) <= np.timedelta64(0, "us")
    insane = (lows > np.minimum(opens, closes)) | (highs < np.maximum(opens, closes))
    for name, wrong in (("bars.time", disorder), ("bars", insane)):
        if wrong.any():
            raise OutOfRangeError(
                location=f"{name}[{int(np.argmax(wrong))}]",
                found="a bar out of order or outside its own range",
                expected="increasing times and low <= open, close <= high",
            )
    return time, opens, highs, lows, closes, volumes
