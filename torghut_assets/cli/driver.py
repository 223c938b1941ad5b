"""Drive the partitions of one candidate in order, each step a run that the UI shows.

Dagster runs one partition set at a time, so an evaluation is four jobs: settings, candidate,
snapshot, evaluation. Trading adds deployment, session and rollback. An asset is left alone when
its newest materialization was made by the same code from the same inputs and its record is
intact in the store.
"""

import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import click
import dagster as dg

from torghut_assets.assets.keys import ASSETS, DATASET_SNAPSHOT
from torghut_assets.assets.partitions import EVALUATIONS
from torghut_assets.definitions import HELD, JOB_OF_STEP, build_definitions, stage_desk
from torghut_assets.domain.backtest.records import BacktestMetrics
from torghut_assets.domain.errors import (
    EvidenceError,
    StageRefusedError,
    TorghutError,
    UpstreamMissingError,
    UsageError,
)
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.snapshots.records import SnapshotManifest
from torghut_assets.domain.stages.failures import FailureClass, classify, wait_before_retry
from torghut_assets.domain.stages.machine import stand
from torghut_assets.domain.stages.receipts import StageReceipt
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.code_version import CODE_TAG, installed_code_digest
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import RecordT, current_record, newest
from torghut_assets.resources.partition_turns import PartitionTurns
from torghut_assets.resources.register_file import RegisterBusyError

STEPS = tuple(JOB_OF_STEP)
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class StepOutcome:
    """What a step did: the assets it made and those it found up to date."""

    step: str
    made: tuple[str, ...]
    current: tuple[str, ...]


