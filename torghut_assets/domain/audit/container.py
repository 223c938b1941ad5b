"""The container of a pack: a ZIP file in which names and contents decide every byte.

Files stand in order of their names, stored without compression, with one fixed time and one
fixed mode. So there is exactly one container for given files: whatever differs from it was
altered, nothing can expand (no zip bomb), and nothing can hide between two files.

Read `check_directory` first. It believes no length before it is compared with the file's.

References
----------
PKWARE, APPNOTE.TXT - .ZIP File Format Specification, 6.3.10, sections 4.3.7, 4.3.12, 4.3.16.
"""

import re
import stat
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from torghut_assets.domain.audit.faults import NotAPackError, PackFault

MAX_FILES: Final = 20_000
MAX_BYTES: Final = 4_000_000_000
MAX_NAME: Final = 160
_DOS_TIME: Final = 0
_DOS_DATE: Final = (1980 - 1980) << 9 | 1 << 5 | 1
_MODE: Final = stat.S_IFREG | 0o644
_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_END: Final = struct.Struct("<4s4H2IH")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
Read = Callable[[int, int], bytes]
"""Returns `length` bytes from `offset` on, fewer at the end of the file."""


class Member(NamedTuple):
    """One file of a container."""

    name: str
    size: int
    crc: int
    offset: int

    @property
    def start(self) -> int:
        """Where its content begins."""
        return self.offset + _LOCAL.size + len(self.name)

    @property
    def end(self) -> int:
        """Where its content ends."""
        return self.start + self.size


def crc_of(payload: bytes, before: int = 0) -> int:
    """Return the CRC-32 of a piece that follows others with the CRC-32 `before`."""
    return zlib.crc32(payload, before)


def is_safe_name(name: str) -> bool:
    """Whether a name is one that a pack may hold: relative, plain, below the pack."""
    return len(name) <= MAX_NAME and ".." not in name and _NAME.fullmatch(name) is not None


def local_header(member: Member) -> bytes:
    """Return the bytes before a file's content."""
    name = member.name.encode("ascii")
    sizes = (member.crc, member.size, member.size, len(name), 0)
    return _LOCAL.pack(b"PK\x03\x04", 10, 0, 0, _DOS_TIME, _DOS_DATE, *sizes) + name


def directory(members: Sequence[Member]) -> bytes:
    """Return the bytes after the last file: the central directory and its end."""
    entries = b"".join(_entry(member) for member in members)
    start = members[-1].end if members else 0
    count = len(members)
    return entries + _END.pack(b"PK\x05\x06", 0, 0, count, count, len(entries), start, 0)


def _entry(member: Member) -> bytes:
    name = member.name.encode("ascii")
    sizes = (member.crc, member.size, member.size, len(name), 0, 0, 0, 0)
    head = _CENTRAL.pack(
        b"PK\x01\x02",
        3 << 8 | 10,
        10,
        0,
        0,
        _DOS_TIME,
        _DOS_DATE,
        *sizes,
        _MODE << 16,
        member.offset,
    )
    return head + name


def placed(sizes: Sequence[tuple[str, int, int]], *, location: str) -> tuple[Member, ...]:
    """Place files one after the other, in order of their names.

    Parameters
    ----------
    sizes : sequence of (name, bytes, CRC-32)
    location : str

    Raises
    ------
    NotAPackError
        If a name is unsafe or there twice, or it all becomes too large.
    """
    members: list[Member] = []
    offset = 0
    for name, size, crc in sorted(sizes):
        if not is_safe_name(name):
            raise _refused(PackFault.NAME_UNSAFE, location, ascii(name)[:80])
        if members and members[-1].name == name:
            raise _refused(PackFault.NAME_REPEATED, location, name)
        members.append(Member(name, size, crc, offset))
        offset = members[-1].end
    if offset > MAX_BYTES or len(members) > MAX_FILES:
        raise _refused(
            PackFault.TOO_LARGE,
            location,
            f"{offset} bytes in {len(members)} files; leave tables out with --without-data",
        )
    return tuple(members)


