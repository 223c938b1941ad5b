"""Dagster's SQLite storage with connections that stay open.

Dagster opens and closes a connection, and builds an engine, for each event it writes. Most of
the time of a small run goes into that: SQL is compiled anew, and closing the last connection
folds the write-ahead log back into the file. Here an engine lives as long as its storage. The
files, the tables and every statement are Dagster's own, so that its UI and daemon read them at
the same time.

The two classes override one private method each; `tests/resources/test_kept_storage.py` fails
if a new minor version of Dagster moves it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    INDEX_SHARD_NAME,
    SqliteEventLogStorage,
)
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.sql import create_engine
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine

from torghut_assets.resources.audit_events import OWN_STORAGE

_BUSY_SECONDS: Final = 30


def _engine(url: str) -> Engine:
    return create_engine(url, connect_args={"timeout": _BUSY_SECONDS})


class KeptEventLog(SqliteEventLogStorage):
    """Event log of a home: the index and the newest run keep their engines."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> "KeptEventLog":
        """Return the storage that an instance's configuration describes."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engine_of(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def dispose(self) -> None:
        """Close every connection."""
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        super().dispose()

    def _engine_of(self, shard: str) -> Engine:
        if shard not in self._engines:
            for other in [s for s in self._engines if s != INDEX_SHARD_NAME]:
                self._engines.pop(other).dispose()
            self._engines[shard] = _engine(self.conn_string_for_shard(shard))
        return self._engines[shard]


class KeptRunStorage(SqliteRunStorage):
    """Runs and their tags, on one engine."""

    _engine: Engine | None = None

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Yield a connection in a transaction."""
        if self._engine is None:
            self._engine = _engine(self._conn_string)
        with self._engine.connect() as connection, connection.begin():
            yield connection

    def dispose(self) -> None:
        """Close every connection."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
        super().dispose()

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> "KeptRunStorage":
        """Return the storage that an instance's configuration describes, made on first use."""
        made = SqliteRunStorage.from_config_value(inst_data, config_value)
        kept = cls(made._conn_string, inst_data)
        made.dispose()
        return kept


def instance_ref(dagster_home: Path) -> InstanceRef:
    """Return the reference to an instance; its own storage settings, if any, are left alone.

    Parameters
    ----------
    dagster_home : Path
        Folder with a `dagster.yaml`.
    """
    if has_own_storage(dagster_home):
        return InstanceRef.from_dir(str(dagster_home))
    history = dagster_home / "history"
    return InstanceRef.from_dir(
        str(dagster_home),
        overrides={
            "run_storage": _storage(KeptRunStorage, history),
            "event_log_storage": _storage(KeptEventLog, history / "runs"),
        },
    )


def has_own_storage(dagster_home: Path) -> bool:
    """Whether the instance's settings name a storage, for example a team's PostgreSQL."""
    settings = yaml.safe_load((dagster_home / "dagster.yaml").read_text("utf-8")) or {}
    return bool(OWN_STORAGE & set(settings))


def _storage(kept: type, base_dir: Path) -> dict[str, Any]:
    return {"module": __name__, "class": kept.__name__, "config": {"base_dir": f"{base_dir}/"}}
