"""Where the numbers come from: one reading per source, from records and Dagster's storage.

Each is bounded: registers and events are read on from where the last scrape ended, counts are
one query, at most `_AT_ONCE` records are read per scrape, and the store is counted once a minute.
"""

import datetime as dt
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from torghut_assets.domain.backtest.trials import GENESIS_DIGEST
from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.evidence.entries import read_tree_head
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.stages.evidence import Outcome
from torghut_assets.domain.stages.receipts import StageReceipt, read_receipt
from torghut_assets.resources.home import Home
from torghut_assets.resources.kill_switch import KillSwitch
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.ledger_place import has_ledger
from torghut_assets.resources.order_journal import OrderJournal
from torghut_assets.resources.receipt_book import ReceiptBook
from torghut_assets.resources.register_file import RegisterFile

if TYPE_CHECKING:
    import dagster as dg

    from torghut_assets.resources.artifact_store import StoredSize
    from torghut_assets.resources.rollback_desk import Deployed, RollbackDesk

_AT_ONCE: Final = 200
_STORE_SECONDS: Final = 60.0
_EARLIER: Final = dt.timedelta(days=10)


class Sample(NamedTuple):
    """One number, or the observations of a histogram."""

    name: str
    value: float | Sequence[float]
    labels: tuple[str, ...] = ()


@dataclass
class _Book:
    """The stage receipts so far, counted."""

    file: RegisterFile
    size: int = 0
    last: str = GENESIS_DIGEST
    decided: Counter[tuple[str, ...]] = field(default_factory=Counter)
    refused: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def add(self, receipt: StageReceipt) -> None:
        """Count the next receipt."""
        decision = receipt.decision
        self.size, self.last = receipt.sequence, receipt.digest
        self.decided[decision.stage, receipt.outcome.value] += 1
        for finding in (*decision.requires, *decision.ensures):
            if finding.outcome is not Outcome.PASS:
                self.refused[decision.stage, finding.condition] += 1


