"""Does a pack hold? Every digest, signature, proof, register and decision in it, once more.

Read `check_pack` first. It needs the pack and nothing else: no home, no network, no clock.
Faults are raised in one fixed order, from the bytes inward, so that the first is named.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from torghut_assets.domain.audit.commitments import (
    FIELD_GROUPS,
    RedactedRecord,
    fields_of_groups,
    require_commitment,
)
from torghut_assets.domain.audit.faults import NotAPackError, PackFault, PackFaultError
from torghut_assets.domain.audit.manifest import (
    EXPORT,
    HEAD,
    LEAVES,
    MANIFEST,
    REDACTION,
    REPORT,
    SUMS,
    UNLISTED,
    AuditPack,
    digest_in,
    record_name,
    redacted_name,
    salts_name,
    sums_text,
    table_name,
)
from torghut_assets.domain.audit.proofs import ProvenLedger, check_ledger_part, require_anchor
from torghut_assets.domain.audit.redecide import (
    REDECIDED,
    RecordT,
    RedactedError,
    Redecided,
    RemovedError,
    recount_trials,
    rejudge_approvals,
)
from torghut_assets.domain.audit.registers import check_registers
from torghut_assets.domain.backtest.overfit_records import OverfitDiagnostics
from torghut_assets.domain.drift.records import DriftReport
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.removals import Retention, read_retention, require_planned
from torghut_assets.domain.evidence.retention_records import RetentionPlan
from torghut_assets.domain.evidence.strict_json import parse_canonical

MAX_SMALL_BYTES: Final = 4 * 1024 * 1024
_KIND: Final = re.compile(rb'\{"kind":"([a-z0-9-]{1,80})","record":\{')
_TABLES: Final = "tables/"


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


@dataclass
class PackFindings:
    """What was verified of a pack that holds."""

    manifest: AuditPack
    manifest_digest: str
    tree_size: int = 0
    root_hash: str = ""
    files: int = 0
    size_bytes: int = 0
    records: int = 0
    tables: int = 0
    statements: int = 0
    unstated: list[str] = field(default_factory=list)
    trials: int = 0
    receipts: int = 0
    anchors: list[int] = field(default_factory=list)
    decisions: list[Redecided] = field(default_factory=list)
    approvals: list[Redecided] = field(default_factory=list)
    not_decided: list[str] = field(default_factory=list)
    redacted: dict[str, list[str]] = field(default_factory=dict)
    removed: dict[str, str] = field(default_factory=dict)
    withheld: int = 0


def check_pack(source: PackSource, anchors: Iterable[tuple[str, bytes]] = ()) -> PackFindings:
    """Check a pack and return what was verified.

    Parameters
    ----------
    source : PackSource
    anchors : iterable of (name, bytes)
        Tree heads that were kept elsewhere. Without one, whoever has a runner's key could have
        made another ledger; with one, that shows.

    Raises
    ------
    NotAPackError
        If it is no pack of this version.
    PackFaultError, EvidenceError
        With the first fault and its place.
    """
    manifest, digest = _manifest(source)
    digests = {name: source.digest(name) for name in source.sizes}
    _require_sums(source, digests)
    findings = PackFindings(manifest, digest, files=len(digests), withheld=len(manifest.withheld))
    findings.size_bytes = sum(source.sizes.values())
    _require_files(source, manifest, digests)
    ledger = _ledger(source, digest)
    findings.tree_size, findings.root_hash = ledger.head.tree_size, ledger.head.root_hash
    findings.statements = len(ledger.entries)
    findings.anchors = [require_anchor(p, ledger, location=name) for name, p in anchors]
    _require_same_subject(manifest, ledger)
    registers = check_registers(
        {name: source.read(name) for name in source.sizes if name.startswith("trials/")},
        {name: source.read(name) for name in source.sizes if name.startswith("receipts/")},
        ledger.entries,
    )
    findings.trials, findings.receipts = len(registers.trials), len(registers.receipts)
    retention = read_retention(ledger.entries, ledger.ring, complete=False)
    records = PackRecords(source, manifest, ledger.export.commitments, retention)
    records.check(findings)
    if REDACTION in source.sizes:
        _require_redaction(source, records, findings)
    findings.tables = sum(name.startswith(_TABLES) for name in digests)
    stated = {d for entry in ledger.entries for d in entry.subjects.values()}
    findings.unstated = sorted(records.kinds.keys() - stated)
    _decide_again(findings, records, registers.trials)
    findings.approvals.extend(rejudge_approvals(ledger.entries, ledger.ring))
    records.require_held(findings)
    return findings


def _manifest(source: PackSource) -> tuple[AuditPack, str]:
    for name in (MANIFEST, SUMS, EXPORT, HEAD, LEAVES):
        if name not in source.sizes:
            raise NotAPackError(
                PackFault.MANIFEST_MISSING, location=source.location, detail=f"no {name}"
            )
    where = f"{source.location}: {MANIFEST}"
    data = parsed(_small(source, MANIFEST), location=where)
    form = (data.get("kind"), data.get("version")) if isinstance(data, dict) else (None, None)
    if form != (AuditPack.record_kind, AuditPack.record_version):
        raise NotAPackError(
            PackFault.VERSION_UNKNOWN,
            location=where,
            detail=f"it is {form[0]!a} version {form[1]!a}, this program reads audit-pack 1"[:200],
        )
    try:
        manifest = AuditPack.from_canonical_bytes(source.read(MANIFEST), location=where)
    except EvidenceError as error:
        raise PackFaultError(
            PackFault.MALFORMED, location=where, detail=str(error).rstrip(".")
        ) from error
    return manifest, manifest.digest


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


def _small(source: PackSource, name: str) -> bytes:
    if source.sizes[name] > MAX_SMALL_BYTES:
        raise PackFaultError(
            PackFault.TOO_LARGE,
            location=name,
            detail=f"{source.sizes[name]} bytes, limit {MAX_SMALL_BYTES}",
        )
    return source.read(name)


def _require_sums(source: PackSource, digests: Mapping[str, str]) -> None:
    expected = sums_text({name: d for name, d in digests.items() if name != SUMS})
    if source.sizes[SUMS] != len(expected) or source.read(SUMS) != expected.encode("ascii"):
        known: dict[str, str] = {}
        for line in _small(source, SUMS).decode("ascii", "replace").splitlines():
            digest, _, name = line.partition("  ")
            known[name] = digest
        other = [n for n, d in digests.items() if n != SUMS and known.get(n) != d]
        place = min(other) if other else SUMS
        raise PackFaultError(
            PackFault.SUMS_DIFFER, location=place, detail=f"{SUMS} is not of these files"
        )


def _require_files(source: PackSource, manifest: AuditPack, digests: Mapping[str, str]) -> None:
    for name, digest in digests.items():
        ref = manifest.files.get(name)
        if ref is None:
            if name in UNLISTED or _stands_for_a_record(name, manifest):
                continue
            raise PackFaultError(
                PackFault.FILE_UNLISTED, location=name, detail="pack.json does not name it"
            )
        if (ref.sha256, ref.size_bytes) != (digest, source.sizes[name]):
            raise PackFaultError(
                PackFault.DIGEST_DIFFERS,
                location=name,
                detail=f"sha256 is {digest}, pack.json says {ref.sha256}",
            )
        if name.startswith(("records/", _TABLES)) and digest_in(name) != digest:
            raise PackFaultError(
                PackFault.DIGEST_DIFFERS, location=name, detail=f"sha256 is {digest}"
            )
    hidden = REDACTION in digests
    for name in sorted(manifest.files.keys() - digests.keys()):
        if hidden and (name == REPORT or _is_replaced(name, digests)):
            continue
        raise PackFaultError(
            PackFault.FILE_MISSING, location=name, detail="pack.json names it, it is not here"
        )


def _stands_for_a_record(name: str, manifest: AuditPack) -> bool:
    return name.startswith("redacted/") and record_name(digest_in(name)) in manifest.files


def _is_replaced(name: str, digests: Mapping[str, str]) -> bool:
    """Whether a missing record, or the salts of one, has a redacted form in the pack."""
    return name.startswith(("records/", "salts/")) and redacted_name(digest_in(name)) in digests


def _ledger(source: PackSource, manifest_digest: str) -> ProvenLedger:
    entries = {}
    for name in source.sizes:
        if name.startswith("ledger/"):
            number = digest_in(name)
            if not re.fullmatch(r"[0-9]{10}", number):
                raise PackFaultError(
                    PackFault.MALFORMED, location=name, detail="no name of a ledger entry"
                )
            entries[int(number)] = _small(source, name)
    proof = {name: _small(source, name) for name in (EXPORT, HEAD, LEAVES)}
    return check_ledger_part(entries, proof, manifest_digest)


def _require_same_subject(manifest: AuditPack, ledger: ProvenLedger) -> None:
    said = (ledger.export.candidate_id, ledger.export.snapshot_id, ledger.export.session)
    if said != (manifest.candidate_id, manifest.snapshot_id, manifest.session):
        raise PackFaultError(
            PackFault.EXPORT_UNSIGNED, location=EXPORT, detail=f"it is about {said}, not this pack"
        )


class PackRecords:
    """The records of a pack, whole or redacted."""

    def __init__(
        self,
        source: PackSource,
        manifest: AuditPack,
        commitments: Mapping[str, str],
        retention: Retention,
    ) -> None:
        self._retention = retention
        self._source = source
        self._manifest = manifest
        self._commitments = commitments
        self._hidden: dict[str, RedactedRecord] = {}
        self.kinds: dict[str, str] = {}

    def check(self, findings: PackFindings) -> None:
        """Look at every record's form, and at the commitments of those that are redacted."""
        for name in self._source.sizes:
            if name.startswith("records/"):
                self._check_record(name)
            elif name.startswith("redacted/"):
                self._check_redacted(name, findings)
        findings.records = len(self.kinds)
        self._check_removed(findings)

    def _check_removed(self, findings: PackFindings) -> None:
        """Name what is not here because it was removed; require the plan that says so."""
        for removal in self._retention.removed.values():
            where = f"ledger entry {removal.sequence}"
            stone = removal.tombstone
            require_planned(removal, self.load(RetentionPlan, stone.plan_digest, needed_by=where))
            artifact = stone.removed.artifact
            if not {record_name(artifact), table_name(artifact)} & self._source.sizes.keys():
                findings.removed[artifact] = f"{stone.removed.what}: {removal.text}"

    def require_held(self, findings: PackFindings) -> None:
        """Require what the manifest calls current to be here, or a tombstone that stands for it."""
        for held in self._manifest.held:
            if held.digest not in self.kinds and held.digest not in findings.removed:
                raise PackFaultError(
                    PackFault.RECORD_MISSING,
                    location=MANIFEST,
                    detail=f"{held.asset} {held.digest} is not in the pack",
                )

    def _check_record(self, name: str) -> None:
        payload = _small(self._source, name)
        data = parsed(payload, location=name)
        found = _KIND.match(payload)
        if (
            found is None
            or not isinstance(data, dict)
            or set(data) != {"kind", "record", "version"}
        ):
            raise PackFaultError(PackFault.MALFORMED, location=name, detail="no record")
        self.kinds[digest_in(name)] = found.group(1).decode("ascii")

    def _check_redacted(self, name: str, findings: PackFindings) -> None:
        digest = digest_in(name)
        payload = _small(self._source, name)
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
        findings.redacted[digest] = sorted(record.hidden)

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
        return model.from_canonical_bytes(_small(self._source, name), location=name)

    def of_kind(self, kind: str) -> tuple[str, ...]:
        """Digests of the records of a kind, in order."""
        return tuple(sorted(digest for digest, found in self.kinds.items() if found == kind))


