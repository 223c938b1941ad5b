"""YAML from outside, read under limits: what is refused before its content is looked at.

Refused: more than `MAX_BYTES`, bytes that are not UTF-8, control characters, more than one
document, anchors and aliases (they can multiply: the "billion laughs"), tags, duplicate
keys, keys that are not strings, nesting deeper than `MAX_DEPTH`, more than `MAX_NODES`
values, NaN and infinity. What remains is plain JSON data.
"""

import re
from typing import Any, Final

import yaml

from torghut_assets.domain.errors import DocumentRefusedError

MAX_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 12
MAX_NODES: Final = 5_000
_CONTROL = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader without dates: a date stays the text that a person wrote."""


_StrictLoader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse_yaml(payload: bytes, *, location: str) -> dict[str, Any]:
    """Return the mapping that a YAML document holds, as plain JSON data.

    Parameters
    ----------
    payload : bytes
        The whole document, at most 64 KiB.
    location : str
        File name for the error message.

    Raises
    ------
    DocumentRefusedError
        If any rule of the module docstring is broken, or the top is not a mapping.
    """
    text = _decode(payload, location)
    _refuse_markup(text, location)
    try:
        data = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - derives from SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _refusal(location, _one_line(error), "well-formed YAML") from error
    if not isinstance(data, dict):
        raise _refusal(location, f"a {type(data).__name__} at the top", "a mapping of fields")
    _refuse_keys_that_are_not_text(data, location)
    return data


def _refuse_keys_that_are_not_text(data: Any, location: str) -> None:
    """Refuse `1: …` and `yes: …`: YAML reads them as a number and a truth value."""
    children = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    if isinstance(data, dict):
        for key in data:
            if not isinstance(key, str):
                raise _refusal(location, f"the key {key!r}", "keys that are text; quote it")
    for child in children:
        _refuse_keys_that_are_not_text(child, location)


def _refusal(location: str, found: str, expected: str) -> DocumentRefusedError:
    return DocumentRefusedError(
        location=location, found=found, expected=expected, action="Correct the file and try again."
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _decode(payload: bytes, location: str) -> str:
    if len(payload) > MAX_BYTES:
        raise _refusal(location, f"{len(payload)} bytes", f"at most {MAX_BYTES} bytes")
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refusal(location, f"bytes that are not UTF-8 at {error.start}", "UTF-8") from error
    if control := _CONTROL.search(text):
        line = text.count("\n", 0, control.start()) + 1
        raise _refusal(
            f"{location} line {line}", f"control character {control.group()!a}", "plain text"
        )
    return text


def _refuse_markup(text: str, location: str) -> None:
    """Walk the parser's events, which never expand anything, and refuse by rule."""
    walk = _Walk(location)
    try:
        for event in yaml.parse(text, Loader=_StrictLoader):
            walk.accept(event)
    except yaml.YAMLError as error:
        raise _refusal(location, _one_line(error), "well-formed YAML") from error


class _Walk:
    """What has been seen of one document so far."""

    def __init__(self, location: str) -> None:
        self._location = location
        self._documents = 0
        self._nodes = 0
        self._open: list[_Container] = []

    def accept(self, event: yaml.Event) -> None:
        mark = event.start_mark
        where = f"{self._location} line {mark.line + 1}" if mark else self._location
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _refusal(where, "a second document", "one document")
        if isinstance(event, yaml.AliasEvent):
            raise _refusal(where, f"the alias *{event.anchor}", "no anchors or aliases")
        if isinstance(event, yaml.NodeEvent):
            self._accept_node(event, where)
        if isinstance(event, yaml.CollectionStartEvent):
            if len(self._open) == MAX_DEPTH:
                raise _refusal(where, f"nesting deeper than {MAX_DEPTH}", f"at most {MAX_DEPTH}")
            self._open.append(_Container(mapping=isinstance(event, yaml.MappingStartEvent)))
        if isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()

    def _accept_node(self, event: yaml.NodeEvent, where: str) -> None:
        if event.anchor is not None:
            raise _refusal(where, f"the anchor &{event.anchor}", "no anchors or aliases")
        if tag := getattr(event, "tag", None):
            raise _refusal(where, f"the tag {tag}", "no tags")
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _refusal(where, f"more than {MAX_NODES} values", f"at most {MAX_NODES}")
        if self._open:
            self._open[-1].accept(event, where)


class _Container:
    """Keys seen so far in one open mapping; a sequence has none."""

    def __init__(self, *, mapping: bool) -> None:
        self._mapping = mapping
        self._expects_key = True
        self._keys: set[str] = set()

    def accept(self, event: yaml.NodeEvent, where: str) -> None:
        """Take the next child; every other child of a mapping is a key."""
        if not self._mapping:
            if isinstance(event, yaml.ScalarEvent):
                _refuse_not_finite(event, where)
            return
        if not self._expects_key:
            self._expects_key = True
            if isinstance(event, yaml.ScalarEvent):
                _refuse_not_finite(event, where)
            return
        self._expects_key = False
        if not isinstance(event, yaml.ScalarEvent):
            raise _refusal(where, "a key that is not text", "a plain text key")
        if event.value == "<<":
            raise _refusal(where, "a merge key", "no merge keys")
        if event.value in self._keys:
            raise _refusal(where, f"the key {ascii(event.value)[:60]} twice", "each key once")
        self._keys.add(event.value)


def _refuse_not_finite(event: yaml.ScalarEvent, where: str) -> None:
    plain = event.implicit[0] and event.value.lower().lstrip("+-") in {".inf", ".nan"}
    if plain:
        raise _refusal(where, event.value, "a finite number")
