"""Dagster's materializations as an audit reads them: all of an asset, oldest first."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import dagster as dg

from torghut_assets.resources.lineage import input_digests

_AT_ONCE: Final = 1000
_DATA_VERSION: Final = "dagster/data_version"
_CODE_VERSION: Final = "dagster/code_version"


class MadeEvent(NamedTuple):
    """One materialization; `inputs` are the digests that were read, by upstream asset."""

    storage_id: int
    partition: str | None
    digest: str
    at: float
    run_id: str
    code_version: str | None
    inputs: dict[str, str]


def made_after(
    instance: dg.DagsterInstance, key: dg.AssetKey, storage_id: int
) -> Iterator[MadeEvent]:
    """Yield the materializations of an asset that were logged after an event, in order."""
    while True:
        found = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key, after_storage_id=storage_id),
            limit=_AT_ONCE,
            ascending=True,
        ).records
        for record in found:
            storage_id = record.storage_id
            event = record.asset_materialization
            if event is None:
                continue
            tags = event.tags or {}
            yield MadeEvent(
                storage_id=storage_id,
                partition=None if event.partition is None else str(event.partition),
                digest=tags.get(_DATA_VERSION, ""),
                at=record.timestamp,
                run_id=record.run_id,
                code_version=tags.get(_CODE_VERSION),
                inputs=input_digests(event.metadata),
            )
        if len(found) < _AT_ONCE:
            return
