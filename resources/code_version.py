"""Code as evidence: one digest over the source files that can change a result."""

from functools import cache
from pathlib import Path

import torghut_assets
from torghut_assets.domain.digests import canonical_json, sha256_hex

_PACKAGE = Path(torghut_assets.__file__).parent


@cache
def code_digest(first: str, *more: str) -> str:
    """SHA-256 over the Python files below the given parts of the package.

    Parameters
    ----------
    first, *more : str
        Folders or files relative to the package, e.g. `domain/backtest`.

    Returns
    -------
    str
        Digest of the canonical JSON of {relative path: digest of the file}.

    Raises
    ------
    FileNotFoundError
        If a part does not exist: a misspelt part would make stale results look current.
    """
    files: dict[str, str] = {}
    for part in (first, *more):
        path = _PACKAGE / part
        found = [path] if path.suffix == ".py" else sorted(path.rglob("*.py"))
        if not found:
            raise FileNotFoundError(path)
        for file in found:
            files[file.relative_to(_PACKAGE).as_posix()] = sha256_hex(file.read_bytes())
    return sha256_hex(canonical_json(files))


def part_exists(part: str) -> bool:
    """Whether a part of the package that `code_digest` could cover exists."""
    return (_PACKAGE / part).exists()
