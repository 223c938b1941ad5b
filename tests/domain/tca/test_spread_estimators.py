import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torghut_assets.domain.errors import StatisticsInputError, TooFewObservationsError
from torghut_assets.domain.tca.errors import NotANumberError, OutOfRangeError, ShapeMismatchError
from torghut_assets.domain.tca.spread_estimators import (
    edge_spread,
    ohlc_spread_estimators,
    roll_spread,
)

# First ten rows of the sample that accompanies Ardia, Guidotti and Kroencke (2024), as printed
# in the tests of their package bidask (MIT); the expected values are that package's.
OPEN = [1.00240075994025, 0.929743096395543, 0.943911414384193, 0.977605378856722]
OPEN += [0.961535370407048, 0.982409003083975, 1.03435413274433, 1.0201424300403]
OPEN += [1.03650094499406, 1.05368509087896]
HIGH = [1.00935878365403, 0.929774737723069, 0.968140794511406, 0.977605378856722]
HIGH += [0.99982474278851, 0.992213437101346, 1.03435413274433, 1.04025465277235]
HIGH += [1.03650094499406, 1.05368509087896]
LOW = [0.976061138469904, 0.928919694164385, 0.943911414384193, 0.977605378856722]
LOW += [0.961535370407048, 0.982409003083975, 1.03435413274433, 1.0201424300403]
LOW += [1.03650094499406, 1.02605242183949]
CLOSE = [0.976061138469904, 0.929774737723069, 0.968140794511406, 0.977605378856722]
CLOSE += [0.986215329667607, 0.992213437101346, 1.03435413274433, 1.03219266262805]
CLOSE += [1.03650094499406, 1.02798086837104]


def test_edge_reproduces_the_authors_sample():
    assert edge_spread(OPEN, HIGH, LOW, CLOSE) == pytest.approx(-0.016889917516422, abs=1e-14)


def test_edge_without_sign_is_the_absolute_value():
    assert edge_spread(OPEN, HIGH, LOW, CLOSE, sign=False) == pytest.approx(0.016889917516422)


def test_edge_leaves_missing_prices_out_as_the_authors_do():
    high, opens = list(HIGH), list(OPEN)
    high[4], opens[7] = math.nan, math.nan
    assert edge_spread(opens, high, LOW, CLOSE) == pytest.approx(-0.02871969955663208, abs=1e-13)


@pytest.mark.parametrize(
    ("opens", "high", "low", "close"),
    [
        ([18.21, 17.61, 17.61], [18.21, 17.61, 17.61], [17.61] * 3, [17.61] * 3),
        ([10.0] * 5, [10.0] * 5, [10.0] * 5, [10.0] * 5),
        # Every open and close is the high and low of its day at once: never inside the range.
        ([1.0, math.nan, 1.0], [2.0, math.nan, 2.0], [0.5, math.nan, 0.5], [1.0, math.nan, 1.0]),
    ],
)
def test_edge_of_prices_without_information_is_undefined(opens, high, low, close):
    assert math.isnan(edge_spread(opens, high, low, close))


@settings(max_examples=50)
@given(scale=st.floats(0.01, 1_000.0))
def test_estimates_do_not_depend_on_the_currency(scale):
    scaled = [np.array(prices) * scale for prices in (OPEN, HIGH, LOW, CLOSE)]
    assert edge_spread(*scaled) == pytest.approx(edge_spread(OPEN, HIGH, LOW, CLOSE), rel=1e-6)
    ours, theirs = ohlc_spread_estimators(*scaled[1:]), ohlc_spread_estimators(HIGH, LOW, CLOSE)
    assert ours.abdi_ranaldo_signed == pytest.approx(theirs.abdi_ranaldo_signed, rel=1e-6)
    assert ours.corwin_schultz_signed_mean == pytest.approx(
        theirs.corwin_schultz_signed_mean, rel=1e-6
    )


