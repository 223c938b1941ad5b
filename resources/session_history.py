"""Sessions of deployed candidates, read once per process: what is current, and its records.

A record is named by its digest, so what was read and verified once need not be read again. Which
digest is current is asked of the event log each time, but only for events since the last time.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import dagster as dg

from torghut_assets.domain.records import Record
from torghut_assets.resources.artifact_store import ArtifactStore
from torghut_assets.resources.lineage import RecordT, read_record

FactsT = TypeVar("FactsT")
_PAGE = 1_000
_DATA_VERSION = "dagster/data_version"


class Made(NamedTuple):
    """One materialization of a partition: position in the event log, digest, time."""

    storage_id: int
    partition: str
    digest: str
    timestamp: float


@dataclass
class _Index:
    """Materializations of one asset so far, and the newest digest by partition."""

    made: list[Made] = field(default_factory=list)
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
        return self._index(instance, key).digests

    def made(self, instance: dg.DagsterInstance, key: dg.AssetKey) -> list[Made]:
        """Return every materialization of an asset, oldest first; do not change it."""
        return self._index(instance, key).made

    def _index(self, instance: dg.DagsterInstance, key: dg.AssetKey) -> _Index:
        index = self._indexes.setdefault(instance, {}).setdefault(key, _Index())
        while True:
            seen = index.made[-1].storage_id if index.made else None
            newer = dg.AssetRecordsFilter(asset_key=key, after_storage_id=seen)
            page = instance.fetch_materializations(newer, limit=_PAGE, ascending=True).records
            for record in page:
                event = record.asset_materialization
                if event is None:
                    continue
                digest = dict(event.tags or {}).get(_DATA_VERSION, "")
                partition = event.partition or ""
                made = Made(record.storage_id, partition, digest, record.timestamp)
                index.made.append(made)
                index.digests[partition] = digest
            if len(page) < _PAGE:
                return index

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
