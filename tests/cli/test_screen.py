"""On a terminal lines fit and a bar shows the time left; in a pipe there is the answer, whole."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

from torghut_assets.cli.screen import counted, folded

DIGEST = "f68d4e52f5dcc84763deefc0d0db5d97defd0c9deae1ea68b29181b468d0de44"
PROBE = """
import sys
import click
from torghut_assets.cli import main, screen

@click.command()
@click.argument("what")
def probe(what):
    click.secho("coloured", fg="red")
    screen.say("one field  " + "another field  " * 8 + "the end")
    with screen.bar("work", 4) as bar:
        for step in range(4):
            bar.doing(f"step {step}")
            bar.advance()
            bar.say(f"result {step}")
        if what == "stop":
            raise KeyboardInterrupt

main.torghut.get_command = lambda ctx, name: probe
sys.argv = ["torghut", "probe", what := sys.argv[1]]
main.main()
"""


def in_terminal(*words: str, columns: int = 80, **environment: str) -> tuple[int, str]:
    """Run the probe with a terminal as input, output and error; return status and what it shows."""
    child, terminal = pty.fork()
    if child == 0:
        inherited = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "COLUMNS"}}
        os.execve(
            sys.executable,
            [sys.executable, "-c", PROBE, *words],
            {**inherited, "TERM": "xterm-256color", "COLUMNS": str(columns), **environment},
        )
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    shown = b""
    try:
        while piece := os.read(terminal, 65_536):
            shown += piece
    except OSError:  # the other end was closed: Linux says so with an error
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()


def in_pipe(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the probe with pipes as output and error."""
    return subprocess.run(
        [sys.executable, "-c", PROBE, *words],
        env={**os.environ, "COLUMNS": "40", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_in_a_pipe_nothing_is_folded_coloured_or_in_the_way():
    done = in_pipe("go")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "coloured",
        "one field  " + "another field  " * 8 + "the end",
        *(f"result {step}" for step in range(4)),
    ]


def test_a_terminal_gets_lines_that_fit_a_bar_and_the_time_left():
    status, shown = in_terminal("go")
    assert status == 0
    assert "\x1b[31mcoloured" in shown
    assert "0:00 left" in shown
    assert "step 2" in shown
    lines = shown.replace("\r", "").split("\n")
    field = next(line for line in lines if line.startswith("one field"))
    assert len(field) <= 80
    assert field.endswith("another field")


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colour_is_off_where_it_is_not_wanted(environment):
    _, shown = in_terminal("go", **environment)
    assert "\x1b[3" not in shown
    assert "coloured" in shown


def test_a_dumb_terminal_gets_no_bar():
    _, shown = in_terminal("go", TERM="dumb")
    assert "\x1b" not in shown
    assert " left" not in shown
    assert "result 3" in shown


def test_ctrl_c_ends_with_130_and_says_how_to_go_on():
    done = in_pipe("stop")
    assert done.returncode == 130
    assert done.stderr.strip() == (
        "torghut: interrupted. What was made is kept; go on with: torghut probe stop"
    )
    status, shown = in_terminal("stop")
    assert status == 130
    assert "go on with: torghut probe stop" in shown
    assert shown.rstrip().endswith("torghut probe stop"), "the bar is gone before the message"


def test_a_line_is_folded_between_its_fields():
    line = f"us-megacaps@2021-12-31  13602 rows  2013-01-02 to 2021-12-31  {DIGEST}"
    assert folded(line, 80, 4) == [
        "us-megacaps@2021-12-31  13602 rows  2013-01-02 to 2021-12-31",
        f"    {DIGEST}",
    ]


def test_a_field_that_does_not_fit_is_folded_at_its_words_and_a_digest_never():
    assert folded("  " + "word " * 12, 20, 2) == ["  word word word", *["    word word word"] * 3]
    assert folded(f"name {DIGEST}", 40, 4) == ["name", f"    {DIGEST}"]


@pytest.mark.parametrize(("number", "text"), [(0, "0 orders"), (1, "1 order"), (2, "2 orders")])
def test_one_is_no_plural(number, text):
    assert counted(number, "order") == text
