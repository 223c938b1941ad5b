"""An index over a home's evidence: which record names which digest, and who made what when.

The index is derived and may be deleted at any time: everything in it comes from the store,
the registers, the ledger and Dagster's event log, and each artifact, register row and
ledger entry is verified once, when it is indexed. Nothing is decided from it. It exists
because a question about one of 10,000 decisions must not read all of them.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final, NamedTuple, Self

import dagster as dg

from torghut_assets.domain.audit.impact import Edge
from torghut_assets.domain.audit.references import Reading, read_any, references
from torghut_assets.domain.backtest.trials import GENESIS_DIGEST
from torghut_assets.domain.digests import canonical_json, is_digest, sha256_hex
from torghut_assets.domain.errors import EvidenceContradictionError, EvidenceError
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.resources.audit_events import MadeEvent, made_after
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.register_file import RegisterFile

_FORM: Final = 2
_AT_ONCE: Final = 500
_OPENING: Final = b'{"kind":'
_SCHEMA: Final = """
CREATE TABLE progress (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE nodes (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, kind TEXT, about TEXT)
  STRICT;
CREATE TABLE edges (by INTEGER NOT NULL, place TEXT NOT NULL, named INTEGER NOT NULL,
  PRIMARY KEY (named, by, place)) STRICT, WITHOUT ROWID;
CREATE INDEX edges_by ON edges (by);
CREATE INDEX nodes_of_kind ON nodes (kind);
CREATE TABLE made (storage_id INTEGER PRIMARY KEY, asset TEXT NOT NULL, partition TEXT,
  digest TEXT NOT NULL, at REAL NOT NULL, run_id TEXT NOT NULL, code_version TEXT,
  inputs TEXT NOT NULL) STRICT;
CREATE INDEX made_of ON made (partition, asset);
CREATE INDEX made_digest ON made (digest);
CREATE TABLE rows (register TEXT NOT NULL, sequence INTEGER NOT NULL, digest TEXT NOT NULL,
  candidate TEXT, kind TEXT NOT NULL, payload BLOB NOT NULL,
  PRIMARY KEY (register, sequence)) STRICT;
CREATE INDEX rows_of ON rows (register, candidate);
CREATE TABLE statements (sequence INTEGER NOT NULL, at TEXT NOT NULL, kind TEXT NOT NULL,
  subject TEXT NOT NULL, name TEXT NOT NULL, signers TEXT NOT NULL, actor TEXT,
  PRIMARY KEY (sequence, name)) STRICT;
CREATE INDEX statements_about ON statements (subject);
CREATE VIEW removed AS SELECT s.subject AS digest FROM statements s
  WHERE s.kind = 'tombstone' AND s.name = 'artifact' AND NOT EXISTS (SELECT 1 FROM statements t
    WHERE t.subject = s.subject AND t.kind <> 'tombstone' AND t.sequence > s.sequence);
"""


class MadeRow(NamedTuple):
    """One materialization as the event log tells it."""

    storage_id: int
    asset: str
    partition: str | None
    digest: str
    at: float
    run_id: str
    code_version: str | None
    inputs: str


class StatementRow(NamedTuple):
    """One signed statement about a digest."""

    sequence: int
    at: str
    kind: str
    subject: str
    name: str
    signers: str
    actor: str | None


class AuditIndex:
    """The index of one home, brought up to date before it is asked. See `opened`."""

    def __init__(self, home: Home, connection: sqlite3.Connection) -> None:
        self._home = home
        self._db = connection

    @classmethod
    @contextmanager
    def opened(
        cls,
        home: Home,
        instance: dg.DagsterInstance | None,
        ledger: Ledger,
        assets: Sequence[str],
        *,
        rebuild: bool = False,
    ) -> Iterator[Self]:
        """Open the index and bring it up to date.

        Parameters
        ----------
        home : Home
        instance : DagsterInstance or None
            Whose events are read; `None` reads the store, the registers and the ledger only.
        ledger : Ledger
        assets : sequence of str
            Assets whose materializations are indexed.
        rebuild : bool
            Forget what was indexed before and verify all anew.

        Raises
        ------
        EvidenceError
            If a register or the ledger contradicts itself.
        """
        path = home.audit_index_path
        path.parent.mkdir(parents=True, exist_ok=True)
        if rebuild:
            path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as connection:
            connection.execute("PRAGMA synchronous = OFF")  # derived: a torn one is made anew
            connection.execute("BEGIN IMMEDIATE")
            _prepare(connection)
            index = cls(home, connection)
            index._catch_up(instance, ledger, assets)
            connection.execute("COMMIT")
            yield index

    def namers(self, digests: Sequence[str]) -> Mapping[str, Sequence[Edge]]:
        """Return the edges of the records that name each of some digests."""
        found: dict[str, list[Edge]] = {}
        for named, by, place in self._in_batches(
            "SELECT t.digest, s.digest, e.place FROM nodes t JOIN edges e ON e.named = t.id "
            "JOIN nodes s ON s.id = e.by WHERE t.digest IN ({})",
            digests,
        ):
            found.setdefault(named, []).append(Edge(by, place, named))
        return found

    def named_by(self, digests: Sequence[str]) -> set[str]:
        """Return everything that some records rest on, whatever the number of steps."""
        seen: set[str] = set()
        level = list(digests)
        while level:
            rows = self._in_batches(
                "SELECT t.digest FROM nodes s JOIN edges e ON e.by = s.id "
                "JOIN nodes t ON t.id = e.named WHERE s.digest IN ({})",
                level,
            )
            level = sorted({str(digest) for (digest,) in rows} - seen)
            seen.update(level)
        return seen

    def described(self, digests: Sequence[str]) -> dict[str, tuple[str | None, str | None]]:
        """Return kind and subject of digests that the index knows."""
        rows = self._in_batches(
            "SELECT digest, kind, about FROM nodes WHERE digest IN ({})", digests
        )
        return {digest: (kind, about) for digest, kind, about in rows}

    def completed(self, digits: str) -> str:
        """Return the one known digest that begins with some digits.

        Raises
        ------
        EvidenceError
            If there is none, or more than one.
        """
        rows = self._db.execute(
            "SELECT digest FROM nodes WHERE digest >= ? AND digest < ? LIMIT 2",
            (digits, digits + "g"),
        ).fetchall()
        if len(rows) != 1:
            found = "two or more digests begin" if rows else "nothing in this home begins"
            raise EvidenceError(f"{digits}: {found} with it. Give more of its 64 digits.")
        return str(rows[0][0])

    def made(self, partitions: Iterable[str], prefix: str | None = None) -> list[MadeRow]:
        """Return the materializations of partitions, and of those that begin with `prefix`."""
        rows = [
            row
            for partition in dict.fromkeys(partitions)
            for row in self._db.execute("SELECT * FROM made WHERE partition = ?", (partition,))
        ]
        if prefix is not None:
            rows += self._db.execute(
                "SELECT * FROM made WHERE partition >= ? AND partition < ?",
                (prefix, prefix + "\U0010ffff"),
            )
        return sorted({MadeRow(*row) for row in rows})

    def made_with(self, digests: Sequence[str]) -> list[MadeRow]:
        """Return the materializations that hold one of some digests, in order."""
        rows = self._in_batches("SELECT * FROM made WHERE digest IN ({})", digests)
        return sorted(MadeRow(*row) for row in rows)

    def statements(self, digests: Sequence[str]) -> list[StatementRow]:
        """Return the signed statements about some digests, in order."""
        rows = self._in_batches("SELECT * FROM statements WHERE subject IN ({})", digests)
        return sorted(StatementRow(*row) for row in rows)

    def rows(self, register: str, candidate: str) -> list[bytes]:
        """Return the payloads of a candidate's entries in a register, in order."""
        found = self._db.execute(
            "SELECT payload FROM rows WHERE register = ? AND candidate = ? ORDER BY sequence",
            (register, candidate),
        )
        return [bytes(payload) for (payload,) in found]

    def rows_of_kind(self, register: str, kind: str) -> list[bytes]:
        """Return the payloads of a register's entries of a kind, in order."""
        found = self._db.execute(
            "SELECT payload FROM rows WHERE register = ? AND kind = ? ORDER BY sequence",
            (register, kind),
        )
        return [bytes(payload) for (payload,) in found]

    def head(self, register: str) -> tuple[int, str]:
        """Return sequence and digest of the last indexed entry of a register."""
        row = self._db.execute(
            "SELECT sequence, digest FROM rows WHERE register = ? ORDER BY sequence DESC LIMIT 1",
            (register,),
        ).fetchone()
        return (int(row[0]), str(row[1])) if row else (0, GENESIS_DIGEST)

    def count_by_kind(self) -> dict[str, int]:
        """Return how many records there are of each kind; none that a tombstone stands for."""
        rows = self._db.execute(
            "SELECT kind, count(*) FROM nodes WHERE kind IS NOT NULL "
            "AND digest NOT IN (SELECT digest FROM removed) GROUP BY kind"
        )
        return {str(kind): int(count) for kind, count in rows}

    def newest_of_kind(self, kind: str) -> str | None:
        """Return the digest of a kind that was made last; indexed last if no event says."""
        row = self._db.execute(
            "SELECT n.digest FROM nodes n LEFT JOIN made m ON m.digest = n.digest "
            "WHERE n.kind = ? AND n.digest NOT IN (SELECT digest FROM removed) "
            "ORDER BY m.at DESC NULLS LAST, n.id DESC LIMIT 1",
            (kind,),
        ).fetchone()
        return str(row[0]) if row else None

    def _in_batches(self, sql: str, digests: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Run a query for digests, some at a time: SQLite limits how many it takes."""
        for start in range(0, len(digests), _AT_ONCE):
            batch = digests[start : start + _AT_ONCE]
            yield from self._db.execute(sql.format(",".join("?" * len(batch))), batch)

    def _catch_up(
        self, instance: dg.DagsterInstance | None, ledger: Ledger, assets: Sequence[str]
    ) -> None:
        self._read_store()
        self._read_register("receipts", self._home.receipts_path, self._home.receipts_anchor_path)
        self._read_register("trials", self._home.trial_register_path, self._home.trial_anchor_path)
        self._read_register(
            "orders", self._home.order_journal_path, self._home.order_journal_anchor_path
        )
        self._read_latches()
        self._read_ledger(ledger)
        if instance is not None:
            self._read_events(instance, assets)

    def _read_store(self) -> None:
        """Index the artifacts of shelves that changed since they were listed last."""
        for shelf in self._home.store.shelves():
            if shelf.mark is not None and self._progress(f"store/{shelf.name}") == shelf.mark:
                continue
            known = self._db.execute(
                "SELECT digest FROM nodes WHERE kind IS NOT NULL AND digest >= ? AND digest < ?",
                (shelf.name, shelf.name + "g"),
            )
            seen = {digest for (digest,) in known}
            for digest in shelf.digests():
                if digest not in seen:
                    self._read_artifact(digest)
            if shelf.mark is not None:
                self._note(f"store/{shelf.name}", shelf.mark)

    def _read_artifact(self, digest: str) -> None:
        """Index one artifact; bytes that are altered or no record rest on nothing."""
        if self._home.store.opening(digest, len(_OPENING)) != _OPENING:
            return
        try:
            reading = read_any(self._home.store.get(digest), location=f"artifact {digest}")
        except EvidenceError:  # whoever reads the record refuses it by name
            return
        self._add(digest, reading)

    def _read_register(self, name: str, path: Any, anchor_path: Any) -> None:
        """Index the rows that are new, each by its own digest and its predecessor's."""
        file = RegisterFile(path, anchor_path)
        file.require_anchored()
        sequence, previous = self.head(name)
        rows = file.rows_after(max(sequence - 1, 0))
        if sequence and (not rows or rows.pop(0).digest != previous):
            raise _other_history(f"{path} entry {sequence}")
        for row in rows:
            location = f"{path} entry {row.sequence}"
            if sha256_hex(row.payload) != row.digest:
                raise EvidenceContradictionError(
                    location=location, found=sha256_hex(row.payload), expected=row.digest
                )
            reading = read_any(row.payload, location=location)
            if reading.record.get("previous_digest") != previous:
                raise EvidenceContradictionError(
                    location=location,
                    found=f"predecessor {reading.record.get('previous_digest')}",
                    expected=previous,
                )
            previous = row.digest
            inner = reading.record.get("decision") or reading.record.get("trial") or {}
            inner = {**reading.record, **inner}
            candidate = inner.get("candidate_id") or inner.get("inputs", {}).get("candidate_id")
            refs = tuple(r for r in reading.references if r.place != "previous_digest")
            self._add(row.digest, reading._replace(references=refs, about=candidate))
            self._db.execute(
                "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?)",
                (name, row.sequence, row.digest, candidate, reading.kind, row.payload),
            )

    def _read_latches(self) -> None:
        """Index the kill switch's latches: few files, each read again every time."""
        if not self._home.kill_folder.is_dir():
            return
        for path in sorted(self._home.kill_folder.iterdir()):
            payload = path.read_bytes() if path.is_file() else b""
            if payload.startswith(_OPENING):
                self._add(sha256_hex(payload), read_any(payload, location=str(path)))

    def _read_ledger(self, ledger: Ledger) -> None:
        if not self._home.ledger_path.is_file():
            return
        done = int(self._progress("ledger") or 0)
        prefix = ledger.checked()
        if prefix.size < done:
            raise _other_history(f"{ledger.location} entry {done}")
        for entry in prefix.entries[done:]:
            self._add_statement(entry)
        self._note("ledger", str(prefix.size))

    def _add_statement(self, entry: LedgerEntry) -> None:
        predicate = entry.statement.predicate
        signers = ",".join(sorted(sign.keyid for sign in entry.envelope.signatures))
        for name, digest in entry.subjects.items():
            self._db.execute(
                "INSERT INTO statements VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    entry.sequence,
                    entry.recorded_at.isoformat(),
                    entry.kind,
                    digest,
                    name,
                    signers,
                    predicate.record.get("actor"),
                ),
            )
        if predicate.kind == "record-made":
            made = Reading(predicate.kind, predicate.record.get("partition"), (), predicate.record)
            self._add(entry.statement.record_digest, made)
            # what was made rests on what was read, also where the record does not say so
            record = entry.subjects.get("record")
            if record is not None:
                self._link(record, references(predicate.record.get("inputs", {}), "made from"))
                self._link(record, references(predicate.record.get("policies", {}), "made under"))
            return
        digest = entry.statement.record_digest
        found = tuple(references(predicate.record))
        self._add(digest, Reading(predicate.kind, None, found, predicate.record))
        self._link(digest, references(entry.subjects, "about"))

    def _read_events(self, instance: dg.DagsterInstance, assets: Sequence[str]) -> None:
        for asset in assets:
            cursor = int(self._progress(f"events/{asset}") or 0)
            for found in made_after(instance, dg.AssetKey(asset), cursor):
                self._add_event(asset, found)
                cursor = max(cursor, found.storage_id)
            self._note(f"events/{asset}", str(cursor))

    def _add_event(self, asset: str, found: MadeEvent) -> None:
        if not is_digest(found.digest):
            return
        self._db.execute(
            "INSERT OR REPLACE INTO made VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                found.storage_id,
                asset,
                found.partition,
                found.digest,
                found.at,
                found.run_id,
                found.code_version,
                canonical_json(found.inputs).decode(),
            ),
        )
        self._link(found.digest, references(found.inputs, "made from"))

    def _add(self, digest: str, reading: Reading) -> None:
        node = self._node(digest)
        self._db.execute(
            "UPDATE nodes SET kind = ?, about = ? WHERE id = ?", (reading.kind, reading.about, node)
        )
        self._link(digest, reading.references)

    def _link(self, digest: str, found: Iterable[tuple[str, str]]) -> None:
        by = self._node(digest)
        self._db.executemany(
            "INSERT OR IGNORE INTO edges VALUES (?, ?, ?)",
            [(by, place, self._node(named)) for place, named in found if named != digest],
        )

    def _node(self, digest: str) -> int:
        row = self._db.execute("SELECT id FROM nodes WHERE digest = ?", (digest,)).fetchone()
        if row is None:
            row = self._db.execute(
                "INSERT INTO nodes (digest) VALUES (?) RETURNING id", (digest,)
            ).fetchone()
        return int(row[0])

    def _progress(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM progress WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def _note(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO progress VALUES (?, ?)", (name, value))


def _other_history(location: str) -> EvidenceContradictionError:
    return EvidenceContradictionError(
        location=location,
        found="another history than the one that was indexed (restored, or rewritten)",
        expected="what was indexed, or a new index: torghut audit impact DIGEST --rebuild",
    )


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables; an index of another form is made anew."""
    (form,) = connection.execute("PRAGMA user_version").fetchone()
    if form == _FORM:
        return
    made = connection.execute(
        "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view')"
    ).fetchall()
    for form_of, name in made:
        connection.execute(f"DROP {form_of} {name}")
    for statement in _SCHEMA.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {_FORM}")
