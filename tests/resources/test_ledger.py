"""The ledger of a home on disk: appended once, by many processes, and never quietly changed."""

import datetime as dt
import multiprocessing
import sqlite3
import threading
from contextlib import closing

import pytest

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.evidence.entries import LedgerRow
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.statement import RecordMade
from torghut_assets.resources.home import Home
from torghut_assets.resources.key_ring import KeyFolder
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.register_file import RegisterUnreadableError
from torghut_assets.resources.signing_desk import SigningDesk

A = "a" * 64
START = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
PASSPHRASE = b"correct horse battery"
OLDER_HEAD = (
    "update heads set payload = (select payload from heads where tree_size = 3) where tree_size = 4"
)


class Clock:
    """A clock that a test sets."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


def made(n=0):
    return RecordMade(
        asset=f"asset_{n}",
        partition=None,
        record_kind_made="backtest-metrics",
        inputs={},
        code_digest=A,
        record_version_made=1,
        policies={},
        run_id=None,
        actor="somebody",
        verdict=None,
        late=False,
    )


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(home, clock):
    return Ledger(home, clock)


@pytest.fixture
def written(ledger):
    for n in range(3):
        ledger.append("backtest", {"record": A}, made(n))
    ledger.close()
    return ledger


def refused(call, *arguments):
    with pytest.raises(EvidenceRefusedError) as found:
        call(*arguments)
    return found.value.fault


def without_guards(home, statement, *arguments):
    with closing(sqlite3.connect(home.ledger_path)) as database, database:
        for (name,) in database.execute(
            "select name from sqlite_master where type = 'trigger'"
        ).fetchall():
            database.execute(f"drop trigger {name}")
        database.execute(statement, arguments)


def test_an_empty_ledger_is_whole_and_has_no_file(home, ledger):
    assert ledger.entries() == ()
    assert ledger.verify().size == 0
    assert ledger.head() is None
    assert ledger.ring().keys == ()
    assert not home.ledger_path.exists()


def test_what_is_appended_is_read_back_signed_and_in_order(home, written):
    entry = written.append("gate-report", {"gate_report": A}, made(), role="gate")
    kinds = [e.kind for e in Ledger(home).entries()]
    assert kinds == ["key-registration", *["backtest"] * 3, "key-registration", "gate-report"]
    assert [e.sequence for e in Ledger(home).entries("backtest")] == [2, 3, 4]
    assert entry.sequence == 6
    assert entry.recorded_at == START
    assert entry.subjects == {"gate_report": A}
    assert entry.statement.record(RecordMade, location="x") == made()
    ring = written.ring()
    assert [k.role for k in ring.keys] == ["runner", "gate"]
    assert entry.envelope.key_ids == (ring.active("gate")[0].key_id,)
    assert written.verify().root() == written.checked().root()


def test_the_head_is_signed_and_anchored_after_every_entry(home, written):
    head, signed = written.head()
    assert (head.tree_size, head.root_hash) == (4, written.checked().root().hex())
    assert home.ledger_anchor_path.read_bytes() == signed


def test_the_anchor_lies_where_those_of_the_registers_lie(tmp_path, monkeypatch):
    monkeypatch.setenv("TORGHUT_TRIAL_ANCHOR", str(tmp_path / "usb" / "trials.json"))
    home = Home.from_environment()
    home.prepare()
    ledger = Ledger(home)
    ledger.append("backtest", {"record": A}, made())
    assert (tmp_path / "usb" / "ledger.json").read_bytes() == ledger.head()[1]


@pytest.mark.parametrize(
    ("kind", "role", "fault"),
    [
        ("approval", "runner", Fault.SIGNED_BY_RUNNER),
        ("approval", "gate", Fault.SIGNED_BY_GATE),
        ("key-revocation", "runner", Fault.SIGNED_BY_RUNNER),
        ("gate-report", "runner", Fault.SIGNED_BY_RUNNER),
        ("backtest", "gate", Fault.SIGNED_BY_GATE),
    ],
)
def test_a_machine_says_only_what_it_may_and_a_refusal_leaves_no_trace(
    home, written, kind, role, fault
):
    assert refused(written.append, kind, {"record": A}, made(), role) is fault
    assert written.checked().size == Ledger(home).verify().size == 4


def test_a_machine_does_not_speak_for_a_person(ledger):
    with pytest.raises(BadInputError, match="runner or gate"):
        ledger.append("approval", {"record": A}, made(), role="person")
    with pytest.raises(BadInputError, match="praise"):
        ledger.append("praise", {"record": A}, made())


def test_a_crash_inside_leaves_nothing(home, written):
    def crash(prefix, at):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        written.append_sealed(crash)
    assert written.append("backtest", {"record": A}, made(9)).sequence == 5
    assert Ledger(home).verify().size == 5


def test_a_crash_before_the_anchor_was_moved_is_repaired_by_the_next_entry(home, written):
    before = home.ledger_anchor_path.read_bytes()
    written.append("backtest", {"record": A}, made(9))
    home.ledger_anchor_path.write_bytes(before)
    assert Ledger(home).verify().size == 5
    Ledger(home).append("backtest", {"record": A}, made(10))
    assert home.ledger_anchor_path.read_bytes() == Ledger(home).head()[1]


def test_time_never_goes_back(home, clock, written):
    clock.now = START - dt.timedelta(seconds=30)
    assert written.append("backtest", {"record": A}, made(9)).recorded_at == START
    clock.now = START - dt.timedelta(seconds=61)
    assert refused(written.append, "backtest", {"record": A}, made(9)) is Fault.CLOCK_MOVED_BACK
    clock.now = START + dt.timedelta(seconds=1)
    assert written.append("backtest", {"record": A}, made(9)).recorded_at == clock.now


@pytest.mark.parametrize(
    "statement",
    [
        "delete from entries",
        "update entries set payload = x'00'",
        "delete from heads",
        "update heads set payload = x'00'",
        "insert into entries values (9, 'x', x'00')",
    ],
)
def test_the_file_itself_refuses_changes(home, written, statement):
    with (
        sqlite3.connect(home.ledger_path) as database,
        pytest.raises(sqlite3.IntegrityError, match="the ledger is"),
    ):
        database.execute(statement)


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("update entries set payload = x'7b7d' where sequence = 3", Fault.LEAF_ALTERED),
        ("delete from entries where sequence = 3", Fault.GAP),
        ("delete from entries where sequence = 4", Fault.TRUNCATED),
        ("update entries set sequence = 9 where sequence = 4", Fault.GAP),
        ("delete from heads where tree_size = 4", Fault.HEAD_MISSING),
        (OLDER_HEAD, Fault.HEAD_CONTRADICTS),
    ],
)
def test_an_edited_file_is_neither_read_nor_continued(home, written, statement, fault):
    without_guards(home, statement)
    assert refused(Ledger(home).entries) is fault
    assert refused(Ledger(home).append, "backtest", {"record": A}, made()) is fault
    assert refused(Ledger(home).verify) is fault


def test_missing_guards_are_noticed_by_verify(home, written):
    without_guards(home, "select 1")
    assert Ledger(home).entries()
    assert refused(Ledger(home).verify) is Fault.GUARDS_MISSING


def test_a_ledger_that_is_gone_or_older_contradicts_its_anchor(home, written, tmp_path):
    copy = home.ledger_path.read_bytes()
    written.append("backtest", {"record": A}, made(9))
    written.close()
    home.ledger_path.write_bytes(copy)
    assert refused(Ledger(home).entries) is Fault.TRUNCATED
    assert refused(written.entries) is Fault.TRUNCATED, "also in the process that wrote it"
    written.close()
    home.ledger_path.unlink()
    assert refused(Ledger(home).append, "backtest", {"record": A}, made()) is Fault.TRUNCATED


def test_a_rebuilt_ledger_contradicts_an_anchor_elsewhere(home, written, tmp_path):
    """The forger has the runner's key and rebuilds everything, the anchor too."""
    kept = written.head()[1]
    home.ledger_path.unlink()
    home.ledger_anchor_path.unlink()
    forged = Ledger(home)
    for n in (7, 8, 9):
        forged.append("backtest", {"record": A}, made(n))
    assert forged.verify().size == 4
    assert refused(forged.verify, kept) is Fault.OTHER_HISTORY


