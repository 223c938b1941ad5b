"""The system calls a worker may still make; every other one fails with EPERM.

The list is what a single-threaded Python with numpy needs to compute, read files and answer over
descriptors it already has. Not on it, and so refused: sockets, new processes and threads,
exec, signals to others, ptrace, other processes' memory, writing, creating or changing files,
new namespaces and mounts, io_uring, raising limits. A program for another architecture or of the
x32 table is killed. Numbers are those of Linux on x86-64 (`asm/unistd_64.h`).
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterator
from typing import Final

MACHINE: Final = "x86_64"
"""What `os.uname().machine` must say: the numbers below are wrong anywhere else."""

_ALLOWED: Final = {
    "read": 0,
    "write": 1,
    "close": 3,
    "stat": 4,
    "fstat": 5,
    "lstat": 6,
    "poll": 7,
    "lseek": 8,
    "mmap": 9,
    "mprotect": 10,
    "munmap": 11,
    "brk": 12,
    "rt_sigaction": 13,
    "rt_sigprocmask": 14,
    "rt_sigreturn": 15,
    "pread64": 17,
    "access": 21,
    "select": 23,
    "sched_yield": 24,
    "mremap": 25,
    "madvise": 28,
    "nanosleep": 35,
    "getpid": 39,
    "exit": 60,
    "uname": 63,
    "getcwd": 79,
    "readlink": 89,
    "gettimeofday": 96,
    "getrusage": 98,
    "sysinfo": 99,
    "getuid": 102,
    "getgid": 104,
    "geteuid": 107,
    "getegid": 108,
    "sigaltstack": 131,
    "gettid": 186,
    "time": 201,
    "futex": 202,
    "sched_getaffinity": 204,
    "getdents64": 217,
    "clock_gettime": 228,
    "clock_getres": 229,
    "clock_nanosleep": 230,
    "exit_group": 231,
    "newfstatat": 262,
    "readlinkat": 267,
    "faccessat": 269,
    "pselect6": 270,
    "ppoll": 271,
    "getrandom": 318,
    "membarrier": 324,
    "statx": 332,
    "rseq": 334,
    "faccessat2": 439,
}
_OPENING: Final = {2: 1, 257: 2}
"""`open` and `openat`, with the place of the flags; allowed for reading only."""
_PRLIMIT64: Final = 302
"""Allowed without new limits (a null third argument): asking, not setting."""

_READING_ONLY: Final = ~(
    os.O_NONBLOCK
    | os.O_CLOEXEC
    | os.O_DIRECTORY
    | os.O_NOFOLLOW
    | os.O_NOCTTY
    | os.O_NOATIME
    | 0o100000  # O_LARGEFILE
)
"""Flags that must all be clear: whatever writes, creates, cuts off or is not known here."""

_AUDIT_ARCH_X86_64: Final = 0xC000003E
_X32_BIT: Final = 0x40000000
_RET_KILL_PROCESS: Final = 0x80000000
_RET_ERRNO: Final = 0x00050000
_RET_ALLOW: Final = 0x7FFF0000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16
_PR_SET_SECCOMP: Final = 22
_MODE_FILTER: Final = 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def filter_program() -> bytes:
    """Return the filter as classic BPF, one `sock_filter` of 8 bytes per instruction."""
    return b"".join(struct.pack("=HBBI", *line) for line in _instructions())


def restrict_system_calls(libc: ctypes.CDLL) -> None:
    """Apply the filter to this process for good; `PR_SET_NO_NEW_PRIVS` must be set.

    Raises
    ------
    OSError
        If the kernel has no seccomp filters.
    """
    code = filter_program()
    program = _Program(len(code) // 8, code)
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp filter: {os.strerror(number)}")


def _instructions() -> Iterator[tuple[int, int, int, int]]:
    """Operation, jump if true, jump if false, operand."""
    yield _LOAD, 0, 0, _ARCH_AT
    yield _EQUAL, 1, 0, _AUDIT_ARCH_X86_64
    yield _RETURN, 0, 0, _RET_KILL_PROCESS
    yield _LOAD, 0, 0, _NUMBER_AT
    yield _AT_LEAST, 0, 1, _X32_BIT
    yield _RETURN, 0, 0, _RET_KILL_PROCESS
    for number, place in _OPENING.items():
        yield _EQUAL, 0, 4, number
        yield _LOAD, 0, 0, _ARGUMENTS_AT + 8 * place
        yield _ANY_BIT, 0, 1, _READING_ONLY & 0xFFFFFFFF
        yield _RETURN, 0, 0, _RET_ERRNO | errno.EPERM
        yield _RETURN, 0, 0, _RET_ALLOW
    yield _EQUAL, 0, 6, _PRLIMIT64
    yield _LOAD, 0, 0, _ARGUMENTS_AT + 8 * 2
    yield _EQUAL, 0, 3, 0
    yield _LOAD, 0, 0, _ARGUMENTS_AT + 8 * 2 + 4
    yield _EQUAL, 0, 1, 0
    yield _RETURN, 0, 0, _RET_ALLOW
    yield _RETURN, 0, 0, _RET_ERRNO | errno.EPERM
    for number in _ALLOWED.values():
        yield _EQUAL, 0, 1, number
        yield _RETURN, 0, 0, _RET_ALLOW
    yield _RETURN, 0, 0, _RET_ERRNO | errno.EPERM
