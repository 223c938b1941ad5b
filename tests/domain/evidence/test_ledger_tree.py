"""The tree against the published test trees of Certificate Transparency, and its laws."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.evidence.ledger_tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    proves_consistency,
    proves_inclusion,
    root_of,
)

# Inputs and roots of the reference trees that Certificate Transparency implementations of
# RFC 6962 are tested with; RFC 9162 left the tree as it was.
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
LEAVES = [leaf_hash(data) for data in INPUTS]


def by_definition(inputs):
    """MTH of RFC 6962, section 2.1, word for word and with hashlib."""
    if not inputs:
        return hashlib.sha256(b"").digest()
    if len(inputs) == 1:
        return hashlib.sha256(b"\x00" + inputs[0]).digest()
    split = 1
    while split * 2 < len(inputs):
        split *= 2
    left, right = by_definition(inputs[:split]), by_definition(inputs[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


@pytest.mark.parametrize(("size", "root"), list(enumerate(ROOTS, start=1)))
def test_the_published_trees_have_their_published_roots(size, root):
    assert root_of(LEAVES[:size]).hex() == root


def test_the_empty_tree_is_the_hash_of_nothing():
    assert root_of([]) == EMPTY_ROOT == hashlib.sha256(b"").digest()


@pytest.mark.parametrize(
    ("index", "size", "published"),
    [
        (0, 1, []),
        (
            0,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            3,
            ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
        ),
        (
            1,
            5,
            [
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_the_published_paths_are_found(index, size, published):
    assert [node.hex() for node in inclusion_proof(LEAVES[:size], index)] == published


@pytest.mark.parametrize(
    ("old", "size", "published"),
    [
        (1, 1, []),
        (
            1,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            [
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_the_published_consistency_proofs_are_found(old, size, published):
    assert [node.hex() for node in consistency_proof(LEAVES[:size], old)] == published


@given(st.lists(st.binary(max_size=40), max_size=70))
def test_every_root_is_the_root_by_definition(inputs):
    assert root_of([leaf_hash(data) for data in inputs]) == by_definition(inputs)


@given(st.integers(1, 130), st.data())
def test_every_leaf_proves_itself_and_no_other_place(size, data):
    leaves = [leaf_hash(bytes([n])) for n in range(size)]
    index, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(-2, size + 2))
    proof, root = inclusion_proof(leaves, index), root_of(leaves)
    assert proves_inclusion(leaves[index], index, size, proof, root)
    assert proves_inclusion(leaves[index], other, size, proof, root) == (other == index)


@given(st.integers(1, 130), st.data())
def test_every_earlier_tree_is_proved_and_no_altered_one(size, data):
    leaves = [leaf_hash(bytes([n])) for n in range(size)]
    old = data.draw(st.integers(1, size))
    proof, roots = consistency_proof(leaves, old), (root_of(leaves[:old]), root_of(leaves))
    assert proves_consistency(old, roots[0], size, roots[1], proof)
    altered = list(leaves)
    altered[data.draw(st.integers(0, old - 1))] = leaf_hash(b"another")
    assert not proves_consistency(old, root_of(altered[:old]), size, roots[1], proof)
    rewritten = root_of(altered)
    for claimed in (consistency_proof(altered, old), proof):
        assert not proves_consistency(old, roots[0], size, rewritten, claimed)


@given(st.integers(2, 40), st.data())
def test_a_proof_that_is_edited_shortened_or_padded_proves_nothing(size, data):
    leaves = [leaf_hash(bytes([n])) for n in range(size)]
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size - 1))
    root = root_of(leaves)
    for proof, proves in (
        (
            list(inclusion_proof(leaves, index)),
            lambda p: proves_inclusion(leaves[index], index, size, p, root),
        ),
        (
            list(consistency_proof(leaves, old)),
            lambda p: proves_consistency(old, root_of(leaves[:old]), size, root, p),
        ),
    ):
        assert proves(proof)
        at = data.draw(st.integers(0, len(proof) - 1))
        assert not proves([*proof[:at], node_hash(proof[at], proof[at]), *proof[at + 1 :]])
        assert not proves(proof[:-1])
        assert not proves([*proof, proof[0]])


def test_a_tree_grows_leaf_by_leaf_to_the_same_roots():
    frontier = Frontier()
    assert frontier.root == EMPTY_ROOT
    for size, leaf in enumerate(LEAVES, start=1):
        frontier.add(leaf)
        assert (frontier.size, frontier.root.hex()) == (size, ROOTS[size - 1])


def test_a_leaf_is_never_taken_for_a_node():
    inner = LEAVES[0] + LEAVES[1]
    assert root_of([leaf_hash(inner)]) != root_of(LEAVES[:2])


def test_the_empty_tree_begins_every_tree_and_nothing_else_does():
    root = root_of(LEAVES)
    assert proves_consistency(0, EMPTY_ROOT, 8, root, [])
    assert not proves_consistency(0, root, 8, root, [])
    assert not proves_consistency(0, EMPTY_ROOT, 8, root, [root])
    assert not proves_consistency(9, root, 8, root, [root])
    assert not proves_consistency(8, root, 8, root, [root])


@pytest.mark.parametrize("call", [inclusion_proof, consistency_proof])
def test_what_is_not_in_the_tree_has_no_proof(call):
    with pytest.raises(IndexError):
        call(LEAVES, 9)
