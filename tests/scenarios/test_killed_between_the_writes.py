"""A process that is killed between store, ledger and event log accepts nothing unrecorded."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from evaluated_examples import PASSING, SNAPSHOT

from torghut_assets.assets.keys import ASSETS
from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.main import torghut
from torghut_assets.definitions import HELD, stage_desk
from torghut_assets.domain.evidence.register_spans import read_spans
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.lineage import newest
from torghut_assets.resources.reconciliation import Reconciler

POINTS = {
    "before the artifact": ([], []),
    "before the artifact has its name": ([], []),
    "after the artifact": ([], ["record_without_event"]),
    "before the ledger commits": ([], ["record_without_event"]),
    "before there is an anchor": ([], ["record_without_event"]),
    "before the anchor moves": (["event_missing"], []),
    "after the ledger": (["event_missing"], []),
    "before the event": (["event_missing"], []),
    "after the event": ([], []),
}
"""Where the process is killed: the differences that this leaves, and the notes."""

CHILD = """
import os, signal, sys
from dagster import DagsterEventType, DagsterInstance
from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.resources import ledger_file
from torghut_assets.resources.artifact_files import FileStore
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger import Ledger

point = sys.argv[1]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def around(owner, name, *, before=None, after=None, when=lambda *_, **__: True):
    original = getattr(owner, name)
    def wrapped(*arguments, **named):
        if point == before and when(*arguments, **named):
            die()
        result = original(*arguments, **named)
        if point == after and when(*arguments, **named):
            die()
        return result
    setattr(owner, name, wrapped)

def is_materialization(_, event, *rest, **named):
    found = event.dagster_event
    return found is not None and found.event_type is DagsterEventType.ASSET_MATERIALIZATION

around(FileStore, "put", before="before the artifact", after="after the artifact")
around(FileStore, "_accept", before="before the artifact has its name")
around(ledger_file._SqliteSession, "append", after="before the ledger commits",
       when=lambda _, row, head: row.sequence == 2)
around(ledger_file, "replace_anchor", before="before there is an anchor")
around(ledger_file, "replace_anchor", before="before the anchor moves",
       when=lambda _, payload: payload != b"")
around(Ledger, "append_all", after="after the ledger")
around(DagsterInstance, "handle_new_event", before="before the event", after="after the event",
       when=is_materialization)

home = Home.from_environment()
with instance_of(home) as instance:
    Driver(home, instance).step("settings", None)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """One home for each point, in which a process was killed there."""
    folder = tmp_path_factory.mktemp("killed")
    empty = Home.at(folder / "empty")
    with instance_of(empty):
        pass
    running = {}
    for number, point in enumerate(POINTS):
        root = folder / str(number)
        shutil.copytree(empty.root, root)
        running[point] = subprocess.Popen(
            [sys.executable, "-c", CHILD, point],
            env={**os.environ, "TORGHUT_HOME": str(root)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
    homes = {}
    for number, (point, process) in enumerate(running.items()):
        _, said = process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL, f"{point}: {said.decode()[-800:]}"
        homes[point] = folder / str(number)
    return homes


def audit(monkeypatch, root: Path, *arguments):
    monkeypatch.setenv("TORGHUT_HOME", str(root))
    done = CliRunner().invoke(torghut, ["audit", *arguments, "--json"])
    return done.exit_code, json.loads(done.stdout)


@pytest.mark.parametrize("point", POINTS)
def test_what_is_left_is_named_healed_and_continued(killed, monkeypatch, tmp_path, point):
    root = tmp_path / "killed"
    shutil.copytree(killed[point], root)
    codes, notes = POINTS[point]
    status, found = audit(monkeypatch, root, "reconcile")
    assert [d["code"] for d in found["differences"]] == codes
    assert [n["code"] for n in found["notes"]] == notes
    assert status == (3 if codes else 0)
    assert found["events"] <= found["statements"] <= found["artifacts"]

    status, healed = audit(monkeypatch, root, "reconcile", "--heal")
    assert (status, healed["differences"]) == (0, [])
    assert [h["by"] for h in healed["healed"]] == ["report_event"] * len(codes)

    home = Home.at(root)
    with instance_of(home) as instance:
        Driver(home, instance).step("settings", None)
    status, continued = audit(monkeypatch, root, "coverage")
    assert (status, continued["complete"]) == (0, True)
    assert Ledger(home).verify().size > 0


@pytest.mark.parametrize("point", [p for p, (codes, _) in POINTS.items() if codes])
def test_a_process_that_goes_on_without_healing_leaves_no_difference(
    killed, monkeypatch, tmp_path, point
):
    root = tmp_path / "killed"
    shutil.copytree(killed[point], root)
    home = Home.at(root)
    with instance_of(home) as instance:
        Driver(home, instance).step("settings", None)
    status, found = audit(monkeypatch, root, "reconcile")
    assert (status, found["differences"]) == (0, [])


def reconciler(home, instance):
    return Reconciler(home, instance, {name: made.record_type for name, made in HELD.items()})


def test_receipts_of_a_killed_process_are_named_by_the_next_append(evaluated, monkeypatch):
    """Killed after the book was written and before the ledger named what is in it."""
    desk = stage_desk(evaluated)
    monkeypatch.setattr(type(desk.statements), "catch_up", lambda _: ())
    with instance_of(evaluated) as instance:
        appended = desk.settle(instance, PASSING, SNAPSHOT, "gate_policy_evaluation")
        assert appended
        seeing = reconciler(evaluated, instance)
        (found,) = seeing.findings(seeing.see()).differences
        assert (found.code, found.subject, found.heal) == (
            "register_unstated",
            "receipts",
            "catch_up",
        )
        monkeypatch.undo()
        assert seeing.heal(seeing.see(), [found]) == (found,)
        assert seeing.findings(seeing.see()).differences == ()
    named = read_spans("receipts", Ledger(evaluated).entries())
    assert list(named) == [receipt.sequence for receipt in appended]
    assert list(named.values()) == [receipt.digest for receipt in appended]


def test_every_event_names_its_statement(evaluated):
    """Dagster is the index, the ledger the proof: what the UI shows leads to the entry."""
    entries = Ledger(evaluated).verify().entries
    with instance_of(evaluated) as instance:
        event = newest(instance, _key("gate_report"), f"{PASSING}|{SNAPSHOT}")
        page = instance.fetch_materializations(_key("gate_report"), limit=10).records
    for record in page:
        metadata = record.asset_materialization.metadata
        entry = entries[metadata["ledger_sequence"].value - 1]
        assert entry.kind == "gate-report"
        assert entry.statement_digest == metadata["statement_digest"].value
        assert entry.subjects["record"] == metadata["record_digest"].value
        assert entry.statement.predicate.record["run_id"] == record.run_id
    assert event.digest in {entry.subjects.get("record") for entry in entries}


def _key(name):
    import dagster as dg

    assert name in ASSETS
    return dg.AssetKey(name)
