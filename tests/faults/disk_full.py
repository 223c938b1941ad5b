"""A disk that is full: at the n-th write, once or until somebody makes room; and a real small one.

The command must end with a documented exit status and one line that says what is full. Then
there is room again, the same command runs, and what the home holds is compared with a run that
nobody disturbed.
"""

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Final

from torghut_assets.resources.home import Home

from . import judge, workbench
from .boundary import Fault
from .kills import plan
from .scenes import Stage
from .table import Row

HOW: Final = {"disk full": Fault.FULL, "one write refused": Fault.FULL_ONCE}
_NEED_SPACE: Final = ("write", "pwrite", "create", "link", "mkdir")
_DOCUMENTED: Final = (3, 4)
_ROOM_KB: Final = 64 * 1024


def fill_at_writes(stage: Stage, how: str, points: int, seed: int, folder: Path) -> Row:
    """Refuse some writes of a scene, and look at what the command says and leaves."""
    draw = random.Random(f"{seed} {stage.scene.name} {how}")
    row = Row(f"{how}: {stage.scene.name}", stage.scene.stage, seed)
    for at in islice(plan(stage, draw, points, _NEED_SPACE), points):
        home = workbench.copied(stage.before, folder / "full")
        ended = workbench.call(home, stage.scene.act, HOW[how], at)
        if ended.where:
            row.points += 1
            _judge(row, stage, home, ended, f"at {ended.where} ({at})")
        shutil.rmtree(home)
    return row


def fill_a_small_disk(stage: Stage, points: int, seed: int, folder: Path) -> Row | None:
    """Do the same on a file system that is really full, with less and less room left.

    Needs the right to mount one; `None` without it.
    """
    draw = random.Random(f"{seed} {stage.scene.name} small disk")
    row = Row(f"small disk: {stage.scene.name}", stage.scene.stage, seed)
    with _small_disk(folder / "disk") as disk:
        if disk is None:
            return None
        used = _used(stage.after) - _used(stage.before) + 2**20
        for at in _spread(draw, used // 4096, points):
            home = workbench.copied(stage.before, disk / "home")
            ballast = disk / "ballast"
            _fill(ballast, leave=at * 4096)
            ended = workbench.call(home, stage.scene.act)
            ballast.unlink()
            # with room enough the command is done, and nothing was full
            if ended.value is None or ended.value[0] not in stage.scene.ends:
                row.points += 1
                _judge(row, stage, home, ended, f"with {at * 4} KiB left")
            for path in disk.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    return row


def _judge(row: Row, stage: Stage, home: Path, ended: workbench.Ended, when: str) -> None:
    row.note(judge.Difference(broken=_unclear(ended, stage)), when)
    resumed = workbench.call(home, stage.scene.act)
    row.longest_resume_s = max(row.longest_resume_s, resumed.seconds)
    if resumed.value is None or resumed.value[0] not in stage.scene.ends:
        row.note(judge.Difference(broken=[f"no resume: {str(resumed.value)[-300:]}"]), when)
        return
    found = workbench.call(home, lambda: judge.state_of(Home.from_environment()))
    difference = (
        judge.Difference(broken=["cannot be read"])
        if found.value is None
        else judge.compare(stage.undisturbed, found.value)
    )
    row.note(difference, when)


def _unclear(ended: workbench.Ended, stage: Stage) -> list[str]:
    """Return what is wrong with how a command said that the disk is full."""
    if ended.value is None:
        return [f"the process ended with {ended.code}"]
    code, _, said = ended.value
    if code in stage.scene.ends and code not in _DOCUMENTED:
        return []  # what was refused was not needed: the comparison tells
    lines = [line for line in str(said).splitlines() if line.startswith("torghut: ")]
    if code not in _DOCUMENTED:
        return [f"exit status {code}: {said[-400:]}"]
    if len(lines) != 1 or "Traceback" in said:
        return [f"{len(lines)} lines say it: {said[-400:]}"]
    return [] if "space" in lines[0] or "full" in lines[0] else [f"not named: {lines[0]}"]


def _spread(draw: random.Random, calls: int, points: int) -> list[int]:
    """Return `points` different numbers up to `calls`, one from each of as many equal parts."""
    points = min(points, calls)
    edges = [1 + calls * n // points for n in range(points + 1)]
    return [draw.randrange(low, high) for low, high in pairwise(edges)]


@contextmanager
def _small_disk(place: Path) -> Iterator[Path | None]:
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_ROOM_KB}k", "none", str(place)]
    tried: Any = None
    if os.geteuid() == 0:
        tried = subprocess.run(mount, capture_output=True, check=False)
    if tried is None or tried.returncode:
        place.rmdir()
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
        place.rmdir()


def _used(home: Path) -> int:
    return sum(-(-p.stat().st_size // 4096) * 4096 for p in home.rglob("*") if p.is_file())


def _fill(ballast: Path, *, leave: int) -> None:
    """Take all the room of a disk but some bytes."""
    disk = os.statvfs(ballast.parent)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(disk.f_bavail * disk.f_frsize - leave, 1))
