import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torghut_assets.domain.drift.adwin import AdwinSettings, adwin
from torghut_assets.domain.errors import StatisticsInputError


def two_shifts():
    """400 values each of N(0, 1), N(1.5, 1) and N(-1, 0.5)."""
    rng = random.Random(7)
    levels = [(0.0, 1.0), (1.5, 1.0), (-1.0, 0.5)]
    return [rng.gauss(mean, sd) for mean, sd in levels for _ in range(400)]


@pytest.mark.parametrize(
    ("config", "alarms"),
    [(AdwinSettings(), (415, 831)), (AdwinSettings(0.05, 7, 3, 8, 40), (412, 811))],
)
def test_raises_the_alarms_of_river(config, alarms):
    """Computed with river 0.26.1, drift.ADWIN, on the same stream."""
    assert adwin(two_shifts(), config).alarms == alarms


def test_the_published_example_of_river():
    rng = random.Random(12345)
    stream = rng.choices([0, 1], k=1000) + rng.choices([4, 5, 6, 7], k=1000)
    assert adwin(stream).alarms == (1023,)


@pytest.mark.parametrize(("step", "alarm"), [(0.1, 420), (0.2, 351), (0.3, 334), (0.4, 325)])
def test_in_a_quiet_stream_the_second_term_of_the_bound_decides(step, alarm):
    """Computed with river 0.26.1, drift.ADWIN(clock=1): the variance term is small here."""
    rng = random.Random(5)
    stream = [rng.gauss(level, 0.05) for level in (0.0, step) for _ in range(300)]
    assert adwin(stream, AdwinSettings(clock=1)).alarms == (alarm,)


def test_a_constant_stream_raises_no_alarm():
    assert adwin([3.0] * 3_000).alarms == ()


def test_false_alarms_are_rarer_than_delta_promises():
    """100 streams of 1,000 coin flips are 3,100 checks: at most 0.002 of them may alarm."""
    rng = random.Random(3)
    alarms = sum(
        len(adwin([float(rng.random() < 0.5) for _ in range(1_000)]).alarms) for _ in range(100)
    )
    assert alarms <= 6


@settings(max_examples=25)
@given(shift=st.sampled_from([-3.0, 3.0]), before=st.integers(64, 400), seed=st.integers(0, 99))
def test_a_large_shift_is_found_within_two_checks(shift, before, seed):
    rng = random.Random(seed)
    stream = [rng.random() for _ in range(before)] + [shift + rng.random() for _ in range(96)]
    found = adwin(stream).alarms
    assert found
    assert before <= found[0] < before + 96


@given(clock=st.integers(1, 50))
@settings(max_examples=20)
def test_the_first_alarm_falls_on_a_check(clock):
    found = adwin([0.0] * 100 + [5.0] * 100, AdwinSettings(clock=clock)).alarms
    assert (found[0] + 1) % clock == 0


@pytest.mark.parametrize(
    "config",
    [
        AdwinSettings(delta=0.0),
        AdwinSettings(delta=1.0),
        AdwinSettings(clock=0),
        AdwinSettings(max_buckets=0),
        AdwinSettings(min_window_length=0),
        AdwinSettings(grace_period=-1),
    ],
)
def test_settings_out_of_range_are_refused(config):
    with pytest.raises(StatisticsInputError):
        adwin([1.0], config)


@pytest.mark.parametrize("x", [[], [1.0, math.nan], [[1.0]]])
def test_a_stream_with_holes_is_refused(x):
    with pytest.raises(StatisticsInputError):
        adwin(x)
