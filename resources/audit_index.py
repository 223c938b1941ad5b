"""An index over a home's evidence: which record names which digest, and who made what when.

The index is derived and may be deleted at any time: everything in it comes from the store,
the registers, the ledger and Dagster's event log, and each artifact, register row and
ledger entry is verified once, when it is indexed. It is sealed, so that an edited index is made
anew and never asked; what an answer shows is read from the evidence and verified once more.
Nothing is decided from it. It exists because a question about one of 10,000 decisions must not
read all of them.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final, NamedTuple, Self

from torghut_assets.domain.audit.impact import Edge
from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.errors import EvidenceContradictionError, EvidenceError
from torghut_assets.domain.evidence.indexed_prefix import IndexedPrefix
from torghut_assets.domain.evidence.register_spans import Register
from torghut_assets.resources.audit_indexing import Indexer, OpenInstance
from torghut_assets.resources.audit_seal import AuditSeal
from torghut_assets.resources.home import Home
from torghut_assets.resources.indexed_entries import IndexedEntries
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.register_file import locked
from torghut_assets.resources.statement_desk import registers_of

_AT_ONCE: Final = 500


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
    kind: str
    subject: str
    name: str
    signers: str
    actor: str | None


class AuditIndex:
    """The index of one home, brought up to date before it is asked. See `opened`."""

    def __init__(self, home: Home, connection: sqlite3.Connection, ledger: Ledger) -> None:
        self._home = home
        self._db = connection
        self._stored: dict[str, frozenset[str]] = {}
        self.entries = IndexedEntries(connection, ledger)
        self.ledger = IndexedPrefix(ledger.location, self.entries)

    @classmethod
    @contextmanager
    def opened(
        cls,
        home: Home,
        instance: OpenInstance | None,
        ledger: Ledger,
        assets: Sequence[str],
        *,
        rebuild: bool = False,
    ) -> Iterator[Self]:
        """Open the index and bring it up to date.

        Parameters
        ----------
        home : Home
        instance : callable or None
            Opens the Dagster instance whose events are read, if there are new ones; `None` reads
            the store, the registers and the ledger only.
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
        with locked(path):
            seal = AuditSeal(home)
            if rebuild or not seal.holds():
                path.unlink(missing_ok=True)
            connection = sqlite3.connect(path, isolation_level=None, timeout=60)
            try:
                connection.execute("PRAGMA synchronous = OFF")  # derived: a torn one is made anew
                if Indexer(home, connection).catch_up(ledger, instance, assets):
                    seal.put()
                connection.execute("BEGIN")  # what is asked is what was sealed
                index = cls(home, connection, ledger)
            except BaseException:
                connection.close()
                raise
        with closing(connection):
            yield index

    def namers(self, digests: Sequence[str]) -> Mapping[str, Sequence[Edge]]:
        """Return the edges of the records that name each of some digests."""
        found: dict[str, list[Edge]] = {}
        for named, by, place in self._in_batches(
            "SELECT t.digest, s.digest, p.name FROM nodes t JOIN edges e ON e.named = t.id "
            "JOIN nodes s ON s.id = e.by JOIN places p ON p.id = e.place WHERE t.digest IN ({})",
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

    def rows(self, register: Register, candidate: str) -> list[bytes]:
        """Return the payloads of a candidate's entries in a register, in order, verified now."""
        return self._payloads(
            register,
            "SELECT sequence, digest FROM rows WHERE register = ? AND candidate = ? "
            "ORDER BY sequence",
            (register, candidate),
        )

    def answers(self, register: Register, sequences: Sequence[int]) -> list[bytes]:
        """Return the payloads of the entries that say how tickets ended, in order, verified now."""
        return [
            payload
            for sequence in sequences
            for payload in self._payloads(
                register,
                "SELECT sequence, digest FROM rows WHERE register = ? AND answers = ? "
                "ORDER BY sequence",
                (register, sequence),
            )
        ]

    def telling(self) -> list[int]:
        """Return the ledger entries that approve, those just before, and those that use them up."""
        found = self._db.execute(
            "SELECT sequence, kind FROM statements "
            "WHERE kind = 'approval' OR name = 'approval' OR name LIKE 'approval-%'"
        ).fetchall()
        before = {int(n) - 1 for n, kind in found if kind == "approval"}
        return sorted(({int(n) for n, _ in found} | before) - {0})

    def is_stored(self, digest: str) -> bool:
        """Whether the store has an artifact now; its shelf is listed once."""
        name = digest[:2]
        if name not in self._stored:
            shelves = [shelf for shelf in self._home.store.shelves() if shelf.name == name]
            self._stored[name] = frozenset(d for shelf in shelves for d in shelf.digests())
        return digest in self._stored[name]

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

    def _payloads(self, register: Register, sql: str, about: tuple[Any, ...]) -> list[bytes]:
        """Read entries of a register; each must still be the one that was indexed."""
        known = {int(n): str(digest) for n, digest in self._db.execute(sql, about)}
        file = registers_of(self._home)[register]
        found = {row.sequence: row.payload for row in file.rows_at(known)}
        for sequence, digest in known.items():
            actual = sha256_hex(found[sequence]) if sequence in found else "nothing"
            if actual != digest:
                raise EvidenceContradictionError(
                    location=f"{file.path} entry {sequence}", found=actual, expected=digest
                )
        return list(found.values())
