"""What deciding again has in common: the records of a pack, what comes out, what differs.

Each decision is a pure function of records and a policy, and all of these are in the pack. So
nobody has to believe a verdict: it is computed once more and compared byte for byte.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from torghut_assets.domain.audit.faults import PackFault, PackFaultError
from torghut_assets.domain.backtest.records import BacktestMetrics
from torghut_assets.domain.digests import canonical_json
from torghut_assets.domain.drift.policy import DriftPolicy
from torghut_assets.domain.drift.reference import DriftReference
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.evidence.keys import KeyRing
from torghut_assets.domain.records import Record
from torghut_assets.domain.snapshots.calendar import load_sessions

RecordT = TypeVar("RecordT", bound=Record)
CALENDAR: Final = "XNYS"


class CannotDecideError(Exception):
    """What a decision needs is kept out of the pack on purpose, and the pack says so."""


class RedactedError(CannotDecideError):
    """A record that a decision needs is there without some of its fields."""

    def __init__(self, digest: str) -> None:
        self.digest = digest
        super().__init__(f"record {digest[:12]} is redacted")


class RemovedError(CannotDecideError):
    """A record that a decision needs was removed under retention; a tombstone stands for it."""

    def __init__(self, digest: str, said: str) -> None:
        self.digest = digest
        super().__init__(f"record {digest[:12]} was {said}")


class TablesWithheldError(CannotDecideError):
    """A decision needs tables whose digests alone are in the pack."""

    def __init__(self) -> None:
        super().__init__("it needs tables, and the pack was made without data")


class Records(Protocol):
    """The records of a pack."""

    def load(self, model: type[RecordT], digest: str, *, needed_by: str) -> RecordT:
        """Return a record.

        Raises
        ------
        CannotDecideError
            If fields were taken out of it.
        PackFaultError
            With `record_missing` if it is not in the pack.
        EvidenceError
            If it is no such record.
        """
        ...

    def of_kind(self, kind: str) -> tuple[str, ...]:
        """Digests of the records of a kind, in order."""
        ...

    def reference(
        self, metrics: BacktestMetrics, policy: DriftPolicy, symbols: tuple[str, ...]
    ) -> DriftReference:
        """Return what a backtest saw, from its tables.

        Raises
        ------
        CannotDecideError
            If the tables are withheld.
        EvidenceError, StatisticsInputError
            If they are missing, or there is too little in them.
        """
        ...

    @property
    def entries(self) -> Sequence[LedgerEntry]:
        """The entries of the ledger in the pack, checked, in order."""
        ...

    @property
    def ring(self) -> KeyRing:
        """The keys as these entries leave them."""
        ...


@dataclass(frozen=True)
class Redecided:
    """One decision that was computed again, with the same outcome."""

    kind: str
    subject: str
    digest: str
    verdict: str


def exchange_sessions(first: str, last: str) -> tuple[str, ...]:
    """Sessions of the exchange from `first` through `last`; both count if it was closed."""
    one, other = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
    calendar = load_sessions(CALENDAR, dt.date(one.year, 1, 1), dt.date(other.year, 12, 31))
    days = {str(day) for day in calendar.dates.astype("datetime64[D]")}
    return tuple(sorted({day for day in days if first <= day <= last} | {first, last}))


def require_exchange_sessions(sessions: tuple[str, ...], where: str) -> None:
    """Refuse a window that leaves a trading day out, or is out of order."""
    if sessions != exchange_sessions(sessions[0], sessions[-1]):
        raise PackFaultError(
            PackFault.DECISION_DIFFERS,
            location=where,
            detail="its window is not of all exchange sessions from the first to the last",
        )


def require_same(report: Record, again: Record, where: str) -> None:
    """Refuse a record that is not what comes out of its evidence, naming the first difference."""
    if again.digest == report.digest:
        return
    first = first_difference(report.model_dump(mode="json"), again.model_dump(mode="json"))
    raise PackFaultError(
        PackFault.DECISION_DIFFERS,
        location=where,
        detail=f"decided again from its records, {first}",
    )


def first_difference(one: Any, other: Any, path: str = "") -> str:
    """Name the first place at which two documents differ, and both values."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            if one.get(name) != other.get(name):
                step = f"{path}.{name}" if path else name
                return first_difference(one.get(name), other.get(name), step)
    if isinstance(one, list) and isinstance(other, list):
        for number, (left, right) in enumerate(zip(one, other, strict=False)):
            if left != right:
                named = left.get("name") or left.get("gate_id") if isinstance(left, dict) else None
                return first_difference(left, right, f"{path}[{named or number}]")
        return f"{path} has {len(other)} items, the record says {len(one)}"
    shown = [canonical_json(value).decode("utf-8")[:80] for value in (other, one)]
    return f"{path} is {shown[0]}, the record says {shown[1]}"
