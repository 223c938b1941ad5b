"""Exchange sessions as plain arrays, and the gaps of a date series against them."""

import datetime as dt
import functools
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.errors import BadInputError

Dates = npt.NDArray[np.datetime64]
_FIRST_DATE: Final = dt.date(1970, 1, 1)
_LAST_DATE: Final = dt.date(2100, 12, 31)


@dataclass(frozen=True)
class ExchangeSessions:
    """Trading days of one exchange within a window.

    Attributes
    ----------
    calendar : str
        Its code, e.g. `XNYS`.
    dates : ndarray of datetime64[D], shape (n,)
        Session dates, strictly increasing.
    opens, closes : ndarray of datetime64[us], shape (n,)
        Regular trading hours in UTC, `[open, close)`.
    midnights, next_midnights : ndarray of datetime64[us], shape (n,)
        Start and end of each session date in the exchange's own time zone, as UTC.
    zone : str
        That time zone, e.g. `America/New_York`.
    """

    calendar: str
    zone: str
    dates: Dates
    opens: Dates
    closes: Dates
    midnights: Dates
    next_midnights: Dates

    def between(self, first: dt.date, last: dt.date) -> int:
        """Count the sessions after `first` up to and including `last`."""
        low, high = np.searchsorted(
            self.dates, np.array([first, last], dtype="datetime64[D]"), side="right"
        )
        return int(high - low)


@functools.lru_cache(maxsize=16)
def load_sessions(calendar: str, first: dt.date, last: dt.date) -> ExchangeSessions:
    """Sessions of an exchange from `first` to `last`, both included.

    Raises
    ------
    BadInputError
        If the calendar is unknown, or the dates are outside what it covers.
    """
    import exchange_calendars
    from exchange_calendars import errors

    if last > _LAST_DATE or last < first:
        raise BadInputError(
            location=f"window of calendar {ascii(calendar)[:20]}",
            found=f"{first} to {last}",
            expected=f"a first date before a last date up to {_LAST_DATE}",
        )
    start = max(first, _FIRST_DATE)
    try:
        # a fortnight more on either side: the library refuses windows without a session
        schedule: Any = exchange_calendars.get_calendar(
            calendar,
            start=(start - dt.timedelta(days=14)).isoformat(),
            end=(last + dt.timedelta(days=14)).isoformat(),
        )
    except (errors.InvalidCalendarName, errors.CalendarError, ValueError) as error:
        raise BadInputError(
            location=f"calendar {ascii(calendar)[:20]}",
            found=" ".join(str(error).split())[:160],
            expected="a code that exchange_calendars knows, within the years it covers",
        ) from error
    dates = schedule.sessions.values.astype("datetime64[D]")
    inside = (dates >= np.datetime64(start)) & (dates <= np.datetime64(last))
    zone = ZoneInfo(str(schedule.tz))
    kept = dates[inside]
    return ExchangeSessions(
        calendar=calendar,
        zone=zone.key,
        dates=kept,
        opens=schedule.opens.values.astype("datetime64[us]")[inside],
        closes=schedule.closes.values.astype("datetime64[us]")[inside],
        midnights=midnights_utc(kept, zone),
        next_midnights=midnights_utc(kept + np.timedelta64(1, "D"), zone),
    )


def midnights_utc(dates: Dates, zone: ZoneInfo) -> Dates:
    """UTC instant at which each date begins in `zone`; datetime64[us], shape (n,)."""
    return np.array(
        [
            dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC).replace(tzinfo=None)
            for day in dates.astype("datetime64[D]").tolist()
        ],
        dtype="datetime64[us]",
    )


@dataclass(frozen=True)
class CalendarGaps:
    """How a series of dates differs from an exchange's sessions.

    Attributes
    ----------
    missing : ndarray of datetime64[D]
        Sessions between the first and the last date that the series lacks.
    unexpected : ndarray of datetime64[D]
        Dates of the series on which the exchange was closed.
    """

    missing: Dates
    unexpected: Dates


def calendar_gaps(observed: Dates, sessions: Dates) -> CalendarGaps:
    """Compare observed dates with sessions, inside the span that was observed.

    Parameters
    ----------
    observed, sessions : ndarray of datetime64[D]
        In any order; repeats count once. Before the first and after the last observed
        date nothing counts as missing: that is coverage, not a gap.
    """
    have = np.unique(observed.astype("datetime64[D]"))
    want = np.unique(sessions.astype("datetime64[D]"))
    if have.size == 0:
        return CalendarGaps(missing=have, unexpected=have)
    span = want[(want >= have[0]) & (want <= have[-1])]
    return CalendarGaps(
        missing=np.setdiff1d(span, have, assume_unique=True),
        unexpected=np.setdiff1d(have, want, assume_unique=True),
    )
