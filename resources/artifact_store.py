"""The artifact store: bytes named by their own SHA-256, written once, verified when read.

`ArtifactStore` says what every store promises; `artifact_files` keeps it in a folder,
`artifact_bucket` on S3-compatible storage, and `artifact_place` chooses. Other bytes never take the
place of those that hash to their name. Nothing here deletes: `retention_desk` takes out what a
tombstone in the ledger stands for.
"""

import os
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from torghut_assets.domain.digests import StreamingDigest, is_digest
from torghut_assets.domain.errors import BadInputError

PIECE_BYTES: Final = 1 << 20
SETTLING_NS: Final = 2_000_000_000
"""Coarsest step of file times that disks in use have: a write within it may not show."""


class DigestedFile(NamedTuple):
    """A file outside the store as it was when its bytes were digested.

    `found` was read before the first byte. `settled` says that the file had been left alone
    for so long by then that any later write shows in its times.
    """

    path: Path
    digest: str
    found: os.stat_result
    settled: bool

    @classmethod
    def of(cls, path: Path) -> "DigestedFile":
        """Digest a file."""
        settled_ns = time.time_ns() - SETTLING_NS
        found = path.stat()
        settled = max(found.st_mtime_ns, found.st_ctime_ns) < settled_ns
        return cls(path=path, digest=digest_of_file(path), found=found, settled=settled)

    def untouched(self) -> bool:
        """Whether nothing was written to the file, nor any of its times changed, since."""
        return (
            self.settled
            and self.is_at(self.path)
            and self.path.stat().st_ctime_ns == self.found.st_ctime_ns
        )

    def is_at(self, path: Path) -> bool:
        """Whether `path` is this file by device, inode, size and time of writing."""
        one, other = self.found, path.stat()
        return os.path.samestat(one, other) and (one.st_size, one.st_mtime_ns) == (
            other.st_size,
            other.st_mtime_ns,
        )


class ReadableStore(Protocol):
    """Where artifacts can be read, verified: a home's store, or a pack."""

    def get(self, digest: str) -> bytes:
        """Return an artifact's bytes."""
        ...

    def verified_path(self, digest: str) -> Path | BytesIO:
        """Return a large artifact as a path or an open file."""
        ...


@contextmanager
def temporary_in(folder: Path) -> Iterator[Path]:
    """Give a new file in a folder, which is made; what is left of it goes at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".writing-", dir=folder)
    os.close(handle)
    path = Path(name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


class Shelf(NamedTuple):
    """Artifacts whose digests begin alike. What is marked as before holds what it held before.

    Parameters
    ----------
    name : str
        The first two digits of the digests.
    mark : str or None
        `None` if a change may not show yet.
    digests : callable
        Lists them.
    """

    name: str
    mark: str | None
    digests: Callable[[], Iterable[str]]


class StoredSize(NamedTuple):
    """How much a store holds."""

    artifacts: int
    size_bytes: int


class ArtifactStore(ABC):
    """Artifacts, each named by the SHA-256 of its bytes.

    Bytes that do not hash to their own name never leave a store.
    """

    @property
    @abstractmethod
    def location(self) -> str:
        """Where the store is, for messages; never a credential."""

    @abstractmethod
    def __contains__(self, digest: str) -> bool: ...

    @abstractmethod
    def put(self, payload: bytes) -> str:
        """Store bytes and return their digest; the same bytes again are a no-op."""

    @abstractmethod
    def get(self, digest: str) -> bytes:
        """Return the bytes that `digest` names, verified.

        Raises
        ------
        EvidenceMissingError
            If there is no such artifact.
        EvidenceDigestMismatchError
            If it was torn or altered.
        """

    @abstractmethod
    def verified_path(self, digest: str) -> Path:
        """Path of a large artifact whose bytes were just verified piece by piece; do not write."""

    @abstractmethod
    def opening(self, digest: str, length: int) -> bytes:
        """Return the first bytes, at most `length`, unverified: enough to see what it is."""

    @abstractmethod
    def is_intact(self, digest: str) -> bool:
        """Whether the stored bytes hash to their name; raises if there are none."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Path]:
        """Give a temporary path to write a large file to; `adopt` it before the block ends."""

    @abstractmethod
    def adopt(self, temporary: Path) -> str:
        """Move a finished file from `writing` into the store and return its digest."""

    @abstractmethod
    def link(self, source: DigestedFile) -> str:
        """Store an outside file without re-encoding it and return the digest it has now."""

    @abstractmethod
    def shelves(self) -> Iterator[Shelf]:
        """All that is stored, in the order of the digests."""

    @abstractmethod
    def size(self) -> StoredSize:
        """Count artifacts and bytes, without reading them."""

    def digests(self) -> Iterator[str]:
        """Digests of all artifacts, in order."""
        for shelf in self.shelves():
            yield from sorted(shelf.digests())


def require_digest(digest: str) -> str:
    """Return a digest; refuse anything else before it becomes part of a name."""
    if not is_digest(digest):
        raise BadInputError(
            location="artifact digest",
            found=ascii(digest)[:80],
            expected="64 lower-case hexadecimal digits",
        )
    return digest


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file, read in pieces of 1 MiB."""
    digest = StreamingDigest()
    with path.open("rb") as handle:
        while piece := handle.read(PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest
