"""Files that appear whole or not at all, and never replace another."""

import errno
import os
import tempfile
from pathlib import Path
from typing import Final

_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EACCES})
"""What disks answer that have no hard links."""


def write_new(path: Path, payload: bytes, mode: int = 0o644) -> None:
    """Create a file with its whole content in one step; the folder is made if need be.

    A process that is killed in the middle leaves nothing under `path`, at most a file
    `.writing-*` beside it. On a disk without hard links only the second half of that holds:
    the file is created exclusively, but a kill in the middle leaves a part of it.

    Raises
    ------
    FileExistsError
        If there is such a file already; it is left as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as temporary:
            temporary.write(payload)
            temporary.flush()
            os.fsync(temporary.fileno())
            os.fchmod(temporary.fileno(), mode)
        try:
            os.link(name, path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            direct = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(direct, "wb") as whole:
                whole.write(payload)
    finally:
        Path(name).unlink(missing_ok=True)
