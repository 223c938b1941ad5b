"""Audit packs as files: written whole and once, read without believing any length in them."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from torghut_assets.domain.audit.container import (
    Member,
    check_directory,
    crc_of,
    directory,
    local_header,
    placed,
)
from torghut_assets.domain.audit.faults import NotAPackError, PackFault
from torghut_assets.domain.digests import StreamingDigest
from torghut_assets.domain.errors import BadInputError, EvidenceDigestMismatchError

_PIECE: Final = 1 << 20
Content = bytes | Path
"""What a file of a pack holds: bytes, or the file to copy them from."""


class PackFile:
    """An open pack; its container was checked. See `domain.audit.check.PackSource`."""

    def __init__(self, stream: BinaryIO, location: str) -> None:
        self.location = location
        self._stream = stream
        size = stream.seek(0, os.SEEK_END)
        members = check_directory(self._bytes, size, location=location)
        self._members = {member.name: member for member in members}
        self.sizes: Mapping[str, int] = {m.name: m.size for m in members}

    def read(self, name: str) -> bytes:
        """Return a file's bytes, its CRC checked."""
        member = self._members[name]
        payload = self._bytes(member.start, member.size)
        self._require_crc(member, crc_of(payload))
        return payload

    def digest(self, name: str) -> str:
        """Return a file's SHA-256, its CRC checked, in constant memory."""
        member = self._members[name]
        running, crc = StreamingDigest(), 0
        for piece in self.pieces(name):
            running.update(piece)
            crc = crc_of(piece, crc)
        self._require_crc(member, crc)
        return running.hexdigest

    def pieces(self, name: str) -> Iterator[bytes]:
        """Return a file's bytes in pieces of 1 MiB at most."""
        member = self._members[name]
        at = member.start
        while at < member.end:
            piece = self._bytes(at, min(_PIECE, member.end - at))
            if not piece:
                break
            yield piece
            at += len(piece)

    def _bytes(self, offset: int, length: int) -> bytes:
        self._stream.seek(offset)
        return self._stream.read(length)

    def _require_crc(self, member: Member, found: int) -> None:
        if found != member.crc:
            raise NotAPackError(
                PackFault.CRC_DIFFERS,
                location=f"{self.location}: {member.name}",
                detail=f"CRC-32 {found:08x}, the container says {member.crc:08x}",
            )


@contextmanager
def opened_pack(path: Path) -> Iterator[PackFile]:
    """Open a pack and check its container.

    Raises
    ------
    NotAPackError
        If it cannot be read or is no pack.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        raise NotAPackError(
            PackFault.NOT_A_ZIP, location=str(path), detail=str(error.strerror)
        ) from error
    with stream:
        yield PackFile(stream, path.name)


def write_pack(path: Path, contents: Mapping[str, Content]) -> None:
    """Write a new pack in one step; the same contents give the same bytes.

    Raises
    ------
    BadInputError
        If there is a file of that name already: a pack is never replaced.
    NotAPackError
        If it would become too large.
    """
    if path.exists():
        raise _exists(path)
    sizes = []
    for name, content in contents.items():
        size, crc = 0, 0
        for piece in _pieces(content):
            size, crc = size + len(piece), crc_of(piece, crc)
        sizes.append((name, size, crc))
    members = placed(sizes, location=str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            for member in members:
                stream.write(local_header(member))
                copied = 0
                for piece in _pieces(contents[member.name]):
                    copied = crc_of(piece, copied)
                    stream.write(piece)
                if copied != member.crc:
                    raise EvidenceDigestMismatchError(
                        location=member.name, expected=f"{member.crc:08x}", actual=f"{copied:08x}"
                    )
            stream.write(directory(members))
            stream.flush()
            os.fsync(stream.fileno())
            os.fchmod(stream.fileno(), 0o644)
        try:
            os.link(temporary, path)
        except FileExistsError as error:
            raise _exists(path) from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def digests_of(contents: Mapping[str, Content]) -> dict[str, tuple[str, int]]:
    """Return SHA-256 and length of every content by name."""
    found = {}
    for name, content in contents.items():
        running, size = StreamingDigest(), 0
        for piece in _pieces(content):
            running.update(piece)
            size += len(piece)
        found[name] = (running.hexdigest, size)
    return found


def _pieces(content: Content) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    with content.open("rb") as stream:
        read: Callable[[], bytes] = lambda: stream.read(_PIECE)  # noqa: E731 - for iter()
        yield from iter(read, b"")


def _exists(path: Path) -> BadInputError:
    return BadInputError(
        location=str(path),
        found="a file",
        expected="a new name: a pack is never replaced",
        action="Move it away, or choose another name with --out.",
    )
