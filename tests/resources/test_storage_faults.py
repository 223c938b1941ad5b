"""What a disk refused is found wherever in a chain of errors it was said."""

import errno
import sqlite3
import sys

import pytest

from torghut_assets.cli import main
from torghut_assets.cli.driver import decides_nothing
from torghut_assets.domain.errors import StageRefusedError
from torghut_assets.resources.partition_turns import PartitionBusyError
from torghut_assets.resources.storage_faults import StorageRefusedError, storage_fault


def full_database():
    """Return the error of a real database that may not grow."""
    with sqlite3.connect(":memory:") as database:
        database.execute("pragma max_page_count = 2")
        database.execute("create table t (x)")
        with pytest.raises(sqlite3.OperationalError) as found:
            database.execute("insert into t values (zeroblob(40000))")
    return found.value


def wrapped(cause):
    error = RuntimeError("a step failed")
    error.__cause__ = cause
    cause.__context__ = error  # Dagster's chains can be circular
    return error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "full", "/home/x"), "/home/x: No space left"),
        (OSError(errno.EROFS, "no", "/home/x"), "/home/x: Read-only"),
        (full_database(), "database or disk is full"),
        (wrapped(full_database()), "database or disk is full"),
        (wrapped(OSError(errno.ENOSPC, "full", "/home/x")), "/home/x: No space left"),
    ],
)
def test_it_is_found_and_decides_nothing(error, says):
    found = storage_fault(error)
    assert isinstance(found, StorageRefusedError)
    assert says in str(found)
    assert decides_nothing(error)


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), FileNotFoundError(errno.ENOENT, "x"), StageRefusedError("refused")],
)
def test_anything_else_is_left_alone(error):
    assert storage_fault(error) is None
    assert not decides_nothing(error)


def test_a_partition_that_is_busy_decides_nothing():
    assert decides_nothing(PartitionBusyError("evaluation", "process 7"))


def test_a_full_database_of_dagster_ends_in_one_line(monkeypatch, capsys):
    def fail(**_):
        raise wrapped(full_database())

    monkeypatch.setattr(main.torghut, "main", fail)
    monkeypatch.setattr(sys, "argv", ["torghut"])
    with pytest.raises(SystemExit) as end:
        main.main()
    said = capsys.readouterr().err
    assert (end.value.code, len(said.splitlines())) == (4, 1)
    assert "database or disk is full" in said
