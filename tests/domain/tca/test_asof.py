import math
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.tca.asof import asof_join, latest_known_index, moments
from torghut_assets.domain.tca.errors import NotANumberError, ShapeMismatchError

DAYS = st.integers(0, 60).map(lambda n: np.datetime64("2020-01-01") + n)


def test_nothing_is_known_before_it_was_published():
    found = asof_join(
        ["2020-02-10", "2020-05-10"], [1.0, 2.0], ["2020-02-09", "2020-02-10", "2020-06-01"]
    )
    assert math.isnan(found[0])
    assert found[1:] == (1.0, 2.0)


def test_a_restatement_of_an_older_period_wins_once_it_is_known():
    found = asof_join(
        ["2020-05-01", "2020-08-03", "2020-08-10"],
        [1.0, 1.2, 0.9],
        ["2020-08-09", "2020-08-11"],
        ["2020-03-31", "2020-06-30", "2020-03-31"],
    )
    assert found == (1.2, 0.9)


@pytest.mark.parametrize("flip", [1, -1])
def test_of_records_published_together_the_latest_period_wins(flip):
    found = asof_join(
        ["2020-08-03"] * 2, [1.0, 2.0][::flip], ["2020-09-01"], ["2020-03-31", "2020-06-30"][::flip]
    )
    assert found == (2.0,)


def test_a_missing_value_is_not_replaced_by_an_older_one():
    assert math.isnan(asof_join(["2020-01-01", "2020-02-01"], [1.0, math.nan], ["2020-03-01"])[0])


@given(
    records=st.lists(st.tuples(DAYS, st.integers(-5, 5)), max_size=12),
    query=DAYS,
    later=st.lists(st.tuples(DAYS, st.integers(-5, 5)), max_size=5),
)
def test_what_is_published_later_never_changes_an_answer(records, query, later):
    after = [(max(day, query + 1), value) for day, value in later]

    def answer(rows):
        return asof_join([day for day, _ in rows], [value for _, value in rows], [query])

    assert np.array_equal(answer(records), answer(records + after), equal_nan=True)


def test_times_with_an_offset_are_compared_in_utc():
    found = asof_join(
        ["2020-01-01T10:00:00+02:00"],
        [1.0],
        [datetime(2020, 1, 1, 7, 59, tzinfo=UTC), "2020-01-01T08:00:00Z"],
    )
    assert math.isnan(found[0])
    assert found[1] == 1.0


def test_dates_of_every_kind_are_understood():
    same = ["2020-01-02", date(2020, 1, 2), datetime(2020, 1, 2), np.datetime64("2020-01-02")]  # noqa: DTZ001
    assert len(set(moments(same, "times").tolist())) == 1


@pytest.mark.parametrize("time", [None, "soon", 3, np.datetime64("NaT")])
def test_what_is_not_a_time_is_refused(time):
    with pytest.raises(NotANumberError, match=r"queries\[0\]"):
        asof_join(["2020-01-01"], [1.0], [time])


def test_times_with_and_without_offset_are_not_comparable():
    with pytest.raises(ShapeMismatchError):
        asof_join(["2020-01-01", "2020-01-01T00:00:00Z"], [1.0, 2.0], ["2020-01-01"])


def test_ragged_records_and_infinite_values_are_refused():
    with pytest.raises(ShapeMismatchError):
        asof_join(["2020-01-01"], [1.0, 2.0], ["2020-01-01"])
    with pytest.raises(NotANumberError):
        asof_join(["2020-01-01"], [math.inf], ["2020-01-01"])


def test_the_last_of_equal_times_is_the_one_in_force():
    times = np.array([1, 5, 5, 9])
    assert latest_known_index(times, np.array([0, 1, 5, 8, 100])).tolist() == [-1, 0, 2, 2, 3]
