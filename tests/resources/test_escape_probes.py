"""Hostile plugins in their process: none gets out, and each probe works where nothing stops it."""

import json
import os
import re
import socket
import subprocess
import sys
import sysconfig
import textwrap
from contextlib import ExitStack
from pathlib import Path

import escape_probes
import pytest

from torghut_assets.domain.candidates.examinee import ReportedError
from torghut_assets.resources.home import Home
from torghut_assets.resources.isolation.process import WorkerProcess
from torghut_assets.resources.isolation.remote_strategy import load
from torghut_assets.resources.key_ring import KeyFolder

PROBES = sorted(escape_probes.PROBES)
SOURCE = Path(escape_probes.__file__).read_text(encoding="utf-8")
ONLY_ROOT = {"open_a_raw_socket", "mount_a_file_system", "change_the_root"}
STOPPED = re.compile(
    r"PermissionError|Errno 1\b|Errno 13\b|can't start new thread|not allowed to raise maximum"
    r"|No module named '(torghut_assets\.resources\.key_ring|acme_unhashed)'"
    r"|gaierror|No such file or directory: '/proc"
)
"""Words of a refusal; anything else would be an attempt that failed of itself."""
PLUGIN = """
from pydantic import Field
from torghut_assets.domain.candidates.strategy import StrategyParameters

class Escaped(Exception):
    pass

class Parameters(StrategyParameters):
    which: int = Field(default=0, ge=0, le=1000, description="Which probe.")

class Plugin:
    name = "acme-hostile"
    version = "1.0.0"
    parameters_type = Parameters
    required_features = ("close",)
    max_gross = 1.0

    def warm_up_bars(self, parameters):
        raise Escaped(run(sorted(PROBES)[parameters.which]))

    def target_weights(self, bars, parameters):
        return bars.close * 0.0

STRATEGY = Plugin()
"""
VICTIM = """
import ctypes, os, sys
os.setpgid(0, 0)
ctypes.CDLL(None).prctl(0x59616d61, -1, 0, 0, 0)  # where Yama asks: anybody may trace me
kept = ctypes.create_string_buffer(b"victim's")
print(ctypes.addressof(kept), flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def targets(tmp_path_factory):
    """Everything worth stealing or breaking, for real, twice: one set for each way to run."""
    with ExitStack() as stack:
        yield {way: _targets(tmp_path_factory.mktemp(way), stack) for way in ("free", "confined")}


def _targets(folder, stack):
    home = Home.at(folder / "home")
    home.prepare()
    key = KeyFolder(home).new_machine_key("gate")
    ledger = home.ledger_path
    ledger.parent.mkdir(parents=True)
    ledger.write_bytes(b"ledger bytes")
    for name in ("scratch", "expendable", "ssh", "unhashed", "mount"):
        (folder / name).mkdir()
    for name in ("deleted", "renamed", "chmod", "utime", "mapped"):
        (folder / "expendable" / name).write_text("abcd")
    (folder / "ssh" / "id_ed25519").write_text("ssh secret")
    (folder / "unhashed" / "acme_unhashed.py").write_text("X = 1")
    not_a_program = folder / "not-a-program"
    not_a_program.write_bytes(b"\x00\x01")
    not_a_program.chmod(0o755)
    gate_key = next(home.keys_folder.glob("gate-*.pem"))
    (folder / "link").symlink_to(gate_key)
    inherited = folder / "inherited"
    inherited.write_text("inherited-secret-4711")
    descriptor = os.open(inherited, os.O_RDWR)
    os.set_inheritable(descriptor, True)
    stack.callback(os.close, descriptor)
    tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    unix = stack.enter_context(socket.socket(socket.AF_UNIX))
    short = Path(stack.enter_context(_short_folder()))
    unix.bind(str(short / "s"))
    unix.listen(8)
    abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
    abstract.bind(f"\0{short.name}")
    abstract.listen(8)
    victim = subprocess.Popen(
        [sys.executable, "-c", VICTIM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    stack.callback(victim.wait)
    stack.callback(victim.stdin.close)
    return {
        "key_id": key.key_id,
        "home": str(home.root),
        "gate_key": str(gate_key),
        "ledger": str(ledger),
        "ssh_key": str(folder / "ssh" / "id_ed25519"),
        "shadow": "/etc/shadow" if os.access("/etc/shadow", os.R_OK) else "/etc/group",
        "symlink": str(folder / "link"),
        "scratch": str(folder / "scratch"),
        "expendable": str(folder / "expendable"),
        "mount_point": str(folder / "mount"),
        "site": str(folder / "scratch"),
        "not_a_program": str(not_a_program),
        "inherited_descriptor": descriptor,
        "inherited_secret": "inherited-secret-4711",
        "environment_secret": "environment-secret-4712",
        "tcp_port": tcp.getsockname()[1],
        "unix_socket": str(short / "s"),
        "abstract_socket": short.name,
        "victim": victim.pid,
        "victim_address": int(victim.stdout.readline()),
        "acme_unhashed_folder": str(folder / "unhashed"),
    }


def _short_folder():
    import tempfile

    return tempfile.TemporaryDirectory(prefix="tg")


def source_for(found):
    """The probes with their targets filled in."""
    empty = """json.loads('{"targets": null}')"""
    assert empty in SOURCE
    return SOURCE.replace(empty, f"json.loads({json.dumps(json.dumps(found))})")


@pytest.fixture(scope="module")
def confined(targets):
    """One worker that has the hostile plugin loaded."""
    found = targets["confined"] | {"site": sysconfig.get_paths()["purelib"]}
    os.environ["TORGHUT_KEY_PASSPHRASE"] = found["environment_secret"]
    try:
        worker = WorkerProcess()
    finally:
        del os.environ["TORGHUT_KEY_PASSPHRASE"]
    code = {"own": "acme", "packages": ["acme"], "sources": {"acme.x": source_for(found) + PLUGIN}}
    yield load(worker, "acme.x", "STRATEGY", "acme-hostile", code)
    worker.stop()


@pytest.fixture(scope="module")
def free(targets, tmp_path_factory):
    """What each probe gets in an ordinary process, in words; a child of its own for each."""
    folder = tmp_path_factory.mktemp("free-probes")
    (folder / "probes.py").write_text(source_for(targets["free"]), encoding="utf-8")
    (folder / "all.py").write_text(
        textwrap.dedent("""
            import json, os, sys, probes
            said = {}
            for name in sorted(probes.PROBES):
                reading, writing = os.pipe()
                child = os.fork()
                if child == 0:
                    try:
                        words = "got " + probes.run(name)
                    except BaseException as error:
                        words = f"{type(error).__name__}: {error}"
                    os.write(writing, words.encode("utf-8", "replace")[:300])
                    os._exit(0)
                os.close(writing)
                os.waitpid(child, 0)
                said[name] = os.read(reading, 400).decode("utf-8", "replace")
            with open("said.json", "w") as file:
                json.dump(said, file)
        """),
        encoding="utf-8",
    )
    ended = subprocess.run(  # what it prints is a probe's flood: nobody keeps it
        [sys.executable, "all.py"],
        cwd=folder,
        env={**os.environ, "SECRET": targets["free"]["environment_secret"]},
        pass_fds=(targets["free"]["inherited_descriptor"],),  # and not those of this process
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0
    return json.loads((folder / "said.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PROBES)
def test_no_probe_gets_out(confined, name):
    parameters = confined.parameters_type.model_validate({"which": PROBES.index(name)})
    with pytest.raises(ReportedError) as reported:
        confined.warm_up_bars(parameters)
    assert "Escaped" not in str(reported.value)
    assert STOPPED.search(str(reported.value)), str(reported.value)


@pytest.mark.parametrize("name", PROBES)
def test_every_probe_works_where_nothing_stops_it(free, name):
    if name in ONLY_ROOT and os.geteuid() != 0:
        pytest.skip("only root may do this without being confined")
    assert free[name].startswith("got "), free[name]


def test_there_are_at_least_thirty_and_the_threat_model_lists_each():
    assert len(PROBES) >= 30
    page = (Path(__file__).parents[2] / "docs" / "threat-model.md").read_text(encoding="utf-8")
    table = page.partition("### Escape probes")[2].partition("\n\n`tests/")[0]
    rows = "".join(line for line in table.splitlines() if line.startswith("| "))
    assert sorted(re.findall(r"`(\w+)`", rows)) == PROBES
