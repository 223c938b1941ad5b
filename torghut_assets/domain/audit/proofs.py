"""Does the ledger part of a pack hold? Keys, roles, order, leaves, root, head and anchors.

A pack holds the leaf hashes of the whole ledger up to its head, and the entries that concern
its candidate. From the leaf hashes follows the root of every size: that an entry is included,
and that an earlier head is of the same history, needs nothing else.
"""

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from torghut_assets.domain.audit.faults import PackFault, PackFaultError
from torghut_assets.domain.audit.manifest import EXPORT, EXPORT_SUBJECT, HEAD, LEAVES, PackExport
from torghut_assets.domain.digests import canonical_json
from torghut_assets.domain.evidence.entries import (
    LedgerEntry,
    LedgerRow,
    TreeHead,
    read_ledger_row,
    read_tree_head,
)
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.keys import KeyRing
from torghut_assets.domain.evidence.ledger_tree import Frontier, leaf_hash, proves_consistency
from torghut_assets.domain.evidence.strict_json import parse_canonical

EXPORT_KIND: Final = "audit-pack"
_LEAVES: Final = re.compile(rb"(?:[0-9a-f]{64}\n)+")


@dataclass(frozen=True)
class ProvenLedger:
    """The ledger part of a pack, checked."""

    entries: tuple[LedgerEntry, ...]
    ring: KeyRing
    head: TreeHead
    export: PackExport
    roots: tuple[bytes, ...]


def leaves_text(leaves: Sequence[bytes]) -> bytes:
    """Return the file of leaf hashes: one per line, in hexadecimal."""
    return "".join(f"{leaf.hex()}\n" for leaf in leaves).encode("ascii")


def check_ledger_part(
    files: Mapping[int, bytes], proof: Mapping[str, bytes], manifest_digest: str
) -> ProvenLedger:
    """Check every entry of a pack, and that its manifest is the one that was signed.

    Parameters
    ----------
    files : mapping of int to bytes
        Ledger entries by sequence, as the names of their files say.
    proof : mapping of str to bytes
        The files under `proof/`.
    manifest_digest : str

    Raises
    ------
    PackFaultError, EvidenceRefusedError
        With the first fault and its place.
    """
    leaves = _leaves(proof[LEAVES])
    export_payload = proof[EXPORT]
    by_number = dict(files)
    number = _sequence_of(export_payload)
    by_number[number] = export_payload
    ring, entries = KeyRing(), []
    last: dt.datetime | None = None
    for sequence in sorted(by_number):
        where = EXPORT if sequence == number else f"ledger entry {sequence}"
        entry = _entry(by_number[sequence], sequence, leaves, where)
        if last is not None and entry.recorded_at < last:
            raise EvidenceRefusedError(
                Fault.TIME_WENT_BACK, location=where, detail=f"{entry.recorded_at} after {last}"
            )
        last = entry.recorded_at
        ring.accept(entry, location=where)
        entries.append(entry)
    roots = _roots(leaves)
    head = _head(proof[HEAD], ring, roots)
    if head.tree_size != len(leaves) or head.tree_size < number:
        raise PackFaultError(
            PackFault.ROOT_DIFFERS,
            location=HEAD,
            detail=f"it is of size {head.tree_size}, there are {len(leaves)} leaves",
        )
    export = _export(entries[-1] if entries else None, number, manifest_digest)
    return ProvenLedger(tuple(entries), ring, head, export, tuple(roots))


def _leaves(payload: bytes) -> list[bytes]:
    if _LEAVES.fullmatch(payload) is None:
        raise PackFaultError(
            PackFault.MALFORMED, location=LEAVES, detail="not one hash in hexadecimal per line"
        )
    return [bytes.fromhex(line.decode("ascii")) for line in payload.split()]


def _sequence_of(payload: bytes) -> int:
    data = parse_canonical(payload, location=EXPORT)
    number = data.get("sequence") if isinstance(data, dict) else None
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise PackFaultError(
            PackFault.MALFORMED, location=EXPORT, detail="no ledger entry with a sequence"
        )
    return number


def _entry(payload: bytes, sequence: int, leaves: Sequence[bytes], where: str) -> LedgerEntry:
    leaf = leaf_hash(payload)
    if sequence > len(leaves) or leaves[sequence - 1] != leaf:
        raise PackFaultError(
            PackFault.ENTRY_NOT_IN_TREE,
            location=where,
            detail=f"its leaf {leaf.hex()} is not at place {sequence} of the tree",
        )
    entry = read_ledger_row(LedgerRow(sequence, leaf.hex(), payload), location=where)
    if entry.sequence != sequence:
        raise EvidenceRefusedError(
            Fault.MISPLACED, location=where, detail=f"was written as entry {entry.sequence}"
        )
    return entry


