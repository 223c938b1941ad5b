import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.snapshots.calendar import calendar_gaps, load_sessions, midnights_utc


def days(*texts):
    return np.array(texts, dtype="datetime64[D]")


def test_gaps_name_the_missing_sessions_and_the_days_without_a_session():
    sessions = days("2021-01-04", "2021-01-05", "2021-01-06", "2021-01-07", "2021-01-08")
    gaps = calendar_gaps(days("2021-01-04", "2021-01-07", "2021-01-09"), sessions)
    assert gaps.missing.tolist() == days("2021-01-05", "2021-01-06", "2021-01-08").tolist()
    assert gaps.unexpected.tolist() == days("2021-01-09").tolist()


def test_what_lies_outside_the_observed_span_is_coverage_and_not_a_gap():
    sessions = days("2021-01-04", "2021-01-05", "2021-01-06")
    gaps = calendar_gaps(days("2021-01-05"), sessions)
    assert gaps.missing.size == gaps.unexpected.size == 0


def test_an_empty_series_has_no_gaps():
    gaps = calendar_gaps(days(), days("2021-01-04"))
    assert gaps.missing.size == gaps.unexpected.size == 0


@settings(max_examples=60)
@given(observed=st.lists(st.integers(0, 40)), sessions=st.sets(st.integers(0, 40)))
def test_gaps_agree_with_set_arithmetic(observed, sessions):
    epoch = np.datetime64("2021-01-01")
    gaps = calendar_gaps(
        epoch + np.array(observed, dtype=int), epoch + np.array(sorted(sessions), dtype=int)
    )
    seen = set(observed)
    span = {s for s in sessions if seen and min(seen) <= s <= max(seen)}
    assert (gaps.missing - epoch).astype(int).tolist() == sorted(span - seen)
    assert (gaps.unexpected - epoch).astype(int).tolist() == sorted(seen - sessions)


def test_new_york_sessions_know_holidays_and_half_days():
    found = load_sessions("XNYS", dt.date(2021, 11, 22), dt.date(2021, 11, 30))
    assert [str(d) for d in found.dates] == [
        "2021-11-22", "2021-11-23", "2021-11-24", "2021-11-26", "2021-11-29", "2021-11-30",
    ]  # fmt: skip
    friday = found.dates.tolist().index(dt.date(2021, 11, 26))
    assert str(found.opens[friday]) == "2021-11-26T14:30:00.000000"
    assert str(found.closes[friday]) == "2021-11-26T18:00:00.000000"
    assert str(found.midnights[friday]) == "2021-11-26T05:00:00.000000"
    assert str(found.next_midnights[friday]) == "2021-11-27T05:00:00.000000"
    assert found.zone == "America/New_York"


def test_sessions_between_excludes_the_first_day_and_includes_the_last():
    found = load_sessions("XNYS", dt.date(2021, 11, 22), dt.date(2021, 11, 30))
    assert found.between(dt.date(2021, 11, 24), dt.date(2021, 11, 29)) == 2


@pytest.mark.parametrize(
    ("calendar", "first", "last"),
    [
        ("NOPE", dt.date(2021, 1, 1), dt.date(2021, 2, 1)),
        ("XNYS", dt.date(2021, 2, 1), dt.date(2021, 1, 1)),
        ("XNYS", dt.date(2021, 2, 1), dt.date(9999, 12, 31)),
    ],
)
def test_an_unknown_calendar_or_an_impossible_window_is_refused(calendar, first, last):
    with pytest.raises(BadInputError):
        load_sessions(calendar, first, last)


def test_midnight_moves_with_daylight_saving():
    summer, winter = midnights_utc(days("2021-07-01", "2021-12-01"), ZoneInfo("America/New_York"))
    assert str(summer) == "2021-07-01T04:00:00.000000"
    assert str(winter) == "2021-12-01T05:00:00.000000"
