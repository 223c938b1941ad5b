"""Faults in the default suite, a few of each; `make faults` and the heavy tests do them all."""

import subprocess
import sys

import pytest

from . import TESTS, boundary, damage
from .kills import kind_of
from .table import Row, rendered

SEED = 20261130


def faults(*words):
    """Run the one command, and return its status, table and remarks."""
    if boundary.compiler() is None:
        pytest.skip("there is no C compiler (cc) here")
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", "--seed", str(SEED), *words],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_a_candidate_that_comes_in_survives_kills_and_a_full_disk():
    kinds = ("kill -9", "kill -9 in a write", "kill -9 of the group", "disk full")
    words = [word for kind in (*kinds, "intake") for word in ("--only", kind)]
    status, table, remarks = faults("--points", "3", *words)
    assert status == 0, remarks + table
    for kind in kinds:
        assert f"| {kind}: intake | 3 | 0 | 0 | 0 |" in table


@pytest.mark.heavy
def test_what_is_damaged_is_refused_by_name(evaluated):
    """Every kind of evidence of an evaluated candidate, ten times each."""
    found = [(kind.name, *damage.damage(kind, 10, SEED)) for kind in damage.kinds(evaluated)]
    assert [(name, unseen) for name, _, unseen in found if unseen] == []
    assert sum(done for _, done, _ in found) >= 100
    assert {"ledger", "trial register", "artifact gate-report", "private key"} <= {
        name for name, _, _ in found
    }


@pytest.mark.heavy
def test_nothing_is_lost_doubled_or_unseen_whatever_fails():
    status, table, remarks = faults()
    assert status == 0, remarks + table


def test_a_call_is_known_without_what_differs_from_run_to_run():
    one = "pwrite /dagster/history/runs/14c37130-d155-42bd-874f-102434794b9a.db-wal"
    other = "pwrite /dagster/history/runs/9fc37130-a155-42bd-874f-1024347948aa.db-wal"
    assert kind_of(one) == kind_of(other)
    assert kind_of("write /store/.writing-abcd_123") == kind_of("write /store/.writing-zzzz0zz1")
    assert kind_of("write /ledger/trials.sqlite") != kind_of("write /ledger/orders.sqlite")


def test_the_table_says_what_failed():
    row = Row("a fault", "a stage", 1, points=2, lost=1)
    assert not row.is_clean
    assert rendered([row]).splitlines()[-1].startswith("| all | 2 | 1 | 0 | 0 |")