def check_directory(read: Read, size: int, *, location: str) -> tuple[Member, ...]:
    """Return the files of a container after every byte outside of them was compared.

    Parameters
    ----------
    read : callable
    size : int
        Of the whole file, in bytes.
    location : str

    Raises
    ------
    NotAPackError
        With the first rule that is broken. The CRCs of the contents are the reader's to check.
    """
    if read(0, 4) != b"PK\x03\x04":
        raise _refused(PackFault.NOT_A_ZIP, location, "it does not begin with a file of a ZIP")
    if size > MAX_BYTES + MAX_FILES * (MAX_NAME + _CENTRAL.size):
        raise _refused(PackFault.TOO_LARGE, location, f"{size} bytes, limit {MAX_BYTES}")
    end = read(max(0, size - _END.size), _END.size)
    if len(end) < _END.size or end[:4] != b"PK\x05\x06":
        raise _refused(PackFault.TRUNCATED, location, "the end of the ZIP directory is not there")
    _, _, _, _, count, length, start, _ = _END.unpack(end)
    if count > MAX_FILES or length > MAX_FILES * (MAX_NAME + _CENTRAL.size):
        raise _refused(PackFault.TOO_MANY_FILES, location, f"{count} files, limit {MAX_FILES}")
    if start + length + _END.size != size:
        raise _refused(
            PackFault.CONTAINER_ALTERED,
            location,
            f"the directory says {start + length + _END.size} bytes, the file has {size}",
        )
    found = read(start, length)
    members = _members(found, count, location)
    if found + end != directory(members):
        raise _refused(
            PackFault.CONTAINER_ALTERED, location, "the directory is not as a pack's is written"
        )
    offset = 0
    for member in members:
        header = local_header(member)
        if member.offset != offset or read(offset, len(header)) != header:
            raise _refused(
                PackFault.CONTAINER_ALTERED,
                f"{location}: {member.name}",
                "what stands before the file does not agree with the directory",
            )
        offset = member.end
    if offset != start:
        raise _refused(PackFault.CONTAINER_ALTERED, location, "bytes between the last two parts")
    return members


def _members(found: bytes, count: int, location: str) -> tuple[Member, ...]:
    """Read the entries of a directory, and name what a pack does not hold."""
    members: list[Member] = []
    at = 0
    for _ in range(count):
        head = found[at : at + _CENTRAL.size]
        if len(head) < _CENTRAL.size or head[:4] != b"PK\x01\x02":
            raise _refused(PackFault.CONTAINER_ALTERED, location, "the directory ends too early")
        fields = _CENTRAL.unpack(head)
        flags, method, crc, packed, size, name_length = (*fields[3:5], *fields[7:11])
        raw = found[at + _CENTRAL.size : at + _CENTRAL.size + name_length]
        name = raw.decode("ascii", "backslashreplace")
        where = f"{location}: {ascii(name)[1:-1][:80]}"
        if not is_safe_name(name):
            raise _refused(PackFault.NAME_UNSAFE, where, "a name that may lead out of the pack")
        if members and name == members[-1].name:
            raise _refused(PackFault.NAME_REPEATED, where, "the name is there twice")
        if members and name < members[-1].name:
            raise _out_of_order(members, name, where)
        if flags & 1:
            raise _refused(PackFault.ENCRYPTED, where, "an encrypted file")
        if method != 0 or packed != size:
            raise _refused(
                PackFault.COMPRESSED, where, f"{packed} bytes that claim to become {size}"
            )
        mode = fields[15] >> 16
        if mode != _MODE:
            kind = "a symbolic link" if stat.S_ISLNK(mode) else f"mode {mode:o}"
            raise _refused(PackFault.NO_REGULAR_FILE, where, kind)
        members.append(Member(name, size, crc, fields[16]))
        at += _CENTRAL.size + name_length + fields[11] + fields[12]
    return tuple(members)


def _out_of_order(members: Sequence[Member], name: str, where: str) -> NotAPackError:
    if any(member.name == name for member in members):
        return _refused(PackFault.NAME_REPEATED, where, "the name is there twice")
    return _refused(PackFault.NAME_OUT_OF_ORDER, where, f"stands after {members[-1].name}")


def _refused(fault: PackFault, location: str, detail: str) -> NotAPackError:
    return NotAPackError(fault, location=location, detail=detail)
