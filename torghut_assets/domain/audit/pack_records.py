"""The records of a pack, whole or redacted, and the pack that they are read from."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from torghut_assets.domain.audit.commitments import RedactedRecord, require_commitment
from torghut_assets.domain.audit.faults import PackFault, PackFaultError
from torghut_assets.domain.audit.manifest import (
    MANIFEST,
    AuditPack,
    digest_in,
    record_name,
    salts_name,
    table_name,
)
from torghut_assets.domain.audit.proofs import ProvenLedger
from torghut_assets.domain.audit.redecided import (
    CannotDecideError,
    RecordT,
    RedactedError,
    RemovedError,
    TablesWithheldError,
)
from torghut_assets.domain.backtest.records import BacktestMetrics
from torghut_assets.domain.drift.policy import DriftPolicy
from torghut_assets.domain.drift.reference import DriftReference
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.keys import KeyRing
from torghut_assets.domain.evidence.removals import read_retention, require_planned
from torghut_assets.domain.evidence.retention_records import RetentionPlan
from torghut_assets.domain.evidence.strict_json import parse_canonical

MAX_SMALL_BYTES: Final = 4 * 1024 * 1024
_KIND: Final = re.compile(rb'\{"kind":"([a-z0-9-]{1,80})","record":\{')


class PackSource(Protocol):
    """The files of a pack whose container was checked."""

    @property
    def location(self) -> str:
        """Name of the pack, for messages."""
        ...

    @property
    def sizes(self) -> Mapping[str, int]:
        """Length in bytes by name."""
        ...

    def read(self, name: str) -> bytes:
        """Return a file's bytes, its CRC checked."""
        ...

    def digest(self, name: str) -> str:
        """Return a file's SHA-256, its CRC checked, in constant memory."""
        ...


class Artifacts(Protocol):
    """Bytes by their digest, verified."""

    def get(self, digest: str) -> bytes:
        """Return the bytes."""
        ...


ReadReference = Callable[[Artifacts, BacktestMetrics, DriftPolicy, tuple[str, ...]], DriftReference]
"""Reads what a backtest saw from its tables; where tables are read is not the domain's business."""


