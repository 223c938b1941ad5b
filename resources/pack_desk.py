"""The desk where packs are made: what belongs to a decision is gathered, signed and written."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import dagster as dg

from torghut_assets.domain.audit.commitments import commitment_of, is_redactable
from torghut_assets.domain.audit.faults import PackFault, PackFaultError
from torghut_assets.domain.audit.manifest import (
    EXPORT,
    EXPORT_SUBJECT,
    HEAD,
    LEAVES,
    MANIFEST,
    README,
    REPORT,
    SUMS,
    AuditPack,
    FileRef,
    HeldRecord,
    PackExport,
    entry_name,
    record_name,
    register_row_name,
    salts_name,
    sums_text,
    table_name,
)
from torghut_assets.domain.audit.page import render_page
from torghut_assets.domain.audit.page_evidence import PageEvidence
from torghut_assets.domain.audit.proofs import EXPORT_KIND, leaves_text
from torghut_assets.domain.audit.readme import readme_text
from torghut_assets.domain.audit.secret_patterns import secrets_in
from torghut_assets.domain.backtest.trials import RegisterEntry
from torghut_assets.domain.digests import canonical_json, is_digest, sha256_hex
from torghut_assets.domain.errors import (
    EvidenceContradictionError,
    EvidenceError,
    UpstreamMissingError,
)
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.evidence.ledger_check import LedgerPrefix
from torghut_assets.domain.evidence.ledger_tree import leaf_hash
from torghut_assets.domain.evidence.removals import Removal, read_retention
from torghut_assets.domain.evidence.retention_records import (
    HOLD_RELEASE,
    LEGAL_HOLD,
    TOMBSTONE,
    LegalHold,
)
from torghut_assets.resources import work_progress
from torghut_assets.resources.home import Home
from torghut_assets.resources.key_ring import KeyFolder
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.ledger_file import SqliteLedger
from torghut_assets.resources.lineage import newest
from torghut_assets.resources.pack_file import Content, digests_of, write_pack
from torghut_assets.resources.stage_desk import Held, StageDesk, Subject
from torghut_assets.version import __version__

_NAMED: Final = re.compile(rb'"([0-9a-f]{64})"')
_RECORD: Final = b'{"kind":"'
_TABLE: Final = b"PAR1"
_REGISTER_SPAN: Final = "register-span"
_ALWAYS: Final = frozenset({"key-registration", "key-revocation"})
_RETENTION: Final = frozenset({TOMBSTONE, LEGAL_HOLD, HOLD_RELEASE})
_OF_THE_HOUSE: Final = frozenset({"drill", "runbook"})
"""What gate 4 asks about: of no candidate, and in the pack of every step of the ramp."""
_SALT: Final = b"torghut audit salts v1\n"


@dataclass
class _Gathered:
    """What belongs to a pack, by digest."""

    held: list[HeldRecord] = field(default_factory=list)
    records: dict[str, bytes] = field(default_factory=dict)
    tables: dict[str, Path] = field(default_factory=dict)
    removed: dict[str, Removal] = field(default_factory=dict)


class PackDesk:
    """Makes the packs of one home.

    Parameters
    ----------
    home : Home
    held : mapping of str to Held
        Every asset by name.
    trials : sequence of RegisterEntry
        The whole trial register, verified.
    """

    def __init__(
        self, home: Home, held: Mapping[str, Held], trials: tuple[RegisterEntry, ...]
    ) -> None:
        self._home = home
        self._held = held
        self._trials = trials
        self._receipts = StageDesk(home, held).book.receipts()
        self._ledger = Ledger(home)

    def export(
        self, instance: dg.DagsterInstance, subject: Subject, out: Path, *, with_data: bool
    ) -> AuditPack:
        """Write the pack of a decision, and a statement about it into the ledger.

        The same evidence gives the same bytes: a pack that was stated before is not stated again.

        Raises
        ------
        UpstreamMissingError
            If nothing was decided about the candidate on that snapshot or in that session.
        EvidenceError
            If anything of it is missing or altered, or a secret was found in it.
        """
        gathered = self._gathered(instance, subject)
        contents, manifest = self._contents(gathered, subject, with_data=with_data)
        export = self._statement(contents, gathered, subject)
        proof = self._proof(manifest.digest, export)
        if self._keys_came_in(contents):  # the first statement of a ledger registers its runner
            contents, manifest = self._contents(gathered, subject, with_data=with_data)
            proof = self._proof(manifest.digest, export)
        contents[MANIFEST] = manifest.canonical_bytes()
        write_pack(out, with_sums({**contents, **proof}))
        return manifest

    def _contents(
        self, gathered: _Gathered, subject: Subject, *, with_data: bool
    ) -> tuple[dict[str, Content], AuditPack]:
        """Return every file that the manifest names, and the manifest."""
        prefix = self._ledger.checked()
        entries = _concerning(prefix.entries, subject.candidate, gathered)
        contents: dict[str, Content] = {
            record_name(digest): payload for digest, payload in gathered.records.items()
        }
        contents |= {entry_name(entry.sequence): entry.payload for entry in entries}
        for register, rows in (("trials", self._trials), ("receipts", self._receipts)):
            for row in rows:
                contents[register_row_name(register, row.sequence)] = row.canonical_bytes()
        contents |= _schemas()
        salts = self._salts(gathered, prefix)
        contents |= {salts_name(d): canonical_json(found) for d, found in salts.items()}
        tables: dict[str, Content] = {table_name(d): p for d, p in gathered.tables.items()}
        evidence = PageEvidence(
            subject=subject._asdict(),
            held=tuple(gathered.held),
            records={d: json.loads(payload) for d, payload in gathered.records.items()},
            receipts=self._receipts,
            entries=tuple(entries),
            trials=self._trials,
            path=_path_points(gathered, self._home),
        )
        contents[REPORT] = render_page(evidence).encode("utf-8")
        contents[README] = readme_text(subject.candidate, with_data=with_data).encode("utf-8")
        if with_data:
            contents |= tables
        manifest = AuditPack(
            candidate_id=subject.candidate,
            snapshot_id=subject.snapshot,
            session=subject.session,
            made_by=f"torghut-assets {__version__}",
            held=tuple(gathered.held),
            files=_refs(contents),
            withheld={} if with_data else _refs(tables),
        )
        require_no_secret({**contents, MANIFEST: manifest.canonical_bytes()})
        return contents, manifest

    def _statement(
        self, contents: Mapping[str, Content], gathered: _Gathered, subject: Subject
    ) -> PackExport:
        """Return what the runner says about a pack: the roots of what may be redacted."""
        commitments = {}
        for digest, payload in sorted(gathered.records.items()):
            salts = contents.get(salts_name(digest))
            if isinstance(salts, bytes):
                fields = json.loads(payload)["record"]
                commitments[digest] = commitment_of(fields, json.loads(salts))
        return PackExport(
            candidate_id=subject.candidate,
            snapshot_id=subject.snapshot,
            session=subject.session,
            commitments=commitments,
        )

    def _keys_came_in(self, contents: Mapping[str, Content]) -> bool:
        """Whether the ledger has entries about keys that the contents do not have."""
        return any(
            entry.kind in _ALWAYS and entry_name(entry.sequence) not in contents
            for entry in self._ledger.checked().entries
        )

    def _gathered(self, instance: dg.DagsterInstance, subject: Subject) -> _Gathered:
        found = _Gathered()
        wanted: list[str] = []
        for name, held in sorted(self._held.items()):
            partition = _partition(held, subject)
            if held.dimension != "none" and partition is None:
                continue
            event = newest(instance, dg.AssetKey(name), partition)
            if event is None or not is_digest(event.digest):
                continue
            found.held.append(HeldRecord(asset=name, partition=partition, digest=event.digest))
            wanted.append(event.digest)
        decided = {item.asset for item in found.held}
        needed = "gate_report" if subject.session is None else "paper_fills"
        if needed not in decided:
            partition = _partition(self._held[needed], subject)
            universe, _, as_of = (subject.snapshot or "").partition("@")
            command = self._held[needed].command.format(
                **subject._asdict(), universe=universe, as_of=as_of
            )
            raise UpstreamMissingError(asset=needed, partition=partition, command=command)
        if subject.session is not None:
            wanted += self._earlier_reports(instance, subject.candidate, subject.session)
        self._follow(wanted, found)
        return found

    def _earlier_reports(
        self, instance: dg.DagsterInstance, candidate: str, session: str
    ) -> list[str]:
        """Return the drift reports of earlier sessions: later decisions look at their verdicts."""
        key = dg.AssetKey("drift_report")
        partitions = sorted(
            partition
            for partition in instance.get_materialized_partitions(key)
            if partition.partition("|")[0] == candidate and partition.partition("|")[2] < session
        )
        events = (newest(instance, key, partition) for partition in partitions)
        return [event.digest for event in events if event and event.digest in self._home.store]

    def _follow(self, wanted: list[str], found: _Gathered) -> None:
        """Take in records and tables, and whatever they name that the store holds."""
        required, seen = set(wanted), set[str]()
        store = self._home.store
        prefix = self._ledger.checked()
        removed = read_retention(prefix.entries, prefix.ring).removed
        while wanted:
            digest = wanted.pop()
            if digest in seen:
                continue
            seen.add(digest)
            if digest in removed:
                found.removed[digest] = removed[digest]
                plan = removed[digest].tombstone.plan_digest
                found.records[plan] = store.get(plan)  # lists others: not followed
            work_progress.report(len(seen), len(seen) + len(wanted))
            if digest not in store:
                if digest in required and digest not in removed:
                    store.get(digest)  # raises, naming it
                continue
            path = store.verified_path(digest)
            with path.open("rb") as stream:
                start = stream.read(len(_RECORD))
            if start == _RECORD:
                payload = store.get(digest)
                found.records[digest] = payload
                wanted.extend(name.decode("ascii") for name in _NAMED.findall(payload))
            elif start.startswith(_TABLE):
                found.tables[digest] = path

    def _salts(self, gathered: _Gathered, prefix: LedgerPrefix) -> dict[str, dict[str, str]]:
        """Return the salts of every record that may be redacted, by field.

        They come from the runner's signature of the record's digest: nobody else can compute
        them, and the same runner always comes to the same.
        """
        folder = KeyFolder(self._home)
        active = {key.key_id for key in prefix.ring.active("runner")}
        key = folder.machine_key("runner", active or None) or folder.new_machine_key("runner")
        salts: dict[str, dict[str, str]] = {}
        for digest, payload in sorted(gathered.records.items()):
            data = json.loads(payload)
            if not is_redactable(data["kind"]):
                continue
            _, secret = key.sign(_SALT + digest.encode("ascii"))
            salts[digest] = {
                name: sha256_hex(secret + name.encode("utf-8")) for name in sorted(data["record"])
            }
        return salts

    def _proof(self, manifest_digest: str, export: PackExport) -> dict[str, Content]:
        """Return the files that prove `pack.json`, from an earlier statement if there is one."""
        subjects = {EXPORT_SUBJECT: manifest_digest}
        prefix = self._ledger.checked()
        stated = [
            entry
            for entry in prefix.entries
            if entry.kind == EXPORT_KIND
            and entry.subjects == subjects
            and entry.statement.record_digest == export.digest
        ]
        entry = stated[0] if stated else self._ledger.append(EXPORT_KIND, subjects, export)
        leaves = [leaf_hash(e.payload) for e in self._ledger.checked().entries[: entry.sequence]]
        storage = SqliteLedger(self._home.ledger_path, self._home.ledger_anchor_path)
        with storage.reading() as session:
            head = session.head(entry.sequence)
        if head is None:
            raise EvidenceError(f"ledger: no signed tree head of size {entry.sequence}.")
        return {EXPORT: entry.payload, HEAD: head, LEAVES: leaves_text(leaves)}


def with_sums(contents: Mapping[str, Content]) -> dict[str, Content]:
    """Return the contents with their list for `sha256sum`."""
    digests = {name: digest for name, (digest, _) in digests_of(contents).items()}
    return {**contents, SUMS: sums_text(digests).encode("ascii")}


def require_no_secret(contents: Mapping[str, Content]) -> None:
    """Refuse to write text that holds something that looks like a secret.

    Raises
    ------
    PackFaultError
        With `secret_found`, its file and kind, and never the secret itself.
    """
    for name, content in sorted(contents.items()):
        if isinstance(content, bytes) and (found := secrets_in(content)):
            kind, position = found[0]
            raise PackFaultError(
                PackFault.SECRET_FOUND,
                location=name,
                detail=f"what looks like {kind} at byte {position}; nothing was written",
            )


def _partition(held: Held, subject: Subject) -> str | None:
    candidate, snapshot, session = subject
    if held.dimension == "candidate":
        return candidate
    if held.dimension == "snapshot":
        return snapshot
    if held.dimension == "evaluation":
        return f"{candidate}|{snapshot}" if snapshot else None
    if held.dimension == "session":
        return f"{candidate}|{session}" if session else None
    return None


def _concerning(
    entries: Sequence[LedgerEntry], candidate: str, gathered: _Gathered
) -> list[LedgerEntry]:
    """Return the entries about what is in the pack, the candidate, and all about keys."""
    digests = gathered.records.keys() | gathered.tables.keys() | gathered.removed.keys()
    of_retention = _of_retention(entries, candidate, digests)
    stages = (payload.startswith(b'{"kind":"ramp-stage"') for payload in gathered.records.values())
    whole = _ALWAYS | _OF_THE_HOUSE if any(stages) else _ALWAYS
    return [
        entry
        for entry in entries
        if entry.kind in whole
        or entry.sequence in of_retention
        or (
            entry.kind not in _RETENTION
            and not _approves_a_plan(entry)
            and (
                (entry.kind != EXPORT_KIND and not digests.isdisjoint(entry.subjects.values()))
                or _is_about(entry, candidate)
            )
        )
    ]


def _of_retention(
    entries: Sequence[LedgerEntry], candidate: str, digests: Collection[str]
) -> set[int]:
    """Return the tombstones of what belongs to the pack, the approvals that they cite, and holds.

    Nothing about the removal of other artifacts: a pack is for those who ask about this one.
    """
    found, approvals, holds = set(), set[str](), set[str]()
    for entry in entries:
        if entry.kind == TOMBSTONE and entry.subjects["artifact"] in digests:
            found.add(entry.sequence)
            approvals |= {d for n, d in entry.subjects.items() if n.startswith("approval-")}
        elif entry.kind == LEGAL_HOLD:
            hold = entry.statement.record(LegalHold, location=f"ledger entry {entry.sequence}")
            if candidate in hold.candidates or not set(hold.artifacts).isdisjoint(digests):
                found.add(entry.sequence)
                holds.add(hold.digest)
        elif entry.kind == HOLD_RELEASE and entry.subjects["hold"] in holds:
            found.add(entry.sequence)
    found |= {
        entry.sequence
        for entry in entries
        if _approves_a_plan(entry) and entry.statement.record_digest in approvals
    }
    return found


def _approves_a_plan(entry: LedgerEntry) -> bool:
    if entry.kind != "approval":
        return False
    decision = entry.statement.predicate.record.get("decision")
    return isinstance(decision, dict) and decision.get("kind") == "retention"


def _is_about(entry: LedgerEntry, candidate: str) -> bool:
    if entry.kind == EXPORT_KIND:
        return False
    predicate = entry.statement.predicate
    if predicate.kind == _REGISTER_SPAN:
        return predicate.record.get("register_name") in {"trials", "receipts"}
    said: dict[str, Any] = predicate.record
    decision = said.get("decision")
    named = decision.get("candidate_id") if isinstance(decision, dict) else None
    partition = str(said.get("partition") or "").partition("|")[0]
    return candidate in {named, partition, said.get("candidate_id")}


def _refs(contents: Mapping[str, Content]) -> dict[str, FileRef]:
    return {
        name: FileRef(sha256=digest, size_bytes=size)
        for name, (digest, size) in sorted(digests_of(contents).items())
    }


def _schemas() -> dict[str, Content]:
    folder = files("torghut_assets") / "schemas"
    return {
        f"schemas/{item.name}": item.read_bytes()
        for item in sorted(folder.iterdir(), key=lambda item: item.name)
        if item.name.endswith(".json")
    }


def _path_points(gathered: _Gathered, home: Home) -> dict[str, tuple[tuple[str, float], ...]]:
    """Return the daily net returns of the decided path by the table's digest, for the picture."""
    from torghut_assets.resources.frame_io import read_frame

    points = {}
    for payload in gathered.records.values():
        if not payload.startswith(b'{"kind":"backtest-metrics"'):
            continue
        digest = json.loads(payload)["record"]["path_frame_digest"]
        if digest in gathered.tables:
            frame = read_frame(home.store, digest)
            days = frame.column("time").to_numpy().astype("datetime64[D]").astype(str)
            returns = frame.column("net_return").to_numpy()
            points[digest] = tuple(zip(days.tolist(), returns.tolist(), strict=True))
    return points


def require_current(instance: dg.DagsterInstance, manifest: AuditPack) -> None:
    """Refuse an index in which an asset of a pack holds another record than the pack says.

    Raises
    ------
    EvidenceContradictionError
        Naming the first asset that was made again since, or whose entry was edited.
    """
    for item in manifest.held:
        event = newest(instance, dg.AssetKey(item.asset), item.partition)
        found = "nothing" if event is None else event.digest
        if found != item.digest:
            raise EvidenceContradictionError(
                location=f"index of {item.asset}[{item.partition or ''}]",
                found=found[:80],
                expected=item.digest,
            )