def test_what_is_no_database_is_named(home, written):
    home.ledger_path.write_bytes(b"not a database, but long enough to be looked at" * 99)
    with pytest.raises(RegisterUnreadableError):
        Ledger(home).entries()


def test_a_lost_runner_key_is_replaced_by_a_persons_word(home, clock):
    desk = SigningDesk(home, Ledger(home, clock))
    desk.new_key("person", "Alice Example", PASSPHRASE)
    for path in home.keys_folder.glob("runner-*.pem"):
        path.unlink()
    with pytest.raises(BadInputError, match="torghut keys new --role runner"):
        desk.ledger.append("backtest", {"record": A}, made())
    key_id, counts = desk.new_key("runner", "second runner", None)
    assert not counts
    desk.introduce(key_id[:16], None, PASSPHRASE)
    entry = desk.ledger.append("backtest", {"record": A}, made())
    assert entry.envelope.key_ids == (key_id,)
    assert Ledger(home).verify().size == 4


def test_a_revoked_runner_is_replaced_and_its_last_head_still_counts(home, clock):
    desk = SigningDesk(home, Ledger(home, clock))
    desk.new_key("person", "Alice Example", PASSPHRASE)
    second, _ = desk.new_key("runner", "second runner", None)
    desk.revoke("runner", "it may have been copied", None, PASSPHRASE)
    with pytest.raises(BadInputError, match="nobody revoked"):
        desk.ledger.append("backtest", {"record": A}, made())
    desk.introduce(second, None, PASSPHRASE)
    assert desk.ledger.append("backtest", {"record": A}, made()).envelope.key_ids == (second,)
    assert Ledger(home).verify().size == 5


