import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from register_examples import POLICY, Chain, inputs, policy

from torghut_assets.domain.backtest.holdout import (
    HoldoutSpentError,
    HoldoutTooEarlyError,
    HoldoutWindow,
    earlier_look,
    holdout_window,
    next_look,
)
from torghut_assets.domain.errors import BadInputError


def days(first, last):
    return np.arange(first, np.datetime64(last) + 1, dtype="datetime64[D]").astype("datetime64[us]")


def window(year=2021):
    return HoldoutWindow(
        first_bar=100,
        end_bar=465,
        first_session=dt.date(year, 1, 1),
        last_session=dt.date(year, 12, 31),
    )


@pytest.mark.parametrize(
    ("last", "months", "first_session"),
    [
        ("2021-12-31", 12, dt.date(2021, 1, 1)),
        ("2021-12-15", 1, dt.date(2021, 11, 16)),
        ("2021-03-31", 1, dt.date(2021, 3, 1)),
        ("2024-02-29", 12, dt.date(2023, 3, 1)),
        ("2021-01-10", 2, dt.date(2020, 11, 11)),
    ],
)
def test_the_window_is_the_last_calendar_months(last, months, first_session):
    times = days("2015-01-01", last)
    found = holdout_window(times, months)
    assert found.first_session == first_session
    assert times[found.first_bar].astype("datetime64[D]").item() == first_session
    assert (found.end_bar, str(found.last_session)) == (len(times), last)


def test_weekends_do_not_move_the_window_into_the_past():
    times = days("2020-01-01", "2021-12-31")
    weekdays = times[(times.astype("datetime64[D]").astype(int) + 3) % 7 < 5]
    assert holdout_window(weekdays, 6).first_session == dt.date(2021, 7, 1)
    assert holdout_window(weekdays, 11).first_session == dt.date(2021, 2, 1)


def test_all_minutes_of_a_day_are_on_one_side():
    minutes = np.arange(np.datetime64("2021-01-01T09:30"), np.datetime64("2021-03-01T09:30"))
    found = holdout_window(minutes.astype("datetime64[us]"), 1)
    assert minutes[found.first_bar] == np.datetime64("2021-02-02T00:00")


def test_no_months_hold_nothing_back():
    assert holdout_window(days("2021-01-01", "2021-02-01"), 0) is None


@pytest.mark.parametrize(
    ("times", "months"),
    [
        (days("2021-01-01", "2021-12-31"), 12),
        (days("2021-01-01", "2021-12-31")[:0], 1),
        (days("0001-01-01", "0001-03-01"), 12),
    ],
)
def test_a_snapshot_no_longer_than_the_holdout_is_refused(times, months):
    with pytest.raises(BadInputError, match="holdout_months"):
        holdout_window(times, months)


@settings(max_examples=100, deadline=None)
@given(n=st.integers(400, 3_000), months=st.integers(1, 12), start=st.integers(0, 20_000))
def test_the_window_has_the_stated_length_and_ends_with_the_data(n, months, start):
    times = np.arange(start, start + n).astype("datetime64[D]")
    found = holdout_window(times, months)
    length = found.end_bar - found.first_bar
    assert found.end_bar == n
    assert abs(length - months * 365.25 / 12) <= 3
    assert length == (found.last_session - found.first_session).days + 1


def test_the_first_look_is_allowed_once_the_backtest_is_finished():
    chain = Chain()
    ticket = chain.done("momentum-a")
    assert next_look(chain.entries, ticket.trial, window(), POLICY) == 1


@pytest.mark.parametrize("ending", ["open", "abandoned", "without returns"])
def test_no_look_before_the_returns_are_known(ending):
    chain = Chain()
    ticket = chain.ticket("momentum-a")
    if ending == "abandoned":
        chain.end(ticket, None)
    if ending == "without returns":
        chain.end(ticket, returns=None)
    chain.done("momentum-a", grid=11)
    with pytest.raises(HoldoutTooEarlyError):
        next_look(chain.entries, ticket.trial, window(), POLICY)


def test_the_second_look_is_refused_to_the_whole_family():
    chain = Chain()
    first = chain.done("momentum-a", code="same")
    receipt = chain.look(first, window())
    renamed = chain.done("brand-new-idea", code="same")
    child = chain.done("child", parent="brand-new-idea")
    copy = chain.done("copy-cat", correlated=[(first.sequence, 0.99)])
    for ticket in (renamed, child, copy):
        with pytest.raises(HoldoutSpentError, match=r"looked 1 times") as caught:
            next_look(chain.entries, ticket.trial, window(), POLICY)
        assert caught.value.receipts == (receipt.sequence,)
        assert caught.value.exit_code == 3


def test_another_family_has_its_own_look():
    chain = Chain()
    chain.look(chain.done("momentum-a"), window())
    other = chain.done("reversal-a")
    assert next_look(chain.entries, other.trial, window(), POLICY) == 1


def test_the_policy_can_grant_a_second_look_and_it_is_numbered():
    chain = Chain()
    chain.look(chain.done("momentum-a"), window())
    child = chain.done("momentum-b", parent="momentum-a")
    twice = policy(holdout_looks_per_family=2)
    assert next_look(chain.entries, child.trial, window(), twice) == 2
    chain.look(child, window())
    with pytest.raises(HoldoutSpentError, match="allows 2"):
        next_look(chain.entries, child.trial, window(), twice)


def test_later_data_is_a_fresh_look_only_if_the_policy_says_so():
    chain = Chain()
    chain.look(chain.done("momentum-a"), window(2021))
    again = chain.done("momentum-a", inputs=inputs(manifest_digest="1" * 64))
    with pytest.raises(HoldoutSpentError):
        next_look(chain.entries, again.trial, window(2022), POLICY)
    granting = policy(grant_disjoint_windows=True)
    assert next_look(chain.entries, again.trial, window(2022), granting) == 2
    overlapping = window(2022).model_copy(update={"first_session": dt.date(2021, 12, 31)})
    with pytest.raises(HoldoutSpentError):
        next_look(chain.entries, again.trial, overlapping, granting)


def test_a_policy_of_no_looks_allows_none():
    chain = Chain()
    ticket = chain.done("momentum-a")
    with pytest.raises(HoldoutSpentError):
        next_look(chain.entries, ticket.trial, window(), policy(holdout_looks_per_family=0))


def test_the_identical_look_is_recognised_and_no_other():
    chain = Chain()
    ticket = chain.done("momentum-a")
    receipt = chain.look(ticket, window())
    again = chain.ticket("momentum-a")
    other = chain.ticket("momentum-a", grid=11)
    assert earlier_look(chain.entries, again.trial, window()) == receipt
    assert earlier_look(chain.entries, other.trial, window()) is None
    assert earlier_look(chain.entries, again.trial, window(2022)) is None
