"""Where faults are done: homes that are copied, and children that are forked and die.

The driver imports everything once and opens no home. Each command runs in a child of its own, so
that it starts as a new process does: with no memory of any home.
"""

import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from command_line import torghut

from torghut_assets.domain.backtest.trials import TrialAnchor
from torghut_assets.resources.home import Home

from . import boundary
from .boundary import Fault

STILL_NS: Final = 1_767_225_600 * 1_000_000_000
"""Where the wall clock stands in every child: 1 January 2026, so that records can be compared."""
LONGEST_S: Final = 600.0
_MODULES: Final = (
    *("numba", "numpy", "pandas", "scipy.stats", "pyarrow.parquet", "exchange_calendars"),
    *("dagster", "psycopg2", "cryptography.hazmat.primitives.asymmetric.ed25519"),
    *(
        f"torghut_assets.cli.{name}"
        for name in ("run", "session", "candidate", "snapshot", "kill", "audit", "trials", "ramp")
    ),
    *("torghut_assets.cli.ledger", "torghut_assets.cli.keys", "torghut_assets.cli.stage"),
    *("torghut_assets.resources.signing_desk", "torghut_assets.resources.reconciliation"),
)


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes
    ----------
    code : int
        Exit status, or minus the number of the signal that killed it.
    value : object
        What its function returned; `None` if it was killed.
    where : str
        The call at which the fault happened; empty if it did not.
    """

    code: int
    value: Any
    where: str
    points: int
    seconds: float

    @property
    def was_killed(self) -> bool:
        return self.code == -signal.SIGKILL


@contextmanager
def workplace() -> Iterator[Path]:
    """Give a temporary folder, in memory where there is such a disk."""
    memory = Path("/dev/shm")
    place = str(memory) if os.access(memory, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="torghut-faults-", dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def warm_up(light: bool = False) -> None:
    """Import what commands import, and load the compiled kernels; no home is opened.

    `light` leaves out what only an evaluation needs.
    """
    if light:
        importlib.import_module("torghut_assets.cli.candidate")
        return
    for name in _MODULES:
        importlib.import_module(name)
    done = torghut("warm")
    if done.returncode:
        raise RuntimeError(done.stderr)


def copied(template: Path, to: Path) -> Path:
    """Copy a home as if it had always been there.

    Registers know their file by its inode, and note a copy as a relocation; the copy's anchors are
    told the new inodes, so that a copy goes on exactly as its template would.
    """
    shutil.copytree(template, to, symlinks=True)
    home = Home.at(to)
    for register, anchor in (
        (home.trial_register_path, home.trial_anchor_path),
        (home.receipts_path, home.receipts_anchor_path),
        (home.order_journal_path, home.order_journal_anchor_path),
    ):
        if register.is_file() and anchor.is_file():
            known = TrialAnchor.from_canonical_bytes(anchor.read_bytes(), location=str(anchor))
            here = known.model_copy(update={"file_id": register.stat().st_ino})
            anchor.write_bytes(here.canonical_bytes())
    return to


def call(
    home: Path,
    function: Callable[[], Any],
    fault: Fault = Fault.COUNT,
    at: int = 0,
    *,
    workers: int = 1,
    step_s: float = 0,
) -> Ended:
    """Call a function on a home in a new process, in which the fault happens at the n-th call.

    Parameters
    ----------
    workers : int
        As many processes do the same at once, in one process group. The answer is the first's.
    """
    return start(home, function, fault, at, workers=workers, step_s=step_s)[0]


def start(
    home: Path,
    function: Callable[[], Any],
    fault: Fault = Fault.COUNT,
    at: int = 0,
    *,
    workers: int = 1,
    step_s: float = 0,
) -> list[Ended]:
    """As `call`, and return how each of the workers ended."""
    desk = Path(tempfile.gettempdir()) / f"torghut-faults-{os.getpid()}"
    desk.mkdir(exist_ok=True)  # not beside the home: its disk may be full
    answers = [desk / f"answer-{n}" for n in range(workers)]
    report = desk / "where"
    report.unlink(missing_ok=True)
    began = time.monotonic()
    children: list[int] = []
    for answer in answers:
        answer.unlink(missing_ok=True)
        pid = os.fork()
        if pid == 0:
            _work(home, function, (fault, at, report, answer, step_s))
        os.setpgid(pid, children[0] if children else pid)
        children.append(pid)
    ended = []
    for pid, answer in zip(children, answers, strict=True):
        code = _wait(pid, began)
        told = json.loads(answer.read_text()) if answer.is_file() else {}
        where = report.read_text() if report.is_file() else ""
        ended.append(
            Ended(code, told.get("value"), where, told.get("points", 0), time.monotonic() - began)
        )
    return ended


def _wait(pid: int, began: float) -> int:
    while time.monotonic() - began < LONGEST_S:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise TimeoutError(f"process {pid} did not end within {LONGEST_S:.0f} s")


def _work(
    home: Path, function: Callable[[], Any], orders: tuple[Fault, int, Path, Path, float]
) -> None:
    """Be the child: never returns."""
    fault, at, report, answer, step_s = orders
    code = 70
    try:
        while os.getpgid(0) == os.getpgid(os.getppid()):  # until the parent named our group
            time.sleep(0.001)
        os.environ["TORGHUT_HOME"] = str(home)
        os.environ.pop("DAGSTER_HOME", None)
        boundary.hold_clock(STILL_NS)
        boundary.arm(fault, at, below=home, report=report, step_s=step_s)
        try:
            value = function()
        finally:
            points = boundary.counted()
            boundary.disarm()
        answer.write_text(json.dumps({"value": value, "points": points}))
        code = 0
    except BaseException:  # noqa: BLE001 - the child's last word
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def command(*words: str, **environment: str) -> Callable[[], list[Any]]:
    """Return a call of one command: exit status, standard output and standard error."""
    return commands([words], **environment)


def commands(lines: Sequence[Sequence[str]], **environment: str) -> Callable[[], list[Any]]:
    """Return a call of several commands, one after the other; the last one's answer."""

    def run() -> list[Any]:
        answer: list[Any] = []
        for words in lines:
            answer = list(torghut(*words, **environment))
        return answer

    return run
