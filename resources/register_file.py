"""The file of a register: append-only SQLite, one writer, a head kept elsewhere.

The trial register and the stage receipts are each one such file; `RegisterKind` is all in
which they differ.

Triggers refuse UPDATE, DELETE and any sequence but the next one. After every commit the
head (sequence and digest) is written atomically to the anchor, which should lie where the
register does not: a register that lost entries contradicts its anchor. All writers that
share an anchor take turns at one lock file beside it.
"""

import fcntl
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from torghut_assets.domain.backtest.register_checks import (
    RegisterFinding,
    TrialRegisterBrokenError,
    check_head,
)
from torghut_assets.domain.backtest.trials import (
    GENESIS_DIGEST,
    RegisterEntry,
    RegisterRow,
    TrialAnchor,
)
from torghut_assets.domain.errors import EvidenceError, TorghutError

_WAIT_SECONDS: Final = 60.0


class RegisterKind(NamedTuple):
    """What a register is called, and the error that says it contradicts itself."""

    noun: str
    broken: Callable[[str, RegisterFinding], EvidenceError]

    def schema(self) -> dict[str, str]:
        """Return the table and its guards, by name."""
        return {
            "entries": (
                "CREATE TABLE entries (sequence INTEGER PRIMARY KEY NOT NULL "
                "CHECK (sequence >= 1), "
                "digest TEXT NOT NULL UNIQUE, payload BLOB NOT NULL) STRICT"
            ),
            "entries_keep": (
                "CREATE TRIGGER entries_keep BEFORE DELETE ON entries "
                f"BEGIN SELECT RAISE(ABORT, '{self.noun} is append-only'); END"
            ),
            "entries_freeze": (
                "CREATE TRIGGER entries_freeze BEFORE UPDATE ON entries "
                f"BEGIN SELECT RAISE(ABORT, '{self.noun} is append-only'); END"
            ),
            "entries_gapless": (
                "CREATE TRIGGER entries_gapless BEFORE INSERT ON entries "  # noqa: S608 - constants
                "WHEN NEW.sequence IS NOT (SELECT coalesce(max(sequence), 0) + 1 FROM entries) "
                f"BEGIN SELECT RAISE(ABORT, '{self.noun} is gapless'); END"
            ),
        }


TRIALS: Final = RegisterKind("the trial register", TrialRegisterBrokenError)


class RegisterBusyError(TorghutError):
    """Another process keeps the register locked for too long."""

    def __init__(self, location: str) -> None:
        super().__init__(
            f"{location}: locked by another process for {_WAIT_SECONDS:.0f} seconds. Wait for "
            "the other run to end, or end it, and try again."
        )


class RegisterUnreadableError(EvidenceError):
    """The register's file is not a register, or cannot be read and written."""

    def __init__(self, location: str, error: sqlite3.DatabaseError) -> None:
        ruined = (error.sqlite_errorcode & 0xFF) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        action = (
            "Restore the register from a backup."
            if ruined
            else "Nothing was written. See that the file and its folder are writable, with space."
        )
        super().__init__(f"{location}: {error}. {action}")


class Appending:
    """The register while this process is its only writer."""

    def __init__(self, connection: sqlite3.Connection, head: tuple[int, str]) -> None:
        self._connection = connection
        self.head_sequence, self.head_digest = head

    def append(self, entry: RegisterEntry) -> None:
        """Add the next entry; it must name the head as its predecessor."""
        payload = entry.canonical_bytes()
        row = (entry.sequence, entry.digest, payload)
        self._connection.execute("INSERT INTO entries VALUES (?, ?, ?)", row)
        self.head_sequence, self.head_digest = entry.sequence, entry.digest

    def rows_after(self, sequence: int) -> list[RegisterRow]:
        """Rows beyond `sequence`, in order."""
        return _select_after(self._connection, sequence)


