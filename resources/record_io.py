"""The I/O manager of every asset: records go to the artifact store, by digest.

Writing stores the record, then signs and appends its statement to the ledger, and only then
does Dagster log the materialization, which names statement and ledger entry. A crash leaves an
artifact, or an artifact with a statement, and never an event without them. Reading verifies the
bytes, the form and the subject of the record; a check's status or a metadata flag is never read.
Before an asset reads its first input, and before its output is stored, the guard of its
stage is asked: an asset whose stage may not be entered is not made, alone or in a job. Before that
the run takes its turn at the partition, unless another run is at it, or made it while this one
waited. Before any of it a run that other code launched is refused (`code_version`).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import dagster as dg

from torghut_assets.domain.errors import (
    EvidenceContradictionError,
    StageRefusedError,
    UpstreamMissingError,
)
from torghut_assets.domain.evidence.record_kinds import KIND_OF_RECORD, POLICY
from torghut_assets.domain.records import Record
from torghut_assets.resources.artifact_store import ArtifactStore
from torghut_assets.resources.code_version import code_statement, require_same_code
from torghut_assets.resources.event_log import log_event
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import (
    INPUT_DIGESTS,
    LEDGER_SEQUENCE,
    STATEMENT_DIGEST,
    current_record,
    input_digests,
    newest,
)
from torghut_assets.resources.partition_turns import PartitionTurns
from torghut_assets.resources.statement_desk import Making, StatementDesk

if TYPE_CHECKING:
    from dagster._core.execution.context.system import StepExecutionContext


_COMPUTED: Final = frozenset({"candidate", "snapshot", "evaluation"})
"""Dimensions whose assets another run makes just as well."""


class Turn(NamedTuple):
    """What one process at a time does, and about which kind of partition it is."""

    name: str
    dimension: str


Turns = Callable[[str, str], Turn]
"""Names the turn of an asset and a partition."""


class MadeMeanwhileError(StageRefusedError):
    """What a run was launched to make was made by another run while it waited."""

    def __init__(self, asset: str, partition: str, other_run: str) -> None:
        self.other_run = other_run
        super().__init__(
            f"{asset} of {partition}: run {other_run} made it after this run was launched, so it "
            "is not made twice. Launch again to have it computed again."
        )


class RecordIO(dg.IOManager):
    """Store records; load the current record of an upstream asset's partition.

    Parameters
    ----------
    store : ArtifactStore
    record_types : mapping of str to type
        Asset name to the record type it holds.
    makers : mapping of str to str
        Asset name to the command that makes it, with `{candidate}`, `{snapshot}` filled in.
    guard : callable
        Called with instance, asset and partition; raises if the asset may not be made now.
    statements : StatementDesk
        Signs that a record was made.
    turn_of : callable
        Names the turn that a run takes before it makes an asset's partition.
    turns : PartitionTurns or None
        Where this run takes its turns; `None` takes none.
    """

    def __init__(
        self,
        store: ArtifactStore,
        record_types: Mapping[str, type[Record]],
        makers: Mapping[str, str],
        guard: Callable[[dg.DagsterInstance, str, str | None], None],
        statements: StatementDesk,
        turn_of: Turns = lambda _, partition: Turn(partition, "none"),
        turns: PartitionTurns | None = None,
    ) -> None:
        self._store = store
        self._record_types = record_types
        self._makers = makers
        self._guard = guard
        self._statements = statements
        self._turn_of = turn_of
        self._turns = turns
        self._began: set[str] = set()
        self._guarded: tuple[str, str] | None = None
        self._read: dict[tuple[str, str], dict[str, str]] = {}

    def handle_output(self, context: dg.OutputContext, obj: Record) -> None:
        """Store `obj`, then state it; refuse a record that is about another partition."""
        partition = str(context.asset_partition_key) if context.has_asset_partitions else None
        if obj.subject != partition:
            raise EvidenceContradictionError(
                location=context.asset_key.to_user_string(),
                found=f"a record about {obj.subject}",
                expected=f"one about {partition}",
            )
        self._ask_guard(context.step_context)
        digest = self._store.put(obj.canonical_bytes())
        read = self._read.pop((context.run_id, context.step_key), {})
        inputs = read or input_digests(context.output_metadata)
        entry = self._statements.state(
            obj,
            Making(
                asset=context.asset_key.to_user_string(),
                partition=partition,
                inputs=inputs,
                policies=settings_among(inputs, self._record_types),
                run_id=context.run_id,
            ),
        )
        context.add_output_metadata(
            {
                "record_digest": digest,
                "record_kind": obj.record_kind,
                STATEMENT_DIGEST: entry.statement_digest,
                LEDGER_SEQUENCE: entry.sequence,
            }
        )
        log_event(
            "record_stored",
            run_id=context.run_id,
            asset=context.asset_key.to_user_string(),
            partition=partition,
            kind=obj.record_kind,
            digest=digest,
            sequence=entry.sequence,
        )
        if read:
            context.add_output_metadata({INPUT_DIGESTS: dg.MetadataValue.json(read)})

    def load_input(self, context: dg.InputContext) -> Record:
        """Return the upstream partition's current record, verified."""
        self._ask_guard(context.step_context)
        name = context.asset_key.to_user_string()
        partition = str(context.asset_partition_key) if context.has_asset_partitions else None
        record = current_record(
            context.instance, self._store, self._record_types[name], context.asset_key, partition
        )
        if record is None:
            error = UpstreamMissingError(
                asset=name, partition=partition, command=self._command(name, partition)
            )
            context.log.error(str(error))
            raise error
        step = context.step_context
        self._read.setdefault((step.run_id, step.step.key), {})[name] = record.digest
        return record

    def _ask_guard(self, step: "StepExecutionContext") -> None:
        """Ask once per step and only for assets: a check shows records, whatever they say."""
        if self._guarded == (asked := (step.run_id, step.step.key)):
            return
        partition = str(step.partition_key) if step.has_partition_key else None
        for key in step.get_output_asset_keys():
            if partition is not None:
                self._take_turn(step, key, partition)
            self._guard(step.instance, key.to_user_string(), partition)
        self._guarded = asked

    def _take_turn(self, step: "StepExecutionContext", key: dg.AssetKey, partition: str) -> None:
        """Be the only run that makes a partition, from the run's first asset of it to its end."""
        if self._turns is None:
            return
        turn = self._turn_of(key.to_user_string(), partition)
        if turn.name in self._began:
            return
        self._turns.take(turn.name)
        self._began.add(turn.name)
        if turn.dimension in _COMPUTED:
            self._require_not_made_meanwhile(step, key, partition)

    def _require_not_made_meanwhile(
        self, step: "StepExecutionContext", key: dg.AssetKey, partition: str
    ) -> None:
        made = newest(step.instance, key, partition)
        if made is None or made.run_id == step.run_id:
            return
        launched = step.instance.get_run_record_by_id(step.run_id)
        if launched is None or made.timestamp <= launched.create_timestamp.timestamp():
            return
        node = step.job_def.asset_layer.asset_graph.get(key)
        if made.code_version == node.code_version:
            raise MadeMeanwhileError(key.to_user_string(), partition, made.run_id)

    def _command(self, name: str, partition: str | None) -> str:
        candidate, _, snapshot = (partition or "").partition("|")
        universe, _, as_of = (snapshot or candidate).partition("@")
        return self._makers[name].format(
            candidate=candidate,
            snapshot=snapshot or candidate,
            session=snapshot,
            universe=universe,
            as_of=as_of,
        )


