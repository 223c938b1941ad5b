"""The artifact store in a folder.

Write order is temporary file, fsync, rename, fsync of the folder: after a crash an
artifact is there whole or not at all.
"""

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from torghut_assets.domain.digests import StreamingDigest, is_digest, sha256_hex
from torghut_assets.domain.errors import EvidenceDigestMismatchError, EvidenceMissingError
from torghut_assets.resources.artifact_store import (
    PIECE_BYTES,
    SETTLING_NS,
    ArtifactStore,
    DigestedFile,
    Shelf,
    StoredSize,
    digest_of_file,
    require_digest,
    temporary_in,
)


class FileStore(ArtifactStore):
    """Files under `root`, each named by the SHA-256 of its bytes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def location(self) -> str:
        """The folder."""
        return f"store {self.root}"

    def path_of(self, digest: str) -> Path:
        """Where the artifact is or would be; refuses anything that is not a digest."""
        require_digest(digest)
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

    def opening(self, digest: str, length: int) -> bytes:
        """Return the first bytes of the file."""
        path = self.path_of(digest)
        try:
            with path.open("rb") as handle:
                return handle.read(length)
        except FileNotFoundError as error:
            raise EvidenceMissingError(location=str(path), digest=digest) from error

    def is_intact(self, digest: str) -> bool:
        """Digest the file."""
        path = self.path_of(digest)
        try:
            return digest_of_file(path) == digest
        except FileNotFoundError as error:
            raise EvidenceMissingError(location=str(path), digest=digest) from error

    def shelves(self) -> Iterator[Shelf]:
        """One per folder; its mark is the time at which names in it changed last."""
        for folder in sorted(self.root.iterdir()) if self.root.is_dir() else ():
            if len(folder.name) == 2 and folder.is_dir():
                now, changed = time.time_ns(), folder.stat().st_mtime_ns
                settled = changed < now - SETTLING_NS
                yield Shelf(
                    folder.name, str(changed) if settled else None, partial(_digests_in, folder)
                )

    def size(self) -> StoredSize:
        """Count by one look at each folder and file; files being written do not count."""
        artifacts = size_bytes = 0
        for shelf in self.shelves():
            with os.scandir(self.root / shelf.name) as entries:
                for entry in entries:
                    if is_digest(entry.name):
                        artifacts += 1
                        size_bytes += entry.stat().st_size
        return StoredSize(artifacts, size_bytes)

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

    def _temporary(self) -> AbstractContextManager[Path]:
        return temporary_in(self.root)

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


def _digests_in(folder: Path) -> Iterator[str]:
    return (path.name for path in folder.iterdir() if is_digest(path.name))


def _copy_and_digest(source: Path, target: Path) -> str:
    """Copy a file piece by piece and return the SHA-256 of what was written."""
    digest = StreamingDigest()
    with source.open("rb") as reader, target.open("xb") as writer:
        while piece := reader.read(PIECE_BYTES):
            digest.update(piece)
            writer.write(piece)
    return digest.hexdigest
