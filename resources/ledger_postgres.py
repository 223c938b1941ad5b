"""The ledger's rows in PostgreSQL, for a team: `deploy/postgres/ledger.sql` makes the tables.

Writers take turns at an advisory lock, which a killed writer's connection lets go of; readers see
one snapshot. The database refuses what is not the next row, and this machine's role may not
change any. The anchor stays a file of this home: a database cannot vouch for itself. The URL may
hold a password, so no message quotes it, or an error that could.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from torghut_assets.domain.errors import EvidenceError, TorghutError
from torghut_assets.domain.evidence.entries import LedgerRow
from torghut_assets.resources.ledger_file import LedgerSession, begin_anchor, replace_anchor
from torghut_assets.resources.register_file import RegisterBusyError, locked

if TYPE_CHECKING:
    import psycopg2
    from psycopg2.extensions import connection as Connection  # noqa: N812 - the driver's name
    from psycopg2.extensions import cursor as Cursor  # noqa: N812 - the driver's name

_LOCK: Final = 0x746F72676875746C
"""Number of the advisory lock: the letters `torghutl`."""
_WAIT: Final = "60s"
_ENDLESS: Final = 2**62
_LOCK_NOT_AVAILABLE: Final = "55P03"
_TRIGGERS: Final = {
    ("entries", "entries_gapless", "require_next", 7),
    ("entries", "entries_keep", "refuse_change", 27),
    ("entries", "entries_stay", "refuse_change", 34),
    ("heads", "heads_keep", "refuse_change", 27),
    ("heads", "heads_stay", "refuse_change", 34),
}
"""Table, trigger, function and the bits of `pg_trigger.tgtype`: when it fires, and for what."""
_BODIES: Final = {
    "refuse_change": "BEGIN RAISE EXCEPTION 'the ledger is append-only'; END",
    "require_next": (
        "BEGIN IF NEW.sequence <> (SELECT coalesce(max(sequence), 0) + 1 "
        "FROM torghut_ledger.entries) THEN RAISE EXCEPTION 'the ledger is gapless'; END IF; "
        "RETURN NEW; END"
    ),
}


class LedgerUnavailableError(EvidenceError):
    """The database cannot be reached or refuses; nothing was written."""

    def __init__(self, location: str, problem: str) -> None:
        super().__init__(
            f"{location}: {problem}. Nothing was written. See TORGHUT_LEDGER_URL, the database's "
            "own log, and deploy/postgres/ledger.sql."
        )


class LedgerUncertainError(LedgerUnavailableError):
    """The database went away while it was asked to keep what was written."""

    def __init__(self, location: str, problem: str) -> None:
        TorghutError.__init__(
            self,
            f"{location}: {problem}, while it was asked to keep what was written: that may be kept "
            "or not. Run the same command again: it reads what is there and goes on from it.",
        )


class _Opened(NamedTuple):
    connection: "Connection"
    process: int


_INHERITED: Final[list["Connection"]] = []
"""Connections that a forked child got from its parent: to close them would end the parent's."""


class _PostgresSession:
    def __init__(self, cursor: "Cursor") -> None:
        self._cursor = cursor
        self.last_head: bytes | None = None

    def rows_after(self, sequence: int, through: int | None = None) -> list[LedgerRow]:
        self._cursor.execute(
            "SELECT sequence, leaf_hash, payload FROM torghut_ledger.entries "
            "WHERE sequence > %s AND sequence <= %s ORDER BY sequence",
            (sequence, _ENDLESS if through is None else through),
        )
        return [LedgerRow(int(n), str(leaf), bytes(body)) for n, leaf, body in self._cursor]

    def last_row(self) -> tuple[int, str] | None:
        self._cursor.execute(
            "SELECT sequence, leaf_hash FROM torghut_ledger.entries ORDER BY sequence DESC LIMIT 1"
        )
        row = self._cursor.fetchone()
        return (int(row[0]), str(row[1])) if row else None

    def head(self, tree_size: int) -> bytes | None:
        self._cursor.execute(
            "SELECT payload FROM torghut_ledger.heads WHERE tree_size = %s", (tree_size,)
        )
        row = self._cursor.fetchone()
        return bytes(row[0]) if row else None

    def heads(self) -> dict[int, bytes]:
        self._cursor.execute(
            "SELECT tree_size, payload FROM torghut_ledger.heads ORDER BY tree_size"
        )
        return {int(size): bytes(payload) for size, payload in self._cursor}

    def append(self, row: LedgerRow, head: bytes) -> None:
        self._cursor.execute("INSERT INTO torghut_ledger.entries VALUES (%s, %s, %s)", tuple(row))
        self._cursor.execute(
            "INSERT INTO torghut_ledger.heads VALUES (%s, %s)", (row.sequence, head)
        )
        self.last_head = head


