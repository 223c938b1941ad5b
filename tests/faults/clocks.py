"""A wall clock that is stepped while a command runs, forwards and backwards."""

import random
import shutil
from pathlib import Path
from typing import Final

from torghut_assets.resources.home import Home

from . import boundary, judge, workbench
from .boundary import Fault
from .scenes import Stage
from .table import Row

STEPS_S: Final = (-86_400 * 40, -86_400, -3_600, -61, -30, 30, 3_600, 86_400, 86_400 * 40)
_NOT_COMPARED: Final = ("latches",)


def step_the_clock(stage: Stage, points: int, seed: int, folder: Path) -> Row:
    """Step the clock at some calls of a scene; set it right, finish, and compare.

    Backwards beyond a minute the ledger must refuse, in words that name the clock. After a step
    forwards the command must be done; the clock stays where it was put, or the ledger refuses.
    """
    draw = random.Random(f"{seed} {stage.scene.name} clock")
    row = Row(f"clock steps: {stage.scene.name}", stage.scene.stage, seed)
    for number in range(points):
        step_s = STEPS_S[number % len(STEPS_S)]
        at = draw.randint(1, max(1, stage.points // 2))
        home = workbench.copied(stage.before, folder / "clock")
        ended = workbench.call(home, stage.scene.act, Fault.STEP_CLOCK, at, step_s=step_s)
        row.points += 1
        when = f"{step_s:+} s at {ended.where} ({at})"
        code, _, said = ended.value or (ended.code, "", "the process died")
        if code not in stage.scene.ends and not (code == 3 and "set the clock right" in said):
            row.note(judge.Difference(broken=[f"exit status {code}: {said[-300:]}"]), when)
        ahead_s = max(step_s, 0)
        resumed = workbench.call(home, lambda ahead=ahead_s: _at(ahead, stage))
        row.longest_resume_s = max(row.longest_resume_s, resumed.seconds)
        found = workbench.call(home, lambda: judge.state_of(Home.from_environment()))
        row.note(judge.compare(stage.undisturbed, found.value), when)
        if ahead_s > 60:
            _must_refuse_the_past(row, home, when)
        shutil.rmtree(home)
    return row


def _at(ahead_s: float, stage: Stage) -> object:
    boundary.hold_clock(workbench.STILL_NS, ahead_s)
    return stage.scene.act()


def _must_refuse_the_past(row: Row, home: Path, when: str) -> None:
    """The clock is put back after it was ahead: what is signed now would be of the past."""
    refused = workbench.call(home, _sign_something).value
    if refused is None or "set the clock right" not in refused:
        row.note(judge.Difference(broken=[f"signed in the past: {refused}"]), when)


def _sign_something() -> str:
    from torghut_assets.domain.errors import TorghutError
    from torghut_assets.domain.orders.kill import KillLatch
    from torghut_assets.resources.ledger import Ledger

    home = Home.from_environment()
    latch = KillLatch(
        sequence=1,
        previous_digest="0" * 64,
        candidate_id=None,
        cause="kill",
        reason="a clock is tried",
        actor="a test",
        engaged_at="2026-01-01T00:00:00Z",
    )
    try:
        Ledger(home).append("kill", {"kill-latch": latch.digest}, latch)
    except TorghutError as error:
        return str(error)
    return "nothing refused it"
