"""The desk where rollbacks are decided: who is deployed, what calls for taking it out, by whom.

It reads records and journal, never a broker. Every question is answered from records, so that a
lost cursor, a second daemon or a restart changes no answer.
"""

import datetime as dt
import fcntl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NamedTuple

import dagster as dg

from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.drift.policy import SilenceBudget
from torghut_assets.domain.drift.records import DriftReport
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.orders.records import Champion, PaperDeployment, PaperFills
from torghut_assets.domain.rollback.decide import (
    ReportSeen,
    Situation,
    silence_of,
    trigger_of_report,
    triggers_of_drift,
)
from torghut_assets.domain.rollback.records import (
    Holding,
    IncidentReport,
    OpenOrder,
    RollbackPlan,
    RollbackReceipt,
    Trigger,
)
from torghut_assets.domain.snapshots.calendar import load_sessions
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.drift_desk import CALENDAR
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import RecordT
from torghut_assets.resources.session_history import Made, SessionHistory

if TYPE_CHECKING:
    from torghut_assets.resources.order_journal import OrderJournal

ANSWERS: Final = "torghut/answers"
"""Tag of a rollback's run: the digest of the report that it answers."""
SILENT: Final = "torghut/silent"
"""Tag of a rollback's run: the digest of the deployment that was silent."""
DEPLOYMENT: Final = dg.AssetKey("paper_deployment")
REPORTS: Final[dict[str, type[DriftReport] | type[PaperGateReport]]] = {
    "drift_report": DriftReport,
    "paper_gate_report": PaperGateReport,
}
"""Reports whose failure calls for a rollback."""
_PLAN = dg.AssetKey("rollback_plan")
_RECEIPT = dg.AssetKey("rollback_receipt")
_INCIDENT = dg.AssetKey("incident_report")
_FILLS = dg.AssetKey("paper_fills")
_SESSION_PARTITIONS = "session"


class Deployed(NamedTuple):
    """A deployment in force, and when it was made (seconds since 1970)."""

    deployment: PaperDeployment
    since: float


@dataclass(frozen=True)
class Silence:
    """A deployment without a passing report, and the last session that it should have had one."""

    trigger: Trigger
    session: str