class Readings:
    """The sources of one home; keeps what it has read between scrapes.

    Parameters
    ----------
    home : Home
    instance : dagster.DagsterInstance
        Of that home.
    """

    def __init__(self, home: Home, instance: "dg.DagsterInstance") -> None:
        self._home, self._instance = home, instance
        self._ledger = Ledger(home)
        self._orders = OrderJournal(home)
        self._book = _Book(RegisterFile(home.receipts_path, home.receipts_anchor_path))
        self._rollbacks: RollbackDesk | None = None
        self._gates: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._sized: tuple[float, StoredSize] | None = None

    def dagster(self, _: dt.datetime) -> Iterator[Sample]:
        """Runs by status."""
        import dagster as dg

        for status in dg.DagsterRunStatus:
            count = self._instance.get_runs_count(dg.RunsFilter(statuses=[status]))
            yield Sample("torghut_runs", count, (status.value.lower(),))

    def sensors(self, now: dt.datetime) -> Iterator[Sample]:
        """Signs of life of daemons, and what sensors did last."""
        from dagster._core.definitions.run_request import InstigatorType
        from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus

        for name, beat in self._instance.get_daemon_heartbeats().items():
            age = max(0.0, now.timestamp() - beat.timestamp)
            yield Sample("torghut_daemon_heartbeat_age_seconds", age, (name.lower(),))
        for state in self._instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
            if state.status is InstigatorStatus.STOPPED:
                continue
            ticks = self._instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
            if ticks:
                name = state.instigator_name
                lag = max(0.0, now.timestamp() - ticks[0].timestamp)
                failed = ticks[0].status is TickStatus.FAILURE
                yield Sample("torghut_sensor_lag_seconds", lag, (name,))
                yield Sample("torghut_sensor_last_tick_failed", int(failed), (name,))

    def receipts(self, _: dt.datetime) -> Iterator[Sample]:
        """Stage decisions, and the conditions that did not hold."""
        book = self._book
        book.file.require_anchored()
        for row in book.file.rows_after(book.size):
            receipt = read_receipt(row)
            if receipt.previous_digest != book.last or row.sequence != book.size + 1:
                ReceiptBook(self._home).receipts()  # reads all and raises what is wrong
                raise EvidenceContradictionError(
                    location=f"{self._home.receipts_path} entry {row.sequence}",
                    found="an entry that does not follow what was read before",
                    expected="the next one",
                )
            book.add(receipt)
        for labels, count in book.decided.items():
            yield Sample("torghut_stage_decisions", count, labels)
        for labels, count in book.refused.items():
            yield Sample("torghut_refusals", count, labels)

    def gates(self, _: dt.datetime) -> Iterator[Sample]:
        """Verdicts and reasons of the newest gate report of each evaluation."""
        import dagster as dg

        from torghut_assets.resources.lineage import read_record

        current = self._desk().history.digests(self._instance, dg.AssetKey("gate_report"))
        unread = [(p, digest) for p, digest in current.items() if digest not in self._gates]
        for partition, digest in unread[:_AT_ONCE]:
            report = read_record(
                self._home.store, GateReport, digest, location=partition, subject=partition
            )
            codes = tuple(reason.code for reason in report.blocking_reasons)
            self._gates[digest] = (report.verdict.value, codes)
        read = [self._gates[digest] for digest in current.values() if digest in self._gates]
        for verdict, count in Counter(verdict for verdict, _ in read).items():
            yield Sample("torghut_gate_reports", count, (verdict,))
        for reason, count in Counter(code for _, codes in read for code in codes).items():
            yield Sample("torghut_gate_reasons", count, (reason,))
        yield Sample("torghut_gate_reports_unread", len(current) - len(read))

    def orders(self, _: dt.datetime) -> Iterator[Sample]:
        """States of orders, and how long they took."""
        orders = self._orders.ledger().orders.values()
        for status, count in Counter(order.status for order in orders).items():
            yield Sample("torghut_orders", count, (status,))
        sent = [o for o in orders if o.submitted_at is not None]
        yield Sample(
            "torghut_order_decision_to_submit_seconds",
            [_seconds(o.request.decided_at, str(o.submitted_at)) for o in sent],
        )
        yield Sample(
            "torghut_order_submit_to_acknowledge_seconds",
            [
                _seconds(str(o.submitted_at), o.acknowledged_at)
                for o in sent
                if o.acknowledged_at is not None
            ],
        )

    def drift(self, now: dt.datetime) -> Iterator[Sample]:
        """Deployed candidates: how they drift, and whether they keep up with the sessions."""
        import dagster as dg

        from torghut_assets.domain.drift.records import DriftReport

        key, desk = dg.AssetKey("drift_report"), self._desk()
        deployed = desk.deployed(self._instance)
        yield Sample("torghut_deployments", len(deployed))
        for each in deployed:
            candidate = each.deployment.candidate_id
            sessions = desk.history.sessions(self._instance, key, candidate)
            last = max(sessions, default=None)
            if last is not None:
                report = desk.history.record(DriftReport, sessions[last], f"{candidate}|{last}")
                yield Sample("torghut_drift_level", 1, (candidate, report.level.value))
            behind = _sessions_behind(each, last, now)
            yield Sample("torghut_sessions_behind", behind, (candidate, each.deployment.broker))

    def kill(self, _: dt.datetime) -> Iterator[Sample]:
        """The kill switch."""
        reading = KillSwitch(self._home).reading(None)
        for state in ("clear", "engaged", "unreadable"):
            yield Sample("torghut_kill_switch_state", int(state == reading.state), (state,))
        yield Sample("torghut_kill_latches_engaged", len(reading.engaged))

    def ledger(self, now: dt.datetime) -> Iterator[Sample]:
        """Size and age of the ledger, and how far the anchor is behind."""
        if not has_ledger(self._home):
            yield Sample("torghut_ledger_entries", 0)
            return
        anchor_path = self._home.ledger_anchor_path
        anchor = anchor_path.read_bytes() if anchor_path.is_file() else None
        prefix = self._ledger.checked()
        yield Sample("torghut_ledger_entries", prefix.size)
        if prefix.last_time is not None:
            age = max(0.0, (now - prefix.last_time).total_seconds())
            yield Sample("torghut_ledger_head_age_seconds", age)
        covered = read_tree_head(anchor, location=str(anchor_path))[0].tree_size if anchor else 0
        yield Sample("torghut_ledger_anchor_lag_entries", max(0, prefix.size - covered))

    def store(self, _: dt.datetime) -> Iterator[Sample]:
        """Size of the artifact store, counted once a minute."""
        if self._sized is None or time.monotonic() - self._sized[0] > _STORE_SECONDS:
            self._sized = (time.monotonic(), self._home.store.size())
        yield Sample("torghut_artifacts", self._sized[1].artifacts)
        yield Sample("torghut_artifact_store_bytes", self._sized[1].size_bytes)

    def close(self) -> None:
        """Let go of the ledger."""
        self._ledger.close()

    def _desk(self) -> "RollbackDesk":
        from torghut_assets.resources.rollback_desk import RollbackDesk

        if self._rollbacks is None:
            self._rollbacks = RollbackDesk(self._home)
        return self._rollbacks


def _seconds(first: str, then: str) -> float:
    return (dt.datetime.fromisoformat(then) - dt.datetime.fromisoformat(first)).total_seconds()


def _sessions_behind(deployed: "Deployed", last: str | None, now: dt.datetime) -> int:
    """Count the sessions that are over since the last report, or since the deployment."""
    import numpy as np

    from torghut_assets.domain.identifiers import parse_snapshot_id
    from torghut_assets.domain.snapshots.calendar import load_sessions
    from torghut_assets.resources.drift_desk import CALENDAR

    snapshot = parse_snapshot_id(deployed.deployment.snapshot_id)
    first = dt.date.fromisoformat(last) if last else snapshot.as_of
    sessions = load_sessions(CALENDAR, first - _EARLIER, now.date())
    over = np.searchsorted(sessions.closes, np.datetime64(now.replace(tzinfo=None)), side="right")
    done = np.searchsorted(sessions.dates, np.datetime64(first), side="right")
    return max(0, int(over) - int(done))
