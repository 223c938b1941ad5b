"""Code as evidence: one digest over the source files that can change a result.

A run is put together by one process and executed by another, perhaps on another machine. Each
states the digest of its code: the launching one in the run's tag `CODE_TAG`, or in the snapshot of
its job; the executing one computes its own. If they differ, nothing is executed.
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torghut_assets
from torghut_assets.domain.digests import DIGEST_PATTERN, canonical_json, sha256_hex
from torghut_assets.domain.errors import StageRefusedError

if TYPE_CHECKING:
    import dagster as dg

_PACKAGE = Path(torghut_assets.__file__).parent
_TOP_LEVEL: Final = {
    name: Path(str(spec.origin)).parent
    for name in ("resources", "sensors")
    if (spec := find_spec(f"torghut_assets.{name}")) is not None
}
"""Where the folders are that lie beside the package in a checkout, and in it once installed."""
_EXECUTED: Final = (
    *("advisory", "assets", "checks", "config", "domain", "strategies"),
    *_TOP_LEVEL,
    "definitions.py",
)
CODE_TAG: Final = "torghut/code"
"""Run tag: digest of the code that launched the run."""
STATED_BY: Final = "record_io"
"""The resource of every asset; its description in a job's snapshot names the digest."""
_SENTENCE: Final = "Code: "


class OtherCodeError(StageRefusedError):
    """A run was launched by one code and reached a worker that has another."""

    def __init__(self, *, run_id: str, launched: str | None, here: str) -> None:
        self.launched, self.here = launched, here
        found = f"code {launched}" if launched else "a launch that does not say by which code"
        super().__init__(
            f"run {run_id}: found {found}, this worker has code {here}. Nothing was executed. "
            "Install one release on every code server and worker, restart them, launch again."
        )


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


@cache
def installed_code_digest() -> str:
    """SHA-256 over everything that runs execute: Python files and shipped settings.

    The same of a checkout, an editable installation and an installed wheel.
    """
    files = dict(_executed_files())
    return sha256_hex(canonical_json(dict(sorted(files.items()))))


def _executed_files() -> Iterator[tuple[str, str]]:
    for part in _EXECUTED:
        root = _TOP_LEVEL.get(part, _PACKAGE / part)
        found = [root] if root.suffix == ".py" else [*root.rglob("*.py"), *root.rglob("*.yaml")]
        for file in found:
            inside = "" if file == root else f"/{file.relative_to(root).as_posix()}"
            yield f"{part}{inside}", sha256_hex(file.read_bytes())


def code_statement() -> str:
    """Sentence that names the code, for the description of the resource `STATED_BY`."""
    return f"{_SENTENCE}{installed_code_digest()}"


def require_same_code(instance: "dg.DagsterInstance", run: "dg.DagsterRun") -> None:
    """Refuse a run that other code launched, before anything of it is executed.

    Raises
    ------
    OtherCodeError
        If the digests differ, or the launch states none.
    """
    launched = run.tags.get(CODE_TAG) or _stated_in_snapshot(instance, run)
    here = installed_code_digest()
    if launched != here:
        shown = launched if launched and re.fullmatch(DIGEST_PATTERN, launched) else None
        raise OtherCodeError(run_id=run.run_id, launched=shown, here=here)


def _stated_in_snapshot(instance: "dg.DagsterInstance", run: "dg.DagsterRun") -> str | None:
    """Return the digest in the job's snapshot: runs that nobody's job tags reach have it, too."""
    if run.job_snapshot_id is None or not instance.has_job_snapshot(run.job_snapshot_id):
        return None
    snapshot = instance.get_job_snapshot(run.job_snapshot_id)
    for mode in snapshot.mode_def_snaps:
        for resource in mode.resource_def_snaps:
            said = resource.description or ""
            if resource.name == STATED_BY and _SENTENCE in said:
                return said.rpartition(_SENTENCE)[2].strip()
    return None
