"""A register is read once: what is new is read, what was changed meanwhile is noticed."""

import sqlite3
from contextlib import closing

import pytest

from torghut_assets.cli.trials import register_of
from torghut_assets.domain.backtest.register_checks import TrialRegisterBrokenError
from torghut_assets.resources.register_file import RegisterFile


@pytest.fixture
def register(evaluated):
    """The trial register of a home with two evaluations, copied and answered for."""
    return register_of(evaluated)


@pytest.fixture
def reads(monkeypatch):
    """How many rows each reading of a register got."""
    found = []
    original = RegisterFile.rows_after

    def counted(self, sequence):
        rows = original(self, sequence)
        found.append(len(rows))
        return rows

    monkeypatch.setattr(RegisterFile, "rows_after", counted)
    return found


def edit(register, *statements):
    """Change the file behind the register's back."""
    with closing(sqlite3.connect(register._file.path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


WITHOUT_GUARDS = ("DROP TRIGGER entries_freeze", "DROP TRIGGER entries_keep")


def test_the_second_reading_reads_one_row(register, reads):
    first = register.entries()
    assert register.entries() == first
    assert reads == [len(first), 1]


def test_what_another_process_appended_is_read(register, evaluated, reads):
    first = register.entries()
    other = register_of(evaluated)
    other.open_ticket(first[0].trial)
    del reads[:]
    assert len(register.entries()) > len(first)
    assert reads[0] < len(first)


def test_an_edited_last_row_is_noticed(register):
    last = register.entries()[-1].sequence
    edit(
        register,
        *WITHOUT_GUARDS,
        f"UPDATE entries SET payload = cast(replace(payload, 'finished', 'abandoned') as blob) "
        f"WHERE sequence = {last}",
    )
    with pytest.raises(TrialRegisterBrokenError):
        register.entries()


def test_rows_that_were_cut_off_are_noticed(register):
    last = register.entries()[-1].sequence
    edit(register, *WITHOUT_GUARDS, f"DELETE FROM entries WHERE sequence >= {last - 1}")
    with pytest.raises(TrialRegisterBrokenError):
        register.entries()


def test_a_new_reader_begins_at_the_first_row(register, evaluated):
    register.entries()
    edit(
        register,
        *WITHOUT_GUARDS,
        "UPDATE entries SET payload = cast(replace(payload, 'target', 'tarGet') as blob) "
        "WHERE sequence = 1",
    )
    with pytest.raises(TrialRegisterBrokenError):
        register_of(evaluated).entries()
