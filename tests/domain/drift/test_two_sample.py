import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torghut_assets.domain.drift.two_sample import ks_two_sample, median_bandwidth, mmd2_rbf
from torghut_assets.domain.errors import StatisticsInputError, TooFewObservationsError
from torghut_assets.domain.tca.errors import OutOfRangeError, ShapeMismatchError

SAMPLE = st.lists(st.floats(-5, 5), min_size=1, max_size=12)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 4), (5, 5), (2, 9)])
def test_separated_samples_have_the_probability_of_two_orderings(n, m):
    test = ks_two_sample(range(n), range(100, 100 + m))
    assert test.statistic == 1.0
    assert test.p_value == pytest.approx(min(1.0, 2.0 / math.comb(n + m, n)))


@settings(max_examples=40)
@given(n=st.integers(1, 5), m=st.integers(1, 5), data=st.data())
def test_the_p_value_is_the_share_of_orderings_at_least_as_extreme(n, m, data):
    """Enumerate which ranks the first sample can take, all being equally likely."""

    def statistic(ranks):
        first = [rank in ranks for rank in range(n + m)]
        seen = np.cumsum(first)
        return np.abs(seen / n - (np.arange(1, n + m + 1) - seen) / m).max()

    orderings = list(combinations(range(n + m), n))
    chosen = data.draw(st.sampled_from(orderings))
    others = [rank for rank in range(n + m) if rank not in chosen]
    extreme = [statistic(ranks) >= statistic(chosen) - 1e-12 for ranks in orderings]
    test = ks_two_sample(chosen, others)
    assert test.statistic == pytest.approx(statistic(chosen))
    assert test.p_value == pytest.approx(np.mean(extreme))


def test_the_classical_five_percent_limit():
    """Smirnov's tables: for n = m = 10, D = 7/10 is significant at 5 %, D = 6/10 is not."""
    x = np.arange(10.0)
    assert ks_two_sample(x, x + 6.5).p_value < 0.05
    assert ks_two_sample(x, x + 5.5).p_value > 0.05
    assert ks_two_sample(x, x + 6.5).statistic == pytest.approx(0.7)


def test_identical_samples_do_not_differ():
    test = ks_two_sample([1.0, 2.0, 2.0], [1.0, 2.0, 2.0])
    assert (test.statistic, test.p_value) == (0.0, 1.0)


@given(x=SAMPLE, y=SAMPLE)
def test_the_order_of_the_samples_does_not_matter(x, y):
    there, back = ks_two_sample(x, y), ks_two_sample(y, x)
    assert there.statistic == back.statistic
    assert there.p_value == pytest.approx(back.p_value)
    assert 0.0 < there.p_value <= 1.0


def test_large_samples_continue_the_exact_law():
    """Just below and just above the limit of the exact law, D and p nearly agree."""
    x = np.random.default_rng(11).normal(size=10_001)
    y = np.random.default_rng(12).normal(0.01, 1.0, size=9_000)
    exact, approximate = ks_two_sample(x[:-1], y), ks_two_sample(x, y)
    assert approximate.statistic == pytest.approx(exact.statistic, abs=2e-4)
    assert approximate.p_value == pytest.approx(exact.p_value, rel=0.1)


@pytest.mark.parametrize(("x", "y"), [([], [1.0]), ([1.0], [math.nan]), ([[1.0]], [1.0])])
def test_ks_refuses(x, y):
    with pytest.raises(StatisticsInputError):
        ks_two_sample(x, y)


def test_discrepancy_of_two_points_by_hand():
    """All x equal, all y equal, distance d: 2 - 2 exp(-d²/2), without and with diagonal."""
    found = mmd2_rbf([0.0, 0.0], [1.5, 1.5, 1.5], 1.0)
    expected = 2.0 - 2.0 * math.exp(-1.125)
    assert found.unbiased == pytest.approx(expected)
    assert found.biased == pytest.approx(expected)


def test_the_diagonal_is_what_separates_the_two_statistics():
    x, y = [0.0, 1.0], [0.0, 1.0]
    near = math.exp(-0.5)
    found = mmd2_rbf(x, y, 1.0)
    assert found.biased == pytest.approx(0.0, abs=1e-15)
    assert found.unbiased == pytest.approx(2 * near - (1.0 + near))


def test_several_features_are_compared_together():
    found = mmd2_rbf([[0.0, 0.0]] * 2, [[3.0, 4.0]] * 2, 5.0)
    assert found.biased == pytest.approx(2.0 - 2.0 * math.exp(-0.5))


@given(x=SAMPLE, y=SAMPLE, sigma=st.floats(0.2, 5.0))
def test_the_biased_statistic_is_a_squared_distance(x, y, sigma):
    assert mmd2_rbf(x, y, sigma).biased >= -1e-12
    assert mmd2_rbf(x, x, sigma).biased == pytest.approx(0.0, abs=1e-12)


def test_one_observation_has_no_unbiased_statistic():
    assert math.isnan(mmd2_rbf([1.0], [1.0, 2.0], 1.0).unbiased)


def test_blocks_do_not_change_the_sum():
    x = np.random.default_rng(5).normal(size=2_500)
    y = x[:50]
    direct = np.exp(-((x[:, None] - y[None, :]) ** 2) / 2.0).mean()
    direct_x = np.exp(-((x[:, None] - x[None, :]) ** 2) / 2.0).mean()
    direct_y = np.exp(-((y[:, None] - y[None, :]) ** 2) / 2.0).mean()
    assert mmd2_rbf(x, y, 1.0).biased == pytest.approx(direct_x + direct_y - 2 * direct)


def test_the_median_heuristic():
    assert median_bandwidth([0.0, 1.0, 3.0]) == 2.0
    assert median_bandwidth([[0.0, 0.0], [3.0, 4.0]]) == 5.0
    with pytest.raises(TooFewObservationsError):
        median_bandwidth([1.0])
    with pytest.raises(OutOfRangeError):
        median_bandwidth([1.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("x", "y", "sigma", "error"),
    [
        ([1.0], [1.0], 0.0, OutOfRangeError),
        ([], [1.0], 1.0, TooFewObservationsError),
        (np.empty((0, 2)), [[1.0, 2.0]], 1.0, TooFewObservationsError),
        ([[1.0, 2.0]], [[1.0]], 1.0, ShapeMismatchError),
        ([[[1.0]]], [1.0], 1.0, ShapeMismatchError),
        ([[math.nan, 1.0]], [[1.0, 1.0]], 1.0, StatisticsInputError),
    ],
)
def test_mmd_refuses(x, y, sigma, error):
    with pytest.raises(error):
        mmd2_rbf(x, y, sigma)
