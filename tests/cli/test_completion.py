"""Shell completion offers what there is, at the cost of a key press: no Dagster."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from evaluated_examples import PASSING, SNAPSHOT, example

from torghut_assets.cli.candidate import submit
from torghut_assets.cli.completion import command_table
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.main import torghut
from torghut_assets.domain.stages.config import STAGES

PROGRAM = Path(sys.executable).with_name("torghut")
SESSION = "2022-01-03"
SHELLS = ("bash", "zsh", "fish")


@pytest.fixture
def populated(home):
    submit(home, example(PASSING), "example.yaml")
    with instance_of(home) as instance:
        instance.add_dynamic_partitions("snapshot", [SNAPSHOT])
        instance.add_dynamic_partitions("session", [SESSION])
    return home


def offered(*typed: str, **environment: str) -> list[str]:
    """Return what bash is told for the words typed; the last one is being typed."""
    asked = {
        "COMP_WORDS": " ".join(("torghut", *typed)),
        "COMP_CWORD": str(len(typed)),
        "_TORGHUT_COMPLETE": "bash_complete",
    }
    done = subprocess.run(
        [PROGRAM],
        env={**os.environ, **asked, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (("run", ""), [PASSING]),
        (("run", PASSING, "--snapshot", ""), [SNAPSHOT]),
        (("audit", "show", PASSING, "--session", ""), [SESSION]),
        (("session", "run", PASSING, "--until", "2022"), [SESSION]),
        (("stage", "validate", ""), list(STAGES)),
        (("stage", "validate", "live", "--candidate", ""), [PASSING]),
        (("run", PASSING, "--through", "gate_r"), ["gate_report"]),
        (("kill", "--candidate", ""), [PASSING]),
        (("ledger", "ver"), ["verify"]),
        (("run", "nobody"), []),
    ],
)
def test_what_may_come_next_is_offered(populated, typed, expected):
    assert offered(*typed) == expected


def test_every_command_is_offered():
    assert offered("") == sorted(torghut.list_commands(None))


def test_a_home_that_is_not_there_or_broken_offers_nothing(tmp_path):
    assert offered("run", "") == []
    index = tmp_path / "home/dagster/history/runs/index.db"
    index.parent.mkdir(parents=True)
    index.write_bytes(b"not a database, and long enough to be looked at" * 30)
    assert offered("run", "x", "--snapshot", "") == []


def test_completion_imports_neither_dagster_nor_numbers():
    program = (
        "import atexit, sys\n"
        "def said():\n"
        "    print(sorted({'dagster', 'numpy', 'pandas'} & set(sys.modules)))\n"
        "atexit.register(said)\n"
        "from torghut_assets.cli.main import main\n"
        "main()"
    )
    asked = {"COMP_WORDS": "torghut run ", "COMP_CWORD": "2", "_TORGHUT_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("shell", SHELLS)
def test_click_writes_the_script_of_each_shell(shell):
    done = subprocess.run(
        [PROGRAM],
        env={**os.environ, "_TORGHUT_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"_TORGHUT_COMPLETE={shell}_complete" in done.stdout
    if program := shutil.which(shell):
        subprocess.run([program, "-n"], input=done.stdout, text=True, check=True)


def test_bash_completes_for_real(populated):
    script = (
        'eval "$(_TORGHUT_COMPLETE=bash_source torghut)"\n'
        "COMP_WORDS=(torghut run ts); COMP_CWORD=2\n"
        '_torghut_completion torghut && echo "${COMPREPLY[@]}"\n'
    )
    path = f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == PASSING


def test_the_table_names_only_what_can_be_looked_up():
    from torghut_assets.cli.completion import VALUES

    def kinds(described):
        for one in described["params"]:
            yield one.get("values")
        for child in described.get("commands", {}).values():
            yield from kinds(child)

    named = {kind for kind in kinds(json.loads(command_table())) if isinstance(kind, str)}
    assert named == {*VALUES, "path", "folder"}
