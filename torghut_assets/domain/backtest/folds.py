"""Walk-forward windows: train, purge, test, embargo.

Test windows lie end to end, each `test_bars` long. Before each lies a purge of `purge_bars`, which
nobody trains on because its labels end inside the test window; before that the train window,
of fixed length (rolling) or from the warm-up on (expanding). The `embargo_bars` after the end
of a test window are left out of every later train window: what happened there still echoes the
window that was judged. Folds are laid out from the start of the data and a last, incomplete
test window is left out, so that a longer snapshot adds folds and changes none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.backtest.errors import (
    EmbargoLeavesNoTrainError,
    FoldsLongerThanDataError,
    PurgeLongerThanTrainError,
    PurgeShorterThanHorizonError,
)
from torghut_assets.domain.backtest.records import EvaluationSettings, FoldResult

_MIN_TRAIN_BARS = 10


@dataclass(frozen=True)
class Fold:
    """One fold. Windows are half open, `[start, end)`, in bars.

    Attributes
    ----------
    number : int
        From 1.
    train_start, train_end, test_start, test_end : int
    embargoes : tuple of (int, int)
        Windows inside the train window that are left out.
    """

    number: int
    train_start: int
    train_end: int
    test_start: int
    test_end: int
    embargoes: tuple[tuple[int, int], ...]

    @property
    def train_bars(self) -> npt.NDArray[np.intp]:
        """Indices of the bars to train on, in order."""
        used = np.ones(self.train_end - self.train_start, dtype=np.bool_)
        for start, end in self.embargoes:
            used[max(start - self.train_start, 0) : max(end - self.train_start, 0)] = False
        return self.train_start + np.flatnonzero(used)


def walk_forward_folds(n_bars: int, warm_up: int, settings: EvaluationSettings) -> tuple[Fold, ...]:
    """Lay out the folds of one evaluation.

    Parameters
    ----------
    n_bars : int
        Bars in the data.
    warm_up : int
        Bars before the first that may be trained on.
    settings : EvaluationSettings

    Returns
    -------
    tuple of Fold
        At least one, in time order.

    Raises
    ------
    PurgeShorterThanHorizonError, PurgeLongerThanTrainError
        If the purge does not fit the label horizon or the train window.
    FoldsLongerThanDataError
        If not even one fold fits.
    EmbargoLeavesNoTrainError
        If embargoes leave fewer than 10 bars, or less than half, of a train window.

    References
    ----------
    Lopez de Prado, M. (2018). Advances in Financial Machine Learning. Wiley, sections 7.4
    (purging and embargo) and 12.2 (walk-forward).
    """
    purge, train, test = settings.purge_bars, settings.train_bars, settings.test_bars
    if purge < settings.label_horizon_bars:
        raise PurgeShorterThanHorizonError(
            purge_bars=purge, label_horizon_bars=settings.label_horizon_bars
        )
    if purge >= train:
        raise PurgeLongerThanTrainError(purge_bars=purge, train_bars=train)
    first_test = warm_up + train + purge
    if first_test + test > n_bars:
        raise FoldsLongerThanDataError(needed=first_test + test, found=n_bars)
    folds = []
    for index, test_start in enumerate(range(first_test, n_bars - test + 1, test)):
        train_end = test_start - purge
        train_start = warm_up if settings.expanding_train else train_end - train
        ends = range(first_test + test, test_start + 1, test)
        embargoes = tuple(
            (end, min(end + settings.embargo_bars, train_end))
            for end in ends
            if end + settings.embargo_bars > train_start and end < train_end
        )
        fold = Fold(
            number=index + 1,
            train_start=train_start,
            train_end=train_end,
            test_start=test_start,
            test_end=test_start + test,
            embargoes=embargoes if settings.embargo_bars else (),
        )
        left = len(fold.train_bars)
        needed = max(_MIN_TRAIN_BARS, (train_end - train_start) // 2)
        if left < needed:
            raise EmbargoLeavesNoTrainError(fold=fold.number, left=left, needed=needed)
        folds.append(fold)
    return tuple(folds)


def incomplete_folds(folds: Sequence[FoldResult], settings: EvaluationSettings) -> tuple[str, ...]:
    """Say what is wrong with recorded folds; empty if they are whole, purged and in order.

    Parameters
    ----------
    folds : sequence of FoldResult
        As recorded.
    settings : EvaluationSettings
        The settings that the record names.
    """
    faults = [] if folds else ["there is no fold"]
    previous_end: int | None = None
    for position, fold in enumerate(folds, start=1):
        where = f"fold {fold.fold}"
        if fold.fold != position:
            faults.append(f"{where}: stands at place {position}")
        if fold.test_end_bar - fold.test_start_bar != settings.test_bars:
            faults.append(f"{where}: the test window is not {settings.test_bars} bars long")
        if fold.test.n_bars != fold.test_end_bar - fold.test_start_bar:
            faults.append(f"{where}: {fold.test.n_bars} bars were measured")
        if previous_end is not None and fold.test_start_bar != previous_end:
            faults.append(f"{where}: does not follow the fold before it")
        if fold.test_start_bar - fold.train_end_bar != settings.purge_bars:
            faults.append(f"{where}: the purge is not {settings.purge_bars} bars long")
        length = fold.train_end_bar - fold.train_start_bar
        if length < settings.train_bars or (
            length > settings.train_bars and not settings.expanding_train
        ):
            faults.append(f"{where}: the train window is {length} bars long")
        if fold.train_bars > length:
            faults.append(f"{where}: trained on more bars than the train window has")
        previous_end = fold.test_end_bar
    return tuple(faults)
