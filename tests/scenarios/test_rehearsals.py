"""Rehearsals end where they must, for real; and they notice when something does not."""

import re
import socket
import threading
from types import SimpleNamespace

import pytest
from evaluated_examples import PASSING, REFUSED, SNAPSHOT

from torghut_assets.cli import rehearsed_home, rehearsed_trading
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.rehearsal import active_paths, gate_fail, promote_to_gate, rehearse
from torghut_assets.cli.rehearsed_home import RehearsalFailedError, RehearsedHome, Validated
from torghut_assets.domain.errors import StageRefusedError
from torghut_assets.domain.stages.evidence import Finding, Outcome
from torghut_assets.resources.home import Home
from torghut_assets.resources.order_journal import OrderJournal
from torghut_assets.resources.stage_desk import StageDesk, Subject

GATE = "gate_policy_evaluation"
PAPER = "shadow_paper_deployment"


@pytest.fixture
def path(evaluated):
    """A rehearsal whose two candidates were evaluated and decided about already."""
    with instance_of(evaluated) as instance:
        said = []
        rehearsed = RehearsedHome(evaluated, instance, said.append)
        rehearsed.said = said
        for candidate in (PASSING, REFUSED):
            rehearsed.driver.settle(candidate, SNAPSHOT, through="research_feedback")
        rehearsed.evaluate = lambda candidate: None
        yield rehearsed


@pytest.fixture
def doorbell(monkeypatch):
    """An address where incidents could be announced, and who rang there."""
    rang = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)

        def listen():
            while not rang:
                try:
                    rang.append(server.accept())
                except TimeoutError:
                    continue
                except OSError:
                    return

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        monkeypatch.setenv("TORGHUT_WEBHOOK_URL", address)
        yield SimpleNamespace(rang=rang, address=address)


