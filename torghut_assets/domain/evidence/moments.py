"""Times in signed evidence: UTC, to the second, one way of writing each."""

import datetime as dt
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime


def _to_the_second(value: dt.datetime) -> dt.datetime:
    if value.utcoffset() != dt.timedelta(0) or value.microsecond:
        raise ValueError("not UTC to the second")
    return value


UtcSecond = Annotated[AwareDatetime, AfterValidator(_to_the_second)]
"""Written as `2026-03-02T12:00:00Z`."""


def moment_text(moment: dt.datetime) -> str:
    """Return how a time is written in evidence, e.g. `2026-03-02T12:00:00Z`."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
