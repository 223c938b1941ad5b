"""What every statistic accepts: numbers checked once, at its door.

A gap (NaN) in one series of returns is dropped before anything is counted. An infinite
value never is: it is an error of the data. Where observations must line up with others
(columns of a matrix, legs of a portfolio), a gap is an error too.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from torghut_assets.domain.backtest.statistics_errors import (
    ConstantSeriesError,
    NonFiniteInputError,
    ParameterRangeError,
    ShapeMismatchError,
)
from torghut_assets.domain.errors import TooFewObservationsError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ROUNDING = 1e-13
"""Spread over size below which a series is constant up to float64 rounding."""


def observed_returns(
    returns: ArrayLike, *, needed: int = 2, location: str = "returns"
) -> FloatArray:
    """Return the observations of one series, gaps dropped.

    Parameters
    ----------
    returns : array_like of shape (n_periods,)
        NaN marks a gap.
    needed : int
        Fewest observations that will do.
    location : str
        Name used in errors.

    Returns
    -------
    ndarray of shape (n_observed,)

    Raises
    ------
    ShapeMismatchError
        Unless one-dimensional.
    NonFiniteInputError
        If any value is infinite.
    TooFewObservationsError
        If fewer than `needed` remain.
    """
    values = _as_floats(returns, ndim=1, location=location)
    observed = values[~np.isnan(values)]
    if not np.isfinite(observed).all():
        raise NonFiniteInputError(location=location, found="an infinite value")
    if observed.size < needed:
        raise TooFewObservationsError(needed=needed, found=observed.size, location=location)
    return observed


def complete_series(values: ArrayLike, *, needed: int = 1, location: str) -> FloatArray:
    """Return one series in which nothing may be missing; shape (n,)."""
    series = _as_floats(values, ndim=1, location=location)
    return _complete(series, needed=needed, location=location)


def complete_matrix(values: ArrayLike, *, needed: int = 1, location: str) -> FloatArray:
    """Return a matrix in which nothing may be missing; shape (n_periods, n_columns)."""
    matrix = _as_floats(values, ndim=2, location=location)
    return _complete(matrix, needed=needed, location=location)


def as_matrix(values: ArrayLike, *, location: str) -> FloatArray:
    """Return a matrix whose values the caller checks; shape (n_periods, n_columns)."""
    return _as_floats(values, ndim=2, location=location)


def is_constant(values: FloatArray, *, size: float = 0.0) -> bool:
    """Whether a series does not vary by more than float64 rounding.

    The standard deviation of 0.001 repeated is about 1e-19 in floating point, not 0; a
    ratio to it would be a huge finite number. `size` is the size of the numbers that the
    series was computed from, if they were larger than the series itself.
    """
    largest = max(size, float(np.max(np.abs(values))))
    return float(np.ptp(values)) <= ROUNDING * largest


def constant_columns(matrix: FloatArray) -> IntArray:
    """Columns that do not vary by more than float64 rounding, ascending."""
    low, high = np.min(matrix, axis=0), np.max(matrix, axis=0)
    return np.flatnonzero(high - low <= ROUNDING * np.maximum(np.abs(low), np.abs(high)))


def require_varying(values: FloatArray, *, size: float = 0.0, location: str = "returns") -> None:
    """Refuse a constant series; `size` as in `is_constant`."""
    if is_constant(values, size=size):
        raise ConstantSeriesError(location=location, found=f"{values.size} equal values")


def finite_number(value: Any, *, location: str) -> float:
    """Return one finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise NonFiniteInputError(location=location, found=repr(value)[:80]) from error
    if not math.isfinite(number):
        raise NonFiniteInputError(location=location, found=repr(number))
    return number


def positive_number(value: Any, *, location: str) -> float:
    """Return one finite number above zero."""
    number = finite_number(value, location=location)
    if number <= 0:
        raise ParameterRangeError(location=location, found=number, expected="a number above 0")
    return number


def fraction(value: Any, *, location: str) -> float:
    """Return one number strictly between 0 and 1."""
    number = finite_number(value, location=location)
    if not 0 < number < 1:
        raise ParameterRangeError(location=location, found=number, expected="a number in (0, 1)")
    return number


def whole_number(value: Any, *, at_least: int, location: str) -> int:
    """Return one integer not below `at_least`; a float with a fraction is refused."""
    number = finite_number(value, location=location)
    if isinstance(value, bool) or number != int(number) or number < at_least:
        raise ParameterRangeError(
            location=location, found=value, expected=f"a whole number >= {at_least}"
        )
    return int(number)


def _as_floats(values: ArrayLike, *, ndim: int, location: str) -> FloatArray:
    """Convert to float64 of a given rank."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ShapeMismatchError(
            location=location,
            found="values that are no numbers or rows of different lengths",
            expected=f"numbers in {ndim} dimension(s)",
        ) from error
    if array.ndim != ndim:
        raise ShapeMismatchError(
            location=location, found=f"shape {array.shape}", expected=f"{ndim} dimension(s)"
        )
    return array


def _complete(array: FloatArray, *, needed: int, location: str) -> FloatArray:
    """Refuse gaps, infinities and too few rows."""
    if array.shape[0] < needed or array.size == 0:
        raise TooFewObservationsError(
            needed=max(needed, 1), found=array.shape[0] if array.size else 0, location=location
        )
    if not np.isfinite(array).all():
        raise NonFiniteInputError(location=location, found="a missing or infinite value")
    return array
