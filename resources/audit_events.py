"""Dagster's materializations as an audit reads them: all of an asset, oldest first."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import yaml

if TYPE_CHECKING:
    import dagster as dg

_AT_ONCE: Final = 1000
_DATA_VERSION: Final = "dagster/data_version"
_CODE_VERSION: Final = "dagster/code_version"
OWN_STORAGE: Final = frozenset({"storage", "run_storage", "event_log_storage"})
"""Settings of an instance that say that its event log is not in its folder."""


class MadeEvent(NamedTuple):
    """One materialization; `inputs` are the digests that were read, by upstream asset."""

    storage_id: int
    partition: str | None
    digest: str
    at: float
    run_id: str
    code_version: str | None
    inputs: dict[str, str]


def last_event(dagster_home: Path) -> int | None:
    """Return the id of the last event in a home's own log without loading Dagster.

    `None` if that cannot be said: the log is in another storage, or not there. Whoever gets the
    same number twice need not ask Dagster in between.
    """
    try:
        text = (dagster_home / "dagster.yaml").read_text("utf-8")
        settings = yaml.safe_load(text) or {}
    except (OSError, yaml.YAMLError):
        return None
    if not isinstance(settings, dict) or OWN_STORAGE & settings.keys():
        return None
    path = dagster_home / "history/runs/index.db"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=30)) as log:
            (number,) = log.execute("SELECT max(id) FROM event_logs").fetchone()
    except sqlite3.Error:  # Dagster says by itself what is wrong with it
        return None
    return int(number or 0)


def made_after(instance: "dg.DagsterInstance", name: str, storage_id: int) -> Iterator[MadeEvent]:
    """Yield the materializations of an asset that were logged after an event, in order."""
    import dagster as dg

    from torghut_assets.resources.lineage import input_digests

    key = dg.AssetKey(name)
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
