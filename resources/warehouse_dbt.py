"""Runs dbt on the project that ships, as a program of its own, and reads what it wrote.

dbt is not imported here: it takes seconds, and a folder `dbt` in the working directory, as in a
checkout of this project, would be taken for it. All paths are relative to the working folder,
so that no path of a machine gets into SQL.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from torghut_assets.domain.errors import TorghutError, UsageError

PROJECT: Final = "torghut_assets.dbt"
Status = Literal["success", "error", "skipped", "pass", "fail", "warn", "runtime error"]
_RUN: Final = "from dbt.cli.main import cli; cli()"
_RAN: Final = (0, 1)
"""Exit status of dbt: everything went well, or something of the project did not."""
_PACKAGES: Final = ("dbt-core", "dbt-duckdb")


class WarehouseExtraMissingError(UsageError):
    """dbt is not installed."""

    def __init__(self, package: str) -> None:
        self.package = package
        super().__init__(
            f"warehouse: {package} is not installed, and building the warehouse needs it. "
            "Install it with: pip install 'torghut-assets[warehouse]'"
        )


class DbtBrokenError(TorghutError):
    """dbt itself did not run to its end."""

    exit_code = 70

    def __init__(self, command: str, output: str) -> None:
        last = " ".join(output.split())[-600:]
        super().__init__(f"dbt {command}: ended without its results: {last}")


class NodeResult(NamedTuple):
    """What came of one model or test."""

    unique_id: str
    status: Status
    failures: int
    message: str

    @property
    def name(self) -> str:
        """Name of the model or test."""
        return self.unique_id.split(".")[2]


def require_dbt() -> None:
    """Refuse if dbt is not installed.

    Raises
    ------
    WarehouseExtraMissingError
        Naming the first package that is missing, and the extra that has it.
    """
    for package in _PACKAGES:
        try:
            version(package)
        except PackageNotFoundError as error:
            raise WarehouseExtraMissingError(package) from error


def run_dbt(command: str, folder: Path, *arguments: str) -> None:
    """Run a command of dbt in a working folder, on the project that ships.

    Raises
    ------
    WarehouseExtraMissingError
        If dbt is not installed.
    DbtBrokenError
        If it did not run to its end. A model or test that failed is no such case.
    """
    require_dbt()
    project = str(files(PROJECT))
    options = ["--project-dir", project, "--profiles-dir", project]
    options += ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
    options += ["--quiet", "--log-level-file", "none"]
    done = subprocess.run(  # noqa: S603 - this interpreter, and options of our own
        [sys.executable, "-P", "-c", _RUN, command, *options, *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("DBT_")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode not in _RAN:
        raise DbtBrokenError(command, done.stdout)


def build_models(folder: Path) -> tuple[NodeResult, ...]:
    """Build every model and run every test; return what came of each.

    `folder` holds `export/` and is where `warehouse.duckdb` is written.
    """
    results = folder / "target" / "run_results.json"
    results.unlink(missing_ok=True)
    run_dbt("build", folder)
    try:
        document = json.loads(results.read_bytes())
    except (OSError, ValueError) as error:
        raise DbtBrokenError("build", str(error)) from error
    return tuple(_result(each) for each in document["results"])


def parsed_manifest(folder: Path) -> dict[str, Any]:
    """Return what dbt read of the project, as its manifest says it."""
    run_dbt("parse", folder, "--no-partial-parse")
    manifest: dict[str, Any] = json.loads((folder / "target" / "manifest.json").read_bytes())
    return manifest


def failed(results: Sequence[NodeResult]) -> tuple[NodeResult, ...]:
    """Return the results that forbid to use what was built, in order."""
    return tuple(r for r in results if r.status in ("error", "runtime error", "fail"))


def _result(found: dict[str, Any]) -> NodeResult:
    return NodeResult(
        unique_id=str(found["unique_id"]),
        status=found["status"],
        failures=int(found.get("failures") or 0),
        message=str(found.get("message") or ""),
    )
