"""Which tickets are in use: one locked file per open ticket, held by the process that has it.

The operating system lets go of a lock when its process dies, however it dies; a free lock
file is the sign of a ticket whose process is gone. Locks inform, they prove nothing: a
ticket without an outcome counts, with or without its lock file.
"""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_HELD: Final[dict[Path, int]] = {}
"""Descriptors of the lock files that this process holds."""


class TicketLocks:
    """Lock files in `folder`, named by the ticket's sequence."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def hold(self, sequence: int) -> None:
        """Hold the ticket's lock until `let_go`, or until this process ends."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / str(sequence)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _HELD[path] = descriptor

    def let_go(self, sequence: int) -> None:
        """Remove the ticket's lock; no lock is fine."""
        path = self._folder / str(sequence)
        path.unlink(missing_ok=True)
        if (descriptor := _HELD.pop(path, None)) is not None:
            os.close(descriptor)

    def without_a_process(self) -> Iterator[int]:
        """Sequences whose lock file nobody holds, in order.

        Call it as the only writer of the register: a ticket is locked before it is written.
        """
        if not self._folder.is_dir():
            return
        names = [path.name for path in self._folder.iterdir() if path.name.isdecimal()]
        for sequence in sorted(map(int, names)):
            if _is_free(self._folder / str(sequence)):
                yield sequence


def _is_free(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:  # its holder let go a moment ago
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
