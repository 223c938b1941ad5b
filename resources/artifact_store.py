"""The artifact store: bytes named by their own SHA-256, written once, verified when read.

Write order is temporary file, fsync, rename, fsync of the folder: after a crash an
artifact is there whole or not at all. There is no delete and no overwrite.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple, Protocol

from torghut_assets.domain.digests import StreamingDigest, is_digest, sha256_hex
from torghut_assets.domain.errors import (
    BadInputError,
    EvidenceDigestMismatchError,
    EvidenceMissingError,
)

_PIECE = 1 << 20
_SETTLING_NS = 2_000_000_000
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
        settled_ns = time.time_ns() - _SETTLING_NS
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


class ArtifactStore:
    """Files under `root`, each named by the SHA-256 of its bytes.

    Bytes that do not hash to their own name never leave this class.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path_of(self, digest: str) -> Path:
        """Where the artifact is or would be; refuses anything that is not a digest."""
        if not is_digest(digest):
            raise BadInputError(
                location="artifact digest",
                found=ascii(digest)[:80],
                expected="64 lower-case hexadecimal digits",
            )
        return self.root / digest[:2] / digest

    def __contains__(self, digest: str) -> bool:
        return self.path_of(digest).is_file()

    def put(self, payload: bytes) -> str:
        """Store bytes and return their digest; the same bytes again are a no-op."""
        digest = sha256_hex(payload)
        path = self.path_of(digest)
        if not self._intact(path, digest):
            with self._temporary() as temporary:
                temporary.write_bytes(payload)
                self._accept(temporary, path)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes that `digest` names, verified.

        Raises
        ------
        EvidenceMissingError
            If there is no such artifact.
        EvidenceDigestMismatchError
            If the file was torn or altered.
        """
        path = self.path_of(digest)
        try:
            payload = path.read_bytes()
        except FileNotFoundError as error:
            raise EvidenceMissingError(location=str(path), digest=digest) from error
        if (actual := sha256_hex(payload)) != digest:
            raise EvidenceDigestMismatchError(location=str(path), expected=digest, actual=actual)
        return payload

    def verified_path(self, digest: str) -> Path:
        """Path of a large artifact whose bytes were just verified piece by piece."""
        path = self.path_of(digest)
        if not path.is_file():
            raise EvidenceMissingError(location=str(path), digest=digest)
        if (actual := digest_of_file(path)) != digest:
            raise EvidenceDigestMismatchError(location=str(path), expected=digest, actual=actual)
        return path

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """Give a temporary path to write a large file to; `adopt` it before the block ends."""
        with self._temporary() as temporary:
            yield temporary

    def adopt(self, temporary: Path) -> str:
        """Move a finished file from `writing` into the store and return its digest."""
        digest = digest_of_file(temporary)
        path = self.path_of(digest)
        if not self._intact(path, digest):
            self._accept(temporary, path)
        return digest

    def link(self, source: DigestedFile) -> str:
        """Store an outside file without re-encoding it and return the digest it has now.

        Hard-linked where the disk allows, else copied and digested on the way. A link shares
        bytes with the source: if somebody later edits the source in place, reading the
        artifact refuses by name. The file is read again only if it may have changed since it
        was digested.
        """
        with self._temporary() as temporary:
            temporary.unlink()
            untouched = source.untouched()  # asked first: a link changes one of the times
            try:
                os.link(source.path, temporary)
            except OSError:
                digest = _copy_and_digest(source.path, temporary)
            else:
                known = untouched and source.is_at(temporary)
                digest = source.digest if known else digest_of_file(temporary)
            path = self.path_of(digest)
            if not _same_file(temporary, path) and not self._intact(path, digest):
                self._accept(temporary, path)
        return digest

    def _intact(self, path: Path, digest: str) -> bool:
        """Whether the artifact is there already; a torn or altered one is replaced."""
        return path.is_file() and digest_of_file(path) == digest

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        self.root.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".writing-", dir=self.root)
        os.close(handle)
        path = Path(name)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _accept(self, temporary: Path, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _same_file(one: Path, other: Path) -> bool:
    """Whether two names are links to the same bytes; nothing need be at `other`."""
    return other.is_file() and one.samefile(other)


def _copy_and_digest(source: Path, target: Path) -> str:
    """Copy a file piece by piece and return the SHA-256 of what was written."""
    digest = StreamingDigest()
    with source.open("rb") as reader, target.open("xb") as writer:
        while piece := reader.read(_PIECE):
            digest.update(piece)
            writer.write(piece)
    return digest.hexdigest


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file, read in pieces of 1 MiB."""
    digest = StreamingDigest()
    with path.open("rb") as handle:
        while piece := handle.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest
