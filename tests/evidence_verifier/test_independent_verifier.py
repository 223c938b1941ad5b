"""A verifier written from the documentation alone agrees with this project's own."""

import ast
import base64
import json
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from torghut_assets.domain.digests import canonical_json
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.evidence.approval_records import Decision
from torghut_assets.domain.evidence.ledger_tree import leaf_hash
from torghut_assets.domain.evidence.statement import RecordMade
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.signing_desk import SigningDesk

sys.path.append(str(Path(__file__).parent))

import verify_ledger

SCRIPT = Path(verify_ledger.__file__)
SECRET = b"correct horse battery"
A = "a" * 64
SEED = 20260302
MUTATIONS = 500


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A ledger with every role, an introduction, an approval and a revocation."""
    home = Home.at(tmp_path_factory.mktemp("verified") / "home")
    desk = SigningDesk(home)
    record = RecordMade(
        asset="backtest_metrics",
        partition=None,
        record_kind_made="backtest-metrics",
        inputs={"übung": A},
        code_digest=A,
        record_version_made=1,
        policies={},
        run_id=None,
        actor="somebody",
        verdict=None,
        late=False,
    )
    desk.ledger.append("backtest", {"record": A}, record)
    desk.ledger.append("gate-report", {"record": A}, record, role="gate")
    desk.new_key("person", "Alice Example", SECRET)
    second, _ = desk.new_key("person", "Bob Example", SECRET)
    desk.introduce(second, None, SECRET)
    decision = Decision(
        kind="promote",
        candidate_id="some-candidate",
        authors=("Carol Example",),
        stage=None,
        report_digest=A,
        policy_digest=A,
    )
    desk.approve(decision, "Bob Example", SECRET, 8)
    desk.revoke("Bob Example", "left the company", "Alice Example", SECRET)
    desk.ledger.append("kill", {"record": A}, record)
    desk.ledger.close()
    return home


@pytest.fixture
def copied(written, home):
    """A private copy of its files."""
    for source, target in (
        (written.ledger_path, home.ledger_path),
        (written.ledger_anchor_path, home.ledger_anchor_path),
    ):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    with closing(sqlite3.connect(home.ledger_path)) as database, database:
        for name in ("entries_delete", "entries_update", "heads_delete", "heads_update"):
            database.execute(f"drop trigger {name}")
    return home


def independently(home):
    try:
        return verify_ledger.verify(home.ledger_path, home.ledger_anchor_path)
    except (verify_ledger.NotWholeError, ValueError, KeyError, TypeError, sqlite3.Error):
        return None


def by_the_project(home):
    try:
        with closing(Ledger(home)) as ledger:
            prefix = ledger.checked()
    except EvidenceError:
        return None
    return prefix.size, prefix.root().hex()


def test_the_script_shares_no_code_and_is_short():
    text = SCRIPT.read_text("utf-8")
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported - {"cryptography"} <= set(sys.stdlib_module_names)
    code = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert len(code) <= 150


def test_it_runs_alone_and_finds_the_same_root(written):
    done = subprocess.run(
        [sys.executable, "-I", str(SCRIPT), written.ledger_path, written.ledger_anchor_path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    root = Ledger(written).verify().root().hex()
    assert (done.returncode, done.stdout) == (0, f"whole: 9 entries, root {root}\n")


def edit_row(database, choice, *, table, key):
    """Edit one byte, one field or one place of a row, and rehash the leaf if it is an entry."""
    rows = database.execute(f"select {key}, payload from {table}").fetchall()
    number, payload = choice.choice(rows)
    way = choice.choice(["bit", "digit", "payload", "delete", "swap", "move"])
    if way == "delete":
        database.execute(f"delete from {table} where {key} = ?", (number,))
        return
    if way == "move":
        database.execute(f"update {table} set {key} = ? where {key} = ?", (number + 100, number))
        return
    if way == "swap":
        payload = choice.choice([p for n, p in rows if n != number])
    elif way == "bit":
        position = choice.randrange(len(payload))
        flipped = payload[position] ^ (1 << choice.randrange(8))
        payload = payload[:position] + bytes([flipped]) + payload[position + 1 :]
    elif way == "digit":
        at = choice.choice([n for n, byte in enumerate(payload) if chr(byte) in "012345678"])
        payload = payload[:at] + bytes([payload[at] + 1]) + payload[at + 1 :]
    else:
        document = json.loads(payload)
        envelope = document.get("envelope", document)
        inner = bytearray(base64.b64decode(envelope["payload"]))
        inner[choice.randrange(len(inner))] ^= 1 << choice.randrange(7)
        envelope["payload"] = base64.b64encode(inner).decode()
        payload = canonical_json(document)
    database.execute(f"update {table} set payload = ? where {key} = ?", (payload, number))
    if table == "entries" and choice.random() < 0.8 and way != "swap":
        database.execute(
            "update entries set leaf_hash = ? where sequence = ?",
            (leaf_hash(payload).hex(), number),
        )


def test_both_detect_every_random_edit_of_an_entry(copied):
    """Seeded, rehashed leaves included; one edit of one copy each. None goes unnoticed."""
    choice = random.Random(SEED)
    whole, path = copied.ledger_path.read_bytes(), copied.ledger_path
    expected = by_the_project(copied)
    assert expected == independently(copied)
    assert expected is not None
    for attempt in range(MUTATIONS):
        table, key = choice.choice([("entries", "sequence")] * 3 + [("heads", "tree_size")])
        for old in path.parent.glob(f"{path.name}*"):  # also what a reader left beside it
            old.unlink()
        path.write_bytes(whole)
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("pragma foreign_keys = off")
            edit_row(database, choice, table=table, key=key)
        assert independently(copied) is None, f"edit {attempt} of {table}, seed {SEED}"
        with closing(Ledger(copied)) as ledger, pytest.raises(EvidenceError):
            ledger.verify()


def test_both_detect_a_ledger_that_was_cut_off(copied):
    with closing(sqlite3.connect(copied.ledger_path)) as database, database:
        database.execute("delete from heads where tree_size > 5")
        database.execute("delete from entries where sequence > 5")
    assert independently(copied) is None
    assert by_the_project(copied) is None