class Driver:
    """Runs jobs of one home, in this process."""

    def __init__(self, home: Home, instance: dg.DagsterInstance) -> None:
        self._home = home
        self._instance = instance
        self._definitions = build_definitions(home)
        self._graph = self._definitions.resolve_asset_graph()
        self._desk = stage_desk(home)

    def steps_through(self, asset: str) -> tuple[str, ...]:
        """Return the steps needed to reach `asset`, in order."""
        wanted = self._upstream_and_self(asset)
        return tuple(step for step in STEPS if self._assets_of(step) & wanted)

    def count_assets(self, steps: tuple[str, ...], through: str) -> int:
        """Return how many assets the steps hold on the way to `through`."""
        return sum(len(self._wanted(step, through)) for step in steps)

    def require_partition(self, dimension: str, key: str, command: str) -> None:
        """Refuse a partition that was never registered, with the command that does it."""
        if not self._instance.has_dynamic_partition(dimension, key):
            raise EvidenceError(
                f"{dimension} {key} is not known to this home. Make it with: {command}"
            )

    def gate_report(self, candidate: str, snapshot: str) -> GateReport:
        """Return the current gate report of an evaluation, verified."""
        return self.require_record(GateReport, "gate_report", f"{candidate}|{snapshot}")

    def backtest_metrics(self, candidate: str, snapshot: str) -> BacktestMetrics:
        """Return the current backtest metrics of an evaluation, verified."""
        return self.require_record(BacktestMetrics, "backtest_metrics", f"{candidate}|{snapshot}")

    def settle(
        self, candidate: str, snapshot: str | None, *, through: str
    ) -> tuple[StageReceipt, ...]:
        """Write the receipts of every stage that is complete once `through` has been made."""
        made = self._upstream_and_self(through)
        complete = [
            stage.name
            for stage in self._desk.pipeline.stages
            if stage.active
            and not stage.is_about_a_session
            and {*stage.output_assets} - {*stage.feeds_back} <= made
        ]
        if not complete:
            return ()
        return self._desk.settle(self._instance, candidate, snapshot, complete[-1])

    def settle_session(self, candidate: str, session: str) -> tuple[StageReceipt, ...]:
        """Write the receipts of the stages that a session decides."""
        return self._desk.settle_session(self._instance, candidate, session)

    def stands_at(self, candidate: str) -> str:
        """Return the stage where the receipts say that a candidate stands."""
        return stand(self._desk.pipeline, self._desk.of(candidate)).stage

    def was_made(self, asset: str, partition: str) -> bool:
        """Whether an asset was ever made for a partition."""
        return newest(self._instance, dg.AssetKey(asset), partition) is not None

    def may_trade(self, candidate: str, session: str) -> bool:
        """Whether a candidate is deployed, or has traded this session already."""
        deployed = self._desk.pipeline.stage(self.stands_at(candidate)).deployed
        return deployed or self.was_made("paper_fills", f"{candidate}|{session}")

    def require_admitted(self, candidate: str) -> None:
        """Refuse a candidate whose receipts do not say that it passed its gate and still may.

        Raises
        ------
        StageRefusedError
            If it does not stand at a stage that trades.
        """
        stage = self.stands_at(candidate)
        if not self._desk.pipeline.stage(stage).deployed:
            raise StageRefusedError(
                f"{candidate}: stands at {stage}, which is not deployed. See "
                f"`torghut stage status {candidate}`."
            )

    def open_session(self, session: str) -> None:
        """Register a session, so that it can be traded."""
        self._instance.add_dynamic_partitions("session", [session])

    def require_record(self, model: type[RecordT], asset: str, partition: str) -> RecordT:
        """Return the current record of an asset, verified.

        Raises
        ------
        UpstreamMissingError
            If there is none; the message names the command that makes it.
        """
        record = current_record(
            self._instance, self._home.store, model, dg.AssetKey(asset), partition
        )
        if record is None:
            candidate, _, other = partition.partition("|")
            command = ASSETS[asset].command.format(
                candidate=candidate, snapshot=other, session=other
            )
            raise UpstreamMissingError(asset=asset, partition=partition, command=command)
        return record

    def verdict(self, asset: str, candidate: str, snapshot: str | None) -> Verdict | None:
        """Return what an asset's current record decided, verified; `None` if it decides nothing."""
        name = "gate_report" if asset == "research_feedback" else asset
        model, key = ASSETS[name].record_type, dg.AssetKey(name)
        if not hasattr(model, "verdict"):
            return None
        partition = self._partition_of(key, f"{candidate}|{snapshot}" if snapshot else candidate)
        record = current_record(self._instance, self._home.store, model, key, partition)
        return getattr(record, "verdict", Verdict.INCONCLUSIVE)

    def take_snapshot(self, snapshot: str) -> SnapshotManifest:
        """Take a snapshot, also if it was taken before: a changed source must be noticed."""
        self._execute("snapshot", [DATASET_SNAPSHOT], snapshot, lambda _: None, lambda _: None)
        manifest = current_record(
            self._instance, self._home.store, SnapshotManifest, DATASET_SNAPSHOT, snapshot
        )
        if manifest is None:
            raise EvidenceError(f"{snapshot}: the run ended without a manifest; see its log.")
        return manifest

    def make_again(self, step: str, asset: str, partition: str) -> None:
        """Make one asset, also if its inputs are the same: it looks at more than its inputs."""
        key = dg.AssetKey(asset)
        self._execute(step, [key], partition, lambda _: None, lambda _: None)

    def step(
        self,
        step: str,
        partition: str | None,
        *,
        through: str | None = None,
        on_start: Callable[[str], None] = lambda _: None,
        on_done: Callable[[str], None] = lambda _: None,
    ) -> StepOutcome:
        """Make what is missing or stale in one step, or on its way to one asset.

        Raises what an asset raised.
        """
        wanted = self._wanted(step, through)
        with self._turn_at(wanted, partition):  # whoever waits finds the work done
            stale = self._stale(wanted, partition)
            current = tuple(key.to_user_string() for key in wanted if key not in stale)
            for name in current:
                on_done(name)
            if stale:
                self._execute(step, stale, partition, on_start, on_done)
        return StepOutcome(step, tuple(key.to_user_string() for key in stale), current)

    def _turn_at(
        self, keys: list[dg.AssetKey], partition: str | None
    ) -> AbstractContextManager[None]:
        """Wait for the turns at a partition and hold them for a block."""
        if partition is None:
            return nullcontext()
        turns = {HELD[key.to_user_string()].turn(partition) for key in keys}
        mine = PartitionTurns(self._home.turns_folder, f"torghut-{os.getpid()}")
        return mine.waited_for(*turns, on_wait=lambda said: click.echo(said, err=True))

    def _wanted(self, step: str, through: str | None) -> list[dg.AssetKey]:
        names = self._assets_of(step)
        if through is not None:
            names &= self._upstream_and_self(through)
        return [k for k in self._graph.toposorted_asset_keys if k.to_user_string() in names]

    def _assets_of(self, step: str) -> set[str]:
        job = self._definitions.resolve_job_def(JOB_OF_STEP[step])
        return {key.to_user_string() for key in job.asset_layer.selected_asset_keys}

    def _upstream_and_self(self, asset: str) -> set[str]:
        key = dg.AssetKey(asset)
        if asset not in ASSETS:  # advice is none of them: no run makes it on the way
            known = ", ".join(sorted(ASSETS))
            raise UsageError(f"--through: found {asset!r}, expected one of {known}.")
        return {k.to_user_string() for k in {key, *self._graph.get_ancestor_asset_keys(key)}}

    def _stale(self, keys: list[dg.AssetKey], partition: str | None) -> list[dg.AssetKey]:
        """Return the keys to make, in order: not current, or below one that is not."""
        stale: list[dg.AssetKey] = []
        for key in keys:
            node = self._graph.get(key)
            if set(node.parent_keys) & set(stale) or not self._is_current(key, partition):
                stale.append(key)
        return stale

    def _is_current(self, key: dg.AssetKey, partition: str | None) -> bool:
        event = newest(self._instance, key, partition)
        node = self._graph.get(key)
        if event is None or event.code_version != node.code_version:
            return False
        for parent in node.parent_keys:
            upstream = newest(self._instance, parent, self._partition_of(parent, partition))
            recorded = event.inputs.get(parent.to_user_string())
            if upstream is None or recorded != upstream.digest:
                return False
        try:
            self._home.store.get(event.digest)
        except EvidenceError:
            return False
        return True

    def _partition_of(self, key: dg.AssetKey, partition: str | None) -> str | None:
        """Return the part of an evaluation's key that `key` is partitioned by."""
        definition = self._graph.get(key).partitions_def
        if definition is None or partition is None:
            return None
        candidate, _, other = partition.partition("|")
        if definition == EVALUATIONS and "@" not in other:
            return f"{candidate}|{self._desk.admitted_on(candidate)}"
        if isinstance(definition, dg.MultiPartitionsDefinition):
            return partition
        is_snapshot = getattr(definition, "name", None) == "snapshot"
        return other if is_snapshot and other else candidate

    def _execute(
        self,
        step: str,
        keys: list[dg.AssetKey],
        partition: str | None,
        on_start: Callable[[str], None],
        on_done: Callable[[str], None],
    ) -> None:
        """Run a step's job on some of its assets; again, if the pipeline says so."""
        with self._turn_at(keys, partition):
            self._try(step, keys, partition, on_start, on_done)

    def _try(
        self,
        step: str,
        keys: list[dg.AssetKey],
        partition: str | None,
        on_start: Callable[[str], None],
        on_done: Callable[[str], None],
    ) -> None:
        stages = map(self._desk.pipeline.stage_of_asset, (key.to_user_string() for key in keys))
        policy = next((stage.failure_policy for stage in stages if stage), None)
        attempts = 0
        while True:
            attempts += 1
            try:
                return self._attempt(step, keys, partition, on_start, on_done)
            except Exception as error:
                failure = _class_of(error)
                wait = wait_before_retry(policy, failure, attempts) if policy else None
                if wait is None:
                    raise
                time.sleep(wait)

    def _attempt(
        self,
        step: str,
        keys: list[dg.AssetKey],
        partition: str | None,
        on_start: Callable[[str], None],
        on_done: Callable[[str], None],
    ) -> None:
        """Run a step's job once, following it by its events."""
        job = self._definitions.resolve_job_def(JOB_OF_STEP[step])
        with _following(self._instance, on_start, on_done) as run_id:
            try:
                job.execute_in_process(
                    instance=self._instance,
                    partition_key=partition,
                    asset_selection=keys,
                    run_config=QUIET,
                    tags={"torghut/step": step, CODE_TAG: installed_code_digest()},
                    run_id=run_id,
                )
            except dg.DagsterExecutionInterruptedError as interruption:
                raise KeyboardInterrupt from interruption
            except Exception as error:
                raise (own_error(error) or self._blocked(run_id) or error) from error

    def _blocked(self, run_id: str) -> StageRefusedError | None:
        """Return the refusal of the blocking checks that did not pass in a run, if any."""
        events = self._instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        failed = [
            f"{check.asset_key.to_user_string()} was made, but its check {check.check_name} did "
            f"not pass: {check.description}"
            for event in events
            if event.dagster_event is not None
            and not (check := event.dagster_event.asset_check_evaluation_data).passed
            and check.blocking
        ]
        return (
            StageRefusedError(f"{'; '.join(failed)}. Nothing below it was made.")
            if failed
            else None
        )


