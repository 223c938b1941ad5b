"""kill -9 at any call that changes a file, of a process and of a process group.

A home is brought to a scene; its command runs and is killed at a call, starts again and is
killed again, up to five times; then it runs undisturbed. What the home holds after that is
compared with a run that nobody disturbed.
"""

import random
import shutil
from pathlib import Path
from typing import Final, NamedTuple

from torghut_assets.resources.home import Home

from . import judge, workbench
from .boundary import Fault
from .scenes import Stage
from .table import Row

HOW: Final = {
    "kill -9": (Fault.KILL, 1),
    "kill -9 in a write": (Fault.TEAR, 1),
    "kill -9 of the group": (Fault.KILL_GROUP, 2),
}
_MOST_IN_A_ROW: Final = 5


class Chain(NamedTuple):
    """Kills in a row on one home, and what came of it."""

    kills: tuple[str, ...]
    difference: judge.Difference
    resumed_s: float


def kill_all_over(stage: Stage, how: str, points: int, seed: int, folder: Path) -> Row:
    """Kill at some points of a scene, and say what was lost, doubled or not noticed.

    Parameters
    ----------
    points : int
        How many kills, at least.
    seed : int
        Decides at which calls.
    """
    draw = random.Random(f"{seed} {stage.scene.name} {how}")
    row = Row(f"{how}: {stage.scene.name}", stage.scene.stage, seed)
    attempts = 0
    while row.points < points and attempts < 4 * points:
        chain = _chain(
            stage, how, min(points - row.points, draw.randint(1, _MOST_IN_A_ROW)), draw, folder
        )
        attempts += max(1, len(chain.kills))
        row.points += len(chain.kills)
        row.longest_resume_s = max(row.longest_resume_s, chain.resumed_s)
        row.note(chain.difference, f"after {', '.join(chain.kills)}")
    return row


def _chain(stage: Stage, how: str, wanted: int, draw: random.Random, folder: Path) -> Chain:
    fault, workers = HOW[how]
    calls = stage.writes if fault is Fault.TEAR else stage.points
    home = workbench.copied(stage.before, folder / "killed")
    try:
        kills: list[str] = []
        for _ in range(wanted):
            ends = workbench.start(
                home, stage.scene.act, fault, draw.randint(1, calls), workers=workers
            )
            if not any(end.was_killed for end in ends):
                break
            kills.append(ends[0].where)
        resumed = workbench.call(home, stage.scene.act)
        if resumed.value is None or resumed.value[0] not in stage.scene.ends:
            told = str(resumed.value)[-300:]
            return Chain(tuple(kills), judge.Difference(broken=[f"no resume: {told}"]), 0.0)
        found = workbench.call(home, lambda: judge.state_of(Home.from_environment()))
        if found.value is None:
            return Chain(tuple(kills), judge.Difference(broken=["cannot be read"]), 0.0)
        difference = judge.compare(stage.undisturbed, found.value)
        return Chain(tuple(kills), difference, resumed.seconds)
    finally:
        shutil.rmtree(home, ignore_errors=True)
