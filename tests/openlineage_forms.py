"""Is this an OpenLineage event? By the required fields of the specification, and its classes.

The core is written down here from the specification, version 2-0-2 (RunEvent, Run, Job, Dataset,
BaseFacet: required fields and formats). Facets are checked against the classes that the
OpenLineage project generates from its published schemas and ships in openlineage-python, found by
`_schemaURL`: required fields, types, and no field that the schema does not know. Our own facets
are checked against our published JSON Schemas.
"""

import importlib
import json
import pkgutil
import types
import typing
from importlib.resources import files

import attr
import jsonschema
from openlineage.client import generated
from openlineage.client.generated import base

_URI = {"type": "string", "pattern": "^(https?://|urn:)[^ ]+$"}
_FACETS = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "required": ["_producer", "_schemaURL"],
        "properties": {"_producer": _URI, "_schemaURL": _URI},
    },
}
_NAMED = {"name": {"type": "string", "minLength": 1}, "namespace": {"type": "string"}}


def _dataset(more):
    return {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["namespace", "name"],
            "properties": {**_NAMED, "facets": _FACETS, more: _FACETS},
            "additionalProperties": False,
        },
    }


CORE = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["eventTime", "producer", "schemaURL", "run", "job", "eventType"],
    "properties": {
        "eventType": {"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
        "eventTime": {"type": "string", "format": "date-time"},
        "producer": _URI,
        "schemaURL": {
            "const": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
        },
        "run": {
            "type": "object",
            "required": ["runId"],
            "properties": {"runId": {"type": "string", "format": "uuid"}, "facets": _FACETS},
            "additionalProperties": False,
        },
        "job": {
            "type": "object",
            "required": ["namespace", "name"],
            "properties": {**_NAMED, "facets": _FACETS},
            "additionalProperties": False,
        },
        "inputs": _dataset("inputFacets"),
        "outputs": _dataset("outputFacets"),
    },
    "additionalProperties": False,
}


def _published():
    """Every facet class of the package by the URL of its schema."""
    found = {}
    for module in pkgutil.iter_modules(generated.__path__):
        for value in vars(importlib.import_module(f"{generated.__name__}.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, base.BaseFacet):
                found[value._get_schema()] = value
    return found


PUBLISHED = _published()
OWN = {
    document["$id"]: document
    for path in (files("torghut_assets") / "schemas").iterdir()
    if path.name.startswith("openlineage-")
    for document in [json.loads(path.read_text(encoding="utf-8"))]
}


def require_event(event):
    """Fail unless a document is an event with facets that all follow their schemas."""
    checker = jsonschema.FormatChecker()
    jsonschema.validate(event, CORE, format_checker=checker)
    holders = [event["run"], event["job"], *event.get("inputs", ()), *event.get("outputs", ())]
    for holder in holders:
        for kind in ("facets", "inputFacets", "outputFacets"):
            for name, facet in holder.get(kind, {}).items():
                require_facet(facet, f"{holder.get('name', 'run')} {kind} {name}")


def require_facet(facet, where):
    """Fail unless a facet follows the schema that it names."""
    url = facet["_schemaURL"]
    if url in OWN:
        jsonschema.validate(facet, OWN[url])
        return
    assert url in PUBLISHED, f"{where}: no published schema {url}"
    _require(facet, PUBLISHED[url], where)


def _require(data, form, where):
    """Compare plain data with a class, field by field."""
    module = importlib.import_module(form.__module__)
    hints = typing.get_type_hints(form, {**vars(typing), **vars(base), **vars(module)})
    fields = {field.name: field for field in attr.fields(form)}
    assert set(data) <= set(fields), f"{where}: unknown {set(data) - set(fields)}"
    for name, field in fields.items():
        if field.default is attr.NOTHING:
            assert name in data, f"{where}: {name} is missing"
        if name in data:
            _require_type(data[name], hints[name], f"{where}.{name}")


def _require_type(value, hint, where):
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for option in options:
        origin = typing.get_origin(option)
        if origin is list and isinstance(value, list):
            for number, each in enumerate(value):
                _require_type(each, typing.get_args(option)[0], f"{where}[{number}]")
            return
        if attr.has(option) and isinstance(value, dict):
            _require(value, option, where)
            return
        if option is typing.Any or (origin or option) is type(value):
            return
    raise AssertionError(f"{where}: {value!r} is no {hint}")
