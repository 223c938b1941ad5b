"""The format of a home: new ones say it, others are refused by name, older ones are migrated."""

import datetime as dt
import os
import signal
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from command_line import torghut

from tests.previous_home import unpack
from torghut_assets.cli.instance import instance_of
from torghut_assets.resources.dagster_storage import (
    MigrationRefusedError,
    outdated_storages,
    upgrade_storages,
)
from torghut_assets.resources.home import Home
from torghut_assets.resources.home_format import (
    FORMAT,
    HomeFormatError,
    format_of,
    migrate,
    require_format,
)
from torghut_assets.resources.ledger import Ledger

NOW = dt.datetime(2026, 12, 1, 8, 0, tzinfo=dt.UTC)
OLD_DAGSTER = Path(__file__).parents[1] / "golden" / "dagster_1_8" / "instance.tar.xz"


@pytest.fixture
def old(tmp_path, monkeypatch):
    """A home of code that wrote no format."""
    home, _ = unpack(tmp_path)
    monkeypatch.setenv("TORGHUT_HOME", str(home.root))
    return home


def test_a_new_home_says_its_format(tmp_path):
    home = Home.at(tmp_path / "new")
    assert format_of(home.root) is None
    home.prepare()
    assert format_of(home.root) == FORMAT
    home.prepare()
    assert format_of(home.root) == FORMAT


def test_an_older_home_is_refused_with_the_command_that_helps(old):
    with pytest.raises(HomeFormatError, match=r"format 0.*torghut migrate"):
        old.prepare()
    refused = torghut("ledger", "verify")
    assert refused.returncode == 4
    assert "torghut migrate" in refused.stderr
    from torghut_assets.definitions import defs

    with pytest.raises(HomeFormatError):
        defs()


def test_a_newer_home_is_refused_and_left_alone(home):
    (home.root / "format.json").write_text('{"format": 99, "hint": "from later"}')
    for words in (("ledger", "verify"), ("migrate",), ("candidate", "list")):
        refused = torghut(*words)
        assert refused.returncode == 4
        assert "format 99" in refused.stderr
        assert "Install the release" in refused.stderr
    assert format_of(home.root) == 99
    assert not (home.root / "backups").exists()


@pytest.mark.parametrize(
    "fmt", ['{"format": 0}', '{"format": "1"}', "[]", "", "x" * 5000, '{"format": true}']
)
def test_a_format_that_cannot_be_read_is_refused(home, fmt):
    (home.root / "format.json").write_text(fmt)
    with pytest.raises(HomeFormatError, match=r"format\.json"):
        require_format(home.root)


def test_stopping_needs_no_format(old):
    assert torghut("kill", "status").returncode == 0
    assert torghut("kill", "--all", "--reason", "whatever the format").returncode == 0
    assert torghut("kill", "status").returncode == 1


def test_migrating_copies_first_and_changes_no_evidence(old):
    before = Ledger(old).verify()
    said = []
    assert migrate(old, NOW, said.append)
    assert format_of(old.root) == FORMAT
    after = Ledger(old).verify()
    assert [e.payload for e in after.entries] == [e.payload for e in before.entries]
    backup = old.root / "backups" / "format-0-20261201T080000Z"
    assert backup.is_dir()
    assert (old.root / "backups").stat().st_mode & 0o077 == 0
    copied = Home.at(backup)
    assert Ledger(copied).verify().size == before.size
    assert format_of(backup) is None  # half a home: it has no universes
    assert {p.stat().st_mode & 0o777 for p in (backup / "keys").glob("*.pem")} == {0o600}
    assert not migrate(old, NOW, said.append)
    assert [p.name for p in (old.root / "backups").iterdir()] == [backup.name]


