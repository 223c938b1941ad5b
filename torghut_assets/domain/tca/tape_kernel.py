"""Compiled inner loops of `tape`: quotes in force at fills, and sums per order.

Fills come in tape order, symbol after symbol in turn; looked up so, every quote is a miss of
the cache. A counting sort brings the fills of one symbol together, keeping their order; then
the quotes stream by once. From the place of the last fill the search walks a little, then
doubles its stride and halves it back; a fill that is earlier than the one before it searches
the quotes before the place. Sums are added in tape order.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from torghut_assets.domain.tca.inputs import Floats

Ints = npt.NDArray[np.int64]

FILLED, PAID, EXECUTION, FEES, SPREAD, KNOWN = range(6)
SUMS = 8
"""Columns of the sums per order, of which the last two are empty: a row is a cache line.
`KNOWN` counts the shares whose quote is known."""

_STEPS = 32
"""Quotes that are looked at one by one: a loop that is predicted beats a search that is not."""


@njit(cache=True)
def _last_at(times: Ints, start: int, end: int, place: int, query: int) -> int:
    """Index of the last time <= query in [start, end); start - 1 if there is none."""
    low, high = start - 1, end  # times[low] <= query < times[high], at the ends by convention
    if place >= start and times[place] <= query:
        low = place
        near = min(place + _STEPS, end - 1)
        while low < near and times[low + 1] <= query:
            low += 1
        if low < near:
            return low
        stride = 1
        while low + stride < end and times[low + stride] <= query:
            low += stride
            stride += stride
        high = min(low + stride, end)
    elif place >= start:
        high = place
    while high - low > 1:
        middle = (low + high) // 2
        if times[middle] <= query:
            low = middle
        else:
            high = middle
    return low


@njit(cache=True)
def midpoints_at(
    starts: Ints, times: Ints, bid: Floats, ask: Floats, symbol: Ints, query: Ints
) -> Floats:
    """Midpoint in force at each query; NaN before the symbol's first quote."""
    out = np.empty(query.size)
    for i in range(query.size):
        first, end = starts[symbol[i]], starts[symbol[i] + 1]
        found = _last_at(times, first, end, first - 1, query[i])
        out[i] = np.nan if found < first else (bid[found] + ask[found]) / 2.0
    return out


@njit(cache=True)
def _midpoints_of_fills(
    starts: Ints, times: Ints, bid: Floats, ask: Floats, symbol: Ints, query: Ints
) -> Floats:
    """Midpoints as `midpoints_at` has them, in one pass over the quotes."""
    n_symbols = starts.size - 1
    ends = np.zeros(n_symbols + 1, np.int64)
    for i in range(query.size):
        ends[symbol[i] + 1] += 1
    ends = np.cumsum(ends)
    free = ends[:-1].copy()
    rows = np.empty(query.size, np.int64)
    moments = np.empty(query.size, np.int64)
    for i in range(query.size):
        slot = free[symbol[i]]
        rows[slot], moments[slot] = i, query[i]
        free[symbol[i]] = slot + 1
    out = np.empty(query.size)
    for s in range(n_symbols):
        place = starts[s] - 1
        for slot in range(ends[s], ends[s + 1]):
            place = _last_at(times, starts[s], starts[s + 1], place, moments[slot])
            known = place >= starts[s]
            out[rows[slot]] = (bid[place] + ask[place]) / 2.0 if known else np.nan
    return out


@njit(cache=True)
def fill_sums(
    starts: Ints,
    times: Ints,
    bid: Floats,
    ask: Floats,
    order_symbol: Ints,
    sign: Floats,
    decision: Floats,
    fill_order: Ints,
    fill_time: Ints,
    quantity: Floats,
    price: Floats,
    fee: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Midpoint and effective spread of every fill, and sums per order.

    Returns
    -------
    mid, spread_bps : ndarray of shape (n_fills,)
        NaN where no quote was known.
    sums : ndarray of shape (n_orders, SUMS)
        Shares, `q p`, `s q (p - decision)`, fees, `q spread_bps` and the shares behind it.
    """
    n_fills = fill_order.size
    mid = _midpoints_of_fills(starts, times, bid, ask, order_symbol[fill_order], fill_time)
    spread = np.empty(n_fills)
    sums = np.zeros((order_symbol.size, SUMS))
    for i in range(n_fills):
        order = fill_order[i]
        q, p, s = quantity[i], price[i], sign[order]
        spread[i] = 2e4 * s * (p - mid[i]) / mid[i]
        if not np.isnan(mid[i]):
            sums[order, SPREAD] += q * spread[i]
            sums[order, KNOWN] += q
        sums[order, FILLED] += q
        sums[order, PAID] += q * p
        sums[order, EXECUTION] += s * q * (p - decision[order])
        sums[order, FEES] += fee[i]
    return mid, spread, sums


@njit(cache=True)
def interval_sums(
    starts: Ints,
    times: Ints,
    typical: Floats,
    close: Floats,
    volume: Floats,
    symbol: Ints,
    begin: Ints,
    end: Ints,
) -> tuple[Floats, Floats, Floats]:
    """VWAP, traded shares and last close of the bars in `[begin, end)` of each order.

    VWAP is NaN if nothing traded, the close NaN if there is no bar.
    """
    n = symbol.size
    vwap, traded, last = np.empty(n), np.zeros(n), np.empty(n)
    paid = np.zeros(times.size + 1)
    shares = np.zeros(times.size + 1)
    for s in range(starts.size - 1):
        for i in range(starts[s], starts[s + 1]):
            base = i > starts[s]
            paid[i + 1] = (paid[i] if base else 0.0) + typical[i] * volume[i]
            shares[i + 1] = (shares[i] if base else 0.0) + volume[i]
    for k in range(n):
        first, after = starts[symbol[k]], starts[symbol[k] + 1]
        low = _last_at(times, first, after, first - 1, begin[k] - 1) + 1
        high = _last_at(times, first, after, first - 1, end[k] - 1) + 1
        last[k] = close[high - 1] if high > low else np.nan
        if high > low:
            before = low > first
            traded[k] = shares[high] - (shares[low] if before else 0.0)
        total = 0.0
        if traded[k] > 0.0:
            total = paid[high] - (paid[low] if low > first else 0.0)
        vwap[k] = total / traded[k] if traded[k] > 0.0 else np.nan
    return vwap, traded, last


@njit(cache=True)
def first_disorder(starts: Ints, times: Ints) -> int:
    """Index of the first time that is before the one before it in its symbol; -1 if none."""
    for s in range(starts.size - 1):
        for i in range(starts[s] + 1, starts[s + 1]):
            if times[i] < times[i - 1]:
                return i
    return -1


@njit(cache=True)
def first_bad_quote(bid: Floats, ask: Floats) -> int:
    """Index of the first quote that is not 0 < bid <= ask < infinity; -1 if none."""
    for i in range(bid.size):
        if not (0.0 < bid[i] <= ask[i] < np.inf):
            return i
    return -1
