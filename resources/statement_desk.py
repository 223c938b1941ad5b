"""The desk where records and register entries get their signed statements.

A record is stored first, then stated, then reported to Dagster: what the event log calls
accepted is in the ledger, whatever moment a process is killed at. With every statement about a
record go statements about the register entries that nobody has named yet, in the same append:
tickets, receipts and order notes of a step are stated with its record.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from torghut_assets.domain.backtest.trials import TrialAnchor
from torghut_assets.domain.digests import is_digest
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.evidence.ledger_check import LedgerPrefix
from torghut_assets.domain.evidence.record_kinds import kind_of_record, signer_of
from torghut_assets.domain.evidence.register_spans import (
    MAX_ENTRIES,
    REGISTER_KINDS,
    Register,
    RegisterEnd,
    Row,
    Signing,
    end_of,
    next_span,
)
from torghut_assets.domain.evidence.statement import RecordMade
from torghut_assets.domain.records import Record
from torghut_assets.resources.artifact_store import ArtifactStore
from torghut_assets.resources.code_version import code_digest
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger import Draft, Ledger
from torghut_assets.resources.order_journal import ORDERS
from torghut_assets.resources.receipt_book import RECEIPTS, current_actor
from torghut_assets.resources.register_file import (
    TRIALS,
    RegisterBusyError,
    RegisterFile,
)

RECORD: Final = "record"
"""Name of the subject that is the record itself."""
STATED_CODE: Final = ("domain", "assets", "checks", "strategies")
"""Parts of the package whose digest a statement names."""
_OPENING: Final = b'{"kind":'


class Making(NamedTuple):
    """How a record came about: asset, partition, what was read, which settings, which run."""

    asset: str
    partition: str | None
    inputs: Mapping[str, str]
    policies: Mapping[str, str]
    run_id: str | None
    late: bool = False


class StatementDesk:
    """Makes the statements of one home. Any number of processes may do so at once."""

    def __init__(self, home: Home, ledger: Ledger | None = None) -> None:
        self.ledger = ledger or Ledger(home)
        self._store = home.store
        self.registers = registers_of(home)
        self._ends: dict[Register, RegisterEnd] = {}
        self._looked_at = 0

    def state(self, record: Record, making: Making) -> LedgerEntry:
        """Sign and append that a record was made. The record must be in the store.

        Returns
        -------
        LedgerEntry
            The statement at its place.
        """
        kind = kind_of_record(record.record_kind)
        verdict = getattr(record, "verdict", None)
        predicate = RecordMade(
            asset=making.asset,
            partition=making.partition,
            record_kind_made=record.record_kind,
            record_version_made=record.record_version,
            inputs=dict(making.inputs),
            policies={**making.policies, **_own_policies(record)},
            code_digest=self._signing.code_digest,
            run_id=making.run_id,
            actor=self._signing.actor,
            verdict=None if verdict is None else str(getattr(verdict, "value", verdict)),
            late=making.late,
        )
        subjects = {RECORD: record.digest, **files_of(self._store, record)}
        draft = Draft(kind, subjects, predicate, signer_of(kind))
        return self.ledger.append_all(lambda prefix: (*self._spans(prefix), draft))[-1]

    def catch_up(self) -> tuple[LedgerEntry, ...]:
        """State the register entries that no statement names; nothing is written if all are."""
        if not any(self._is_ahead(register) for register in self.registers):
            return ()
        return self.ledger.append_all(lambda prefix: tuple(self._spans(prefix)))

    @property
    def _signing(self) -> Signing:
        return Signing(code_digest(*STATED_CODE), current_actor())

    def _is_ahead(self, register: Register) -> bool:
        """Whether a register may have entries that the ledger does not name; cheap."""
        self._look_at(self.ledger.checked())
        anchor = _anchor(self.registers[register])
        end = self._ends.get(register, RegisterEnd())
        return anchor is not None and (anchor.sequence, anchor.head_digest) != end

    def _look_at(self, prefix: LedgerPrefix) -> None:
        """Note where the spans in a ledger end. It only grows, so each entry is seen once."""
        for entry in prefix.entries[self._looked_at :]:
            if (found := end_of(entry)) is not None:
                self._ends[found[0]] = found[1]
        self._looked_at = max(self._looked_at, prefix.size)

    def _spans(self, prefix: LedgerPrefix) -> Iterator[Draft]:
        """Statements about the entries that are new, register by register.

        A register that does not go on from where the ledger says it ended gets none: no
        record is held up by it, and `torghut audit reconcile` names it.
        """
        self._look_at(prefix)
        for register, file in self.registers.items():
            end = self._ends.get(register, RegisterEnd())
            anchor = _anchor(file)
            if anchor is None or (anchor.sequence, anchor.head_digest) == end:
                continue
            try:
                rows = [Row(*row) for row in file.rows_after(end.sequence)]
                while rows:
                    batch, rows = rows[:MAX_ENTRIES], rows[MAX_ENTRIES:]
                    subjects, span = next_span(register, end, batch, self._signing)
                    end = RegisterEnd(batch[-1].sequence, batch[-1].digest)
                    yield Draft(REGISTER_KINDS[register], subjects, span)
            except (EvidenceError, RegisterBusyError):
                continue


def registers_of(home: Home) -> dict[Register, RegisterFile]:
    """Return the files of a home's registers."""
    return {
        "trials": RegisterFile(home.trial_register_path, home.trial_anchor_path, TRIALS),
        "receipts": RegisterFile(home.receipts_path, home.receipts_anchor_path, RECEIPTS),
        "orders": RegisterFile(home.order_journal_path, home.order_journal_anchor_path, ORDERS),
    }


def _anchor(file: RegisterFile) -> TrialAnchor | None:
    try:
        return file.read_anchor()
    except EvidenceError:  # the register's own readers refuse it by name
        return None


def _own_policies(record: Record) -> dict[str, str]:
    """Return the digests of settings that a record names itself."""
    policies = dict(getattr(record, "policies", {}))
    digest = getattr(record, "policy_digest", None)
    return {**policies, **({"policy": digest} if digest else {})}


def files_of(store: ArtifactStore, record: Record) -> dict[str, str]:
    """Return the stored files that a record names, by their place in it: tables, bars.

    Records that it names are not among them: they have statements of their own.
    """
    found = {}
    for place, text in _leaves(record.model_dump(mode="json"), ""):
        if is_digest(text) and text in store and store.opening(text, len(_OPENING)) != _OPENING:
            found[place] = text
    return found


def _leaves(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{place}.{number}")
