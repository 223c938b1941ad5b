"""The first entries of a ledger as the audit index knows them; see `IndexedLedger`."""

import datetime as dt
import sqlite3
from collections.abc import Sequence
from typing import Any

from torghut_assets.domain.evidence.entries import LedgerRow
from torghut_assets.resources.ledger import Ledger


class IndexedEntries:
    """Hashes and times from the index, rows from the ledger itself."""

    def __init__(self, connection: sqlite3.Connection, ledger: Ledger) -> None:
        self._db = connection
        self._ledger = ledger
        (self.size,) = connection.execute("SELECT count(*) FROM leaves").fetchone()
        peaks = connection.execute("SELECT value FROM progress WHERE name = 'peaks'").fetchone()
        self.peaks = tuple(map(bytes.fromhex, peaks[0].split())) if peaks else ()

    def about_keys(self) -> list[int]:
        """Return the entries that register or revoke keys, in order."""
        found = self._db.execute(
            "SELECT DISTINCT sequence FROM statements "
            "WHERE kind IN ('key-registration', 'key-revocation') ORDER BY sequence"
        )
        return [int(n) for (n,) in found]

    def leaves(self, size: int) -> list[bytes]:
        """Return the leaf hashes of the first entries."""
        found = self._db.execute(
            "SELECT leaf FROM leaves WHERE sequence <= ? ORDER BY sequence", (size,)
        )
        return [bytes(leaf) for (leaf,) in found]

    def leaf(self, sequence: int) -> bytes:
        """Return the leaf hash of an entry."""
        return bytes(self._one("leaf", sequence))

    def recorded_at(self, sequence: int) -> dt.datetime:
        """When an entry was recorded."""
        return dt.datetime.fromtimestamp(self._one("at", sequence), dt.UTC)

    def rows(self, sequences: Sequence[int]) -> list[LedgerRow]:
        """Return entries as the ledger has them now, in order; nothing of them is believed."""
        return self._ledger.rows(sequences)

    def last_by(self, moment: dt.datetime) -> int:
        """Return the last entry that was recorded by a moment; 0 if there is none."""
        (found,) = self._db.execute(
            "SELECT max(sequence) FROM leaves WHERE at <= ?", (moment.timestamp(),)
        ).fetchone()
        return int(found or 0)

    def _one(self, column: str, sequence: int) -> Any:
        (value,) = self._db.execute(
            f"SELECT {column} FROM leaves WHERE sequence = ?",  # noqa: S608 - of two names here
            (sequence,),
        ).fetchone()
        return value
