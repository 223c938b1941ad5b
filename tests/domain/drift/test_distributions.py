import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.drift.distributions import (
    jensen_shannon_distance,
    psi_from_samples,
    psi_from_shares,
    psi_from_shares_floored,
    psi_level,
    wasserstein_1d,
)
from torghut_assets.domain.errors import StatisticsInputError, TooFewObservationsError
from torghut_assets.domain.tca.errors import OutOfRangeError, ShapeMismatchError

SHARES = st.lists(st.integers(1, 50), min_size=4, max_size=4).map(
    lambda counts: [count / sum(counts) for count in counts]
)
SAMPLE = st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=30)


@given(shares=SHARES)
def test_equal_shares_are_stable(shares):
    assert psi_from_shares(shares, shares).psi == 0.0
    assert psi_from_shares(shares, shares).level == "stable"


@given(one=SHARES, other=SHARES)
def test_the_index_is_symmetric_and_not_negative(one, other):
    there, back = psi_from_shares(one, other).psi, psi_from_shares(other, one).psi
    assert there == pytest.approx(back)
    assert there >= 0.0


def test_two_bins_by_hand():
    """(0.75 - 0.5) ln 1.5 + (0.25 - 0.5) ln 0.5 = 0.25 ln 3."""
    index = psi_from_shares([0.5, 0.5], [0.75, 0.25])
    assert index.psi == pytest.approx(0.25 * math.log(3.0))
    assert index.level == "major"


@pytest.mark.parametrize(
    ("psi", "level"),
    [
        (0.0, "stable"),
        (0.0999, "stable"),
        (0.10, "moderate"),
        (0.25, "moderate"),
        (0.2501, "major"),
    ],
)
def test_the_limits_belong_to_the_middle(psi, level):
    assert psi_level(psi) == level


def test_an_empty_bin_has_an_infinite_index_which_is_refused():
    with pytest.raises(OutOfRangeError, match=r"actual\[1\].*floored"):
        psi_from_shares([0.5, 0.5], [1.0, 0.0])


def test_the_floor_is_what_an_empty_bin_counts():
    floored = psi_from_shares_floored([0.5, 0.5], [1.0, 0.0], eps=0.01)
    assert floored == pytest.approx(0.5 * math.log(2.0) + 0.49 * math.log(50.0))


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ([50.0, 50.0], [0.5, 0.5]),
        ([0.5, 0.5], [0.5, 0.4]),
        ([0.5, 0.5], [0.5, 0.25, 0.25]),
        ([1.5, -0.5], [0.5, 0.5]),
        ([1.0], [1.0]),
        ([math.nan, 1.0], [0.5, 0.5]),
    ],
)
def test_what_are_no_shares_is_refused(expected, actual):
    with pytest.raises(StatisticsInputError):
        psi_from_shares_floored(expected, actual)


def test_samples_are_binned_by_quantiles_of_the_reference():
    """Quartiles of 0..8 are 2, 4, 6; an edge belongs to the bin above it."""
    found = psi_from_samples(range(9), [2, 2, 3, 6, 6.5, 100, -100, 5], n_bins=4)
    assert found.inner_edges == (2.0, 4.0, 6.0)
    assert found.expected == pytest.approx((2 / 9, 2 / 9, 2 / 9, 3 / 9))
    assert found.actual == (0.125, 0.375, 0.125, 0.375)
    assert found.psi == pytest.approx(psi_from_shares(found.expected, found.actual).psi)
    assert found.level == "moderate"


def test_the_shares_reported_are_those_that_were_used():
    found = psi_from_samples([1, 2, 3, 4], [10.0], n_bins=2, eps=0.001)
    assert found.actual == (0.001, 1.0)
    assert found.psi == psi_from_shares_floored([0.5, 0.5], [0.0, 1.0], eps=0.001)


@given(sample=st.lists(st.floats(-10, 10), min_size=10, max_size=40, unique=True))
def test_a_sample_is_stable_against_itself(sample):
    assert psi_from_samples(sample, sample, n_bins=5).psi == 0.0


def test_a_reference_of_one_value_is_blind_and_refused():
    with pytest.raises(OutOfRangeError, match="reference"):
        psi_from_samples([3.0] * 20, [100.0] * 20)


@pytest.mark.parametrize(
    ("reference", "current", "n_bins", "eps"),
    [
        ([1.0, 2.0], [], 2, 1e-4),
        ([1.0, 2.0], [1.0], 3, 1e-4),
        ([1.0, 2.0], [1.0], 1, 1e-4),
        ([1.0, 2.0], [1.0], 2, 0.0),
        ([1.0, math.nan], [1.0], 2, 1e-4),
        ([1.0, 2.0], [math.inf], 2, 1e-4),
    ],
)
def test_samples_that_cannot_be_compared_are_refused(reference, current, n_bins, eps):
    with pytest.raises(StatisticsInputError):
        psi_from_samples(reference, current, n_bins, eps)


def test_wasserstein_of_the_scipy_example():
    assert wasserstein_1d([0, 1, 3], [5, 6, 8]) == 5.0
    assert wasserstein_1d([0.0, 1.0], [0.0, 0.0, 1.0, 1.0]) == 0.0


@given(sample=SAMPLE, shift=st.integers(-20, 20))
def test_a_shift_is_as_far_as_it_is_long(sample, shift):
    moved = [value + shift for value in sample]
    assert wasserstein_1d(sample, moved) == pytest.approx(abs(shift))


@given(one=SAMPLE, two=SAMPLE, three=SAMPLE)
def test_wasserstein_is_a_metric(one, two, three):
    assert wasserstein_1d(one, two) == pytest.approx(wasserstein_1d(two, one))
    detour = wasserstein_1d(one, three) + wasserstein_1d(three, two)
    assert wasserstein_1d(one, two) <= detour + 1e-9


def test_wasserstein_of_equal_sizes_is_the_mean_distance_of_the_sorted():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=50), rng.normal(1.0, 2.0, size=50)
    assert wasserstein_1d(x, y) == pytest.approx(np.mean(np.abs(np.sort(x) - np.sort(y))))


@pytest.mark.parametrize(
    ("p", "q", "base", "published"),
    [
        ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], 2.0, 1.0),
        ([1.0, 0.0], [0.5, 0.5], math.e, 0.46450140402245893),
        ([1.0, 0.0], [1.0, 0.0], math.e, 0.0),
    ],
)
def test_jensen_shannon_of_the_scipy_examples(p, q, base, published):
    assert jensen_shannon_distance(p, q, base) == pytest.approx(published, abs=1e-15)


@given(p=SHARES, q=SHARES, scale=st.floats(0.1, 100.0))
def test_jensen_shannon_is_bounded_symmetric_and_blind_to_scale(p, q, scale):
    distance = jensen_shannon_distance(p, q, 2.0)
    assert 0.0 <= distance <= 1.0
    assert distance == pytest.approx(
        jensen_shannon_distance(q, [v * scale for v in p], 2.0), abs=1e-7
    )


@pytest.mark.parametrize(
    ("p", "q", "base", "error"),
    [
        ([0.0, 0.0], [0.5, 0.5], 2.0, OutOfRangeError),
        ([-1.0, 2.0], [0.5, 0.5], 2.0, OutOfRangeError),
        ([1.0], [0.5, 0.5], 2.0, ShapeMismatchError),
        ([1.0], [1.0], 1.0, OutOfRangeError),
        ([], [], 2.0, TooFewObservationsError),
    ],
)
def test_jensen_shannon_refuses(p, q, base, error):
    with pytest.raises(error):
        jensen_shannon_distance(p, q, base)
