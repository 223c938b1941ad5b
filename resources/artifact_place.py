"""Which artifact store a home has: its own folder, or a team's bucket."""

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from torghut_assets.domain.errors import BadInputError
from torghut_assets.resources.artifact_files import FileStore
from torghut_assets.resources.artifact_store import ArtifactStore

STORE_URL: Final = "TORGHUT_STORE_URL"
"""Environment variable: `s3://BUCKET/PREFIX`. Credentials are never part of it."""
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*|")


def artifact_store(home: Path, url: str | None) -> ArtifactStore:
    """Return the store of a home.

    Parameters
    ----------
    home : Path
        Root of the home.
    url : str or None
        `s3://BUCKET/PREFIX`; `None` or empty is the folder `store` of the home.

    Raises
    ------
    BadInputError
        If `url` is anything else.
    """
    if not url:
        return FileStore(home / "store")
    return _bucket(home, url, os.getpid())


@lru_cache(maxsize=8)
def _bucket(home: Path, url: str, process: int) -> ArtifactStore:  # noqa: ARG001 - see below
    """Keep one client per process: a forked child may not use that of its parent."""
    from torghut_assets.resources.artifact_bucket import BucketStore

    parts = urlsplit(url)
    prefix = parts.path.strip("/")
    if (
        parts.scheme != "s3"
        or not _BUCKET.fullmatch(parts.netloc)
        or not _PREFIX.fullmatch(prefix)
        or {".", ".."} & set(prefix.split("/"))
        or parts.query
        or parts.fragment
    ):
        raise BadInputError(
            location=STORE_URL,
            found="something else (not shown: it may hold a secret)",
            expected="s3://BUCKET or s3://BUCKET/PREFIX, without credentials",
            action="Give credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        )
    return BucketStore(parts.netloc, prefix, home / "cache" / "artifacts")
