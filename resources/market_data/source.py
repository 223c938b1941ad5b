"""The one interface behind which every source of bars stands, and how one is opened."""

from collections.abc import Iterator
from typing import Protocol

import pyarrow as pa

from torghut_assets.domain.snapshots.quality import SnapshotWindow
from torghut_assets.domain.snapshots.records import SourceDescription
from torghut_assets.domain.snapshots.universes import (
    EmbeddedSettings,
    FolderSettings,
    LeanSettings,
    Universe,
)
from torghut_assets.resources.artifact_store import DigestedFile


class BarSource(Protocol):
    """Where bars come from.

    A source translates into bar schema 1 and nothing else: it neither repairs nor judges.
    What it cannot read it refuses with `SourceUnreadableError`.
    """

    def describe(self, window: SnapshotWindow) -> SourceDescription:
        """Name, licence and digest of what `batches(window)` will read."""
        ...

    def bar_files(self) -> tuple[DigestedFile, ...]:
        """Parquet files that may already be a snapshot, in order; empty if there are none.

        Each is as it was when `describe` digested it.
        """
        ...

    def batches(self, window: SnapshotWindow) -> Iterator[pa.RecordBatch]:
        """Bars of the window's symbols inside the window, in symbol and time order."""
        ...


def open_source(universe: Universe) -> BarSource:
    """Return the source that a universe names; nothing is read yet."""
    # each source is imported only when used: LEAN needs zip files, Alpaca a network client
    settings = universe.source
    source: BarSource
    if isinstance(settings, EmbeddedSettings):
        from torghut_assets.resources.market_data.embedded import EmbeddedSource

        source = EmbeddedSource(settings.dataset)
    elif isinstance(settings, FolderSettings):
        from torghut_assets.resources.market_data.folder import FolderSource

        source = FolderSource(settings)
    elif isinstance(settings, LeanSettings):
        from torghut_assets.resources.market_data.lean import LeanSource

        source = LeanSource(settings)
    else:
        from torghut_assets.resources.market_data.alpaca import AlpacaSource

        source = AlpacaSource.from_environment(settings)
    return source
