import os
import stat
import time
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
from torghut_assets.resources import artifact_files, artifact_store
from torghut_assets.resources.artifact_files import FileStore
from torghut_assets.resources.artifact_store import DigestedFile


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path / "store")


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
    digest = store.link(DigestedFile.of(source))
    assert store.get(digest) == b"bars"
    assert store.path_of(digest).stat().st_ino == source.stat().st_ino


def test_a_linked_file_that_is_edited_in_place_is_refused(store, tmp_path):
    source = tmp_path / "bars.parquet"
    source.write_bytes(b"bars")
    digest = store.link(DigestedFile.of(source))
    source.write_bytes(b"bats")
    with pytest.raises(EvidenceDigestMismatchError):
        store.get(digest)


def left_alone(path, monkeypatch):
    """Digest a file as if its last write were long ago."""
    monkeypatch.setattr(artifact_store, "SETTLING_NS", -10_000_000_000)
    return DigestedFile.of(path)


def digests_taken(monkeypatch):
    taken = []
    real = artifact_store.digest_of_file
    for module in (artifact_store, artifact_files):
        monkeypatch.setattr(module, "digest_of_file", lambda p: taken.append(p) or real(p))
    return taken


def test_a_file_left_alone_is_digested_once(store, tmp_path, monkeypatch):
    source = tmp_path / "bars.parquet"
    source.write_bytes(b"bars")
    digested = left_alone(source, monkeypatch)
    taken = digests_taken(monkeypatch)
    assert store.link(digested) == sha256_hex(b"bars")
    assert taken == []
    assert store.link(DigestedFile.of(source)) == sha256_hex(b"bars")
    assert taken == [source]
    assert [p.name for p in store.root.rglob("*") if p.is_file()] == [sha256_hex(b"bars")]


def test_a_file_written_a_moment_ago_is_digested_again(store, tmp_path, monkeypatch):
    source = tmp_path / "bars.parquet"
    source.write_bytes(b"bars")
    digested = DigestedFile.of(source)
    taken = digests_taken(monkeypatch)
    store.link(digested)
    assert len(taken) == 1


@pytest.mark.parametrize("how", ["in place", "same size", "replaced", "time set back"])
def test_a_file_that_changed_after_its_digest_is_named_by_its_new_bytes(
    store, tmp_path, monkeypatch, how
):
    source = tmp_path / "bars.parquet"
    source.write_bytes(b"bars")
    old = source.stat()
    digested = left_alone(source, monkeypatch)
    time.sleep(0.05)
    if how == "replaced":
        (tmp_path / "new").write_bytes(b"bats")
        (tmp_path / "new").replace(source)
    else:
        source.write_bytes(b"batsman" if how == "in place" else b"bats")
    if how == "time set back":
        os.utime(source, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert store.link(digested) == sha256_hex(source.read_bytes())
    assert store.link(digested) != digested.digest


def test_a_file_on_another_disk_is_copied_and_its_copy_digested(store, tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(18, "another device")

    source = tmp_path / "bars.parquet"
    source.write_bytes(b"x" * 2_500_000)
    digested = left_alone(source, monkeypatch)
    source.write_bytes(b"y" * 2_500_000)
    monkeypatch.setattr(os, "link", refuse)
    assert store.link(digested) == sha256_hex(b"y" * 2_500_000)
    assert store.get(sha256_hex(b"y" * 2_500_000)) == b"y" * 2_500_000


def test_a_torn_artifact_is_replaced_by_a_link(store, tmp_path, monkeypatch):
    source = tmp_path / "bars.parquet"
    source.write_bytes(b"bars")
    torn = store.path_of(sha256_hex(b"bars"))
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b"ba")
    assert store.get(store.link(left_alone(source, monkeypatch))) == b"bars"


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
            FileStore(blocked).put(b"x")
        return
    tmp_path.chmod(stat.S_IRUSR)
    with pytest.raises(PermissionError):
        FileStore(tmp_path / "store").put(b"x")