class PostgresLedger:
    """Rows and heads in a PostgreSQL database; the anchor in a file of this home.

    Parameters
    ----------
    url : str
        As libpq reads it, e.g. from `TORGHUT_LEDGER_URL`.
    anchor_path : Path
        This home's own copy of the last tree head.
    """

    def __init__(self, url: str, anchor_path: Path) -> None:
        self._url = url
        self._anchor_path = anchor_path
        self._here = threading.local()

    def __repr__(self) -> str:
        return f"PostgresLedger({self.location})"

    @property
    def location(self) -> str:
        """Host and database, without user and password."""
        try:
            parts = urlsplit(self._url)
            host = parts.hostname or "local"
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            return "PostgreSQL ledger"
        known = parts.scheme in ("postgres", "postgresql")
        return f"postgresql://{host}{port}{parts.path}" if known else "PostgreSQL ledger"

    @contextmanager
    def reading(self) -> Iterator[LedgerSession]:
        """Give one consistent view of the ledger.

        Raises
        ------
        LedgerUnavailableError
            If the database cannot be reached or read.
        """
        with self._transaction("REPEATABLE READ READ ONLY") as cursor:
            yield _PostgresSession(cursor)

    @contextmanager
    def appending(self) -> Iterator[LedgerSession]:
        """Be the only writer anywhere; commit at the end, or leave no trace.

        Raises
        ------
        LedgerUnavailableError
            If the database cannot be reached, or refuses a row.
        RegisterBusyError
            If another writer does not let go of it.
        """
        with locked(self._anchor_path):
            with self._transaction("READ COMMITTED READ WRITE") as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                session = _PostgresSession(cursor)
                if session.last_row() is None:
                    begin_anchor(self._anchor_path)
                yield session
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
        """Whether triggers are as the script makes them, and this role may only add rows."""
        with self._transaction("REPEATABLE READ READ ONLY") as cursor:
            cursor.execute(
                "SELECT c.relname, t.tgname, p.proname, t.tgtype, t.tgenabled, p.prosrc "
                "FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
                "JOIN pg_proc p ON p.oid = t.tgfoid "
                "WHERE c.relnamespace = 'torghut_ledger'::regnamespace AND NOT t.tgisinternal"
            )
            found = cursor.fetchall()
            cursor.execute(
                "SELECT bool_or(has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE, TRIGGER') "
                "OR pg_has_role(c.relowner, 'USAGE')) FROM pg_class c "
                "WHERE c.relnamespace = 'torghut_ledger'::regnamespace AND c.relkind = 'r'"
            )
            (may_change,) = cursor.fetchone() or (True,)
        triggers = {tuple(row[:4]) for row in found}
        always = all(row[4] == "A" for row in found)
        bodies = {row[2]: " ".join(row[5].split()) for row in found}
        return triggers == _TRIGGERS and always and bodies == _BODIES and may_change is False

    def close(self) -> None:
        """Close this thread's connection; the next use opens another."""
        held: _Opened | None = getattr(self._here, "opened", None)
        self._here.opened = None
        if held is not None and held.process == os.getpid():
            held.connection.close()
        elif held is not None:
            _INHERITED.append(held.connection)

    @contextmanager
    def _transaction(self, mode: str) -> Iterator["Cursor"]:
        """Run a block in one transaction; commit at its end."""
        import psycopg2

        connection = self._begun(mode)
        keeping = False
        try:
            with connection.cursor() as cursor:
                yield cursor
                keeping = mode.endswith("READ WRITE")
                cursor.execute("COMMIT")
        except psycopg2.Error as error:
            self._abandon(connection)
            if error.pgcode == _LOCK_NOT_AVAILABLE:
                raise RegisterBusyError(self.location) from None
            raise self._refused(error, LedgerUncertainError if keeping else None) from None
        except BaseException:
            self._abandon(connection)
            raise

    def _begun(self, mode: str) -> "Connection":
        """Begin a transaction. A connection that was kept and is dead is opened anew, once.

        Nothing was said on it yet: the database may have been restarted since it was last used.
        """
        import psycopg2

        connection, was_kept = self._connection()
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"BEGIN ISOLATION LEVEL {mode}")
        except psycopg2.Error as error:
            self._abandon(connection)
            with suppress(psycopg2.Error):
                self.close()
            if was_kept:
                return self._begun(mode)
            raise self._refused(error) from None
        return connection

    def _refused(
        self, error: "psycopg2.Error", kind: type[LedgerUnavailableError] | None = None
    ) -> LedgerUnavailableError:
        problem = error.diag.message_primary or type(error).__name__
        return (kind or LedgerUnavailableError)(self.location, problem)

    def _abandon(self, connection: "Connection") -> None:
        """Roll back whatever was begun; a connection that cannot even do that is closed."""
        import psycopg2

        try:
            with connection.cursor() as cursor:
                cursor.execute("ROLLBACK")
        except psycopg2.Error:
            with suppress(psycopg2.Error):
                self.close()

    def _connection(self) -> tuple["Connection", bool]:
        """Return this thread's connection, and whether it was open before."""
        import psycopg2

        held: _Opened | None = getattr(self._here, "opened", None)
        if held is not None and held.process == os.getpid() and not held.connection.closed:
            return held.connection, True
        self.close()
        try:
            connection = psycopg2.connect(
                self._url,
                connect_timeout=10,
                application_name="torghut",
                options=f"-c lock_timeout={_WAIT} -c search_path=pg_catalog",
            )
        except psycopg2.Error as error:  # its text may quote the URL
            problem = f"cannot be reached ({type(error).__name__})"
            raise LedgerUnavailableError(self.location, problem) from None
        connection.autocommit = True  # BEGIN and COMMIT are ours
        self._here.opened = _Opened(connection, os.getpid())
        return connection, False