class RollbackDesk:
    """Answers questions about rollbacks of one home."""

    def __init__(self, home: Home, history: SessionHistory | None = None) -> None:
        self._home = home
        self.history = history or SessionHistory(home.store)
        self._held: dict[str, IO[bytes]] = {}

    def deployed(self, instance: dg.DagsterInstance) -> tuple[Deployed, ...]:
        """Return the deployments in force: the newest of each candidate unless it was taken out."""
        gone = {plan.deployment_digest for plan in self._plans(instance, None)}
        found = {}
        for made in self.history.made(instance, DEPLOYMENT):
            found[made.partition] = made
        return tuple(
            Deployed(
                self.history.record(PaperDeployment, made.digest, made.partition), made.timestamp
            )
            for candidate, made in sorted(found.items())
            if made.digest not in gone
        )

    def since(self, instance: dg.DagsterInstance, deployment: PaperDeployment) -> float:
        """Return when a deployment was first made, in seconds since 1970; 0 if it never was."""
        made = self._in(instance, DEPLOYMENT, deployment.candidate_id)
        return next((m.timestamp for m in made if m.digest == deployment.digest), 0.0)

    def moments(
        self, instance: dg.DagsterInstance, plan: RollbackPlan
    ) -> tuple[tuple[str, str, dt.datetime], ...]:
        """Return asset, digest and time of the records that led to a plan, and of the plan."""
        found = []
        for trigger in plan.triggers:
            if trigger.record is None or trigger.digest is None:
                continue
            for made in self._in(instance, dg.AssetKey(trigger.record), plan.subject):
                if made.digest == trigger.digest:
                    found.append((trigger.record, made))
        for name, key in (("rollback_plan", _PLAN), ("rollback_receipt", _RECEIPT)):
            found += [(name, made) for made in self._in(instance, key, plan.subject)]
        return tuple(
            (name, made.digest, dt.datetime.fromtimestamp(made.timestamp, dt.UTC))
            for name, made in dict.fromkeys(found)
        )

    def verdict(self, asset: str, digest: str, partition: str) -> ReportSeen:
        """Read what a report decided, verified; a report that cannot be read has no verdict."""
        try:
            report = self.history.record(REPORTS[asset], digest, partition)
        except EvidenceError as error:
            return ReportSeen(asset, digest, None, f"{asset} cannot be read: {error}")
        return ReportSeen(asset, digest, report.verdict, _detail(report))

    def triggers(
        self,
        instance: dg.DagsterInstance,
        deployed: Deployed,
        session: str,
        budget: SilenceBudget,
        now: dt.datetime,
    ) -> tuple[Trigger, ...]:
        """Return everything that calls for a rollback of a deployment in a session."""
        partition = f"{deployed.deployment.candidate_id}|{session}"
        found: list[Trigger] = []
        for asset in REPORTS:
            digest = self.history.digests(instance, dg.AssetKey(asset)).get(partition)
            if digest is None:
                continue
            seen = self.verdict(asset, digest, partition)
            if asset == "drift_report" and seen.verdict is Verdict.FAIL:
                found += triggers_of_drift(self.history.record(DriftReport, digest, partition))
            else:
                found += trigger_of_report(seen)
        silence = self.silence(instance, deployed, budget, now)
        if silence is not None and silence.session == session:
            found.append(silence.trigger)
        return tuple(found)

    def silence(
        self,
        instance: dg.DagsterInstance,
        deployed: Deployed,
        budget: SilenceBudget,
        now: dt.datetime,
    ) -> Silence | None:
        """Return the silence of a deployment, if it is beyond the budget.

        A real broker's sessions are those of the exchange's calendar by the clock. A replay has no
        clock: its time is the sessions that were opened in this home, and a candidate that is
        just catching up is not silent.
        """
        finished = self._finished(instance, deployed, budget, now)
        candidate = deployed.deployment.candidate_id
        reports = self.history.sessions(instance, dg.AssetKey("drift_report"), candidate)
        passed = {
            session
            for session in finished[-budget.sessions :]
            if session in reports
            and self.verdict("drift_report", reports[session], f"{candidate}|{session}").verdict
            is Verdict.PASS
        }
        trigger = silence_of(finished, passed, budget)
        return Silence(trigger, finished[-1]) if trigger else None

    def situation(
        self, instance: dg.DagsterInstance, deployment: PaperDeployment, journal: "OrderJournal"
    ) -> Situation:
        """Return what is known before a rollback."""
        candidate = deployment.candidate_id
        fills = self.history.sessions(instance, _FILLS, candidate)
        holdings: tuple[Holding, ...] = ()
        last = max(fills, default=None)
        digest = fills[last] if last is not None else None
        if last is not None and digest is not None:
            record = self.history.record(PaperFills, digest, f"{candidate}|{last}")
            holdings = tuple(
                Holding(symbol=p.symbol, quantity=p.quantity)
                for p in record.positions
                if p.quantity
            )
        ledger = journal.ledger()
        return Situation(
            holdings=holdings,
            fills_digest=digest,
            champion=self.champion_in_force(instance, deployment.champion),
            open_orders=tuple(
                OpenOrder(key=o.request.key, symbol=o.request.symbol, status=o.status)
                for o in ledger.open_orders(candidate)
            ),
            journal_head=ledger.history_digest(candidate, last) if last else "0" * 64,
        )

    def champion_in_force(
        self, instance: dg.DagsterInstance, champion: Champion | None
    ) -> Champion | None:
        """Return the champion if exactly this deployment of it is still in force."""
        if champion is None:
            return None
        in_force = {d.deployment.candidate_id: d.deployment.digest for d in self.deployed(instance)}
        held = in_force.get(champion.candidate_id)
        return champion if held == champion.deployment_digest else None

    def last_session(self, instance: dg.DagsterInstance, candidate: str, at_least: str) -> str:
        """Return the last session that the candidate traded, or `at_least` if that is later."""
        return max([at_least, *self.history.sessions(instance, _FILLS, candidate)])

    def existing_plan(
        self, instance: dg.DagsterInstance, partition: str, answers: frozenset[str]
    ) -> RollbackPlan | None:
        """Return the plan of a partition that already answers these reports."""
        for plan in self._plans(instance, partition):
            if answers <= plan.answers and (answers or not plan.answers):
                return plan
        return None

    def unfinished_after_silence(self, instance: dg.DagsterInstance) -> tuple[RollbackPlan, ...]:
        """Return plans that answer no report and have not restored anything yet."""
        newest: dict[str, RollbackPlan] = {}
        for plan in self._plans(instance, None):
            if not plan.answers:
                newest.setdefault(plan.subject, plan)
        return tuple(p for _, p in sorted(newest.items()) if not self.is_done(instance, p))

    def is_done(self, instance: dg.DagsterInstance, plan: RollbackPlan) -> bool:
        """Whether a plan's rollback restored the prior state and its incident is written."""
        receipts = [
            receipt
            for made in self._in(instance, _RECEIPT, plan.subject)
            if (receipt := self._read(RollbackReceipt, made)) is not None
        ]
        mine = [receipt for receipt in receipts if receipt.plan_digest == plan.digest]
        if not mine or mine[-1].verdict is not Verdict.PASS:
            return False
        return any(
            any(item.digest == mine[-1].digest for item in incident.evidence)
            for made in self._in(instance, _INCIDENT, plan.subject)
            if (incident := self._read(IncidentReport, made)) is not None
        )

    def claim(self, instance: dg.DagsterInstance, partition: str, run_id: str) -> bool:
        """Become the one run that rolls a partition back; `False` if another is at it.

        A claim ends with its run, or with the process that holds it.
        """
        folder = self._home.root / "rollback" / sha256_hex(canonical_json(partition))[:32]
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            current = folder / "claim"
            holder = current.read_text() if current.is_file() else ""
            if holder not in ("", run_id) and not self._is_over(instance, holder, folder):
                return False
            self._hold(folder, run_id)
            current.write_text(run_id)
        return True

    def release(self, run_id: str) -> None:
        """End the claim of a run."""
        if handle := self._held.pop(run_id, None):
            handle.close()

    def _hold(self, folder: Path, run_id: str) -> None:
        if run_id not in self._held:
            handle = (folder / f"run-{run_id}").open("ab")
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._held[run_id] = handle

    def _is_over(self, instance: dg.DagsterInstance, run_id: str, folder: Path) -> bool:
        run = instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return True
        try:
            with (folder / f"run-{run_id}").open("ab") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True  # nobody holds it: its process is gone

    def _finished(
        self,
        instance: dg.DagsterInstance,
        deployed: Deployed,
        budget: SilenceBudget,
        now: dt.datetime,
    ) -> list[str]:
        candidate = deployed.deployment.candidate_id
        traded = [
            made
            for asset in ("order_intents", "drift_report")
            for made in self.history.made(instance, dg.AssetKey(asset))
            if made.partition.startswith(f"{candidate}|") and made.timestamp >= deployed.since
        ]
        sessions = sorted(made.partition.partition("|")[2] for made in traded)
        grace = dt.timedelta(minutes=budget.grace_minutes)
        if deployed.deployment.broker == "replay":
            newest = max((made.timestamp for made in traded), default=None)
            if newest is None or now.timestamp() - newest < grace.total_seconds():
                return []
            opened = instance.get_dynamic_partitions(_SESSION_PARTITIONS)
            return sorted(s for s in opened if s >= sessions[0])
        since = dt.datetime.fromtimestamp(deployed.since, dt.UTC)
        return closed_sessions(since, now - grace)

    def _plans(self, instance: dg.DagsterInstance, partition: str | None) -> Iterator[RollbackPlan]:
        """Plans of a partition, or all; newest first. One that cannot be read is left out."""
        for made in reversed(self.history.made(instance, _PLAN)):
            if partition in (None, made.partition) and (plan := self._read(RollbackPlan, made)):
                yield plan

    def _in(self, instance: dg.DagsterInstance, key: dg.AssetKey, partition: str) -> list[Made]:
        return [m for m in self.history.made(instance, key) if m.partition == partition]

    def _read(self, model: type[RecordT], made: Made) -> RecordT | None:
        try:
            return self.history.record(model, made.digest, made.partition)
        except EvidenceError:
            return None


def closed_sessions(since: dt.datetime, until: dt.datetime) -> list[str]:
    """Sessions of the exchange that opened at or after `since` and closed by `until`."""
    import numpy as np

    if until < since:
        return []
    calendar = load_sessions(CALENDAR, dt.date(since.year, 1, 1), dt.date(until.year, 12, 31))
    first, last = (np.datetime64(t.replace(tzinfo=None), "us") for t in (since, until))
    over = (calendar.opens >= first) & (calendar.closes <= last)
    return [str(day) for day in calendar.dates[over].astype("datetime64[D]")]


def _detail(report: DriftReport | PaperGateReport) -> str:
    reasons = [str(getattr(reason, "text", reason)) for reason in report.reasons]
    return "; ".join(reasons)[:600] or f"the verdict is {report.verdict.value}"
