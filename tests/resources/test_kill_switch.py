"""The kill switch: blocks before anything else, holds when all else fails, lifted only by hand."""

import os
import shutil
import threading
import time

import command_line
import pytest
import session_examples as example
from broker_examples import AT, LineBreaks, broker_of, desk_of
from evaluated_examples import PASSING
from order_examples import request

from torghut_assets.domain.orders.kill import OrdersKilledError
from torghut_assets.resources.brokers.replay import ReplayBroker
from torghut_assets.resources.kill_switch import KillSwitch
from torghut_assets.resources.order_journal import OrderJournal

SECRET = "correct horse battery staple"


def torghut(*arguments):
    return command_line.torghut(*arguments, TORGHUT_KEY_PASSPHRASE=SECRET)


def test_a_home_without_latches_is_clear(home):
    assert KillSwitch(home).reading("any-candidate").state == "clear"
    assert torghut("kill", "status").returncode == 0


def test_a_latch_stops_its_candidate_and_one_for_all_stops_everybody(home):
    switch = KillSwitch(home)
    switch.engage("one-candidate", "drill")
    assert switch.reading("one-candidate").state == "engaged"
    assert switch.reading("another-one").state == "clear"
    switch.engage(None, "drill for all")
    assert KillSwitch(home).reading("another-one").state == "engaged"
    with pytest.raises(OrdersKilledError, match="drill for all"):
        switch.require_clear("another-one", subject="orders")


def test_every_open_order_of_a_thousand_is_cancelled_in_five_seconds(home):
    broker, desk = broker_of(home), desk_of(home)
    requests = [request(symbol=f"S{i:04d}") for i in range(1_000)]
    desk.route(requests, AT)
    assert len(broker.open_orders()) == 1_000
    started = time.monotonic()
    done = torghut("kill", "--all", "--reason", "a thousand orders")
    took = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    assert "cancelled: 1000 open orders" in done.stdout
    assert broker.open_orders() == ()
    assert took <= 5.0
    states = OrderJournal(home).ledger().of_session(example.CANDIDATE, example.SESSION)
    assert {s.status for s in states} == {"cancelled"}


def test_killing_one_candidate_leaves_the_orders_of_another(home):
    broker = broker_of(home)
    desk_of(home, broker).route([request()], AT)
    other = ReplayBroker(home.replay_broker_path, "another-one", 1_000.0)
    theirs = request(candidate_id="another-one")
    desk_of(home, other).route([theirs], AT)
    assert torghut("kill", "--candidate", example.CANDIDATE, "--reason", "drill").returncode == 0
    assert broker.open_orders() == ()
    assert [o.key for o in other.open_orders()] == [theirs.key]


def ruin_everything(home):
    """Make every database of the home unreadable: files of noise, and the index gone."""
    for path in (
        home.order_journal_path,
        home.receipts_path,
        home.trial_register_path,
        home.ledger_path,
        home.replay_broker_path,
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(4_096))
    shutil.rmtree(home.dagster_home)


def test_it_blocks_with_every_database_unreadable(home):
    """The latch is read first: what refuses is the switch, not a broken file."""
    ruin_everything(home)
    done = torghut("kill", "--all", "--reason", "everything is broken")
    assert done.returncode == 3  # blocked, and it says that orders may be left
    assert "blocked: every candidate" in done.stdout
    assert "new orders are blocked, but" in done.stderr
    line = LineBreaks(None)
    with pytest.raises(OrdersKilledError):
        desk_of(home, line).route([request()], AT)
    assert line.calls == []
    assert torghut("kill", "status").returncode == 1


def test_after_kill_returns_nobody_sends(home):
    """Orders are being sent by another thread all the time; none is sent after the return."""
    broker = broker_of(home)
    sent: list[float] = []

    class Slow(LineBreaks):
        def submit(self, order, at):
            time.sleep(0.02)
            taken = self.broker.submit(order, at)
            sent.append(time.monotonic())
            return taken

    desk = desk_of(home, Slow(broker))
    requests = [request(symbol=f"S{i:03d}") for i in range(200)]
    refusals = []

    def send():
        try:
            desk.route(requests, AT)
        except OrdersKilledError as error:
            refusals.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    while len(sent) < 5:
        time.sleep(0.005)
    KillSwitch(home).engage(None, "in the middle")
    returned = time.monotonic()
    thread.join(30)
    assert refusals
    assert 5 <= len(sent) < 200
    assert max(sent) <= returned


