"""Is a trial register whole? Recompute its chain and compare its head with the anchor.

`broken` findings mean that trials may be missing: nothing is counted or appended any more.
`suspect` ones need a person's answer; `notice` ones are only shown.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Generic, Literal, TypeVar

from torghut_assets.domain.backtest.trials import (
    GENESIS_DIGEST,
    Acknowledgement,
    HoldoutReceipt,
    RegisterEntry,
    RegisterRelocation,
    RegisterRow,
    TrialAnchor,
    TrialOutcome,
    TrialTicket,
    read_entry,
)
from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.records import Part

EntryT = TypeVar("EntryT", bound=RegisterEntry)
Severity = Literal["broken", "suspect", "notice"]
FindingCode = Literal[
    "gap",
    "altered",
    "unreadable",
    "misplaced",
    "chain_break",
    "anchor_missing",
    "truncated",
    "other_history",
    "ticket_unknown",
    "second_outcome",
    "claim_differs",
    "guards_missing",
    "relocated",
    "behind_register",
    "clock_went_back",
    "no_outcome",
]
_SEVERITY: Final[dict[FindingCode, Severity]] = {
    "guards_missing": "suspect",
    "relocated": "suspect",
    "behind_register": "notice",
    "clock_went_back": "notice",
    "no_outcome": "notice",
}


class RegisterFinding(Part):
    """One thing that is wrong, or worth knowing, about a register."""

    code: FindingCode
    sequence: int
    detail: str

    @property
    def severity(self) -> Severity:
        """`broken` unless the code is known to be less."""
        return _SEVERITY.get(self.code, "broken")


class TrialRegisterBrokenError(EvidenceError):
    """The register contradicts itself or its anchor: trials may be missing."""

    def __init__(self, location: str, finding: RegisterFinding) -> None:
        self.location = location
        self.finding = finding
        super().__init__(
            f"{location} entry {finding.sequence}: {finding.code}, {finding.detail}. Trials may "
            "be missing, so none can be counted; see `torghut trials verify` and restore the "
            "register from a backup."
        )


def verify_register(
    rows: Sequence[RegisterRow], anchor: TrialAnchor | None
) -> tuple[RegisterFinding, ...]:
    """Recompute every digest, link and position of a register.

    Parameters
    ----------
    rows : sequence of RegisterRow
        All rows in order of their sequence.
    anchor : TrialAnchor or None
        The head that was last written down elsewhere; `None` if there is none.

    Returns
    -------
    tuple of RegisterFinding
        Empty if there is nothing to say; in order of the register, then the anchor.
    """
    findings, _ = inspect_register(rows, anchor, read_entry)
    return tuple(findings)


def inspect_register(
    rows: Sequence[RegisterRow],
    anchor: TrialAnchor | None,
    read: Callable[[RegisterRow], EntryT],
) -> tuple[list[RegisterFinding], list[EntryT]]:
    """Return all findings, and the entries that `read` could read, of any kind of register."""
    prefix = RegisterPrefix(read)
    return prefix.take(rows, anchor), prefix.entries


class RegisterPrefix(Generic[EntryT]):
    """The first rows of a register; goes on with the rows that came since.

    Parameters
    ----------
    read : callable
        Returns the entry that a row holds, or raises `EvidenceError`.
    """

    def __init__(self, read: Callable[[RegisterRow], EntryT]) -> None:
        self.entries: list[EntryT] = []
        self.digests: list[str] = []
        self._read = read
        self._story = _Story()

    @property
    def size(self) -> int:
        """How many rows were taken."""
        return len(self.digests)

    def goes_on_with(self, row: RegisterRow) -> bool:
        """Whether a row is the last one that was taken, unchanged."""
        last = (self.size, self.digests[-1]) if self.digests else None
        return (row.sequence, row.digest) == last and sha256_hex(row.payload) == row.digest

    def take(
        self, rows: Sequence[RegisterRow], anchor: TrialAnchor | None
    ) -> list[RegisterFinding]:
        """Take the next rows; return what is wrong with them, the anchor and the whole story."""
        findings: list[RegisterFinding] = []
        told: list[RegisterFinding] = []
        for row in rows:
            expected = self.size + 1
            if row.sequence != expected:
                detail = f"found sequence {row.sequence} where {expected} belongs"
                findings.append(_found("gap", row.sequence, detail))
            actual = sha256_hex(row.payload)
            if actual != row.digest:
                detail = f"sha256 is {actual}, the row says {row.digest}"
                findings.append(_found("altered", row.sequence, detail))
            try:
                entry = self._read(row)
            except EvidenceError as error:
                findings.append(_found("unreadable", row.sequence, str(error)))
            else:
                self.entries.append(entry)
                previous = self.digests[-1] if self.digests else GENESIS_DIGEST
                findings.extend(_check_position(row, entry, previous))
                told.extend(self._story.tell(entry, actual))
            self.digests.append(actual)
        findings.extend(self._check_anchor(anchor))
        return [*findings, *told, *self._story.open_ends()]

    def _check_anchor(self, anchor: TrialAnchor | None) -> Iterator[RegisterFinding]:
        known = anchor is not None and 0 < anchor.sequence <= self.size
        at_anchor = self.digests[anchor.sequence - 1] if anchor is not None and known else None
        if finding := check_head(anchor, self.size, at_anchor):
            yield finding
        elif anchor is not None and anchor.sequence < self.size:
            detail = f"the anchor is at {anchor.sequence}: a crash, repaired by the next entry"
            yield _found("behind_register", self.size, detail)


def read_register(
    rows: Sequence[RegisterRow], anchor: TrialAnchor | None, *, location: str
) -> tuple[RegisterEntry, ...]:
    """Return all entries of a register that is whole.

    Raises
    ------
    TrialRegisterBrokenError
        With the first finding that is `broken`.
    """
    findings, entries = inspect_register(rows, anchor, read_entry)
    for finding in findings:
        if finding.severity == "broken":
            raise TrialRegisterBrokenError(location, finding)
    return tuple(entries)


def check_head(
    anchor: TrialAnchor | None, head_sequence: int, digest_at_anchor: str | None
) -> RegisterFinding | None:
    """Compare a register's head with the anchor without reading the whole register.

    Parameters
    ----------
    anchor : TrialAnchor or None
    head_sequence : int
        Highest sequence in the register; 0 if it is empty.
    digest_at_anchor : str or None
        Digest of the entry at the anchor's sequence; `None` if there is no such entry.
    """
    if anchor is None:
        if head_sequence == 0:
            return None
        return _found("anchor_missing", head_sequence, "the register has entries, no anchor")
    if anchor.sequence > head_sequence:
        detail = f"the anchor has seen entry {anchor.sequence}, the register ends before it"
        return _found("truncated", head_sequence, detail)
    if anchor.sequence and digest_at_anchor != anchor.head_digest:
        detail = f"the anchor knows this entry as {anchor.head_digest}, it is {digest_at_anchor}"
        return _found("other_history", anchor.sequence, detail)
    return None


def _found(code: FindingCode, sequence: int, detail: str) -> RegisterFinding:
    return RegisterFinding(code=code, sequence=sequence, detail=detail)


def _check_position(
    row: RegisterRow, entry: RegisterEntry, previous: str
) -> Iterator[RegisterFinding]:
    if entry.sequence != row.sequence:
        yield _found("misplaced", row.sequence, f"the entry was written as {entry.sequence}")
    if entry.previous_digest != previous:
        detail = f"follows {entry.previous_digest}, but the entry before it is {previous}"
        yield _found("chain_break", row.sequence, detail)


class _Story:
    """What the entries of a register say about each other."""

    def __init__(self) -> None:
        self._tickets: dict[int, str] = {}
        self._ended: set[int] = set()
        self._relocations: dict[int, str] = {}
        self._answered: set[int] = set()
        self._latest: dt.datetime | None = None

    def tell(self, entry: RegisterEntry, digest: str) -> Iterator[RegisterFinding]:
        """Take the next entry, whose digest is given; yield what contradicts the ones before."""
        if self._latest is not None and entry.recorded_at < self._latest:
            before = self._latest.isoformat()
            detail = f"recorded at {entry.recorded_at.isoformat()}, after {before}"
            yield _found("clock_went_back", entry.sequence, detail)
        else:
            self._latest = entry.recorded_at
        if isinstance(entry, TrialTicket):
            self._tickets[entry.sequence] = digest
        if (
            isinstance(entry, TrialOutcome | HoldoutReceipt)
            and self._tickets.get(entry.ticket_sequence) != entry.ticket_digest
        ):
            detail = f"is about ticket {entry.ticket_sequence}, which is not in the register"
            yield _found("ticket_unknown", entry.sequence, detail)
        if isinstance(entry, TrialOutcome):
            if entry.ticket_sequence in self._ended:
                detail = f"ticket {entry.ticket_sequence} had ended already"
                yield _found("second_outcome", entry.sequence, detail)
            self._ended.add(entry.ticket_sequence)
        if isinstance(entry, RegisterRelocation):
            self._relocations[entry.sequence] = (
                "the register is another file than before: copied, moved or restored; answer "
                f"for it with `torghut trials acknowledge {entry.sequence}`"
            )
        if isinstance(entry, Acknowledgement):
            self._answered.add(entry.subject_sequence)

    def open_ends(self) -> Iterator[RegisterFinding]:
        """Yield what no entry so far has answered."""
        for sequence in sorted(self._relocations.keys() - self._answered):
            yield _found("relocated", sequence, self._relocations[sequence])
        for sequence in sorted(self._tickets.keys() - self._ended):
            yield _found("no_outcome", sequence, "running, or abandoned by a crash; it counts")
