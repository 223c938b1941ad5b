"""Bars as Parquet: one deterministic way to write them, one careful way to read them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from torghut_assets.domain.snapshots.errors import SourceUnreadableError
from torghut_assets.domain.snapshots.quality import SnapshotWindow
from torghut_assets.domain.snapshots.schema import (
    BAR_SCHEMA,
    STORED_BAR_SCHEMA,
    schema_problem,
)

ROW_GROUP_ROWS: Final = 1_000_000
_BATCH_ROWS: Final = 1 << 18


class BarFileWriter:
    """Write bars as zstd Parquet in row groups of one million.

    The bytes depend on the rows and the version of pyarrow only, not on how the rows were
    cut into batches: every row group is written from one contiguous piece.
    """

    def __init__(self, path: Path) -> None:
        self.rows = 0
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self._writer = pq.ParquetWriter(
            path,
            STORED_BAR_SCHEMA,
            compression="zstd",
            use_dictionary=["symbol"],
            column_encoding={"time": "DELTA_BINARY_PACKED"},
            store_schema=False,
            write_page_index=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and self._waiting_rows:
            self._flush(self._waiting_rows)
        self._waiting = []
        self._writer.close()

    def write(self, batch: pa.RecordBatch) -> None:
        """Append bars of schema 1; symbols may be dictionary-encoded."""
        table = pa.Table.from_batches([batch])
        self._waiting.append(table.cast(BAR_SCHEMA) if table.schema != BAR_SCHEMA else table)
        self._waiting_rows += batch.num_rows
        while self._waiting_rows >= ROW_GROUP_ROWS:
            self._flush(ROW_GROUP_ROWS)

    def _flush(self, rows: int) -> None:
        waiting = pa.concat_tables(self._waiting)
        piece = (
            waiting.slice(0, rows)
            .combine_chunks()
            .replace_schema_metadata(STORED_BAR_SCHEMA.metadata)
        )
        self._writer.write_table(piece, row_group_size=ROW_GROUP_ROWS)
        self.rows += rows
        self._waiting_rows -= rows
        self._waiting = [waiting.slice(rows)] if self._waiting_rows else []


@contextmanager
def reading(location: str) -> Iterator[None]:
    """Turn what pyarrow and the disk raise while reading into a refusal that names the file."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise SourceUnreadableError(
            location=location,
            found=" ".join(str(error).split())[:200],
            expected="a whole, readable file of bars",
            action="Restore the file, or write it again.",
        ) from error


def read_bar_file(path: Path, *, row_groups: list[int] | None = None) -> Iterator[pa.RecordBatch]:
    """Read a Parquet file of bars piece by piece, symbols as a dictionary.

    Raises
    ------
    SourceUnreadableError
        If the file is torn, or not in bar schema 1.
    """
    with reading(path.name), pq.ParquetFile(path, read_dictionary=["symbol"]) as file:
        problem = schema_problem(file.schema_arrow)
        if problem is not None:
            raise SourceUnreadableError(
                location=path.name,
                found=problem,
                expected="bar schema 1",
                action="docs/data-sources.md lists the columns.",
            )
        yield from file.iter_batches(
            batch_size=_BATCH_ROWS, row_groups=row_groups, columns=BAR_SCHEMA.names
        )


def inside(batch: pa.RecordBatch, window: SnapshotWindow) -> pa.RecordBatch:
    """Keep the rows whose symbol and time belong to the window; nulls are kept to be found."""
    time_type = BAR_SCHEMA.field("time").type
    times = batch.column("time")
    start = pa.scalar(window.start_us, pa.int64()).cast(time_type)
    end = pa.scalar(window.end_us, pa.int64()).cast(time_type)
    wanted = pc.and_(pc.greater_equal(times, start), pc.less(times, end))
    symbols = batch.column("symbol")
    if pa.types.is_dictionary(symbols.type):
        known = pc.is_in(symbols.dictionary, value_set=pa.array(window.symbols))
        wanted = pc.and_(wanted, known.take(symbols.indices))
    else:
        wanted = pc.and_(wanted, pc.is_in(symbols, value_set=pa.array(window.symbols)))
    wanted = pc.fill_null(wanted, True)
    return batch if pc.all(wanted).as_py() else batch.filter(wanted)