class RegisterFile:
    """Rows under `path`, the head under `anchor_path`."""

    def __init__(self, path: Path, anchor_path: Path, kind: RegisterKind = TRIALS) -> None:
        self.path = path
        self.anchor_path = anchor_path
        self.kind = kind

    def read_anchor(self) -> TrialAnchor | None:
        """Return the anchor, or `None` if there is no file."""
        try:
            payload = self.anchor_path.read_bytes()
        except FileNotFoundError:
            return None
        return TrialAnchor.from_canonical_bytes(payload, location=str(self.anchor_path))

    def rows_after(self, sequence: int) -> list[RegisterRow]:
        """Rows beyond `sequence`, in order; none if there is no file."""
        if not self.path.is_file():
            return []
        with self._connected() as connection:
            return _select_after(connection, sequence)

    def rows_at(self, sequences: Iterable[int]) -> list[RegisterRow]:
        """Rows of some sequences, as far as they are there, unchecked."""
        if not self.path.is_file():
            return []
        with self._connected() as connection:
            found = (
                connection.execute(
                    "SELECT sequence, digest, payload FROM entries WHERE sequence = ?", (sequence,)
                ).fetchone()
                for sequence in sequences
            )
            return [RegisterRow(int(r[0]), str(r[1]), bytes(r[2])) for r in found if r]

    def require_anchored(self) -> None:
        """Refuse a register that contradicts its anchor; costs two rows, not all of them."""
        anchor = self.read_anchor()
        if self.path.is_file():
            with self._connected() as connection:
                self._checked_head(connection, anchor)
        elif finding := check_head(anchor, 0, None):
            raise self.kind.broken(str(self.path), finding)

    def guards_intact(self) -> bool:
        """Whether table and triggers are as this project makes them."""
        if not self.path.is_file():
            return True
        with self._connected() as connection:
            found = connection.execute(
                "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'trigger')"
            )
            return dict(found.fetchall()) == self.kind.schema()

    def file_id(self) -> int:
        """Inode of the register: a copy or a restored backup has another one."""
        return self.path.stat().st_ino if self.path.is_file() else 0

    @contextmanager
    def appending(self) -> Iterator[tuple[Appending, TrialAnchor | None]]:
        """Be the only writer; commit and move the anchor at the end, or leave no trace.

        Raises
        ------
        TrialRegisterBrokenError
            If the register contradicts its anchor.
        RegisterBusyError
            If another process does not let go of the register.
        """
        with locked(self.anchor_path):
            anchor = self.read_anchor()
            self._prepare(anchor)
            with self._connected() as connection:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    head = self._checked_head(connection, anchor)
                    session = Appending(connection, head)
                    yield session, anchor
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
            self._write_anchor(session.head_sequence, session.head_digest)

    def _prepare(self, anchor: TrialAnchor | None) -> None:
        """Make the file and its first anchor, unless an anchor says that there was one."""
        if self.path.is_file():
            return
        if anchor is not None and (finding := check_head(anchor, 0, None)):
            raise self.kind.broken(str(self.path), finding)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._connected(create=True) as connection:
            connection.execute("BEGIN IMMEDIATE")
            for statement in self.kind.schema().values():
                connection.execute(statement)
            connection.execute("COMMIT")
        self._write_anchor(0, GENESIS_DIGEST)

    def _checked_head(
        self, connection: sqlite3.Connection, anchor: TrialAnchor | None
    ) -> tuple[int, str]:
        last = connection.execute(
            "SELECT sequence, digest FROM entries ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        head = (int(last[0]), str(last[1])) if last else (0, GENESIS_DIGEST)
        anchored = connection.execute(
            "SELECT digest FROM entries WHERE sequence = ?", (anchor.sequence if anchor else 0,)
        ).fetchone()
        if finding := check_head(anchor, head[0], anchored[0] if anchored else None):
            raise self.kind.broken(str(self.path), finding)
        return head

    def _write_anchor(self, sequence: int, digest: str) -> None:
        anchor = TrialAnchor(sequence=sequence, head_digest=digest, file_id=self.file_id())
        replace_file(self.anchor_path, anchor.canonical_bytes())

    def _connected(self, *, create: bool = False) -> AbstractContextManager[sqlite3.Connection]:
        return connected(self.path, create=create)


def replace_file(path: Path, payload: bytes) -> None:
    """Give a file new content in one step, on the disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".anchor-", dir=path.parent)
    with os.fdopen(handle, "wb") as temporary:
        temporary.write(payload)
        temporary.flush()
        os.fsync(temporary.fileno())
    Path(name).replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(anchor_path: Path) -> Iterator[None]:
    """Be the only process that writes the register of an anchor.

    Raises
    ------
    RegisterBusyError
        If another process does not let go of it.
    """
    anchor_path.parent.mkdir(parents=True, exist_ok=True)
    lock = anchor_path.with_name(anchor_path.name + ".lock")
    deadline = time.monotonic() + _WAIT_SECONDS
    with lock.open("ab") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise RegisterBusyError(str(lock)) from error
                time.sleep(0.01)
        yield


@contextmanager
def connected(path: Path, *, create: bool = False) -> Iterator[sqlite3.Connection]:
    """Open a register's database; what SQLite cannot do is one of this module's errors."""
    mode = "rwc" if create else "rw"
    try:
        with closing(
            sqlite3.connect(
                f"{path.resolve().as_uri()}?mode={mode}",
                uri=True,
                timeout=_WAIT_SECONDS,
                isolation_level=None,
            )
        ) as connection:
            connection.execute("PRAGMA synchronous = EXTRA")
            yield connection
    except sqlite3.DatabaseError as error:
        if (error.sqlite_errorcode & 0xFF) == sqlite3.SQLITE_BUSY:
            raise RegisterBusyError(str(path)) from error
        raise RegisterUnreadableError(str(path), error) from error


def _select_after(connection: sqlite3.Connection, sequence: int) -> list[RegisterRow]:
    rows = connection.execute(
        "SELECT sequence, digest, payload FROM entries WHERE sequence > ? ORDER BY sequence",
        (sequence,),
    )
    return [RegisterRow(int(n), str(digest), bytes(payload)) for n, digest, payload in rows]
