"""Builds the warehouse: export, models, tests, and only then the file that people open.

The file is replaced in one step and only if every test passed that must; a test that only warns
is about evidence that is not complete, which the warehouse has to show. Who has the old file open
goes on reading it.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.records import Record
from torghut_assets.resources.home import Home
from torghut_assets.resources.warehouse_dbt import NodeResult, build_models, failed, require_dbt
from torghut_assets.resources.warehouse_export import Export, export_evidence

_FILE: Final = "warehouse.duckdb"
_STORAGE_VERSION: Final = "v1.1.0"
"""Form of the file: clients of DuckDB 1.1 and newer can read it."""


class WarehouseRefusedError(EvidenceError):
    """The rows contradict themselves: a model or a test failed."""

    def __init__(self, wrong: Sequence[NodeResult], kept: Path) -> None:
        self.wrong = tuple(wrong)
        named = "; ".join(f"{each.name}: {each.message.strip()}" for each in wrong[:5])
        more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        left = "The warehouse is as it was before" if kept.exists() else "There is no warehouse"
        super().__init__(
            f"{kept}: {named}{more}. {left}; look at the rows of the export beside it, and at "
            "`torghut audit reconcile`."
        )


class Built(NamedTuple):
    """What a build came to. Use the file only if `wrong` is empty."""

    export: Export
    results: tuple[NodeResult, ...]
    rows: Mapping[str, int]

    @property
    def wrong(self) -> tuple[NodeResult, ...]:
        """The models and tests that failed."""
        return failed(self.results)


def build_warehouse(home: Home, record_types: Mapping[str, type[Record]]) -> Built:
    """Build the warehouse of a home; builds of one home take turns.

    Returns
    -------
    Built
        If something is `wrong`, the file that was there before is still there.

    Raises
    ------
    WarehouseExtraMissingError
        If dbt is not installed.
    EvidenceError
        If the evidence is not whole; see `export_evidence`.
    """
    require_dbt()
    with _turn(home.warehouse_folder) as folder:
        shutil.rmtree(folder / "export", ignore_errors=True)
        export = export_evidence(home, record_types, folder / "export")
        new = folder / _FILE
        _create(new)
        results = build_models(folder)
        rows = {} if failed(results) else _counted(new)
        if not failed(results):
            _publish(new, home.warehouse_path)
    return Built(export, results, rows)


@contextmanager
def _turn(folder: Path) -> Iterator[Path]:
    """Yield the working folder to one process at a time."""
    working = folder / "building"
    working.mkdir(parents=True, exist_ok=True)
    with (folder / "building.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield working


def _create(path: Path) -> None:
    """Make an empty database of a form that older clients can read."""
    import duckdb

    for old in (path, path.with_name(path.name + ".wal")):
        old.unlink(missing_ok=True)
    with duckdb.connect() as connection:
        name = str(path).replace("'", "''")
        connection.execute(f"ATTACH '{name}' AS new (STORAGE_VERSION '{_STORAGE_VERSION}')")


def _counted(path: Path) -> dict[str, int]:
    """Return the number of rows of every table."""
    import duckdb

    with duckdb.connect(str(path), read_only=True) as connection:
        names = [name for (name,) in connection.execute("SHOW TABLES").fetchall()]
        return {
            name: connection.table(name).aggregate("count(*)").fetchall()[0][0] for name in names
        }


def _publish(new: Path, path: Path) -> None:
    """Put a finished file in its place, on disk before it has the name."""
    with new.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(new, path)
