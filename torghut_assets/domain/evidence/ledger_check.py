"""Is a ledger whole? Every entry, signature, time and root is looked at again, in order.

`LedgerPrefix` grows row by row and raises at the first fault, which is thereby named with
its place. A prefix that was built once can go on with the rows that came since.

`hold` takes in rows at the price of a hash each: whoever signed the tree head over them had
checked them, and its signature and root are checked here. Their content is checked as soon as
it is looked at.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from torghut_assets.domain.evidence.entries import (
    HeldEntry,
    LedgerEntry,
    LedgerRow,
    TreeHead,
    read_ledger_row,
    read_tree_head,
)
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.keys import KeyRing
from torghut_assets.domain.evidence.ledger_tree import EMPTY_ROOT, Frontier, leaf_hash, root_of

MAX_FIRST_ENTRIES: Final = 100
"""Most entries that one append may have written before there was an anchor."""


class LedgerPrefix:
    """The first entries of a ledger, all of them checked."""

    def __init__(self, location: str) -> None:
        self.location = location
        self.ring = KeyRing()
        self.entries: list[LedgerEntry] = []
        self.leaves: list[bytes] = []
        self._frontier = Frontier()
        self._roots = {0: EMPTY_ROOT}

    @property
    def size(self) -> int:
        """How many entries there are."""
        return len(self.entries)

    @property
    def last_time(self) -> dt.datetime | None:
        """When the last entry was recorded; `None` before the first."""
        return self.recorded_at(self.size) if self.size else None

    def recorded_at(self, sequence: int) -> dt.datetime:
        """When an entry was recorded."""
        return self.entries[sequence - 1].recorded_at

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """The frontier of the tree as it is now."""
        return self._frontier.peaks

    def leaves_of(self, size: int) -> Sequence[bytes]:
        """Return the leaf hashes of the first entries."""
        return self.leaves[:size]

    def root(self, size: int | None = None) -> bytes:
        """Root of the tree over the first `size` entries, of all if `None`."""
        wanted = self.size if size is None else size
        if not 0 <= wanted <= self.size:
            raise IndexError(f"root of {wanted} entries, there are {self.size}")
        if wanted not in self._roots:
            whole = wanted == self.size
            self._roots[wanted] = self._frontier.root if whole else root_of(self.leaves_of(wanted))
        return self._roots[wanted]

    def of_kind(self, kind: str) -> tuple[LedgerEntry, ...]:
        """Return the entries of a kind, in order."""
        return tuple(entry for entry in self.entries if entry.kind == kind)

    def hold(self, rows: Sequence[LedgerRow], signed_head: bytes) -> None:
        """Take in the rows under a signed tree head without looking into each.

        Entries about keys are checked now, all others when they are looked at.

        Parameters
        ----------
        rows : sequence of LedgerRow
            The first rows of the ledger, as many as the head counts.
        signed_head : bytes
            The envelope, kept elsewhere than the rows.

        Raises
        ------
        EvidenceRefusedError
            If rows and head do not belong together. The prefix is of no use then.
        """
        for row in rows:
            where = self._where(row.sequence)
            leaf = leaf_hash(row.payload)
            if row.sequence != self.size + 1 or leaf.hex() != row.leaf_hash:
                raise EvidenceRefusedError(
                    Fault.LEAF_ALTERED, location=where, detail="not the row that was written here"
                )
            entry: LedgerEntry = HeldEntry(row, self._checked_entry)
            if entry.kind in ("key-registration", "key-revocation"):
                entry = read_ledger_row(row, location=where)
                self.ring.accept(entry, location=where)
            self.entries.append(entry)
            self.leaves.append(leaf)
            self._frontier.add(leaf)
        head = self.require_head(signed_head, what="anchor")
        if head.tree_size != self.size:
            raise EvidenceRefusedError(
                Fault.HEAD_CONTRADICTS,
                location=self.location,
                detail=f"a head of {head.tree_size} entries over {self.size}",
            )

    def _checked_entry(self, row: LedgerRow) -> LedgerEntry:
        """Return the entry in a row that is held, its form, place and signatures checked."""
        where = self._where(row.sequence)
        entry = read_ledger_row(row, location=where)
        if entry.sequence != row.sequence:
            raise EvidenceRefusedError(
                Fault.MISPLACED, location=where, detail=f"was written as entry {entry.sequence}"
            )
        self.ring.require_said(entry, location=where)
        return entry

    def read(self, row: LedgerRow) -> None:
        """Take in the next row.

        Raises
        ------
        EvidenceRefusedError
            With what is wrong with it.
        """
        if row.sequence != self.size + 1:
            raise EvidenceRefusedError(
                Fault.GAP,
                location=self._where(row.sequence),
                detail=f"found sequence {row.sequence} where {self.size + 1} belongs",
            )
        self.add(read_ledger_row(row, location=self._where(row.sequence)))

    def add(self, entry: LedgerEntry) -> None:
        """Take in the next entry.

        Raises
        ------
        EvidenceRefusedError
            If it does not belong here; the prefix is as it was before.
        """
        where = self._where(self.size + 1)
        if entry.sequence != self.size + 1:
            raise EvidenceRefusedError(
                Fault.MISPLACED, location=where, detail=f"was written as entry {entry.sequence}"
            )
        if self.last_time is not None and entry.recorded_at < self.last_time:
            raise EvidenceRefusedError(
                Fault.TIME_WENT_BACK,
                location=where,
                detail=f"recorded at {entry.recorded_at}, after {self.last_time}",
            )
        self.ring.accept(entry, location=where)
        leaf = entry.leaf
        self.entries.append(entry)
        self.leaves.append(leaf)
        self._frontier.add(leaf)
        self._roots[self.size] = self._frontier.root

    def next_head(self, entry: LedgerEntry) -> TreeHead:
        """Return the unsigned tree head of the prefix, which ends with `entry`."""
        return TreeHead(
            tree_size=self.size, root_hash=self.root().hex(), recorded_at=entry.recorded_at
        )

    def require_head(self, payload: bytes, *, what: str) -> TreeHead:
        """Check a signed tree head against the entries.

        Parameters
        ----------
        payload : bytes
            The envelope.
        what : str
            What it is, for messages: `head 7`, `anchor`.

        Raises
        ------
        EvidenceRefusedError
            With `truncated` if it has seen more entries, `other_history` if another root,
            or with what is wrong with its form or signature.
        """
        where = f"{self.location} {what}"
        head, envelope = read_tree_head(payload, location=where)
        self.ring.require_runner(envelope, location=where)
        if head.tree_size > self.size:
            raise EvidenceRefusedError(
                Fault.TRUNCATED,
                location=where,
                detail=f"it has seen entry {head.tree_size}, the ledger ends at {self.size}",
            )
        if head.root_hash != self.root(head.tree_size).hex():
            raise EvidenceRefusedError(
                Fault.OTHER_HISTORY,
                location=where,
                detail=f"it knows the first {head.tree_size} entries under another root",
            )
        if head.recorded_at != self.recorded_at(head.tree_size):
            raise EvidenceRefusedError(
                Fault.HEAD_CONTRADICTS, location=where, detail="its time is not of the last entry"
            )
        for key_id in envelope.key_ids:
            self._require_in_office(key_id, head.tree_size, where)
        return head

    def _require_in_office(self, key_id: str, tree_size: int, where: str) -> None:
        """Refuse a runner key that was registered after an entry, or revoked before it."""
        key = self.ring.get(key_id)
        if key is None or key.registered_in > tree_size:
            raise EvidenceRefusedError(
                Fault.KEY_YOUNGER_THAN_SIGNATURE, location=where, detail="registered after it"
            )
        if key.revoked_in is not None and key.revoked_in < tree_size:
            raise EvidenceRefusedError(
                Fault.KEY_REVOKED, location=where, detail=f"revoked in entry {key.revoked_in}"
            )

    def require_anchor(self, payload: bytes | None) -> None:
        """Check the tree head that was kept elsewhere.

        An empty anchor has seen nothing: it is written before the first entry, and what a
        process wrote that was killed then may stand beside it.

        Raises
        ------
        EvidenceRefusedError
            If there is none of a ledger with entries, or it contradicts them.
        """
        if payload == b"" and self.size <= MAX_FIRST_ENTRIES:
            return
        if not payload:
            if self.size:
                raise EvidenceRefusedError(
                    Fault.ANCHOR_MISSING,
                    location=f"{self.location} anchor",
                    detail="the ledger has entries and no anchor",
                )
            return
        if not self.size:
            raise EvidenceRefusedError(
                Fault.TRUNCATED,
                location=f"{self.location} anchor",
                detail="there is an anchor and no ledger entry",
            )
        self.require_head(payload, what="anchor")

    def _where(self, sequence: int) -> str:
        return f"{self.location} entry {sequence}"


def check_ledger(
    rows: Iterable[LedgerRow],
    heads: Mapping[int, bytes],
    anchor: bytes | None,
    *,
    location: str,
) -> LedgerPrefix:
    """Check a whole ledger: every row, every tree head, the anchor.

    Raises
    ------
    EvidenceRefusedError
        With the first fault and its place.
    """
    prefix = LedgerPrefix(location)
    for row in rows:
        prefix.read(row)
        if row.sequence not in heads:
            raise EvidenceRefusedError(
                Fault.HEAD_MISSING,
                location=f"{location} entry {row.sequence}",
                detail="no signed tree head of this size",
            )
        head = prefix.require_head(heads[row.sequence], what=f"head {row.sequence}")
        if head.tree_size != row.sequence:
            raise EvidenceRefusedError(
                Fault.HEAD_CONTRADICTS,
                location=f"{location} head {row.sequence}",
                detail=f"it is of size {head.tree_size}",
            )
    if extra := sorted(size for size in heads if size > prefix.size):
        raise EvidenceRefusedError(
            Fault.TRUNCATED,
            location=f"{location} head {extra[0]}",
            detail=f"there is a tree head of size {extra[0]}, the ledger ends at {prefix.size}",
        )
    prefix.require_anchor(anchor)
    return prefix
