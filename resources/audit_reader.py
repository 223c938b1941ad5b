"""Reads the history of a candidate from a home, as of a moment, each byte verified."""

import datetime as dt
import json
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import cached_property
from typing import Any, Final, NamedTuple

from torghut_assets.domain.audit.history import (
    Bytes,
    History,
    MadeRecord,
    Scope,
    SeenApproval,
    SeenTicket,
    newest_of_each,
)
from torghut_assets.domain.audit.references import read_any
from torghut_assets.domain.backtest.trials import TrialOutcome, TrialTicket
from torghut_assets.domain.candidates.records import CandidateSpec
from torghut_assets.domain.digests import is_digest
from torghut_assets.domain.errors import BadInputError, EvidenceError, EvidenceMissingError
from torghut_assets.domain.evidence.approval_records import Approval
from torghut_assets.domain.evidence.approvals import approvals_in
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.evidence.keys import KeyRing
from torghut_assets.domain.evidence.removals import Retention, read_retention
from torghut_assets.domain.identifiers import parse_candidate_id, parse_date, parse_snapshot_id
from torghut_assets.domain.records import Record
from torghut_assets.domain.stages.receipts import StageReceipt
from torghut_assets.resources.audit_index import AuditIndex, MadeRow, StatementRow
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger import Ledger

_TICKET: Final = b'{"kind":"trial-ticket"'


class LedgerThen(NamedTuple):
    """The ledger at one size: its keys, and the entries that approve or use approvals up."""

    size: int
    ring: KeyRing
    entries: tuple[LedgerEntry, ...]


