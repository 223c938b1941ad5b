"""Which digests a record names, and where: the edges of the graph of evidence.

Records name what they rest on by digest, so the graph lies in their bytes and needs no
bookkeeping. This module reads any record of any version, also of kinds it does not know.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from torghut_assets.domain.digests import is_digest
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.evidence.strict_json import parse_canonical

GENESIS = "0" * 64
"""What the first entry of a register names as its predecessor; it names nothing."""


class Reference(NamedTuple):
    """A digest at a place in a record, e.g. `inputs.spec_digest`."""

    place: str
    digest: str


class Reading(NamedTuple):
    """What any record says about itself."""

    kind: str
    about: str | None
    references: tuple[Reference, ...]
    record: Mapping[str, Any]


def references(value: Any, place: str = "") -> Iterator[Reference]:
    """Yield every digest below a JSON value with its place, in order.

    Parameters
    ----------
    value : dict, list, str, int, float, bool or None
    place : str
        Where the value stands.
    """
    if isinstance(value, str):
        if is_digest(value) and value != GENESIS:
            yield Reference(place, value)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from references(inner, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            label = inner.get("name") if isinstance(inner, dict) else None
            yield from references(inner, f"{place}.{label or number}")


def about(record: Mapping[str, Any]) -> str | None:
    """Return what a record is about, as its partition is written; `None` if of no candidate.

    A session counts before a snapshot: what a session decided names both.
    """
    inputs = record.get("inputs")
    named = {**inputs, **record} if isinstance(inputs, dict) else record
    parts = [named.get("candidate_id"), named.get("session") or named.get("snapshot_id")]
    texts = [part for part in parts if isinstance(part, str)]
    return "|".join(texts) or None


def read_any(payload: bytes, *, location: str) -> Reading:
    """Read a stored record of whatever kind.

    Raises
    ------
    EvidenceError
        If the bytes are no record in canonical form.
    """
    form = parse_canonical(payload, location=location)
    record = form.get("record") if isinstance(form, dict) else None
    if not isinstance(record, dict) or not isinstance(form.get("kind"), str):
        raise EvidenceError(
            f"{location}: found other JSON, expected a record with kind, record and version. "
            "Restore it from a backup, or make it again."
        )
    found = tuple(references(record))
    return Reading(form["kind"], about(record), found, record)
