"""Walk-forward windows never leak, whatever their lengths."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from simulated_markets import INPUTS, settings, walk_forward

from torghut_assets.domain.backtest.errors import (
    EmbargoLeavesNoTrainError,
    FoldPlanError,
    FoldsLongerThanDataError,
    PurgeLongerThanTrainError,
    PurgeShorterThanHorizonError,
)
from torghut_assets.domain.backtest.evaluate import StoredFrames, backtest_metrics
from torghut_assets.domain.backtest.folds import incomplete_folds, walk_forward_folds


@st.composite
def plans(draw):
    train = draw(st.integers(20, 120))
    horizon = draw(st.integers(1, 5))
    the_settings = settings(
        train_bars=train,
        test_bars=draw(st.integers(5, 60)),
        label_horizon_bars=horizon,
        purge_bars=draw(st.integers(horizon, 15)),
        embargo_bars=draw(st.integers(0, 8)),
        expanding_train=draw(st.booleans()),
    )
    return draw(st.integers(30, 600)), draw(st.integers(0, 60)), the_settings


def laid_out(plan):
    try:
        return walk_forward_folds(*plan)
    except FoldPlanError:
        assume(False)


@given(plans())
@examples(max_examples=200, deadline=None)
def test_no_train_bar_lies_in_its_purge_or_test_window(plan):
    purge = plan[2].purge_bars
    for fold in laid_out(plan):
        forbidden = set(range(fold.test_start - purge, fold.test_end))
        assert not forbidden & set(fold.train_bars.tolist())
        assert fold.train_bars.max() < fold.test_start - purge


@given(plans())
@examples(max_examples=200, deadline=None)
def test_no_train_bar_lies_in_an_earlier_embargo(plan):
    folds = laid_out(plan)
    for fold in folds:
        train = set(fold.train_bars.tolist())
        for earlier in folds[: fold.number - 1]:
            assert not train & set(range(earlier.test_end, earlier.test_end + plan[2].embargo_bars))


@given(plans())
@examples(max_examples=200, deadline=None)
def test_every_other_bar_of_the_train_window_is_used(plan):
    n_bars, warm_up, the_settings = plan
    folds = laid_out(plan)
    for fold in folds:
        embargoed = {
            bar
            for earlier in folds[: fold.number - 1]
            for bar in range(earlier.test_end, earlier.test_end + the_settings.embargo_bars)
        }
        window = set(range(fold.train_start, fold.train_end))
        assert set(fold.train_bars.tolist()) == window - embargoed
        length = fold.train_end - fold.train_start
        if the_settings.expanding_train:
            assert fold.train_start == warm_up
        else:
            assert length == the_settings.train_bars
        assert length >= the_settings.train_bars
        assert fold.train_start >= warm_up
        assert fold.test_end <= n_bars


@given(plans(), st.integers(1, 200))
@examples(max_examples=100, deadline=None)
def test_a_longer_snapshot_adds_folds_and_changes_none(plan, more):
    n_bars, warm_up, the_settings = plan
    folds = laid_out(plan)
    longer = laid_out((n_bars + more, warm_up, the_settings))
    assert longer[: len(folds)] == folds
    assert folds[-1].test_end + the_settings.test_bars > n_bars


@given(plans())
@examples(max_examples=100, deadline=None)
def test_test_windows_lie_end_to_end(plan):
    folds = laid_out(plan)
    for before, after in pairwise(folds):
        assert before.test_end == after.test_start
        assert after.number == before.number + 1


def test_windows_by_hand():
    one, two = walk_forward_folds(
        130, 10, settings(train_bars=50, test_bars=20, purge_bars=5, embargo_bars=3)
    )[:2]
    assert (one.train_start, one.train_end, one.test_start, one.test_end) == (10, 60, 65, 85)
    assert (two.train_start, two.train_end, two.test_start, two.test_end) == (30, 80, 85, 105)
    assert two.embargoes == ()  # the first test window ends at 85, after this train window
    three = walk_forward_folds(
        130, 10, settings(train_bars=50, test_bars=20, purge_bars=5, embargo_bars=3)
    )[2]
    assert three.embargoes == ((85, 88),)
    assert 84 in three.train_bars
    assert not np.isin([85, 86, 87], three.train_bars).any()


def test_data_shorter_than_one_fold_is_refused():
    with pytest.raises(FoldsLongerThanDataError) as caught:
        walk_forward_folds(122, 40, settings())
    assert caught.value.needed == 123
    assert len(walk_forward_folds(123, 40, settings())) == 1


@pytest.mark.parametrize("purge", [20, 30])
def test_a_purge_as_long_as_the_train_window_is_refused(purge):
    with pytest.raises(PurgeLongerThanTrainError, match="fewer bars than train_bars, 20"):
        walk_forward_folds(500, 0, settings(train_bars=20, purge_bars=purge))


def test_a_purge_below_the_label_horizon_is_refused():
    with pytest.raises(PurgeShorterThanHorizonError, match="at least label_horizon_bars, 4"):
        walk_forward_folds(500, 0, settings(label_horizon_bars=4, purge_bars=3))


def test_an_embargo_that_swallows_the_train_window_is_refused():
    with pytest.raises(EmbargoLeavesNoTrainError, match="embargo_bars, fold"):
        walk_forward_folds(500, 0, settings(train_bars=60, test_bars=10, embargo_bars=9))


@pytest.fixture(scope="module")
def recorded():
    run = walk_forward()
    return backtest_metrics(run, INPUTS, StoredFrames("1" * 64, "2" * 64, "3" * 64))


def test_recorded_folds_of_a_run_are_complete(recorded):
    assert incomplete_folds(recorded.folds, recorded.settings) == ()


def test_no_fold_is_not_complete(recorded):
    assert incomplete_folds((), recorded.settings) == ("there is no fold",)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fold": 9}, "stands at place 2"),
        ({"test_end_bar": 140}, "test window is not 20"),
        ({"test_start_bar": 124}, "does not follow"),
        ({"train_end_bar": 122}, "purge is not 3"),
        ({"train_start_bar": 70}, "train window is"),
        ({"train_start_bar": 0}, "train window is"),
        ({"train_bars": 400}, "more bars than"),
    ],
)
def test_each_fault_of_a_recorded_fold_is_named(recorded, changes, said):
    spoiled = list(recorded.folds)
    spoiled[1] = spoiled[1].model_copy(update=changes)
    faults = incomplete_folds(spoiled, recorded.settings)
    assert any(said in fault for fault in faults), faults


def test_a_fold_measured_on_fewer_bars_is_named(recorded):
    spoiled = list(recorded.folds)
    short = spoiled[0].test.model_copy(update={"n_bars": 3})
    spoiled[0] = spoiled[0].model_copy(update={"test": short})
    assert incomplete_folds(spoiled, recorded.settings) == ("fold 1: 3 bars were measured",)
