"""Tree heads as annotated tags of a git repository: written once, pushed by whoever owns it.

A tag's object names its message, so a tag that was pushed convicts a ledger that does not go on
from it. Nothing is ever forced, and no remote is contacted.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import Final

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.evidence.anchors import (
    MAX_ANCHOR_BYTES,
    TAG_PREFIX,
    head_in_tag,
    tag_message,
    tag_name,
)
from torghut_assets.domain.evidence.entries import TreeHead, read_tree_head
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault

_SECONDS: Final = 60.0
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NOBODY: Final = ("-c", "user.name=torghut", "-c", "user.email=torghut@localhost")


def keep_in_git(repository: Path, head: TreeHead, signed: bytes) -> str:
    """Write an annotated tag with a signed head on the repository's HEAD; return its name.

    Raises
    ------
    BadInputError
        If there is no git, no repository, no commit, or another tag of that name.
    """
    name = tag_name(head)
    if name in _tags(repository):
        if head_in_tag(_message(repository, name), location=name) == signed:
            return name
        raise BadInputError(
            location=f"{repository} {name}",
            found="a tag with another head",
            expected="none: tags of heads are kept, never moved",
        )
    _git(
        repository,
        *_identity(repository),
        *("tag", "--annotate", "--no-sign", "--cleanup=verbatim", "--file=-", name, "HEAD"),
        message=tag_message(head, signed),
    )
    return name


def heads_in_git(repository: Path, tag: str | None) -> list[tuple[str, bytes]]:
    """Return the signed heads of one tag, or of all tags of heads, with their places.

    Raises
    ------
    BadInputError
        If there is no git, no repository or no such tag.
    EvidenceRefusedError
        If a tag holds no head, is not annotated, or is named after another size.
    """
    if tag is not None and _NAME.fullmatch(tag) is None:
        raise BadInputError(location="--anchor git:", found=ascii(tag)[:80], expected="a tag")
    names = [
        name
        for name in _tags(repository)
        if name == tag or (tag is None and name.startswith(TAG_PREFIX))
    ]
    if not names:
        raise BadInputError(
            location=str(repository),
            found=f"no tag {tag or TAG_PREFIX + '…'}",
            expected="one as `torghut ledger anchor git` writes it",
        )
    return [(f"git tag {name}", _head_of(repository, name)) for name in names]


def _head_of(repository: Path, name: str) -> bytes:
    where = f"git tag {name}"
    signed = head_in_tag(_message(repository, name), location=where)
    head, _ = read_tree_head(signed, location=where)
    if name.startswith(TAG_PREFIX) and name != tag_name(head):
        raise EvidenceRefusedError(
            Fault.ANCHOR_MALFORMED, location=where, detail=f"its head is of size {head.tree_size}"
        )
    return signed


def _tags(repository: Path) -> list[str]:
    listed = _git(repository, "for-each-ref", "--format=%(refname:strip=2)", "refs/tags")
    names = listed.decode("utf-8", "replace").splitlines()
    return [name for name in names if _NAME.fullmatch(name)]


def _message(repository: Path, name: str) -> bytes:
    """Return the message of an annotated tag."""
    ref = f"refs/tags/{name}"
    if _git(repository, "cat-file", "-t", ref).strip() != b"tag":
        raise EvidenceRefusedError(
            Fault.ANCHOR_MALFORMED, location=f"git tag {name}", detail="it is not annotated"
        )
    size = int(_git(repository, "cat-file", "-s", ref))
    if size > MAX_ANCHOR_BYTES:
        raise EvidenceRefusedError(
            Fault.TOO_LARGE, location=f"git tag {name}", detail=f"{size} bytes"
        )
    _, _, message = _git(repository, "cat-file", "tag", ref).partition(b"\n\n")
    return message


def _identity(repository: Path) -> tuple[str, ...]:
    """Return options that name a tagger if the repository's settings do not."""
    try:
        _git(repository, "var", "GIT_COMMITTER_IDENT")
    except BadInputError:
        return _NOBODY
    return ()


def _git(repository: Path, *arguments: str, message: bytes | None = None) -> bytes:
    """Run git in a repository, without a terminal, and return what it says."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        done = subprocess.run(  # noqa: S603 - arguments are ours or were matched against a pattern
            ["git", "-C", str(repository), *arguments],  # noqa: S607 - whichever git the user has
            input=message if message is not None else b"",
            capture_output=True,
            timeout=_SECONDS,
            env={**environment, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
            check=True,
        )
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise BadInputError(
            location="git", found=str(error.strerror), expected="the program git"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise BadInputError(
            location=str(repository), found=f"no answer in {_SECONDS:.0f} s", expected="an answer"
        ) from error
    except subprocess.CalledProcessError as error:
        said = " ".join(error.stderr.decode("utf-8", "replace").split())[:200]
        raise BadInputError(
            location=str(repository),
            found=f"git said: {ascii(said)[1:-1]}",
            expected="a git repository with a commit, that this account may use",
        ) from error
    return done.stdout
