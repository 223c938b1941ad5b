"""PostgreSQL restarted while the ledger in it is used: before a statement, or under a commit.

A real server, ended without mercy (`pg_ctl -m immediate`) and started again, at the n-th SQL
statement of a command. Under a commit the server has kept the rows and the client never hears so.
"""

import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import postgres_server

from torghut_assets.resources.home import Home

from . import judge, workbench
from .scenes import SCENES, Scene, prepare
from .table import Row

_URL: Final = "TORGHUT_LEDGER_URL"
_SCENES: Final = ("intake", "build", "snapshot", "evaluation", "gate", "deployment", "session")
_DISTURBED: Final = ("build", "deployment", "session")


def restart_at(points: int, seed: int, folder: Path) -> Row | None:
    """Restart the server at some statements of three scenes; `None` without a server."""
    if postgres_server.binaries() is None:
        return None
    row = Row("PostgreSQL restarted", "all with a ledger", seed)
    draw = random.Random(f"{seed} postgres")
    with ExitStack() as stack:
        server = _Server(stack.enter_context(postgres_server.server()))
        before, database = folder / "pg-empty", "scene_0"
        server.new(database)
        workbench.call(before, prepare)
        for number, name in enumerate(_SCENES, start=1):
            scene = next(s for s in SCENES if s.name == name and s.life == "passes")
            after, kept = folder / f"pg-{name}", f"scene_{number}"
            workbench.copied(before, after)
            server.copy(database, kept)
            with server.at(kept) as counted:
                ended = workbench.call(after, counted(scene.act, None, False))
                if not ended.value or ended.value[0][0] not in scene.ends:
                    raise RuntimeError(f"{name} with PostgreSQL: {ended}")
                statements = ended.value[1]
                state = workbench.call(after, _state).value
            if name in _DISTURBED:
                for _ in range(-(-points // len(_DISTURBED))):
                    at, lost_reply = draw.randint(1, statements), draw.random() < 0.3
                    home = workbench.copied(before, folder / "pg-disturbed")
                    server.copy(database, "disturbed")
                    with server.at("disturbed") as counted:
                        _disturb(row, scene, home, counted(scene.act, at, lost_reply), state)
                    server.drop("disturbed")
                    shutil.rmtree(home)
            before, database = after, kept
    return row


def _disturb(
    row: Row, scene: Scene, home: Path, act: Callable[[], Any], undisturbed: dict[str, Any]
) -> None:
    ended = workbench.call(home, act)
    (code, _, said), _, where = ended.value or ([ended.code, "", "it died"], 0, "")
    row.points += 1
    if code not in scene.ends:
        lines = [line for line in said.splitlines() if line.startswith("torghut: ")]
        if code != 3 or len(lines) != 1 or "Traceback" in said:
            row.note(judge.Difference(broken=[f"exit status {code}: {said[-300:]}"]), where)
    resumed = workbench.call(home, scene.act)
    row.longest_resume_s = max(row.longest_resume_s, resumed.seconds)
    if not resumed.value or resumed.value[0] not in scene.ends:
        row.note(judge.Difference(broken=[f"no resume: {str(resumed.value)[-300:]}"]), where)
        return
    row.note(judge.compare(undisturbed, workbench.call(home, _state).value), where)


def _state() -> dict[str, Any]:
    return judge.state_of(Home.from_environment())


class _Server:
    """A server, its databases, and how to end and start it again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._role = ""

    def new(self, database: str) -> None:
        """Make a database with an empty ledger."""
        self._role = postgres_server.new_ledger(self._folder, database).split("//")[1].split(":")[0]

    def copy(self, database: str, to: str) -> None:
        """Copy a database to which nobody is connected."""
        statement = f"CREATE DATABASE {to} TEMPLATE {database}"
        postgres_server.as_admin(self._folder, "postgres", statement)

    def drop(self, database: str) -> None:
        """Drop a database."""
        statement = f"DROP DATABASE {database} WITH (FORCE)"
        postgres_server.as_admin(self._folder, "postgres", statement)

    def restart(self) -> None:
        """End every process of the server at once, and start it again."""
        folder = postgres_server.binaries()
        data = self._folder / "data"
        command = [*postgres_server.prefix(), str(folder / "pg_ctl"), "-D", str(data), "-w"]
        log = ["-l", str(self._folder / "log"), "-t", "300"]
        subprocess.run(
            [*command, *log, "-m", "immediate", "restart"],
            check=True,
            capture_output=True,
            cwd=self._folder,
            timeout=400,
        )

    @contextmanager
    def at(self, database: str) -> Iterator[Callable[..., Callable[[], Any]]]:
        """Use a database as the ledger; gives what counts statements and restarts at one."""
        url = postgres_server.url_of(self._folder, self._role, database)
        with patch.dict("os.environ", {_URL: url}):
            yield lambda act, at, lost_reply: _Counted(self, act, at, lost_reply)


class _Counted:
    """A call in which statements are counted, and the server is restarted at one of them."""

    def __init__(
        self, server: _Server, act: Callable[[], Any], at: int | None, lost_reply: bool
    ) -> None:
        self._server, self._act, self._at, self._lost_reply = server, act, at, lost_reply
        self._counted = 0
        self._where = ""

    def __call__(self) -> tuple[Any, int, str]:
        import psycopg2
        import psycopg2.extensions

        counted = self

        class Cursor(psycopg2.extensions.cursor):
            def execute(self, query: Any, values: Any = None) -> None:
                counted._counted += 1
                here = counted._counted == counted._at
                if here:
                    counted._where = f"statement {counted._at}: {str(query)[:60]}"
                if here and counted._lost_reply and query == "COMMIT":
                    super().execute(query)
                    counted._where += ", and its answer was lost"
                    counted._server.restart()
                    raise psycopg2.OperationalError("server closed the connection unexpectedly")
                if here:
                    counted._server.restart()
                super().execute(query, values)

        real = psycopg2.connect
        with patch("psycopg2.connect", lambda *a, **k: real(*a, cursor_factory=Cursor, **k)):
            return self._act(), self._counted, self._where
