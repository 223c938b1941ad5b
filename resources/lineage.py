"""The index: which record an asset's partition holds now, and what it was made from.

Dagster's event log says which digest is current; the artifact store holds the record and
proves its content. An edited event log can therefore point at another intact record, but
that record names its own subject and inputs, and every decision checks both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import dagster as dg

from torghut_assets.domain.digests import is_digest
from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.records import Record
from torghut_assets.resources.artifact_store import ArtifactStore, ReadableStore

RecordT = TypeVar("RecordT", bound=Record)

_DATA_VERSION = "dagster/data_version"
_CODE_VERSION = "dagster/code_version"
INPUT_DIGESTS = "input_digests"
"""Metadata of a materialization: upstream asset to the digest that was read.

Dagster's own tag of a partitioned input is a hash of data versions, not the digest."""
STATEMENT_DIGEST = "statement_digest"
"""Metadata of a materialization: SHA-256 of the signed statement about its record."""
LEDGER_SEQUENCE = "ledger_sequence"
"""Metadata of a materialization: the ledger entry that holds the statement."""


@dataclass(frozen=True)
class Materialization:
    """What the event log says about the newest materialization of one partition."""

    digest: str
    code_version: str | None
    inputs: dict[str, str]
    timestamp: float
    run_id: str


def newest(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None
) -> Materialization | None:
    """Newest materialization of an asset's partition, or `None` if there is none."""
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition] if partition else None),
        limit=1,
    ).records
    if not records or (event := records[0].asset_materialization) is None:
        return None
    tags = dict(event.tags or {})
    return Materialization(
        digest=tags.get(_DATA_VERSION, ""),
        code_version=tags.get(_CODE_VERSION),
        inputs=input_digests(event.metadata),
        timestamp=records[0].timestamp,
        run_id=records[0].run_id,
    )


def input_digests(metadata: Mapping[str, object]) -> dict[str, str]:
    """Return the digests that `RecordIO` noted; a log without them is no evidence of any."""
    noted = metadata.get(INPUT_DIGESTS)
    if not isinstance(noted, dg.JsonMetadataValue) or not isinstance(noted.data, dict):
        return {}
    return {str(name): str(digest) for name, digest in noted.data.items()}


def read_record(
    store: ReadableStore, model: type[RecordT], digest: str, *, location: str, subject: str | None
) -> RecordT:
    """Load a record by digest, verified: bytes, form, and that it is about `subject`.

    Raises
    ------
    EvidenceError
        If the bytes are missing or altered, not such a record, or about something else.
    """
    if not is_digest(digest):
        raise EvidenceContradictionError(
            location=location,
            found=f"the data version {ascii(digest)[:40]}",
            expected="the digest of a record",
        )
    record = model.from_canonical_bytes(store.get(digest), location=location)
    if record.subject != subject:
        raise EvidenceContradictionError(
            location=location, found=f"it is about {record.subject}", expected=str(subject)
        )
    return record


def current_record(
    instance: dg.DagsterInstance,
    store: ArtifactStore,
    model: type[RecordT],
    key: dg.AssetKey,
    partition: str | None,
) -> RecordT | None:
    """Return the record that a partition holds now, verified; `None` if never materialized."""
    event = newest(instance, key, partition)
    if event is None:
        return None
    location = f"{key.to_user_string()}[{partition}]" if partition else key.to_user_string()
    return read_record(store, model, event.digest, location=location, subject=partition)
