"""S3-compatible servers on loopback, in temporary folders.

`swift` is real storage: OpenStack Swift with its S3 interface, four processes (proxy, account,
container and object server) with one replica on this disk, checking signatures. It answers
501 to conditional writes. `moto` keeps objects in memory and accepts any signature; it knows
conditional writes. `make services` installs Swift; moto is a package of `dev`.
"""

import base64
import datetime as dt
import hashlib
import hmac
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.service_programs import program

KEY, SECRET = "test:tester", "secret-not-to-be-seen-anywhere"
_PARTS = ("account", "container", "object")
_PIPELINE = "catch_errors gatekeeper cache listing_formats s3api tempauth proxy-server"


class S3Server(NamedTuple):
    """Where the server is, and its processes."""

    endpoint: str
    root: Path
    parts: dict

    def environment(self, bucket: str) -> dict:
        """Variables that make a home keep its artifacts in a bucket here."""
        return {
            "TORGHUT_STORE_URL": f"s3://{bucket}/desk",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }

    def make_bucket(self, bucket: str) -> None:
        status, body = self.ask("PUT", f"/{bucket}")
        assert status in {200, 409}, (status, body)

    def ask(self, method, path, body=b"", headers=None):
        """One request with signature version 2, made here: not by the client under test."""
        date = dt.datetime.now(dt.UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
        told = f"{method}\n\n\n{date}\n{path}".encode()
        signature = base64.b64encode(hmac.new(SECRET.encode(), told, hashlib.sha1).digest())
        connection = http.client.HTTPConnection(self.endpoint.removeprefix("http://"), timeout=60)
        try:
            connection.request(
                method,
                path,
                body=body,
                headers={
                    "Date": date,
                    "Authorization": f"AWS {KEY}:{signature.decode()}",
                    **(headers or {}),
                },
            )
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _configurations(root: Path, ports: dict) -> None:
    user = "root" if os.geteuid() == 0 else os.environ.get("USER", "nobody")
    shared = (
        f"bind_ip = 127.0.0.1\nuser = {user}\nswift_dir = {root}\nworkers = 0\n"
        f"log_address = {root}/no-syslog\n"
    )
    for part in _PARTS:
        (root / f"{part}.conf").write_text(
            f"[DEFAULT]\n{shared}bind_port = {ports[part]}\ndevices = {root}/devices\n"
            f"mount_check = false\nfallocate_reserve = 0\ndisable_fallocate = true\n"
            f"[pipeline:main]\npipeline = {part}-server\n"
            f"[app:{part}-server]\nuse = egg:swift#{part}\n"
            + "".join(f"[{part}-{name}]\n" for name in ("replicator", "updater", "auditor"))
            + f"[{part}-sync]\n"
        )
    filters = {
        "catch_errors": "egg:swift#catch_errors",
        "gatekeeper": "egg:swift#gatekeeper",
        # Required, and works without the cache that it names.
        "cache": f"egg:swift#memcache\nmemcache_servers = 127.0.0.1:{ports['nothing']}",
        "listing_formats": "egg:swift#listing_formats",
        "s3api": "egg:swift#s3api\nauth_pipeline_check = false\nallow_multipart_uploads = false",
        "tempauth": f"egg:swift#tempauth\nuser_test_tester = {SECRET} .admin",
    }
    (root / "proxy.conf").write_text(
        f"[DEFAULT]\n{shared}bind_port = {ports['proxy']}\n"
        f"[pipeline:main]\npipeline = {_PIPELINE}\n"
        "[app:proxy-server]\nuse = egg:swift#proxy\nallow_account_management = true\n"
        "account_autocreate = true\n"
        + "".join(f"[filter:{name}]\nuse = {use}\n" for name, use in filters.items())
    )


_RINGS = """
import sys
from swift.common.ring import RingBuilder
for part, port in zip(sys.argv[1::2], sys.argv[2::2]):
    builder = RingBuilder(4, 1, 1)
    builder.add_dev({
        "region": 1, "zone": 1, "weight": 1.0, "ip": "127.0.0.1", "port": int(port),
        "device": "disk", "replication_ip": "127.0.0.1", "replication_port": int(port), "meta": "",
    })
    builder.rebalance()
    builder.get_ring().save(f"{part}.ring.gz")
"""
"""Where each part keeps its data; run by Debian's Python, which has Swift's packages."""


def _rings(root: Path, ports: dict) -> None:
    words = [word for part in _PARTS for word in (part, str(ports[part]))]
    done = subprocess.run(
        ["/usr/bin/python3", "-c", _RINGS, *words],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def swift():
    """Yield a running Swift; stop it at the end."""
    binary = {part: program(f"swift-{part}-server") for part in (*_PARTS, "proxy")}
    root = Path(tempfile.mkdtemp(prefix="swift-"))
    running = {}
    try:
        (root / "devices" / "disk").mkdir(parents=True)
        ports = {part: _free_port() for part in (*binary, "nothing")}
        _configurations(root, ports)
        _rings(root, ports)
        for part, path in binary.items():
            with (root / f"{part}.log").open("wb") as log:
                running[part] = subprocess.Popen(
                    [path, root / f"{part}.conf"],
                    stdout=log,
                    stderr=log,
                    cwd=root,
                    start_new_session=True,
                )
        made = S3Server(f"http://127.0.0.1:{ports['proxy']}", root, running)
        _await(made, root)
        yield made
    finally:
        _stop(running, root)


@contextmanager
def moto():
    """Yield a running moto; stop it at the end."""
    root = Path(tempfile.mkdtemp(prefix="moto-"))
    running = {}
    port = _free_port()
    command = [Path(sys.executable).with_name("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    try:
        with (root / "moto.log").open("wb") as log:
            running["moto"] = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=root, start_new_session=True
            )
        made = S3Server(f"http://127.0.0.1:{port}", root, running)
        _await(made, root)
        yield made
    finally:
        _stop(running, root)


def _stop(running: dict, root: Path) -> None:
    for process in running.values():
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    shutil.rmtree(root, ignore_errors=True)


def _await(made: S3Server, root: Path) -> None:
    deadline = time.monotonic() + 120
    told = None
    while time.monotonic() < deadline:
        try:
            told = made.ask("PUT", "/ready")
        except OSError as error:
            told = error
        else:
            if told[0] in {200, 409}:
                return
        ended = [part for part, process in made.parts.items() if process.poll() is not None]
        assert not ended, {part: (root / f"{part}.log").read_text()[-2000:] for part in ended}
        time.sleep(0.2)
    raise AssertionError(json.dumps([str(told), *(p.name for p in root.iterdir())]))
