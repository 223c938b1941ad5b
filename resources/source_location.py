"""Where the installed code is kept: repository and commit, if it is exactly what runs."""

import subprocess
from pathlib import Path
from typing import Final, NamedTuple

import torghut_assets
from torghut_assets.resources.code_version import code_digest
from torghut_assets.resources.statement_desk import STATED_CODE

_SECONDS: Final = 10.0


class SourceLocation(NamedTuple):
    """A commit, where to look at it, and the digest of the code in it."""

    repository: str
    commit: str
    url: str
    code_digest: str


def source_location() -> SourceLocation | None:
    """Return where the code that runs is kept; `None` if no unchanged git checkout says so.

    A repository without an http address has no URL that others could open, so it counts as none.
    """
    folder = Path(torghut_assets.__file__).parent
    try:
        if _git(folder, "status", "--porcelain", "--", "."):
            return None
        commit = _git(folder, "rev-parse", "HEAD")
        remote = _git(folder, "config", "--get", "remote.origin.url")
    except (OSError, subprocess.SubprocessError):
        return None
    if not remote.startswith(("http://", "https://")) or "@" in remote:
        return None
    repository = remote.removesuffix(".git")
    return SourceLocation(remote, commit, f"{repository}/tree/{commit}", code_digest(*STATED_CODE))


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - arguments are ours
        ["git", "-C", str(folder), *arguments],  # noqa: S607 - whichever git the user has
        capture_output=True,
        check=True,
        timeout=_SECONDS,
        text=True,
    )
    return done.stdout.strip()
