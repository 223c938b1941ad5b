"""Salted commitments to the fields of a record, so that a field can be taken out of a pack.

Each top-level field of a record is a leaf, SHA-256 of a zero byte and the canonical JSON of
`{"name":…,"salt":…,"value":…}`; the root is that of the ledger's tree over the leaves in order
of the names. The signed export statement holds the root. A redacted record shows the leaf of
what was taken out instead of salt and value.

What this hides, and what not: the record's own digest stays, and covers all fields without a
salt. A text like a thesis cannot be guessed from it; a number out of a small set can be tried.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from pydantic import Field

from torghut_assets.domain.audit.faults import PackFault, PackFaultError
from torghut_assets.domain.digests import canonical_json
from torghut_assets.domain.evidence.ledger_tree import leaf_hash, root_of
from torghut_assets.domain.records import Digest, Part, Record

FIELD_GROUPS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "thesis": {
        "candidate-spec": ("expected_regimes", "feature_hypotheses", "thesis", "title"),
        "research-feedback": ("findings", "regimes"),
    },
    "parameters": {
        "candidate-spec": ("parameter_grid", "parameters"),
        "strategy-build": ("parameter_schema_json", "parameters"),
        "backtest-metrics": ("folds", "sensitivity"),
    },
    "order-sizes": {
        "order-intents": ("cash_usd", "equity_usd", "intents", "positions", "targets"),
        "paper-orders": ("orders",),
        "paper-fills": (
            "cash_usd",
            "equity_after_usd",
            "equity_before_usd",
            "fills",
            "orders",
            "positions",
        ),
        "paper-tca": ("equity_before_usd", "orders", "unrouted_opportunity_usd"),
        "rollback-plan": ("cancels", "known_holdings", "targets"),
        "rollback-receipt": ("orders", "read_back", "targets"),
    },
}
"""Field group to record kind to the top-level fields that it takes out."""


class OpenField(Part):
    """A field that is shown."""

    salt: Digest
    value: Any


class RedactedRecord(Record):
    """A record without some of its fields; `hidden` holds their leaves by name."""

    record_kind: ClassVar[str] = "redacted-record"

    digest_of_record: Digest
    kind: str = Field(min_length=1, max_length=80)
    version: int = Field(ge=1)
    shown: dict[str, OpenField]
    hidden: dict[str, Digest] = Field(min_length=1)


def fields_of_groups(kind: str, groups: tuple[str, ...]) -> frozenset[str]:
    """Return the fields of a kind of record that some groups take out."""
    return frozenset(name for group in groups for name in FIELD_GROUPS[group].get(kind, ()))


def is_redactable(kind: str) -> bool:
    """Whether any group takes a field out of such records."""
    return any(kind in kinds for kinds in FIELD_GROUPS.values())


def field_leaf(name: str, salt: str, value: Any) -> bytes:
    """Return the leaf of one field."""
    return leaf_hash(canonical_json({"name": name, "salt": salt, "value": value}))


def commitment_root(leaves: Mapping[str, bytes]) -> str:
    """Return the root over the leaves of all fields, in order of their names."""
    return root_of([leaves[name] for name in sorted(leaves)]).hex()


def commitment_of(fields: Mapping[str, Any], salts: Mapping[str, str]) -> str:
    """Return the root of a whole record's fields under their salts."""
    return commitment_root({name: field_leaf(name, salts[name], fields[name]) for name in fields})


def redacted(
    digest: str, data: Mapping[str, Any], salts: Mapping[str, str], hide: frozenset[str]
) -> RedactedRecord:
    """Return a record without some fields.

    Parameters
    ----------
    digest : str
    data : mapping
        The record's canonical form: kind, record, version.
    salts : mapping of str to str
    hide : frozenset of str
        Which fields; those that the record does not have are ignored.
    """
    fields = data["record"]
    return RedactedRecord(
        digest_of_record=digest,
        kind=data["kind"],
        version=data["version"],
        shown={n: OpenField(salt=salts[n], value=v) for n, v in fields.items() if n not in hide},
        hidden={n: field_leaf(n, salts[n], fields[n]).hex() for n in fields if n in hide},
    )


def require_commitment(record: RedactedRecord, expected: str | None, *, location: str) -> None:
    """Refuse a redacted record whose fields are not those that were committed to.

    Raises
    ------
    PackFaultError
        With `commitment_differs`.
    """
    if both := record.shown.keys() & record.hidden.keys():
        raise PackFaultError(
            PackFault.COMMITMENT_DIFFERS,
            location=location,
            detail=f"{min(both)} is shown and hidden",
        )
    leaves = {n: field_leaf(n, f.salt, f.value) for n, f in record.shown.items()}
    leaves |= {name: bytes.fromhex(leaf) for name, leaf in record.hidden.items()}
    if (found := commitment_root(leaves)) != expected:
        raise PackFaultError(
            PackFault.COMMITMENT_DIFFERS,
            location=location,
            detail=f"its fields have the root {found}, the export statement says {expected}",
        )
