"""The boundary between a process and its system: count its calls, and fail at the n-th.

`os_boundary.c` is compiled once per run with the C compiler of the machine and preloaded; the
driver of the faults starts itself again under it. What runs above it is the real program.
"""

import ctypes
import os
import shutil
import subprocess
import sys
from enum import IntEnum
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("os_boundary.c")
_NS: Final = 1_000_000_000


class Fault(IntEnum):
    """What happens at the n-th call; the numbers are those of `os_boundary.c`."""

    NONE = 0
    COUNT = 1
    KILL = 2
    KILL_GROUP = 3
    TEAR = 4
    FULL = 5
    FULL_ONCE = 6
    STEP_CLOCK = 7


def compiler() -> str | None:
    """Path of the C compiler; `None` if there is none."""
    return shutil.which("cc")


def preloaded(arguments: list[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run this interpreter with the boundary in front of its libraries.

    Parameters
    ----------
    arguments : list of str
        After the interpreter's name.
    folder : Path
        Calls that change files below it are counted; the library is built in it as well.
    """
    library = folder / "os_boundary.so"
    command = [str(compiler()), "-O2", "-fPIC", "-shared", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return subprocess.run(
        [sys.executable, *arguments],
        text=True,
        check=False,
        env={**os.environ, "LD_PRELOAD": str(library), "FAULT_PREFIX": "", "FAULT_HERE": "1"},
    )


def is_here() -> bool:
    """Whether this process runs above the boundary."""
    return hasattr(ctypes.CDLL(None), "fault_arm")


def arm(fault: Fault, at: int = 0, *, below: Path, report: Path | None = None, step_s: float = 0):
    """From now on count calls that change files below a folder; do `fault` at call `at`.

    Parameters
    ----------
    report : Path, optional
        Where the call is named when the fault happens; the process may be dead after that.
    step_s : float
        For `STEP_CLOCK`: by how much the wall clock is moved, in seconds.
    """
    os.environ["FAULT_PREFIX"] = str(below)
    if report is not None:
        os.environ["FAULT_REPORT"] = str(report)
    # os.environ writes through to the C environment, which the boundary reads
    _library().fault_arm(int(fault), at, int(step_s * _NS))


def trace(to: Path | None) -> None:
    """While calls are counted, write each of them into a file, one a line; `None` ends that."""
    _library().fault_trace(str(to).encode() if to is not None else None)


def disarm() -> None:
    """Let every call through again."""
    _library().fault_arm(int(Fault.NONE), 0, 0)


def counted() -> int:
    """Return how many calls were counted since `arm`."""
    return int(_library().fault_counted())


def refused() -> int:
    """Return how many calls were answered with ENOSPC since `arm`."""
    return int(_library().fault_refused())


def hold_clock(at_ns: int, forward_s: float = 0) -> None:
    """Keep the wall clock still at a moment (0: let it run), moved by some seconds."""
    _library().fault_clock(at_ns, int(forward_s * _NS))


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(None)
    library.fault_counted.restype = ctypes.c_long
    library.fault_refused.restype = ctypes.c_long
    library.fault_trace.argtypes = (ctypes.c_char_p,)
    library.fault_arm.argtypes = (ctypes.c_int, ctypes.c_long, ctypes.c_longlong)
    library.fault_clock.argtypes = (ctypes.c_longlong, ctypes.c_longlong)
    return library