def _require_redaction(source: PackSource, records: "PackRecords", found: PackFindings) -> None:
    """Refuse a note of a redaction that says anything but what was taken out."""
    data = parsed(_small(source, REDACTION), location=REDACTION)
    listed = data.get("groups") if isinstance(data, dict) else None
    groups = [str(group) for group in listed] if isinstance(listed, list) else []
    known = bool(groups) and set(groups) <= FIELD_GROUPS.keys()
    said = {"candidate_id": found.manifest.candidate_id, "groups": groups}
    if not known or data != said or not found.redacted:
        raise PackFaultError(
            PackFault.MALFORMED, location=REDACTION, detail="not the note of a redaction"
        )
    for digest, fields in found.redacted.items():
        if not set(fields) <= fields_of_groups(records.kinds[digest], tuple(groups)):
            raise PackFaultError(
                PackFault.COMMITMENT_DIFFERS,
                location=redacted_name(digest),
                detail=f"{', '.join(fields)} are not of the groups {', '.join(groups)}",
            )


def _decide_again(findings: PackFindings, records: PackRecords, trials: tuple[Any, ...]) -> None:
    for kind, (model, decide) in REDECIDED.items():
        for digest in records.of_kind(kind):
            try:
                report = records.load(model, digest, needed_by=kind)
                findings.decisions.append(decide(report, records))
            except RedactedError as error:
                findings.not_decided.append(
                    f"{kind} {digest[:12]}: record {error.digest[:12]} is redacted"
                )
            except RemovedError as error:
                findings.not_decided.append(
                    f"{kind} {digest[:12]}: record {error.digest[:12]} was {error.said}"
                )
    findings.not_decided += [
        f"{DriftReport.record_kind} {digest[:12]}: not by this version; its digest is verified"
        for digest in records.of_kind(DriftReport.record_kind)
    ]
    for digest in records.of_kind(OverfitDiagnostics.record_kind):
        try:
            overfit = records.load(OverfitDiagnostics, digest, needed_by="trial count")
            findings.decisions.append(recount_trials(overfit, trials, records))
        except RedactedError as error:
            findings.not_decided.append(
                f"trial count {digest[:12]}: record {error.digest[:12]} is redacted"
            )
        except RemovedError as error:
            findings.not_decided.append(
                f"trial count {digest[:12]}: record {error.digest[:12]} was {error.said}"
            )
