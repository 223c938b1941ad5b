"""Submitted candidate files: kept as they came, one per id, never replaced."""

import difflib
from pathlib import Path

from torghut_assets.domain.errors import BadInputError, EvidenceError
from torghut_assets.domain.identifiers import parse_candidate_id
from torghut_assets.resources.home import Home
from torghut_assets.resources.new_files import write_new

READ_LIMIT_BYTES = 64 * 1024 + 1
"""One byte more than `documents.MAX_BYTES`, so that a larger file is refused, not read whole."""


def read_submission(path: Path) -> bytes:
    """Read a file from outside, at most one byte beyond the limit of documents.

    Raises
    ------
    BadInputError
        If it is not a readable regular file.
    """
    try:
        if not path.is_file():
            raise BadInputError(
                location=str(path), found="no regular file", expected="a candidate YAML file"
            )
        with path.open("rb") as handle:
            return handle.read(READ_LIMIT_BYTES)
    except OSError as error:
        raise BadInputError(
            location=str(path), found=str(error.strerror), expected="a readable file"
        ) from error


def keep_candidate(home: Home, candidate_id: str, payload: bytes) -> bool:
    """Keep a submitted file under its id; return whether it is new.

    Raises
    ------
    BadInputError
        If another file was submitted under the id: a candidate never changes, its successor
        gets an id of its own and names it as `parent`.
    """
    path = home.candidate_path(parse_candidate_id(candidate_id))
    try:
        write_new(path, payload)
    except FileExistsError:
        kept = path.read_bytes()
        if kept == payload:
            return False
        raise BadInputError(
            location=f"candidate {candidate_id}",
            found=f"another file under this id ({_first_difference(kept, payload)})",
            expected="the file that was submitted first",
            action="Give the changed candidate a new id and name this one as its `parent`.",
        ) from None
    return True


def read_candidate(home: Home, candidate_id: str) -> bytes:
    """Return the submitted file of a candidate.

    Raises
    ------
    EvidenceError
        If there is none.
    """
    path = home.candidate_path(parse_candidate_id(candidate_id))
    if not path.is_file():
        raise EvidenceError(
            f"candidate {candidate_id}: no submitted file at {path}. Submit it with: "
            "torghut candidate add FILE"
        )
    return read_submission(path)


def _first_difference(kept: bytes, payload: bytes) -> str:
    """Return the first changed line, old and new."""
    before = kept.decode("utf-8", "replace").splitlines()
    after = payload.decode("utf-8", "replace").splitlines()
    changed = [
        line
        for line in difflib.unified_diff(before, after, n=0, lineterm="")
        if line[:1] in "+-" and line[:3] not in {"+++", "---"}
    ]
    return "; ".join(ascii(line)[1:-1][:60] for line in changed[:2]) or "line endings differ"
