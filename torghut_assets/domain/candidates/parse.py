"""A candidate file from outside becomes a `CandidateSpec`, or is refused with a reason.

The keys of the file are the fields of the record. `parent` and `parameter_grid` may be left
out; everything else must be written down, `prior_run_evidence: []` and
`declared_outside_trials: 0` included: they are statements that the author makes. A grid is a
list of values, or for whole numbers `{first, last, step}`, both ends included. Sizes are
checked before anything is expanded.
"""

import unicodedata
from collections.abc import Iterator
from typing import Any, Final

from torghut_assets.domain.candidates.grid import MAX_GRID_POINTS
from torghut_assets.domain.candidates.records import CandidateSpec
from torghut_assets.domain.documents import parse_yaml
from torghut_assets.domain.errors import BadInputError, InvalidIdentifierError
from torghut_assets.domain.identifiers import parse_name
from torghut_assets.domain.records import parse_record

MAX_GRID_PARAMETERS: Final = 8
MAX_GRID_VALUES: Final = 200

_OPTIONAL: Final[dict[str, Any]] = {"parent": None, "parameter_grid": {}}
_RANGE_KEYS: Final = {"first", "last", "step"}
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def parse_candidate_spec(payload: bytes, *, location: str) -> CandidateSpec:
    """Return the specification that a YAML document holds.

    Parameters
    ----------
    payload : bytes
        The whole file; the limits of `domain/documents.py` apply first.
    location : str
        File name for error messages.

    Raises
    ------
    DocumentRefusedError
        If the document breaks a limit before its content is looked at.
    InvalidIdentifierError
        If the candidate id, the universe or the parent is not a plain id.
    BadInputError
        If a field is missing, unknown, of the wrong type or contradicts another.
    """
    data = _OPTIONAL | {
        key: _clean(value, f"{location}: {key}")
        for key, value in parse_yaml(payload, location=location).items()
    }
    _check_ids(data, location)
    data["parameter_grid"] = _expanded_grid(data["parameter_grid"], f"{location}: parameter_grid")
    spec = parse_record(CandidateSpec, data, location=location)
    _check_declared_on_grid(spec, location)
    _check_stated_once(spec, location)
    _check_parent_is_cited(spec, location)
    return spec


def _refusal(location: str, found: str, expected: str, action: str = "") -> BadInputError:
    return BadInputError(location=location, found=found, expected=expected, action=action)


def _clean(value: Any, location: str) -> Any:
    """Strip all text and refuse characters that no reader can see (YAML escapes hide them)."""
    if isinstance(value, dict):
        return {
            _clean(key, location): _clean(item, f"{location}.{ascii(key)[1:41]}")
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_clean(item, f"{location}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, str):
        for character in value:
            if unicodedata.category(character) in _INVISIBLE and character not in "\n\t":
                raise _refusal(location, f"the character {character!a}", "visible text")
        return value.strip()
    return value


def _check_ids(data: dict[str, Any], location: str) -> None:
    for field in ("candidate_id", "universe", "parent"):
        if field in data and not (field == "parent" and data[field] is None):
            try:
                parse_name(data[field], kind=field)
            except InvalidIdentifierError as error:
                raise InvalidIdentifierError(
                    location=f"{location}: {field}", found=error.found, expected=error.expected
                ) from error


def _expanded_grid(grid: Any, location: str) -> dict[str, list[Any]]:
    """Turn every grid into a list of distinct values, counting before expanding."""
    if not isinstance(grid, dict):
        raise _refusal(location, ascii(grid)[:40], "a mapping of parameter to values")
    if len(grid) > MAX_GRID_PARAMETERS:
        raise _refusal(location, f"{len(grid)} parameters", f"at most {MAX_GRID_PARAMETERS}")
    points = 1
    for name, values in grid.items():
        count = _count(values, f"{location}.{name}")
        if not 1 <= count <= MAX_GRID_VALUES:
            raise _refusal(f"{location}.{name}", f"{count} values", f"1 to {MAX_GRID_VALUES}")
        points *= count
    if points > MAX_GRID_POINTS:
        raise _refusal(
            location,
            f"{points} combinations",
            f"at most {MAX_GRID_POINTS}",
            "Each combination is a trial that makes the evidence weaker; try fewer.",
        )
    expanded = {name: list(_values(values)) for name, values in grid.items()}
    for name, listed in expanded.items():
        _check_values(listed, f"{location}.{name}")
    return expanded


def _count(values: Any, location: str) -> int:
    if isinstance(values, list):
        return len(values)
    if not isinstance(values, dict) or set(values) != _RANGE_KEYS:
        raise _refusal(location, ascii(values)[:60], "a list or {first, last, step}")
    if any(type(bound) is not int for bound in values.values()):
        raise _refusal(location, ascii(values)[:60], "whole numbers; list other values one by one")
    span, step = values["last"] - values["first"], values["step"]
    if step < 1 or span < 0 or span % step:
        raise _refusal(
            location, ascii(values)[:60], "step >= 1 and last = first + a multiple of step"
        )
    return int(span // step) + 1


def _values(values: Any) -> Iterator[Any]:
    if isinstance(values, dict):
        return iter(range(values["first"], values["last"] + 1, values["step"]))
    return iter(values)


def _check_values(values: list[Any], location: str) -> None:
    """One kind of scalar, each value once. 1 and 1.0 are the same value, 1 and true are not."""
    seen: set[tuple[bool, Any]] = set()
    for value in values:
        if not isinstance(value, (bool, int, float, str)):
            raise _refusal(location, ascii(value)[:40], "numbers, texts or true/false")
        key = (isinstance(value, bool), value)
        if key in seen:
            raise _refusal(location, f"{ascii(value)[:40]} twice", "each value once")
        seen.add(key)


def _check_declared_on_grid(spec: CandidateSpec, location: str) -> None:
    for name, values in spec.parameter_grid.items():
        where = f"{location}: parameters.{name}"
        if name not in spec.parameters:
            raise _refusal(
                where, "nothing", "a declared value", f"parameter_grid varies {name}; declare it."
            )
        declared = spec.parameters[name]
        if not any(
            declared == value and isinstance(declared, bool) is isinstance(value, bool)
            for value in values
        ):
            raise _refusal(
                where,
                ascii(declared)[:40],
                f"one of the values of parameter_grid.{name}",
                "The declared point is compared with its neighbours, so it must be on the grid.",
            )


def _check_stated_once(spec: CandidateSpec, location: str) -> None:
    stated: dict[str, list[str]] = {
        "expected_regimes": [item.regime for item in spec.expected_regimes],
        "feature_hypotheses": [item.feature for item in spec.feature_hypotheses],
        "prior_run_evidence": [item.digest for item in spec.prior_run_evidence],
    }
    for field, names in stated.items():
        for name in names:
            if names.count(name) > 1:
                raise _refusal(f"{location}: {field}", f"{ascii(name)[:80]} twice", "each once")


def _check_parent_is_cited(spec: CandidateSpec, location: str) -> None:
    if spec.parent is None:
        return
    if spec.parent == spec.candidate_id:
        raise _refusal(f"{location}: parent", "the candidate itself", "an earlier candidate")
    if not spec.prior_run_evidence:
        raise _refusal(
            f"{location}: prior_run_evidence",
            f"nothing, although {spec.parent} is the parent",
            "the digest of the parent's research feedback",
        )
