"""Team mode on one machine, all of it real: PostgreSQL, Redis, code server, daemon, workers."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import postgres_server
from service_programs import program

from torghut_assets.resources import code_version

TEAM = Path(__file__).parent.parent / "deploy" / "team"
DEADLINE_SECONDS = 300
_BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(true: Callable[[], object], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Poll; the deadline is generous, because machines are slow."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.2)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process with its group, as a lost machine would."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Team:
    """The processes of a team; `environment` is what all of them see."""

    def __init__(self, folder: Path, databases: Path, port: int, ledger_url: str) -> None:
        self.folder = folder
        self.code_port = free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        dagster_home = folder / "dagster"
        dagster_home.mkdir()
        shutil.copy(TEAM / "dagster.yaml", dagster_home)
        workspace = (TEAM / "workspace.yaml").read_text("utf-8")
        self.workspace = folder / "workspace.yaml"
        self.workspace.write_text(workspace.replace("4266", str(self.code_port)), "utf-8")
        self.environment = {
            "TORGHUT_HOME": str(folder / "home"),
            "DAGSTER_HOME": str(dagster_home),
            "TORGHUT_DAGSTER_URL": postgres_server.url_of(databases, "admin", "dagster").replace(
                "postgresql://", "postgresql+psycopg2://"
            ),
            "TORGHUT_LEDGER_URL": ledger_url,
            "TORGHUT_BROKER_URL": f"redis://127.0.0.1:{port}/0",
            "NUMBA_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }

    def start(self, name: str, *command: str, **environment: str) -> None:
        """Start a process in a group of its own; its output goes to `<name>.log`."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [str(_BIN / command[0]), *command[1:]],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={**os.environ, **self.environment, **environment},
                start_new_session=True,
            )

    def start_code_server(self, **environment: str) -> None:
        """Start the process that loads the definitions for web server and daemon."""
        self.start(
            "code-server",
            *("dagster", "code-server", "start", "--module-name", "torghut_assets.definitions"),
            *("--host", "127.0.0.1", "--port", str(self.code_port)),
            *("--location-name", "torghut_assets"),
            **environment,
        )
        wait_until(lambda: listens(self.code_port), "the code server listens")

    def start_daemon(self) -> None:
        """Start queue, run monitor, retries and sensors."""
        self.start("daemon", "dagster-daemon", "run", "-w", str(self.workspace))

    def start_worker(self, name: str, **environment: str) -> None:
        """Start one Celery worker with one process."""
        self.start(
            name,
            *("celery", "-A", "torghut_assets.cli.worker", "worker"),
            *("--concurrency", "1", "--hostname", f"{name}@%h", "--loglevel", "INFO"),
            **environment,
        )
        log = self.folder / f"{name}.log"
        wait_until(lambda: f"{name}@" in log.read_text() and " ready." in log.read_text(), name)

    def kill(self, name: str) -> None:
        """End a process and all that it started, as a lost machine would."""
        stop(self.processes.pop(name))

    def run(self, *command: str) -> str:
        """Run a command of the environment to its end and return its output."""
        done = subprocess.run(
            [str(_BIN / command[0]), *command[1:]],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env={**os.environ, **self.environment},
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout


@contextmanager
def team(folder: Path) -> Iterator[Team]:
    """Bring up the databases and the queue; stop everything at the end."""
    redis = program("redis-server")
    with postgres_server.server() as databases:
        postgres_server.as_admin(databases, "postgres", "CREATE DATABASE dagster")
        ledger_url = postgres_server.new_ledger(databases, "ledger")
        members = Team(folder, databases, free_port(), ledger_url)
        port = members.environment["TORGHUT_BROKER_URL"].rpartition(":")[2].partition("/")[0]
        queue = subprocess.Popen(
            [redis, "--bind", "127.0.0.1", "--port", port, "--save", ""],
            stdout=subprocess.DEVNULL,
            cwd=folder,
        )
        try:
            with patch.dict(os.environ, members.environment):
                wait_until(lambda: listens(int(port)), "Redis listens")
                yield members
        finally:
            for name in list(members.processes):
                members.kill(name)
            queue.kill()
            queue.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def second_copy(folder):
    """Copy the installed code to a folder, as a wheel lays it out."""
    package = folder / "torghut_assets"
    shutil.copytree(code_version._PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, path in code_version._TOP_LEVEL.items():
        shutil.copytree(path, package / name, dirs_exist_ok=True)
    return folder
