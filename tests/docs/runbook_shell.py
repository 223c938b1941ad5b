"""A shell for runbooks and guides: each command in a process of its own, as an operator types it.

A `torghut` command is forked from a server that has the program imported already, also when its
output goes into a pipe, a file or a variable. Everything else is given to bash.
"""

import multiprocessing
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

_PRELOADED = (
    "torghut_assets.cli.main",
    "torghut_assets.cli.run",
    "torghut_assets.cli.report",
    "torghut_assets.cli.dag",
    "torghut_assets.cli.stage",
)
_TORGHUT = re.compile(r"(?:(?<=^)|(?<=\$\())torghut ((?:[^|<>;&`()$*]|\$[A-Z_]+)+)(?=[|>)]|$)")
"""The program with plain arguments and variables, alone, before a pipe or in `$(…)`."""
_SECONDS = 150


class Step(NamedTuple):
    """One command of a page, how it must end, and the lines that must be in its output."""

    command: str
    status: int
    output: tuple[str, ...]
    is_shown: bool


def steps_of(page: str) -> list[Step]:
    """Return the commands of a page in order: of its console blocks and of its preparations.

    A preparation is a comment, `<!-- prepare` to `-->`, in the same form: it brings about the
    situation that the page is for.
    """
    pattern = r"^```console\n(.*?)^```$|^<!-- prepare\n(.*?)^-->$"
    steps: list[Step] = []
    for block in re.finditer(pattern, page, re.MULTILINE | re.DOTALL):
        shown, prepared = block.groups()
        for part in re.split(r"^\$ ", shown or prepared, flags=re.MULTILINE)[1:]:
            lines = part.replace("\\\n", " ").splitlines()
            marked = re.fullmatch(r"(.*?)(?:\s+# exit (\d+))?", lines[0].strip())
            output = tuple(line.rstrip() for line in lines[1:] if line.strip())
            steps.append(Step(marked[1], int(marked[2] or 0), output, shown is not None))
    return steps


def first_missing(expected: tuple[str, ...], output: str) -> str | None:
    """Return the first expected line that is not there in order; `…` stands for anything."""
    lines = iter([line.rstrip() for line in output.splitlines()])
    for line in expected:
        pattern = ".*".join(re.escape(part) for part in line.split("…"))
        if line.strip() != "…" and not any(re.fullmatch(pattern, found) for found in lines):
            return line
    return None


def execute(page: Path, shell: "Shell") -> None:
    """Run every command of a page; each must end as it says and print what it shows."""
    for number, step in enumerate(steps_of(page.read_text()), start=1):
        status, output = shell.run(step.command)
        where = f"{page.name}, command {number}: $ {step.command}\n{output}"
        assert status == step.status, f"ended with {status}, not {step.status}: {where}"
        missing = first_missing(step.output, output)
        assert missing is None, f"does not print\n  {missing}\nin {where}"


class Shell:
    """Remembers variables and the working directory from one command to the next."""

    def __init__(
        self, folder: Path, environment: dict[str, str], *, seconds: float = _SECONDS
    ) -> None:
        self._folder = folder
        self._seconds = seconds
        self._cwd = str(folder)
        self._printed = folder / ".printed"
        self._errors = folder / ".errors"
        self._state = folder / ".state"
        programs = folder / ".programs"
        programs.mkdir()
        program = programs / "torghut"
        program.write_text(
            f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m torghut_assets.cli.main "$@"\n'
        )
        program.chmod(0o755)
        path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._environment = {**os.environ, **environment, "PATH": path, "NO_COLOR": "1"}
        self._server = multiprocessing.get_context("forkserver")
        self._server.set_forkserver_preload(list(_PRELOADED))

    def run(self, command: str) -> tuple[int, str]:
        """Run a command; return its status and all that it printed."""
        found = _TORGHUT.search(command)
        if found is None:
            return self._bash(command)
        alone = found[0] == command
        errors = self._printed if alone else self._errors
        self._printed.write_bytes(b"")
        self._errors.write_bytes(b"")
        status = self._fork(shlex.split(self._with_variables(found[0])), errors)
        if alone:
            return status, self._printed.read_text(encoding="utf-8", errors="replace")
        again = f"{{ cat {shlex.quote(str(self._printed))}; (exit {status}); }} "
        status, output = self._bash(command[: found.start()] + again + command[found.end() :])
        return status, output + self._errors.read_text(encoding="utf-8", errors="replace")

    def _with_variables(self, text: str) -> str:
        return re.sub(r"\$([A-Z_]+)", lambda name: self._environment.get(name[1], ""), text)

    def _fork(self, arguments: list[str], errors: Path) -> int:
        process = self._server.Process(
            target=_torghut,
            args=(arguments, self._environment, self._cwd, str(self._printed), str(errors)),
        )
        process.start()
        process.join(self._seconds)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(shlex.join(arguments))
        return process.exitcode

    def _bash(self, command: str) -> tuple[int, str]:
        script = f'{command}\nstatus=$?\nenv -0 > "$RUNBOOK_STATE"\nexit $status'
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self._cwd,
            env={**self._environment, "RUNBOOK_STATE": str(self._state)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=self._seconds,
            check=False,
        )
        self._remember()
        return done.returncode, done.stdout.decode("utf-8", errors="replace")

    def _remember(self) -> None:
        pairs = (entry.partition("=") for entry in self._state.read_text().split("\0") if entry)
        self._environment = {name: value for name, _, value in pairs}
        self._cwd = self._environment["PWD"]


def _torghut(
    arguments: list[str], environment: dict[str, str], cwd: str, printed: str, errors: str
) -> None:
    """Be the `torghut` command, in a process that was forked for it."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(printed, os.O_WRONLY | os.O_APPEND), 1)
    os.dup2(os.open(errors, os.O_WRONLY | os.O_APPEND), 2)
    sys.stdin = os.fdopen(0, "r", closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False, buffering=1)
    sys.stderr = os.fdopen(2, "w", closefd=False, buffering=1)
    sys.argv = arguments
    from torghut_assets.cli.main import main

    main()
