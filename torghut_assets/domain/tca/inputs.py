"""What cost and drift statistics accept: finite numbers, known sides, equal lengths.

Every function here either returns its argument in the form the formulas use, or raises the
named error of `tca.errors`. Nothing is repaired, dropped or defaulted.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from torghut_assets.domain.errors import TooFewObservationsError
from torghut_assets.domain.tca.errors import (
    CrossedQuoteError,
    NotANumberError,
    OutOfRangeError,
    ShapeMismatchError,
    UnknownSideError,
)

Floats = NDArray[np.float64]

Side = Literal["buy", "sell"]

_SIGNS = {"buy": 1.0, "sell": -1.0}


def side_sign(side: object, location: str = "side") -> float:
    """+1 for `buy`, -1 for `sell`; anything else raises `UnknownSideError`."""
    sign = _SIGNS.get(side) if isinstance(side, str) else None
    if sign is None:
        raise UnknownSideError(location=location, found=side)
    return sign


def side_signs(sides: Iterable[object], location: str = "side") -> Floats:
    """One sign per fill; see `side_sign`."""
    return np.array([side_sign(s, f"{location}[{i}]") for i, s in enumerate(sides)], dtype=float)


def finite(value: object, location: str) -> float:
    """Read `value` as a float; missing, NaN, infinite or textual raises `NotANumberError`."""
    if isinstance(value, (bool, str, bytes)) or value is None:
        raise NotANumberError(location=location, found=value)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise NotANumberError(location=location, found=value) from error
    if not np.isfinite(number):
        raise NotANumberError(location=location, found=number)
    return number


def positive(value: object, location: str) -> float:
    """Require a finite number above zero."""
    number = finite(value, location)
    if number <= 0.0:
        raise OutOfRangeError(location=location, found=number, expected="a number above 0")
    return number


def non_negative(value: object, location: str) -> float:
    """Require a finite number of at least zero."""
    number = finite(value, location)
    if number < 0.0:
        raise OutOfRangeError(location=location, found=number, expected="a number of at least 0")
    return number


def probability(value: object, location: str) -> float:
    """Require a number strictly between zero and one."""
    number = finite(value, location)
    if not 0.0 < number < 1.0:
        raise OutOfRangeError(
            location=location, found=number, expected="a number strictly between 0 and 1"
        )
    return number


def count(value: object, location: str) -> int:
    """Require a whole number of at least zero."""
    number = non_negative(value, location)
    if not number.is_integer():
        raise OutOfRangeError(location=location, found=number, expected="a whole number")
    return int(number)


def floats(values: ArrayLike, location: str) -> Floats:
    """Make a float array of any content and shape; text or ragged rows raise `NotANumberError`."""
    try:
        array = np.asarray(values)
        if array.dtype.kind in "USMm":
            raise NotANumberError(location=location, found=f"values of type {array.dtype}")
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise NotANumberError(location=location, found=values) from error


def vector(values: ArrayLike, location: str, *, at_least: int = 1) -> Floats:
    """Require a one-dimensional array of at least `at_least` finite numbers."""
    array = floats(values, location)
    if array.ndim != 1:
        raise ShapeMismatchError(
            location=location, found=f"{array.ndim} dimensions", expected="a flat list"
        )
    if array.size < at_least:
        raise TooFewObservationsError(needed=at_least, found=int(array.size), location=location)
    unusable = ~np.isfinite(array)
    if unusable.any():
        first = int(np.argmax(unusable))
        raise NotANumberError(location=f"{location}[{first}]", found=float(array[first]))
    return array


def positive_vector(values: ArrayLike, location: str, *, at_least: int = 1) -> Floats:
    """Require a `vector` of numbers above zero, e.g. prices."""
    array = vector(values, location, at_least=at_least)
    if (array <= 0.0).any():
        first = int(np.argmax(array <= 0.0))
        raise OutOfRangeError(
            location=f"{location}[{first}]", found=float(array[first]), expected="a number above 0"
        )
    return array


def non_negative_vector(values: ArrayLike, location: str, *, at_least: int = 1) -> Floats:
    """Require a `vector` of numbers of at least zero, e.g. volumes."""
    array = vector(values, location, at_least=at_least)
    if (array < 0.0).any():
        first = int(np.argmax(array < 0.0))
        raise OutOfRangeError(
            location=f"{location}[{first}]",
            found=float(array[first]),
            expected="a number of at least 0",
        )
    return array


def same_length(**arrays: Floats) -> None:
    """Raise `ShapeMismatchError` unless all arrays have the same length."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ShapeMismatchError(
            location=", ".join(lengths),
            found=f"lengths {tuple(lengths.values())}",
            expected="equal lengths",
        )


def uncrossed(bid: Floats, ask: Floats, location: str = "quotes") -> None:
    """Raise `CrossedQuoteError` for the first bid above its ask. Locked quotes are fine."""
    crossed = bid > ask
    if crossed.any():
        first = int(np.argmax(crossed))
        raise CrossedQuoteError(
            location=f"{location}[{first}]", bid=float(bid[first]), ask=float(ask[first])
        )


def fill_table(fills: Sequence[Sequence[float]]) -> tuple[Floats, Floats]:
    """Split `[(quantity, price), ...]` into quantities (>= 0) and prices (> 0).

    No fills at all give two empty arrays.
    """
    if len(fills) == 0:
        return np.empty(0), np.empty(0)
    table = floats(fills, "fills")
    if table.ndim != 2 or table.shape[1] != 2:
        raise ShapeMismatchError(
            location="fills", found=f"shape {table.shape}", expected="rows of (quantity, price)"
        )
    quantity = non_negative_vector(table[:, 0], "fills.quantity")
    return quantity, positive_vector(table[:, 1], "fills.price")
