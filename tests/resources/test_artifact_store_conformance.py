"""What every artifact store promises, tried on a folder, on Swift and on moto."""

import http.client
import http.server
import pickle
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain

import pytest

from tests import s3_servers
from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.errors import (
    BadInputError,
    EvidenceDigestMismatchError,
    EvidenceMissingError,
)
from torghut_assets.resources.artifact_bucket import BucketStore, StoreUnavailableError
from torghut_assets.resources.artifact_files import FileStore
from torghut_assets.resources.artifact_place import artifact_store
from torghut_assets.resources.artifact_store import DigestedFile

BUCKET = "conformance"
LARGE = bytes(range(256)) * 30_000


@pytest.fixture(scope="module")
def swift():
    with s3_servers.swift() as server:
        server.make_bucket(BUCKET)
        yield server


@pytest.fixture(scope="module")
def moto():
    with s3_servers.moto() as server:
        server.make_bucket(BUCKET)
        yield server


class OnFiles:
    def __init__(self, tmp_path):
        self.make = lambda: FileStore(tmp_path / "store")

    def write(self, digest, payload):
        path = self.make().path_of(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(payload)

    def remove(self, digest):
        self.make().path_of(digest).unlink()


class OnBucket:
    def __init__(self, server, tmp_path, monkeypatch):
        for name, value in server.environment(BUCKET).items():
            monkeypatch.setenv(name, value)
        self.server, self.prefix = server, f"run-{uuid.uuid4()}"
        self.make = lambda: BucketStore(BUCKET, self.prefix, tmp_path / "scratch")

    def _ask(self, method, digest, payload=b""):
        path = f"/{BUCKET}/{self.prefix}/{digest[:2]}/{digest}"
        status, body = self.server.ask(method, path, payload)
        assert status in {200, 204}, body

    def write(self, digest, payload):
        self._ask("PUT", digest, payload)

    def remove(self, digest):
        self._ask("DELETE", digest)


@pytest.fixture(params=["files", "swift", "moto"])
def place(request, tmp_path, monkeypatch):
    """A store, and hands that change what it keeps behind its back."""
    if request.param == "files":
        return OnFiles(tmp_path)
    return OnBucket(request.getfixturevalue(request.param), tmp_path, monkeypatch)


def test_what_is_put_is_got_under_its_digest_by_anybody(place):
    digest = place.make().put(b"record")
    assert digest == sha256_hex(b"record")
    again = place.make()
    assert again.get(digest) == b"record"
    assert digest in again
    assert again.is_intact(digest)
    assert again.opening(digest, 3) == b"rec"
    assert again.opening(digest, 300) == b"record"
    assert again.verified_path(digest).read_bytes() == b"record"


def test_what_is_not_there_is_named(place):
    absent = sha256_hex(b"never stored")
    store = place.make()
    assert absent not in store
    for attempt in (
        store.get,
        store.verified_path,
        store.is_intact,
        lambda digest: store.opening(digest, 8),
    ):
        with pytest.raises(EvidenceMissingError, match=absent):
            attempt(absent)


@pytest.mark.parametrize("altered", [b"recorx", b"rec", b"", b"record and more"])
def test_altered_bytes_never_leave_the_store(place, altered):
    digest = place.make().put(b"record")
    place.make().verified_path(digest)  # a copy may be kept from now on
    place.write(digest, altered)
    store = place.make()
    assert not store.is_intact(digest)
    with pytest.raises(EvidenceDigestMismatchError, match=digest):
        store.get(digest)
    try:
        shown = store.verified_path(digest).read_bytes()
    except EvidenceDigestMismatchError:
        shown = b"record"
    assert shown == b"record"


def test_a_copy_does_not_stand_in_for_what_was_removed(place):
    digest = place.make().put(b"record")
    place.make().verified_path(digest)
    place.remove(digest)
    with pytest.raises(EvidenceMissingError):
        place.make().verified_path(digest)


def test_putting_again_mends_what_was_torn_and_leaves_what_is_whole(place):
    digest = place.make().put(b"record")
    place.write(digest, b"rec")
    assert place.make().put(b"record") == digest
    assert place.make().get(digest) == b"record"
    assert place.make().put(b"record") == digest


def test_a_large_file_is_adopted_whole(place):
    store = place.make()
    with store.writing() as temporary:
        temporary.write_bytes(LARGE)
        digest = store.adopt(temporary)
    assert digest == sha256_hex(LARGE)
    assert place.make().get(digest) == LARGE
    with place.make().verified_path(digest).open("rb") as handle:
        assert handle.read() == LARGE


def test_an_outside_file_is_stored_and_stays_where_it_is(place, tmp_path):
    source = tmp_path / "bars.parquet"
    source.write_bytes(LARGE)
    digest = place.make().link(DigestedFile.of(source))
    assert source.read_bytes() == LARGE
    assert place.make().get(digest) == LARGE


def test_all_that_is_stored_is_listed_in_order_and_counted(place):
    store = place.make()
    assert list(store.digests()) == []
    payloads = [f"record {number}".encode() for number in range(40)]
    digests = sorted(store.put(payload) for payload in payloads)
    assert list(place.make().digests()) == digests
    size = place.make().size()
    assert (size.artifacts, size.size_bytes) == (40, sum(map(len, payloads)))
    shelves = {shelf.name: sorted(shelf.digests()) for shelf in store.shelves()}
    assert sorted(chain.from_iterable(shelves.values())) == digests
    assert all(d.startswith(name) for name, held in shelves.items() for d in held)


def test_many_writers_of_the_same_bytes_agree(place):
    with ThreadPoolExecutor(8) as pool:
        digests = set(pool.map(lambda _: place.make().put(b"same" * 1_000), range(16)))
    assert len(digests) == 1
    assert place.make().get(digests.pop()) == b"same" * 1_000


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "a" * 63, "A" * 64, "0" * 64 + "\n", "/" * 64, "0" * 65]
)
def test_nothing_but_a_digest_becomes_a_name(place, name):
    store = place.make()
    for attempt in (store.get, store.__contains__, store.verified_path, store.is_intact):
        with pytest.raises(BadInputError):
            attempt(name)


