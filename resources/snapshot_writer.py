"""Taking a snapshot: stream the source, check every bar, store what passed, or refuse.

Read `take_snapshot` first. Memory stays near one row group, whatever the number of bars.
A snapshot id means the same bars for ever: a source that changed is refused with a diff.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from torghut_assets.domain.errors import BadInputError, EvidenceContradictionError
from torghut_assets.domain.identifiers import SnapshotId
from torghut_assets.domain.snapshots.calendar import (
    ExchangeSessions,
    load_sessions,
    midnights_utc,
)
from torghut_assets.domain.snapshots.difference import describe_change, first_difference
from torghut_assets.domain.snapshots.errors import SnapshotChangedError, SnapshotRefusedError
from torghut_assets.domain.snapshots.findings import CHECKS
from torghut_assets.domain.snapshots.quality import BarChecker, QualityReport, SnapshotWindow
from torghut_assets.domain.snapshots.records import BarFile, SnapshotManifest
from torghut_assets.domain.snapshots.universes import Universe
from torghut_assets.resources import work_progress
from torghut_assets.resources.artifact_store import ArtifactStore
from torghut_assets.resources.market_data.bar_parquet import (
    BarFileWriter,
    read_bar_file,
    reading,
)
from torghut_assets.resources.market_data.source import BarSource, open_source

_EARLIEST: Final = dt.date(1970, 1, 1)


class _Stored(NamedTuple):
    """Bars that passed, and the files that hold them."""

    files: tuple[BarFile, ...]
    report: QualityReport


def take_snapshot(
    universe: Universe, as_of: dt.date, store: ArtifactStore, previous: SnapshotManifest | None
) -> SnapshotManifest:
    """Cut a universe's bars at a date, check them, store them and return their manifest.

    The same bars again give the manifest of before, whatever else changed. The manifest
    itself is not stored here.

    Parameters
    ----------
    as_of : date
        Last session date that may be in the snapshot.
    previous : SnapshotManifest or None
        What was stored under this snapshot id before.

    Raises
    ------
    SnapshotRefusedError
        If a data check failed; no snapshot was stored.
    SnapshotChangedError
        If the source no longer gives the bars of `previous`.
    SourceUnreadableError
        If the source is missing, torn or not in its documented form.
    EvidenceContradictionError
        If `previous` belongs to another snapshot id.
    EvidenceError
        If the stored bars of `previous` are needed to explain a change, and were altered.
    """
    snapshot_id = str(SnapshotId(universe.name, as_of))
    if previous is not None and previous.snapshot_id != snapshot_id:
        raise EvidenceContradictionError(
            location="previous manifest", found=previous.snapshot_id, expected=snapshot_id
        )
    window, sessions = plan_window(universe, as_of)
    source = open_source(universe)
    described = source.describe(window)
    stored = _link(source, window, sessions, store) or _encode(source, window, sessions, store)
    report = stored.report
    if not report.usable or report.first_session is None or report.last_session is None:
        raise SnapshotRefusedError(snapshot_id=snapshot_id, findings=report.findings)
    manifest = SnapshotManifest(
        snapshot_id=snapshot_id,
        universe=universe.name,
        as_of=as_of,
        frequency=universe.frequency,
        calendar=universe.calendar,
        first_session=report.first_session,
        last_session=report.last_session,
        rows=report.rows,
        symbols=report.coverage,
        files=stored.files,
        source=described.model_copy(
            update={"caveats": tuple(dict.fromkeys((*described.caveats, *universe.caveats)))}
        ),
        checks=tuple(CHECKS),
        findings=report.findings,
    )
    if previous is None or previous.digest == manifest.digest:
        return manifest
    _refuse_changed_bars(previous, manifest, store)
    return previous


def plan_window(universe: Universe, as_of: dt.date) -> tuple[SnapshotWindow, ExchangeSessions]:
    """Return which labels belong to a snapshot, and the sessions to check them against.

    Raises
    ------
    BadInputError
        If `as_of` is before the universe's start, or the calendar does not cover it.
    """
    start = universe.start or _EARLIEST
    if as_of < start:
        raise BadInputError(
            location=f"as-of date of {universe.name}",
            found=str(as_of),
            expected=f"a date from {start} on, where the universe starts",
        )
    sessions = load_sessions(universe.calendar, start, as_of)
    edges = np.array([start, as_of + dt.timedelta(days=1)], dtype="datetime64[D]")
    if universe.frequency == "1m":
        edges = midnights_utc(edges, ZoneInfo(sessions.zone))
    start_us, end_us = edges.astype("datetime64[us]").astype(np.int64).tolist()
    window = SnapshotWindow(
        symbols=universe.symbols,
        frequency=universe.frequency,
        start_us=start_us,
        end_us=end_us,
        as_of=as_of,
        max_staleness_sessions=universe.max_staleness_sessions,
    )
    return window, sessions


def _encode(
    source: BarSource, window: SnapshotWindow, sessions: ExchangeSessions, store: ArtifactStore
) -> _Stored:
    """Write the source's bars as one new file, checking them on the way; no file if unfit."""
    checker = BarChecker(window, sessions)
    with store.writing() as temporary:
        with BarFileWriter(temporary) as writer:
            for batch in source.batches(window):
                checker.feed(batch)
                if not checker.has_errors:
                    writer.write(batch)
                _report(batch, window)
        report = checker.finish()
        if not report.usable:
            return _Stored((), report)
        size = temporary.stat().st_size
        digest = store.adopt(temporary)
    return _Stored((BarFile(digest=digest, rows=report.rows, size_bytes=size),), report)


