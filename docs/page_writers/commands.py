"""The page of commands: what `--help` prints, 80 columns wide."""

from collections.abc import Iterator
from typing import Final

import click

from page_writers.markdown import NOTICE
from torghut_assets.cli.main import torghut

_COLUMNS: Final = 80


def commands(
    command: click.Command = torghut, parent: click.Context | None = None
) -> Iterator[click.Context]:
    """Yield a context for a command and for everything below it, in order of names."""
    context = click.Context(
        command,
        parent=parent,
        info_name=command.name,
        terminal_width=_COLUMNS,
        max_content_width=_COLUMNS,
    )
    yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if (child := command.get_command(context, name)) is not None:
                yield from commands(child, context)


def cli_page() -> str:
    """Return the help of every command."""
    parts = [
        NOTICE,
        "# Commands\n",
        (
            "What `--help` prints, for every command. State is kept in\n"
            "`TORGHUT_HOME`; see [settings](settings.md).\n"
        ),
    ]
    for context in commands():
        parts.append(f"## {context.command_path}\n")
        help_lines = (line.rstrip() for line in context.get_help().splitlines())
        parts.append("```text\n" + "\n".join(help_lines) + "\n```\n")
    return "\n".join(parts)