@contextmanager
def between(server, answers):
    """A door in front of a server that gives each of `answers` once, then lets through."""
    left, seen = list(answers), []

    class Door(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            what = left.pop(0) if left else None
            seen.append((self.command, what))
            if isinstance(what, int):
                self.send_response(what)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            far = http.client.HTTPConnection(server.endpoint.removeprefix("http://"), timeout=60)
            far.request(self.command, self.path, body=body, headers=dict(self.headers))
            answer = far.getresponse()
            payload = answer.read()
            if what == "lost":  # it was carried out, and nobody hears of it
                self.close_connection = True
                far.close()
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else len(payload)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(payload)
            far.close()

        do_GET = do_PUT = do_HEAD = _serve  # noqa: N815 - names of http.server

        def log_message(self, *words):
            pass

    door = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=door.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{door.server_port}", seen
    finally:
        door.shutdown()
        door.server_close()
        thread.join()


@pytest.mark.parametrize("trouble", [[503, 500, 502], [500], ["lost"], ["lost", 503, "lost"]])
def test_a_server_in_trouble_is_asked_again(moto, tmp_path, monkeypatch, trouble):
    place = OnBucket(moto, tmp_path, monkeypatch)
    with between(moto, trouble) as (endpoint, seen):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        store = place.make()
        digest = store.put(b"record")
        store.put(b"another record")
        assert store.get(digest) == b"record"
    assert len(seen) > len(trouble) + 2
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.endpoint)
    assert list(place.make().digests()) == sorted([digest, sha256_hex(b"another record")])


def test_reading_survives_a_server_in_trouble(moto, tmp_path, monkeypatch):
    place = OnBucket(moto, tmp_path, monkeypatch)
    digest = place.make().put(b"record")
    with between(moto, [503, 503, 500]) as (endpoint, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        assert place.make().get(digest) == b"record"


def refusal(store, attempt=lambda store: store.put(b"record")):
    with pytest.raises(StoreUnavailableError) as caught:
        attempt(store)
    told = str(caught.value)
    assert s3_servers.SECRET not in told
    assert "Authorization" not in told
    return told


def test_what_is_wrong_with_the_storage_is_said_without_a_secret(swift, tmp_path, monkeypatch):
    place = OnBucket(swift, tmp_path, monkeypatch)
    assert "there is no such bucket" in refusal(BucketStore("no-such-bucket", "", tmp_path))
    assert "no such bucket" in refusal(
        BucketStore("no-such-bucket", "", tmp_path), lambda s: s.size()
    )
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    assert "secret key" in refusal(place.make()) or "may not" in refusal(place.make())
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert "cannot be reached" in refusal(place.make())


@pytest.mark.parametrize(
    "url",
    [
        "https://example.test/bucket",
        "s3://key:secret-not-to-be-seen@bucket/x",
        "s3://UPPER/x",
        "s3://bucket/../other",
        "s3://bucket/a//b",
        "s3://bucket/x?region=secret-not-to-be-seen",
        "file:///tmp/store",
        "bucket",
        "s3://",
    ],
)
def test_an_address_that_is_no_bucket_is_refused_without_quoting_it(tmp_path, url):
    with pytest.raises(BadInputError) as caught:
        artifact_store(tmp_path, url)
    assert "secret-not-to-be-seen" not in str(caught.value)
    assert caught.value.exit_code == 4


def test_a_store_can_be_sent_to_another_process(moto, tmp_path, monkeypatch):
    store = OnBucket(moto, tmp_path, monkeypatch).make()
    digest = store.put(b"record")
    sent = pickle.dumps(store)
    assert s3_servers.SECRET.encode() not in sent
    assert pickle.loads(sent).get(digest) == b"record"


def test_a_server_that_ignores_conditions_is_found_out_once(swift, tmp_path, monkeypatch):
    place = OnBucket(swift, tmp_path, monkeypatch)
    with between(swift, []) as (endpoint, seen):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        store = place.make()
        for number in range(5):
            store.put(f"record {number}".encode())
    assert [method for method, _ in seen].count("PUT") == 6