def _roots(leaves: Sequence[bytes]) -> list[bytes]:
    frontier, roots = Frontier(), []
    for leaf in leaves:
        frontier.add(leaf)
        roots.append(frontier.root)
    return roots


def _head(payload: bytes, ring: KeyRing, roots: Sequence[bytes]) -> TreeHead:
    head, envelope = read_tree_head(payload, location=HEAD)
    ring.require_runner(envelope, location=HEAD)
    for key_id in envelope.key_ids:
        key = ring.get(key_id)
        if key is None or key.registered_in > head.tree_size or not key.is_active:
            raise EvidenceRefusedError(
                Fault.KEY_REVOKED, location=HEAD, detail=f"key {key_id[:16]} was not in office"
            )
    if head.tree_size > len(roots) or roots[head.tree_size - 1].hex() != head.root_hash:
        raise PackFaultError(
            PackFault.ROOT_DIFFERS,
            location=HEAD,
            detail=f"the leaves have another root than {head.root_hash}",
        )
    return head


def _export(entry: LedgerEntry | None, number: int, manifest_digest: str) -> PackExport:
    if entry is None or entry.sequence != number or entry.kind != EXPORT_KIND:
        raise PackFaultError(
            PackFault.EXPORT_UNSIGNED,
            location=EXPORT,
            detail=f"the last entry of a pack is its {EXPORT_KIND} statement",
        )
    if entry.subjects != {EXPORT_SUBJECT: manifest_digest}:
        raise PackFaultError(
            PackFault.EXPORT_UNSIGNED,
            location=EXPORT,
            detail=f"the signed statement is about another pack.json than {manifest_digest}",
        )
    return entry.statement.record(PackExport, location=EXPORT)


def require_anchor(payload: bytes, ledger: ProvenLedger, *, location: str) -> int:
    """Compare a pack with a tree head that was kept elsewhere; return the head's size.

    Parameters
    ----------
    payload : bytes
        A signed tree head (`torghut ledger head --out`), or, if it is newer than the pack, the
        output of `torghut ledger prove N --since SIZE` with the size of the pack's head.

    Raises
    ------
    PackFaultError
        With `other_history` if the anchor knows the ledger under another root, `anchor_is_newer`
        if it cannot be compared, `anchor_unusable` if it is no anchor.
    """
    document = _document(payload, location)
    proof = document.get("consistency") if "signatures" not in document else None
    signed = document if "signatures" in document else document.get("head")
    head, envelope = read_tree_head(_canonical(signed, location), location=location)
    known = [key_id for key_id in envelope.key_ids if ledger.ring.get(key_id) is not None]
    if head.tree_size <= len(ledger.roots):
        if ledger.roots[head.tree_size - 1].hex() != head.root_hash:
            raise _other_history(location, head.tree_size)
    elif not isinstance(proof, dict):
        raise PackFaultError(
            PackFault.ANCHOR_IS_NEWER,
            location=location,
            detail=(
                f"it is of size {head.tree_size}, the pack ends at {len(ledger.roots)}; give the "
                f"output of `torghut ledger prove 1 --since {len(ledger.roots)}` instead"
            ),
        )
    elif not _is_consistent(proof, head, ledger.roots):
        raise _other_history(location, head.tree_size)
    if known:
        ledger.ring.require_runner(envelope, location=location)
    return head.tree_size


def _is_consistent(proof: Mapping[str, Any], head: TreeHead, roots: Sequence[bytes]) -> bool:
    try:
        size = int(proof["old_size"])
        nodes = [bytes.fromhex(str(node)) for node in proof["proof"]]
    except (KeyError, TypeError, ValueError):
        return False
    root = bytes.fromhex(head.root_hash)
    if not 1 <= size <= len(roots):
        return False
    return size == len(roots) and proves_consistency(
        size, roots[size - 1], head.tree_size, root, nodes
    )


def _document(payload: bytes, location: str) -> dict[str, Any]:
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise PackFaultError(
            PackFault.ANCHOR_UNUSABLE, location=location, detail="it is not JSON"
        ) from error
    if not isinstance(document, dict):
        raise PackFaultError(
            PackFault.ANCHOR_UNUSABLE, location=location, detail="it is no signed tree head"
        )
    return document


def _canonical(document: object, location: str) -> bytes:
    if not isinstance(document, dict):
        raise PackFaultError(
            PackFault.ANCHOR_UNUSABLE, location=location, detail="there is no tree head in it"
        )
    return canonical_json(document)


def _other_history(location: str, size: int) -> PackFaultError:
    return PackFaultError(
        PackFault.OTHER_HISTORY,
        location=location,
        detail=f"it knows the first {size} entries under another root: the pack was made from "
        "another ledger",
    )
