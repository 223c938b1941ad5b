"""The `torghut audit` group: one file per command, imported when it is called.

The command VERB is the function `VERB` of `audit_VERB.py` beside this file; a new command is
a new file. Every command takes `--json`, exits 3 if evidence is missing, altered or
contradicts itself, and changes nothing unless its help says so.
"""

import importlib
import pkgutil

import click

from torghut_assets import cli

_PREFIX = "audit_"


class _Verbs(click.Group):
    """A group whose commands are the `audit_*` files of this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names in alphabetical order."""
        found = (module.name for module in pkgutil.iter_modules(cli.__path__))
        return sorted(
            name.removeprefix(_PREFIX).replace("_", "-")
            for name in found
            if name.startswith(_PREFIX)
        )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module and return the command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        verb = cmd_name.replace("-", "_")
        command = getattr(importlib.import_module(f"{cli.__name__}.{_PREFIX}{verb}"), verb)
        if not isinstance(command, click.Command):
            raise TypeError(f"{_PREFIX}{verb}.{verb} is not a command")
        return command


@click.group(cls=_Verbs)
def audit() -> None:
    """Reconstruct, verify and compare decisions from signed evidence."""
