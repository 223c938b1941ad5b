"""Paths inside the repository, judged as text. Symbolic links are judged where they are read."""

import re
from typing import Final

_PART: Final = re.compile(r"[A-Za-z0-9._@+-]{1,100}")
_MAX_LENGTH: Final = 300


def leaves_repository(path: str) -> bool:
    """Whether a path is absolute, climbs with `..`, or names a drive, a home or a host."""
    parts = re.split(r"[/\\]", path)
    return path[:1] in {"/", "\\", "~"} or ".." in parts or ":" in path


def is_plain(path: str) -> bool:
    """Whether every part of a relative path is a plain name, and none is empty or `.`."""
    parts = path.split("/")
    return len(path) <= _MAX_LENGTH and all(
        _PART.fullmatch(part) is not None and part != "." for part in parts
    )


def area_root(area: str) -> str:
    """Return the file or folder that an owned area names: `docs/**` is the folder `docs`.

    >>> area_root("torghut_assets/domain/stages/**")
    'torghut_assets/domain/stages'
    """
    return area.removesuffix("/**")
