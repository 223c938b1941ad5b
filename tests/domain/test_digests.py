import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.digests import StreamingDigest, canonical_json, is_digest, sha256_hex

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)


def test_matches_the_published_vector_of_fips_180():
    """FIPS 180-2, appendix B.1."""
    published = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_hex(b"abc") == published


@given(PLAIN)
def test_canonical_json_reads_back_to_the_same_value(value):
    assert json.loads(canonical_json(value)) == value


@given(st.dictionaries(st.text("abcdef", min_size=1), st.integers(), min_size=2))
def test_order_of_keys_does_not_change_the_form(mapping):
    backwards = dict(reversed(list(mapping.items())))
    assert canonical_json(mapping) == canonical_json(backwards)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("-inf")]}])
def test_a_number_without_json_form_is_refused(value):
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(value)


@given(st.lists(st.binary(max_size=50)))
def test_pieces_hash_like_the_whole(pieces):
    digest = StreamingDigest()
    for piece in pieces:
        digest.update(piece)
    assert digest.hexdigest == sha256_hex(b"".join(pieces))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a" * 64, True), ("A" * 64, False), ("a" * 63, False), ("a" * 64 + "\n", False), ("", False)],
)
def test_only_64_lower_case_hexadecimal_digits_are_a_digest(text, expected):
    assert is_digest(text) is expected