class PackRecords:
    """The records of a pack, whole or redacted; see `redecided.Records`."""

    def __init__(
        self,
        source: PackSource,
        manifest: AuditPack,
        ledger: ProvenLedger,
        read_reference: ReadReference | None = None,
    ) -> None:
        self._source = source
        self._manifest = manifest
        self._commitments = ledger.export.commitments
        self._read_reference = read_reference
        self.entries: Sequence[LedgerEntry] = ledger.entries
        self.ring: KeyRing = ledger.ring
        self._retention = read_retention(ledger.entries, ledger.ring, complete=False)
        self._hidden: dict[str, RedactedRecord] = {}
        self.kinds: dict[str, str] = {}

    def check(self) -> dict[str, list[str]]:
        """Look at every record's form; return what is redacted, its commitments checked."""
        hidden: dict[str, list[str]] = {}
        for name in self._source.sizes:
            if name.startswith("records/"):
                self._check_record(name)
            elif name.startswith("redacted/"):
                hidden |= self._check_redacted(name)
        return hidden

    def removed(self) -> dict[str, str]:
        """Return what a tombstone stands for; its plan must be here and list it."""
        found: dict[str, str] = {}
        for removal in self._retention.removed.values():
            where = f"ledger entry {removal.sequence}"
            stone = removal.tombstone
            require_planned(removal, self.load(RetentionPlan, stone.plan_digest, needed_by=where))
            artifact = stone.removed.artifact
            if not {record_name(artifact), table_name(artifact)} & self._source.sizes.keys():
                found[artifact] = f"{stone.removed.what}: {removal.text}"
        return found

    def require_held(self, removed: Mapping[str, str]) -> None:
        """Require what the manifest calls current to be here, or a tombstone that stands for it.

        Raises
        ------
        PackFaultError
            With `record_missing`.
        """
        for held in self._manifest.held:
            if held.digest not in self.kinds and held.digest not in removed:
                raise PackFaultError(
                    PackFault.RECORD_MISSING,
                    location=MANIFEST,
                    detail=f"{held.asset} {held.digest} is not in the pack",
                )

    def _check_record(self, name: str) -> None:
        payload = small_file(self._source, name)
        data = parsed(payload, location=name)
        found = _KIND.match(payload)
        if (
            found is None
            or not isinstance(data, dict)
            or set(data) != {"kind", "record", "version"}
        ):
            raise PackFaultError(PackFault.MALFORMED, location=name, detail="no record")
        self.kinds[digest_in(name)] = found.group(1).decode("ascii")

    def _check_redacted(self, name: str) -> dict[str, list[str]]:
        digest = digest_in(name)
        payload = small_file(self._source, name)
        parsed(payload, location=name)
        try:
            record = RedactedRecord.from_canonical_bytes(payload, location=name)
        except EvidenceError as error:
            raise PackFaultError(
                PackFault.MALFORMED, location=name, detail=str(error).rstrip(".")
            ) from error
        both = {record_name(digest), salts_name(digest)} & self._source.sizes.keys()
        if record.digest_of_record != digest or both:
            raise PackFaultError(
                PackFault.COMMITMENT_DIFFERS,
                location=name,
                detail=f"it stands for {record.digest_of_record}"
                + (f", and {min(both)} is here, too" if both else ""),
            )
        require_commitment(record, self._commitments.get(digest), location=name)
        self._hidden[digest] = record
        self.kinds[digest] = record.kind
        return {digest: sorted(record.hidden)}

    def load(self, model: type[RecordT], digest: str, *, needed_by: str) -> RecordT:
        """Return a record; see `redecide.Records`."""
        if digest in self._hidden:
            raise RedactedError(digest)
        name = record_name(digest)
        if name not in self._source.sizes:
            if (said := self._retention.removal_text(digest)) is not None:
                raise RemovedError(digest, said)
            raise PackFaultError(
                PackFault.RECORD_MISSING,
                location=needed_by,
                detail=f"the record {digest} that it rests on is not in the pack",
            )
        return model.from_canonical_bytes(small_file(self._source, name), location=name)

    def reference(
        self, metrics: BacktestMetrics, policy: DriftPolicy, symbols: tuple[str, ...]
    ) -> DriftReference:
        """Return what a backtest saw; see `redecided.Records`."""
        if self._read_reference is None:
            raise CannotDecideError("it needs tables, and nobody said how to read them")
        return self._read_reference(self, metrics, policy, symbols)

    def get(self, digest: str) -> bytes:
        """Return the bytes of a record or table, whose digest was checked."""
        if digest in self._hidden:
            raise RedactedError(digest)
        names = (record_name(digest), table_name(digest))
        name = next((name for name in names if name in self._source.sizes), None)
        if name is not None:
            return self._source.read(name)
        if table_name(digest) in self._manifest.withheld:
            raise TablesWithheldError
        if (said := self._retention.removal_text(digest)) is not None:
            raise RemovedError(digest, said)
        raise PackFaultError(
            PackFault.RECORD_MISSING,
            location=self._source.location,
            detail=f"the artifact {digest} that a decision rests on is not in the pack",
        )

    def of_kind(self, kind: str) -> tuple[str, ...]:
        """Digests of the records of a kind, in order."""
        return tuple(sorted(digest for digest, found in self.kinds.items() if found == kind))


def parsed(payload: bytes, *, location: str) -> Any:
    """Return canonical JSON as plain data; nesting that is too deep has its own fault.

    Raises
    ------
    EvidenceRefusedError, PackFaultError
    """
    try:
        return parse_canonical(payload, location=location)
    except EvidenceRefusedError as error:
        if error.fault is Fault.NOT_JSON and "recursion" in error.detail:
            raise PackFaultError(
                PackFault.NESTED_TOO_DEEPLY, location=location, detail="JSON in JSON without end"
            ) from error
        raise


def small_file(source: PackSource, name: str) -> bytes:
    """Return a file of limited size.

    Raises
    ------
    PackFaultError
        With `too_large`.
    """
    if source.sizes[name] > MAX_SMALL_BYTES:
        raise PackFaultError(
            PackFault.TOO_LARGE,
            location=name,
            detail=f"{source.sizes[name]} bytes, limit {MAX_SMALL_BYTES}",
        )
    return source.read(name)
