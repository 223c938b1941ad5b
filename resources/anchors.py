"""Anchors as a command is given them: `FILE`, `git:REPOSITORY`, `git:REPOSITORY#TAG`.

A file is a signed tree head, or one with a time stamp; which, its first bytes say.
"""

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.evidence.anchors import (
    MAX_ANCHOR_BYTES,
    is_timestamped,
    read_timestamped,
)
from torghut_assets.resources.git_anchor import heads_in_git
from torghut_assets.resources.timestamp_anchor import require_stamp

_GIT: Final = "git:"


class KeptHead(NamedTuple):
    """A tree head that was kept elsewhere: its kind, its place, its bytes, its time stamp."""

    kind: str
    location: str
    payload: bytes
    stamped_at: dt.datetime | None = None

    @property
    def plain(self) -> dict[str, str | None]:
        """Return it for people and programs, without the bytes."""
        at = None if self.stamped_at is None else f"{self.stamped_at:%Y-%m-%dT%H:%M:%SZ}"
        return {"kind": self.kind, "anchor": self.location, "stamped_at": at}


def kept_heads(anchors: Iterable[str], tsa_roots: Path | None) -> list[KeptHead]:
    """Return the heads that some anchors hold; time stamps are checked, signatures are not.

    Raises
    ------
    BadInputError
        If an anchor cannot be read.
    EvidenceRefusedError
        If it is none, or its time stamp does not verify.
    """
    found: list[KeptHead] = []
    for anchor in anchors:
        if anchor.startswith(_GIT):
            repository, _, tag = anchor.removeprefix(_GIT).partition("#")
            found += [
                KeptHead("git", place, signed)
                for place, signed in heads_in_git(Path(repository), tag or None)
            ]
        else:
            found.append(_in_file(Path(anchor), tsa_roots))
    return found


def _in_file(path: Path, tsa_roots: Path | None) -> KeptHead:
    where = f"anchor {path}"
    try:
        with path.open("rb") as file:
            payload = file.read(MAX_ANCHOR_BYTES + 1)
    except OSError as error:
        raise BadInputError(
            location=f"--anchor {path}",
            found=str(error.strerror),
            expected="a file, or git:REPOSITORY",
        ) from error
    if len(payload) > MAX_ANCHOR_BYTES:
        raise BadInputError(
            location=f"--anchor {path}",
            found=f"more than {MAX_ANCHOR_BYTES} bytes",
            expected="a signed tree head",
        )
    if not is_timestamped(payload):
        return KeptHead("file", where, payload)
    head = read_timestamped(payload, location=where)
    stamped_at = require_stamp(head, tsa_roots, location=where)
    return KeptHead("rfc3161", where, head.signed_head, stamped_at)
