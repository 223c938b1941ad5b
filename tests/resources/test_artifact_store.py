import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.errors import (
    BadInputError,
    EvidenceDigestMismatchError,
    EvidenceMissingError,
)
from torghut_assets.resources.artifact_store import ArtifactStore


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "store")


@given(payload=st.binary(max_size=2000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_bytes_come_back_under_their_own_hash(store, payload):
    digest = store.put(payload)
    assert digest == sha256_hex(payload)
    assert store.get(digest) == payload
    assert digest in store
    assert store.put(payload) == digest


@pytest.mark.parametrize("bit", [0, 7, 4001])
def test_a_flipped_bit_is_refused_by_name(store, bit):
    digest = store.put(b"x" * 1000)
    path = store.path_of(digest)
    torn = bytearray(path.read_bytes())
    torn[bit // 8] ^= 1 << (bit % 8)
    path.write_bytes(torn)
    with pytest.raises(EvidenceDigestMismatchError, match=digest) as caught:
        store.get(digest)
    assert str(path) in str(caught.value)
    with pytest.raises(EvidenceDigestMismatchError):
        store.verified_path(digest)


def test_a_truncated_artifact_is_refused_and_putting_it_again_heals_it(store):
    digest = store.put(b"y" * 1000)
    store.path_of(digest).write_bytes(b"y" * 999)
    with pytest.raises(EvidenceDigestMismatchError):
        store.get(digest)
    assert store.put(b"y" * 1000) == digest
    assert store.get(digest) == b"y" * 1000


def test_a_missing_artifact_is_named(store):
    with pytest.raises(EvidenceMissingError, match="0" * 64):
        store.get("0" * 64)
    with pytest.raises(EvidenceMissingError):
        store.verified_path("0" * 64)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "", "A" * 64, "a" * 64 + "/x", "a" * 63 + "\n"]
)
def test_a_name_that_is_not_a_digest_never_becomes_a_path(store, name):
    with pytest.raises(BadInputError):
        store.get(name)


def test_a_large_file_is_adopted_under_its_hash(store):
    with store.writing() as temporary:
        temporary.write_bytes(b"z" * 3_000_000)
        digest = store.adopt(temporary)
    assert store.verified_path(digest).stat().st_size == 3_000_000
    assert digest == sha256_hex(b"z" * 3_000_000)


def test_a_crash_while_writing_leaves_nothing_behind(store):
    def crash():
        with store.writing() as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crash()
    assert [p for p in store.root.rglob("*") if p.is_file()] == []


def test_an_outside_file_is_linked_not_copied(store, tmp_path):
    source = tmp_path / "bars.parquet"
    source.write_bytes(b"bars")
    digest = store.link(source)
    assert store.get(digest) == b"bars"
    assert store.path_of(digest).stat().st_ino == source.stat().st_ino


def test_a_linked_file_that_is_edited_in_place_is_refused(store, tmp_path):
    source = tmp_path / "bars.parquet"
    source.write_bytes(b"bars")
    digest = store.link(source)
    source.write_bytes(b"bats")
    with pytest.raises(EvidenceDigestMismatchError):
        store.get(digest)


def test_many_writers_of_the_same_bytes_agree(store):
    with ThreadPoolExecutor(8) as pool:
        digests = set(pool.map(lambda _: store.put(b"same" * 10_000), range(40)))
    assert len(digests) == 1
    assert store.get(digests.pop()) == b"same" * 10_000
    assert not list(store.root.glob(".writing-*"))


def test_an_unreadable_root_is_an_error_not_a_silent_loss(tmp_path):
    if os.geteuid() == 0:
        blocked = tmp_path / "file"
        blocked.write_text("not a folder")
        with pytest.raises(OSError, match="exists"):
            ArtifactStore(blocked).put(b"x")
        return
    tmp_path.chmod(stat.S_IRUSR)
    with pytest.raises(PermissionError):
        ArtifactStore(tmp_path / "store").put(b"x")
