"""Which observations train and which test when time only moves forward.

Index sets over observations ``0 .. n-1`` in time order. A split is refused rather than
shortened when purge or windows do not fit the data.
"""

from dataclasses import dataclass

import numpy as np

from torghut_assets.domain.backtest.series import IntArray, whole_number
from torghut_assets.domain.backtest.statistics_errors import FoldsError


@dataclass(frozen=True)
class Split:
    """Indices of one train set and one test set, ascending."""

    train: IntArray
    test: IntArray


def walk_forward_splits(
    n: int,
    train_size: int,
    test_size: int,
    purged_size: int = 0,
    *,
    expand_train: bool = False,
    reduce_test: bool = False,
) -> list[Split]:
    """Walk-forward: train, purge, test, move on by one test window.

    Parameters
    ----------
    n : int
        Observations.
    train_size, test_size : int
        Observations per window, at least 1.
    purged_size : int
        Observations left out between train and test, at most `train_size`.
    expand_train : bool
        Let the train window grow from 0 instead of rolling.
    reduce_test : bool
        Keep an incomplete last test window instead of dropping it.

    Returns
    -------
    list of Split
        The first test starts at ``train_size + purged_size``; test windows do not overlap.

    Raises
    ------
    FoldsError
        If not one test window fits, or the purge is longer than the train window.
    """
    total = whole_number(n, at_least=1, location="n")
    train = whole_number(train_size, at_least=1, location="train_size")
    test = whole_number(test_size, at_least=1, location="test_size")
    purge = whole_number(purged_size, at_least=0, location="purged_size")
    if purge > train:
        raise FoldsError(
            location="purged_size", found=str(purge), expected=f"at most the train size {train}"
        )
    splits = []
    for start in range(train + purge, total, test):
        end = min(start + test, total)
        if end - start < test and not reduce_test:
            break
        first = 0 if expand_train else start - purge - train
        splits.append(Split(train=np.arange(first, start - purge), test=np.arange(start, end)))
    if not splits:
        raise FoldsError(
            location="train_size + purged_size + test_size",
            found=str(train + purge + test),
            expected=f"at most the {total} observations there are",
        )
    return splits


def time_series_splits(
    n: int,
    n_splits: int = 5,
    test_size: int | None = None,
    gap: int = 0,
    max_train_size: int | None = None,
) -> list[Split]:
    """Successive test windows at the end of the data, each after all of its past.

    Parameters
    ----------
    n : int
        Observations.
    n_splits : int
        Test windows, at least 2.
    test_size : int, optional
        Observations per test window; by default ``n // (n_splits + 1)``.
    gap : int
        Observations left out between train and test.
    max_train_size : int, optional
        Keep only this many of the latest train observations.

    Returns
    -------
    list of Split

    Raises
    ------
    FoldsError
        If the windows, with at least one train observation, do not fit.

    References
    ----------
    Semantics of scikit-learn's `TimeSeriesSplit`.
    """
    total = whole_number(n, at_least=1, location="n")
    folds = whole_number(n_splits, at_least=2, location="n_splits")
    space = whole_number(gap, at_least=0, location="gap")
    size = total // (folds + 1)
    if test_size is not None:
        size = whole_number(test_size, at_least=1, location="test_size")
    first = total - folds * size
    if size < 1 or first - space < 1:
        raise FoldsError(
            location="n_splits, test_size, gap",
            found=f"{folds} folds of {size} after a gap of {space}",
            expected=f"windows that fit {total} observations with one left to train on",
        )
    longest = total
    if max_train_size is not None:
        longest = whole_number(max_train_size, at_least=1, location="max_train_size")
    splits = []
    for start in range(first, total, size):
        end = start - space
        splits.append(
            Split(train=np.arange(max(0, end - longest), end), test=np.arange(start, start + size))
        )
    return splits
