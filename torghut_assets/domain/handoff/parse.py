"""Read an implementation specification from YAML, and name everything that is wrong with it.

Keys in the manifest are written in camelCase, fields of the records in snake_case. What is
not known is refused: a manifest that says more than its reader understands is no contract.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ValidationError

from torghut_assets.domain.digests import canonical_json
from torghut_assets.domain.documents import parse_yaml
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.handoff.catalogue import CATALOGUE, VERSIONS, SpecKind, split_name
from torghut_assets.domain.handoff.paths import area_root, is_plain, leaves_repository
from torghut_assets.domain.handoff.records import (
    API_VERSION,
    KIND,
    CommonValues,
    Contract,
    ImplementationSpec,
    Metadata,
)

_CAMEL: Final = re.compile(r"[a-z][A-Za-z0-9]*")
_REF: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_OWNER: Final = re.compile(r"team:[a-z][a-z0-9-]+")
_PATHS: Final = ("designDoc", "pipelineConfigPath", "artifactPath")
_STAGES_BY_NAME: Final = ("stages", "evidenceOf")
"""Keys of a contract that map a stage to its fields; a record lists them instead."""


class Problem(NamedTuple):
    """One thing that is wrong with a manifest."""

    code: str
    field: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.field}: {self.code}: found {self.found}, expected {self.expected}"


class ManifestRefusedError(BadInputError):
    """A manifest is not an implementation specification; `problems` has every reason."""

    def __init__(self, location: str, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        first = problems[0]
        more = f" ({len(problems) - 1} more: `torghut handoff validate` lists them.)"
        super().__init__(
            location=f"{location}: {first.field}: {first.code}",
            found=first.found,
            expected=first.expected,
            action="Correct the manifest." + (more if len(problems) > 1 else ""),
        )


def parse_implementation_spec(payload: bytes, *, location: str) -> ImplementationSpec:
    """Return the specification that a YAML manifest holds.

    Parameters
    ----------
    payload : bytes
        The whole file.
    location : str
        File name for error messages.

    Raises
    ------
    DocumentRefusedError
        If it is not plain YAML within the limits.
    ManifestRefusedError
        If anything in it is missing, unknown, of the wrong type or outside the repository.
    """
    data = parse_yaml(payload, location=location)
    problems = tuple(_problems(data))
    if problems:
        raise ManifestRefusedError(location, problems)
    contract = data["spec"]["contract"]
    kind = _kind_of(data["metadata"]["name"])
    assert kind is not None  # an unknown name is a problem
    return ImplementationSpec(
        api_version=API_VERSION,
        kind=KIND,
        metadata=_read(Metadata, data["metadata"]),
        contract=Contract(
            required_keys=tuple(contract["requiredKeys"]),
            values=_read(kind.values_type, _listed(contract["values"])),
        ),
    )


def _problems(data: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield everything that is wrong, outside in; what is below a broken part is not judged."""
    yield from _keys("manifest", data, ("apiVersion", "kind", "metadata", "spec"))
    for field, expected in (("apiVersion", API_VERSION), ("kind", KIND)):
        if field in data and data[field] != expected:
            code = "unknown_version" if field == "apiVersion" else "unknown_spec"
            yield Problem(code, field, _shown(data[field]), expected)
    metadata, spec = data.get("metadata"), data.get("spec")
    yield from _is_mapping("metadata", data, metadata)
    yield from _fields("metadata", metadata, Metadata)
    if isinstance(metadata, dict):
        yield from _owned(metadata)
    yield from _is_mapping("spec", data, spec)
    if not isinstance(spec, dict):
        return
    yield from _keys("spec", spec, ("contract",))
    contract = spec.get("contract")
    yield from _is_mapping("spec.contract", spec, contract)
    name = metadata.get("name") if isinstance(metadata, dict) else None
    kind = _kind_of(name)
    if isinstance(contract, dict):
        yield from _keys("spec.contract", contract, ("requiredKeys", "values"))
    if kind is None:
        yield from _unknown_name(name)
    elif isinstance(contract, dict):
        yield from _contract(contract, kind)


def _contract(contract: Mapping[str, Any], kind: SpecKind) -> Iterator[Problem]:
    """Yield what is wrong with the keys and values of a contract of a known kind."""
    if "requiredKeys" in contract:
        listed, where = contract["requiredKeys"], "spec.contract.requiredKeys"
        if not isinstance(listed, list) or not all(isinstance(key, str) for key in listed):
            yield Problem("wrong_type", where, _shown(listed), "a list of keys")
        else:
            for key in kind.required_keys:
                if key not in listed:
                    yield Problem("missing_key", where, f"no {key}", f"{key} among them")
            for key in dict.fromkeys(listed):
                if key not in kind.required_keys:
                    known = ", ".join(kind.required_keys)
                    yield Problem("unknown_field", where, _shown(key), f"only {known}")
                elif listed.count(key) > 1:
                    yield Problem("wrong_value", where, f"{key} twice", "each key once")
    if "values" in contract:
        values, where = contract["values"], "spec.contract.values"
        yield from _is_mapping(where, contract, values)
        yield from _fields(where, values, kind.values_type)
        if isinstance(values, dict):
            yield from _values(where, values)


