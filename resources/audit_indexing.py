"""Filling the audit index: store, registers, ledger and event log, each read once.

Everything is verified when it is indexed: bytes by their digest, register rows by their digest
and their predecessor's, ledger entries by their signatures and the signed tree head over them.
What came since is read after that; nothing is read twice.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final

from torghut_assets.domain.audit.references import Reading, read_any, references
from torghut_assets.domain.backtest.trials import GENESIS_DIGEST
from torghut_assets.domain.digests import canonical_json, is_digest, sha256_hex
from torghut_assets.domain.errors import EvidenceContradictionError, EvidenceError
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.indexed_prefix import IndexedPrefix
from torghut_assets.resources.audit_events import MadeEvent, last_event, made_after
from torghut_assets.resources.home import Home
from torghut_assets.resources.indexed_entries import IndexedEntries
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.register_file import RegisterFile
from torghut_assets.resources.statement_desk import registers_of

if TYPE_CHECKING:
    import dagster as dg

OpenInstance = Callable[[], "AbstractContextManager[dg.DagsterInstance]"]
_FORM: Final = 3
_OPENING: Final = b'{"kind":'
_REWRITTEN: Final = frozenset({Fault.TRUNCATED, Fault.OTHER_HISTORY})
"""What a ledger looks like that is not the continuation of the one that was indexed."""
_SCHEMA: Final = """
CREATE TABLE progress (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE nodes (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, kind TEXT, about TEXT)
  STRICT;
CREATE TABLE places (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE edges (named INTEGER NOT NULL, by INTEGER NOT NULL, place INTEGER NOT NULL,
  PRIMARY KEY (named, by)) STRICT, WITHOUT ROWID;
CREATE INDEX edges_by ON edges (by);
CREATE INDEX nodes_of_kind ON nodes (kind);
CREATE TABLE made (storage_id INTEGER PRIMARY KEY, asset TEXT NOT NULL, partition TEXT,
  digest TEXT NOT NULL, at REAL NOT NULL, run_id TEXT NOT NULL, code_version TEXT,
  inputs TEXT NOT NULL) STRICT;
CREATE INDEX made_of ON made (partition, asset);
CREATE INDEX made_digest ON made (digest);
CREATE TABLE rows (register TEXT NOT NULL, sequence INTEGER NOT NULL, digest TEXT NOT NULL,
  candidate TEXT, answers INTEGER, PRIMARY KEY (register, sequence)) STRICT, WITHOUT ROWID;
CREATE INDEX rows_of ON rows (register, candidate);
CREATE INDEX rows_answering ON rows (register, answers);
CREATE TABLE leaves (sequence INTEGER PRIMARY KEY, leaf BLOB NOT NULL, at INTEGER NOT NULL) STRICT;
CREATE TABLE statements (sequence INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
  name TEXT NOT NULL, signers TEXT NOT NULL, actor TEXT, PRIMARY KEY (sequence, name))
  STRICT, WITHOUT ROWID;
CREATE INDEX statements_about ON statements (subject);
CREATE INDEX statements_of_kind ON statements (kind, sequence);
CREATE VIEW removed AS SELECT s.subject AS digest FROM statements s
  WHERE s.kind = 'tombstone' AND s.name = 'artifact' AND NOT EXISTS (SELECT 1 FROM statements t
    WHERE t.subject = s.subject AND t.kind <> 'tombstone' AND t.sequence > s.sequence);
"""


class Indexer:
    """Brings the index of one home up to date, in one transaction or not at all."""

    def __init__(self, home: Home, connection: sqlite3.Connection) -> None:
        self._home = home
        self._db = connection
        self._nodes: dict[str, int] = {}
        self._places: dict[str, int] = {}

    def catch_up(
        self, ledger: Ledger, instance: OpenInstance | None, assets: Sequence[str]
    ) -> bool:
        """Index what came since; return whether there was anything.

        Raises
        ------
        EvidenceError
            If a register or the ledger contradicts itself, or is of another history.
        """
        self._db.execute("BEGIN IMMEDIATE")
        before = self._db.total_changes
        is_new = self._prepare()
        self._read_store()
        for name, file in registers_of(self._home).items():
            self._read_register(name, file)
        self._read_latches()
        self._read_ledger(ledger)
        if instance is not None:
            self._read_events(instance, assets)
        self._db.execute("COMMIT")
        return is_new or self._db.total_changes > before

    def _prepare(self) -> bool:
        """Make the tables; an index of another form is made anew."""
        (form,) = self._db.execute("PRAGMA user_version").fetchone()
        if form == _FORM:
            return False
        made = self._db.execute(
            "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view')"
        ).fetchall()
        for form_of, name in made:
            self._db.execute(f"DROP {form_of} {name}")
        for statement in _SCHEMA.split(";"):
            self._db.execute(statement)
        self._db.execute(f"PRAGMA user_version = {_FORM}")
        return True

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

    def _read_register(self, name: str, file: RegisterFile) -> None:
        """Index the rows that are new, each by its own digest and its predecessor's."""
        file.require_anchored()
        sequence, previous = self._head(name)
        rows = file.rows_after(max(sequence - 1, 0))
        if sequence and (not rows or rows.pop(0).digest != previous):
            raise _other_history(f"{file.path} entry {sequence}")
        for row in rows:
            location = f"{file.path} entry {row.sequence}"
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
            answers = reading.record.get("ticket_sequence")
            self._db.execute(
                "INSERT INTO rows VALUES (?, ?, ?, ?, ?)",
                (
                    name,
                    row.sequence,
                    row.digest,
                    candidate,
                    answers if reading.kind == "trial-outcome" else None,
                ),
            )

    def _head(self, register: str) -> tuple[int, str]:
        """Return sequence and digest of the last indexed entry of a register."""
        row = self._db.execute(
            "SELECT sequence, digest FROM rows WHERE register = ? ORDER BY sequence DESC LIMIT 1",
            (register,),
        ).fetchone()
        return (int(row[0]), str(row[1])) if row else (0, GENESIS_DIGEST)

    def _read_latches(self) -> None:
        """Index the kill switch's latches: few files, each read again every time."""
        if not self._home.kill_folder.is_dir():
            return
        for path in sorted(self._home.kill_folder.iterdir()):
            payload = path.read_bytes() if path.is_file() else b""
            if payload.startswith(_OPENING):
                self._add(sha256_hex(payload), read_any(payload, location=str(path)))

    def _read_ledger(self, ledger: Ledger) -> None:
        """Index the entries that are new, each checked, under the root that the runner signed."""
        known = IndexedEntries(self._db, ledger)
        try:
            prefix = IndexedPrefix(ledger.location, known)
            ledger.continued(prefix)
        except EvidenceRefusedError as error:
            if known.size and error.fault in _REWRITTEN:
                raise _other_history(f"{ledger.location}: {error.fault.value}") from error
            raise
        for entry in prefix.entries:
            self._add_statement(entry)
            self._db.execute(
                "INSERT INTO leaves VALUES (?, ?, ?)",
                (entry.sequence, entry.leaf, int(entry.recorded_at.timestamp())),
            )
        self._note("peaks", " ".join(peak.hex() for peak in prefix.peaks))

    def _add_statement(self, entry: LedgerEntry) -> None:
        predicate = entry.statement.predicate
        signers = ",".join(sorted(sign.keyid for sign in entry.envelope.signatures))
        for name, digest in entry.subjects.items():
            self._db.execute(
                "INSERT INTO statements VALUES (?, ?, ?, ?, ?, ?)",
                (
                    entry.sequence,
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

    def _read_events(self, instance: OpenInstance, assets: Sequence[str]) -> None:
        """Index the materializations that are new; without new events Dagster is not loaded."""
        last, known = last_event(self._home.dagster_home), self._progress("events")
        if last is not None and known == str(last):
            return
        if last is not None and known and last < int(known):
            raise _other_history(f"event log in {self._home.dagster_home}")
        with instance() as opened:
            for asset in assets:
                cursor = int(self._progress(f"events/{asset}") or 0)
                for found in made_after(opened, asset, cursor):
                    self._add_event(asset, found)
                    cursor = max(cursor, found.storage_id)
                self._note(f"events/{asset}", str(cursor))
        self._note("events", "" if last is None else str(last))

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
        node, said = self._node(digest), (reading.kind, reading.about)
        self._db.execute(
            "UPDATE nodes SET kind = ?, about = ? WHERE id = ? AND (kind, about) IS NOT (?, ?)",
            (*said, node, *said),
        )
        self._link(digest, reading.references)

    def _link(self, digest: str, found: Iterable[tuple[str, str]]) -> None:
        """Note what a record names; of several places of one digest the first by name."""
        by = self._node(digest)
        self._db.executemany(
            "INSERT OR IGNORE INTO edges VALUES (?, ?, ?)",
            [
                (self._node(named), by, self._place(place))
                for place, named in sorted(found)
                if named != digest
            ],
        )

    def _node(self, digest: str) -> int:
        return self._numbered(self._nodes, "nodes", "digest", digest)

    def _place(self, name: str) -> int:
        return self._numbered(self._places, "places", "name", name)

    def _numbered(self, known: dict[str, int], table: str, column: str, value: str) -> int:
        """Return the number of a value in its table, which it gets if it is new."""
        if value not in known:
            row = self._db.execute(
                f"SELECT id FROM {table} WHERE {column} = ?",  # noqa: S608 - of two tables
                (value,),
            ).fetchone()
            row = (
                row
                or self._db.execute(
                    f"INSERT INTO {table} ({column}) VALUES (?) RETURNING id",  # noqa: S608
                    (value,),
                ).fetchone()
            )
            known[value] = int(row[0])
        return known[value]

    def _progress(self, name: str) -> str | None:
        row = self._db.execute("SELECT value FROM progress WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def _note(self, name: str, value: str) -> None:
        if self._progress(name) != value:
            self._db.execute("INSERT OR REPLACE INTO progress VALUES (?, ?)", (name, value))


def _other_history(location: str) -> EvidenceContradictionError:
    return EvidenceContradictionError(
        location=location,
        found="another history than the one that was indexed (restored, or rewritten)",
        expected="what was indexed, or a new index: torghut audit impact DIGEST --rebuild",
    )
