"""kill -9 at any call that changes a file, of a process and of a process group.

A home is brought to a scene; its command runs and is killed at a call, starts again and is
killed again, up to five times; then it runs undisturbed. What the home holds after that is
compared with a run that nobody disturbed.
"""

import random
import re
import shutil
from collections.abc import Iterator
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
    fault, _ = HOW[how]
    among = ("write", "pwrite") if fault is Fault.TEAR else ()
    for first in plan(stage, draw, 4 * points, among):
        if row.points >= points:
            break
        wanted = min(points - row.points, draw.randint(2, _MOST_IN_A_ROW))
        chain = _chain(stage, how, (first, wanted), draw, folder)
        row.points += len(chain.kills)
        row.longest_resume_s = max(row.longest_resume_s, chain.resumed_s)
        row.note(chain.difference, f"after {', '.join(chain.kills)}")
    return row


def plan(stage: Stage, draw: random.Random, most: int, among: tuple[str, ...]) -> Iterator[int]:
    """Yield calls to fail at: one of each kind of call first, our own files before Dagster's.

    Two calls are of one kind if they do the same to files of the same name, apart from digests,
    numbers and temporary names. Counted are the calls in `among`, all if it is empty.
    """
    calls = [c for c in stage.calls if not among or c.split(" ", 1)[0] in among]
    kinds: dict[str, list[int]] = {}
    for place, call in enumerate(calls, start=1):
        kinds.setdefault(kind_of(call), []).append(place)
    names = sorted(kinds)
    draw.shuffle(names)
    names.sort(key=lambda name: " /dagster/" in name)
    for name in names[:most]:
        yield draw.choice(kinds[name])
    for _ in range(most - len(names)):
        yield draw.randint(1, len(calls))


def kind_of(call: str) -> str:
    """Return a call without what differs from run to run."""
    return re.sub(
        r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{16,64}|(?<=[.-])[a-z0-9_]{8}$|\d+", "*", call
    )


def _chain(stage: Stage, how: str, at: tuple[int, int], draw: random.Random, folder: Path) -> Chain:
    """Kill a number of times on one home: first at a planned call, then anywhere."""
    fault, workers = HOW[how]
    first, wanted = at
    home = workbench.copied(stage.before, folder / "killed")
    try:
        kills: list[str] = []
        for _ in range(wanted):
            ends = workbench.start(home, stage.scene.act, fault, first, workers=workers)
            first = draw.randint(1, stage.points)
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
