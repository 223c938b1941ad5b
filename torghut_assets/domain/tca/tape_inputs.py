"""The columns that `tape` analyses: quotes, bars, orders and fills, checked when they are made.

Times are integers of one unit, e.g. microseconds since 1970; symbols are numbers from 0.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.tca.errors import (
    CrossedQuoteError,
    NotANumberError,
    OutOfRangeError,
    ShapeMismatchError,
)
from torghut_assets.domain.tca.inputs import (
    Floats,
    non_negative_vector,
    positive_vector,
    same_length,
    vector,
)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class QuoteTape:
    """Quotes sorted by symbol, then time; checked when it is made.

    Parameters
    ----------
    starts : ndarray of int64, shape (n_symbols + 1,)
        Symbol s has rows `[starts[s], starts[s + 1])`.
    times : ndarray of int64, shape (n_quotes,)
        Not decreasing within a symbol; the last of equal times is in force.
    bid, ask : ndarray of float64, shape (n_quotes,)
        0 < bid <= ask.
    """

    starts: Ints
    times: Ints
    bid: Floats
    ask: Floats

    def __post_init__(self) -> None:
        from torghut_assets.domain.tca.tape_kernel import first_bad_quote

        _sorted_by_symbol(self.starts, self.times, "quotes")
        same_length(times=self.times, bid=self.bid, ask=self.ask)  # type: ignore[arg-type]
        if (bad := first_bad_quote(self.bid, self.ask)) >= 0:
            bid, ask = float(self.bid[bad]), float(self.ask[bad])
            if bid > ask:
                raise CrossedQuoteError(location=f"quotes[{bad}]", bid=bid, ask=ask)
            raise OutOfRangeError(
                location=f"quotes[{bad}]",
                found=(bid, ask),
                expected="two finite prices with 0 < bid <= ask",
            )


@dataclass(frozen=True)
class BarTape:
    """Bars sorted by symbol, then start time; checked when it is made.

    `starts` is as in `QuoteTape`; a bar counts for an interval that holds its start time.
    `high`, `low`, `close` are positive, `volume` is at least 0.
    """

    starts: Ints
    times: Ints
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __post_init__(self) -> None:
        _sorted_by_symbol(self.starts, self.times, "bars")
        columns = {name: getattr(self, name) for name in ("high", "low", "close")}
        for name, column in columns.items():
            positive_vector(column, f"bars.{name}", at_least=0)
        non_negative_vector(self.volume, "bars.volume", at_least=0)
        same_length(times=self.times, volume=self.volume, **columns)  # type: ignore[arg-type]


@dataclass(frozen=True)
class OrderTape:
    """Orders, one per row; checked when it is made.

    Parameters
    ----------
    symbol : ndarray of int64, shape (n_orders,)
    sign : ndarray of float64
        +1 for a buy, -1 for a sell.
    quantity, decision : ndarray of float64
        Shares and price at the decision, > 0.
    begin, end : ndarray of int64
        The order is worked in `[begin, end)`, begin < end.
    """

    symbol: Ints
    sign: Floats
    quantity: Floats
    decision: Floats
    begin: Ints
    end: Ints

    def __post_init__(self) -> None:
        _integers(orders_symbol=self.symbol, orders_begin=self.begin, orders_end=self.end)
        positive_vector(self.quantity, "orders.quantity")
        positive_vector(self.decision, "orders.decision")
        if not (np.abs(self.sign) == 1.0).all():
            raise OutOfRangeError(location="orders.sign", found="another", expected="+1 or -1")
        if not (self.begin < self.end).all():
            raise OutOfRangeError(
                location=f"orders[{int(np.argmin(self.begin < self.end))}]",
                found="an empty interval",
                expected="begin < end",
            )
        same_length(
            symbol=self.symbol,  # type: ignore[arg-type]
            sign=self.sign,
            quantity=self.quantity,
            decision=self.decision,
            begin=self.begin,  # type: ignore[arg-type]
            end=self.end,  # type: ignore[arg-type]
        )


@dataclass(frozen=True)
class FillTape:
    """Fills, one per row, in any order (time order is fastest); checked when it is made.

    `order` is the row of the fill's order; `quantity` at least 0, `price` > 0, `fee` in
    currency, negative for a rebate.
    """

    order: Ints
    times: Ints
    quantity: Floats
    price: Floats
    fee: Floats

    def __post_init__(self) -> None:
        _integers(fills_order=self.order, fills_times=self.times)
        non_negative_vector(self.quantity, "fills.quantity", at_least=0)
        positive_vector(self.price, "fills.price", at_least=0)
        vector(self.fee, "fills.fee", at_least=0)
        same_length(
            order=self.order,  # type: ignore[arg-type]
            times=self.times,  # type: ignore[arg-type]
            quantity=self.quantity,
            price=self.price,
            fee=self.fee,
        )


def _sorted_by_symbol(starts: Ints, times: Ints, what: str) -> None:
    """Raise unless `starts` cuts `times` into symbols that are each in time order."""
    from torghut_assets.domain.tca.tape_kernel import first_disorder

    _integers(**{f"{what}_starts": starts, f"{what}_times": times})
    cuts = starts.size >= 2 and starts[0] == 0 and starts[-1] == times.size
    if not cuts or (np.diff(starts) < 0).any():
        raise ShapeMismatchError(
            location=f"{what}.starts",
            found=f"{starts.size} of them",
            expected=f"0, then not decreasing, to {times.size}",
        )
    if (bad := first_disorder(starts, times)) >= 0:
        raise OutOfRangeError(
            location=f"{what}.times[{bad}]", found="a time that goes back", expected="time order"
        )


def _integers(**arrays: Ints) -> None:
    """Raise unless every array is flat and of int64."""
    for name, array in arrays.items():
        if array.dtype != np.int64 or array.ndim != 1:
            raise NotANumberError(location=name, found=f"{array.ndim}-d {array.dtype}")
