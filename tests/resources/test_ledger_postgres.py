"""The ledger in a real PostgreSQL: append-only, gapless, and no password in any message."""

import multiprocessing
import os
import signal
import time
from itertools import count

import psycopg2
import pytest
from postgres_server import PASSWORD, as_admin, new_ledger, server, url_of

from torghut_assets.domain.errors import BadInputError, EvidenceError
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.statement import RecordMade
from torghut_assets.resources.home import Home
from torghut_assets.resources.kill_switch import KillSwitch
from torghut_assets.resources.ledger import Draft, Ledger
from torghut_assets.resources.ledger_place import LEDGER_URL, ledger_storage
from torghut_assets.resources.ledger_postgres import LedgerUnavailableError, PostgresLedger
from torghut_assets.resources.signing_desk import SigningDesk

A = "a" * 64
SECRET = b"correct horse battery"
NUMBERS = count(1)
WRITERS, EACH = 8, 12


def made(n=0):
    return RecordMade(
        asset=f"asset_{n}",
        partition=None,
        record_kind_made="backtest-metrics",
        record_version_made=1,
        inputs={},
        policies={},
        code_digest=A,
        run_id=None,
        actor="somebody",
        verdict=None,
        late=False,
    )


@pytest.fixture(scope="module")
def running():
    with server() as folder:
        yield folder


@pytest.fixture
def database(running, monkeypatch):
    """Name of a fresh database; the environment names it as its runner does."""
    name = f"ledger_{next(NUMBERS)}"
    monkeypatch.setenv(LEDGER_URL, new_ledger(running, name))
    return name


@pytest.fixture
def ledger(home, database):
    ledger = Ledger(home)
    yield ledger
    ledger.close()


@pytest.fixture
def written(ledger):
    for n in range(3):
        ledger.append("backtest", {"record": A}, made(n))
    return ledger


def execute(url, statement, *values):
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
    finally:
        connection.close()


def refused(call, *arguments):
    with pytest.raises(EvidenceRefusedError) as found:
        call(*arguments)
    return found.value.fault


def test_what_is_appended_is_read_back_whole_and_guarded(home, written):
    assert written.verify().size == 4
    assert [e.kind for e in Ledger(home).entries()] == ["key-registration"] + ["backtest"] * 3
    assert home.ledger_anchor_path.read_bytes() == written.head()[1]
    assert not home.ledger_path.exists()
    assert isinstance(ledger_storage(home), PostgresLedger)


@pytest.mark.parametrize("user", ["runner", "owner", "admin"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE torghut_ledger.entries SET payload = 'x' WHERE sequence = 2",
        "DELETE FROM torghut_ledger.heads WHERE tree_size = 4",
        "DELETE FROM torghut_ledger.entries WHERE sequence = 2",
        "TRUNCATE torghut_ledger.heads, torghut_ledger.entries",
        f"INSERT INTO torghut_ledger.entries VALUES (9, '{'b' * 64}', 'x')",
        f"INSERT INTO torghut_ledger.entries VALUES (2, '{'b' * 64}', 'x')",
        "SET session_replication_role = replica; DELETE FROM torghut_ledger.heads",
    ],
)
def test_nobody_changes_a_row_or_leaves_a_gap(running, database, written, statement, user):
    """The runner has no right to; the triggers refuse the owner and the superuser, too."""
    name = f"{database}_desk" if user == "runner" else "admin"
    if user == "owner":
        statement = f"SET ROLE torghut_ledger_owner; {statement}"
    with pytest.raises(psycopg2.Error) as found:
        execute(url_of(running, name, database), statement)
    said = str(found.value)
    assert "append-only" in said or "gapless" in said or "permission denied" in said
    assert written.verify().size == 4


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE torghut_ledger.entries DISABLE TRIGGER entries_keep",
        "ALTER TABLE torghut_ledger.heads ENABLE TRIGGER heads_keep",
        "DROP TRIGGER entries_gapless ON torghut_ledger.entries",
        """CREATE OR REPLACE FUNCTION torghut_ledger.refuse_change() RETURNS trigger
        LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$""",
        "GRANT UPDATE ON torghut_ledger.heads TO torghut_runner",
        "GRANT torghut_ledger_owner TO torghut_runner",
    ],
)
def test_weakened_guards_are_noticed(running, database, written, statement):
    as_admin(running, database, statement)
    try:
        assert refused(written.verify) is Fault.GUARDS_MISSING
        assert written.entries()
    finally:
        as_admin(running, database, "REVOKE torghut_ledger_owner FROM torghut_runner")