def test_a_ledger_that_does_not_hold_is_not_migrated(old):
    with closing(sqlite3.connect(old.ledger_path)) as database:
        database.execute("DROP TRIGGER entries_update")
        database.execute("UPDATE entries SET payload = x'00' WHERE sequence = 1")
        database.commit()
    refused = torghut("migrate")
    assert refused.returncode == 3
    assert format_of(old.root) == 0
    assert not (old.root / "backups").exists()


def test_a_home_on_which_a_daemon_works_is_not_migrated(old):
    from dagster._daemon.types import DaemonHeartbeat

    with dg.DagsterInstance.from_config(str(old.dagster_home)) as instance:
        instance.add_daemon_heartbeat(DaemonHeartbeat(NOW.timestamp() - 20, "SENSOR", "x"))
    with pytest.raises(MigrationRefusedError, match="sensor"):
        migrate(old, NOW, print)
    assert format_of(old.root) == 0
    assert migrate(old, NOW + dt.timedelta(minutes=5), lambda _: None)


def test_only_one_migration_works_on_a_home(old):
    import fcntl

    with (old.root / "migrating.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = torghut("migrate")
    assert refused.returncode == 1
    assert "another" in refused.stderr


CHILD = """
import os, signal, sys
from torghut_assets.resources import home_format, dagster_storage
from torghut_assets.resources.clock import utc_now
from torghut_assets.resources.home import Home
owner, name, when = {
    "copying": (home_format, "_flush", "before"),
    "copied": (home_format, "_back_up", "after"),
    "upgraded": (dagster_storage, "upgrade_storages", "after"),
    "before the number": (home_format, "_write_format", "before"),
}[sys.argv[1]]
original = getattr(owner, name)
def dying(*arguments, **named):
    if when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    original(*arguments, **named)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(owner, name, dying)
home_format.migrate(Home.from_environment(), utc_now(), print)
"""


@pytest.mark.parametrize("point", ["copying", "copied", "upgraded", "before the number"])
def test_a_killed_migration_goes_on_when_it_is_run_again(old, point):
    before = Ledger(old).verify().size
    child = subprocess.run(
        [sys.executable, "-c", CHILD, point],
        env={**os.environ, "TORGHUT_HOME": str(old.root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert format_of(old.root) == 0
    done = torghut("migrate")
    assert done.returncode == 0, done.stderr
    assert format_of(old.root) == FORMAT
    assert Ledger(old).verify().size == before
    backups = sorted(p.name for p in (old.root / "backups").iterdir())
    assert backups
    assert ".partial" not in backups


def test_the_databases_of_an_older_dagster_are_brought_up_to_date(home, tmp_path):
    with tarfile.open(OLD_DAGSTER) as archive:
        archive.extractall(tmp_path, filter="data")
    (home.dagster_home / "dagster.yaml").unlink()
    home.dagster_home.rmdir()
    (tmp_path / "olddagster").rename(home.dagster_home)
    assert {each.storage for each in outdated_storages(home.dagster_home)} == {
        "runs",
        "events",
        "schedules",
    }
    assert "schema" in torghut("doctor").stdout
    done = torghut("migrate")
    assert done.returncode == 0, done.stderr
    assert "284a732df317 becomes" in done.stdout
    assert outdated_storages(home.dagster_home) == []
    upgrade_storages(home.dagster_home, print)
    with instance_of(home) as instance:
        assert instance.get_dynamic_partitions("candidate") == ["tsmom-megacaps-v1"]
        found = instance.fetch_materializations(dg.AssetKey("strategy_build"), limit=2).records
        assert [r.asset_materialization.tags["dagster/data_version"] for r in found] == ["cd" * 32]


def test_a_database_that_cannot_be_copied_here_must_have_been_copied(old, monkeypatch):
    from torghut_assets.resources import dagster_storage

    monkeypatch.setattr(dagster_storage, "uses_database", lambda _: True)
    refused = torghut("migrate")
    assert refused.returncode == 1
    assert "--database-backed-up" in refused.stderr
    assert torghut("migrate", "--database-backed-up").returncode == 0