def record_io(
    home: Home,
    record_types: Mapping[str, type[Record]],
    makers: Mapping[str, str],
    guard: Callable[[dg.DagsterInstance, str, str | None], None],
    statements: StatementDesk,
    turn_of: Turns,
) -> dg.IOManagerDefinition:
    """Return the resource of every asset: one `RecordIO` per run, which ends its turns.

    Its description names the code, so that the snapshot of every job does.
    """

    def opened(context: dg.InitResourceContext) -> Iterator[RecordIO]:
        if context.run is None or context.instance is None:
            yield RecordIO(home.store, record_types, makers, guard, statements)
            return
        require_same_code(context.instance, context.run)
        turns = PartitionTurns(home.turns_folder, context.run.run_id)
        try:
            yield RecordIO(home.store, record_types, makers, guard, statements, turn_of, turns)
        finally:
            turns.let_go()

    made: Any = opened  # Dagster runs a generator to its end; its annotation does not say so
    return dg.IOManagerDefinition(
        resource_fn=made, description=f"Records by digest. {code_statement()}"
    )


def settings_among(
    inputs: Mapping[str, str], record_types: Mapping[str, type[Record]]
) -> dict[str, str]:
    """Return those of some inputs that are settings, by asset."""
    return {
        name: digest
        for name, digest in inputs.items()
        if name in record_types and KIND_OF_RECORD.get(record_types[name].record_kind) == POLICY
    }
