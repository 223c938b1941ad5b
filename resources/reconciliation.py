"""Reconciling one home: reads store, ledger and event log; repeats what one of them is missing.

What is healed: a record with an event and no statement gets a statement that says that it is
late; a statement without an event is reported to Dagster as an event without a run; register
entries that nobody named are named. Bytes that are gone or altered are not healed here.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import dagster as dg

from torghut_assets.domain.errors import EvidenceContradictionError, EvidenceError
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.evidence.faults import EvidenceRefusedError
from torghut_assets.domain.evidence.reconciliation import (
    Bytes,
    Difference,
    Findings,
    Note,
    Reported,
    Stated,
    compare,
    compare_register,
    place_of,
)
from torghut_assets.domain.evidence.register_spans import read_spans
from torghut_assets.domain.evidence.removals import Retention, read_retention
from torghut_assets.domain.evidence.statement import RecordMade
from torghut_assets.domain.records import Record
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import (
    INPUT_DIGESTS,
    LEDGER_SEQUENCE,
    STATEMENT_DIGEST,
    input_digests,
    read_record,
)
from torghut_assets.resources.record_io import settings_among
from torghut_assets.resources.retention_desk import require_plans
from torghut_assets.resources.statement_desk import RECORD, Making, StatementDesk

_PAGE: Final = 1_000
_DATA_VERSION: Final = "dagster/data_version"


class Event(NamedTuple):
    """A materialization, and what it says beyond its claim."""

    reported: Reported
    inputs: Mapping[str, str]
    run_id: str | None


class Seen(NamedTuple):
    """Everything that is compared."""

    stated: tuple[Stated, ...]
    events: tuple[Event, ...]
    stored: Mapping[str, Bytes]
    entries: Sequence[LedgerEntry]
    retention: Retention


class Reconciler:
    """Compares store, ledger and event log of one home.

    Parameters
    ----------
    home : Home
    instance : DagsterInstance
    record_types : mapping of str to type
        Asset name to the record type that it holds.
    """

    def __init__(
        self,
        home: Home,
        instance: dg.DagsterInstance,
        record_types: Mapping[str, type[Record]],
    ) -> None:
        self._home = home
        self._instance = instance
        self._record_types = record_types
        self.desk = StatementDesk(home)

    def see(self) -> Seen:
        """Read all three, the ledger verified from its first entry on.

        Raises
        ------
        EvidenceRefusedError
            If the ledger is not whole: nothing can be compared with it.
        """
        ledger = self.desk.ledger.verify()
        retention = read_retention(ledger.entries, ledger.ring)
        stored: dict[str, Bytes] = dict.fromkeys(retention.removed, "removed")
        stored |= stored_in(self._home)
        stated = stated_in(ledger.entries)
        return Seen(stated, tuple(self._events()), stored, ledger.entries, retention)

    def findings(self, seen: Seen) -> Findings:
        """Return every difference and note."""
        found = compare(seen.stated, [e.reported for e in seen.events], seen.stored)
        differences = [*found.differences]
        for register, file in self.desk.registers.items():
            try:
                named = read_spans(register, seen.entries)
                there = {row.sequence: row.digest for row in file.rows_after(0)}
            except EvidenceError as error:
                detail = str(error).rstrip(".")
                differences.append(Difference("register_contradicted", register, detail))
                continue
            differences += compare_register(register, named, there)
        try:
            require_plans(self._home.store, seen.retention)
        except EvidenceRefusedError as error:
            differences.append(Difference("tombstone_unproven", error.location, error.detail))
        notes = (*found.notes, *self._leftovers(seen), *_removals(seen))
        return Findings(tuple(differences), notes)

    def heal(self, seen: Seen, differences: Sequence[Difference]) -> tuple[Difference, ...]:
        """Heal what can be healed and return it."""
        healed = []
        events = {event.reported: event for event in seen.events}
        for difference in differences:
            if difference.heal == "late_statement" and difference.reported is not None:
                self._state_late(events[difference.reported])
            elif difference.heal == "report_event" and difference.stated is not None:
                entry = seen.entries[difference.stated.sequence - 1]
                self._report(difference.stated, entry)
            elif difference.heal == "catch_up":
                self.desk.catch_up()
            else:
                continue
            healed.append(difference)
        return tuple(healed)

    def _state_late(self, event: Event) -> None:
        reported = event.reported
        record = read_record(
            self._home.store,
            self._record_types[reported.asset],
            reported.digest,
            location=place_of(reported),
            subject=reported.partition,
        )
        self.desk.state(
            record,
            Making(
                asset=reported.asset,
                partition=reported.partition,
                inputs=event.inputs,
                policies=settings_among(event.inputs, self._record_types),
                run_id=event.run_id,
                late=True,
            ),
        )

    def _report(self, stated: Stated, entry: LedgerEntry) -> None:
        """Report an event without a run that says what the statement says."""
        made = entry.statement.record(RecordMade, location=place_of(stated))
        self._instance.report_runless_asset_event(
            dg.AssetMaterialization(
                asset_key=stated.asset,
                partition=stated.partition,
                description=f"Reported by torghut audit reconcile from ledger entry "
                f"{stated.sequence}: the run that made it ended before its event.",
                metadata={
                    "record_digest": stated.digest,
                    "record_kind": made.record_kind_made,
                    STATEMENT_DIGEST: stated.statement_digest,
                    LEDGER_SEQUENCE: stated.sequence,
                    INPUT_DIGESTS: dg.MetadataValue.json(made.inputs),
                },
                tags={_DATA_VERSION: stated.digest},
            )
        )

    def _events(self) -> list[Event]:
        found = []
        for name in self._record_types:
            cursor = None
            while True:
                page = self._instance.fetch_materializations(
                    dg.AssetKey(name), limit=_PAGE, cursor=cursor, ascending=True
                )
                for record in page.records:
                    if (made := record.asset_materialization) is not None:
                        found.append(_event_of(name, made, record))
                if not page.has_more:
                    break
                cursor = page.cursor
        return found

    def _leftovers(self, seen: Seen) -> list[Note]:
        """Records of assets that neither statement nor event knows: a crash came between."""
        known = {each.digest for each in seen.stated}
        known |= {event.reported.digest for event in seen.events}
        openings = {
            f'{{"kind":"{model.record_kind}",'.encode(): name
            for name, model in self._record_types.items()
        }
        notes = []
        for digest, state in seen.stored.items():
            if digest in known or state != "intact":
                continue
            opening = self._home.store.opening(digest, max(map(len, openings)))
            for start, name in openings.items():
                if opening.startswith(start):
                    detail = f"{digest} was stored and never stated: nothing rests on it"
                    notes.append(Note("record_without_event", name, detail))
        return notes


def _removals(seen: Seen) -> list[Note]:
    """Say what is gone under retention, and what should be and is not."""
    notes = []
    for digest, removal in seen.retention.removed.items():
        what = removal.tombstone.removed.what
        if seen.stored[digest] == "removed":
            notes.append(Note("removed_under_retention", what, f"{digest} {removal.text}"))
        else:
            detail = f"{digest} is still there; tombstone {removal.sequence}: apply its plan again"
            notes.append(Note("removal_unfinished", what, detail))
    return notes


def stored_in(home: Home) -> dict[str, Bytes]:
    """Digest every artifact of a home's store."""
    store = home.store
    return {
        digest: "intact" if store.is_intact(digest) else "altered" for digest in store.digests()
    }


