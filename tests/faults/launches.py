"""Many processes at once: one partition launched by twenty, and sensors that tick again."""

import random
import shutil
from pathlib import Path
from typing import Any, Final

from torghut_assets.resources.home import Home

from . import judge, workbench
from .scenes import DRIFTS, Stage
from .table import Row

_CURSORS: Final = (None, "of another version", '{"seen": "x"}')


def launch_at_once(stage: Stage, processes: int, seed: int, folder: Path) -> Row:
    """Do a scene in many processes at once; then once more, alone, and compare.

    A process may refuse, because another holds what it needs for too long: with a documented
    exit status and one line.
    """
    row = Row(f"{processes} launches: {stage.scene.name}", stage.scene.stage, seed, processes)
    home = workbench.copied(stage.before, folder / "at-once")
    ends = workbench.start(home, stage.scene.act, workers=processes)
    for end in ends:
        code = end.value[0] if end.value else end.code
        if code not in (*stage.scene.ends, 1, 3, 4):
            row.note(judge.Difference(broken=[f"exit status {code}: {str(end.value)[-300:]}"]), "")
    resumed = workbench.call(home, stage.scene.act)
    row.longest_resume_s = resumed.seconds
    found = workbench.call(home, lambda: judge.state_of(Home.from_environment()))
    row.note(judge.compare(stage.undisturbed, found.value), "all at once")
    shutil.rmtree(home)
    return row


def tick_again(stage: Stage, ticks: int, seed: int, folder: Path) -> Row:
    """Tick the sensor of two daemons, lose their cursors, and launch whatever they ask for."""
    row = Row(f"{ticks} ticks of two daemons, cursors lost", stage.scene.stage, seed, ticks)
    home = workbench.copied(stage.before, folder / "ticks")
    ended = workbench.call(home, lambda: _tick(ticks, random.Random(f"{seed} ticks")))
    launched, made = ended.value or (None, None)
    if launched != 1 or made != [1, 1, 1]:
        row.note(judge.Difference(duplicated=[f"{launched} runs made {made}"]), "ticks")
    found = workbench.call(home, lambda: judge.state_of(Home.from_environment()))
    difference = judge.compare(stage.undisturbed, found.value)
    # the sensor asks for the rollback alone: its decision is a receipt of another sensor
    difference.lost = [text for text in difference.lost if not text.startswith("receipts ")]
    row.note(difference, "ticks")
    shutil.rmtree(home)
    return row


def _tick(ticks: int, draw: random.Random) -> tuple[int, list[int]]:
    """Return how many runs were launched, and how often each record was made."""
    import dagster as dg

    from torghut_assets.cli.instance import instance_of
    from torghut_assets.definitions import build_definitions
    from torghut_assets.resources.rollback_desk import RollbackDesk
    from torghut_assets.resources.session_desk import SessionDesk
    from torghut_assets.sensors.drift_rollback import drift_rollback

    home = Home.from_environment()
    launched: set[str] = set()
    with instance_of(home) as instance:
        cursors: list[str | None] = [None, None]
        for _ in range(ticks):
            daemon = draw.randrange(2)
            if draw.random() < 0.3:
                cursors[daemon] = draw.choice(_CURSORS)
            desks: Any = {
                "rollback_desk": RollbackDesk(home),
                "session_desk": SessionDesk(home),
                "home": home,
            }
            with dg.build_sensor_context(
                instance=instance, cursor=cursors[daemon], resources=desks
            ) as context:
                result = drift_rollback(context)
            cursors[daemon] = result.cursor
            for request in result.run_requests or ():
                if request.run_key in launched:
                    continue  # one run key is one run: Dagster's own rule, across daemons
                launched.add(str(request.run_key))
                job = build_definitions(home).resolve_job_def("roll_back")
                job.execute_in_process(
                    instance=instance, partition_key=request.partition_key, tags=request.tags
                )
        made = [
            len(instance.fetch_materializations(dg.AssetKey(name), limit=100).records)
            for name in ("rollback_plan", "rollback_receipt", "incident_report")
        ]
    return len(launched), made


def rolled_back(home: Home) -> dict[str, Any]:
    """Return how often each record of a rollback was made, and what is held afterwards."""
    import dagster as dg

    from torghut_assets.cli.instance import instance_of
    from torghut_assets.resources.brokers.replay import ReplayBroker

    with instance_of(home) as instance:
        made = [
            len(instance.fetch_materializations(dg.AssetKey(name), limit=100).records)
            for name in ("rollback_plan", "rollback_receipt", "incident_report")
        ]
        runs = instance.get_runs_count(dg.RunsFilter(job_name="roll_back"))
    broker = ReplayBroker(home.replay_broker_path, DRIFTS)
    return {"made": made, "held": broker.holdings().shares, "runs": runs}
