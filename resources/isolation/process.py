"""The project's side of a worker: start it, ask it, end it.

A worker that dies, takes longer than a deadline or answers outside the protocol is killed with
its whole process group, and what it was asked is refused.
"""

import atexit
import json
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from fcntl import F_ADD_SEALS, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, fcntl
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import torghut_assets
from torghut_assets.domain.candidates.examinee import PluginStoppedError
from torghut_assets.resources.isolation.confinement import Limits
from torghut_assets.resources.isolation.framed_json import BadMessageError, packed, taken
from torghut_assets.resources.isolation.state import IsolationUnavailableError

SHARED_BYTES: Final = 1 << 30
"""Room for bars and weights; a page costs memory only once it is used."""
START_SECONDS: Final = 120.0
ANSWER_SECONDS: Final = 60.0

_ENVIRONMENT: Final = {
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
}
_SYSTEM_LIBRARIES: Final = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")
_SYSTEM_FILES: Final = ("/etc/ld.so.cache", "/usr/share/zoneinfo", "/dev/null", "/dev/urandom")
_PACKAGE: Final = Path(torghut_assets.__file__).parent
_PROGRAM: Final = (
    "import json, sys; setup = json.loads(sys.argv[1]); sys.path[:] = setup['path'];"
    "import torghut_assets; torghut_assets.__path__.append(setup['resources']);"
    "from torghut_assets.resources.isolation.worker import main; main()"
)


class WorkerProcess:
    """One worker, confined, with the shared memory; several threads may ask in turn.

    Parameters
    ----------
    uses : collection of str
        Modules of this project that the plugin imports.
    limits : Limits
    answer_seconds : float
        How long one answer may take, by the clock.

    Raises
    ------
    IsolationUnavailableError
        If a required protection cannot be had on this system.
    """

    def __init__(
        self,
        uses: Collection[str] = (),
        limits: Limits = Limits(),  # noqa: B008 - immutable
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._answer_seconds = answer_seconds
        self._owner = os.getpid()
        self._lock = threading.RLock()
        self._stopped: str | None = None
        memory = os.memfd_create("torghut-bars", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(memory, SHARED_BYTES)
        # A worker that cut the memory off would crash this process at its next access.
        fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
        self.memory = memoryview(mmap.mmap(memory, SHARED_BYTES))
        self._stream, theirs = socket.socketpair()
        setup = {
            "parent": os.getpid(),
            "stream": theirs.fileno(),
            "memory": memory,
            "shared_bytes": SHARED_BYTES,
            "uses": sorted(uses),
            "limits": list(limits),
            "path": _import_path(),
            "resources": str(Path(__file__).resolve().parents[2]),
            "readable": readable_places(),
        }
        try:
            self._process = _start(json.dumps(setup), (theirs.fileno(), memory))
        finally:
            theirs.close()
            os.close(memory)
        atexit.register(self.stop)
        hello = self._receive(time.monotonic() + START_SECONDS)
        if not isinstance(hello, dict) or "confined" not in hello:
            self.stop()
            raise IsolationUnavailableError(ascii(hello)[:200])
        self.network_namespace = hello["confined"].get("network_namespace") is True

    @property
    def pid(self) -> int:
        """Process id of the worker."""
        return self._process.pid

    @property
    def stopped(self) -> bool:
        """Whether the worker has been ended, for whatever reason."""
        return self._stopped is not None

    def turn(self) -> threading.RLock:
        """Return the lock to hold while the shared memory is filled, asked about and read."""
        return self._lock

    def ask(self, call: str, **arguments: Any) -> Any:
        """Return the answer message, unread: a dict with `answer` or `raised`, from a liar.

        Raises
        ------
        PluginStoppedError
            If none came within the deadline, or none that keeps the protocol.
        """
        with self._lock:
            if self._stopped is not None:
                raise self._refusal(self._stopped)
            deadline = time.monotonic() + self._answer_seconds
            self._send(packed({"call": call, **arguments}), deadline)
            return self._receive(deadline)

    def give_up(self, problem: str) -> PluginStoppedError:
        """End the worker because of what it did; return the error to raise."""
        self.stop(problem)
        return self._refusal(problem)

    def stop(self, problem: str = "a worker that was stopped") -> None:
        """Kill the worker with its process group; harmless if it has ended.

        A forked child that ends leaves its parent's worker alone.
        """
        if os.getpid() != self._owner:
            return
        with self._lock:
            if self._stopped is None:
                self._stopped = problem
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._stream.close()
        atexit.unregister(self.stop)

    def _send(self, message: bytes, deadline: float) -> None:
        sent = 0
        while sent < len(message):
            self._stream.settimeout(max(deadline - time.monotonic(), 1e-3))
            try:
                sent += self._stream.send(message[sent:])
            except TimeoutError:
                raise self.give_up(self._too_slow()) from None
            except OSError:
                raise self.give_up(self._death()) from None

    def _receive(self, deadline: float) -> Any:
        def take(length: int) -> bytes:
            parts = bytearray()
            while len(parts) < length:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                self._stream.settimeout(left)
                part = self._stream.recv(min(length - len(parts), 1 << 20))
                if not part:
                    raise EOFError
                parts += part
            return bytes(parts)

        try:
            return taken(take)
        except TimeoutError:
            raise self.give_up(self._too_slow()) from None
        except BadMessageError as error:
            raise self.give_up(f"{error} from the plugin") from None
        except (EOFError, OSError, struct.error):
            raise self.give_up(self._death()) from None

    def _too_slow(self) -> str:
        return f"no answer within {self._answer_seconds:g} s"

    def _death(self) -> str:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "a worker that closed its stream"
        return f"a worker that ended with {code}"

    @staticmethod
    def _refusal(problem: str) -> PluginStoppedError:
        return PluginStoppedError(
            location="strategy plugin in its own process",
            found=problem,
            expected="an answer within its limits of time and memory",
            action="Repair the plugin; docs/threat-model.md lists what it may not do.",
        )


def readable_places() -> list[str]:
    """Return the folders and files that a worker may read: Python, its libraries, the contract."""
    paths = sysconfig.get_paths()
    python = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    python.add(sysconfig.get_config_var("LIBDIR") or "")
    own = {str(_PACKAGE / part) for part in ("domain", "strategies")}
    return sorted(p for p in {*python, *own, *_SYSTEM_LIBRARIES, *_SYSTEM_FILES} if p)


def _import_path() -> list[str]:
    """Return where the worker imports from; the plugin's own modules come over the stream."""
    paths = sysconfig.get_paths()
    standard = [paths["stdlib"], sysconfig.get_config_var("DESTSHARED") or ""]
    installed = [paths["purelib"], paths["platlib"]]
    wanted = [*standard, *installed, str(_PACKAGE.parent)]
    return list(dict.fromkeys(path for path in wanted if path))


def _start(setup: str, descriptors: tuple[int, int]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-S", "-B", "-c", _PROGRAM, setup]
    started = _launcher(os.getpid()).submit(
        subprocess.Popen,
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_ENVIRONMENT,
        cwd="/",
        pass_fds=descriptors,
        start_new_session=True,
    )
    return started.result()


@lru_cache(maxsize=1)
def _launcher(process: int) -> ThreadPoolExecutor:  # noqa: ARG001 - a forked child needs its own
    """One thread that lives as long as this process: the kernel ends a worker with the thread."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="worker-launcher")
