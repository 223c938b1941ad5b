"""Block lengths and stationary-bootstrap indices."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.backtest.resample import (
    optimal_block_length,
    stationary_bootstrap_indices,
)
from torghut_assets.domain.errors import StatisticsInputError


def autoregression(rho, n, seed):
    noise = np.random.default_rng(seed).standard_normal(n)
    for i in range(1, n):
        noise[i] += rho * noise[i - 1]
    return noise


@pytest.mark.parametrize("rho", [-0.6, 0.0, 0.2, 0.7, 0.95])
@pytest.mark.parametrize("n", [40, 200, 1500])
def test_block_lengths_agree_with_arch(rho, n):
    from arch.bootstrap import optimal_block_length as oracle

    for seed in range(4):
        series = autoregression(rho, n, seed)
        expected = oracle(series).iloc[0]
        actual = optimal_block_length(series)
        assert actual.stationary == pytest.approx(expected["stationary"], rel=1e-8)
        assert actual.circular == pytest.approx(expected["circular"], rel=1e-8)


def test_dependence_asks_for_longer_blocks():
    lengths = [optimal_block_length(autoregression(r, 3000, 1)).stationary for r in (0.1, 0.5, 0.9)]
    assert lengths == sorted(lengths)


@pytest.mark.parametrize("n", [9, 10, 12, 16])
def test_short_series_have_a_finite_length_below_the_cap(n):
    found = optimal_block_length(autoregression(0.5, n, 3))
    cap = math.ceil(min(3 * math.sqrt(n), n / 3))
    assert 0 <= found.stationary <= cap
    assert 0 <= found.circular <= cap


@pytest.mark.parametrize(
    "series", [[], [0.1] * 50, list(range(8)), [math.inf] * 20, [math.nan] * 9]
)
def test_series_without_autocorrelations_are_refused(series):
    with pytest.raises(StatisticsInputError):
        optimal_block_length(series)


@given(
    n=st.integers(2, 60),
    block=st.floats(1, 30),
    resamples=st.integers(1, 12),
    seed=st.integers(0, 999),
)
def test_indices_are_blocks_that_wrap_around(n, block, resamples, seed):
    drawn = stationary_bootstrap_indices(n, block, resamples, np.random.default_rng(seed))
    again = stationary_bootstrap_indices(n, block, resamples, np.random.default_rng(seed))
    assert drawn.shape == (resamples, n)
    assert np.array_equal(drawn, again)
    assert drawn.min() >= 0
    assert drawn.max() < n


def readable_indices(n, block, resamples, generator):
    """All draws at once, then each resample row by row."""
    starts = generator.random((resamples, n)) < 1.0 / block
    starts[:, 0] = True
    origins = iter(generator.integers(0, n, starts.sum()).tolist())
    indices = np.empty((resamples, n), dtype=np.int64)
    for resample in range(resamples):
        for t in range(n):
            if starts[resample, t]:
                indices[resample, t] = next(origins)
            else:
                indices[resample, t] = (indices[resample, t - 1] + 1) % n
    return indices


@pytest.mark.parametrize(("n", "block", "resamples"), [(2, 1, 40), (7, 30, 33), (90, 4.5, 16)])
def test_indices_are_those_of_the_readable_drawing(n, block, resamples):
    """A seed means the same resamples in every release: evidence depends on them."""
    drawn = stationary_bootstrap_indices(n, block, resamples, np.random.default_rng(11))
    expected = readable_indices(n, block, resamples, np.random.default_rng(11))
    assert np.array_equal(drawn, expected)


def test_the_mean_block_is_the_one_asked_for():
    drawn = stationary_bootstrap_indices(5000, 8, 40, np.random.default_rng(0))
    breaks = np.mean(np.diff(drawn, axis=1) % 5000 != 1)
    assert 1 / breaks == pytest.approx(8, rel=0.05)


def test_every_row_is_drawn_equally_often():
    drawn = stationary_bootstrap_indices(50, 10, 4000, np.random.default_rng(0))
    assert np.bincount(drawn.ravel()) == pytest.approx(np.full(50, 4000), rel=0.12)


@pytest.mark.parametrize("arguments", [(1, 2, 3), (10, 0.5, 3), (10, 2, 0), (10, math.nan, 2)])
def test_resamples_that_make_no_sense_are_refused(arguments):
    with pytest.raises(StatisticsInputError):
        stationary_bootstrap_indices(*arguments, np.random.default_rng(0))