@given(spread=st.floats(1e-4, 0.1), days=st.integers(2, 12))
def test_pure_bounce_around_a_constant_value_is_found_exactly(spread, days):
    """Without volatility, high and low are ask and bid: beta = 2 gamma gives alpha = ln(H/L)."""
    high, low = np.full(days, 50.0 * (1 + spread / 2)), np.full(days, 50.0 * (1 - spread / 2))
    close = np.where(np.arange(days) % 2, high, low)
    estimates = ohlc_spread_estimators(high, low, close)
    assert estimates.corwin_schultz_signed_mean == pytest.approx(spread, rel=1e-9)
    assert estimates.corwin_schultz_zero_floored_mean == pytest.approx(spread, rel=1e-9)
    assert estimates.abdi_ranaldo_signed == pytest.approx(math.log(high[0] / low[0]), rel=1e-9)
    assert estimates.abdi_ranaldo_two_day == pytest.approx(math.log(high[0] / low[0]), rel=1e-9)


@given(gap=st.floats(1.05, 4.0))
def test_the_size_of_an_overnight_gap_does_not_matter(gap):
    """In logs, the second day is shifted until it touches the first day's close."""

    def estimate(factor):
        high, low = np.array([10.1, 10.1 * factor]), np.array([9.9, 9.9 * factor])
        return ohlc_spread_estimators(high, low, np.array([10.1, 10.0 * factor]))

    ours, reference = estimate(gap), estimate(1.5)
    assert ours.corwin_schultz_signed_mean == pytest.approx(reference.corwin_schultz_signed_mean)
    assert estimate(1.0).corwin_schultz_signed_mean > ours.corwin_schultz_signed_mean


def test_roll_of_alternating_closes_by_hand():
    """Returns +r, -r, ...: four pairs of product -r², sample covariance -4/3 r²."""
    closes = np.exp([0.0, 0.01, 0.0, 0.01, 0.0, 0.01])
    assert roll_spread(closes) == pytest.approx(0.02 * math.sqrt(4.0 / 3.0))


def test_trending_closes_have_a_negative_roll_spread():
    assert roll_spread(np.exp([0.0, 0.01, 0.03, 0.06, 0.10, 0.15])) < 0.0


def test_roll_needs_four_days():
    assert math.isnan(roll_spread([1.0, 1.1, 1.2]))
    estimates = ohlc_spread_estimators(HIGH[:2], LOW[:2], CLOSE[:2])
    assert math.isnan(estimates.roll_signed)
    assert math.isfinite(estimates.corwin_schultz_signed_mean)


def test_constant_prices_have_no_spread():
    flat = ohlc_spread_estimators([5.0] * 6, [5.0] * 6, [5.0] * 6)
    assert flat.corwin_schultz_signed_mean == 0.0
    assert flat.abdi_ranaldo_signed == 0.0
    assert flat.roll_signed == 0.0


@pytest.mark.parametrize(
    ("bars", "error"),
    [
        (([10.0], [9.0], [9.5]), TooFewObservationsError),
        (([10.0, 9.0], [9.0, 9.5], [9.5, 9.2]), OutOfRangeError),
        (([10.0, math.nan], [9.0, 9.0], [9.5, 9.2]), NotANumberError),
        (([10.0, 10.0], [9.0, 0.0], [9.5, 9.2]), OutOfRangeError),
        (([10.0, 10.0, 10.0], [9.0, 9.0], [9.5, 9.2]), ShapeMismatchError),
    ],
)
def test_impossible_bars_are_refused(bars, error):
    with pytest.raises(error):
        ohlc_spread_estimators(*bars)


@pytest.mark.parametrize(
    "change",
    [[1.0, 2.0], [1.0, -2.0, 3.0], [1.0, math.inf, 3.0], [math.nan] * 3, [[1.0]], [0.1] * 3],
)
def test_edge_refuses_what_is_not_a_price(change):
    with pytest.raises(StatisticsInputError):
        edge_spread([1.0] * 3, change, [0.5] * 3, [1.0] * 3)