def _values(where: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what pydantic does not see: paths that leave the repository, refs that are none."""
    for key in _PATHS:
        if isinstance(values.get(key), str):
            yield from _path(f"{where}.{key}", values[key])
    for key in ("base", "head", "repository"):
        text = values.get(key)
        if isinstance(text, str) and text and (not _REF.fullmatch(text) or ".." in text):
            yield Problem("wrong_value", f"{where}.{key}", _shown(text), "a plain name")


def _owned(metadata: Mapping[str, Any]) -> Iterator[Problem]:
    for key in ("owners", "ownedAreas"):
        listed = metadata.get(key)
        for i, entry in enumerate(listed if isinstance(listed, list) else ()):
            where = f"metadata.{key}.{i}"
            if not isinstance(entry, str):
                continue
            if key == "ownedAreas":
                yield from _path(where, area_root(entry))
            elif not _OWNER.fullmatch(entry):
                yield Problem("wrong_value", where, _shown(entry), "team:<name>")


def _path(where: str, path: str) -> Iterator[Problem]:
    if leaves_repository(path):
        expected = "a path inside the repository, relative to its root"
        yield Problem("outside_repository", where, _shown(path), expected)
    elif not is_plain(path):
        yield Problem("wrong_value", where, _shown(path), "plain names between slashes")


def _unknown_name(name: object) -> Iterator[Problem]:
    """Say what is wrong with a name that was given; a missing one was reported already."""
    if not isinstance(name, str):
        return
    parts = split_name(name)
    if parts and parts[0] in CATALOGUE:
        known = ", ".join(f"{parts[0]}-{version}" for version in VERSIONS)
        yield Problem("unknown_version", "metadata.name", _shown(name), known)
    else:
        known = ", ".join(f"{each}-{VERSIONS[-1]}" for each in CATALOGUE)
        yield Problem("unknown_spec", "metadata.name", _shown(name), f"one of {known}")


def _kind_of(name: object) -> SpecKind | None:
    parts = split_name(name) if isinstance(name, str) else None
    return CATALOGUE.get(parts[0]) if parts and parts[1] in VERSIONS else None


def _keys(where: str, data: Mapping[str, Any], known: tuple[str, ...]) -> Iterator[Problem]:
    for key in known:
        if key not in data:
            yield Problem("missing_key", where, f"no {key}", f"the key {key}")
    for key in data:
        if key not in known:
            yield Problem("unknown_field", where, _shown(key), f"only {', '.join(known)}")


def _is_mapping(where: str, parent: Mapping[str, Any], value: object) -> Iterator[Problem]:
    if where.rpartition(".")[2] in parent and not isinstance(value, dict):
        yield Problem("wrong_type", where, _shown(value), "a mapping of fields")


def _fields(where: str, data: object, model: type[BaseModel]) -> Iterator[Problem]:
    """Yield what a record's fields say against a mapping; anything else was reported already."""
    if not isinstance(data, dict):
        return
    try:
        _read(model, _listed(data) if issubclass(model, CommonValues) else data)
    except ValidationError as error:
        for finding in error.errors(include_url=False):
            yield _translated(where, finding["type"], finding["loc"], finding)


def _translated(
    where: str, problem: str, location: tuple[int | str, ...], finding: Mapping[str, Any]
) -> Problem:
    """Turn a finding of pydantic into a problem, in the words of the manifest."""
    place = ".".join([where, *(_camel(str(part)) for part in location)])
    if problem == "missing":
        key = place.rpartition(".")
        return Problem("missing_key", key[0], f"no {key[2]}", f"the key {key[2]}")
    if problem == "extra_forbidden":
        key = place.rpartition(".")
        return Problem("unknown_field", key[0], _shown(key[2]), "only the keys of this contract")
    code = "wrong_type" if problem.endswith("_type") else "wrong_value"
    return Problem(code, place, _shown(finding.get("input")), finding["msg"])


def _listed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the stages of a contract from a mapping of names into a list of records."""
    return {
        key: [_entry(name, fields) for name, fields in value.items()]
        if key in _STAGES_BY_NAME and isinstance(value, dict)
        else value
        for key, value in values.items()
    }


def _entry(stage: str, fields: object) -> object:
    """Put a stage's name among its fields; a field of that name is one too many."""
    if not isinstance(fields, dict):
        return fields
    own = {(_unknown(key) if key == "stage" else key): value for key, value in fields.items()}
    return {**own, "stage": stage}


def _read(model: type[BaseModel], data: Mapping[str, Any]) -> Any:
    """Read a mapping with camelCase keys into a record, strictly."""
    return model.model_validate_json(canonical_json(_snake_keys(data)))


def _snake_keys(data: Any) -> Any:
    """Write keys as fields are called; one that is not camelCase is known to no record."""
    if isinstance(data, list):
        return [_snake_keys(entry) for entry in data]
    if not isinstance(data, dict):
        return data
    return {
        _snake(key) if _CAMEL.fullmatch(key) else _unknown(key): _snake_keys(value)
        for key, value in data.items()
    }


def _unknown(key: str) -> str:
    """Return a key that no record has, and that is shown as it was written."""
    return f"{key.rstrip(' ')} "


def _snake(key: str) -> str:
    return re.sub("[A-Z]", lambda match: "_" + match.group().lower(), key)


def _camel(field: str) -> str:
    if field.endswith(" "):
        return field[:-1]
    return re.sub("_([a-z0-9])", lambda match: match.group(1).upper(), field)


def _shown(value: object) -> str:
    return ascii(value)[:80]
