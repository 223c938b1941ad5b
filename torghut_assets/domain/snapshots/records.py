"""What a snapshot is: the bar schema, the manifest and the findings of its quality check."""

import datetime as dt
from typing import ClassVar, Literal

from pydantic import Field

from torghut_assets.domain.records import Digest, Part, Record

Frequency = Literal["1d", "1m"]


class SourceDescription(Part):
    """Where bars came from. `name` never holds a path, a key or an address."""

    source_kind: Literal["embedded", "folder", "lean", "alpaca"]
    name: str = Field(min_length=1, max_length=200)
    licence: str = Field(min_length=1, max_length=200)
    digest: Digest
    caveats: tuple[str, ...]


class BarFile(Part):
    """One Parquet file of a snapshot, in symbol and time order."""

    digest: Digest
    rows: int = Field(ge=1)
    size_bytes: int = Field(ge=1)


class QualityFinding(Part):
    """What one data check found. An `error` means the snapshot may not be used."""

    check: str = Field(min_length=1)
    severity: Literal["error", "warning"]
    count: int = Field(ge=1)
    example: str


class SymbolCoverage(Part):
    """How much of the snapshot's calendar one symbol covers."""

    symbol: str
    rows: int = Field(ge=0)
    first_session: dt.date | None
    last_session: dt.date | None
    missing_sessions: int = Field(ge=0)


class SnapshotManifest(Record):
    """An immutable dataset cut: which bars, from where, how good. Its digest is the data's."""

    record_kind: ClassVar[str] = "snapshot-manifest"

    snapshot_id: str
    universe: str
    as_of: dt.date
    frequency: Frequency
    bar_schema_version: Literal[1] = 1
    calendar: str
    first_session: dt.date
    last_session: dt.date
    rows: int = Field(ge=1)
    symbols: tuple[SymbolCoverage, ...] = Field(min_length=1)
    files: tuple[BarFile, ...] = Field(min_length=1)
    source: SourceDescription
    checks: tuple[str, ...] = Field(min_length=1)
    findings: tuple[QualityFinding, ...]

    @property
    def errors(self) -> tuple[QualityFinding, ...]:
        """Findings that forbid the use of this snapshot."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def subject(self) -> str:
        """Partition key: the snapshot id."""
        return self.snapshot_id
