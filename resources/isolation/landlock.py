"""Landlock: which files a worker may still open, by folder; everything else is refused.

The kernel's own numbers (`linux/landlock.h`). A newer kernel can refuse more kinds of access
(making TCP connections, devices, signals and sockets outside); all that it knows are refused.
"""

import ctypes
import os
import struct
from collections.abc import Iterable
from typing import Final

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG: Final = 1
_RULE_PATH_BENEATH: Final = 1
_READ_FILE: Final = 1 << 2
_READ_DIR: Final = 1 << 3
_O_PATH: Final = 0o10000000
_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many of the rights, counted from bit 0, a version of the interface knows; later ones 16."""


def landlock_version(libc: ctypes.CDLL) -> int:
    """Return the version of the kernel's interface, 0 if there is none."""
    found = int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG))
    return max(found, 0)


def restrict_files(libc: ctypes.CDLL, readable: Iterable[str]) -> None:
    """Let this process read below some folders and open nothing else, for good.

    Folders that do not exist are left out. `PR_SET_NO_NEW_PRIVS` must be set.

    Raises
    ------
    OSError
        If the kernel has no Landlock, or refuses.
    """
    version = landlock_version(libc)
    if version == 0:
        raise OSError("Landlock: this kernel does not offer it")
    files = (1 << _FILE_RIGHTS.get(version, 16)) - 1
    network = 0b11 if version >= 4 else 0
    scopes = 0b11 if version >= 6 else 0
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    attributes = struct.pack("=QQQ", files, network, scopes)[:size]
    ruleset = _checked(libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(size), 0))
    for path in readable:
        try:
            folder = os.open(path, _O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        right = _READ_FILE | _READ_DIR if os.path.isdir(path) else _READ_FILE
        rule = struct.pack("=Qi", right, folder)
        _checked(libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0))
        os.close(folder)
    _checked(libc.syscall(_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock: {os.strerror(number)}")
    return result
