"""Sessions of deployed candidates, read once per process: what is current, and its records.

A record is named by its digest, so what was read and verified once need not be read again. Which
digest is current is asked of the event log each time, but only for events since the last time.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar
from weakref import WeakKeyDictionary

import dagster as dg

from torghut_assets.domain.records import Record
from torghut_assets.resources.artifact_store import ArtifactStore
from torghut_assets.resources.lineage import RecordT, read_record

FactsT = TypeVar("FactsT")
_PAGE = 1_000
_DATA_VERSION = "dagster/data_version"


@dataclass
class _Index:
    """Newest digest by partition of one asset, as of one event."""

    seen: int = 0
    digests: dict[str, str] = field(default_factory=dict)


class SessionHistory:
    """What the partitions of session assets hold now."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._indexes: WeakKeyDictionary[dg.DagsterInstance, dict[dg.AssetKey, _Index]] = (
            WeakKeyDictionary()
        )
        self._records: dict[str, Record] = {}
        self._facts: dict[tuple[str, ...], object] = {}

    def digests(self, instance: dg.DagsterInstance, key: dg.AssetKey) -> dict[str, str]:
        """Return the newest digest of every partition of an asset; do not change it."""
        index = self._indexes.setdefault(instance, {}).setdefault(key, _Index())
        while True:
            newer = dg.AssetRecordsFilter(asset_key=key, after_storage_id=index.seen or None)
            page = instance.fetch_materializations(newer, limit=_PAGE, ascending=True).records
            for record in page:
                event = record.asset_materialization
                if event is not None and event.partition is not None:
                    tags = dict(event.tags or {})
                    index.digests[event.partition] = tags.get(_DATA_VERSION, "")
                index.seen = record.storage_id
            if len(page) < _PAGE:
                return index.digests

    def sessions(
        self, instance: dg.DagsterInstance, key: dg.AssetKey, candidate_id: str
    ) -> dict[str, str]:
        """Return session to newest digest of one candidate, in the order of the sessions."""
        start = f"{candidate_id}|"
        own = {
            partition.removeprefix(start): digest
            for partition, digest in self.digests(instance, key).items()
            if partition.startswith(start)
        }
        return dict(sorted(own.items()))

    def record(self, model: type[RecordT], digest: str, subject: str) -> RecordT:
        """Return a record by digest, verified when it was first read.

        Raises
        ------
        EvidenceError
            If it is missing, altered, or about something else.
        """
        known = self._records.get(digest)
        if isinstance(known, model) and known.subject == subject:
            return known
        found = read_record(self._store, model, digest, location=subject, subject=subject)
        self._records[digest] = found
        return found

    def facts(self, digests: tuple[str, ...], make: Callable[[], FactsT]) -> FactsT:
        """Return what `make` makes of the records with these digests, made once."""
        if digests not in self._facts:
            self._facts[digests] = make()
        return self._facts[digests]  # type: ignore[return-value] # one key, one kind of facts

    def forget_records(self) -> None:
        """Drop records that were reduced to facts."""
        self._records.clear()
