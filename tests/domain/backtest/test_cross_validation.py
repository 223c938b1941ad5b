"""Splits: nothing leaks, everything fits or is refused."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.backtest.cross_validation import (
    cpcv_counts,
    cpcv_path_ids,
    cpcv_splits,
    purged_kfold_splits,
)
from torghut_assets.domain.backtest.statistics_errors import FoldsError
from torghut_assets.domain.backtest.walk_forward import time_series_splits, walk_forward_splits
from torghut_assets.domain.errors import StatisticsInputError


@given(
    n=st.integers(10, 120),
    train=st.integers(1, 40),
    test=st.integers(1, 20),
    purge=st.integers(0, 40),
    expand=st.booleans(),
    reduce=st.booleans(),
)
def test_walk_forward_trains_before_it_tests_and_tests_once(n, train, test, purge, expand, reduce):
    if purge > train or train + purge + (1 if reduce else test) > n:
        with pytest.raises(FoldsError):
            walk_forward_splits(n, train, test, purge, expand_train=expand, reduce_test=reduce)
        return
    splits = walk_forward_splits(n, train, test, purge, expand_train=expand, reduce_test=reduce)
    tested = np.concatenate([split.test for split in splits])
    assert tested.tolist() == list(range(train + purge, train + purge + tested.size))
    assert n - tested[-1] - 1 < (1 if reduce else test)
    for split in splits:
        assert split.train[-1] + purge + 1 == split.test[0]
        assert split.train.size == train or (expand and split.train[0] == 0)
        assert split.test.size == test or (reduce and split is splits[-1])


def test_an_incomplete_last_window_is_kept_on_request():
    kept = walk_forward_splits(11, 4, 3, reduce_test=True)
    assert [s.test.tolist() for s in kept] == [[4, 5, 6], [7, 8, 9], [10]]
    assert len(walk_forward_splits(11, 4, 3)) == 2


def test_time_series_windows_follow_the_documented_defaults():
    splits = time_series_splits(6, n_splits=5)
    assert [s.train.tolist() for s in splits] == [list(range(i)) for i in range(1, 6)]
    assert [s.test.tolist() for s in splits] == [[i] for i in range(1, 6)]
    limited = time_series_splits(12, 3, 2, 1, 3)
    assert [s.train.tolist() for s in limited] == [[2, 3, 4], [4, 5, 6], [6, 7, 8]]


@pytest.mark.parametrize(
    "arguments", [(3, 3), (12, 1), (12, 3, 4), (12, 3, 3, 3), (12, 3, 0), (12, 3, 2, -1), (0, 2)]
)
def test_time_series_windows_that_do_not_fit_are_refused(arguments):
    with pytest.raises(StatisticsInputError):
        time_series_splits(*arguments)


@given(
    n=st.integers(6, 60),
    horizon=st.integers(0, 6),
    folds=st.integers(2, 6),
    embargo=st.integers(0, 4),
)
def test_no_label_of_a_train_observation_reaches_into_the_test_fold(n, horizon, folds, embargo):
    t0 = np.arange(n)
    t1 = t0 + horizon
    try:
        loose = purged_kfold_splits(t0, t1, folds, embargo)
        strict = purged_kfold_splits(t0, t1, folds, rule="closed_7_1")
    except FoldsError:
        return
    for split, closed in zip(loose, strict, strict=True):
        start, end = t0[split.test[0]], t1[split.test].max()
        assert not set(split.train) & set(split.test)
        for i in split.train:
            assert t1[i] <= start or t0[i] >= end
        for i in closed.train:
            assert t1[i] < start or t0[i] > end
        right = split.train[split.train > split.test[-1]]
        if embargo and right.size:
            assert right[0] >= end + embargo
    assert np.concatenate([s.test for s in loose]).tolist() == list(range(n))


def test_dates_work_as_times():
    days = np.arange("2024-01-01", "2024-01-21", dtype="datetime64[D]")
    ends = days + 3
    by_date = purged_kfold_splits(days.astype(str).tolist(), ends.astype(str).tolist(), 5)
    by_number = purged_kfold_splits(np.arange(20), np.arange(20) + 3, 5)
    assert [s.train.tolist() for s in by_date] == [s.train.tolist() for s in by_number]


@pytest.mark.parametrize(
    ("t0", "t1", "folds", "rule"),
    [
        ([0, 1, 2], [1, 2], 2, "afml_7_3"),
        ([2, 1, 0], [3, 3, 3], 2, "afml_7_3"),
        ([0, 1, 2], [1, 0, 3], 2, "afml_7_3"),
        ([0, 1, 2], [1, 2, 3], 4, "afml_7_3"),
        ([0, 1, 2], [1, 2, 3], 1, "afml_7_3"),
        ([0, 1, 2], [9, 9, 9], 2, "afml_7_3"),
        ([0, 1, 2], [1, 2, 3], 2, "other"),
        (["x", "y"], [1, 2], 2, "afml_7_3"),
        ([0, float("nan")], [1, 2], 2, "afml_7_3"),
    ],
)
def test_folds_that_leave_nothing_or_times_that_do_not_fit_are_refused(t0, t1, folds, rule):
    with pytest.raises(StatisticsInputError):
        purged_kfold_splits(t0, t1, folds, rule=rule)


@given(folds=st.integers(2, 8), tests=st.integers(1, 7))
def test_every_path_covers_every_fold_exactly_once(folds, tests):
    if tests >= folds:
        with pytest.raises(FoldsError):
            cpcv_path_ids(folds, tests)
        return
    ids = cpcv_path_ids(folds, tests)
    counts = cpcv_counts(folds, tests)
    assert ids.shape == (counts.n_splits, tests)
    seen = sorted(
        (path, fold)
        for row, tested in zip(ids.tolist(), combinations(range(folds), tests), strict=True)
        for path, fold in zip(row, tested, strict=True)
    )
    assert seen == [(p, f) for p in range(counts.n_paths) for f in range(folds)]


@given(
    n=st.integers(30, 90),
    folds=st.integers(3, 6),
    tests=st.integers(1, 5),
    purge=st.integers(0, 2),
    embargo=st.integers(0, 2),
)
def test_combinatorial_train_sets_keep_their_distance(n, folds, tests, purge, embargo):
    if tests >= folds or (purge + embargo and purge + embargo >= n // folds - 1):
        with pytest.raises(FoldsError):
            cpcv_splits(n, folds, tests, purge, embargo)
        return
    for split in cpcv_splits(n, folds, tests, purge, embargo):
        tested = np.concatenate(split.test)
        forbidden = {i + d for i in tested for d in range(-purge, purge + embargo + 1)}
        assert set(split.train) == set(range(n)) - forbidden


def test_embargo_follows_a_test_block_only():
    first = cpcv_splits(12, 3, 2, embargo_size=1)
    assert [s.train.tolist() for s in first] == [[9, 10, 11], [5, 6, 7], [0, 1, 2, 3]]


@pytest.mark.parametrize(
    ("n", "folds", "tests"), [(5, 6, 2), (100, 30, 15), (12, 3, 0), (12, 1, 1), (0, 3, 2)]
)
def test_combinations_that_make_no_sense_are_refused(n, folds, tests):
    with pytest.raises(StatisticsInputError):
        cpcv_splits(n, folds, tests)
