"""Compare the statistics with a file of reference cases, one verdict per case.

A case names a function, its inputs, what must come out and how close. An expected value is
a number, text, a list, an object of named outputs, or one of four forms: `undefined` (with
the kinds of "no value" that are accepted), `any_of`, `raises`, and null for "not
applicable". NaN and infinity are written as text. Integers, text and booleans must be
equal; other numbers within ``abs + rel * |expected|``.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from json import JSONDecodeError, loads
from typing import Any

from torghut_assets.domain.errors import BadInputError

_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_BROKEN_CALL = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError)

Function = Callable[..., Any]


@dataclass(frozen=True)
class Tolerance:
    """How far a number may be from the expected one."""

    absolute: float
    relative: float

    def accepts(self, actual: float, expected: float) -> bool:
        """Whether two numbers agree; NaN agrees with NaN."""
        if math.isnan(expected) or math.isinf(expected):
            return math.isnan(actual) if math.isnan(expected) else actual == expected
        return abs(actual - expected) <= self.absolute + self.relative * abs(expected)


@dataclass(frozen=True)
class ReferenceCase:
    """One call with its expected result, as the file writes it."""

    case_id: str
    function: str
    inputs: Mapping[str, Any]
    expected: Any
    tolerance: Tolerance


@dataclass(frozen=True)
class CaseOutcome:
    """Verdict of one case; `problem` is empty if it passed."""

    case_id: str
    function: str
    problem: str

    @property
    def passed(self) -> bool:
        """Whether the function did what the case says."""
        return not self.problem


@dataclass(frozen=True)
class _Raised:
    """A call that ended with an error instead of a value."""

    error: Exception

    def is_a(self, name: str) -> bool:
        return name in {kind.__name__ for kind in type(self.error).__mro__}

    def __str__(self) -> str:
        return f"{type(self.error).__name__}: {self.error}"


def read_cases(payload: bytes, *, location: str) -> tuple[ReferenceCase, ...]:
    """Read a case file.

    Parameters
    ----------
    payload : bytes
        UTF-8 JSON with ``schema_version`` 1 and a list ``cases``.
    location : str
        File name for the error message.

    Raises
    ------
    BadInputError
        If the file is not of this form, is empty or holds an id twice.
    """
    try:
        document = loads(payload.decode("utf-8"))
    except (UnicodeDecodeError, JSONDecodeError, RecursionError) as error:
        raise _bad_file(location, str(error), "UTF-8 JSON") from error
    if not isinstance(document, dict) or document.get("schema_version") != 1:
        raise _bad_file(location, "another document", "reference cases of schema_version 1")
    entries = document.get("cases")
    if not isinstance(entries, list) or not entries:
        raise _bad_file(location, "no cases", "a list of cases")
    cases = tuple(_read_case(entry, f"{location}: case {i}") for i, entry in enumerate(entries))
    if len({case.case_id for case in cases}) != len(cases):
        raise _bad_file(location, "a case id twice", "unique case ids")
    return cases


def _read_case(entry: Any, location: str) -> ReferenceCase:
    if not isinstance(entry, dict):
        raise _bad_file(location, repr(entry)[:60], "an object")
    missing = {"id", "function", "inputs", "expected"} - entry.keys()
    if missing or not isinstance(entry["inputs"], dict):
        raise _bad_file(location, f"no {', '.join(sorted(missing)) or 'inputs object'}", "a case")
    allowed = entry.get("tolerance", {})
    try:
        tolerance = Tolerance(float(allowed.get("abs", 0.0)), float(allowed.get("rel", 0.0)))
    except (AttributeError, TypeError, ValueError) as error:
        raise _bad_file(location, repr(allowed)[:60], "a tolerance of numbers") from error
    return ReferenceCase(
        str(entry["id"]), str(entry["function"]), entry["inputs"], entry["expected"], tolerance
    )


def _bad_file(location: str, found: str, expected: str) -> BadInputError:
    return BadInputError(location=location, found=found, expected=expected)


def verify_case(case: ReferenceCase, functions: Mapping[str, Function]) -> CaseOutcome:
    """Call the function that a case names and compare the result.

    A missing function, a call that fails without being expected to, and any difference are
    problems of the case, not errors of this function.
    """
    function = functions.get(case.function)
    if function is None:
        return CaseOutcome(case.case_id, case.function, "no such function")
    actual: Any
    try:
        actual = function(**decode(case.inputs))
    except _BROKEN_CALL as error:
        actual = _Raised(error)
    problem = difference(actual, case.expected, case.tolerance)
    return CaseOutcome(case.case_id, case.function, problem)


def decode(value: Any) -> Any:
    """Turn the texts "NaN", "Infinity" and "-Infinity" into numbers, at any depth."""
    if isinstance(value, str):
        return _SPECIAL.get(value, value)
    if isinstance(value, list):
        return [decode(item) for item in value]
    if isinstance(value, Mapping):
        return {key: decode(item) for key, item in value.items()}
    return value


def difference(actual: Any, expected: Any, tolerance: Tolerance, where: str = "result") -> str:
    """Say how a result differs from what was expected; empty if it does not."""
    if isinstance(expected, dict):
        return _differs_from_object(actual, expected, tolerance, where)
    if isinstance(actual, _Raised):
        return f"{where}: raised {actual}"
    if expected is None or expected == "undefined":
        return "" if _is_missing(actual) else f"{where}: {actual!r}, expected no value"
    if isinstance(expected, list):
        if not isinstance(actual, list | tuple) or len(actual) != len(expected):
            return f"{where}: {_brief(actual)}, expected {len(expected)} values"
        pairs = enumerate(zip(actual, expected, strict=True))
        problems = (difference(a, e, tolerance, f"{where}[{i}]") for i, (a, e) in pairs)
        return next(filter(None, problems), "")
    wanted = decode(expected)
    if isinstance(wanted, float) and _is_number(actual):
        same = tolerance.accepts(float(actual), wanted)
    else:
        same = isinstance(actual, bool) == isinstance(wanted, bool) and actual == wanted
    return "" if same else f"{where}: {_brief(actual)}, expected {expected!r}"


def _differs_from_object(
    actual: Any, expected: Mapping[str, Any], tolerance: Tolerance, where: str
) -> str:
    if "any_of" in expected:
        problems = [difference(actual, one, tolerance, where) for one in expected["any_of"]]
        return "" if "" in problems else "; ".join(problems)
    accept = _kinds_without_value(expected)
    if accept is not None:
        same = _is_accepted(actual, accept)
        return "" if same else f"{where}: {_brief(actual)}, expected one of {accept}"
    if isinstance(actual, _Raised):
        return f"{where}: raised {actual}"
    if set(expected) == {"value"} and not isinstance(actual, Mapping):
        return difference(actual, expected["value"], tolerance, where)
    if not isinstance(actual, Mapping):
        return f"{where}: {_brief(actual)}, expected the outputs {sorted(expected)}"
    problems_by_name = (
        difference(actual.get(name), value, tolerance, f"{where}.{name}")
        for name, value in expected.items()
    )
    return next(filter(None, problems_by_name), "")


def _kinds_without_value(expected: Mapping[str, Any]) -> list[str] | None:
    """List the accepted kinds of "no value", or None if a value is expected."""
    if "raises" in expected:
        return [expected["raises"]]
    return expected.get("accept", []) if expected.get("undefined") is True else None


def _is_accepted(actual: Any, accept: list[str]) -> bool:
    """Whether a result is one of the accepted kinds of "no value", in every output."""
    if isinstance(actual, _Raised):
        return any(actual.is_a(name) for name in accept)
    if isinstance(actual, Mapping):
        return bool(actual) and all(_is_accepted(value, accept) for value in actual.values())
    if actual is None:
        return "null" in accept
    if not _is_number(actual):
        return False
    return any(
        name in accept and (actual == value or (math.isnan(value) and math.isnan(actual)))
        for name, value in _SPECIAL.items()
    )


def _is_missing(actual: Any) -> bool:
    return actual is None or (isinstance(actual, float) and math.isnan(actual))


def _is_number(actual: Any) -> bool:
    return isinstance(actual, int | float) and not isinstance(actual, bool)


def _brief(actual: Any) -> str:
    text = f"raised {actual}" if isinstance(actual, _Raised) else repr(actual)
    return text if len(text) <= 120 else text[:117] + "..."