def test_a_viewer_reads_the_ledger_and_can_add_and_change_nothing(running, database, written):
    viewer = f"{database}_auditor"
    as_admin(running, database, f"CREATE ROLE {viewer} LOGIN IN ROLE torghut_viewer")
    url = url_of(running, viewer, database)
    seen = psycopg2.connect(url)
    with seen.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM torghut_ledger.entries")
        assert cursor.fetchone()[0] >= 3
    seen.close()
    for statement in (
        "INSERT INTO torghut_ledger.entries VALUES (1, repeat('b', 64), '')",
        "INSERT INTO torghut_ledger.heads SELECT 1, payload FROM torghut_ledger.heads",
        "UPDATE torghut_ledger.entries SET payload = ''",
        "DELETE FROM torghut_ledger.entries",
        "TRUNCATE torghut_ledger.heads CASCADE",
        "ALTER TABLE torghut_ledger.entries DISABLE TRIGGER ALL",
        "DROP TABLE torghut_ledger.heads",
        "CREATE TABLE torghut_ledger.mine (x int)",
        "SET ROLE torghut_runner",
        "SET ROLE torghut_ledger_owner",
        "SELECT 1 FROM torghut_ledger.entries FOR UPDATE",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            execute(url, statement)


def test_an_edit_by_a_superuser_is_noticed(running, database, home, written):
    as_admin(
        running,
        database,
        "ALTER TABLE torghut_ledger.entries DISABLE TRIGGER ALL",
        "UPDATE torghut_ledger.entries SET payload = payload || 'x' WHERE sequence = 3",
    )
    assert refused(Ledger(home).entries) is Fault.LEAF_ALTERED
    assert refused(Ledger(home).append, "backtest", {"record": A}, made()) is Fault.LEAF_ALTERED


def test_a_database_that_was_set_back_contradicts_the_anchor(running, database, home, written):
    as_admin(
        running,
        database,
        "ALTER TABLE torghut_ledger.heads DISABLE TRIGGER ALL",
        "ALTER TABLE torghut_ledger.entries DISABLE TRIGGER ALL",
        "DELETE FROM torghut_ledger.heads WHERE tree_size = 4",
        "DELETE FROM torghut_ledger.entries WHERE sequence = 4",
    )
    assert refused(Ledger(home).entries) is Fault.TRUNCATED


def test_several_are_appended_at_once_or_none(home, written):
    drafts = [Draft("backtest", {"record": A}, made(n)) for n in range(20)]
    assert [e.sequence for e in written.append_all(lambda _: drafts)] == [*range(5, 25)]
    with pytest.raises(BadInputError):
        written.append_all(lambda _: [*drafts, Draft("no-kind", {"record": A}, made())])
    assert Ledger(home).verify().size == 24


def _append(root, start):
    start.wait()
    ledger = Ledger(Home.at(root))
    for n in range(EACH):
        ledger.append("backtest", {"record": A}, made(n))


def test_eight_processes_write_one_ledger_without_a_gap(home, database):
    context = multiprocessing.get_context("fork")
    start = context.Event()
    workers = [context.Process(target=_append, args=(home.root, start)) for _ in range(WRITERS)]
    for worker in workers:
        worker.start()
    start.set()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * WRITERS
    assert Ledger(home).verify().size == 1 + WRITERS * EACH


def _append_elsewhere(root, anchor_folder, start):
    """Another machine: the same keys, an anchor of its own, no lock file in common."""
    home = Home(root, root / "dagster", anchor_folder / "trials.json")
    start.wait()
    ledger = Ledger(home)
    for n in range(EACH):
        ledger.append("backtest", {"record": A}, made(n))


def test_machines_without_a_common_lock_file_write_one_ledger(home, database, written, tmp_path):
    context = multiprocessing.get_context("fork")
    start = context.Event()
    workers = []
    for number in range(WRITERS):
        elsewhere = tmp_path / f"machine-{number}"
        joining = Ledger(Home(home.root, home.dagster_home, elsewhere / "trials.json"))
        assert joining.join().size == 4
        joining.close()
        workers.append(
            context.Process(target=_append_elsewhere, args=(home.root, elsewhere, start))
        )
    for worker in workers:
        worker.start()
    start.set()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * WRITERS
    assert Ledger(home).verify().size == 4 + WRITERS * EACH


def _append_for_ever(root, begun):
    ledger = Ledger(Home.at(root))
    begun.set()
    for n in range(10_000):
        ledger.append_all(lambda _, n=n: [Draft("backtest", {"record": A}, made(n))] * 5)


@pytest.mark.parametrize("milliseconds", [20, 45, 90])
def test_a_killed_writer_leaves_whole_batches_and_no_lock(home, database, milliseconds):
    context = multiprocessing.get_context("fork")
    begun = context.Event()
    worker = context.Process(target=_append_for_ever, args=(home.root, begun))
    worker.start()
    assert begun.wait(30)
    time.sleep(milliseconds / 1000)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    ledger = Ledger(home)
    before = time.monotonic()
    ledger.append("backtest", {"record": A}, made())
    assert time.monotonic() - before < 10, "the dead writer's lock is gone with its connection"
    assert (ledger.verify().size - 2) % 5 == 0


def test_a_writer_that_was_killed_with_the_lock_held_blocks_nobody(running, home, database):
    context = multiprocessing.get_context("fork")
    holding = context.Event()

    def hold():
        with ledger_storage(home).appending():
            holding.set()
            time.sleep(60)

    worker = context.Process(target=hold)
    worker.start()
    assert holding.wait(30)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    assert Ledger(home).append("backtest", {"record": A}, made()).sequence == 2


def test_a_connection_that_the_server_ended_is_replaced(running, database, written):
    as_admin(
        running,
        database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = '{database}' AND pid <> pg_backend_pid()",
    )
    with pytest.raises(LedgerUnavailableError):
        written.append("backtest", {"record": A}, made())
    assert written.append("backtest", {"record": A}, made()).sequence == 5
    assert written.verify().size == 5


def test_a_home_without_an_anchor_must_join(running, database, home, written, tmp_path):
    other = Home.at(tmp_path / "other")
    assert refused(Ledger(other).entries) is Fault.ANCHOR_MISSING
    joined = Ledger(other).join()
    assert (joined.size, joined.root()) == (4, written.checked().root())
    assert Ledger(other).verify().size == 4
    with pytest.raises(BadInputError, match="an anchor"):
        Ledger(other).join()
    with pytest.raises(BadInputError, match="torghut keys new --role runner"):
        Ledger(other).append("backtest", {"record": A}, made())


def test_an_empty_ledger_cannot_be_joined(ledger):
    with pytest.raises(BadInputError, match="no entry"):
        ledger.join()


def test_another_machines_runner_is_introduced_by_a_person(database, home, tmp_path):
    desk = SigningDesk(home)
    desk.new_key("person", "Alice Example", SECRET)
    other = Home.at(tmp_path / "other")
    Ledger(other).join()
    key_id, counts = SigningDesk(other).new_key("runner", "second desk", None)
    assert not counts
    (request,) = other.keys_folder.glob("*.request.json")
    (home.keys_folder / request.name).write_bytes(request.read_bytes())
    desk.introduce(key_id[:16], None, SECRET)
    entry = Ledger(other).append("backtest", {"record": A}, made())
    assert entry.envelope.key_ids == (key_id,)
    assert Ledger(home).verify().size == 4


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://desk:{PASSWORD}@localhost:1/ledger",
        f"postgresql://desk:{PASSWORD}@[bad/ledger",
        f"password={PASSWORD} host=/nowhere dbname=ledger",
        f"postgresql://desk@/ledger?host=/nowhere&password={PASSWORD}",
        f"not a url {PASSWORD}",
        f"postgresql://desk:{PASSWORD}@localhost:port/ledger",
    ],
)
def test_no_message_shows_the_password(home, monkeypatch, url):
    monkeypatch.setenv(LEDGER_URL, url)
    ledger = Ledger(home)
    with pytest.raises(LedgerUnavailableError) as found:
        ledger.entries()
    chain, error = [], found.value
    while error is not None and not (chain and error.__suppress_context__):
        chain.append(f"{error} {error!r}")
        error = error.__cause__
    assert PASSWORD not in " ".join(chain)
    assert PASSWORD not in ledger.location + repr(ledger_storage(home))


def test_a_latch_counts_while_the_database_is_down(home, monkeypatch):
    monkeypatch.setenv(LEDGER_URL, "postgresql://desk@/ledger?host=/nowhere")
    switch = KillSwitch(home)
    switch.engage(None, "a drill with the database down")
    assert switch.reading("some-candidate").state == "engaged"
    assert issubclass(LedgerUnavailableError, EvidenceError)
