"""The export: everything the ledger states, flattened into Parquet files, each byte verified.

It is read from the ledger on, not from Dagster: what no statement names is not in it. It is
always made whole. Rows that an earlier export wrote are not believed, since nobody signs them,
and whether a record is current changes with the next statement. The same home gives the same
bytes.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from torghut_assets.domain.audit.order_chains import ChainResolver
from torghut_assets.domain.backtest.register_checks import inspect_register, read_register
from torghut_assets.domain.backtest.trials import RegisterEntry, TrialOutcome, TrialTicket
from torghut_assets.domain.errors import EvidenceContradictionError, EvidenceError
from torghut_assets.domain.evidence.approval_records import Approval
from torghut_assets.domain.evidence.approvals import approvals_in
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.evidence.ledger_check import LedgerPrefix
from torghut_assets.domain.evidence.reconciliation import Bytes, Stated
from torghut_assets.domain.evidence.register_spans import Register, read_spans, span_in
from torghut_assets.domain.evidence.removals import read_retention
from torghut_assets.domain.evidence.statement import RecordMade
from torghut_assets.domain.orders.journal import OrderEntry, read_order_entry
from torghut_assets.domain.records import Record
from torghut_assets.domain.stages.receipts import StageReceipt
from torghut_assets.domain.warehouse import evidence_rows
from torghut_assets.domain.warehouse.evidence_rows import Origin, Row
from torghut_assets.domain.warehouse.order_rows import fill_rows, order_rows
from torghut_assets.domain.warehouse.tables import RECORD_TABLES, ROW_TYPES, arrow_table
from torghut_assets.resources.artifact_store import digest_of_file
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.ledger_place import has_ledger
from torghut_assets.resources.lineage import read_record
from torghut_assets.resources.order_coverage import HomeEvidence
from torghut_assets.resources.order_journal import OrderJournalBrokenError
from torghut_assets.resources.receipt_book import ReceiptBook
from torghut_assets.resources.reconciliation import Seen, stated_in, stored_in
from torghut_assets.resources.statement_desk import registers_of

_REGISTERS: Final[tuple[Register, ...]] = ("trials", "receipts", "orders")
Key = tuple[str, str | None, str]
"""Asset, partition and digest of a record."""


class NothingStatedError(EvidenceError):
    """There is no ledger, or nothing in it: nothing can be exported."""

    def __init__(self, location: str) -> None:
        super().__init__(
            f"{location}: found no statement, expected at least one. Evaluate a candidate first: "
            "torghut demo"
        )


class ExportedFile(NamedTuple):
    """One table as it was written."""

    rows: int
    digest: str


class Export(NamedTuple):
    """An export: the ledger that it is about, and its files by table."""

    ledger_sequence: int
    ledger_root: str
    files: Mapping[str, ExportedFile]


class Registers(NamedTuple):
    """The entries of a home's registers, verified, in order."""

    trials: Sequence[RegisterEntry]
    receipts: Sequence[StageReceipt]
    orders: Sequence[OrderEntry]


