"""What is known about a candidate: who, what, when, from which bytes, by which code.

A `History` holds facts that were read from evidence, at most up to a point in time. What is
current is computed: of several records of one asset and partition, the one made last.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torghut_assets.domain.backtest.trials import TrialTicket
from torghut_assets.domain.stages.receipts import StageReceipt

Bytes = Literal["intact", "altered", "missing", "removed"]


@dataclass(frozen=True)
class MadeRecord:
    """A record and how it came about.

    `statement` is the ledger entry that says so, `signers` whose keys signed it (role and
    owner); `None` and empty if nobody signed. `tombstone` is the entry that stands for bytes
    that were removed under retention.
    """

    asset: str
    partition: str | None
    digest: str
    kind: str | None
    made_at: dt.datetime
    run_id: str
    code_version: str | None
    inputs: Mapping[str, str]
    bytes_are: Bytes
    verdict: str | None
    statement: int | None
    signers: tuple[str, ...]
    actor: str | None
    earlier: int = 0
    tombstone: int | None = None


@dataclass(frozen=True)
class SeenApproval:
    """A signed approval in the ledger, and whether it counts for what it says."""

    sequence: int
    recorded_at: dt.datetime
    digest: str
    approver: str
    decision_kind: str
    report_digest: str
    expires_at: dt.datetime
    counts: bool
    because: str


@dataclass(frozen=True)
class SeenTicket:
    """A trial ticket and how it ended; open if it has not."""

    ticket: TrialTicket
    ended: str


@dataclass(frozen=True)
class Scope:
    """What is asked about. `as_of` is the last moment that counts; `None` is now."""

    candidate: str
    snapshot: str | None = None
    session: str | None = None
    stage: str | None = None
    as_of: dt.datetime | None = None
    as_of_sequence: int | None = None

    def admits(self, moment: dt.datetime) -> bool:
        """Whether something recorded at a moment was known; to the second, as ledgers are."""
        return self.as_of is None or moment.replace(microsecond=0) <= self.as_of

    def covers(self, partition: str | None) -> bool:
        """Whether a partition is one of those asked about: its candidate, snapshot, session."""
        first, _, other = (partition or "").partition("|")
        if partition is None:
            return True
        if "@" in first:
            return self.snapshot in (None, first)
        if first != self.candidate:
            return False
        wanted = [each for each in (self.snapshot, self.session) if each is not None]
        return not other or not wanted or other in wanted

    def covers_receipt(self, receipt: StageReceipt) -> bool:
        """Whether a receipt is one of those asked about."""
        decision = receipt.decision
        return (
            decision.candidate_id == self.candidate
            and self.admits(receipt.recorded_at)
            and self.stage in (None, decision.stage)
            and (self.snapshot is None or decision.snapshot_id in (None, self.snapshot))
            and (self.session is None or decision.session in (None, self.session))
        )


@dataclass(frozen=True)
class History:
    """Everything known about a scope, each list in order of time."""

    scope: Scope
    made: tuple[MadeRecord, ...]
    receipts: tuple[StageReceipt, ...]
    approvals: tuple[SeenApproval, ...]
    tickets: tuple[SeenTicket, ...]
    ledger_size: int
    ledger_root: str | None
    stage_of_asset: Mapping[str, str]
    title: str | None = None
    author: str | None = None

    def records_of(self, stage: str) -> tuple[MadeRecord, ...]:
        """Return the current records that a stage makes."""
        return tuple(m for m in self.made if self.stage_of_asset.get(m.asset) == stage)

    @property
    def records_outside(self) -> tuple[MadeRecord, ...]:
        """The current records that no stage makes: settings."""
        return tuple(m for m in self.made if m.asset not in self.stage_of_asset)

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages with a receipt or a record, in the order they were first reached."""
        decided = (r.decision.stage for r in self.receipts)
        made = (self.stage_of_asset[m.asset] for m in self.made if m.asset in self.stage_of_asset)
        named = dict.fromkeys([*decided, *made])
        order = list(dict.fromkeys(self.stage_of_asset.values()))
        return tuple(sorted(named, key=lambda s: order.index(s) if s in order else len(order)))

    def plain(self) -> dict[str, Any]:
        """Return the history as plain data; digests in full."""
        scope = self.scope
        return {
            "candidate": scope.candidate,
            "title": self.title,
            "author": self.author,
            "snapshot": scope.snapshot,
            "session": scope.session,
            "stage": scope.stage,
            "as_of": moment_text(scope.as_of),
            "as_of_sequence": scope.as_of_sequence,
            "ledger": {"size": self.ledger_size, "root": self.ledger_root},
            "records": [_plain(made) for made in self.made],
            "receipts": [
                {"digest": receipt.digest, **receipt.model_dump(mode="json")}
                | {"outcome": receipt.outcome.value}
                for receipt in self.receipts
            ],
            "approvals": [_plain(approval) for approval in self.approvals],
            "trials": [
                {"digest": seen.ticket.digest, "ended": seen.ended}
                | seen.ticket.model_dump(mode="json")
                for seen in self.tickets
            ],
        }


def newest_of_each(made: Iterable[MadeRecord]) -> tuple[MadeRecord, ...]:
    """Return the record made last of each asset and partition, with how many came before."""
    newest: dict[tuple[str, str | None], MadeRecord] = {}
    digests: dict[tuple[str, str | None], list[str]] = {}
    for record in made:
        key = (record.asset, record.partition)
        newest[key] = record
        digests.setdefault(key, []).append(record.digest)
    return tuple(
        _with_earlier(record, len(set(digests[key]) - {record.digest}))
        for key, record in newest.items()
    )


def moment_text(moment: dt.datetime | None) -> str | None:
    """Return a moment in RFC 3339, UTC, to the second."""
    return None if moment is None else moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _with_earlier(record: MadeRecord, earlier: int) -> MadeRecord:
    return MadeRecord(**{**vars(record), "earlier": earlier})


def _plain(fact: MadeRecord | SeenApproval) -> dict[str, Any]:
    return {
        name: moment_text(value)
        if isinstance(value, dt.datetime)
        else dict(value)
        if isinstance(value, Mapping)
        else value
        for name, value in vars(fact).items()
    }
