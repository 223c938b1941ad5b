"""The Merkle tree over a ledger: roots, proofs that an entry is in it, and that it only grew.

Read `root_of` first. Hashes are 32 raw bytes in here and hexadecimal outside. A tree of
`size` leaves is named by its root; entry number `sequence` is leaf `sequence - 1`.

References
----------
RFC 9162, section 2.1 (the same tree as RFC 6962, section 2.1).
"""

from collections.abc import Sequence

from torghut_assets.domain.digests import sha256_hex


def leaf_hash(payload: bytes) -> bytes:
    """Hash of a leaf: SHA-256 of a zero byte and the payload."""
    return _sha256(b"\x00" + payload)


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256 of a one byte and the hashes of its children."""
    return _sha256(b"\x01" + left + right)


def _sha256(payload: bytes) -> bytes:
    return bytes.fromhex(sha256_hex(payload))


EMPTY_ROOT = _sha256(b"")
"""Root of the tree without leaves."""


class Frontier:
    """A tree that grows: the roots of its complete subtrees, largest first.

    Adding a leaf costs one hash on average, the root at most log2(size) of them.
    """

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        self.size = size
        self._peaks = list(peaks)

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """Roots of the complete subtrees: all that is needed to go on from here."""
        return tuple(self._peaks)

    def add(self, leaf: bytes) -> None:
        """Append the hash of the next leaf."""
        node, size = leaf, self.size
        while size & 1:
            node = node_hash(self._peaks.pop(), node)
            size >>= 1
        self._peaks.append(node)
        self.size += 1

    @property
    def root(self) -> bytes:
        """Root of the tree as it is now."""
        if not self._peaks:
            return EMPTY_ROOT
        node = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            node = node_hash(peak, node)
        return node


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Root of the tree over leaf hashes, in order."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.add(leaf)
    return frontier.root


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the hashes that lead from one leaf to the root.

    Parameters
    ----------
    leaves : sequence of bytes
        Hashes of all leaves of the tree.
    index : int
        Which leaf, from 0.

    Raises
    ------
    IndexError
        If the tree has no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of a tree of {len(leaves)}")
    if len(leaves) == 1:
        return ()
    split = _split(len(leaves))
    if index < split:
        return (*inclusion_proof(leaves[:split], index), root_of(leaves[split:]))
    return (*inclusion_proof(leaves[split:], index - split), root_of(leaves[:split]))


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """Return the hashes that show that the first `old_size` leaves are still the first.

    Parameters
    ----------
    leaves : sequence of bytes
        Hashes of all leaves of the later tree.
    old_size : int
        Size of the earlier tree, at least 1.

    Raises
    ------
    IndexError
        If the later tree is smaller than the earlier one.
    """
    if not 0 < old_size <= len(leaves):
        raise IndexError(f"a tree of {old_size} before one of {len(leaves)}")
    return _subproof(leaves, old_size, whole=True)


def _subproof(leaves: Sequence[bytes], old_size: int, *, whole: bool) -> tuple[bytes, ...]:
    if old_size == len(leaves):
        return () if whole else (root_of(leaves),)
    split = _split(len(leaves))
    if old_size <= split:
        left = _subproof(leaves[:split], old_size, whole=whole)
        return (*left, root_of(leaves[split:]))
    right = _subproof(leaves[split:], old_size - split, whole=False)
    return (*right, root_of(leaves[:split]))


def _split(size: int) -> int:
    """Largest power of two below `size`, which is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)


def proves_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Whether a proof shows that a leaf is at `index` of the tree with this root.

    The algorithm of RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size:
        return False
    at, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            node = node_hash(sibling, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and node == root


def proves_consistency(
    old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether a proof shows that a tree of `size` begins with a tree of `old_size`.

    The algorithm of RFC 9162, section 2.1.4.2. The empty tree begins every tree.
    """
    if old_size == 0:
        return old_root == EMPTY_ROOT and not proof
    if old_size == size:
        return old_root == root and not proof
    if not 0 < old_size < size or not proof:
        return False
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    at, last = old_size - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old_node = node = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old_node, node = node_hash(sibling, old_node), node_hash(sibling, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and old_node == old_root and node == root
