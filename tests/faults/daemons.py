"""Two real daemons on one instance: a failing report is answered by one rollback."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from torghut_assets.resources.home import Home

from . import judge, workbench
from .launches import rolled_back
from .scenes import Stage
from .table import Row

_LONGEST_S: Final = 900.0
_AFTER_S: Final = 45.0
"""So long both daemons go on after the rollback: the sensor ticks every 15 seconds."""
_ONCE: Final = ("orders", "broker orders", "broker fills", "positions", "accounts", "sessions")


def two_daemons(stage: Stage, seed: int, folder: Path) -> Row:
    """Let two daemons find the same failing report, and kill one in the middle."""
    row = Row("two daemons", stage.scene.stage, seed, points=2)
    home = workbench.copied(stage.before, folder / "daemons")
    before = workbench.call(home, lambda: rolled_back(Home.from_environment())).value
    with ExitStack() as stack:
        first = stack.enter_context(_daemon(home, "first"))
        stack.enter_context(_daemon(home, "second"))
        deadline = time.monotonic() + _LONGEST_S
        state = before
        while time.monotonic() < deadline and state["made"][2] == before["made"][2]:
            time.sleep(3)
            state = workbench.call(home, lambda: rolled_back(Home.from_environment())).value
        os.killpg(first.pid, signal.SIGKILL)  # whoever is left must not begin anew
        time.sleep(_AFTER_S)
    state = workbench.call(home, lambda: rolled_back(Home.from_environment())).value
    if state["made"] != [1, 1, 1]:
        row.note(judge.Difference(duplicated=[f"the records were made {state}"]), "two daemons")
    if state["held"]:
        row.note(judge.Difference(lost=[f"still held: {state['held']}"]), "two daemons")
    found = workbench.call(home, lambda: judge.state_of(Home.from_environment())).value
    difference = judge.compare(stage.undisturbed, found)
    difference.lost = [t for t in difference.lost if t.startswith(_ONCE)]
    difference.duplicated = [t for t in difference.duplicated if t.startswith(_ONCE)]
    row.note(difference, f"two daemons, {state['runs']} runs")
    shutil.rmtree(home)
    return row


@contextmanager
def _daemon(home: Path, name: str) -> Iterator[Any]:
    """Run a daemon with a code server of its own; kill its group at the end."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("FAULT_", "LD_PRE"))}
    environment |= Home.at(home).environment()
    log = (home.parent / f"{name}.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "dagster._daemon", "run", "-m", "torghut_assets.definitions"],
        env=environment,
        cwd=home,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)
        log.close()
