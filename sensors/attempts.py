"""Should a run be asked for again? How often it was tried, and whether one is on its way."""

import datetime as dt
from collections.abc import Mapping
from typing import Final, NamedTuple

import dagster as dg

MOST_ATTEMPTS: Final = 6
_LOST_AFTER = dt.timedelta(minutes=15)
"""A run that started this long ago and never ended lost its process; a claim keeps two apart."""


class Attempt(NamedTuple):
    """The number of the next attempt, from 0; `is_last` once enough have failed."""

    number: int
    is_last: bool


def next_attempt(
    instance: dg.DagsterInstance, tags: Mapping[str, str], now: dt.datetime
) -> Attempt | None:
    """Return the next attempt of runs with these tags, `None` while one is on its way.

    After `MOST_ATTEMPTS` the number stays, so that its run key was used and no run is launched:
    a person has been told, and must look.
    """
    records = instance.get_run_records(dg.RunsFilter(tags=dict(tags)))
    for record in records:
        young = now - record.create_timestamp.replace(tzinfo=dt.UTC) < _LOST_AFTER
        if young and not record.dagster_run.is_finished:
            return None
    number = min(len(records), MOST_ATTEMPTS - 1)
    return Attempt(number, is_last=len(records) >= MOST_ATTEMPTS)
