import math
from dataclasses import replace

import pytest

from torghut_assets.domain.errors import StatisticsInputError
from torghut_assets.domain.tca.errors import OutOfRangeError, OverfilledOrderError
from torghut_assets.domain.tca.minute_bars import MinuteBars, WorkedOrder, tca_from_minute_bars

BARS = MinuteBars(
    time=[f"2022-03-01T09:{minute}" for minute in (30, 31, 32, 33)],
    open=[100.0, 100.2, 100.4, 100.6],
    high=[100.3, 100.5, 100.7, 100.9],
    low=[99.9, 100.1, 100.3, 100.5],
    close=[100.2, 100.4, 100.6, 100.8],
    volume=[1_000, 3_000, 1_000, 2_000],
)
ORDER = WorkedOrder(
    side="buy",
    ordered=500,
    start="2022-03-01T09:31",
    end="2022-03-01T09:33",
    fills=[(300, 100.3), (100, 100.5)],
    fees=2.0,
)


def test_an_order_by_hand():
    tca = tca_from_minute_bars(ORDER, BARS)
    typical = ((100.5 + 100.1 + 100.4) / 3, (100.7 + 100.3 + 100.6) / 3)
    assert tca.arrival == 100.2
    assert tca.vwap == pytest.approx((typical[0] * 3_000 + typical[1] * 1_000) / 4_000)
    assert tca.twap == pytest.approx(100.5)
    assert tca.close == 100.6
    assert tca.avg_fill == pytest.approx(100.35)
    assert tca.arrival_slippage_bps == pytest.approx(0.15 / 100.2 * 1e4)
    assert tca.twap_slippage_bps == pytest.approx(-0.15 / 100.5 * 1e4)
    assert tca.close_slippage_bps == pytest.approx(-0.25 / 100.6 * 1e4)
    assert tca.vwap_slippage_bps == pytest.approx((100.35 / tca.vwap - 1) * 1e4)
    assert (tca.market_volume, tca.filled) == (4_000.0, 400.0)
    assert tca.participation == 0.1
    assert tca.fill_rate == 0.8
    assert tca.shortfall.perold.total == pytest.approx(400 * 0.15 + 100 * 0.4 + 2.0)


def test_a_bar_that_is_not_over_yet_is_no_arrival_price():
    """At 09:31:30 the last finished minute is 09:30."""
    tca = tca_from_minute_bars(replace(ORDER, start="2022-03-01T09:31:30", fills=[]), BARS)
    assert tca.arrival == 100.2


def test_at_the_first_bar_the_arrival_is_its_open():
    tca = tca_from_minute_bars(replace(ORDER, start="2022-03-01T09:30"), BARS)
    assert tca.arrival == 100.0


def test_the_price_at_the_decision_adds_delay():
    tca = tca_from_minute_bars(replace(ORDER, decision=100.0), BARS)
    assert tca.shortfall.expanded.delay == pytest.approx(100.0)


def test_an_unfilled_order_has_opportunity_cost_and_no_slippage():
    tca = tca_from_minute_bars(replace(ORDER, fills=[], fees=0.0), BARS)
    assert math.isnan(tca.avg_fill)
    assert math.isnan(tca.arrival_slippage_bps)
    assert tca.participation == 0.0
    assert tca.shortfall.expanded.opportunity == pytest.approx(200.0)


def test_a_window_without_volume_has_no_vwap():
    tca = tca_from_minute_bars(replace(ORDER, fills=[]), replace(BARS, volume=[1, 0, 0, 1]))
    assert math.isnan(tca.vwap)
    assert math.isnan(tca.participation)


@pytest.mark.parametrize(
    "change",
    [
        {"start": "2022-03-01T09:33", "end": "2022-03-01T09:33"},
        {"end": "2022-03-01T09:30"},
        {"fills": [(1, 105.0)]},
        {"ordered": 10_000, "fills": [(4_001, 100.3)]},
    ],
)
def test_fills_that_the_market_cannot_have_given_are_refused(change):
    with pytest.raises(OutOfRangeError):
        tca_from_minute_bars(replace(ORDER, **change), BARS)


def test_more_than_ordered_is_refused():
    with pytest.raises(OverfilledOrderError):
        tca_from_minute_bars(replace(ORDER, ordered=399), BARS)


@pytest.mark.parametrize(
    "change",
    [
        {"time": BARS.time[::-1]},
        {"time": BARS.time[:1] * 4},
        {"time": BARS.time[:3]},
        {"high": [100.0] * 4},
        {"low": [101.0] * 4},
        {"volume": [1, 2, 3, math.nan]},
        {"close": [100.2, 100.4, 100.6]},
        {"open": [0.0] * 4},
    ],
)
def test_bars_that_contradict_themselves_are_refused(change):
    with pytest.raises(StatisticsInputError):
        tca_from_minute_bars(ORDER, replace(BARS, **change))
