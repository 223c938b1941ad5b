"""What a person sees: lines that fit the terminal, a bar while work is long, and when it ends.

In a pipe or a file a line is never wrapped, cut or coloured, and there is no bar. The bar goes
to standard error, so that standard output holds nothing but the answer.
"""

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress

_LEAST_COLUMNS = 40
_KEPT = "\N{NO-BREAK SPACE}"


def plain() -> bool:
    """Whether the user or the terminal asks for no colour."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") in {"dumb", "unknown"}


def say(text: str, *, hanging: int = 4, dim: bool = False) -> None:
    """Print one fact: folded to the width of a terminal, in one line everywhere else.

    A word that is wider than the terminal, such as a digest, stays in one piece.
    """
    pieces = [text]
    if sys.stdout.isatty():
        columns = max(shutil.get_terminal_size().columns, _LEAST_COLUMNS)
        if len(text) > columns:
            pieces = folded(text, columns, hanging)
    for piece in pieces:
        click.echo(click.style(piece, dim=True) if dim else piece)


def folded(text: str, columns: int, hanging: int) -> list[str]:
    """Return a line as several: broken between its fields, which two spaces part, if they fit."""
    inset = " " * (len(text) - len(text.lstrip()) + hanging)
    widest = columns - len(inset)
    fields = [
        field.replace(" ", _KEPT) if len(field) <= widest and not field.isspace() else field
        for field in re.split("( {2,})", text.rstrip())
    ]
    lines = textwrap.wrap(
        "".join(fields),
        columns,
        subsequent_indent=inset,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_KEPT, " ") for line in lines]


def counted(number: int, noun: str) -> str:
    """Return `1 order` or `2 orders`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class Bar:
    """A bar on a terminal, with an estimate of the time left; nothing anywhere else."""

    def __init__(self, progress: "Progress | None", title: str, total: int | None) -> None:
        self._progress = progress
        if progress is not None:
            self._task = progress.add_task(title[:24], total=total, doing="", left="")
            self._total, self._done = total, 0

    @property
    def is_shown(self) -> bool:
        """Whether anybody sees it."""
        return self._progress is not None

    def doing(self, what: str) -> None:
        """Say what is being worked on."""
        if self._progress is not None:
            self._progress.update(self._task, doing=what)

    def advance(self, steps: int = 1) -> None:
        """One more is done."""
        if self._progress is not None:
            self._done += steps
            self._move(self._done, self._total)

    def within(self, done: int, total: int) -> None:
        """So much of the step at hand is done; for `work_progress.heard_by`."""
        if self._progress is None or total <= 0:
            return
        if self._total is None:
            self._move(done, total)
        else:
            self._move(self._done + min(done / total, 1.0), self._total)

    def _move(self, done: float, total: float | None) -> None:
        if self._progress is None:
            return
        elapsed = self._progress.tasks[self._task].elapsed or 0.0
        left = ""
        if total and done:
            seconds = round(elapsed * max(total - done, 0.0) / done)
            left = f"{seconds // 60}:{seconds % 60:02d} left"
        self._progress.update(self._task, completed=done, total=total, left=left)

    def say(self, text: str) -> None:
        """Print a line of the answer, the bar out of its way."""
        if self._progress is None:
            say(text)
            return
        self._progress.stop()
        say(text)
        self._progress.start()


@contextmanager
def bar(title: str, total: int | None = None) -> Iterator[Bar]:
    """Show a bar while the block runs; without a total until the work reports one."""
    if not sys.stderr.isatty() or os.environ.get("TERM") in {"dumb", "unknown"}:
        yield Bar(None, title, total)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.table import Column

    from torghut_assets.resources.work_progress import heard_by

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=10),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn(
            "{task.fields[doing]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)
        ),
    )
    console = Console(stderr=True, no_color=plain() or None)
    with Progress(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as progress:
        shown = Bar(progress, title, total)
        with heard_by(shown.within):
            yield shown