class AuditReader:
    """Answers what is known about candidates of one home.

    Parameters
    ----------
    home : Home
    index : AuditIndex
        Up to date.
    record_types : mapping of str to type
        What every asset holds.
    stage_of_asset : callable
        Returns which stage makes an asset, in the order of the pipeline; asked when needed.
    """

    def __init__(
        self,
        home: Home,
        index: AuditIndex,
        record_types: Mapping[str, type[Record]],
        stage_of_asset: Callable[[], Mapping[str, str]],
    ) -> None:
        self._home = home
        self._index = index
        self._record_types = record_types
        self._read_stages = stage_of_asset

    def moment_of(self, sequence: int) -> dt.datetime:
        """Return when an entry of the ledger was recorded.

        Raises
        ------
        BadInputError
            If the ledger has no such entry.
        """
        ledger = self._index.ledger
        if not 1 <= sequence <= ledger.size:
            raise BadInputError(
                location="--as-of", found=str(sequence), expected=f"an entry of 1 to {ledger.size}"
            )
        return ledger.recorded_at(sequence)

    def decision(self, name: str) -> Record:
        """Return a record by what a person calls it, verified.

        Parameters
        ----------
        name : str
            `<candidate>|<snapshot>`, `<candidate>|<session>`, or the first digits of a digest.

        Raises
        ------
        EvidenceError
            If there is none, more than one, or it is altered.
        """
        candidate, bar, other = name.partition("|")
        if not bar:
            return self._by_digest(name)
        partition = f"{parse_candidate_id(candidate)}|{_snapshot_or_session(other)}"
        wanted = ("gate_report",) if "@" in other else ("paper_gate_report", "drift_report")
        made = self._index.made([partition])
        for asset in wanted:
            if rows := [row for row in made if row.asset == asset]:
                return self._load(self._record_types[asset], rows[-1].digest)
        raise EvidenceError(f"{partition}: no {' or '.join(wanted)} was ever made of it here.")

    def content(self, digest: str) -> Any:
        """Return what a stored record says, in plain form; `None` if it is not there."""
        try:
            return read_any(self._home.store.get(digest), location=digest).record
        except EvidenceError:
            return None

    def _by_digest(self, digits: str) -> Record:
        if not 8 <= len(digits) <= 64 or not is_digest(digits.ljust(64, "0")):
            raise BadInputError(
                location="decision",
                found=ascii(digits)[:80],
                expected="<candidate>|<snapshot>, <candidate>|<session>, or 8 to 64 hex digits",
            )
        digest = self._index.completed(digits)
        kind, _ = self._index.described([digest])[digest]
        for model in self._record_types.values():
            if model.record_kind == kind:
                return self._load(model, digest)
        raise EvidenceError(f"{digest}: found {kind or 'no record'}, expected a record of an asset")

    def _load(self, model: type[Record], digest: str) -> Record:
        gone = None if digest in self._home.store else self._retention().removal_text(digest)
        if gone is not None:
            raise EvidenceError(f"{digest}: {gone}. What it said is in no file here any more.")
        return model.from_canonical_bytes(self._home.store.get(digest), location=digest)

    def history(self, scope: Scope) -> History:
        """Return what is known about a scope.

        Raises
        ------
        EvidenceError
            If nothing was known about the candidate, or a register or the ledger is not whole.
        """
        ledger = self._ledger_then(scope)
        made = self._made(scope, ledger)
        receipts = self._receipts(scope)
        if not made and not receipts:
            raise EvidenceError(
                f"{scope.candidate}: nothing is known about it here. Evaluate it with: torghut "
                f"run {scope.candidate} --snapshot <universe>@<as-of date>"
            )
        spec = self._specification(made)
        return History(
            scope=scope,
            made=made,
            receipts=receipts,
            approvals=tuple(self._approvals(scope.candidate, ledger)),
            tickets=self._tickets(scope),
            ledger_size=ledger.size,
            ledger_root=self._index.ledger.root(ledger.size).hex() if ledger.size else None,
            stage_of_asset=self._stage_of_asset,
            title=spec.title if spec else None,
            author=spec.author if spec else None,
        )

    def decided(self, candidate: str, other: str) -> tuple[StageReceipt, ...]:
        """Return the receipts of a candidate on a snapshot, or in a session."""
        if "@" in other:
            return self._receipts(Scope(candidate, snapshot=other))
        return self._receipts(Scope(candidate, session=other))

    def approvals(self, candidate: str) -> list[SeenApproval]:
        """Return the signed approvals about a candidate, and whether they count."""
        return self._approvals(candidate, self._ledger_then(Scope(candidate)))

    @cached_property
    def _stage_of_asset(self) -> Mapping[str, str]:
        return self._read_stages()

    def _ledger_then(self, scope: Scope) -> LedgerThen:
        """Return the ledger as it was then: its size, keys and the entries about approvals."""
        whole = self._index.ledger
        size = whole.size
        if scope.as_of_sequence is not None:
            size = scope.as_of_sequence
        elif scope.as_of is not None:
            size = self._index.entries.last_by(scope.as_of)
        telling = [number for number in self._index.telling() if number <= size]
        return LedgerThen(size, whole.ring_at(size), tuple(whole.chosen(telling)))

    def _receipts(self, scope: Scope) -> tuple[StageReceipt, ...]:
        read = [
            StageReceipt.from_canonical_bytes(payload, location="stage receipts")
            for payload in self._index.rows("receipts", scope.candidate)
        ]
        later = self._stated_later([receipt.digest for receipt in read], scope)
        return tuple(r for r in read if scope.covers_receipt(r) and r.digest not in later)

    def _stated_later(self, digests: list[str], scope: Scope) -> set[str]:
        """Return the digests that were first stated after the ledger entry that is asked about.

        A second is too coarse to order what happened around one entry; the ledger does.
        """
        if scope.as_of_sequence is None:
            return set()
        first = {s.subject: s.sequence for s in reversed(self._index.statements(digests))}
        return {digest for digest, n in first.items() if n > scope.as_of_sequence}

    def _made(self, scope: Scope, ledger: LedgerThen) -> tuple[MadeRecord, ...]:
        own = self._index.made([scope.candidate], prefix=f"{scope.candidate}|")
        later = self._stated_later([row.digest for row in own], scope)
        rows = [row for row in own if self._asked(row, scope) and row.digest not in later]
        inputs = {d for row in rows for d in json.loads(row.inputs).values()}
        rest = [
            row
            for row in self._index.made_with(sorted(inputs))
            if row.asset not in {r.asset for r in rows} and self._asked(row, scope)
        ]
        settings = [row for row in rest if row.digest in inputs]
        statements = self._statements([row.digest for row in (*rows, *settings)], ledger)
        return newest_of_each(
            self._record(row, statements.get(row.digest), ledger)
            for row in sorted([*settings, *rows])
        )

    def _asked(self, row: MadeRow, scope: Scope) -> bool:
        stage = self._stage_of_asset.get(row.asset)
        return (
            scope.admits(_moment(row.at))
            and scope.covers(row.partition)
            and (scope.stage is None or stage in (None, scope.stage))
        )

    def _statements(self, digests: list[str], ledger: LedgerThen) -> dict[str, StatementRow]:
        """Return the last statement, then, that each of some records was made."""
        found = self._index.statements(digests)
        return {s.subject: s for s in found if s.name == "record" and s.sequence <= ledger.size}

    def _record(
        self, row: MadeRow, statement: StatementRow | None, ledger: LedgerThen
    ) -> MadeRecord:
        owners = {
            key.key_id: key.owner if key.owner == key.role else f"{key.role} {key.owner}"
            for key in ledger.ring.keys
        }
        signers = statement.signers.split(",") if statement else []
        bytes_are, record = self._read(row)
        gone = self._retention().removed.get(row.digest) if bytes_are == "missing" else None
        bytes_are = "removed" if gone else bytes_are
        verdict = getattr(record, "verdict", None)
        return MadeRecord(
            asset=row.asset,
            partition=row.partition,
            digest=row.digest,
            kind=record.record_kind if record else None,
            made_at=_moment(row.at),
            run_id=row.run_id,
            code_version=row.code_version,
            inputs=json.loads(row.inputs),
            bytes_are=bytes_are,
            verdict=None if verdict is None else str(getattr(verdict, "value", verdict)),
            statement=statement.sequence if statement else None,
            signers=tuple(owners.get(signer, signer[:12]) for signer in signers),
            actor=statement.actor if statement else None,
            tombstone=gone.sequence if gone else None,
        )

    def _retention(self) -> Retention:
        """Return what was removed under retention, proven from the ledger as it is now."""
        with closing(Ledger(self._home)) as ledger:
            prefix = ledger.checked()
        return read_retention(prefix.entries, prefix.ring)

    def _read(self, row: MadeRow) -> tuple[Bytes, Record | None]:
        try:
            payload = self._home.store.get(row.digest)
            model = self._record_types[row.asset]
            return "intact", model.from_canonical_bytes(payload, location=row.asset)
        except EvidenceMissingError:
            return "missing", None
        except EvidenceError:
            return "altered", None

    def _specification(self, made: tuple[MadeRecord, ...]) -> CandidateSpec | None:
        for record in made:
            if record.asset == "candidate_spec" and record.bytes_are == "intact":
                payload = self._home.store.get(record.digest)
                return CandidateSpec.from_canonical_bytes(payload, location=record.asset)
        return None

    def _approvals(self, candidate: str, ledger: LedgerThen) -> list[SeenApproval]:
        seen = []
        approvals = (entry for entry in ledger.entries if entry.kind == "approval")
        for number, entry in enumerate(approvals):
            approval = entry.statement.record(Approval, location=f"ledger entry {entry.sequence}")
            decision = approval.decision
            if candidate in (decision.candidate_id, *decision.members):
                seen.append(self._approval(number, entry, approval, ledger))
        return seen

    def _approval(
        self, number: int, entry: LedgerEntry, approval: Approval, ledger: LedgerThen
    ) -> SeenApproval:
        judged = list(approvals_in(ledger.entries, approval.decision, ledger.ring))[number]
        return SeenApproval(
            sequence=entry.sequence,
            recorded_at=entry.recorded_at,
            digest=approval.digest,
            approver=approval.approver,
            decision_kind=approval.decision.kind,
            report_digest=approval.decision.report_digest,
            expires_at=approval.expires_at,
            counts=judged.accepted is not None,
            because=judged.fault.value if judged.fault else judged.detail,
        )

    def _tickets(self, scope: Scope) -> tuple[SeenTicket, ...]:
        payloads = self._index.rows("trials", scope.candidate)
        tickets = [
            TrialTicket.from_canonical_bytes(payload, location="trial register")
            for payload in payloads
            if payload.startswith(_TICKET)
        ]
        outcomes = (
            TrialOutcome.from_canonical_bytes(payload, location="trial register")
            for payload in self._index.answers("trials", [t.sequence for t in tickets])
        )
        ended = {outcome.ticket_sequence: outcome for outcome in outcomes}
        later = self._stated_later([ticket.digest for ticket in tickets], scope)
        return tuple(
            SeenTicket(ticket, self._ended(ended.get(ticket.sequence), scope))
            for ticket in tickets
            if scope.admits(ticket.recorded_at)
            and ticket.digest not in later
            and scope.snapshot in (None, ticket.trial.inputs.snapshot_id)
        )

    def _ended(self, outcome: TrialOutcome | None, scope: Scope) -> str:
        if outcome is None or not scope.admits(outcome.recorded_at):
            return "open"
        return outcome.status


def _snapshot_or_session(text: str) -> str:
    if "@" in text:
        return str(parse_snapshot_id(text))
    return parse_date(text, location="session").isoformat()


def _moment(timestamp: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(timestamp, dt.UTC)