def export_evidence(home: Home, record_types: Mapping[str, type[Record]], folder: Path) -> Export:
    """Write one Parquet file for each table into a folder, which is made if need be.

    Parameters
    ----------
    home : Home
    record_types : mapping of str to type
        Assets whose records are exported, and what they hold.
    folder : Path
        Files of the same names are replaced.

    Raises
    ------
    EvidenceError
        If the ledger or a register is not whole, or a stated record is altered, or missing
        without a tombstone; the message names it. Nothing is written then.
    NothingStatedError
        If the ledger has no entry.
    """
    import pyarrow.parquet as pq

    if not has_ledger(home):
        raise NothingStatedError(str(home.ledger_path))
    ledger = Ledger(home)
    prefix = ledger.verify()
    if not prefix.size:
        raise NothingStatedError(ledger.location)
    registers = _registers(home)  # after the ledger: they hold at least what it names
    tables = {
        name: arrow_table(ROW_TYPES[name], rows)
        for name, rows in _rows(home, record_types, registers, prefix).items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for name, table in tables.items():
        path = folder / f"{name}.parquet"
        pq.write_table(table, path, compression="zstd", write_statistics=False)
        files[name] = ExportedFile(table.num_rows, digest_of_file(path))
    return Export(prefix.size, prefix.root().hex(), files)


def _rows(
    home: Home,
    record_types: Mapping[str, type[Record]],
    registers: Registers,
    prefix: LedgerPrefix,
) -> dict[str, list[Row]]:
    """Return the rows of every table, in the order of the ledger or of their register."""
    found: dict[str, list[Row]] = {name: [] for name in ROW_TYPES}
    entries = prefix.entries
    last = entries[-1]
    found["ledger_head"].append(
        evidence_rows.LedgerHeadRow(
            digest=prefix.root().hex(), ledger_sequence=prefix.size, recorded_at=last.recorded_at
        )
    )
    stated = stated_in(entries)
    retention = read_retention(entries, prefix.ring)
    stored: dict[str, Bytes] = dict.fromkeys(retention.removed, "removed")
    stored |= stored_in(home)
    for origin, times in _origins([s for s in stated if s.asset in record_types]):
        statements = [entries[each.sequence - 1] for each in times]
        location = f"ledger entry {origin.sequence}"
        made = statements[-1].statement.record(RecordMade, location=location)
        is_removed = stored.get(origin.digest) == "removed"
        found["records"].append(
            evidence_rows.record_row(origin, statements, made, is_removed=is_removed)
        )
        if is_removed:
            continue
        shown = [t for t in RECORD_TABLES.items() if origin.asset in t[1].assets]
        if not shown:  # its bytes are looked at all the same; its form may be an older one
            home.store.get(origin.digest)
            continue
        record = read_record(
            home.store,
            record_types[origin.asset],
            origin.digest,
            location=f"{origin.asset}[{origin.partition or ''}] of {location}",
            subject=origin.partition,
        )
        for name, table in shown:
            found[name] += table.rows(record, origin)
    _add_registers(found, registers, entries)
    _add_approvals(found, prefix)
    evidence = HomeEvidence(home, Seen(stated, (), stored, entries, retention))
    named = _stated_in("orders", registers.orders, entries)
    found["orders"] += order_rows(registers.orders, named, ChainResolver(evidence))
    found["fills"] += fill_rows(registers.orders, named)
    return found


def _origins(stated: Sequence[Stated]) -> Iterator[tuple[Origin, list[Stated]]]:
    """Yield every record that is stated, once for each partition, in order of its last entry.

    A statement after the fact does not make a record current if one that was made in time did.
    """
    times: dict[Key, list[Stated]] = defaultdict(list)
    newest: dict[tuple[str, str | None], str] = {}
    for each in stated:
        times[each.asset, each.partition, each.digest].append(each)
        if not each.late or (each.asset, each.partition) not in newest:
            newest[each.asset, each.partition] = each.digest
    for (asset, partition, digest), each_time in sorted(
        times.items(), key=lambda item: item[1][-1].sequence
    ):
        current = newest[asset, partition] == digest
        yield Origin(digest, each_time[-1].sequence, asset, partition, current), each_time


def _registers(home: Home) -> Registers:
    """Read the registers, each digest, link and anchor checked."""
    files = registers_of(home)
    anchor = files["trials"].read_anchor()  # before the rows: they may only get more
    trials = read_register(
        files["trials"].rows_after(0), anchor, location=str(home.trial_register_path)
    )
    anchor = files["orders"].read_anchor()
    findings, orders = inspect_register(files["orders"].rows_after(0), anchor, read_order_entry)
    for finding in findings:
        if finding.severity == "broken":
            raise OrderJournalBrokenError(str(home.order_journal_path), finding)
    return Registers(trials, ReceiptBook(home).receipts(), orders)


def _add_registers(
    found: dict[str, list[Row]], registers: Registers, entries: Sequence[LedgerEntry]
) -> None:
    named = _stated_in("receipts", registers.receipts, entries)
    for receipt in registers.receipts:
        at = named.get(receipt.sequence)
        found["stage_receipts"].append(evidence_rows.receipt_row(receipt, at))
        found["receipt_evidence"] += evidence_rows.receipt_evidence_rows(receipt, at)
    named = _stated_in("trials", registers.trials, entries)
    ended = {e.ticket_sequence: e for e in registers.trials if isinstance(e, TrialOutcome)}
    for entry in registers.trials:
        if isinstance(entry, TrialTicket):
            outcome = ended.get(entry.sequence)
            row = evidence_rows.ticket_row(entry, outcome, named.get(entry.sequence))
            found["trial_tickets"].append(row)


def _add_approvals(found: dict[str, list[Row]], prefix: LedgerPrefix) -> None:
    for number, entry in enumerate(prefix.of_kind("approval")):
        approval = entry.statement.record(Approval, location=f"ledger entry {entry.sequence}")
        judged = list(approvals_in(prefix.entries, approval.decision, prefix.ring))[number]
        found["approvals"].append(evidence_rows.approval_row(entry, approval, judged))


def _stated_in(
    register: Register, there: Sequence[RegisterEntry], entries: Sequence[LedgerEntry]
) -> dict[int, int]:
    """Return the ledger entry that names each entry of a register, by sequence.

    Raises
    ------
    EvidenceContradictionError
        If the ledger names another entry than the register has.
    """
    held = {entry.sequence: entry.digest for entry in there}
    for sequence, digest in read_spans(register, entries).items():
        if held.get(sequence) != digest:
            raise EvidenceContradictionError(
                location=f"register {register} entry {sequence}",
                found=held.get(sequence, "nothing"),
                expected=digest,
            )
    return {
        sequence: entry.sequence
        for entry in entries
        if (span := span_in(entry)) is not None and span.register_name == register
        for sequence in range(span.first_sequence, span.last_sequence + 1)
    }
