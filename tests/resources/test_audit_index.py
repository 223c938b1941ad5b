"""The audit index cannot lie: an edited one is not asked, what was edited below it is named."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from click.testing import CliRunner
from evaluated_examples import KEY, PASSING

from torghut_assets.cli.main import torghut
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.evidence.faults import EvidenceRefusedError

LOADED = """
import sys
from click.testing import CliRunner
from torghut_assets.cli.main import torghut
done = CliRunner().invoke(torghut, ["audit", *sys.argv[1:]], catch_exceptions=False)
assert done.exit_code == 0, done.output
print("dagster" in sys.modules)
"""


def document(*words):
    done = CliRunner().invoke(torghut, ["audit", *words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def edited(path, *statements):
    with closing(sqlite3.connect(path)) as database, database:
        for (name,) in database.execute(
            "select name from sqlite_master where type = 'trigger'"
        ).fetchall():
            database.execute(f"drop trigger {name}")
        for statement in statements:
            assert database.execute(statement).rowcount > 0, statement


@pytest.fixture
def asked(evaluated):
    """A home whose index was made, and the digest of a snapshot's manifest."""
    shown = document("show", PASSING)
    manifest = next(r["digest"] for r in shown["records"] if r["asset"] == "dataset_snapshot")
    return evaluated, manifest


@pytest.mark.parametrize(
    "lie",
    [
        "delete from edges where by = (select max(by) from edges)",
        "update nodes set kind = 'nothing-of-interest' where kind = 'gate-report'",
        "delete from made where asset = 'gate_report'",
        "update made set digest = '" + "a" * 64 + "' where asset = 'gate_report'",
        "delete from rows where register = 'trials' and sequence = 1",
        "update leaves set leaf = zeroblob(32) where sequence = 3",
        "delete from statements where kind = 'gate-report'",
        "update progress set value = value || '0' where name = 'events'",
    ],
)
def test_an_edited_index_is_not_asked(asked, lie):
    home, manifest = asked
    before = document("impact", manifest), document("show", PASSING)
    edited(home.audit_index_path, lie)
    assert (document("impact", manifest), document("show", PASSING)) == before


def test_an_index_that_is_garbage_or_of_another_home_is_made_anew(asked):
    home, manifest = asked
    before = document("impact", manifest)
    home.audit_index_path.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    assert document("impact", manifest) == before
    seal = home.audit_index_path.with_name("audit.sqlite.seal")
    key, signature = seal.read_text().split()
    forged = f"{key} {signature[:-1]}{'0' if signature[-1] != '0' else '1'}\n"
    seal.write_text(forged)
    assert document("impact", manifest) == before
    assert seal.read_text() != forged, "it was made and sealed anew"


def test_without_a_runner_key_there_is_no_seal_and_the_answer_is_the_same(asked):
    home, manifest = asked
    before = document("impact", manifest)
    for path in home.keys_folder.glob("runner-*.pem"):
        path.unlink()
    assert document("impact", manifest) == before


def test_a_register_entry_that_was_edited_is_named_when_it_is_shown(asked):
    home, _ = asked
    edited(
        home.trial_register_path,
        "update entries set payload = cast(replace(payload, 'finished', 'abandoned') as blob) "
        "where sequence = 2",
    )
    with pytest.raises(EvidenceError, match="entry 2"):
        document("show", PASSING)


def test_a_ledger_entry_that_was_edited_is_named_when_it_is_looked_at(asked):
    home, _ = asked
    edited(
        home.ledger_path,
        "update entries set payload = cast(replace(payload, '2', '3') as blob) where sequence = 1",
    )
    with pytest.raises(EvidenceRefusedError, match="entry 1"):
        document("show", PASSING)


def test_a_ledger_that_was_cut_is_another_history(asked):
    home, manifest = asked
    edited(
        home.ledger_path,
        "delete from heads where tree_size = (select max(sequence) from entries)",
        "delete from entries where sequence = (select max(sequence) from entries)",
    )
    with pytest.raises(EvidenceError, match="another history"):
        document("impact", manifest)


def test_an_event_log_that_was_put_back_is_another_history(asked):
    home, manifest = asked
    edited(
        home.dagster_home / "history/runs/index.db",
        "delete from event_logs where id > (select max(id) - 5 from event_logs)",
    )
    with pytest.raises(EvidenceError, match="another history"):
        document("impact", manifest)
    assert document("impact", manifest, "--rebuild")["resting_on_it"]


def test_dagster_is_loaded_only_when_its_log_has_grown(asked):
    home, manifest = asked

    def loads(*words):
        done = subprocess.run(
            [sys.executable, "-c", LOADED, *words],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip() == "True"

    assert not loads("impact", manifest)
    assert not loads("diff", KEY, KEY)
    edited(
        home.dagster_home / "history/runs/index.db",
        "insert into event_logs (run_id, event, dagster_event_type) "
        "select run_id, event, 'STEP_OUTPUT' from event_logs limit 1",
    )
    assert loads("impact", manifest)
    assert not loads("impact", manifest)
