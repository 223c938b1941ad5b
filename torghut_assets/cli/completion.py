"""Shell completion: what may come next, without importing what a command needs to run.

The words come from `cli/commands.json`, which `make docs` writes from the commands themselves; the
protocol of each shell is click's own. Candidates, snapshots and sessions are those of the home,
read as files: Dagster is never imported, because a key press must not wait for it. A home that
cannot be read completes nothing; it is the command's part to say why.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from importlib.resources import files
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from torghut_assets.resources.home import Home

_BUSY_SECONDS: Final = 0.2
_PATHS: Final = {"path": "file", "folder": "dir"}


def complete() -> None:
    """Answer the shell script that asks, and end the process."""
    shadow("torghut", json.loads(command_table())).main(prog_name="torghut")


def command_table() -> str:
    """Return the table of commands as `make docs` wrote it."""
    return files("torghut_assets.cli").joinpath("commands.json").read_text(encoding="utf-8")


def shadow(name: str, described: dict[str, Any]) -> click.Command:
    """Return a command with the words of a real one, which can only be completed."""
    params = [_parameter(one) for one in described["params"]]
    shown: dict[str, Any] = {"help": described["help"], "params": params}
    if "commands" not in described:
        return click.Command(name, **shown)
    children = {child: shadow(child, told) for child, told in described["commands"].items()}
    return click.Group(name, children, **shown)


def _parameter(told: dict[str, Any]) -> click.Parameter:
    names = told["names"]
    shared: dict[str, Any] = {
        "shell_complete": _completer(told.get("values")),
        "nargs": told.get("nargs", 1),
    }
    if not names[0].startswith("-"):
        return click.Argument(names, required=False, **shared)
    shared |= {"help": told.get("help"), "multiple": told.get("multiple", False)}
    if told.get("flag"):
        return click.Option(names, is_flag=True, help=told.get("help"))
    return click.Option(names, **shared)


def _completer(
    kind: str | list[str] | None,
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    def found(_ctx: click.Context, _param: click.Parameter, typed: str) -> list[CompletionItem]:
        if isinstance(kind, str) and kind in _PATHS:
            return [CompletionItem(typed, type=_PATHS[kind])]
        words = kind if isinstance(kind, list) else VALUES[kind]() if kind else ()
        return [CompletionItem(word) for word in words if word.startswith(typed)]

    return found


def _candidates() -> Iterable[str]:
    return sorted(path.stem for path in Home.from_environment().candidates_folder.glob("*.yaml"))


def _partitions(dimension: str) -> Iterable[str]:
    """Return the keys that Dagster's SQLite index holds; nothing of a home on PostgreSQL."""
    index = Home.from_environment().dagster_home / "history/runs/index.db"
    query = "SELECT partition FROM dynamic_partitions WHERE partitions_def_name = ? ORDER BY 1"
    try:
        address = f"{index.as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS)) as connection:
            return [key for (key,) in connection.execute(query, (dimension,))]
    except sqlite3.Error:  # no index yet, or one of PostgreSQL: there is nothing to offer
        return ()


VALUES: Final[dict[str, Callable[[], Iterable[str]]]] = {
    "candidates": _candidates,
    "snapshots": lambda: _partitions("snapshot"),
    "sessions": lambda: _partitions("session"),
}
"""What is looked up when a key is pressed. Stages and assets are words of the table."""
