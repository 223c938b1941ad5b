"""The artifact store: bytes named by their own SHA-256, written once, verified when read.

Write order is temporary file, fsync, rename, fsync of the folder: after a crash an
artifact is there whole or not at all. There is no delete and no overwrite.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torghut_assets.domain.digests import StreamingDigest, is_digest, sha256_hex
from torghut_assets.domain.errors import (
    BadInputError,
    EvidenceDigestMismatchError,
    EvidenceMissingError,
)

_PIECE = 1 << 20


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

    def link(self, source: Path) -> str:
        """Store an outside file without re-encoding it; linked where the disk allows.

        A hard link shares bytes with the source: if somebody later edits the source in
        place, reading the artifact refuses by name.
        """
        digest = digest_of_file(source)
        path = self.path_of(digest)
        if not self._intact(path, digest):
            with self._temporary() as temporary:
                temporary.unlink()
                try:
                    os.link(source, temporary)
                except OSError:
                    shutil.copyfile(source, temporary)
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


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file, read in pieces of 1 MiB."""
    digest = StreamingDigest()
    with path.open("rb") as handle:
        while piece := handle.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest
