"""Transaction costs of a whole tape at once: a million fills against ten million quotes.

Read `analyse_tape` first. It computes per fill and per order what `spreads`, `shortfall`,
`slippage` and `participation` compute for one, to the same definitions.
"""

from dataclasses import dataclass

import numpy as np

from torghut_assets.domain.tca.errors import OutOfRangeError, OverfilledOrderError
from torghut_assets.domain.tca.inputs import Floats
from torghut_assets.domain.tca.slippage import BPS
from torghut_assets.domain.tca.tape_inputs import BarTape, FillTape, Ints, OrderTape, QuoteTape

__all__ = ["BarTape", "FillTape", "OrderTape", "QuoteTape", "TapeCosts", "analyse_tape"]


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


def _within(numbers: Ints, count: int, what: str) -> None:
    if numbers.size and not 0 <= int(numbers.min()) <= int(numbers.max()) < count:
        raise OutOfRangeError(
            location=what,
            found=f"{numbers.min()} to {numbers.max()}",
            expected=f"0 to {count - 1}",
        )