def _append(root, count, start):
    start.wait()
    ledger = Ledger(Home.at(root))
    for n in range(count):
        ledger.append("backtest", {"record": A}, made(n))


def test_processes_that_begin_a_ledger_at_once_write_one(home):
    context = multiprocessing.get_context("fork")
    start = context.Event()
    workers = [context.Process(target=_append, args=(home.root, 5, start)) for _ in range(4)]
    for worker in workers:
        worker.start()
    start.set()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    prefix = Ledger(home).verify()
    assert prefix.size == 21
    assert len(prefix.ring.keys) == 1
    assert len(list(home.keys_folder.glob("*.pem"))) == 1


def test_threads_share_one_ledger(ledger):
    failed = []

    def work():
        try:
            for n in range(5):
                ledger.append("backtest", {"record": A}, made(n))
                ledger.entries()
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert ledger.verify().size == 21


def test_another_storage_may_hold_the_rows(home, clock):
    """The protocol is enough: rows in a list, no SQLite."""
    storage = ListStorage()
    ledger = Ledger(home, clock, storage)
    ledger.append("backtest", {"record": A}, made())
    assert ledger.verify().size == 2
    assert Ledger(home, clock, storage).entries("backtest")[0].sequence == 2
    storage.rows[1] = storage.rows[1]._replace(payload=b"{}")
    assert refused(Ledger(home, clock, storage).entries) is Fault.LEAF_ALTERED
    assert not home.ledger_path.exists()


class ListStorage:
    """Rows, heads and the anchor in memory."""

    location = "a list"

    def __init__(self):
        self.rows: list[LedgerRow] = []
        self.head_of: dict[int, bytes] = {}

    def reading(self):
        return self

    appending = reading

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def rows_after(self, sequence, through=None):
        return self.rows[sequence:through]

    def close(self):
        pass

    def last_row(self):
        return (self.rows[-1].sequence, self.rows[-1].leaf_hash) if self.rows else None

    def head(self, tree_size):
        return self.head_of.get(tree_size)

    def append(self, row, head):
        self.rows.append(row)
        self.head_of[row.sequence] = head

    def heads(self):
        return dict(self.head_of)

    def anchor(self):
        return self.head_of.get(len(self.rows))

    def keep_anchor(self, head):
        pass

    def guards_intact(self):
        return True


def test_keys_of_a_home_are_readable_by_their_owner_only(home, written):
    assert {p.stat().st_mode & 0o777 for p in home.keys_folder.iterdir()} == {0o600}
    assert home.keys_folder.stat().st_mode & 0o777 == 0o700
    key = KeyFolder(home).machine_key("runner", None)
    assert repr(key) == f"SigningKey({key.key_id[:16]})"