@contextmanager
def _following(
    instance: dg.DagsterInstance,
    on_start: Callable[[str], None],
    on_done: Callable[[str], None],
) -> Iterator[str]:
    """Yield the id for a run and call back as its steps start and end."""
    run_id = str(uuid.uuid4())

    def heard(entry: dg.EventLogEntry, _cursor: str) -> None:
        event = entry.dagster_event
        if event is None or event.step_key is None:
            return
        if event.event_type is dg.DagsterEventType.STEP_START:
            on_start(event.step_key)
        elif event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
            on_done(event.step_key)

    instance.watch_event_logs(run_id, None, heard)
    try:
        yield run_id
    finally:
        instance.end_watch_event_logs(run_id, heard)


def _class_of(error: BaseException) -> FailureClass:
    """Return the class of an error; of SQLite's, only a lock passes by itself."""
    if isinstance(error, sqlite3.OperationalError):
        locked = (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _LOCKED
        return FailureClass.TRANSIENT if locked else FailureClass.DETERMINISTIC
    return classify(error, RegisterBusyError)


def own_error(error: BaseException) -> BaseException | None:
    """Return the refusal of ours, or the transient error, behind a Dagster error."""
    link: BaseException | None = error
    seen: set[int] = set()  # Dagster's chains can be circular
    while link is not None and id(link) not in seen:
        if isinstance(link, TorghutError) or _class_of(link) is FailureClass.TRANSIENT:
            return link
        seen.add(id(link))
        link = link.__cause__ or link.__context__
    return None
