"""A folder of Parquet or CSV files as a source of bars.

Files are read in the order of their names. Each has the columns of bar schema 1 in any
order; `symbol` may be left out if the file is named after its symbol, `adjusted_close` if
it is unknown. Fastest is Parquet sorted by symbol and time; other layouts are read once
per symbol.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.snapshots.errors import SourceUnreadableError
from torghut_assets.domain.snapshots.quality import SnapshotWindow
from torghut_assets.domain.snapshots.records import Frequency, SourceDescription
from torghut_assets.domain.snapshots.schema import BAR_SCHEMA, NUMBERS, VERSION_KEY
from torghut_assets.domain.snapshots.universes import FolderSettings
from torghut_assets.resources.artifact_store import DigestedFile
from torghut_assets.resources.market_data.bar_parquet import (
    inside,
    opened,
    pieces_of,
    reading,
)

_MAX_CSV_BYTES: Final = 128 << 20
_OPTIONAL: Final = frozenset({"symbol", "adjusted_close"})
_TIME: Final = BAR_SCHEMA.field("time").type
_SYMBOLS: Final = pa.dictionary(pa.int32(), pa.string())


class FolderSource:
    """All `*.parquet` and `*.csv` files below `settings.path`."""

    def __init__(self, settings: FolderSettings) -> None:
        self._settings = settings
        self._folder = Path(settings.path)
        self._digested: dict[Path, DigestedFile] = {}

    def describe(self, window: SnapshotWindow) -> SourceDescription:  # noqa: ARG002
        """Digest over the names and digests of all files."""
        self._digested = {path: DigestedFile.of(path) for path in self._files()}
        digests = {
            path.relative_to(self._folder).as_posix(): file.digest
            for path, file in self._digested.items()
        }
        return SourceDescription(
            source_kind="folder",
            name=self._settings.title,
            licence=self._settings.licence,
            digest=sha256_hex(canonical_json(digests)),
            caveats=(),
        )

    def bar_files(self) -> tuple[DigestedFile, ...]:
        """Return all files if all are Parquet."""
        files = self._files()
        if any(path.suffix != ".parquet" for path in files):
            return ()
        return tuple(self._digested.get(path) or DigestedFile.of(path) for path in files)

    def batches(self, window: SnapshotWindow) -> Iterator[pa.RecordBatch]:
        """Bars inside the window, in one pass where the files allow it."""
        files = self._files()
        if all(path.suffix == ".parquet" for path in files) and _sorted_by_symbol(files):
            for path in files:
                for batch in _parquet(path, window.frequency, None):
                    yield inside(batch, window)
            return
        tables = _read_csv_files([path for path in files if path.suffix == ".csv"], window)
        for symbol in window.symbols:
            one = pa.array([symbol])
            for path in files:
                pieces = (
                    tables[path].to_batches()
                    if path in tables
                    else _parquet(path, window.frequency, symbol)
                )
                for batch in pieces:
                    known = pc.is_in(batch.column(0).dictionary, value_set=one)
                    mine = batch.filter(known.take(batch.column(0).indices))
                    if mine.num_rows:
                        yield inside(mine, window)

    def _files(self) -> tuple[Path, ...]:
        files = tuple(
            sorted(p for p in self._folder.rglob("*") if p.suffix in {".parquet", ".csv"})
        )
        if not files:
            raise SourceUnreadableError(
                location=f"folder of {self._settings.title}",
                found="no *.parquet or *.csv file",
                expected="at least one file of bars",
                action="Correct `path` in the universe file.",
            )
        return files


def _sorted_by_symbol(files: tuple[Path, ...]) -> bool:
    """Whether symbols never go back, from the symbol columns alone."""
    last = ""
    for path in files:
        with opened(path) as file:
            if "symbol" not in file.schema_arrow.names:
                if path.stem < last:
                    return False
                last = path.stem
                continue
            for batch in pieces_of(file, ["symbol"]):
                runs = pc.run_end_encode(batch.column(0).cast(pa.string())).values
                names = [last, *(name or "" for name in runs.to_pylist())]
                if names != sorted(names):
                    return False
                last = names[-1]
    return True


def _parquet(path: Path, frequency: Frequency, symbol: str | None) -> Iterator[pa.RecordBatch]:
    """Batches of a Parquet file; with `symbol` only the row groups that may hold it."""
    with opened(path) as file:
        names = file.schema_arrow.names
        if symbol is not None and "symbol" not in names and path.stem != symbol:
            return
        version = (file.schema_arrow.metadata or {}).get(VERSION_KEY, b"1")
        if version != b"1":
            raise _unreadable(path, f"bar schema version {ascii(version)[:20]}")
        columns = _wanted_columns(path, names)
        groups = [
            group
            for group in range(file.metadata.num_row_groups)
            if symbol is None or _may_hold(file.metadata.row_group(group), names, symbol)
        ]
        for batch in pieces_of(file, columns, groups):
            yield _conform(batch, path, frequency)


def _may_hold(group: Any, names: list[str], symbol: str) -> bool:
    if "symbol" not in names:
        return True
    statistics = group.column(names.index("symbol")).statistics
    if statistics is None or not statistics.has_min_max:
        return True
    return bool(statistics.min <= symbol <= statistics.max)


def _read_csv_files(paths: list[Path], window: SnapshotWindow) -> dict[Path, pa.Table]:
    """Read CSV files whole, keeping the rows inside the window."""
    size = sum(path.stat().st_size for path in paths)
    if size > _MAX_CSV_BYTES:
        raise SourceUnreadableError(
            location="CSV files",
            found=f"{size >> 20} MiB",
            expected=f"at most {_MAX_CSV_BYTES >> 20} MiB of CSV",
            action="Convert them to Parquet; docs/data-sources.md shows how.",
        )
    zoned = window.frequency == "1m"
    times = _TIME if zoned else pa.timestamp("us")
    types = {"symbol": pa.string(), "time": times, **dict.fromkeys(NUMBERS, pa.float64())}
    tables = {}
    for path in paths:
        with reading(path.name):
            table = csv.read_csv(
                path,
                convert_options=csv.ConvertOptions(column_types=types, strings_can_be_null=True),
            )
        columns = _wanted_columns(path, table.schema.names)
        batches = table.select(columns).combine_chunks().to_batches()
        kept = [inside(_conform(batch, path, window.frequency), window) for batch in batches]
        tables[path] = pa.Table.from_batches(kept, schema=_CONFORMED).unify_dictionaries()
    return tables


_CONFORMED: Final = pa.schema(
    [pa.field("symbol", _SYMBOLS), *(BAR_SCHEMA.field(name) for name in BAR_SCHEMA.names[1:])]
)


def _wanted_columns(path: Path, names: list[str]) -> list[str]:
    missing = [name for name in BAR_SCHEMA.names if name not in names and name not in _OPTIONAL]
    if missing:
        raise _unreadable(path, f"no column {', '.join(missing)}")
    return [name for name in BAR_SCHEMA.names if name in names]


def _conform(batch: pa.RecordBatch, path: Path, frequency: Frequency) -> pa.RecordBatch:
    """Give a batch the columns and types of the schema; values stay as they are."""
    names = set(batch.schema.names)
    with reading(path.name):
        times = batch.column("time")
        if frequency == "1m" and not (
            pa.types.is_timestamp(times.type) and times.type.tz is not None
        ):
            raise _unreadable(path, f"minute times of type {times.type} without a time zone")
        if pa.types.is_date(times.type) or getattr(times.type, "tz", None) is None:
            times = times.cast(pa.timestamp("us"))
        if "symbol" in names:
            symbols = batch.column("symbol")
        else:
            symbols = pa.array([path.stem] * batch.num_rows, pa.string())
        if not pa.types.is_dictionary(symbols.type):
            symbols = symbols.cast(pa.string()).dictionary_encode()
        adjusted = "adjusted_close" if "adjusted_close" in names else "close"
        numbers = [
            batch.column(adjusted if name == "adjusted_close" else name).cast(pa.float64())
            for name in NUMBERS
        ]
        return pa.record_batch(
            [symbols.cast(_SYMBOLS), times.cast(_TIME), *numbers], schema=_CONFORMED
        )


def _unreadable(path: Path, found: str) -> SourceUnreadableError:
    return SourceUnreadableError(
        location=path.name,
        found=found,
        expected="the columns and types of bar schema 1",
        action="docs/data-sources.md lists them.",
    )