def _report(batch: pa.RecordBatch, window: SnapshotWindow) -> None:
    """Say how far through its symbols a source is: bars come in their order."""
    symbol = batch.column("symbol")[-1].as_py() if batch.num_rows else None
    if symbol in window.symbols:
        work_progress.report(window.symbols.index(symbol) + 1, len(window.symbols))


def _link(
    source: BarSource, window: SnapshotWindow, sessions: ExchangeSessions, store: ArtifactStore
) -> _Stored | None:
    """Take over files that already are this snapshot; `None` if they are not.

    They are if their statistics say so and every check passes on all of their rows. The
    digest was taken before the rows are checked; linking tells if it still holds.
    """
    sources = source.bar_files()
    if not sources or not all(_may_fit(file.path, window) for file in sources):
        return None
    checker = BarChecker(window, sessions)
    for file in sources:
        for batch in read_bar_file(file.path):
            checker.feed(batch)
            if checker.has_errors:
                return None
    report = checker.finish()
    if not report.usable:
        return None
    files = []
    for file in sources:
        if (linked := store.link(file)) != file.digest:
            raise BadInputError(
                location=file.path.name,
                found=f"sha256 {linked} after its bars were checked",
                expected=f"{file.digest} as before",
                action="Something writes to the source; take the snapshot again afterwards.",
            )
        rows = pq.ParquetFile(file.path).metadata.num_rows
        files.append(BarFile(digest=linked, rows=rows, size_bytes=file.found.st_size))
    return _Stored(tuple(files), report)


def _may_fit(path: Path, window: SnapshotWindow) -> bool:
    """Whether a file's own statistics leave it possible that all its rows are wanted."""
    with reading(path.name):
        metadata = pq.ParquetFile(path).metadata
    names = metadata.schema.names
    if metadata.num_rows == 0 or not {"symbol", "time"} <= set(names):
        return False
    symbol, time = names.index("symbol"), names.index("time")
    for group in range(metadata.num_row_groups):
        columns = metadata.row_group(group)
        symbols = columns.column(symbol).statistics
        times = columns.column(time).statistics
        if symbols is None or times is None or not (symbols.has_min_max and times.has_min_max):
            return False
        if symbols.min < window.symbols[0] or symbols.max > window.symbols[-1]:
            return False
        if not isinstance(times.min, dt.datetime) or times.min.tzinfo is None:
            return False
        first, last = np.array(
            [t.astimezone(dt.UTC).replace(tzinfo=None) for t in (times.min, times.max)],
            dtype="datetime64[us]",
        ).astype(np.int64)
        if first < window.start_us or last >= window.end_us:
            return False
    return True


def _refuse_changed_bars(
    previous: SnapshotManifest, manifest: SnapshotManifest, store: ArtifactStore
) -> None:
    """Raise `SnapshotChangedError` unless both manifests hold the same bars, bit by bit."""
    if previous.files == manifest.files:
        return
    first = first_difference(
        _stored_bars(previous.files, store), _stored_bars(manifest.files, store)
    )
    if first is not None:
        raise SnapshotChangedError(
            snapshot_id=previous.snapshot_id,
            difference=describe_change(previous.symbols, manifest.symbols, first),
        )


def _stored_bars(files: Iterable[BarFile], store: ArtifactStore) -> Iterator[pa.RecordBatch]:
    for file in files:
        yield from read_bar_file(store.verified_path(file.digest))
