"""Are the registers in a pack whole? Trials and stage receipts, from the first entry on.

A pack holds both registers complete, not only what is about its candidate: an entry that was
left out would break the chain of digests, so the count of trials cannot be trimmed.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from torghut_assets.domain.audit.faults import PackFault, PackFaultError
from torghut_assets.domain.backtest.register_checks import EntryT, inspect_register
from torghut_assets.domain.backtest.trials import (
    RegisterEntry,
    RegisterRow,
    TrialAnchor,
    read_entry,
)
from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.stages.receipts import StageReceipt, read_receipt

_SPAN: Final = "register-span"
_NAME: Final = re.compile(r"(?:trials|receipts)/([0-9]{10})\.json")


class Registers(NamedTuple):
    """The registers of a pack, in order."""

    trials: tuple[RegisterEntry, ...]
    receipts: tuple[StageReceipt, ...]


def check_registers(
    trials: Mapping[str, bytes], receipts: Mapping[str, bytes], entries: Sequence[LedgerEntry]
) -> Registers:
    """Recompute both chains, and compare them with what statements say about them.

    Parameters
    ----------
    trials, receipts : mapping of str to bytes
        Files by name.
    entries : sequence of LedgerEntry
        Checked entries of the ledger; a `register-span` names digests of register entries.

    Raises
    ------
    PackFaultError
        With `register_broken` and the first place.
    """
    found_trials = _whole("trials", trials, read_entry)
    found_receipts = _whole("receipts", receipts, read_receipt)
    digests = {
        "trials": {entry.sequence: entry.digest for entry in found_trials},
        "receipts": {entry.sequence: entry.digest for entry in found_receipts},
    }
    for entry in entries:
        predicate = entry.statement.predicate
        if predicate.kind == _SPAN and predicate.record.get("register_name") in digests:
            _require_span(entry, predicate.record, digests[predicate.record["register_name"]])
    return Registers(tuple(found_trials), tuple(found_receipts))


def _whole(
    register: str, files: Mapping[str, bytes], read: Callable[[RegisterRow], EntryT]
) -> list[EntryT]:
    rows = []
    for name, payload in sorted(files.items()):
        number = _NAME.fullmatch(name)
        if number is None:
            raise PackFaultError(
                PackFault.MALFORMED, location=name, detail="no name of a register entry"
            )
        rows.append(RegisterRow(int(number.group(1)), sha256_hex(payload), payload))
    head = rows[-1] if rows else None
    anchor = TrialAnchor(
        sequence=head.sequence if head else 0,
        head_digest=head.digest if head else "0" * 64,
        file_id=0,
    )
    findings, entries = inspect_register(rows, anchor, read)
    for finding in findings:
        if finding.severity == "broken":
            raise PackFaultError(
                PackFault.REGISTER_BROKEN,
                location=f"{register} entry {finding.sequence}",
                detail=f"{finding.code}, {finding.detail}",
            )
    return entries


def _require_span(entry: LedgerEntry, span: Mapping[str, Any], digests: Mapping[int, str]) -> None:
    where = f"ledger entry {entry.sequence}"
    for name, digest in _named_entries(entry.subjects.items()):
        if digests.get(name) != digest:
            raise PackFaultError(
                PackFault.REGISTER_BROKEN,
                location=f"{span['register_name']} entry {name}",
                detail=f"{where} says that it is {digest}, found {digests.get(name)}",
            )


def _named_entries(subjects: Iterable[tuple[str, str]]) -> Iterable[tuple[int, str]]:
    for name, digest in subjects:
        number = name.removeprefix("entry-")
        if number != name and number.isdigit():
            yield int(number), digest
