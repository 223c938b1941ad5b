"""A ledger that goes on from an index: what was checked before is not read again.

The index holds the hash of every leaf that was checked, so the root over them is known and is
compared with what the runner signed. An old entry is read when it is asked for, and refused
unless it still has the hash that the index noted.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Protocol

from torghut_assets.domain.evidence.entries import LedgerEntry, LedgerRow, read_ledger_row
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.keys import KeyRing
from torghut_assets.domain.evidence.ledger_check import LedgerPrefix
from torghut_assets.domain.evidence.ledger_tree import Frontier, leaf_hash


class IndexedLedger(Protocol):
    """What an index knows of the first entries of a ledger, all of which were checked."""

    @property
    def size(self) -> int:
        """How many entries are indexed."""
        ...

    @property
    def peaks(self) -> Sequence[bytes]:
        """The frontier of the tree over them."""
        ...

    def about_keys(self) -> Sequence[int]:
        """Return the entries that register or revoke keys, in order."""
        ...

    def leaves(self, size: int) -> list[bytes]:
        """Return the leaf hashes of the first entries."""
        ...

    def leaf(self, sequence: int) -> bytes:
        """Return the leaf hash of an entry."""
        ...

    def recorded_at(self, sequence: int) -> dt.datetime:
        """When an entry was recorded."""
        ...

    def rows(self, sequences: Sequence[int]) -> list[LedgerRow]:
        """Return entries as the ledger has them now, in order; nothing of them is believed."""
        ...


class IndexedPrefix(LedgerPrefix):
    """The first entries of a ledger; `entries` and `leaves` begin after those of the index.

    Parameters
    ----------
    location : str
    indexed : IndexedLedger

    Raises
    ------
    EvidenceRefusedError
        If an entry about keys is not the one that was indexed.
    """

    def __init__(self, location: str, indexed: IndexedLedger) -> None:
        super().__init__(location)
        self._indexed = indexed
        self._offset = indexed.size
        self._frontier = Frontier(indexed.size, indexed.peaks)
        self._roots[indexed.size] = self._frontier.root
        self.ring = self.ring_at(indexed.size)

    @property
    def size(self) -> int:
        """How many entries there are, those of the index included."""
        return self._offset + len(self.entries)

    def recorded_at(self, sequence: int) -> dt.datetime:
        """When an entry was recorded."""
        if sequence > self._offset:
            return self.entries[sequence - self._offset - 1].recorded_at
        return self._indexed.recorded_at(sequence)

    def leaves_of(self, size: int) -> Sequence[bytes]:
        """Return the leaf hashes of the first entries."""
        known = self._indexed.leaves(min(size, self._offset))
        return [*known, *self.leaves[: max(size - self._offset, 0)]]

    def ring_at(self, size: int) -> KeyRing:
        """Return the keys as the first entries leave them."""
        ring = KeyRing()
        old = [number for number in self._indexed.about_keys() if number <= size]
        for entry in self._read(old, None):
            ring.accept(entry, location=self._where(entry.sequence))
        for entry in self.entries[: max(size - self._offset, 0)]:
            if entry.kind in ("key-registration", "key-revocation"):
                ring.accept(entry, location=self._where(entry.sequence))
        return ring

    def chosen(self, sequences: Iterable[int]) -> list[LedgerEntry]:
        """Return some entries, read now and checked, in order.

        Raises
        ------
        EvidenceRefusedError
            If one is not the entry that was indexed, or its signatures are not good.
        """
        wanted = sorted(set(sequences))
        old = [number for number in wanted if number <= self._offset]
        new = [self.entries[n - self._offset - 1] for n in wanted if n > self._offset]
        return [*self._read(old, self.ring), *new]

    def _read(self, sequences: Sequence[int], ring: KeyRing | None) -> list[LedgerEntry]:
        found = []
        rows = self._indexed.rows(sequences)
        for sequence, row in zip(sequences, rows, strict=False):
            where = self._where(sequence)
            leaf = leaf_hash(row.payload)
            if row.sequence != sequence or leaf != self._indexed.leaf(sequence):
                raise EvidenceRefusedError(
                    Fault.LEAF_ALTERED,
                    location=where,
                    detail=f"its leaf is {leaf.hex()}, another than when it was indexed",
                )
            entry = read_ledger_row(row, location=where)
            if ring is not None:
                ring.require_said(entry, location=where)
            found.append(entry)
        if len(rows) != len(sequences):
            raise EvidenceRefusedError(
                Fault.TRUNCATED, location=self.location, detail="entries that were indexed are gone"
            )
        return found
