"""What a disk refuses, in one sentence, wherever in a chain of errors it was said.

Dagster's databases and ours, records and reports all lie on disks. A disk that is full, read-only
or failing says so through an `OSError` or through SQLite, often inside of other errors. That is
no defect of this program and no verdict on anybody's candidate: nothing is decided by it.
"""

import errno
import os
import sqlite3
from typing import Final

from torghut_assets.domain.errors import TorghutError

_OF_FILES: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG})
_OF_DATABASES: Final = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
)


class StorageRefusedError(TorghutError):
    """A disk did not take what was written, or did not give what was read."""

    def __init__(self, location: str, problem: str) -> None:
        self.location = location
        self.problem = problem
        super().__init__(
            f"{location}: {problem}. What was finished before is kept. See that the disk works and "
            "has space, and run the same command again: it goes on from there."
        )


def storage_fault(error: BaseException) -> StorageRefusedError | None:
    """Return what a disk refused, if that is behind an error; else `None`."""
    link: BaseException | None = error
    seen: set[int] = set()  # Dagster's chains can be circular
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        if isinstance(link, StorageRefusedError):
            return link
        if isinstance(link, OSError) and link.errno in _OF_FILES:
            where = str(link.filename or link.filename2 or "a file")
            return StorageRefusedError(where, os.strerror(link.errno))
        code = getattr(link, "sqlite_errorcode", None)
        if isinstance(link, sqlite3.Error) and code is not None and code & 0xFF in _OF_DATABASES:
            return StorageRefusedError("a database of the home", str(link))
        link = link.__cause__ or link.__context__
    return None
