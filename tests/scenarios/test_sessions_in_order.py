"""Sessions of one candidate that are asked for at once, each twice: in order, each traded once."""

import multiprocessing

import pytest
from evaluated_examples import PASSING
from paper_home import PaperHome, settle_gate

from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.domain.errors import TorghutError
from torghut_assets.resources.order_journal import OrderJournal

DAYS = ("2022-01-03", "2022-01-04", "2022-01-05")
FORK = multiprocessing.get_context("fork")


def trade(home, day, line, answers):
    """Ask for a session as `torghut session run` does."""
    with instance_of(home) as instance:
        driver = Driver(home, instance)
        line.wait()
        try:
            made = driver.step("session", f"{PASSING}|{day}", through="paper_fills").made
        except TorghutError as error:
            answers.put((day, type(error).__name__))
        else:
            answers.put((day, "traded" if made else "current"))


@pytest.mark.heavy
def test_sessions_asked_for_at_once_are_traded_in_order_and_once(evaluated):
    settle_gate(evaluated)
    with instance_of(evaluated) as instance:
        paper = PaperHome(evaluated, instance)
        paper.settle_policies()
        assert paper.deploy() is None
        instance.add_dynamic_partitions("session", list(DAYS))
    found = []
    for _ in DAYS:  # a session that came too early is refused; asked again, it is its turn
        line, answers = FORK.Barrier(2 * len(DAYS)), FORK.Queue()
        processes = [
            FORK.Process(target=trade, args=(evaluated, day, line, answers))
            for day in (*DAYS, *reversed(DAYS))
        ]
        for process in processes:
            process.start()
        found += [answers.get(timeout=600) for _ in processes]
        for process in processes:
            process.join()
    outcomes = {outcome for _, outcome in found}
    refusals = {"ShortSessionError", "SessionNotOverError", "StageRefusedError"}
    assert outcomes <= {"traded", "current", *refusals}
    for day in DAYS:
        assert found.count((day, "traded")) == 1, found
    with instance_of(evaluated) as instance:
        paper = PaperHome(evaluated, instance)
        fills = [paper.record("paper_fills", day) for day in DAYS]
        intents = [paper.record("order_intents", day) for day in DAYS]
        for before, after in zip(fills, intents[1:], strict=False):
            assert after.previous_fills_digest == before.digest
        sent = OrderJournal(evaluated).ledger().orders
        assert len(sent) == sum(len(f.orders) for f in fills)
