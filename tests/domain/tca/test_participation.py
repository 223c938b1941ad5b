import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.errors import StatisticsInputError
from torghut_assets.domain.tca.errors import OutOfRangeError, OverfilledOrderError
from torghut_assets.domain.tca.participation import (
    churn_rate,
    fill_rate,
    participation_capped_fills,
    participation_rate,
    time_weighted_participation,
)


def test_the_cap_limits_every_bar_and_the_rest_stays_open():
    done = participation_capped_fills(1_000, [3_000, 0, 1_999], 0.1)
    assert done.fills == (300, 0, 199)
    assert (done.filled, done.unfilled) == (499, 501)
    assert done.fill_rate == 0.499


def test_whole_shares_are_whole_numbers():
    done = participation_capped_fills(500, [10_000], 0.1)
    assert [type(value) for value in (*done.fills, done.filled, done.unfilled)] == [int] * 3


@pytest.mark.parametrize("percent", range(1, 101))
def test_a_cap_of_n_percent_of_100_shares_is_n_shares(percent):
    """In binary floating point 0.29 * 100 is 28.999..., which would lose a share."""
    assert participation_capped_fills(1_000, [100], percent / 100).fills == (percent,)


@given(
    quantity=st.integers(0, 100_000),
    volumes=st.lists(st.integers(0, 50_000), max_size=20),
    cap=st.floats(0.0, 1.0),
)
def test_no_share_is_lost_and_no_bar_is_overrun(quantity, volumes, cap):
    done = participation_capped_fills(quantity, volumes, cap)
    assert done.filled + done.unfilled == quantity
    assert sum(done.fills) == done.filled
    assert all(
        0 <= fill <= cap * volume + 1e-9 for fill, volume in zip(done.fills, volumes, strict=True)
    )


@given(volumes=st.lists(st.integers(0, 50_000), min_size=1, max_size=20))
def test_a_higher_cap_never_fills_less(volumes):
    low, high = (participation_capped_fills(20_000, volumes, cap) for cap in (0.05, 0.2))
    assert high.filled >= low.filled


def test_an_order_of_nothing_has_no_fill_rate():
    assert math.isnan(participation_capped_fills(0, [100], 0.1).fill_rate)


def test_a_fractional_rest_is_filled_in_whole_and_closes_with_a_fraction():
    assert participation_capped_fills(2.5, [20, 20], 0.1).fills == (2, 0.5)


@pytest.mark.parametrize(
    ("quantity", "volumes", "cap"),
    [(-1, [1], 0.1), (1, [math.nan], 0.1), (1, [-1], 0.1), (1, [1], 1.1), (1, [1], math.nan)],
)
def test_unknown_volume_is_not_zero_volume(quantity, volumes, cap):
    with pytest.raises(StatisticsInputError):
        participation_capped_fills(quantity, volumes, cap)


def test_rates_by_hand():
    assert fill_rate(30, 40) == 0.75
    assert participation_rate(30, 120) == 0.25
    assert churn_rate(cancels=3, replaces=2, submitted=4) == 1.25
    assert time_weighted_participation([10, 0, 30], [100, 0, 100]) == pytest.approx(0.2)


def test_a_market_that_did_not_trade_has_no_mean_participation():
    assert math.isnan(time_weighted_participation([0, 0], [0, 0]))


def test_more_filled_than_ordered_is_refused():
    with pytest.raises(OverfilledOrderError):
        fill_rate(41, 40)


@pytest.mark.parametrize(
    "call",
    [
        lambda: fill_rate(1, 0),
        lambda: participation_rate(1, 0),
        lambda: participation_rate(2, 1),
        lambda: churn_rate(1, 1, 0),
        lambda: churn_rate(-1, 1, 1),
        lambda: churn_rate(0.5, 1, 1),
        lambda: time_weighted_participation([1], [0]),
        lambda: time_weighted_participation([1], [2, 3]),
    ],
)
def test_an_undefined_rate_is_refused(call):
    with pytest.raises(OutOfRangeError):
        call()
