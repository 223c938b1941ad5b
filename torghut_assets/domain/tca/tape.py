"""Transaction costs of a whole tape at once: a million fills against ten million quotes.

Read `analyse_tape` first. It computes per fill and per order what `spreads`, `shortfall`,
`slippage` and `participation` compute for one, to the same definitions. Times are integers
of one unit, e.g. microseconds since 1970; symbols are numbers from 0.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.tca.errors import (
    CrossedQuoteError,
    NotANumberError,
    OutOfRangeError,
    OverfilledOrderError,
    ShapeMismatchError,
)
from torghut_assets.domain.tca.inputs import (
    Floats,
    non_negative_vector,
    positive_vector,
    same_length,
    vector,
)
from torghut_assets.domain.tca.slippage import BPS

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


@dataclass(frozen=True)
class FillColumns:
    """Per fill: midpoint in force and effective spread; NaN before the first quote."""

    mid: Floats
    effective_spread_bps: Floats


@dataclass(frozen=True)
class OrderColumns:
    """Per order; positive is cost. NaN marks what is not defined, as for a single order.

    `execution`, `opportunity`, `fees` and `total` are Perold's shortfall in currency, with
    what was not filled valued at the last close of the interval. `effective_spread_bps` is
    NaN unless the quote of every filled share is known.
    """

    arrival_mid: Floats
    filled: Floats
    average_price: Floats
    execution: Floats
    opportunity: Floats
    fees: Floats
    total: Floats
    total_bps: Floats
    vwap: Floats
    vwap_slippage_bps: Floats
    participation: Floats
    effective_spread_bps: Floats


@dataclass(frozen=True)
class TapeCosts:
    """Columns of a tape, in the order of its rows."""

    fills: FillColumns
    orders: OrderColumns


def analyse_tape(quotes: QuoteTape, orders: OrderTape, fills: FillTape, bars: BarTape) -> TapeCosts:
    """Measure every fill and order of a tape.

    Parameters
    ----------
    quotes, orders, fills, bars : tapes
        Of the same symbols and the same unit of time.

    Returns
    -------
    TapeCosts
        One pass over the fills; memory beyond the inputs is that of the result.

    Raises
    ------
    OutOfRangeError
        If a symbol or order number does not exist.
    OverfilledOrderError
        If an order has more fills than it ordered.

    References
    ----------
    As `implementation_shortfall`, `vwap_slippage_bps`, `participation_rate` and
    `effective_realized_spread`, against which the tests hold it.
    """
    from torghut_assets.domain.tca import tape_kernel as kernel

    n_symbols = min(quotes.starts.size, bars.starts.size) - 1
    _within(orders.symbol, n_symbols, "orders.symbol")
    _within(fills.order, orders.symbol.size, "fills.order")
    book = (quotes.starts, quotes.times, quotes.bid, quotes.ask)
    mid, spread, sums = kernel.fill_sums(
        *book,
        orders.symbol,
        orders.sign,
        orders.decision,
        fills.order,
        fills.times,
        fills.quantity,
        fills.price,
        fills.fee,
    )
    vwap, traded, last = kernel.interval_sums(
        bars.starts,
        bars.times,
        (bars.high + bars.low + bars.close) / 3.0,
        bars.close,
        bars.volume,
        orders.symbol,
        orders.begin,
        orders.end,
    )
    arrival = kernel.midpoints_at(*book, orders.symbol, orders.begin)
    return TapeCosts(
        FillColumns(mid=mid, effective_spread_bps=spread),
        _order_columns(orders, sums, arrival, (vwap, traded, last)),
    )


def _order_columns(
    orders: OrderTape, sums: Floats, arrival: Floats, interval: tuple[Floats, Floats, Floats]
) -> OrderColumns:
    """Turn sums into ratios; what would be divided by nothing is NaN."""
    from torghut_assets.domain.tca import tape_kernel as kernel

    vwap, traded, last = interval
    filled = sums[:, kernel.FILLED]
    over = filled > orders.quantity * (1.0 + 1e-12)
    if over.any():
        first = int(np.argmax(over))
        raise OverfilledOrderError(
            filled=float(filled[first]), ordered=float(orders.quantity[first])
        )
    unfilled = np.maximum(orders.quantity - filled, 0.0)
    missed = orders.sign * unfilled * (last - orders.decision)
    opportunity = np.where(unfilled == 0.0, 0.0, missed)
    execution, fees = sums[:, kernel.EXECUTION], sums[:, kernel.FEES]
    total = execution + opportunity + fees
    average = _ratio(sums[:, kernel.PAID], filled)
    quoted = sums[:, kernel.KNOWN] == filled
    participation = _ratio(filled, traded)
    return OrderColumns(
        arrival_mid=arrival,
        filled=filled.copy(),
        average_price=average,
        execution=execution.copy(),
        opportunity=opportunity,
        fees=fees.copy(),
        total=total,
        total_bps=total / (orders.quantity * orders.decision) * BPS,
        vwap=vwap,
        vwap_slippage_bps=orders.sign * (average - vwap) / vwap * BPS,
        participation=np.where(participation > 1.0, np.nan, participation),
        effective_spread_bps=np.where(quoted, _ratio(sums[:, kernel.SPREAD], filled), np.nan),
    )


def _ratio(above: Floats, below: Floats) -> Floats:
    out: Floats = np.full(above.shape, np.nan)
    return np.divide(above, below, out=out, where=below > 0.0)


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


def _within(numbers: Ints, count: int, what: str) -> None:
    if numbers.size and not 0 <= int(numbers.min()) <= int(numbers.max()) < count:
        raise OutOfRangeError(
            location=what,
            found=f"{numbers.min()} to {numbers.max()}",
            expected=f"0 to {count - 1}",
        )
