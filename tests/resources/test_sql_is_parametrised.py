"""No statement is put together from what comes from outside: read from the code, and tried."""

import ast
import sqlite3
from pathlib import Path

from hostile_names import HOSTILE_NAMES

import torghut_assets
from torghut_assets.assets import keys
from torghut_assets.assets.partitions import CANDIDATES
from torghut_assets.cli.instance import instance_of
from torghut_assets.resources.audit_index import AuditIndex
from torghut_assets.resources.ledger import Ledger

ROOT = Path(torghut_assets.__file__).parent
FOLDERS = (ROOT, *(ROOT.parent / name for name in ("resources", "sensors")))
RUNNERS = {"execute", "executemany", "executescript", "sql", "read_sql", "read_sql_query"}
PUT_TOGETHER = {
    ("resources/ledger_postgres.py", "f'BEGIN ISOLATION LEVEL {mode}'"),  # two literals
    ("resources/audit_index.py", "sql.format(','.join('?' * len(batch)))"),  # question marks
    ("resources/audit_index.py", "sql"),  # two texts of the method
    ("resources/audit_indexing.py", "f'DROP {form_of} {name}'"),  # of the derived file itself
    ("resources/audit_indexing.py", "f'PRAGMA user_version = {_FORM}'"),  # a constant
    ("resources/audit_indexing.py", "f'SELECT id FROM {table} WHERE {column} = ?'"),  # literals
    (
        "resources/audit_indexing.py",  # literals
        "f'INSERT INTO {table} ({column}) VALUES (?) RETURNING id'",
    ),
    ("resources/indexed_entries.py", "f'SELECT {column} FROM leaves WHERE sequence = ?'"),  # too
    ("resources/warehouse_reader.py", "sql"),  # what a person types, on a file opened read-only
    (
        "resources/warehouse_build.py",  # the home's own path, quotes doubled
        "f\"ATTACH '{name}' AS new (STORAGE_VERSION '{_STORAGE_VERSION}')\"",
    ),
    ("torghut_assets/cli/completion.py", "query"),  # a text of the function
    ("resources/brokers/replay_connections.py", "SCHEMA"),  # a constant of another module
    (
        "resources/brokers/replay.py",  # one of two literals, with question marks
        (
            "f'SELECT request, status, filled, acknowledged_at, reason FROM orders "
            "WHERE {where} ORDER BY symbol, key'"
        ),
    ),
    (
        "resources/brokers/replay.py",
        (
            "f\"UPDATE orders SET status = 'cancelled', reason = 'cancelled on request' "
            "WHERE status = 'submitted' AND {where}\""
        ),
    ),
}
"""Every statement that is not written out, with where its parts come from."""


def put_together(text):
    """Yield the first argument of every call that runs SQL, unless its text is written out."""
    tree = ast.parse(text)
    constants = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id.isupper()
    }
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr not in RUNNERS or not node.args:
            continue
        first = node.args[0]
        plain = isinstance(first, ast.Constant) or (
            isinstance(first, ast.Name) and first.id in constants | {"statement"}
        )
        if not plain:
            yield ast.unparse(first)


def test_every_statement_is_written_out():
    found = set()
    for folder in FOLDERS:
        for path in folder.rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            name = path.relative_to(ROOT.parent).as_posix()
            found |= {(name, statement) for statement in put_together(text)}
    assert found == PUT_TOGETHER


def test_the_scan_sees_what_is_put_together():
    for code in (
        'db.execute(f"SELECT {x}")',
        'db.execute("SELECT " + x)',
        'db.execute("SELECT %s" % x)',
        'db.execute("SELECT {}".format(x))',
        "db.executescript(x)",
        "db.execute(query)",
    ):
        assert list(put_together(code)), code
    assert not list(put_together('db.execute("SELECT ?", (x,))'))


def schema_and_counts(path):
    with sqlite3.connect(path) as db:
        tables = db.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        rows = {
            name: db.execute(f'SELECT count(*) FROM "{name}"').fetchone()
            for name, sql in tables
            if sql and sql.startswith("CREATE TABLE")
        }
    return tables, rows


def test_partition_keys_with_sql_are_values_and_nothing_else(home):
    names = [name for name in HOSTILE_NAMES if name and "\x00" not in name]
    ledger = Ledger(home)
    with instance_of(home) as instance:
        with AuditIndex.opened(home, lambda: instance_of(home), ledger, list(keys.ASSETS)) as index:
            before = schema_and_counts(home.audit_index_path)
            for name in names:
                assert index.made([name]) == []
                assert index.made([name], name) == []
                assert index.made_with([name]) == []
                assert index.statements([name]) == []
                assert index.rows("receipts", name) == []
                assert index.newest_of_kind(name) is None
                assert index.described([name]) == {}
        assert schema_and_counts(home.audit_index_path) == before
        instance.add_dynamic_partitions(str(CANDIDATES.name), names)
        assert set(instance.get_dynamic_partitions(str(CANDIDATES.name))) == set(names)
    ledger.close()