@pytest.mark.slow
def test_a_rollback_is_rehearsed_for_real_tells_nobody_and_leaves_nothing(
    doorbell, tmp_path, monkeypatch
):
    for name in ("work", "user", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    said = []
    validated = rehearse("rollback", said.append)
    assert said[-1] == "rollback: ended where it must"
    text = "\n".join(said)
    drifts = rehearsed_trading.DRIFTS
    for line in (
        r"setting  drift_policy: degrade: 0.03 fail: 0.04 \(instead of degrade: 0.03 fail: 0.07\)",
        r"ran      session 2022-01-20 .* drift (pass|not_yet|degrade)",
        r"ran      session 2022-01-21 .* drift fail",
        r"decided  shadow_paper_deployment: fail -> rollback_incident .*",
        r"decided  rollback_incident: pass -> research_intake .*",
        rf"stands   {drifts}: research_intake after pass",
        r"because  session_loss: .*",
        r"flat     held (AAPL|AMZN) \d+, .*; the broker now holds nothing, and no order is open",
        r"incident class B: .*",
        r"same     the job again: 8 receipts, \d+ orders, as before",
        rf"refused  {drifts} once more: .*candidate_was_not_rolled_back.*",
        r"refused  slow-trend-child-without-reasons: .*parent_feedback_is_cited.*",
        r"stands   slow-trend-child-with-reasons: candidate_build after pass",
    ):
        assert re.search(rf"^{line}$", text, re.MULTILINE), f"no line {line} in\n{text}"
    assert {
        Validated(PAPER, drifts, Outcome.FAIL),
        Validated("continuous_monitoring", drifts, Outcome.FAIL),
        Validated("rollback_incident", drifts, Outcome.PASS),
        Validated("research_intake", drifts, Outcome.FAIL),
        Validated("research_intake", "slow-trend-child-with-reasons", Outcome.PASS),
    } <= set(validated)
    assert doorbell.rang == []
    left = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*"))
    assert left == ["temporary", "user", "work"]


def test_paper_refuses_what_it_must_and_is_held_for_more_evidence(path):
    rehearsed_trading.paper(path)
    text = "\n".join(path.said)
    for line in (
        r"refused  order_intents before a deployment: .*torghut session deploy .*",
        r"refused  orders in restricted symbols: .*check risk_guardrails did not pass.*",
        r"refused  paper_orders past a guardrail that blocks: .*risk_guardrails_passed.*",
        r"refused  2022-01-06 before 2022-01-05: .*Sessions are traded in order.*",
        r"ran      session 2022-01-05 .* gate inconclusive +drift (pass|not_yet|degrade)",
        r"decided  shadow_paper_deployment: inconclusive -> shadow_paper_deployment .*",
        r"refused  ramp_stage_1 after three sessions: .* requires no_drift_and_no_breach, .*",
        r"refused  ramp_stage_2_plus after three sessions: .*",
        rf"valid    live_ramp_stage_1 of {PASSING} in 2022-01-05: inconclusive",
        r"same     2022-01-05 again: \d+ receipts and \d+ orders, as before",
        rf"stands   {PASSING}: shadow_paper_deployment after inconclusive",
    ):
        assert re.search(rf"^{line}$", text, re.MULTILINE), f"no line {line} in\n{text}"
    assert OrderJournal(path.home).ledger().orders
    assert Validated(PAPER, PASSING, Outcome.INCONCLUSIVE) in path.validated
    judged = {v.stage for v in path.validated if v.candidate == PASSING}
    assert judged >= {"live_ramp_stage_1", "live_ramp_stage_2_plus", "continuous_monitoring"}


def test_a_refusal_and_a_pass_end_where_they_must(path):
    gate_fail(path)
    promote_to_gate(path)
    assert f"stands   {PASSING}: {PAPER} after pass" in path.said
    assert Validated(GATE, REFUSED, Outcome.FAIL) in path.validated


def test_a_candidate_that_does_not_drift_fails_the_rollback_path(path, monkeypatch):
    """Under the policy as shipped a loss of 4 % is not yet a failure."""
    monkeypatch.setattr(rehearsed_trading, "DRIFTS", PASSING)
    monkeypatch.setattr(rehearsed_trading, "_LOSS_OF_4_PERCENT_FAILS", (b"fail: 0.07",) * 2)
    with pytest.raises(RehearsalFailedError, match="2022-01-20 to 2022-01-21 and did not drift"):
        rehearsed_trading.rollback(path)


def test_a_guardrail_that_lets_through_fails_the_paper_path(path, monkeypatch):
    monkeypatch.setattr(
        rehearsed_trading, "_ALL_RESTRICTED", (b"restricted_symbols: []", b"restricted_symbols: []")
    )
    with pytest.raises(RehearsalFailedError, match="orders in restricted symbols: was not refused"):
        rehearsed_trading.paper(path)


def test_what_must_be_refused_and_is_not_ends_a_rehearsal(path):
    with pytest.raises(RehearsalFailedError, match="a promise: was not refused"):
        path.must_refuse("a promise", lambda: None)


@pytest.mark.parametrize(
    ("candidate", "stage", "outcome"),
    [
        (PASSING, GATE, Outcome.PASS),
        (PASSING, PAPER, Outcome.FAIL),
        ("nobody", "research_intake", Outcome.PASS),
    ],
)
def test_a_candidate_that_stands_elsewhere_ends_a_rehearsal(path, candidate, stage, outcome):
    with pytest.raises(RehearsalFailedError, match="it must stand at"):
        path.must_stand(candidate, stage, outcome)


def test_a_validator_that_disagrees_with_a_receipt_ends_a_rehearsal(path, monkeypatch):
    path.validate_stages()
    assert len(path.validated) == 8
    path.validate_stages()
    assert len(path.validated) == 8, "each decision is judged once"
    again = RehearsedHome(path.home, path.instance, path.said.append)
    monkeypatch.setattr(again, "examine", lambda stage, subject: Outcome.INCONCLUSIVE)
    with pytest.raises(RehearsalFailedError, match="finds inconclusive, receipt 1 says pass"):
        again.validate_stages()


@pytest.mark.parametrize(
    ("requires", "ensures", "outcome"),
    [
        (Outcome.PASS, Outcome.PASS, Outcome.PASS),
        (Outcome.FAIL, Outcome.MISSING, Outcome.FAIL),
        (Outcome.INCONCLUSIVE, Outcome.FAIL, Outcome.INCONCLUSIVE),
        (Outcome.PASS, Outcome.MISSING, Outcome.MISSING),
    ],
)
def test_ensures_count_only_once_requires_hold(path, monkeypatch, requires, ensures, outcome):
    def examine(self, instance, stage, subject):
        found = {"requires": (finding(requires),), "ensures": (finding(ensures),)}
        return {**found, "guards.paper_orders": (finding(Outcome.PASS),)}

    monkeypatch.setattr(StageDesk, "examine", examine)
    assert path.examine(PAPER, Subject(PASSING, SNAPSHOT)) is outcome


def test_a_guard_that_does_not_hold_on_what_was_made_ends_a_rehearsal(path, monkeypatch):
    def examine(self, instance, stage, subject):
        found = {side: (finding(Outcome.PASS),) for side in ("requires", "ensures")}
        return {**found, "guards.paper_orders": (finding(Outcome.INCONCLUSIVE),)}

    monkeypatch.setattr(StageDesk, "examine", examine)
    with pytest.raises(RehearsalFailedError, match=r"guards\.paper_orders: .* is inconclusive"):
        path.examine(PAPER, Subject(PASSING, SNAPSHOT))


def finding(outcome):
    return Finding(condition="a_condition", outcome=outcome, detail="made up", looked_at=())


def test_a_setting_that_says_something_else_cannot_be_changed(path):
    with pytest.raises(RehearsalFailedError, match="does not say 'no such words' once"):
        path.change_setting("order_limits", b"no such words", b"others")
    shipped = path.change_setting("order_limits", b"max_messages: 100", b"max_messages: 99")
    assert b"max_messages: 99" in path.home.config_path("order_limits").read_bytes()
    path.put_setting("order_limits", shipped)
    assert path.home.config_path("order_limits").read_bytes() == shipped


def test_a_path_through_a_stage_that_is_not_active_is_refused(home):
    text = home.config_path("pipeline").read_text()
    for name in (PAPER, "live_ramp_stage_1", "live_ramp_stage_2_plus", "continuous_monitoring"):
        head, stage, rest = text.partition(f"\n  {name}:\n")
        text = f"{head}{stage}{rest.replace('active: true', 'active: false', 1)}"
    off = text.encode()
    with pytest.raises(StageRefusedError, match=f"{PAPER}: declared .* not active"):
        rehearse("paper", pipeline=off)
    assert active_paths(home) == ("promote-to-gate", "gate-fail", "paper", "rollback")
    (home.root / "config").mkdir(exist_ok=True)
    (home.root / "config" / "pipeline.yaml").write_bytes(off)
    assert "paper" not in active_paths(Home.at(home.root))


def test_a_child_cites_what_it_is_told_to():
    child = rehearsed_home.child_of(REFUSED, "its-child", "a" * 64).decode()
    assert "candidate_id: its-child\n" in child
    assert f"parent: {REFUSED}\nprior_run_evidence:\n  - digest: '{'a' * 64}'\n" in child
