"""What was removed under retention, and what is held: read from the ledger, each proven.

Read `read_retention` first. A tombstone is believed only if the ledger itself shows that it was
allowed when it was written: the statements that it cites are the newest of their kinds, all had
expired, no hold stood against it, and enough persons had approved its plan. So a runner's key
alone cannot pass deletion off as retention.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from torghut_assets.domain.evidence.approval_records import Approval, person_key
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.keys import KeyRing
from torghut_assets.domain.evidence.retention_records import (
    HOLD_RELEASE,
    LEGAL_HOLD,
    TOMBSTONE,
    HoldRelease,
    LegalHold,
    RetentionPlan,
    Tombstone,
)

RECORD: Final = "record"
"""Name of the subject of a statement that is the record itself."""


class Removal(NamedTuple):
    """An artifact that is gone for a reason: the ledger entry, and what it says."""

    sequence: int
    removed_at: dt.datetime
    tombstone: Tombstone

    @property
    def text(self) -> str:
        """How every command says it."""
        return removed_text(self.sequence)


class PlacedHold(NamedTuple):
    """A hold in force, and the ledger entry that placed it."""

    sequence: int
    hold: LegalHold


class SaidOf(NamedTuple):
    """One statement that a record was made, as far as retention asks."""

    kind: str
    sequence: int
    recorded_at: dt.datetime
    candidate_id: str | None


@dataclass(frozen=True)
class Retention:
    """What the ledger says about removals and holds.

    `removed` holds artifacts whose tombstone is the last word: what was made and stated again
    since is no longer in it. `tombstones` counts all.
    """

    removed: Mapping[str, Removal] = field(default_factory=dict)
    holds: Mapping[str, PlacedHold] = field(default_factory=dict)
    tombstones: int = 0

    def removal_text(self, digest: str) -> str | None:
        """Return how to say that an artifact was removed; `None` if it was not."""
        found = self.removed.get(digest)
        return found.text if found else None


def removed_text(sequence: int) -> str:
    """Return the words for an artifact that a tombstone stands for."""
    return f"removed under retention, tombstone {sequence}"


def candidate_of(entry: LedgerEntry) -> str | None:
    """Return the candidate that a statement about a record is about, as its partition says."""
    partition = str(entry.statement.predicate.record.get("partition") or "")
    first, _, _ = partition.partition("|")
    return first if first and "@" not in first else None


def read_retention(
    entries: Sequence[LedgerEntry], ring: KeyRing, *, complete: bool = True
) -> Retention:
    """Return what was removed and what is held, each tombstone and hold proven.

    Parameters
    ----------
    entries : sequence of LedgerEntry
        In order; their signatures and roles were checked, or are when they are looked at.
    ring : KeyRing
        Keys as these entries leave them.
    complete : bool
        Whether these are all entries. Of a part, as in a pack, the statements that a tombstone
        cites must be there; that there were no others only the whole ledger shows.

    Raises
    ------
    EvidenceRefusedError
        With `tombstone_unproven`, `hold_broken` or `hold_contradicts`, and the place.
    """
    kinds = {TOMBSTONE, LEGAL_HOLD, HOLD_RELEASE}
    if not any(entry.kind in kinds for entry in entries):
        return Retention()
    named = {entry.subjects["artifact"] for entry in entries if entry.kind == TOMBSTONE}
    reading = _Reading(ring, named, complete)
    for entry in entries:
        reading.take(entry)
    return reading.result()


class _Reading:
    """What is known of removals and holds up to one entry."""

    def __init__(self, ring: KeyRing, named: set[str], complete: bool) -> None:
        self._ring = ring
        self._named = named
        self._complete = complete
        self._said: dict[str, list[SaidOf]] = {}
        self._approvals: dict[str, tuple[LedgerEntry, Approval]] = {}
        self._holds: dict[str, PlacedHold] = {}
        self._removed: dict[str, Removal] = {}
        self._count = 0

    def take(self, entry: LedgerEntry) -> None:
        """Take in the next entry."""
        where = f"ledger entry {entry.sequence}"
        if entry.kind == TOMBSTONE:
            self._bury(entry, where)
        elif entry.kind == LEGAL_HOLD:
            self._hold(entry, where)
        elif entry.kind == HOLD_RELEASE:
            self._release(entry, where)
        elif entry.kind == "approval":
            approval = entry.statement.record(Approval, location=where)
            if approval.decision.kind == "retention":
                self._approvals[approval.digest] = (entry, approval)
        elif RECORD in entry.subjects:
            for digest in self._named.intersection(entry.subjects.values()):
                said = SaidOf(entry.kind, entry.sequence, entry.recorded_at, candidate_of(entry))
                self._said.setdefault(digest, []).append(said)

    def result(self) -> Retention:
        """Return what was found, without what was made again since it was removed."""
        last = {digest: said[-1].sequence for digest, said in self._said.items()}
        removed = {d: r for d, r in self._removed.items() if last.get(d, 0) < r.sequence}
        return Retention(removed, dict(self._holds), self._count)

    def _hold(self, entry: LedgerEntry, where: str) -> None:
        hold = entry.statement.record(LegalHold, location=where)
        if dict(entry.subjects) != hold.statement().subjects:
            raise _broken(where, "its subjects are not those of its record")
        self._require_signer(entry, hold.holder, where)
        if hold.name in self._holds:
            raise _broken(where, f"the hold {hold.name} is in force already")
        self._holds[hold.name] = PlacedHold(entry.sequence, hold)

    def _release(self, entry: LedgerEntry, where: str) -> None:
        release = entry.statement.record(HoldRelease, location=where)
        self._require_signer(entry, release.releaser, where)
        placed = self._holds.pop(release.name, None)
        if placed is None and not self._complete:
            return
        if placed is None or release.hold_digest != placed.hold.digest:
            raise _broken(where, f"no hold {release.name} of this digest is in force")
        if dict(entry.subjects) != release.statement().subjects:
            raise _broken(where, "its subjects are not those of its record")

    def _require_signer(self, entry: LedgerEntry, person: str, where: str) -> None:
        owners = [key.owner for key in self._ring.signers(entry.envelope, location=where)]
        if owners != [person]:
            raise _broken(where, f"signed by {', '.join(owners)}, it says {person}")

    def _bury(self, entry: LedgerEntry, where: str) -> None:
        stone = entry.statement.record(Tombstone, location=where)
        artifact = stone.removed.artifact
        approvals = {n: d for n, d in entry.subjects.items() if n.startswith("approval-")}
        if dict(entry.subjects) != {**stone.subjects(()), **approvals}:
            raise _unproven(where, "its subjects are not those of its record")
        if artifact in self._removed and self._complete:
            since = self._removed[artifact].sequence
            if self._said[artifact][-1].sequence < since:
                raise _unproven(where, f"{artifact} was removed in entry {since} already")
        self._require_expired(stone, entry, where)
        self._require_no_hold(artifact, where)
        self._require_approved(stone, entry, tuple(approvals.values()), where)
        self._removed[artifact] = Removal(entry.sequence, entry.recorded_at, stone)
        self._count += 1

    def _require_expired(self, stone: Tombstone, entry: LedgerEntry, where: str) -> None:
        newest = {said.kind: said for said in self._said.get(stone.removed.artifact, ())}
        cited = {each.kind: each for each in stone.removed.stated}
        if self._complete and newest.keys() != cited.keys():
            raise _unproven(
                where, f"it cites {sorted(cited)}, the ledger states it as {sorted(newest)}"
            )
        for kind, each in cited.items():
            said = newest.get(kind)
            found = None if said is None else (said.sequence, said.recorded_at)
            if found != (each.sequence, each.recorded_at):
                raise _unproven(
                    where, f"entry {each.sequence} is not the newest {kind} statement about it"
                )
            if each.expires_at > entry.recorded_at:
                raise _unproven(where, f"by its {kind} it is kept until {each.expires_at}")
        if later := newest.keys() - cited.keys():
            raise _unproven(where, f"it leaves out that it is stated as {', '.join(sorted(later))}")

    def _require_no_hold(self, artifact: str, where: str) -> None:
        candidates = {said.candidate_id for said in self._said.get(artifact, ())}
        for name, placed in self._holds.items():
            hold = placed.hold
            named = artifact in hold.artifacts or not candidates.isdisjoint(hold.candidates)
            if hold.everything or named:
                raise EvidenceRefusedError(
                    Fault.HOLD_CONTRADICTS,
                    location=where,
                    detail=f"{artifact} was held by {name}, entry {placed.sequence}",
                )

    def _require_approved(
        self, stone: Tombstone, entry: LedgerEntry, named: tuple[str, ...], where: str
    ) -> None:
        persons = set()
        for digest in named:
            if digest not in self._approvals:
                raise _unproven(where, f"no approval of a retention plan is {digest}")
            said, approval = self._approvals[digest]
            decision = approval.decision
            if (decision.report_digest, decision.policy_digest, decision.candidate_id) != (
                stone.plan_digest,
                stone.policy_digest,
                None,
            ):
                raise _unproven(where, f"entry {said.sequence} approves another plan")
            if not approval.issued_at <= said.recorded_at <= entry.recorded_at:
                raise _unproven(where, f"entry {said.sequence} approves out of time")
            if approval.expires_at <= entry.recorded_at:
                raise _unproven(where, f"the approval in entry {said.sequence} had expired")
            for key in self._ring.signers(said.envelope, location=where):
                revoked = key.revoked_in is not None and key.revoked_in < entry.sequence
                if key.owner != approval.approver or revoked:
                    raise _unproven(where, f"entry {said.sequence} is not {approval.approver}'s")
            persons.add(person_key(approval.approver))
        if len(persons) < stone.persons_required:
            raise _unproven(
                where, f"{len(persons)} persons approved it, needed {stone.persons_required}"
            )


def require_planned(removal: Removal, plan: RetentionPlan) -> None:
    """Refuse a tombstone whose plan does not say what it says.

    Raises
    ------
    EvidenceRefusedError
        With `tombstone_unproven`.
    """
    stone, where = removal.tombstone, f"ledger entry {removal.sequence}"
    if (plan.digest, plan.policy_digest, plan.persons_required) != (
        stone.plan_digest,
        stone.policy_digest,
        stone.persons_required,
    ):
        raise _unproven(where, f"{plan.digest} is not the plan that it names")
    if stone.removed not in plan.items:
        raise _unproven(where, f"the plan does not list {stone.removed.artifact} like this")


def _unproven(where: str, detail: str) -> EvidenceRefusedError:
    return EvidenceRefusedError(Fault.TOMBSTONE_UNPROVEN, location=where, detail=detail)


def _broken(where: str, detail: str) -> EvidenceRefusedError:
    return EvidenceRefusedError(Fault.HOLD_BROKEN, location=where, detail=detail)
