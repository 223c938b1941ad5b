"""Published JSON Schemas of everything that is signed, derived from the models themselves.

`make docs` writes them to `torghut_assets/schemas/`; a test fails when a file is behind its
model. A change of form is a new version of a kind, never an edit of a published schema.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from torghut_assets.domain.evidence.approval_records import Approval
from torghut_assets.domain.evidence.dsse import Envelope
from torghut_assets.domain.evidence.entries import TreeHead
from torghut_assets.domain.evidence.keys import KeyRegistration, KeyRevocation
from torghut_assets.domain.evidence.lineage_facets import (
    CODE_FACET,
    DIGEST_FACET,
    CodeFacet,
    DigestFacet,
    schema_urn,
)
from torghut_assets.domain.evidence.moments import UtcSecond
from torghut_assets.domain.evidence.retention_records import HoldRelease, LegalHold, Tombstone
from torghut_assets.domain.evidence.statement import MAY_SIGN, Statement, predicate_type
from torghut_assets.domain.records import Part, Record

PREDICATES: Final[Mapping[str, type[Record]]] = {
    "approval": Approval,
    "key-registration": KeyRegistration,
    "key-revocation": KeyRevocation,
    "tombstone": Tombstone,
    "legal-hold": LegalHold,
    "hold-release": HoldRelease,
}
"""Kinds whose predicate is one kind of record. Other kinds carry any record in canonical form."""

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


class _Entry(Part):
    """A leaf of the ledger: a signed statement at its place."""

    envelope: Envelope
    recorded_at: UtcSecond
    sequence: int


def published_schemas() -> dict[str, str]:
    """Return the text of every schema file by its name."""
    documents = {
        "dsse-envelope.v1": _model(Envelope, "DSSE envelope, in the one form that is read here"),
        "ledger-entry.v1": _model(_Entry, "Leaf of the ledger's tree"),
        "tree-head.v1": _record(TreeHead, "Payload of a signed tree head"),
        DIGEST_FACET: _model(DigestFacet, "OpenLineage dataset facet torghut_digest"),
        CODE_FACET: _model(CodeFacet, "OpenLineage job facet torghut_code"),
        **{f"attestation-{kind}.v1": _statement(kind) for kind in MAY_SIGN},
    }
    return {
        f"{name}.json": json.dumps(
            {
                "$schema": _DIALECT,
                "$id": schema_urn(name),
                **document,
            },
            indent=2,
            ensure_ascii=False,
        )
        + "\n"
        for name, document in documents.items()
    }


def _model(model: type[Part], title: str) -> dict[str, Any]:
    return {**model.model_json_schema(by_alias=True, mode="serialization"), "title": title}


def _record(model: type[Record], title: str) -> dict[str, Any]:
    """Return the schema of a record's canonical form."""
    schema = model.model_json_schema(mode="serialization")
    definitions = schema.pop("$defs", {})
    return {
        "title": title,
        **_form(model, schema),
        **({"$defs": definitions} if definitions else {}),
    }


def _form(model: type[Record], schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["kind", "record", "version"],
        "properties": {
            "kind": {"const": model.record_kind},
            "record": schema,
            "version": {"const": model.record_version},
        },
    }


def _statement(kind: str) -> dict[str, Any]:
    """Return the schema of a statement of a kind, with its predicate if that is one record."""
    schema = _model(Statement, f"in-toto Statement of kind {kind}, version 1")
    signers = " or ".join(sorted(MAY_SIGN[kind]))
    schema["description"] = f"May be signed by the key of a {signers}."
    schema["properties"]["predicateType"] = {"const": predicate_type(kind)}
    if kind in PREDICATES:
        model = PREDICATES[kind]
        record = model.model_json_schema(mode="serialization")
        schema["$defs"] |= record.pop("$defs", {})
        schema["properties"]["predicate"] = _form(model, record)
        del schema["$defs"]["RecordForm"]
    return schema