def stated_in(entries: Sequence[LedgerEntry]) -> tuple[Stated, ...]:
    """Return what the ledger says about records.

    Raises
    ------
    EvidenceContradictionError
        If a statement names no record.
    """
    found = []
    for entry in entries:
        if entry.statement.predicate.kind != RecordMade.record_kind:
            continue
        made = entry.statement.record(RecordMade, location=f"ledger entry {entry.sequence}")
        subjects = dict(entry.subjects)
        digest = subjects.pop(RECORD, None)
        if digest is None:
            raise EvidenceContradictionError(
                location=f"ledger entry {entry.sequence}",
                found=f"subjects {sorted(subjects)}",
                expected=f"one named {RECORD}",
            )
        found.append(
            Stated(
                sequence=entry.sequence,
                asset=made.asset,
                partition=made.partition,
                digest=digest,
                statement_digest=entry.statement_digest,
                files=subjects,
                late=made.late,
            )
        )
    return tuple(found)


def _event_of(name: str, made: dg.AssetMaterialization, record: dg.EventLogRecord) -> Event:
    sequence = made.metadata.get(LEDGER_SEQUENCE)
    statement = made.metadata.get(STATEMENT_DIGEST)
    return Event(
        Reported(
            order=record.storage_id,
            asset=name,
            partition=made.partition,
            digest=(made.tags or {}).get(_DATA_VERSION, ""),
            sequence=sequence.value if isinstance(sequence, dg.IntMetadataValue) else None,
            statement_digest=str(statement.value) if statement is not None else None,
        ),
        input_digests(made.metadata),
        record.run_id or None,
    )
