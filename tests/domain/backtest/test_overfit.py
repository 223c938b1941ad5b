"""Probability of backtest overfitting against a readable CSCV."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torghut_assets.domain.backtest.overfit import pbo_cscv, pbo_n_combinations
from torghut_assets.domain.backtest.statistics_errors import ConstantSeriesError, FoldsError
from torghut_assets.domain.errors import StatisticsInputError


def readable_cscv(returns, n_blocks):
    """The algorithm as the paper states it: joined rows, mean over deviation, ranks."""
    returns = returns[len(returns) % n_blocks :]
    blocks = np.split(returns, n_blocks)
    logits, inside, outside = [], [], []
    for chosen in combinations(range(n_blocks), n_blocks // 2):
        train = np.concatenate([blocks[i] for i in chosen])
        test = np.concatenate([blocks[i] for i in range(n_blocks) if i not in chosen])
        in_sample = train.mean(axis=0) / train.std(axis=0, ddof=1)
        out_of_sample = test.mean(axis=0) / test.std(axis=0, ddof=1)
        best = int(np.argmax(in_sample))
        less = np.sum(out_of_sample < out_of_sample[best])
        equal = np.sum(out_of_sample == out_of_sample[best])
        w = (less + (equal + 1) / 2) / (returns.shape[1] + 1)
        logits.append(math.log(w / (1 - w)))
        inside.append(in_sample[best])
        outside.append(out_of_sample[best])
    return np.array(logits), np.array(inside), np.array(outside)


@settings(max_examples=25, deadline=None)
@given(
    n_blocks=st.sampled_from([2, 4, 6, 8]),
    rows=st.integers(2, 9),
    spare=st.integers(0, 5),
    trials=st.integers(2, 12),
    scale=st.sampled_from([1e-8, 0.01, 1.0, 1e8]),
    seed=st.integers(0, 10_000),
)
def test_the_compiled_result_is_the_readable_one(n_blocks, rows, spare, trials, scale, seed):
    rng = np.random.default_rng(seed)
    n_periods = n_blocks * rows + spare % n_blocks
    returns = scale * (rng.normal(0.1, 1, (n_periods, trials)) + rng.normal(0, 0.5, trials))
    logits, inside, outside = readable_cscv(returns, n_blocks)
    found = pbo_cscv(returns, n_blocks)
    assert found.n_combinations == len(logits)
    assert found.logits == pytest.approx(logits, abs=1e-9)
    assert found.chosen_in_sample == pytest.approx(inside, rel=1e-8)
    assert found.chosen_out_of_sample == pytest.approx(outside, rel=1e-7, abs=1e-9)
    assert found.pbo == np.mean(logits <= 1e-12)
    assert found.prob_oos_loss == np.mean(outside < 0)
    if found.n_combinations > 2:
        slope, intercept = np.polyfit(inside, outside, 1)
        assert found.degradation_slope == pytest.approx(slope, rel=1e-5, abs=1e-6)
        assert found.degradation_intercept == pytest.approx(intercept, rel=1e-5, abs=1e-6)


def test_sixteen_blocks_agree_with_the_readable_version():
    returns = np.random.default_rng(1).normal(0, 0.01, (16 * 6 + 5, 7))
    logits, _, _ = readable_cscv(returns, 16)
    assert pbo_cscv(returns).logits == pytest.approx(logits, abs=1e-9)


def test_copies_of_one_trial_tie_and_share_their_rank():
    """Scaled copies have the same ratio: all tie, rank (N + 1) / 2, logit 0."""
    one = np.random.default_rng(2).normal(0.001, 0.01, (48, 1))
    found = pbo_cscv(one * np.array([1.0, 3.0, 0.7, 1e-3]), 4)
    assert found.logits == pytest.approx(np.zeros(6), abs=1e-12)
    assert (found.pbo, found.pbo_strict) == (1.0, 0.0)
    assert (found.chosen == 0).all()


def test_a_dominant_trial_is_not_overfit_and_noise_is_half():
    rng = np.random.default_rng(8)
    noise = rng.normal(0, 0.01, (1600, 60))
    skilled = noise.copy()
    skilled[:, 13] += 0.003
    assert pbo_cscv(skilled).pbo == 0
    shares = [pbo_cscv(rng.normal(0, 0.01, (800, 30)), 8).pbo for _ in range(40)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize(("blocks", "count"), [(2, 2), (4, 6), (10, 252), (16, 12_870)])
def test_the_number_of_splits_is_a_binomial_coefficient(blocks, count):
    assert pbo_n_combinations(blocks) == count


@pytest.mark.parametrize("blocks", [0, 1, 3, 15, -4, 2.5, math.nan])
def test_blocks_are_even_in_number(blocks):
    with pytest.raises(StatisticsInputError):
        pbo_n_combinations(blocks)
    with pytest.raises(StatisticsInputError):
        pbo_cscv(np.random.default_rng(0).normal(size=(60, 3)), blocks)


def test_blocks_without_two_rows_per_half_are_refused():
    returns = np.random.default_rng(0).normal(size=(3, 3))
    with pytest.raises(FoldsError):
        pbo_cscv(returns, 2)
    with pytest.raises(FoldsError):
        pbo_cscv(returns, 4)
    with pytest.raises(StatisticsInputError):
        pbo_cscv(np.random.default_rng(0).normal(size=(600, 3)), 22)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("row", [0, 5, 39])
def test_a_missing_return_is_refused(bad, row):
    returns = np.random.default_rng(0).normal(size=(40, 3))
    returns[row, 1] = bad
    with pytest.raises(StatisticsInputError):
        pbo_cscv(returns, 4)


@pytest.mark.parametrize("level", [0.0, 0.001, -7.0])
def test_a_trial_that_stands_still_over_half_of_the_history_is_refused(level):
    returns = np.random.default_rng(0).normal(size=(40, 3))
    returns[10:30, 2] = level
    with pytest.raises(ConstantSeriesError, match="trial 2"):
        pbo_cscv(returns, 4)


def test_a_trial_that_stands_still_for_one_block_is_fine():
    returns = np.random.default_rng(0).normal(size=(40, 3))
    returns[10:20, 2] = 0.0
    logits, _, _ = readable_cscv(returns, 4)
    assert pbo_cscv(returns, 4).logits == pytest.approx(logits, abs=1e-9)


def test_a_variance_that_rounding_has_eaten_is_refused():
    returns = np.random.default_rng(0).normal(size=(40, 3))
    returns[:10, 1] += 1e6
    with pytest.raises(ConstantSeriesError, match="rounding"):
        pbo_cscv(returns, 4)


@pytest.mark.parametrize("returns", [[[0.1]] * 40, [0.1, 0.2], [[0.1, 0.2], [0.1]]])
def test_one_trial_or_no_matrix_is_refused(returns):
    with pytest.raises(StatisticsInputError):
        pbo_cscv(returns, 2)
