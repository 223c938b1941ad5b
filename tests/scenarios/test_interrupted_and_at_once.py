"""Processes that share a home, and processes that die: nothing is ruined, nothing is lost."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import dagster as dg
import pytest
from evaluated_examples import KEY, PASSING, SNAPSHOT, example

from torghut_assets.cli.candidate import submit
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.trials import register_of
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import newest

COMPUTED = ("target_weights", "backtest_metrics", "stress_metrics")
COMMAND = [sys.executable, "-c", "from torghut_assets.cli.main import main; main()"]


def started(*arguments):
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )


def ended(process, timeout=150):
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err


def digests(home):
    with instance_of(home) as instance:
        return {name: newest(instance, dg.AssetKey(name), KEY).digest for name in COMPUTED}


def tickets(home):
    """Count entries of the register without opening it as its own code does."""
    if not home.trial_register_path.is_file():
        return 0
    try:
        with closing(sqlite3.connect(home.trial_register_path, timeout=5)) as connection:
            return connection.execute("SELECT count(*) FROM entries").fetchone()[0]
    except sqlite3.OperationalError:  # the table is not made yet
        return 0


@pytest.fixture
def submitted(home):
    """A home with a candidate and a snapshot, and no evaluation yet."""
    submit(home, example(PASSING), f"{PASSING}.yaml")
    assert ended(started("snapshot", "take", "us-megacaps", "--as-of", "2021-12-31"))[0] == 0
    return home


def test_first_commands_at_once_make_one_usable_home(tmp_path):
    """Unlocked, Dagster's databases get two schema versions, and no command works again."""
    path = tmp_path / "candidate.yaml"
    path.write_bytes(example(PASSING))
    processes = [started("candidate", "add", str(path)) for _ in range(4)]
    answers = [ended(process) for process in processes]
    assert [status for status, _, _ in answers] == [0] * 4, answers
    assert sum("submitted" in out for _, out, _ in answers) == 1
    assert ended(started("snapshot", "list"))[0] == 0


@pytest.mark.slow
def test_two_runs_at_once_agree_and_no_ticket_is_lost(submitted, evaluated_home):
    processes = [started("run", PASSING, "--snapshot", SNAPSHOT) for _ in range(2)]
    answers = [ended(process) for process in processes]
    assert [status for status, _, _ in answers] == [0, 0], answers
    assert digests(submitted) == digests(Home.at(evaluated_home))
    register = register_of(submitted)
    assert register.verify() == ()
    count = register.count(PASSING)
    assert count.abandoned == 0
    assert count.raw == register_of(Home.at(evaluated_home)).count(PASSING).raw


@pytest.mark.slow
@pytest.mark.parametrize(
    ("entries", "how", "status"),
    [
        (1, signal.SIGKILL, -signal.SIGKILL),
        (3, signal.SIGKILL, -signal.SIGKILL),
        (7, signal.SIGKILL, -signal.SIGKILL),
        (3, signal.SIGINT, 130),
    ],
)
def test_a_run_that_dies_is_taken_up_again(entries, how, status, submitted, evaluated_home):
    process = started("run", PASSING, "--snapshot", SNAPSHOT)
    while process.poll() is None and tickets(submitted) < entries:
        time.sleep(0.002)
    process.send_signal(how)
    assert ended(process)[0] == status
    assert tickets(submitted) >= entries
    again = ended(started("run", PASSING, "--snapshot", SNAPSHOT))
    assert again[0] == 0, again
    assert digests(submitted) == digests(Home.at(evaluated_home))
    register = register_of(submitted)
    assert {finding.severity for finding in register.verify()} <= {"notice"}
    assert register.count(PASSING).raw == register_of(Home.at(evaluated_home)).count(PASSING).raw
    assert ended(started("report", PASSING, "--snapshot", SNAPSHOT))[0] == 0
