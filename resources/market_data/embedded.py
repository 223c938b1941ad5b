"""Bars that ship with the package, verified against their provenance file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa

import torghut_assets
from torghut_assets.domain.records import Digest, Part, parse_record
from torghut_assets.domain.snapshots.errors import SourceUnreadableError
from torghut_assets.domain.snapshots.quality import SnapshotWindow
from torghut_assets.domain.snapshots.records import SourceDescription
from torghut_assets.resources.artifact_store import DigestedFile
from torghut_assets.resources.market_data.bar_parquet import inside, read_bar_file

SHIPPED_DATA: Final = Path(torghut_assets.__file__).parent / "data"


class Provenance(Part):
    """Where an embedded dataset came from; the content of its `provenance.json`."""

    title: str
    source_package: str
    source_version: str
    source_file: str
    source_sha256: Digest
    licence: str
    licence_file: str
    bars_sha256: Digest
    rows: int
    script: str
    caveats: tuple[str, ...]


class EmbeddedSource:
    """One dataset below `folder`: `bars.parquet` next to `provenance.json`."""

    def __init__(self, dataset: str, folder: Path = SHIPPED_DATA) -> None:
        self._dataset = dataset
        self._folder = folder / dataset
        self._digested: DigestedFile | None = None

    @property
    def provenance(self) -> Provenance:
        """The parsed provenance file."""
        path = self._folder / "provenance.json"
        try:
            data = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise SourceUnreadableError(
                location=f"embedded dataset {self._dataset}",
                found="no readable provenance file",
                expected="one of the datasets that ship with this package",
                action="Install the package again, or correct the name.",
            ) from error
        return parse_record(Provenance, data, location=f"{self._dataset}/provenance.json")

    def describe(self, window: SnapshotWindow) -> SourceDescription:  # noqa: ARG002
        """Name, licence and caveats; refuses bars that do not hash to their provenance."""
        provenance = self.provenance
        path = self._folder / "bars.parquet"
        self._digested = DigestedFile.of(path) if path.is_file() else None
        found = self._digested.digest if self._digested is not None else "no file"
        if found != provenance.bars_sha256:
            raise SourceUnreadableError(
                location=f"embedded dataset {self._dataset}",
                found=f"bars with sha256 {found}",
                expected=provenance.bars_sha256,
                action="The file changed after it was shipped: install the package again.",
            )
        return SourceDescription(
            source_kind="embedded",
            name=f"{provenance.title} ({provenance.source_package} {provenance.source_version})",
            licence=provenance.licence,
            digest=provenance.bars_sha256,
            caveats=provenance.caveats,
        )

    def bar_files(self) -> tuple[DigestedFile, ...]:
        """Return the one file."""
        return (self._digested or DigestedFile.of(self._folder / "bars.parquet"),)

    def batches(self, window: SnapshotWindow) -> Iterator[pa.RecordBatch]:
        """Bars inside the window."""
        for batch in read_bar_file(self._folder / "bars.parquet"):
            yield inside(batch, window)
