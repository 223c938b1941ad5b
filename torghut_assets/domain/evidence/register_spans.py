"""Statements about registers: which entries there are, in one batch after the other.

Trial tickets, stage receipts and order notes are chained by digest in registers of their own.
A `RegisterSpan` names the next entries of one register in the ledger; its subjects are the
digests of exactly these. Spans of a register follow each other without a gap, so that together
they name every entry from the first to the last: `read_spans` says whether they do, `next_span`
makes the one that is missing.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Final, Literal, NamedTuple

from pydantic import Field

from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.records import Digest, Record

Register = Literal["trials", "receipts", "orders"]
REGISTER_KINDS: Final[Mapping[Register, str]] = {
    "trials": "trial-ticket",
    "receipts": "receipt",
    "orders": "order-batch",
}
"""Registers, and the kind of statement about their entries."""

NOTHING: Final = "0" * 64
"""What the first entry of a register names as the digest before it."""
MAX_ENTRIES: Final = 2_000


class SpanContradictionError(EvidenceError):
    """A register, or a statement about it, does not go on from where the last one ended."""

    def __init__(self, location: str, found: str, expected: str) -> None:
        super().__init__(f"{location}: found {found}, expected {expected}.")


class RegisterSpan(Record):
    """Predicate: these are the next entries of a register. The subjects are their digests.

    `previous_digest` is that of the entry before the first, which the first one names itself.
    """

    record_kind: ClassVar[str] = "register-span"

    register_name: Register
    first_sequence: int = Field(ge=1)
    last_sequence: int = Field(ge=1)
    previous_digest: Digest
    code_digest: Digest
    actor: str = Field(min_length=1, max_length=80)


class RegisterEnd(NamedTuple):
    """The last entry of a register that a statement names."""

    sequence: int = 0
    digest: str = NOTHING


class Row(NamedTuple):
    """One entry of a register as it is stored."""

    sequence: int
    digest: str
    payload: bytes


class Signing(NamedTuple):
    """Who makes a statement: the code and the account."""

    code_digest: str
    actor: str


def subject_of(sequence: int) -> str:
    """Return the name that a register's entry has as a subject."""
    return f"entry-{sequence:010d}"


def next_span(
    register: Register, end: RegisterEnd, rows: Sequence[Row], signing: Signing
) -> tuple[dict[str, str], RegisterSpan]:
    """Return subjects and predicate of the statement about a register's next entries.

    Parameters
    ----------
    end : RegisterEnd
        Where the spans so far end.
    rows : sequence of Row
        What follows, at least one and at most `MAX_ENTRIES`.

    Raises
    ------
    SpanContradictionError
        If the rows do not follow the end, or are not what their digests say.
    """
    previous = end
    for row in rows:
        previous = _following(register, previous, row)
    span = RegisterSpan(
        register_name=register,
        first_sequence=end.sequence + 1,
        last_sequence=previous.sequence,
        previous_digest=end.digest,
        code_digest=signing.code_digest,
        actor=signing.actor,
    )
    return {subject_of(row.sequence): row.digest for row in rows}, span


def _following(register: str, previous: RegisterEnd, row: Row) -> RegisterEnd:
    where = f"register {register} entry {row.sequence}"
    if row.sequence != previous.sequence + 1:
        raise SpanContradictionError(where, str(row.sequence), str(previous.sequence + 1))
    if sha256_hex(row.payload) != row.digest:
        raise SpanContradictionError(where, "other bytes", f"those of {row.digest}")
    named = json.loads(row.payload)["record"]["previous_digest"]
    if named != previous.digest:
        raise SpanContradictionError(where, f"an entry after {named}", f"after {previous.digest}")
    return RegisterEnd(row.sequence, row.digest)


def span_in(entry: LedgerEntry) -> RegisterSpan | None:
    """Return the span that a ledger entry states; `None` if it states something else."""
    if entry.kind not in REGISTER_KINDS.values() or subject_prefix(entry) is None:
        return None
    if entry.statement.predicate.kind != RegisterSpan.record_kind:
        return None
    return entry.statement.record(RegisterSpan, location=f"ledger entry {entry.sequence}")


def subject_prefix(entry: LedgerEntry) -> str | None:
    """Return the first subject that names a register's entry; `None` if none does."""
    return next((name for name in entry.subjects if name.startswith("entry-")), None)


def end_of(entry: LedgerEntry) -> tuple[Register, RegisterEnd] | None:
    """Return the register of a span and where it ends; `None` if the entry is no span."""
    span = span_in(entry)
    if span is None:
        return None
    last = span.last_sequence
    return span.register_name, RegisterEnd(last, entry.subjects.get(subject_of(last), NOTHING))


def read_spans(register: Register, entries: Iterable[LedgerEntry]) -> dict[int, str]:
    """Return the digest of every entry of a register that the ledger names, by sequence.

    Raises
    ------
    SpanContradictionError
        If the spans leave one out, name one twice, or do not follow each other.
    """
    named: dict[int, str] = {}
    end = RegisterEnd()
    for entry in entries:
        span = span_in(entry)
        if span is None or span.register_name != register:
            continue
        where = f"ledger entry {entry.sequence} about register {register}"
        wanted = range(span.first_sequence, span.last_sequence + 1)
        if [*entry.subjects] != [subject_of(n) for n in wanted]:
            raise SpanContradictionError(
                where,
                f"{len(entry.subjects)} subjects",
                f"entries {span.first_sequence} to {span.last_sequence}",
            )
        if (span.first_sequence, span.previous_digest) != (end.sequence + 1, end.digest):
            raise SpanContradictionError(
                where,
                f"entry {span.first_sequence} after {span.previous_digest}",
                f"entry {end.sequence + 1} after {end.digest}",
            )
        named |= {n: entry.subjects[subject_of(n)] for n in wanted}
        end = RegisterEnd(span.last_sequence, named[span.last_sequence])
    return named
