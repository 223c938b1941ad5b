"""A process that is killed (SIGKILL) at any point between claim, submit and settle.

The child is a real process: it trades a session on the real journal and replay broker and is
killed before or after its n-th step. Another process then does the session again.
"""

import multiprocessing
import os
import signal

import pytest
import session_examples as example
from broker_examples import AT, broker_of, desk_of, market
from order_examples import request

from torghut_assets.domain.orders.reconcile import reconcile
from torghut_assets.resources.brokers.replay import ReplayBroker
from torghut_assets.resources.home import Home
from torghut_assets.resources.order_journal import OrderJournal

BOTH = [request(), request(symbol="AMZN", side="sell", quantity=40, limit_price_usd=150.0)]
STEPS = 8
"""Claim, submit, two calls of the broker, their answers, the end of the session, its settlement;
an eighth must not come: `test_the_whole_session_has_seven_steps`."""


def trade(home: Home) -> None:
    """One session from claim to settle."""
    desk = desk_of(home)
    desk.route(BOTH, AT)
    desk.close_session(example.CANDIDATE, market())


class Executioner:
    """Kills this process before or after the n-th step that leaves a trace."""

    def __init__(self, step: int, moment: str) -> None:
        self.left, self.moment = step, moment

    def around(self, function):
        def watched(*args, **kwargs):
            self.left -= 1
            if self.left == 0 and self.moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*args, **kwargs)
            if self.left == 0 and self.moment == "after":
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return watched


def doomed(root, step: int, moment: str) -> None:
    executioner = Executioner(step, moment)
    OrderJournal.append = executioner.around(OrderJournal.append)
    ReplayBroker.submit = executioner.around(ReplayBroker.submit)
    ReplayBroker.end_session = executioner.around(ReplayBroker.end_session)
    trade(Home.at(root))


def run_and_kill(home: Home, step: int, moment: str) -> int:
    """Return the child's exit code: -9 if it was killed, 0 if it came to its end."""
    child = multiprocessing.get_context("fork").Process(
        target=doomed, args=(home.root, step, moment)
    )
    child.start()
    child.join(60)
    return child.exitcode


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", range(1, STEPS))
def test_nothing_is_lost_and_nothing_is_doubled(home, step, moment):
    home = Home.at(home.root)
    broker_of(home)
    code = run_and_kill(home, step, moment)
    assert code == -signal.SIGKILL
    after_death = OrderJournal(home).ledger()  # the journal is whole and tells a possible story
    assert set(after_death.orders) <= {r.key for r in BOTH}
    trade(home)
    broker = broker_of(home)
    stated = broker.statement(example.SESSION)
    states = OrderJournal(home).ledger().of_session(example.CANDIDATE, example.SESSION)
    assert [(s.request.symbol, s.status, s.filled) for s in states] == [
        ("AAPL", "filled", 100),
        ("AMZN", "filled", 40),
    ]
    assert len(stated.orders) == 2
    assert reconcile(broker.holdings_before(example.SESSION), states, stated) == ()
    assert stated.after.shares == {"AAPL": 100, "AMZN": -40}


def test_the_whole_session_has_seven_steps(home):
    """So that the parameters above kill at every one."""
    broker_of(home)
    assert run_and_kill(home, 7, "after") == -signal.SIGKILL
    other = Home.at(home.root.with_name("other"))
    broker_of(other)
    assert run_and_kill(other, 8, "before") == 0


def test_killed_again_and_again_it_ends_the_same(home):
    """Every restart dies, each at another step; then one is left alone."""
    broker_of(home)
    codes = [run_and_kill(home, step, "after") for step in (2, 1, 3, 2, 2, 4, 1, 3)]
    assert codes.count(-signal.SIGKILL) >= 5
    trade(home)
    states = OrderJournal(home).ledger().of_session(example.CANDIDATE, example.SESSION)
    assert [s.filled for s in states] == [100, 40]
    assert len(broker_of(home).statement(example.SESSION).orders) == 2
