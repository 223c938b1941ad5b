"""The table of commands that shell completion reads, from the commands themselves."""

import json
from typing import Any, Final

import click

from torghut_assets.assets.keys import ASSETS
from torghut_assets.cli.main import torghut
from torghut_assets.domain.stages.config import STAGES

_WORDS: Final[dict[str, str | list[str]]] = {
    "candidate": "candidates",
    "candidate_id": "candidates",
    "--candidate": "candidates",
    "snapshot_id": "snapshots",
    "--snapshot": "snapshots",
    "--session": "sessions",
    "--until": "sessions",
    "--from": "sessions",
    "--to": "sessions",
    "stage_name": list(STAGES),
    "--stage": list(STAGES),
    "--through": list(ASSETS),
}
"""By an argument's or option's name: what is looked up for it, or the words that it may be."""


def completion_table() -> str:
    """Return the tree of commands as JSON: names, first lines of help, what a value may be."""
    return json.dumps(_described(torghut), indent=1, ensure_ascii=False) + "\n"


def _described(command: click.Command) -> dict[str, Any]:
    context = click.Context(command)
    told: dict[str, Any] = {
        "help": command.get_short_help_str(limit=200),
        "params": [_parameter(one) for one in command.params],
    }
    if isinstance(command, click.Group):
        children = {n: command.get_command(context, n) for n in command.list_commands(context)}
        told["commands"] = {n: _described(child) for n, child in children.items() if child}
    return told


def _parameter(param: click.Parameter) -> dict[str, Any]:
    """Return what completion must know of a parameter; what is as usual is left out."""
    is_option = isinstance(param, click.Option)
    told = {
        "names": [*param.opts, *param.secondary_opts],
        "help": param.help if is_option else None,
        "flag": is_option and (param.is_flag or param.count),
        "multiple": param.multiple,
        "nargs": param.nargs if param.nargs != 1 else None,
        "values": _values(param),
    }
    return {name: value for name, value in told.items() if value}


def _values(param: click.Parameter) -> str | list[str] | None:
    if isinstance(param.type, click.Choice):
        return [str(choice) for choice in param.type.choices]
    if isinstance(param.type, click.Path):
        return "path" if param.type.file_okay else "folder"
    named = [_WORDS[name] for name in (*param.opts, str(param.name)) if name in _WORDS]
    return named[0] if named else None
