"""What a pack holds: its manifest, the names of its files, and the list for `sha256sum`.

`pack.json` names every file with its digest, except those that prove `pack.json` itself: the
signed export statement, the leaves and head of the ledger, and `SHA256SUMS`.
"""

from collections.abc import Mapping
from typing import ClassVar, Final, Self

from pydantic import Field, model_validator

from torghut_assets.domain.audit.container import MAX_BYTES, MAX_FILES, is_safe_name
from torghut_assets.domain.records import Digest, Part, Record

MANIFEST: Final = "pack.json"
SUMS: Final = "SHA256SUMS"
README: Final = "README.md"
REPORT: Final = "report.html"
EXPORT: Final = "proof/export.json"
HEAD: Final = "proof/head.json"
LEAVES: Final = "proof/leaves.txt"
REDACTION: Final = "redaction.json"
UNLISTED: Final = frozenset({MANIFEST, SUMS, EXPORT, HEAD, LEAVES, REDACTION})
"""Files that `pack.json` cannot name, because they are made after it."""

EXPORT_SUBJECT: Final = "pack"
"""Name of the subject of an export statement: the digest of `pack.json`."""


class FileRef(Part):
    """Digest and length of a file."""

    sha256: Digest
    size_bytes: int = Field(ge=0, le=MAX_BYTES)


class HeldRecord(Part):
    """The current record of an asset's partition when the pack was made."""

    asset: str = Field(min_length=1, max_length=80)
    partition: str | None = Field(max_length=200)
    digest: Digest


class AuditPack(Record):
    """The manifest.

    Attributes
    ----------
    held : tuple of HeldRecord
        Where the pack begins; everything that these name by digest is in it, too.
    files : mapping of str to FileRef
        Every file by its name in the pack.
    withheld : mapping of str to FileRef
        Tables that were left out (`--without-data`), with their digests.
    """

    record_kind: ClassVar[str] = "audit-pack"

    candidate_id: str = Field(min_length=1, max_length=80)
    snapshot_id: str | None = Field(max_length=120)
    session: str | None = Field(max_length=20)
    made_by: str = Field(min_length=1, max_length=80)
    held: tuple[HeldRecord, ...] = Field(min_length=1, max_length=MAX_FILES)
    files: dict[str, FileRef] = Field(min_length=1, max_length=MAX_FILES)
    withheld: dict[str, FileRef] = Field(max_length=MAX_FILES)

    @model_validator(mode="after")
    def _names_are_safe(self) -> Self:
        for name in (*self.files, *self.withheld):
            if not is_safe_name(name) or name in UNLISTED:
                raise ValueError(f"{ascii(name)[:80]} is no name of a listed file")
        if twice := self.files.keys() & self.withheld.keys():
            raise ValueError(f"{min(twice)} is both here and withheld")
        return self


class PackExport(Record):
    """Predicate of the statement that a pack was made: the runner vouches for what is in it.

    `commitments` holds the root over the salted fields of every record of which fields may be
    redacted, by the record's digest.
    """

    record_kind: ClassVar[str] = "pack-export"

    candidate_id: str = Field(min_length=1, max_length=80)
    snapshot_id: str | None = Field(max_length=120)
    session: str | None = Field(max_length=20)
    commitments: dict[Digest, Digest]


def record_name(digest: str) -> str:
    """Return the name of a record's file."""
    return f"records/{digest}.json"


def redacted_name(digest: str) -> str:
    """Return the name of the file that stands for a redacted record."""
    return f"redacted/{digest}.json"


def salts_name(digest: str) -> str:
    """Return the name of the file with the salts of a record's fields."""
    return f"salts/{digest}.json"


def table_name(digest: str) -> str:
    """Return the name of a table's file."""
    return f"tables/{digest}.parquet"


def entry_name(sequence: int) -> str:
    """Return the name of a ledger entry's file."""
    return f"ledger/{sequence:010d}.json"


def register_row_name(register: str, sequence: int) -> str:
    """Return the name of a register entry's file; registers are `trials` and `receipts`."""
    return f"{register}/{sequence:010d}.json"


def digest_in(name: str) -> str:
    """Return the digest, or the number, that a file's name holds."""
    return name.rpartition("/")[2].partition(".")[0]


def sums_text(digests: Mapping[str, str]) -> str:
    """Return the text of `SHA256SUMS`: one line per file, as `sha256sum --check` reads it."""
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
