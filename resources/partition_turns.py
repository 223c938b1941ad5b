"""One process at a time makes a partition: a lock file per turn, held while a run works on it.

The operating system lets go of a lock when its process dies, however it dies. Turns save work and
keep the sessions of a candidate in order; no evidence rests on them. They hold on one host, and on
several whose home is a file system with working `flock`.
"""

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.errors import StageRefusedError

_POLL_SECONDS: Final = 0.1


class _Held(NamedTuple):
    descriptor: int
    thread: int
    process: int
    times: int


_HELD: Final[dict[Path, _Held]] = {}
_CHANGING: Final = threading.Lock()


class PartitionBusyError(StageRefusedError):
    """Another process is making the same partition."""

    def __init__(self, turn: str, holder: str) -> None:
        self.turn, self.holder = turn, holder
        super().__init__(
            f"{turn}: {holder} is at it. Nothing was made twice; wait until it has ended, then "
            "launch again if you need to."
        )


class PartitionTurns:
    """Turns of one home, for one run or command.

    Parameters
    ----------
    folder : Path
        Where the lock files are.
    run_id : str
        Who takes the turn; steps of one run in several processes share it.
    """

    def __init__(self, folder: Path, run_id: str) -> None:
        self._folder = folder.resolve()
        self._run_id = run_id
        self._taken: list[Path] = []

    def take(self, turn: str) -> None:
        """Take a turn until `let_go`, or until this process ends. Taken already is fine.

        Raises
        ------
        PartitionBusyError
            If another run has it.
        """
        path = self._folder / sha256_hex(turn.encode("utf-8"))[:32]
        if path in self._taken:
            return
        if not _hold(path):
            holder = _read(path)
            if holder.get("run") == self._run_id:
                return
            raise PartitionBusyError(turn, _described(holder))
        self._taken.append(path)
        if _HELD[path].times == 1:
            _write(_HELD[path].descriptor, {"turn": turn, "run": self._run_id})

    def let_go(self) -> None:
        """Give back every turn that this object took."""
        while self._taken:
            _release(self._taken.pop())

    @contextmanager
    def waited_for(
        self, *turns: str, on_wait: Callable[[str], None] = lambda _: None
    ) -> Iterator[None]:
        """Hold turns for a block, waiting for whoever has them. They are taken in order of name.

        `on_wait` is told once for whom.
        """
        told = False
        try:
            for turn in sorted(turns):
                while True:
                    try:
                        self.take(turn)
                        break
                    except PartitionBusyError as error:
                        if not told:
                            on_wait(f"waiting: {error.holder} is at {turn}")
                        told = True
                        time.sleep(_POLL_SECONDS)
            yield
        finally:
            self.let_go()


def _hold(path: Path) -> bool:
    """Lock a file for this thread, once more if it holds it already; say whether it is held."""
    me = (threading.get_ident(), os.getpid())
    with _CHANGING:
        held = _HELD.get(path)
        if held is not None and held.process == me[1]:
            if held.thread == me[0]:
                _HELD[path] = held._replace(times=held.times + 1)
            return held.thread == me[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        _HELD[path] = _Held(descriptor, *me, times=1)
        return True


def _release(path: Path) -> None:
    with _CHANGING:
        held = _HELD.get(path)
        if held is None or held.process != os.getpid():
            return
        if held.times > 1:
            _HELD[path] = held._replace(times=held.times - 1)
            return
        del _HELD[path]
        os.close(held.descriptor)


def _write(descriptor: int, said: dict[str, str]) -> None:
    """Say who holds the lock; for people, nothing is decided by it but sharing within a run."""
    os.ftruncate(descriptor, 0)
    said |= {"host": socket.gethostname(), "process": str(os.getpid())}
    os.pwrite(descriptor, json.dumps(said).encode("utf-8"), 0)


def _read(path: Path) -> dict[str, str]:
    try:
        said = json.loads(path.read_bytes() or b"{}")
    except (ValueError, OSError):
        return {}
    return {str(k): str(v) for k, v in said.items()} if isinstance(said, dict) else {}


def _described(holder: dict[str, str]) -> str:
    known = {name: holder.get(name, "unknown") for name in ("run", "process", "host")}
    return f"run {known['run']} (process {known['process']} on {known['host']})"
