import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.drift.sequential import (
    PageHinkleySettings,
    cusum_tabular,
    page_hinkley,
)
from torghut_assets.domain.errors import StatisticsInputError

VALUES = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=40)


def two_shifts():
    """400 values each of N(0, 1), N(1.5, 1) and N(-1, 0.5)."""
    rng = random.Random(7)
    levels = [(0.0, 1.0), (1.5, 1.0), (-1.0, 0.5)]
    return [rng.gauss(mean, sd) for mean, sd in levels for _ in range(400)]


def test_cusum_by_hand():
    chart = cusum_tabular([1.0, 3.0, 3.0, -9.0], target=0.0, k=1.0, h=3.0)
    assert chart.upper == (0.0, 2.0, 4.0, 0.0)
    assert chart.lower == (0.0, 0.0, 0.0, 8.0)
    assert chart.first_alarm_index == 2


def test_the_limit_itself_is_no_alarm():
    assert cusum_tabular([4.0], target=0.0, k=1.0, h=3.0).first_alarm_index is None
    assert cusum_tabular([4.5], target=0.0, k=1.0, h=3.0).first_alarm_index == 0


@given(x=VALUES, k=st.integers(0, 5))
def test_cusum_is_the_worst_sum_over_all_starts(x, k):
    """The recursion equals the maximum over the start of the sum of excesses."""
    chart = cusum_tabular(x, target=1.0, k=k, h=10.0)
    for i in range(len(x)):
        sums = [sum(v - (1.0 + k) for v in x[start : i + 1]) for start in range(i + 1)]
        assert chart.upper[i] == pytest.approx(max(0.0, *sums))


@given(x=VALUES)
def test_the_lower_sum_is_the_upper_sum_of_the_mirror(x):
    mirrored = cusum_tabular([-value for value in x], target=0.0, k=1.0, h=5.0)
    assert mirrored.upper == cusum_tabular(x, target=0.0, k=1.0, h=5.0).lower


@pytest.mark.parametrize(
    ("x", "target", "k", "h"),
    [
        ([], 0, 1, 1),
        ([math.nan], 0, 1, 1),
        ([1.0], math.nan, 1, 1),
        ([1.0], 0, -1, 1),
        ([1.0], 0, 1, -1),
    ],
)
def test_cusum_refuses(x, target, k, h):
    with pytest.raises(StatisticsInputError):
        cusum_tabular(x, target, k, h)


@pytest.mark.parametrize(
    ("settings", "alarms"),
    [
        (PageHinkleySettings(), (418, 820)),
        (PageHinkleySettings(10, 0.01, 15.0, 0.99), (134, 284, 391, 412, 460, 540, 790, 810)),
    ],
)
def test_page_hinkley_raises_the_alarms_of_river(settings, alarms):
    """Computed with river 0.26.1, drift.PageHinkley, on the same stream."""
    assert page_hinkley(two_shifts(), settings).alarms == alarms


def test_a_constant_stream_raises_no_alarm():
    assert page_hinkley([5.0] * 5_000).alarms == ()


@pytest.mark.parametrize("level", [5.0, -5.0])
def test_a_shift_either_way_is_found(level):
    (first, *_) = page_hinkley([0.0] * 100 + [level] * 100).alarms
    assert 100 <= first < 120


def test_no_alarm_before_the_warm_up():
    settings = PageHinkleySettings(min_instances=90, threshold=1.0)
    assert page_hinkley([0.0, 100.0] * 60, settings).alarms == (89,)


@pytest.mark.parametrize(
    "settings",
    [
        PageHinkleySettings(alpha=0.0),
        PageHinkleySettings(alpha=1.5),
        PageHinkleySettings(threshold=0.0),
        PageHinkleySettings(delta=-1.0),
        PageHinkleySettings(min_instances=0.5),
    ],
)
def test_page_hinkley_refuses_settings_out_of_range(settings):
    with pytest.raises(StatisticsInputError):
        page_hinkley([1.0], settings)


@pytest.mark.parametrize("x", [[], [1.0, math.nan], [[1.0]]])
def test_page_hinkley_refuses_a_stream_with_holes(x):
    with pytest.raises(StatisticsInputError):
        page_hinkley(x)
