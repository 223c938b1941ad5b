"""Runs that a person started leave stage receipts too, as those of the commands do."""

from collections.abc import Iterable

import dagster as dg

from torghut_assets.assets.keys import ASSETS
from torghut_assets.domain.errors import TorghutError
from torghut_assets.resources.lineage import newest
from torghut_assets.resources.stage_desk import StageDesk


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    description="Decide the stages that a successful run completed, and append what is new.",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=15,
)
def stage_advance(
    context: dg.RunStatusSensorContext, stage_desk: dg.ResourceParam[StageDesk]
) -> None:
    """Decide the stages that a successful run completed, and append what is new.

    What the receipts say already is not appended again, so a run of a command, which writes its
    own receipts, changes nothing here.
    """
    for candidate, snapshot, names in _made_in(context.instance, context.dagster_run.run_id):
        stage = _furthest(context.instance, stage_desk, (candidate, snapshot), names)
        if stage is None:
            continue
        try:
            receipts = stage_desk.settle(context.instance, candidate, snapshot, stage)
        except TorghutError as error:
            context.log.warning(f"{candidate}: no receipt of {stage}, {error}")
            continue
        for receipt in receipts:
            decision = receipt.decision
            context.log.info(f"{candidate}: {decision.stage} {receipt.outcome.value}")


def _made_in(
    instance: dg.DagsterInstance, run_id: str
) -> Iterable[tuple[str, str | None, frozenset[str]]]:
    """Yield candidate, snapshot and the assets that a run made for them."""
    found: dict[tuple[str, str | None], set[str]] = {}
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
        event = entry.dagster_event
        if event is None or event.asset_key is None or event.partition is None:
            continue
        name = event.asset_key.to_user_string()
        dimension = ASSETS[name].dimension if name in ASSETS else "none"
        candidate, _, rest = event.partition.partition("|")
        if dimension == "candidate":
            found.setdefault((candidate, None), set()).add(name)
        elif dimension == "evaluation":
            found.setdefault((candidate, rest), set()).add(name)
    for (candidate, snapshot), names in sorted(found.items(), key=str):
        yield candidate, snapshot, frozenset(names)


def _furthest(
    instance: dg.DagsterInstance,
    desk: StageDesk,
    subject: tuple[str, str | None],
    names: frozenset[str],
) -> str | None:
    """Return the last active stage that the run worked on and whose outputs are all there."""
    candidate, snapshot = subject
    last = None
    for stage in desk.pipeline.stages:
        outputs = {*stage.output_assets} - {*stage.feeds_back}
        if not stage.active or not outputs & names:
            continue
        partitions = {
            "none": None,
            "candidate": candidate,
            "evaluation": f"{candidate}|{snapshot}",
            "snapshot": snapshot,
        }
        held = {name: partitions.get(ASSETS[name].dimension) for name in outputs}
        if all(newest(instance, dg.AssetKey(n), p) is not None for n, p in held.items()):
            last = stage.name
    return last
