"""A tape gives, row by row, what the functions for one order and one fill give."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torghut_assets.domain.tca.asof import latest_known_index
from torghut_assets.domain.tca.errors import (
    CrossedQuoteError,
    NotANumberError,
    OutOfRangeError,
    OverfilledOrderError,
    ShapeMismatchError,
)
from torghut_assets.domain.tca.participation import participation_rate
from torghut_assets.domain.tca.shortfall import OrderOutcome, implementation_shortfall
from torghut_assets.domain.tca.slippage import slippage_bps, volume_weighted_price
from torghut_assets.domain.tca.spreads import effective_spread
from torghut_assets.domain.tca.tape import BarTape, FillTape, OrderTape, QuoteTape, analyse_tape

SPAN = 1_000


def make(seed, n_symbols=3, n_quotes=60, n_orders=12, n_fills=80, in_order=True):
    """Make a random tape; some orders have no fill, some fills come before any quote."""
    draw = np.random.default_rng(seed)
    counts = draw.integers(0, n_quotes, n_symbols)
    counts[0] = n_quotes
    starts = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    times = np.concatenate([np.sort(draw.integers(20, SPAN, c)) for c in counts])
    mid = 50 + draw.random(times.size)
    quotes = QuoteTape(starts, times.astype(np.int64), mid - 0.01, mid + 0.02)
    bar_starts = np.arange(n_symbols + 1, dtype=np.int64) * 10
    close = 50 + draw.random(10 * n_symbols)
    volume = draw.integers(0, 4, close.size) * 1_000.0
    bar_times = np.tile(np.arange(10) * 100, n_symbols).astype(np.int64)
    bars = BarTape(bar_starts, bar_times, close + 0.1, close - 0.1, close, volume)
    owner = np.sort(draw.integers(0, n_orders, n_fills))
    size = draw.integers(0, 50, n_fills).astype(float)
    begin = draw.integers(0, 500, n_orders)
    orders = OrderTape(
        draw.integers(0, n_symbols, n_orders),
        draw.choice([-1.0, 1.0], n_orders),
        np.bincount(owner, size, n_orders) + draw.integers(0, 2, n_orders) * 7.0 + 1.0,
        50 + draw.random(n_orders),
        begin,
        begin + draw.integers(1, 600, n_orders),
    )
    when = draw.integers(0, SPAN, n_fills)
    tape = np.argsort(when, kind="stable") if in_order else np.arange(n_fills)
    fills = FillTape(
        owner[tape], when[tape], size[tape], 50 + draw.random(n_fills), draw.random(n_fills)
    )
    return quotes, orders, fills, bars


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), in_order=st.booleans())
def test_every_row_is_what_the_functions_for_one_order_give(seed, in_order):
    quotes, orders, fills, bars = make(seed, in_order=in_order)
    found = analyse_tape(quotes, orders, fills, bars)
    mids = (quotes.bid + quotes.ask) / 2
    for i in range(fills.order.size):
        symbol = orders.symbol[fills.order[i]]
        own = slice(quotes.starts[symbol], quotes.starts[symbol + 1])
        at = latest_known_index(quotes.times[own], fills.times[i : i + 1])[0]
        if at < 0:
            assert np.isnan(found.fills.mid[i])
            continue
        mid = mids[own][at]
        side = "buy" if orders.sign[fills.order[i]] > 0 else "sell"
        assert found.fills.mid[i] == mid
        assert found.fills.effective_spread_bps[i] == pytest.approx(
            effective_spread(side, fills.price[i], mid) / mid * 1e4
        )
    columns = found.orders
    for k in range(orders.symbol.size):
        check_order(k, quotes, orders, fills, bars, columns)


def check_order(k, quotes, orders, fills, bars, columns):
    symbol, side = orders.symbol[k], "buy" if orders.sign[k] > 0 else "sell"
    mine = fills.order == k
    own = slice(bars.starts[symbol], bars.starts[symbol + 1])
    inside = (bars.times[own] >= orders.begin[k]) & (bars.times[own] < orders.end[k])
    filled = fills.quantity[mine].sum()
    assert columns.filled[k] == filled
    if not inside.any():
        assert np.isnan(columns.vwap[k])
        return
    close, volume = bars.close[own][inside], bars.volume[own][inside]
    typical = (bars.high[own] + bars.low[own] + bars.close[own])[inside] / 3
    shortfall = implementation_shortfall(
        OrderOutcome(
            side=side,
            ordered=orders.quantity[k],
            decision=orders.decision[k],
            arrival=orders.decision[k],
            fills=list(zip(fills.quantity[mine], fills.price[mine], strict=True)),
            end=close[-1],
            fees=fills.fee[mine].sum(),
        )
    )
    assert columns.execution[k] == pytest.approx(shortfall.perold.execution, abs=1e-8)
    assert columns.opportunity[k] == pytest.approx(shortfall.perold.opportunity, abs=1e-8)
    assert columns.total[k] == pytest.approx(shortfall.perold.total, abs=1e-8)
    assert columns.total_bps[k] == pytest.approx(shortfall.total_bps, abs=1e-7)
    vwap = volume_weighted_price(typical, volume)
    assert columns.vwap[k] == pytest.approx(vwap, nan_ok=True)
    if filled > 0 and not np.isnan(vwap):
        average = fills.quantity[mine] @ fills.price[mine] / filled
        expected = slippage_bps(side, average, vwap)
        assert columns.vwap_slippage_bps[k] == pytest.approx(expected, abs=1e-7)
    else:
        assert np.isnan(columns.vwap_slippage_bps[k])
    if volume.sum() >= filled and volume.sum() > 0:
        assert columns.participation[k] == pytest.approx(participation_rate(filled, volume.sum()))
    else:
        assert np.isnan(columns.participation[k])
    book = slice(quotes.starts[symbol], quotes.starts[symbol + 1])
    at = latest_known_index(quotes.times[book], orders.begin[k : k + 1])[0]
    mids = ((quotes.bid + quotes.ask) / 2)[book]
    if at < 0:
        assert np.isnan(columns.arrival_mid[k])
    else:
        assert columns.arrival_mid[k] == mids[at]


@given(seed=st.integers(0, 10_000))
def test_the_order_of_the_fills_does_not_matter(seed):
    quotes, orders, fills, bars = make(seed)
    shuffle = np.random.default_rng(seed).permutation(fills.order.size)
    mixed = FillTape(*(getattr(fills, f.name)[shuffle] for f in dataclasses.fields(fills)))
    one, other = (analyse_tape(quotes, orders, tape, bars) for tape in (fills, mixed))
    assert np.array_equal(one.fills.mid[shuffle], other.fills.mid, equal_nan=True)
    assert one.orders.total == pytest.approx(other.orders.total, abs=1e-8, nan_ok=True)


def test_a_long_way_to_the_next_quote_is_searched_not_walked():
    times = np.arange(0, 100_000, dtype=np.int64)
    mid = np.linspace(10, 20, times.size)
    quotes = QuoteTape(np.array([0, times.size]), times, mid, mid)
    when = np.array([0, 5, 50_000, 50_001, 99_999, 200_000, 49_000])
    orders = OrderTape(*(np.array([v]) for v in (0, 1.0, 7.0, 10.0, 0, 9)))
    fills = FillTape(np.zeros(7, np.int64), when, np.ones(7), np.full(7, 15.0), np.zeros(7))
    bars = BarTape(np.array([0, 0]), np.empty(0, np.int64), *(np.ones(1)[:0] for _ in range(4)))
    found = analyse_tape(quotes, orders, fills, bars).fills.mid
    assert found == pytest.approx(mid[np.minimum(when, 99_999)])


def test_an_order_without_fills_has_no_average():
    quotes, orders, fills, bars = make(1)
    none = FillTape(*(getattr(fills, f.name)[:0] for f in dataclasses.fields(fills)))
    columns = analyse_tape(quotes, orders, none, bars).orders
    assert np.isnan(columns.average_price).all()
    assert np.isnan(columns.effective_spread_bps).all()
    assert (columns.execution == 0).all()


def replaced(tape, **changes):
    return lambda: dataclasses.replace(tape, **changes)


QUOTES, ORDERS, FILLS, BARS = make(2)
EMPTY = np.empty(0, np.int64)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (replaced(QUOTES, times=QUOTES.times[::-1].copy()), OutOfRangeError),
        (replaced(QUOTES, times=QUOTES.times.astype(float)), NotANumberError),
        (replaced(QUOTES, bid=QUOTES.ask + 1), CrossedQuoteError),
        (replaced(QUOTES, bid=QUOTES.bid * np.nan), OutOfRangeError),
        (replaced(QUOTES, bid=-QUOTES.bid), OutOfRangeError),
        (replaced(QUOTES, starts=QUOTES.starts + 1), ShapeMismatchError),
        (replaced(QUOTES, starts=EMPTY), ShapeMismatchError),
        (replaced(QUOTES, ask=QUOTES.ask[:-1], bid=QUOTES.bid[:-1]), ShapeMismatchError),
        (replaced(BARS, volume=-1 - BARS.volume), OutOfRangeError),
        (replaced(BARS, high=BARS.high * 0), OutOfRangeError),
        (replaced(ORDERS, sign=ORDERS.sign * 2), OutOfRangeError),
        (replaced(ORDERS, end=ORDERS.begin), OutOfRangeError),
        (replaced(ORDERS, quantity=ORDERS.quantity * 0), OutOfRangeError),
        (replaced(FILLS, price=FILLS.price * np.inf), NotANumberError),
        (replaced(FILLS, quantity=FILLS.quantity - 100), OutOfRangeError),
        (replaced(FILLS, fee=FILLS.fee[:-1]), ShapeMismatchError),
    ],
)
def test_tapes_that_are_not_sound_are_refused(call, error):
    with pytest.raises(error):
        call()


@pytest.mark.parametrize(
    ("orders", "fills", "error"),
    [
        (dataclasses.replace(ORDERS, symbol=ORDERS.symbol + 3), FILLS, OutOfRangeError),
        (ORDERS, dataclasses.replace(FILLS, order=FILLS.order - 1), OutOfRangeError),
        (ORDERS, dataclasses.replace(FILLS, quantity=FILLS.quantity + 50), OverfilledOrderError),
    ],
)
def test_tapes_that_do_not_belong_together_are_refused(orders, fills, error):
    with pytest.raises(error):
        analyse_tape(QUOTES, orders, fills, BARS)
