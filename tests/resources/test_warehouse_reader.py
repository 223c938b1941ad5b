"""Whoever asks the warehouse can read it, and nothing else, whatever they ask."""

import datetime as dt
import json
import math
from decimal import Decimal

import duckdb
import pytest

from torghut_assets.resources.warehouse_reader import (
    QueryRefusedError,
    Warehouse,
    WarehouseMissingError,
    plain,
)

SECRET = "do-not-show-this"


@pytest.fixture
def folder(tmp_path):
    """A warehouse, and beside it what must stay unread and unwritten."""
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("create table facts as select 1 as x, 'one' as y")
    with duckdb.connect(str(tmp_path / "other.duckdb")) as connection:
        connection.execute(f"create table secrets as select '{SECRET}' as s")
        connection.execute("copy secrets to '" + str(tmp_path / "secret.parquet") + "'")
    (tmp_path / "secret.csv").write_text(f"s\n{SECRET}\n")
    (tmp_path / "secret.json").write_text(json.dumps({"s": SECRET}))
    return tmp_path


def state_of(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


HOSTILE = [
    "attach '{f}/other.duckdb' as o",
    "attach '{f}/new.duckdb' as o",
    "attach ':memory:' as o",
    "attach 'ducklake:{f}/new.duckdb' as o",
    "copy facts to '{f}/out.csv'",
    "copy facts to '{f}/out.parquet' (format parquet)",
    "copy (select 1) to '/dev/stdout'",
    "copy facts from '{f}/secret.csv'",
    "export database '{f}/dump'",
    "import database '{f}'",
    "install httpfs",
    "install httpfs from community",
    "force install json from 'http://127.0.0.1:1/'",
    "load httpfs",
    "load '{f}/evil.duckdb_extension'",
    "select * from '{f}/secret.csv'",
    "select * from '{f}/secret.parquet'",
    "from read_csv('{f}/secret.csv')",
    "from read_csv_auto('{f}/*.csv')",
    "from read_json('{f}/secret.json')",
    "from read_parquet('{f}/secret.parquet')",
    "from parquet_metadata('{f}/secret.parquet')",
    "from read_text('{f}/secret.csv')",
    "from read_blob('{f}/secret.csv')",
    "from read_duckdb('{f}/other.duckdb', table_name := 'secrets')",
    "from sniff_csv('{f}/secret.csv')",
    "from glob('{f}/*')",
    "from read_csv('http://127.0.0.1:1/x.csv')",
    "from read_csv('s3://bucket/x.csv')",
    "from read_csv('/dev/stdin')",
    "set enable_external_access = true",
    "set global enable_external_access = true",
    "reset enable_external_access",
    "pragma enable_external_access = true",
    "set lock_configuration = false",
    "set python_enable_replacements = true",
    "set allowed_directories = ['{f}']",
    "set allowed_paths = ['{f}/secret.csv']",
    "set access_mode = 'read_write'",
    "set temp_directory = '{f}'",
    "set home_directory = '{f}'",
    "set log_query_path = '{f}/log'",
    "set profiling_output = '{f}/profile'",
    "pragma enable_profiling = 'json'",
    "call enable_logging(storage := 'file', storage_path := '{f}/logs')",
    "create table evil (x int)",
    "create view evil as select 1",
    "create schema evil",
    "create macro evil() as table select * from read_text('{f}/secret.csv')",
    "create secret evil (type s3, key_id 'a', secret 'b')",
    "create persistent secret evil (type s3, key_id 'a', secret 'b')",
    "insert into facts values (2, 'two')",
    "update facts set x = 2",
    "delete from facts",
    "truncate facts",
    "drop table facts",
    "alter table facts add column z int",
    "comment on table facts is 'evil'",
    "select getenv('HOME')",
    "from folder",
    "from HOSTILE",
    "select 1; copy facts to '{f}/out.csv'",
    "begin; insert into facts values (3, 'three'); commit",
    "from query('copy facts to ''{f}/out.csv''')",
    "from query_table('{f}/secret.csv')",
    "explain analyze copy facts to '{f}/out.csv'",
    "prepare p as copy facts to '{f}/out.csv'; execute p",
]


@pytest.mark.parametrize("statement", HOSTILE)
def test_nothing_else_is_read_and_nothing_is_written(folder, statement):
    before = state_of(folder)
    with (
        Warehouse.opened(folder / "warehouse.duckdb") as warehouse,
        pytest.raises(QueryRefusedError) as refused,
    ):
        warehouse.ask(statement.replace("{f}", str(folder)))
    with Warehouse.opened(folder / "warehouse.duckdb") as warehouse:
        assert warehouse.ask("select * from facts").rows == [(1, "one")]
    assert SECRET not in str(refused.value)
    assert state_of(folder) == before
    assert refused.value.exit_code == 4


def test_every_hostile_file_statement_works_on_a_connection_that_is_not_locked(folder):
    """So that the list above would notice a lock that does not hold."""
    works = 0
    for statement in HOSTILE:
        with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
            try:
                found = connection.execute(statement.replace("{f}", str(folder))).fetchall()
            except (duckdb.Error, UnicodeDecodeError):
                continue
            works += SECRET in str(found) or (folder / "out.csv").exists() or bool(found)
    assert works > 12


def test_what_is_computed_in_memory_is_let(folder):
    before = state_of(folder)
    with Warehouse.opened(folder / "warehouse.duckdb") as warehouse:
        warehouse.ask("create temp table mine as select x + 1 as z from facts")
        assert warehouse.ask("select z from mine").rows == [(2,)]
        assert warehouse.ask("checkpoint").rows in ([], [(True,)])
    assert state_of(folder) == before


def test_an_answer_is_the_last_statements(folder):
    with Warehouse.opened(folder / "warehouse.duckdb") as warehouse:
        answer = warehouse.ask("select 1 as a; select 2 as b")
    assert (answer.columns, answer.rows) == (("b",), [(2,)])


def test_a_missing_file_is_named_with_what_makes_it(tmp_path):
    with (
        pytest.raises(WarehouseMissingError, match="torghut warehouse build") as missing,
        Warehouse.opened(tmp_path / "none.duckdb"),
    ):
        pass
    assert missing.value.exit_code == 3


@pytest.mark.parametrize("content", [b"", b"not a database", b"\0" * 5000])
def test_another_file_is_refused_by_name(tmp_path, content):
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(content)
    with (
        pytest.raises(QueryRefusedError, match=r"warehouse\.duckdb"),
        Warehouse.opened(path) as warehouse,
    ):
        warehouse.ask("select * from facts")
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (math.nan, "nan"),
        (math.inf, "inf"),
        (1.5, 1.5),
        (True, True),
        (None, None),
        (Decimal(3), 3),
        (Decimal("1.5"), 1.5),
        (dt.date(2022, 1, 3), "2022-01-03"),
        (dt.datetime(2022, 1, 3, 4, tzinfo=dt.UTC).replace(tzinfo=None), "2022-01-03T04:00:00Z"),
        ([dt.date(2022, 1, 3), None], ["2022-01-03", None]),
        ({"a": math.nan}, {"a": "nan"}),
        (b"\x00\xff", "00ff"),
    ],
)
def test_values_are_plain_and_honest(value, shown):
    assert plain(value) == shown
    json.dumps(plain(value), allow_nan=False)
