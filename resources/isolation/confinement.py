"""What a worker gives up before it sees foreign code, in the order in which it must happen.

`leave_network` first, while there is one thread and nothing is loaded; `confine` last. What is
required and cannot be had raises, and no foreign code is run. Namespaces are the one protection
that may be missing: containers often forbid them, and the system call filter refuses every
socket without them.
"""

import ctypes
import os
import resource
import signal
import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

from torghut_assets.resources.isolation.landlock import restrict_files
from torghut_assets.resources.isolation.seccomp import MACHINE, restrict_system_calls

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_NEW_UTS, _NEW_IPC, _NEW_USER, _NEW_NET = 0x04000000, 0x08000000, 0x10000000, 0x40000000
_CAPSET: Final = 126
_CAPABILITY_VERSION_3: Final = 0x20080522


class Limits(NamedTuple):
    """What one worker may use.

    Attributes
    ----------
    memory_bytes : int
        Address space beyond the shared memory.
    cpu_seconds : int
        Processor time over the worker's whole life.
    open_files : int
    """

    memory_bytes: int = 2 << 30
    cpu_seconds: int = 3_600
    open_files: int = 64


def c_library() -> ctypes.CDLL:
    """Return the C library of this process."""
    return ctypes.CDLL(None, use_errno=True)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when `parent` ends; end at once if it has already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def leave_network() -> bool:
    """Enter namespaces without any network device, if this system lets us; say whether."""
    flags = _NEW_USER | _NEW_NET | _NEW_IPC | _NEW_UTS
    return bool(c_library().unshare(flags) == 0)


def confine(readable: Iterable[str], limits: Limits, shared_bytes: int) -> None:
    """Give up every right but computing and reading below `readable`, for good.

    Raises
    ------
    OSError
        If a protection cannot be had here.
    """
    if os.uname().machine != MACHINE or os.uname().sysname != "Linux":
        raise OSError(f"system calls can be filtered on Linux on {MACHINE} only")
    if len(os.listdir("/proc/self/task")) != 1:
        raise OSError("the worker has more than one thread; not all would be confined")
    libc = c_library()
    _prctl(_PR_SET_DUMPABLE, 0)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _set_limits(limits, shared_bytes)
    _drop_capabilities(libc)
    restrict_files(libc, readable)
    restrict_system_calls(libc)


def _set_limits(limits: Limits, shared_bytes: int) -> None:
    for kind, bound in (
        (resource.RLIMIT_AS, limits.memory_bytes + shared_bytes),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        value = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
        resource.setrlimit(kind, (value, value))


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Hold no capability, also where the process is root or owns its user namespace."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    if libc.syscall(_CAPSET, header, bytes(24)) != 0:
        raise OSError(ctypes.get_errno(), "capabilities cannot be given up")


def _prctl(option: int, value: int) -> None:
    if c_library().prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")
