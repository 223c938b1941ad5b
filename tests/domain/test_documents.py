import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.documents import MAX_BYTES, MAX_NODES, parse_yaml
from torghut_assets.domain.errors import DocumentRefusedError

ALIAS_BOMB = b"""\
a: &a [x, x, x, x, x, x, x, x, x]
b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]
c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]
"""


def test_plain_documents_become_plain_data():
    payload = b"name: tsmom\nwindow: 60\nshare: 0.5\non: true\nday: 2021-12-31\nlist: [1, {a: b}]\n"
    with pytest.raises(DocumentRefusedError, match="key True"):
        parse_yaml(payload, location="f.yaml")
    assert parse_yaml(payload.replace(b"on:", b"live:"), location="f.yaml") == {
        "name": "tsmom",
        "window": 60,
        "share": 0.5,
        "live": True,
        "day": "2021-12-31",
        "list": [1, {"a": "b"}],
    }


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (ALIAS_BOMB, "anchor"),
        (b"a: *b\n", "alias"),
        (b"x" * (10 * 1024 * 1024), "bytes"),
        (b"a: \xff\xfe", "UTF-8"),
        (b"a: \x00", "control character"),
        ("a: b\u202ec".encode(), "control character"),
        (b"a: 1\na: 2\n", "twice"),
        (b"a: {b: 1, b: 2}\n", "twice"),
        (b"a: !!python/object/apply:os.system [id]\n", "tag"),
        (b"a: 1\n---\nb: 2\n", "second document"),
        (b"[" * 500, "nesting"),
        (b"a: .nan\n", "finite"),
        (b"a: [-.inf]\n", "finite"),
        (b"? [a]\n: 1\n", "key that is not text"),
        (b"1: a\n", "key 1"),
        (b"- a\n", "a list at the top"),
        (b"", "NoneType"),
        (b"a: [1\n", "well-formed"),
        (b"<<: {a: 1}\n", "merge"),
        (b"a: [" + b"1," * (MAX_NODES + 1) + b"]\n", "values"),
    ],
)
def test_hostile_documents_are_refused_with_their_reason(payload, reason):
    with pytest.raises(DocumentRefusedError, match=reason) as caught:
        parse_yaml(payload, location="f.yaml")
    assert str(caught.value).startswith("f.yaml")
    assert len(str(caught.value)) < 500
    assert caught.value.exit_code == 4


@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace"))
)
def test_any_bytes_are_read_or_refused(payload):
    try:
        data = parse_yaml(payload, location="f.yaml")
    except DocumentRefusedError:
        return
    assert isinstance(data, dict)
    assert all(isinstance(key, str) for key in data)


def test_the_size_limit_itself_is_accepted():
    payload = b"a: " + b"x" * (MAX_BYTES - 3)
    assert len(parse_yaml(payload, location="f.yaml")["a"]) == MAX_BYTES - 3
