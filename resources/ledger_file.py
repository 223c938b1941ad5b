"""Where a ledger's rows lie: a small protocol, and the SQLite file that follows it.

A storage keeps rows and signed tree heads in order and lets one writer in at a time. It
believes and checks nothing: `ledger.Ledger` does. Triggers refuse UPDATE, DELETE and every
sequence but the next one, so that an accident cannot do what only an attack should.

The file is in SQLite's write-ahead mode: one flush to disk per commit. While a process has it
open, and after one was killed, the newest rows lie in `ledger.sqlite-wal`; copy both, or use
SQLite's own backup. The last process that closes it leaves one file.
"""

import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from torghut_assets.domain.evidence.entries import LedgerRow
from torghut_assets.resources.register_file import (
    RegisterBusyError,
    RegisterUnreadableError,
    connected,
    locked,
)

_WAIT_SECONDS: Final = 60.0
_ENDLESS: Final = 2**62

_SCHEMA: Final = {
    "entries": (
        "CREATE TABLE entries (sequence INTEGER PRIMARY KEY NOT NULL CHECK (sequence >= 1), "
        "leaf_hash TEXT NOT NULL UNIQUE, payload BLOB NOT NULL) STRICT"
    ),
    "heads": (
        "CREATE TABLE heads (tree_size INTEGER PRIMARY KEY NOT NULL REFERENCES entries, "
        "payload BLOB NOT NULL) STRICT"
    ),
    **{
        f"{table}_{verb.lower()}": (
            f"CREATE TRIGGER {table}_{verb.lower()} BEFORE {verb} ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        )
        for table in ("entries", "heads")
        for verb in ("DELETE", "UPDATE")
    },
    "entries_gapless": (
        "CREATE TRIGGER entries_gapless BEFORE INSERT ON entries "
        "WHEN NEW.sequence IS NOT (SELECT coalesce(max(sequence), 0) + 1 FROM entries) "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is gapless'); END"
    ),
}


class LedgerSession(Protocol):
    """The storage while this process is its only writer."""

    def rows_after(self, sequence: int, through: int | None = None) -> list[LedgerRow]:
        """Rows beyond `sequence`, in order; up to `through`, which is included, if it is given."""
        ...

    def last_row(self) -> tuple[int, str] | None:
        """Return sequence and leaf hash of the last row; `None` if there is no row."""
        ...

    def head(self, tree_size: int) -> bytes | None:
        """Signed tree head of a size; `None` if there is none."""
        ...

    def heads(self) -> dict[int, bytes]:
        """Return all signed tree heads by their size."""
        ...

    def append(self, row: LedgerRow, head: bytes) -> None:
        """Add the next row with the tree head after it."""
        ...


class LedgerStorage(Protocol):
    """What a ledger needs of the place where it is kept."""

    @property
    def location(self) -> str:
        """What to call it in messages; no secret."""
        ...

    def reading(self) -> AbstractContextManager[LedgerSession]:
        """Give one consistent view; nothing can be appended."""
        ...

    def appending(self) -> AbstractContextManager[LedgerSession]:
        """Be the only writer; what was appended is kept at the end, or all of it left out.

        The last tree head goes to the anchor after that, while nobody else may write.
        """
        ...

    def anchor(self) -> bytes | None:
        """Return the tree head that was last written down elsewhere; `None` if there is none."""
        ...

    def keep_anchor(self, head: bytes) -> None:
        """Write a tree head down elsewhere, without an entry."""
        ...

    def guards_intact(self) -> bool:
        """Whether the storage still refuses changes as this project makes it."""
        ...

    def close(self) -> None:
        """Let go of what is open; the next use opens it again."""
        ...


class _EmptySession:
    """A ledger that nobody began: nothing to read."""

    def rows_after(
        self,
        sequence: int,  # noqa: ARG002 - the protocol's
        through: int | None = None,  # noqa: ARG002 - the protocol's
    ) -> list[LedgerRow]:
        return []

    def last_row(self) -> tuple[int, str] | None:
        return None

    def head(self, tree_size: int) -> bytes | None:  # noqa: ARG002 - the protocol's
        return None

    def heads(self) -> dict[int, bytes]:
        return {}

    def append(self, row: LedgerRow, head: bytes) -> None:
        raise NotImplementedError("a ledger is read here")


class _SqliteSession:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.last_head: bytes | None = None

    def rows_after(self, sequence: int, through: int | None = None) -> list[LedgerRow]:
        rows = self._connection.execute(
            "SELECT sequence, leaf_hash, payload FROM entries "
            "WHERE sequence > ? AND sequence <= ? ORDER BY sequence",
            (sequence, _ENDLESS if through is None else through),
        )
        return [LedgerRow(int(n), str(leaf), bytes(payload)) for n, leaf, payload in rows]

    def last_row(self) -> tuple[int, str] | None:
        row = self._connection.execute(
            "SELECT sequence, leaf_hash FROM entries ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        return (int(row[0]), str(row[1])) if row else None

    def head(self, tree_size: int) -> bytes | None:
        row = self._connection.execute(
            "SELECT payload FROM heads WHERE tree_size = ?", (tree_size,)
        ).fetchone()
        return bytes(row[0]) if row else None

    def heads(self) -> dict[int, bytes]:
        rows = self._connection.execute("SELECT tree_size, payload FROM heads ORDER BY tree_size")
        return {int(size): bytes(payload) for size, payload in rows}

    def append(self, row: LedgerRow, head: bytes) -> None:
        self._connection.execute("INSERT INTO entries VALUES (?, ?, ?)", row)
        self._connection.execute("INSERT INTO heads VALUES (?, ?)", (row.sequence, head))
        self.last_head = head


class _Opened(NamedTuple):
    """A connection, and whose it is: it must not be used by another process or for another file."""

    connection: sqlite3.Connection
    process: int
    inode: int


_INHERITED: Final[list[sqlite3.Connection]] = []
"""Connections that a forked child got from its parent: to close them would ruin the parent's."""


class SqliteLedger:
    """Rows and heads in one SQLite file; writers take turns at a lock beside the anchor."""

    def __init__(self, path: Path, anchor_path: Path) -> None:
        self._path = path
        self._anchor_path = anchor_path
        self._here = threading.local()

    @property
    def location(self) -> str:
        """Path of the file."""
        return str(self._path)

    @contextmanager
    def reading(self) -> Iterator[LedgerSession]:
        """Give one consistent view of the file; an empty one if there is no file."""
        if not self._path.is_file():
            yield _EmptySession()
            return
        with self._opened() as connection:
            connection.execute("BEGIN")
            try:
                yield _SqliteSession(connection) if _is_begun(connection) else _EmptySession()
            finally:
                connection.execute("ROLLBACK")

    @contextmanager
    def appending(self) -> Iterator[LedgerSession]:
        """Be the only writer of the file; commit at the end, or leave no trace.

        Raises
        ------
        RegisterBusyError
            If another process does not let go of it.
        """
        with locked(self._anchor_path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._opened() as connection:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    if not _is_begun(connection):
                        begin_anchor(self._anchor_path)
                        for statement in _SCHEMA.values():
                            connection.execute(statement)
                    session = _SqliteSession(connection)
                    yield session
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
            if session.last_head is not None:
                replace_anchor(self._anchor_path, session.last_head)

    def anchor(self) -> bytes | None:
        """Return the tree head in the anchor file; `None` if there is no file."""
        try:
            return self._anchor_path.read_bytes()
        except FileNotFoundError:
            return None

    def keep_anchor(self, head: bytes) -> None:
        """Write the anchor file of a home that has none."""
        with locked(self._anchor_path):
            replace_anchor(self._anchor_path, head)

    def guards_intact(self) -> bool:
        """Whether tables and triggers are as this project makes them."""
        if not self._path.is_file():
            return True
        with connected(self._path) as connection:
            if not _is_begun(connection):
                return True
            found = connection.execute(
                "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'trigger')"
            )
            return dict(found.fetchall()) == _SCHEMA

    def close(self) -> None:
        """Close this thread's connection; the next use opens another."""
        held: _Opened | None = getattr(self._here, "opened", None)
        self._here.opened = None
        if held is not None and held.process == os.getpid():
            held.connection.close()
        elif held is not None:
            _INHERITED.append(held.connection)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """Give this thread's connection, opened once; what SQLite cannot do is a named error."""
        try:
            held: _Opened | None = getattr(self._here, "opened", None)
            if held is None or held[1:] != (os.getpid(), self._inode()):
                self.close()
                held = _Opened(self._connect(), os.getpid(), self._inode())
                self._here.opened = held
            yield held.connection
        except sqlite3.DatabaseError as error:
            self.close()
            if (error.sqlite_errorcode & 0xFF) == sqlite3.SQLITE_BUSY:
                raise RegisterBusyError(str(self._path)) from error
            raise RegisterUnreadableError(str(self._path), error) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_WAIT_SECONDS, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _inode(self) -> int:
        try:
            return self._path.stat().st_ino
        except FileNotFoundError:
            return 0


def _is_begun(connection: sqlite3.Connection) -> bool:
    """Whether anything was ever committed; a file without it was left by a killed process."""
    return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None


def begin_anchor(path: Path) -> None:
    """Write an anchor that has seen nothing, before the first entry, unless there is one.

    Without it, a process that is killed between the first entry and its anchor would leave a
    ledger whose anchor somebody seems to have taken away.
    """
    if not path.exists():
        replace_anchor(path, b"")


def replace_anchor(path: Path, payload: bytes) -> None:
    """Give the anchor new content in one step: whatever happens, one of both is there, whole.

    Only the content is flushed, not the folder: after a loss of power the anchor may be behind,
    which says nothing wrong.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".anchor-", dir=path.parent)
    try:
        with closing(os.fdopen(handle, "wb")) as temporary:
            temporary.write(payload)
            temporary.flush()
            os.fsync(temporary.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
