"""Connections to replay files, kept open: closing the last one would write the whole log back.

One per thread and file. A process that was forked must neither use nor even close a connection of
its parent (SQLite, How To Corrupt An SQLite Database File, section 2.6): closing it would delete
the log that the child is writing. Such connections are put aside and never touched again.
"""

import os
import sqlite3
import threading
from pathlib import Path
from typing import Final

from torghut_assets.resources.brokers.replay_rows import SCHEMA, SCHEMA_VERSION

WAIT_SECONDS: Final = 30.0
_KEPT: Final = 16
_Key = tuple[int, str]
_open: dict[_Key, sqlite3.Connection] = {}
_inherited: list[dict[_Key, sqlite3.Connection]] = []


def connection_to(path: Path) -> sqlite3.Connection:
    """Return this thread's connection to a file, in autocommit mode; tables are made if need be.

    A killed process loses nothing; a machine without power may lose the last orders.
    """
    key = (threading.get_ident(), str(path))
    kept = _open.get(key)
    if kept is not None and path.is_file():
        return kept
    while len(_open) >= _KEPT:
        _open.pop(next(iter(_open))).close()
    db = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA synchronous = NORMAL")
    if db.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(SCHEMA)
    _open[key] = db
    return db


def forget(path: Path) -> None:
    """Drop this thread's connection after an error."""
    kept = _open.pop((threading.get_ident(), str(path)), None)
    if kept is not None:
        kept.close()


def _put_aside() -> None:
    """Keep what belongs to the parent alive and out of reach."""
    _inherited.append(dict(_open))
    _open.clear()


os.register_at_fork(after_in_child=_put_aside)
