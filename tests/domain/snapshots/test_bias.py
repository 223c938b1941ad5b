import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torghut_assets.domain.errors import StatisticsInputError, TooFewObservationsError
from torghut_assets.domain.snapshots.bias import daily_bar_outliers, survivorship_bias


def test_survivors_look_better_than_all_names():
    """Worked by hand: (0.1+0.05-1+0.08-0.4)/5 against (0.1+0.05+0.08)/3."""
    found = survivorship_bias(
        np.array([0.1, 0.05, -1.0, 0.08, -0.4]), np.array([True, True, False, True, False])
    )
    assert found.all == pytest.approx(-0.234, abs=1e-12)
    assert found.survivors == pytest.approx(0.23 / 3, abs=1e-12)
    assert found.bias == pytest.approx(0.31066666666666665, abs=1e-12)


@settings(max_examples=60)
@given(st.lists(st.floats(-1, 3), min_size=1, max_size=20))
def test_there_is_no_bias_if_everything_survived(returns):
    found = survivorship_bias(np.array(returns), np.ones(len(returns), dtype=bool))
    assert found.bias == 0.0


@pytest.mark.parametrize(
    ("returns", "survived"),
    [([], []), ([0.1], [False]), ([0.1, 0.2], [True]), ([np.nan], [True]), ([-1.5], [True])],
)
def test_returns_that_cannot_be_compared_are_refused(returns, survived):
    with pytest.raises(StatisticsInputError):
        survivorship_bias(np.array(returns), np.array(survived, dtype=bool))


def walk(n=200, seed=3):
    return 100.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, n)))


def test_a_bad_print_is_marked_and_only_it():
    close = walk()
    close[77] *= 3.0
    assert np.flatnonzero(daily_bar_outliers(close)).tolist() == [77]


def test_news_that_stays_is_not_an_outlier():
    close = walk()
    close[77:] *= 3.0
    assert not daily_bar_outliers(close).any()


def test_a_price_that_mostly_stands_still_gives_no_scale_and_no_outlier():
    assert not daily_bar_outliers(np.array([5.0, 5.0, 5.0, 9.0, 5.0, 5.0, 5.0])).any()


@settings(max_examples=40)
@given(st.floats(0.01, 1e6), st.integers(0, 50))
def test_outliers_do_not_depend_on_the_currency_unit(scale, seed):
    close = walk(seed=seed)
    close[50] *= 1.5
    assert (daily_bar_outliers(close) == daily_bar_outliers(close * scale)).all()


def test_impossible_closes_are_refused():
    with pytest.raises(TooFewObservationsError):
        daily_bar_outliers(np.ones(4))
    with pytest.raises(StatisticsInputError):
        daily_bar_outliers(np.array([1.0, 2.0, 0.0, 2.0, 1.0]))
    with pytest.raises(StatisticsInputError):
        daily_bar_outliers(walk(), limit=0.0)
