"""Does a pack hold? Every digest, signature, proof, register and decision in it, once more.

Read `check_pack` first. It needs the pack and nothing else: no home, no network, no clock.
Faults are raised in one fixed order, from the bytes inward, so that the first is named.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from torghut_assets.domain.audit.commitments import FIELD_GROUPS, fields_of_groups
from torghut_assets.domain.audit.decisions import DECISIONS
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
    sums_text,
)
from torghut_assets.domain.audit.pack_records import (
    PackRecords,
    PackSource,
    ReadReference,
    parsed,
    small_file,
)
from torghut_assets.domain.audit.proofs import ProvenLedger, check_ledger_part, require_anchor
from torghut_assets.domain.audit.redecide import recount_trials, rejudge_approvals
from torghut_assets.domain.audit.redecided import CannotDecideError, Redecided
from torghut_assets.domain.audit.registers import check_registers
from torghut_assets.domain.backtest.overfit_records import OverfitDiagnostics
from torghut_assets.domain.backtest.trials import RegisterEntry
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.records import Record

_TABLES: Final = "tables/"


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


def check_pack(
    source: PackSource,
    anchors: Iterable[tuple[str, bytes]] = (),
    read_reference: ReadReference | None = None,
) -> PackFindings:
    """Check a pack and return what was verified.

    Parameters
    ----------
    source : PackSource
    anchors : iterable of (name, bytes)
        Tree heads that were kept elsewhere. Without one, whoever has a runner's key could have
        made another ledger; with one, that shows.
    read_reference : callable or None
        Reads tables, for decisions that rest on them; without it they are not decided again.

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
    records = PackRecords(source, manifest, ledger, read_reference)
    findings.redacted = records.check()
    findings.records = len(records.kinds)
    findings.removed = records.removed()
    if REDACTION in source.sizes:
        _require_redaction(source, records, findings)
    findings.tables = sum(name.startswith(_TABLES) for name in digests)
    stated = {d for entry in ledger.entries for d in entry.subjects.values()}
    findings.unstated = sorted(records.kinds.keys() - stated)
    _decide_again(findings, records, registers.trials)
    findings.approvals.extend(rejudge_approvals(ledger.entries, ledger.ring))
    records.require_held(findings.removed)
    return findings


def _manifest(source: PackSource) -> tuple[AuditPack, str]:
    for name in (MANIFEST, SUMS, EXPORT, HEAD, LEAVES):
        if name not in source.sizes:
            raise NotAPackError(
                PackFault.MANIFEST_MISSING, location=source.location, detail=f"no {name}"
            )
    where = f"{source.location}: {MANIFEST}"
    data = parsed(small_file(source, MANIFEST), location=where)
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


def _require_sums(source: PackSource, digests: Mapping[str, str]) -> None:
    expected = sums_text({name: d for name, d in digests.items() if name != SUMS})
    if source.sizes[SUMS] != len(expected) or source.read(SUMS) != expected.encode("ascii"):
        known: dict[str, str] = {}
        for line in small_file(source, SUMS).decode("ascii", "replace").splitlines():
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
            entries[int(number)] = small_file(source, name)
    proof = {name: small_file(source, name) for name in (EXPORT, HEAD, LEAVES)}
    return check_ledger_part(entries, proof, manifest_digest)


def _require_same_subject(manifest: AuditPack, ledger: ProvenLedger) -> None:
    said = (ledger.export.candidate_id, ledger.export.snapshot_id, ledger.export.session)
    if said != (manifest.candidate_id, manifest.snapshot_id, manifest.session):
        raise PackFaultError(
            PackFault.EXPORT_UNSIGNED, location=EXPORT, detail=f"it is about {said}, not this pack"
        )


def _require_redaction(source: PackSource, records: "PackRecords", found: PackFindings) -> None:
    """Refuse a note of a redaction that says anything but what was taken out."""
    data = parsed(small_file(source, REDACTION), location=REDACTION)
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


def _decide_again(
    findings: PackFindings, records: PackRecords, trials: tuple[RegisterEntry, ...]
) -> None:
    """Decide everything again; what cannot be is named, with the reason that the pack gives."""
    decisions: list[tuple[type[Record], Callable[..., Redecided]]] = [
        *DECISIONS,
        (OverfitDiagnostics, lambda record, known: recount_trials(record, trials, known)),
    ]
    for model, decide in decisions:
        for digest in records.of_kind(model.record_kind):
            try:
                record = records.load(model, digest, needed_by=model.record_kind)
                findings.decisions.append(decide(record, records))
            except CannotDecideError as error:
                findings.not_decided.append(f"{model.record_kind} {digest[:12]}: {error}")
