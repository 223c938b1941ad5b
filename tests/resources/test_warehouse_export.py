"""The export is the ledger's, every byte verified; what is altered is named and nothing written."""

import shutil
import sqlite3
from contextlib import closing

import pyarrow.parquet as pq
import pytest
from command_line import torghut
from evaluated_examples import KEY
from postgres_server import new_ledger, server

from torghut_assets.assets.keys import ASSETS
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.warehouse.tables import ROW_TYPES, columns_of
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.ledger_place import LEDGER_URL
from torghut_assets.resources.warehouse_export import NothingStatedError, export_evidence

RECORD_TYPES = {name: made.record_type for name, made in ASSETS.items()}


def exported(home, folder):
    return export_evidence(home, RECORD_TYPES, folder)


def digest_of(home, asset, partition):
    entries = Ledger(home).entries()
    said = ((e.statement.predicate.record, e.subjects.get("record")) for e in entries)
    return [d for s, d in said if (s.get("asset"), s.get("partition")) == (asset, partition)][-1]


def alter(path, sequence, old, new):
    """Edit one row of an append-only file, as somebody who can write it does."""
    with closing(sqlite3.connect(path)) as connection, connection:
        guards = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in guards.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        row = connection.execute("SELECT payload FROM entries WHERE sequence = ?", (sequence,))
        (payload,) = row.fetchone()
        assert old in bytes(payload)
        connection.execute(
            "UPDATE entries SET payload = ? WHERE sequence = ?",
            (bytes(payload).replace(old, new, 1), sequence),
        )


def test_the_same_home_gives_the_same_bytes(evaluated, tmp_path):
    one, two = exported(evaluated, tmp_path / "one"), exported(evaluated, tmp_path / "two")
    assert one == two
    assert one.ledger_sequence == len(Ledger(evaluated).entries())
    for name in ROW_TYPES:
        files = [(tmp_path / n / f"{name}.parquet").read_bytes() for n in ("one", "two")]
        assert files[0] == files[1]
        table = pq.read_table(tmp_path / "one" / f"{name}.parquet")
        assert table.schema.remove_metadata() == columns_of(ROW_TYPES[name])
        assert table.num_rows == one.files[name].rows


def test_every_stated_record_is_one_row(evaluated, tmp_path):
    exported(evaluated, tmp_path)
    rows = pq.read_table(tmp_path / "records.parquet").to_pylist()
    stated = {
        (record["asset"], record["partition"], entry.subjects["record"])
        for entry in Ledger(evaluated).entries()
        if "record" in entry.subjects
        and (record := entry.statement.predicate.record)["asset"] in ASSETS
    }
    assert {(r["asset"], r["partition"], r["digest"]) for r in rows} == stated
    assert len(rows) == len(stated) > 20
    assert [r["ledger_sequence"] for r in rows] == sorted(r["ledger_sequence"] for r in rows)


def test_a_record_that_was_made_anew_is_no_longer_current(evaluated, tmp_path):
    from torghut_assets.domain.candidates.records import CandidateSpec
    from torghut_assets.resources.statement_desk import Making, StatementDesk

    candidate = KEY.partition("|")[0]
    old = digest_of(evaluated, "candidate_spec", candidate)
    spec = CandidateSpec.from_canonical_bytes(evaluated.store.get(old), location="spec")
    new = spec.model_copy(update={"title": "Another title"})
    evaluated.store.put(new.canonical_bytes())
    making = Making("candidate_spec", candidate, {}, {}, None)
    StatementDesk(evaluated).state(new, making)
    exported(evaluated, tmp_path)
    rows = pq.read_table(tmp_path / "candidates.parquet").to_pylist()
    current = {r["digest"]: r["is_current"] for r in rows if r["candidate_id"] == candidate}
    assert current == {old: False, new.digest: True}


@pytest.mark.parametrize("asset", ["gate_report", "backtest_metrics"])
@pytest.mark.parametrize("damage", ["altered", "gone"])
def test_a_tampered_record_is_named_and_nothing_is_written(evaluated, tmp_path, asset, damage):
    digest = digest_of(evaluated, asset, KEY)
    path = evaluated.store.path_of(digest)
    if damage == "gone":
        path.unlink()
    else:
        path.chmod(0o644)
        path.write_bytes(path.read_bytes().replace(b'"record"', b'"rekord"', 1))
    folder = tmp_path / "out"
    done = torghut("warehouse", "export", "--out", str(folder), TORGHUT_HOME=str(evaluated.root))
    assert done.returncode == 3
    assert digest in done.stderr
    assert done.stderr.count("\n") == 1
    assert not folder.exists()


@pytest.mark.parametrize("register", ["trials", "receipts"])
def test_a_tampered_register_is_named(evaluated, tmp_path, register):
    if register == "receipts":
        from paper_home import settle_gate

        settle_gate(evaluated)
    path = evaluated.receipts_path if register == "receipts" else evaluated.trial_register_path
    alter(path, 1, b'"recorded_at":"20', b'"recorded_at":"19')
    with pytest.raises(EvidenceError, match=r"(trial|receipts)\S*.* 1: altered"):
        exported(evaluated, tmp_path)


def test_a_tampered_ledger_is_named(evaluated, tmp_path):
    alter(evaluated.ledger_path, 3, b'"recorded_at":"20', b'"recorded_at":"19')
    with pytest.raises(EvidenceError, match="entry 3"):
        exported(evaluated, tmp_path)


def test_a_register_that_lost_what_the_ledger_names_is_refused(evaluated, tmp_path):
    """Somebody who can also make an empty anchor still contradicts the ledger."""
    evaluated.trial_register_path.unlink()
    evaluated.trial_anchor_path.unlink()
    with pytest.raises(EvidenceError, match="register trials entry 1"):
        exported(evaluated, tmp_path)


def test_a_teams_ledger_in_postgresql_is_read_by_the_same_code(home, tmp_path, monkeypatch):
    from importlib.resources import files

    from torghut_assets.domain.backtest.settings import parse_cost_model
    from torghut_assets.resources.statement_desk import Making, StatementDesk

    shipped = files("torghut_assets") / "config/cost_model.yaml"
    record = parse_cost_model(shipped.read_bytes())
    home.store.put(record.canonical_bytes())
    with server() as running:
        monkeypatch.setenv(LEDGER_URL, new_ledger(running, "warehouse"))
        desk = StatementDesk(home)
        entry = desk.state(record, Making("cost_model", None, {}, {}, None))
        desk.ledger.close()
        made = exported(home, tmp_path)
    assert not home.ledger_path.exists()
    assert made.ledger_sequence == entry.sequence
    (row,) = pq.read_table(tmp_path / "records.parquet").to_pylist()
    assert (row["digest"], row["asset"]) == (record.digest, "cost_model")
    assert (row["ledger_sequence"], row["is_current"]) == (entry.sequence, True)


def test_a_home_without_a_ledger_is_told_what_to_do(home, tmp_path):
    with pytest.raises(NothingStatedError, match="torghut demo"):
        exported(home, tmp_path)
    assert not home.ledger_path.exists()


def test_an_event_log_that_is_gone_changes_no_row(evaluated, tmp_path):
    before = exported(evaluated, tmp_path / "before")
    shutil.rmtree(evaluated.dagster_home)
    assert exported(evaluated, tmp_path / "after") == before
