"""Commands keep connections open; files and tables stay Dagster's own."""

import sqlite3

import dagster as dg
import pytest
import yaml
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage

from torghut_assets.cli.instance import instance_of
from torghut_assets.resources.kept_storage import KeptEventLog, KeptRunStorage, instance_ref


@dg.asset
def one() -> int:
    return 1


@pytest.fixture
def connections(monkeypatch):
    """Count every connection that SQLite opens."""
    opened = []
    real = sqlite3.connect

    def counted(*args, **kwargs):
        opened.append(args)
        return real(*args, **kwargs)

    monkeypatch.setattr(sqlite3.dbapi2, "connect", counted)
    return opened


def test_a_run_is_read_by_dagsters_own_storage(home):
    with instance_of(home) as instance:
        assert isinstance(instance.event_log_storage, KeptEventLog)
        assert isinstance(instance.run_storage, KeptRunStorage)
        result = dg.materialize([one], instance=instance)
        with dg.DagsterInstance.from_config(str(home.dagster_home)) as plain:
            assert type(plain.event_log_storage) is SqliteEventLogStorage
            assert type(plain.run_storage) is SqliteRunStorage
            assert plain.get_run_by_id(result.run_id).is_success
            assert plain.get_latest_materialization_event(dg.AssetKey("one")) is not None
            assert len(plain.all_logs(result.run_id)) == len(instance.all_logs(result.run_id))


def test_a_second_run_opens_no_connection_per_event(home, connections):
    with instance_of(home) as instance:
        dg.materialize([one], instance=instance)
        before = len(connections)
        result = dg.materialize([one], instance=instance)
        events = len(instance.all_logs(result.run_id))
    assert events > 10
    assert len(connections) - before < events / 2


def test_storage_that_the_instance_names_is_left_alone(home):
    file = home.dagster_home / "dagster.yaml"
    settings = yaml.safe_load(file.read_text())
    settings["storage"] = {"sqlite": {"base_dir": str(home.root / "elsewhere")}}
    file.write_text(yaml.safe_dump(settings))
    with dg.DagsterInstance.from_ref(instance_ref(home.dagster_home)) as instance:
        assert not isinstance(instance.event_log_storage, KeptEventLog)
        dg.materialize([one], instance=instance)
    assert (home.root / "elsewhere").is_dir()


def test_closing_closes_every_connection(home):
    with instance_of(home) as instance:
        dg.materialize([one], instance=instance)
        log, runs = instance.event_log_storage, instance.run_storage
    assert log._engines == {}
    assert runs._engine is None
