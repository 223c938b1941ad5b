"""Which observations train and which test, without leaking one into the other.

All functions return index sets over observations ``0 .. n-1`` in time order. A split is
refused rather than shortened when purge, embargo or folds do not fit the data.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from torghut_assets.domain.backtest.series import (
    FloatArray,
    IntArray,
    complete_series,
    whole_number,
)
from torghut_assets.domain.backtest.statistics_errors import FoldsError, ShapeMismatchError
from torghut_assets.domain.backtest.walk_forward import Split

PurgeRule = Literal["afml_7_3", "closed_7_1"]

_MAX_SPLITS = 100_000


@dataclass(frozen=True)
class CombinatorialSplit:
    """Indices of one train set and of each of its test folds."""

    train: IntArray
    test: tuple[IntArray, ...]


@dataclass(frozen=True)
class CpcvCounts:
    """Splits and backtest paths of a combinatorial cross-validation."""

    n_splits: int
    n_paths: int


def purged_kfold_splits(
    t0: ArrayLike,
    t1: ArrayLike,
    n_splits: int,
    embargo_observations: int = 0,
    rule: PurgeRule = "afml_7_3",
) -> list[Split]:
    """K contiguous test folds; train observations whose labels overlap a fold are left out.

    Parameters
    ----------
    t0, t1 : array_like of shape (n,)
        Times (numbers, dates or ISO strings) at which an observation is known and its label
        ends; `t0` ascending, ``t1 >= t0``.
    n_splits : int
        Folds, from 2 to n.
    embargo_observations : int
        Observations left out additionally after a fold (rule "afml_7_3" only).
    rule : {"afml_7_3", "closed_7_1"}
        "afml_7_3": train keeps labels that end at or before the fold starts, and what
        starts, after the embargo, at or after its last label ends; end points may touch.
        "closed_7_1": intervals are closed, so touching is overlapping; no embargo.

    Returns
    -------
    list of Split
        A test observation is never in its own train set, whatever its label.

    Raises
    ------
    ShapeMismatchError, FoldsError
        If the times do not line up, or a fold leaves nothing to train on.

    References
    ----------
    Lopez de Prado, M. (2018). Advances in Financial Machine Learning, snippets 7.1, 7.3.
    """
    known = _times(t0, location="t0")
    ends = _times(t1, location="t1")
    if known.shape != ends.shape or (np.diff(known) < 0).any() or (ends < known).any():
        raise ShapeMismatchError(
            location="t0, t1",
            found=f"shapes {known.shape}, {ends.shape}",
            expected="equally many times, t0 ascending and t1 not before t0",
        )
    n = known.size
    folds = whole_number(n_splits, at_least=2, location="n_splits")
    embargo = whole_number(embargo_observations, at_least=0, location="embargo_observations")
    if rule not in ("afml_7_3", "closed_7_1"):
        raise FoldsError(location="rule", found=repr(rule), expected="afml_7_3 or closed_7_1")
    if folds > n:
        raise FoldsError(location="n_splits", found=str(folds), expected=f"at most {n} folds")
    everything = np.arange(n)
    splits = []
    for test in np.array_split(everything, folds):
        start, last = known[test[0]], np.max(ends[test])
        if rule == "afml_7_3":
            keep = ends <= start
            keep |= everything >= int(np.searchsorted(known, last)) + embargo
        else:
            keep = (ends < start) | (known > last)
        keep[test] = False
        if not keep.any():
            raise FoldsError(
                location=f"test fold {test[0]}..{test[-1]}",
                found="no observation left to train on",
                expected="labels and embargo shorter than the data",
            )
        splits.append(Split(train=everything[keep], test=test))
    return splits


def _times(times: ArrayLike, *, location: str) -> FloatArray:
    """Return times as numbers, in their own order; dates and ISO strings become microseconds."""
    array = np.asarray(times)
    if array.dtype.kind in "OUM":
        try:
            moments = array.astype("datetime64[us]")
        except ValueError as error:
            raise ShapeMismatchError(
                location=location, found="values that are no times", expected="numbers or dates"
            ) from error
        array = np.where(np.isnat(moments), np.nan, moments.astype(np.int64))
    return complete_series(array, location=location)


def cpcv_counts(n_folds: int, n_test_folds: int) -> CpcvCounts:
    """Count splits, C(N, k), and backtest paths C(N-1, k-1).

    References
    ----------
    Lopez de Prado (2018), section 12.3.
    """
    folds, tests = _fold_numbers(n_folds, n_test_folds)
    return CpcvCounts(n_splits=math.comb(folds, tests), n_paths=math.comb(folds - 1, tests - 1))


def cpcv_path_ids(n_folds: int, n_test_folds: int) -> IntArray:
    """Backtest path that each test fold of each split belongs to.

    Returns
    -------
    ndarray of shape (n_splits, n_test_folds)
        Splits in lexicographic order of their test folds, folds ascending. Path j takes the
        j-th split in which each fold is tested.
    """
    seen = [0] * whole_number(n_folds, at_least=2, location="n_folds")
    ids = []
    for tested in _test_folds(n_folds, n_test_folds):
        ids.append([seen[fold] for fold in tested])
        for fold in tested:
            seen[fold] += 1
    return np.array(ids, dtype=np.int64)


def cpcv_splits(
    n: int, n_folds: int, n_test_folds: int, purged_size: int = 0, embargo_size: int = 0
) -> list[CombinatorialSplit]:
    """Combinatorial purged cross-validation: every choice of test folds once.

    Parameters
    ----------
    n : int
        Observations. Every fold has ``n // n_folds`` of them, the last takes the rest.
    n_folds, n_test_folds : int
        Folds, and folds tested per split; ``1 <= n_test_folds < n_folds``.
    purged_size : int
        Observations left out of the train set on both sides of every test block.
    embargo_size : int
        Observations left out additionally after every test block.

    Returns
    -------
    list of CombinatorialSplit
        In lexicographic order of the test folds.

    Raises
    ------
    FoldsError
        If a fold would be empty, purge and embargo together reach the size of a fold less
        one, or there would be more than 100,000 splits.

    References
    ----------
    Lopez de Prado (2018), chapter 12; semantics of skfolio's `CombinatorialPurgedCV`.
    """
    total = whole_number(n, at_least=1, location="n")
    folds, _ = _fold_numbers(n_folds, n_test_folds)
    purge = whole_number(purged_size, at_least=0, location="purged_size")
    embargo = whole_number(embargo_size, at_least=0, location="embargo_size")
    size = total // folds
    left_out = purge + embargo
    if size < 1 or (left_out > 0 and left_out >= size - 1):
        raise FoldsError(
            location="n, purged_size + embargo_size",
            found=f"folds of {size} observations, {left_out} left out after each",
            expected="folds longer than what is left out by two or more",
        )
    edges = [fold * size for fold in range(folds)] + [total]
    splits = []
    for tested in _test_folds(n_folds, n_test_folds):
        usable = np.ones(total, dtype=bool)
        for fold in tested:
            usable[max(0, edges[fold] - purge) : edges[fold + 1] + left_out] = False
        splits.append(
            CombinatorialSplit(
                train=np.flatnonzero(usable),
                test=tuple(np.arange(edges[fold], edges[fold + 1]) for fold in tested),
            )
        )
    return splits


def _fold_numbers(n_folds: int, n_test_folds: int) -> tuple[int, int]:
    folds = whole_number(n_folds, at_least=2, location="n_folds")
    tests = whole_number(n_test_folds, at_least=1, location="n_test_folds")
    if tests >= folds:
        raise FoldsError(
            location="n_test_folds", found=str(tests), expected=f"fewer than the {folds} folds"
        )
    return folds, tests


def _test_folds(n_folds: int, n_test_folds: int) -> Iterator[tuple[int, ...]]:
    folds, tests = _fold_numbers(n_folds, n_test_folds)
    if math.comb(folds, tests) > _MAX_SPLITS:
        raise FoldsError(
            location="n_folds, n_test_folds",
            found=f"{math.comb(folds, tests)} splits",
            expected=f"at most {_MAX_SPLITS}",
        )
    return combinations(range(folds), tests)
