"""Are a plugin's parameters closed in? Every field typed, described and bounded, and it holds.

A declared bound is tried: a value beyond it must be refused, and refused because of that
field. What cannot be bounded (free text, nested data) is no parameter.
"""

import math
from typing import Any

from pydantic import ValidationError

from torghut_assets.domain.candidates.examinee import ContractViolationError, guarded
from torghut_assets.domain.candidates.strategy import StrategyParameters

_CLOSED_TYPES = frozenset({"boolean"})


def check_parameter_bounds(parameters: StrategyParameters) -> str:
    """Return what was tried on the class of `parameters`.

    Raises
    ------
    ContractViolationError
        At the first field that is open, undescribed or does not refuse a value beyond its
        own bound, or if unknown fields are accepted.
    """
    model = type(parameters)
    schema = guarded(model.model_json_schema, location="parameter schema")
    values = parameters.model_dump()
    tried = 0
    for name, described in schema.get("properties", {}).items():
        if not described.get("description"):
            raise _violation(name, "no description", "a sentence that says what it does")
        for beyond in _beyond(name, described):
            _expect_refusal(model, {**values, name: beyond}, name, beyond)
            tried += 1
    _expect_refusal(model, {**values, "no_such_parameter": 1}, "no_such_parameter", 1)
    return f"{len(values)} parameters, {tried} values beyond their bounds refused"


def _violation(name: str, found: str, expected: str) -> ContractViolationError:
    return ContractViolationError(location=f"parameter {name}", found=found, expected=expected)


def _beyond(name: str, described: dict[str, Any]) -> tuple[Any, ...]:
    """Values that the field must refuse, from what its schema declares."""
    if "enum" in described or "const" in described:
        return ("no such choice", None)
    kind = described.get("type")
    if kind in _CLOSED_TYPES:
        return ("true", 2, None)
    if kind not in ("integer", "number"):
        raise _violation(name, f"type {kind}", "a number, true/false or a Literal")
    low, high = _bound(described, "inimum"), _bound(described, "aximum")
    if low is None or high is None:
        raise _violation(name, "no bound below or above", "both, e.g. Field(ge=1, le=500)")
    if kind == "integer":
        return (int(low) - 1, int(high) + 1, float(low), str(low), True, None)
    return (
        math.nextafter(low, -math.inf) if low == described.get("minimum") else low,
        math.nextafter(high, math.inf) if high == described.get("maximum") else high,
        math.nan,
        math.inf,
        str(low),
        None,
    )


def _bound(described: dict[str, Any], end: str) -> float | None:
    found = described.get(f"m{end}", described.get(f"exclusiveM{end}"))
    return None if found is None else float(found)


def _expect_refusal(
    model: type[StrategyParameters], values: dict[str, Any], name: str, value: Any
) -> None:
    """Require a validation error that names the field."""

    def fields_refused() -> set[Any]:
        try:
            model.model_validate(values)
        except ValidationError as error:
            return {problem["loc"][0] for problem in error.errors() if problem["loc"]}
        return set()

    if name not in guarded(fields_refused, location=f"parameter {name}"):
        raise _violation(name, f"{ascii(value)[:40]} accepted", "a refusal")
