"""Path statistics against hand calculations and simple independent loops."""

import numpy as np
import pytest

from torghut_assets.domain.drift.conformal import (
    coverage_of,
    misses_of_paths,
    per_exposure,
    split_conformal,
)
from torghut_assets.domain.drift.distributions import psi_from_samples
from torghut_assets.domain.drift.path_statistics import (
    cusum_down,
    deepest_drawdown,
    path_fan,
    ratio_shortfall,
    return_level,
    share_at_least,
)
from torghut_assets.domain.drift.two_sample import ks_two_sample
from torghut_assets.domain.drift.windows import (
    distance_of,
    distances_of_reference_windows,
    stability_of,
    stability_of_reference_windows,
    window_reference,
)
from torghut_assets.domain.errors import StatisticsInputError, TooFewObservationsError

REFERENCE = 0.0005 + 0.01 * np.random.default_rng(3).standard_normal(800)
LEVEL = return_level(REFERENCE)


def test_drawdown_counts_the_start_as_a_peak():
    assert deepest_drawdown([-0.5, 1.0]) == pytest.approx(0.5)
    assert deepest_drawdown([1.0, -0.25, -0.2, 0.1]) == pytest.approx(0.4)
    assert deepest_drawdown([0.1, 0.1]) == 0.0


def test_the_cusum_keeps_its_highest_value():
    live = LEVEL.mean + LEVEL.deviation * np.array([-1.0, -2.0, 5.0])
    assert cusum_down(live, LEVEL, 0.5) == pytest.approx(0.5 + 1.5)


def test_the_shortfall_of_the_reference_itself_is_nothing():
    assert ratio_shortfall(REFERENCE, LEVEL) == pytest.approx(0.0, abs=1e-12)
    worse = ratio_shortfall(REFERENCE - 0.001, LEVEL)
    se = np.sqrt(2.0 * (1.0 + 0.5 * LEVEL.ratio**2) / 800)
    assert worse == pytest.approx(0.001 / LEVEL.deviation / se, rel=0.02)  # nearly normal moments


def test_the_fan_agrees_with_each_path_on_its_own():
    fan = path_fan(REFERENCE, 40, 0.1, (200, 1))
    assert fan.horizon == 40
    assert (np.diff(fan.drawdowns, axis=1) >= 0).all()
    assert (np.diff(fan.cusums, axis=1) >= 0).all()
    again = path_fan(REFERENCE, 40, 0.1, (200, 1))
    assert np.array_equal(fan.drawdowns, again.drawdowns)
    assert not np.array_equal(fan.drawdowns, path_fan(REFERENCE, 40, 0.1, (200, 2)).drawdowns)


def test_the_fan_is_that_of_independent_normal_returns():
    """Reference: 20,000 simulated paths of the same mean and deviation, drawn directly."""
    fan = path_fan(REFERENCE, 60, 0.1, (2_000, 1))
    drawn = np.random.default_rng(9).normal(LEVEL.mean, LEVEL.deviation, (20_000, 60))
    deepest = np.array([deepest_drawdown(path) for path in drawn[:4_000]])
    for q in (0.5, 0.9, 0.99):
        assert np.quantile(fan.drawdowns[:, -1], q) == pytest.approx(
            np.quantile(deepest, q), rel=0.12
        )


def test_a_horizon_beyond_the_reference_is_covered():
    assert path_fan(REFERENCE[:100], 250, 0.1, (200, 1)).horizon == 250


def test_shares_count_the_live_path_as_one():
    paths = np.array([1.0, 2.0, 3.0])
    assert share_at_least(2.0, paths) == pytest.approx(3 / 4)
    assert share_at_least(9.0, paths) == pytest.approx(1 / 4)
    with pytest.raises(StatisticsInputError):
        share_at_least(np.nan, paths)
    with pytest.raises(StatisticsInputError):
        share_at_least(1.0, np.array([]))


def test_windows_agree_with_the_plain_statistics():
    generator = np.random.default_rng(4)
    rows = np.round(generator.standard_t(4, (300, 3)), 1)  # with ties
    window = np.round(generator.normal(0.3, 1.0, (40, 3)), 1)
    reference = window_reference(rows)
    assert stability_of(reference, window) == pytest.approx(
        psi_from_samples(rows.ravel(), window.ravel()).psi, rel=1e-12
    )
    assert distance_of(reference, window) == pytest.approx(
        ks_two_sample(rows.ravel(), window.ravel()).statistic, abs=1e-12
    )
    indexes = stability_of_reference_windows(reference, 40)
    assert indexes.shape == (261,)
    assert indexes[17] == pytest.approx(stability_of(reference, rows[17:57]), rel=1e-12)
    distances = distances_of_reference_windows(reference, 40)
    assert distances[17] == pytest.approx(distance_of(reference, rows[17:57]), abs=1e-12)
    assert distances_of_reference_windows(reference, 40) is distances


@pytest.mark.parametrize("rows", [np.ones((50, 2)), np.ones(50), np.ones((3, 2)), np.ones((50, 0))])
def test_a_reference_that_says_nothing_is_refused(rows):
    with pytest.raises(StatisticsInputError):
        window_reference(rows)


def test_windows_longer_than_half_the_reference_are_refused():
    reference = window_reference(np.random.default_rng(1).normal(size=(50, 1)))
    for statistic in (stability_of_reference_windows, distances_of_reference_windows):
        with pytest.raises(TooFewObservationsError):
            statistic(reference, 26)


def test_the_conformal_quantile_is_the_ceiling_of_n_plus_one():
    """n = 9, target 0.9: the 9th smallest of the distances to the median 0."""
    interval = split_conformal([-4, -3, -2, -1, 0, 1, 2, 3, 40], 0.9)
    assert (interval.middle, interval.half_width) == (0.0, 40.0)
    assert split_conformal([-4, -3, -2, -1, 0, 1, 2, 3, 40], 0.8).half_width == 4.0
    with pytest.raises(TooFewObservationsError):
        split_conformal([1.0, 2.0], 0.9)


def test_exchangeable_outcomes_are_covered_as_promised():
    """Marginal coverage over calibration sets lies in [target, target + 1 / (n + 1)]."""
    generator = np.random.default_rng(8)
    hits = [
        coverage_of(split_conformal(sample[:-1], 0.9), sample[-1:]).covered
        for sample in generator.standard_t(3, (4_000, 100))
    ]
    assert 0.9 - 0.01 <= np.mean(hits) <= 0.91 + 0.01


def test_abstentions_are_counted_apart():
    assert per_exposure([0.01, 0.02, 0.0], [0.5, 0.0, 1.0]).tolist() == [0.02, 0.0]


def test_missed_outcomes_of_paths_follow_the_promise():
    outcomes = np.random.default_rng(2).standard_normal(1_000)
    interval = split_conformal(outcomes, 0.9)
    misses = misses_of_paths(interval, outcomes, 50, (1_000, 1))
    assert misses.shape == (1_000, 50)
    assert misses[:, -1].mean() / 50 == pytest.approx(0.1, abs=0.01)
    assert coverage_of(interval, outcomes).missed == 1_000 - interval.covers(outcomes)