@pytest.mark.parametrize("harm", ["delete", "edit", "swap", "junk", "all gone"])
def test_a_latch_that_was_tampered_with_blocks_everybody(home, harm):
    switch = KillSwitch(home)
    first, _ = switch.engage("one-candidate", "drill"), switch.engage("another-one", "drill")
    files = sorted(home.kill_folder.glob("*.json"))
    if harm == "delete":
        files[0].unlink()
    elif harm == "edit":
        files[0].write_bytes(first.model_copy(update={"candidate_id": "x-y-z"}).canonical_bytes())
    elif harm == "swap":
        content = [f.read_bytes() for f in files]
        for file, payload in zip(files, reversed(content), strict=True):
            file.write_bytes(payload)
    elif harm == "junk":
        files[1].write_bytes(b"{}")
    else:
        shutil.rmtree(home.kill_folder)
    for candidate in ("one-candidate", "a-third-one"):
        assert KillSwitch(home).reading(candidate).state == "unreadable"
    with pytest.raises(OrdersKilledError, match="cannot be read"):
        desk_of(home).route([request()], AT)
    assert torghut("kill", "status").returncode == 3
    assert KillSwitch(home).write(None, "another one all the same").sequence >= 1


def test_a_latch_that_is_written_while_another_is_takes_the_next_number(home):
    switches = [KillSwitch(home) for _ in range(8)]
    threads = [
        threading.Thread(target=s.engage, args=(None, f"drill {i}")) for i, s in enumerate(switches)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    found = KillSwitch(home).reading(None)
    assert [latch.sequence for latch in found.engaged] == list(range(1, 9))


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ((), 2),
        (("--all",), 2),
        (("--reason", "why"), 2),
        (("--all", "--candidate", "one-candidate", "--reason", "why"), 2),
        (("--all", "--reason", "  x "), 2),
        (("--candidate", "../../etc", "--reason", "why not"), 4),
    ],
)
def test_a_wrong_call_stops_nothing(home, arguments, status):
    assert torghut("kill", *arguments).returncode == status
    assert not home.kill_folder.exists()


def latch_line(home, done):
    return next(line for line in done.stdout.splitlines() if "lift it:" in line).split()


def test_only_a_signed_approval_of_exactly_this_latch_lifts_it(evaluated):
    """Keys, approval and ledger are the real ones."""
    home = evaluated
    torghut("kill", "--candidate", PASSING, "--reason", "first drill")
    torghut("kill", "--candidate", PASSING, "--reason", "second drill")
    assert torghut("keys", "new", "--owner", "R. Reviewer").returncode == 0
    for left in (2, 1):
        shown = torghut("kill", "status")
        assert len(KillSwitch(home).reading(PASSING).engaged) == left
        words = latch_line(home, shown)
        approved = torghut(*words[words.index("torghut") + 1 :])
        assert approved.returncode == 0, approved.stderr
    found = KillSwitch(home).reading(PASSING)
    assert (found.state, len(found.lifted)) == ("clear", 2)
    assert torghut("kill", "status").returncode == 0
    torghut("kill", "--candidate", PASSING, "--reason", "third drill")
    assert KillSwitch(home).reading(PASSING).state == "engaged"


def test_without_the_ledger_a_lifted_latch_blocks_again(evaluated):
    """A new process that cannot read the approval does not know that there is one."""
    home = evaluated
    torghut("kill", "--candidate", PASSING, "--reason", "first drill")
    torghut("keys", "new", "--owner", "R. Reviewer")
    words = latch_line(home, torghut("kill", "status"))
    torghut(*words[words.index("torghut") + 1 :])
    assert KillSwitch(home).reading(PASSING).state == "clear"
    for kept in home.ledger_path.parent.glob(f"{home.ledger_path.name}*"):
        kept.write_bytes(os.urandom(4_096))  # the write-ahead log too: it alone can be the ledger
    assert KillSwitch(home).reading(PASSING).state == "engaged"


def test_the_author_may_not_lift_the_latch_of_his_candidate(evaluated):
    home = evaluated
    torghut("kill", "--candidate", PASSING, "--reason", "first drill")
    torghut("keys", "new", "--owner", "Torghut research")
    words = latch_line(home, torghut("kill", "status"))
    refused = torghut(*words[words.index("torghut") + 1 :])
    assert refused.returncode == 1
    assert KillSwitch(home).reading(PASSING).state == "engaged"


def test_a_message_rate_latch_needs_the_decision_to_re_enable(evaluated):
    home = evaluated
    KillSwitch(home).engage(PASSING, "the message rate was exceeded", "message_rate")
    assert "torghut approve re_enable" in torghut("kill", "status").stdout
