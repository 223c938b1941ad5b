"""Paper trading in a real home: an admitted candidate on real bars of 2022."""

import dataclasses

import pytest
from evaluated_examples import PASSING, SNAPSHOT
from paper_home import PaperHome, settle_gate

from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.session import trade
from torghut_assets.domain.errors import StageRefusedError
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.kill_switch import KillSwitch
from torghut_assets.resources.order_journal import OrderJournal
from torghut_assets.resources.session_bars import SessionBars

DAYS = ("2022-01-03", "2022-01-04", "2022-01-05")


@pytest.fixture
def paper(evaluated):
    with instance_of(evaluated) as instance:
        yield PaperHome(evaluated, instance)


@pytest.fixture
def deployed(evaluated):
    settle_gate(evaluated)
    with instance_of(evaluated) as instance:
        paper = PaperHome(evaluated, instance)
        paper.settle_policies()
        assert paper.deploy() is None
        yield paper


def edit(home, name, old, new):
    """Put an edited setting into the home."""
    text = home.config_path(name).read_text()
    assert old in text
    folder = home.root / "config"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(text.replace(old, new))


def test_without_a_passing_receipt_nothing_is_deployed(paper):
    paper.settle_policies()
    assert "found no gate decision in its receipts" in paper.deploy()
    assert paper.record("paper_deployment") is None


def test_a_deployment_names_the_evidence_it_rests_on(deployed):
    found = deployed.record("paper_deployment")
    assert (found.candidate_id, found.snapshot_id) == (PASSING, SNAPSHOT)
    for digest in (
        found.gate_report_digest,
        found.target_weights_digest,
        found.backtest_metrics_digest,
        *found.policies.values(),
    ):
        assert digest in deployed.home.store
    assert found.parameters["lookback_bars"] == 252  # as the candidate file declares


def test_sessions_trade_in_order_reconcile_and_repeat_to_the_byte(deployed, tmp_path):
    for day in DAYS:
        assert deployed.trade(day) is None
    fills = [deployed.record("paper_fills", day) for day in DAYS]
    intents = [deployed.record("order_intents", day) for day in DAYS]
    assert {f.verdict for f in fills} == {Verdict.PASS}
    assert {i.parity_verdict for i in intents} == {Verdict.PASS}
    assert {i.parity_max_difference_fraction for i in intents} == {0.0}
    assert intents[1].previous_fills_digest == fills[0].digest
    assert intents[1].equity_usd == fills[0].equity_after_usd
    assert fills[0].fills
    for day, before in zip(DAYS, fills, strict=True):  # again, as a new process
        first = deployed.record("paper_orders", day).digest
        assert deployed.trade(day) is None
        assert deployed.record("paper_fills", day) == before
        assert deployed.record("paper_orders", day).digest == first
    keys = [state.request.key for state in OrderJournal(deployed.home).ledger().orders.values()]
    assert len(keys) == sum(len(f.orders) for f in fills)


def test_a_session_may_not_be_left_out(deployed):
    assert deployed.trade(DAYS[0]) is None
    assert "2022-01-04 before it has no reconciled fills" in deployed.trade(DAYS[2])


@pytest.mark.parametrize("day", ["2022-01-01", "2022-01-17", "2022-05-30"])
def test_a_day_without_a_session_is_refused(deployed, day):
    assert "expected a trading day of XNYS" in deployed.trade(day)


def test_the_kill_switch_stops_a_session_and_a_signature_is_all_that_helps(deployed):
    KillSwitch(deployed.home).engage(PASSING, "drill")
    assert "the kill switch is on: latch 1" in deployed.trade(DAYS[0])
    assert deployed.record("order_intents", DAYS[0]) is None
    assert OrderJournal(deployed.home).ledger().orders == {}


def test_a_guardrail_that_is_not_kept_blocks_every_order(evaluated):
    edit(
        evaluated,
        "order_limits",
        "max_participation_fraction: 0.02",
        "max_participation_fraction: 0.0001",
    )
    settle_gate(evaluated)
    with instance_of(evaluated) as instance:
        paper = PaperHome(evaluated, instance)
        paper.settle_policies()
        assert paper.deploy() is None
        assert "requires risk_guardrails_passed, found fail: participation" in paper.trade(DAYS[0])
        assert OrderJournal(evaluated).ledger().orders == {}


def test_too_many_messages_disable_the_candidate_until_a_person_decides(evaluated):
    edit(evaluated, "order_limits", "max_messages: 100", "max_messages: 2")
    settle_gate(evaluated)
    with instance_of(evaluated) as instance:
        paper = PaperHome(evaluated, instance)
        paper.settle_policies()
        assert paper.deploy() is None
        assert "the message rate was exceeded" in paper.trade(DAYS[0])
        blocked = {f.rule for f in paper.record("order_intents", DAYS[0]).blocked_by}
        assert blocked == {"message_rate"}
        assert "the kill switch is on: latch 1" in paper.trade(DAYS[0])
    (latch,) = KillSwitch(evaluated).reading(PASSING).engaged
    assert latch.cause == "message_rate"


def test_settings_that_changed_since_the_deployment_are_refused(deployed):
    edit(deployed.home, "order_limits", "max_messages: 100", "max_messages: 1000")
    deployed.settle_policies()
    assert "paper_deployment: order_limits" in deployed.trade(DAYS[0])


def test_a_session_that_late_bars_blocked_trades_once_they_are_there(evaluated, monkeypatch):
    settle_gate(evaluated)
    real = SessionBars.known_before

    def late(*arguments):
        known = real(*arguments)
        return dataclasses.replace(known, sessions_behind=dict.fromkeys(known.sessions_behind, 3))

    with instance_of(evaluated) as instance:
        driver = Driver(evaluated, instance)
        with monkeypatch.context() as patch:
            patch.setattr(SessionBars, "known_before", late)
            with pytest.raises(StageRefusedError, match="stale"):
                trade(driver, PASSING, DAYS[0])
        assert OrderJournal(evaluated).ledger().orders == {}
        assert trade(Driver(evaluated, instance), PASSING, DAYS[0]).orders > 0


def test_shadow_mode_writes_intents_and_sends_nothing(evaluated):
    edit(evaluated, "paper_policy", "\nmode: paper", "\nmode: shadow")
    edit(evaluated, "paper_policy", "degraded_fraction: 1.0", "degraded_fraction: 0.5")
    settle_gate(evaluated)
    with instance_of(evaluated) as instance:
        paper = PaperHome(evaluated, instance)
        paper.settle_policies()
        assert paper.deploy() is None
        for day in DAYS[:2]:
            assert paper.trade(day) is None
        first, second = (paper.record("order_intents", day) for day in DAYS[:2])
        assert (first.stance, bool(first.intents)) == ("full", True)
        assert (second.stance, second.intents) == ("abstain", ())  # nobody reported on the first
        fills = paper.record("paper_fills", DAYS[1])
    assert (fills.orders, fills.net_return_fraction, fills.verdict) == ((), 0.0, Verdict.PASS)
    assert not evaluated.order_journal_path.exists()
    assert not evaluated.replay_broker_path.exists()


def test_a_broker_that_holds_something_else_stops_the_next_session(deployed):
    import sqlite3

    assert deployed.trade(DAYS[0]) is None
    with sqlite3.connect(deployed.home.replay_broker_path) as db:
        text = db.execute("SELECT holdings FROM sessions").fetchone()[0]
        db.execute("UPDATE sessions SET holdings = ?", (text.replace('"AAPL"', '"MSFT"'),))
    assert "as after 2022-01-03" in deployed.trade(DAYS[1])
