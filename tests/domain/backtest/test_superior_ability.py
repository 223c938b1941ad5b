"""Reality Check and studentized SPA against a readable calculation and against arch."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torghut_assets.domain.backtest.resample import stationary_bootstrap_indices
from torghut_assets.domain.backtest.superior_ability import (
    reality_check_spa,
    resample_shifts,
    stationary_variance,
)
from torghut_assets.domain.errors import StatisticsInputError


def readable_variance(d, block):
    """Politis and Romano (1994): autocovariances with their kernel, one by one."""
    n, q = d.size, 1 / block
    total = np.dot(d, d) / n
    for i in range(1, n):
        kernel = (1 - i / n) * (1 - q) ** i + (i / n) * (1 - q) ** (n - i)
        total += 2 * kernel * np.dot(d[i:], d[: n - i]) / n
    return total


def readable_test(diff, indices, block):
    """The four p-values by loops over resamples."""
    n = diff.shape[0]
    mean = diff.mean(axis=0)
    omega = np.sqrt([readable_variance(column - column.mean(), block) for column in diff.T])
    limit = -omega / math.sqrt(n) * math.sqrt(2 * math.log(math.log(n)))
    centres = [np.maximum(mean, 0), np.where(mean >= limit, mean, 0), mean]
    rc, spa = math.sqrt(n) * mean.max(), max(0, (math.sqrt(n) * mean / omega).max())
    tie = 1e-12 * math.sqrt(n) * np.abs(diff).max(axis=0)
    counts = np.zeros(4)
    for rows in indices:
        star = diff[rows].mean(axis=0)
        counts[0] += math.sqrt(n) * (star - mean).max() > rc + tie.max()
        for i, centre in enumerate(centres):
            counts[i + 1] += (
                max(0, (math.sqrt(n) * (star - centre) / omega).max()) > spa + (tie / omega).max()
            )
    return omega, rc, spa, counts / len(indices)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(3, 40),
    models=st.integers(1, 5),
    block=st.floats(1, 12),
    seed=st.integers(0, 10_000),
)
def test_the_fast_test_is_the_readable_one(n, models, block, seed):
    rng = np.random.default_rng(seed)
    diff = rng.normal(rng.normal(0, 0.3, models), rng.uniform(0.2, 3, models), (n, models))
    indices = stationary_bootstrap_indices(n, block, 150, rng)
    omega, rc, spa, p = readable_test(diff, indices, block)
    found = reality_check_spa(diff, indices, block)
    assert found.omega == pytest.approx(omega, rel=1e-9)
    assert (found.rc_statistic, found.spa_statistic) == pytest.approx((rc, spa), rel=1e-9)
    actual = [found.rc_p, found.spa_p.lower, found.spa_p.consistent, found.spa_p.upper]
    assert actual == pytest.approx(p, abs=1e-12)


@pytest.mark.parametrize("n", [7, 8])
def test_the_variance_is_that_of_the_bootstrap_itself(n):
    """Monte Carlo of the stationary bootstrap, not a formula."""
    rng = np.random.default_rng(n)
    d = rng.normal(0, 1, n)
    d -= d.mean()
    drawn = stationary_bootstrap_indices(n, 3, 200_000, rng)
    simulated = np.var(math.sqrt(n) * d[drawn].mean(axis=1))
    assert stationary_variance(d[:, None], np.zeros(1), 3)[0] == pytest.approx(simulated, rel=0.02)


@pytest.mark.parametrize(("n", "block"), [(300, 40), (301, 2), (250, 1), (64, 4000)])
def test_the_variance_is_the_readable_one_for_short_and_long_blocks(n, block):
    rng = np.random.default_rng(n)
    series = np.cumsum(rng.normal(0, 1, (n, 3)), axis=0) * (1, 1e-4, 1e6) + (3, 0, -1e7)
    mean = series.mean(axis=0)
    found = stationary_variance(series, mean, block)
    readable = [readable_variance(column, block) for column in (series - mean).T]
    assert found == pytest.approx(readable, rel=1e-10)


def shifts(values, indices):
    mean = values.mean(axis=0)
    return resample_shifts(values, mean, np.abs(values - mean).max(axis=0), indices)


def index_sets(kind, n, rng):
    """Rows as blocks, one by one, all the same, backwards, and each row in turn."""
    return {
        "blocks": lambda: stationary_bootstrap_indices(n, 10, 9, rng),
        "rows": lambda: rng.integers(0, n, (9, n)),
        "equal": lambda: np.repeat(rng.integers(0, n, 9), n).reshape(9, n),
        "backwards": lambda: np.tile(np.arange(n)[::-1], (2, 1)),
        "identity": lambda: np.arange(n)[np.newaxis],
    }[kind]()


@pytest.mark.parametrize("n", [3, 191, 192, 193, 577])
@pytest.mark.parametrize("kind", ["blocks", "rows", "equal", "backwards", "identity"])
def test_shifts_are_those_of_exact_arithmetic(n, kind):
    """Against fractions, over values of very different size, across all band edges."""
    rng = np.random.default_rng(n)
    values = rng.normal(0, 1, (n, 3)) * (1e-3, 1e9, 1e-250) + (0.1, -1e9, 0)
    indices = index_sets(kind, n, rng)
    found = shifts(values, indices)
    mean = values.mean(axis=0)
    reach = np.abs(values - mean).max(axis=0)
    for resample, rows in enumerate(indices[:3]):
        for model in range(3):
            deviations = [Fraction(v) - Fraction(mean[model]) for v in values[rows, model]]
            error = Fraction(found[resample, model]) - sum(deviations) / n
            assert abs(error) <= (n / 2**60 + 2**-51) * reach[model]


@given(seed=st.integers(0, 10_000), n=st.integers(3, 700), models=st.integers(1, 300))
@settings(max_examples=25, deadline=None)
def test_shifts_have_the_same_bits_in_any_order_and_any_company(seed, n, models):
    """Rows of a resample in any order; resamples and models alone or among others."""
    rng = np.random.default_rng(seed)
    values = rng.standard_t(3, (n, models))
    indices = stationary_bootstrap_indices(n, rng.uniform(1, 30), 12, rng)
    together = shifts(values, indices)
    assert np.array_equal(together, shifts(values, rng.permuted(indices, axis=1)))
    assert np.array_equal(together[5:], shifts(values, indices[5:]))
    model = int(rng.integers(models))
    mean = values.mean(axis=0)
    reach = np.abs(values - mean).max(axis=0)
    alone = np.ascontiguousarray(values[:, [model]])
    one = resample_shifts(alone, mean[[model]], reach[[model]], indices)
    assert np.array_equal(together[:, [model]], one)


def test_the_sample_itself_is_no_better_than_itself():
    """A tie is no excess, whatever the rounding: p is 0 if every resample is the sample."""
    rng = np.random.default_rng(2)
    diff = rng.normal(0.1, 1, (1000, 40)) * 10.0 ** rng.integers(-6, 6, 40)
    found = reality_check_spa(diff, np.tile(rng.permuted(np.arange(1000)), (3, 1)), 4)
    assert (found.rc_p, found.spa_p.upper) == (0.0, 0.0)


def test_reality_check_agrees_with_arch():
    from arch.bootstrap import SPA

    rng = np.random.default_rng(4)
    models = rng.normal(0.02, 1, (250, 6)) * np.array([0.5, 1, 1, 2, 2, 3])
    oracle = SPA(np.zeros(250), -models, block_size=5, reps=2000, studentize=False, seed=1)
    oracle.compute()
    indices = stationary_bootstrap_indices(250, 5, 4000, rng)
    found = reality_check_spa(models, indices, 5)
    assert found.rc_p == pytest.approx(oracle.pvalues["upper"], abs=0.035)


@given(seed=st.integers(0, 500))
@settings(max_examples=20, deadline=None)
def test_the_three_p_values_are_ordered(seed):
    rng = np.random.default_rng(seed)
    diff = rng.normal(0, 1, (60, 8)) * rng.uniform(0.5, 4, 8) + rng.normal(-0.2, 0.4, 8)
    p = reality_check_spa(diff, stationary_bootstrap_indices(60, 4, 200, rng), 4).spa_p
    assert p.lower <= p.consistent <= p.upper


def test_a_noisy_bad_model_does_not_hide_a_good_one():
    """Hansen's example: studentizing and recentring keep the power that White's test loses."""
    rng = np.random.default_rng(9)
    good = rng.normal(0.25, 1, (300, 1))
    bad = rng.normal(-3, 30, (300, 5))
    indices = stationary_bootstrap_indices(300, 2, 1000, rng)
    found = reality_check_spa(np.hstack([good, bad]), indices, 2)
    assert found.spa_p.consistent < 0.01
    assert found.rc_p > 0.5


def test_no_better_model_gives_a_statistic_of_zero():
    rng = np.random.default_rng(3)
    diff = rng.normal(-1, 1, (100, 3))
    found = reality_check_spa(diff, stationary_bootstrap_indices(100, 2, 300, rng), 2)
    assert found.spa_statistic == 0
    assert found.spa_p.upper > 0.5


GOOD = [[0.1, 0.3], [0.2, -0.1], [-0.1, 0.2], [0.05, 0.0]]
ROWS = [[0, 1, 2, 3], [3, 2, 1, 0]]


@pytest.mark.parametrize(
    ("diff", "indices", "block"),
    [
        ([[0.1], [math.nan], [0.2], [0.1]], ROWS, 2),
        ([[0.1, 0.2]] * 4, ROWS, 2),
        (GOOD[:2], [[0, 1]], 2),
        (GOOD, [[0, 1, 2]], 2),
        (GOOD, [[0, 1, 2, 4]], 2),
        (GOOD, [[3, 4, 1, 2]], 2),
        (GOOD, [[2, 1, -2, -1]], 2),
        (GOOD, np.array([[0, 1, 2, 2**63 + 1]], dtype=np.uint64), 2),
        ([[1e308], [-1e308], [1.5e308], [0.0]], ROWS, 2),
        ([[1e200], [-1e200], [1e200], [0.0]], ROWS, 2),
        (GOOD, [[-1, 1, 2, 3]], 2),
        (GOOD, [[0.5, 1, 2, 3]], 2),
        (GOOD, [[0, 1], [0, 1, 2, 3]], 2),
        (GOOD, [], 2),
        (GOOD, ROWS, 0.5),
        (GOOD, ROWS, math.nan),
        (GOOD[0], ROWS, 2),
    ],
)
def test_inputs_that_mean_nothing_are_refused(diff, indices, block):
    with pytest.raises(StatisticsInputError):
        reality_check_spa(diff, indices, block)
