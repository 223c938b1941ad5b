"""Point-in-time lookup: what was known at a moment, not what is known now.

Read `asof_join` first. The key is the time at which a value became available, never the
period that it describes.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import ArrayLike, NDArray

from torghut_assets.domain.tca.errors import NotANumberError, ShapeMismatchError
from torghut_assets.domain.tca.inputs import Floats, floats

Moment = str | date | datetime | np.datetime64

Times = NDArray[np.datetime64]


def asof_join(
    available_at: Sequence[Moment],
    value: ArrayLike,
    queries: Sequence[Moment],
    period_end: Sequence[Moment] | None = None,
) -> tuple[float, ...]:
    """Value of the last record that was available at each query time.

    A record counts from `available_at` on (inclusive). The latest available record wins even
    if it restates an older period.

    Parameters
    ----------
    available_at : sequence of length n_records
        ISO dates or date-times, dates, date-times or datetime64, in any order. Times with an
        offset are converted to UTC; either all times have an offset or none has.
    value : array_like of shape (n_records,)
        NaN is a record that says "missing", and is returned as such.
    queries : sequence of length n_queries
    period_end : sequence of length n_records, optional
        Decides between records that became available at the same moment: the latest period
        wins, then the last in the given order.

    Returns
    -------
    tuple of float
        One per query; NaN where nothing was available yet.

    Raises
    ------
    NotANumberError
        For a time that is missing or not a time, or a value that is not a number.
    ShapeMismatchError
        For records of unequal length, or a mixture of times with and without offset.
    """
    known_at = moments(available_at, "available_at")
    values = floats(value, "value")
    ends = known_at if period_end is None else moments(period_end, "period_end")
    if not len(known_at) == values.size == len(ends) or values.ndim != 1:
        raise ShapeMismatchError(
            location="records",
            found=f"{len(known_at)} times, {values.shape} values, {len(ends)} periods",
            expected="one of each per record",
        )
    if np.isinf(values).any():
        raise NotANumberError(location="value", found="an infinite value")
    order = np.lexsort((np.arange(values.size), ends, known_at))
    index = latest_known_index(known_at[order], moments(queries, "queries"))
    return tuple(_at(values[order], int(i)) for i in index)


def _at(values: Floats, index: int) -> float:
    """Return the value at `index`; NaN for "none" (-1)."""
    return float(values[index]) if index >= 0 else float("nan")


def latest_known_index(
    available_at: NDArray[np.generic], queries: NDArray[np.generic]
) -> NDArray[np.intp]:
    """Index of the last of the sorted `available_at` that is <= each query; -1 if none.

    This is the arrival-quote lookup for any number of fills: `searchsorted` on the sorted
    times, the last of equal times winning.
    """
    return np.asarray(np.searchsorted(available_at, queries, side="right") - 1)


def moments(times: Sequence[Moment], location: str) -> Times:
    """Read times as datetime64 in microseconds, UTC if they carry an offset."""
    parsed = [_moment(time, f"{location}[{i}]") for i, time in enumerate(times)]
    if len({aware for _, aware in parsed}) > 1:
        raise ShapeMismatchError(
            location=location, found="times with and without offset", expected="one kind"
        )
    return np.array([time for time, _ in parsed], dtype="datetime64[us]")


def _moment(time: Moment, location: str) -> tuple[np.datetime64, bool]:
    """One time, and whether it carried an offset."""
    if isinstance(time, np.datetime64):
        if np.isnat(time):
            raise NotANumberError(location=location, found="NaT")
        return time.astype("datetime64[us]"), False
    if isinstance(time, str):
        try:
            time = datetime.fromisoformat(time)
        except ValueError as error:
            raise NotANumberError(location=location, found=time) from error
    if isinstance(time, datetime):
        aware = time.tzinfo is not None
        plain = time.astimezone(UTC).replace(tzinfo=None) if aware else time
        return np.datetime64(plain, "us"), aware
    if isinstance(time, date):
        return np.datetime64(time, "us"), False
    raise NotANumberError(location=location, found=time)
