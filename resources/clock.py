"""The only place that asks what time it is. Decisions never do: time is an argument."""

import datetime as dt


def utc_now() -> dt.datetime:
    """Return the current time in UTC, to the second."""
    return dt.datetime.now(tz=dt.UTC).replace(microsecond=0)
