"""Triggers, plans, receipts and incidents: what passes, what does not, and in which class."""

import dataclasses
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st
from session_examples import deployment, digest_of, fill

from torghut_assets.domain.drift.policy import SilenceBudget, parse_drift_policy
from torghut_assets.domain.errors import EvidenceContradictionError, StageRefusedError
from torghut_assets.domain.orders.journal import OrderNote
from torghut_assets.domain.orders.keys import OrderRequest
from torghut_assets.domain.orders.records import Champion
from torghut_assets.domain.rollback.decide import (
    ReportSeen,
    Situation,
    calls_for_rollback,
    closings,
    rollback_plan,
    silence_of,
    trigger_of_report,
)
from torghut_assets.domain.rollback.incident import (
    Aftermath,
    circumstances_of,
    incident_report,
    timeline,
    worst_rule,
)
from torghut_assets.domain.rollback.records import (
    Holding,
    IncidentReport,
    Notification,
    OpenOrder,
    OrderEnd,
    ReadBack,
    RollbackPlan,
    RollbackReceipt,
    TimelineEntry,
    Trigger,
)
from torghut_assets.domain.verdicts import Verdict

POLICY = parse_drift_policy((files("torghut_assets") / "config/drift_policy.yaml").read_bytes())
REDUCE = POLICY.model_copy(
    update={"rollback": POLICY.rollback.model_copy(update={"mode": "reduce_only"})}
)
CHAMPION = Champion(candidate_id="the-champion-v1", deployment_digest=digest_of("champion"))
TRIGGER = Trigger(
    circumstance="risk_breach", record="drift_report", digest=digest_of("r"), detail="lost too much"
)
OPEN = OpenOrder(key=digest_of("open"), symbol="AAPL", status="submitted")
AT = "2022-01-04T21:00:00Z"


def situation(**changes) -> Situation:
    fields = {
        "holdings": (Holding(symbol="AAPL", quantity=100), Holding(symbol="AMZN", quantity=-40)),
        "fills_digest": digest_of("fills"),
        "champion": None,
        "open_orders": (OPEN,),
        "journal_head": digest_of("journal"),
    }
    return Situation(**(fields | changes))


def plan(policy=POLICY, **changes) -> RollbackPlan:
    return rollback_plan(deployment(), "2022-01-03", [TRIGGER], situation(**changes), policy)


def receipt(of=None, holdings=(), open_orders=(), **changes) -> RollbackReceipt:
    of = of or plan()
    fields = {
        "candidate_id": of.candidate_id,
        "session": of.session,
        "plan_digest": of.digest,
        "mode": of.mode,
        "broker": "replay",
        "restores": of.restores,
        "in_force_digest": of.restores.deployment_digest if of.restores else None,
        "targets": of.targets,
        "orders": (),
        "read_back": ReadBack(
            read_at=AT,
            holdings=tuple(Holding(symbol=s, quantity=q) for s, q in holdings),
            open_orders=tuple(open_orders),
        ),
        "problems": (),
        "journal_head": digest_of("journal"),
    }
    return RollbackReceipt(**(fields | changes))


def aftermath(**changes) -> Aftermath:
    fields = {
        "moments": [TimelineEntry(at=AT, what="a report was made", source="test", digest=None)],
        "evidence": [],
        "kill_latch_digest": None,
        "notifications": [Notification(channel="log", outcome="delivered", detail="")],
    }
    return Aftermath(**(fields | changes))


def test_a_flat_plan_wants_nothing_of_any_symbol():
    made = plan()
    assert {t.symbol: t.quantity for t in made.targets} == {"AAPL": 0, "AMZN": 0}
    assert made.cancels == (OPEN,)
    assert made.answers == {TRIGGER.digest}
    assert RollbackPlan.from_canonical_bytes(made.canonical_bytes(), location="test") == made


def test_a_plan_without_a_reason_is_refused():
    with pytest.raises(StageRefusedError, match="no report that fails"):
        rollback_plan(deployment(), "2022-01-03", [], situation(), POLICY)


def test_a_holding_outside_the_deployment_is_closed_too():
    made = plan(holdings=(Holding(symbol="TSLA", quantity=7),))
    assert {t.symbol for t in made.targets} == {"AAPL", "AMZN", "TSLA"}


def test_closing_orders_go_to_zero_and_not_beyond():
    held = [Holding(symbol="AAPL", quantity=100), Holding(symbol="AMZN", quantity=-40)]
    found = {c.symbol: (c.side, c.quantity) for c in closings(plan(), held)}
    assert found == {"AAPL": ("sell", -100), "AMZN": ("buy", 40)}


SHARES = st.integers(-1_000, 1_000)


@given(planned=SHARES, held=SHARES)
def test_reduce_only_never_enlarges_and_never_turns(planned, held):
    made = plan(REDUCE, holdings=(Holding(symbol="AAPL", quantity=planned),))
    orders = closings(made, [Holding(symbol="AAPL", quantity=held)])
    after = held + sum(order.quantity for order in orders)
    assert abs(after) <= abs(held)
    assert after * held >= 0
    assert abs(after) <= abs(planned)
    assert receipt(made, [("AAPL", after)]).differences == ()


@given(held=SHARES)
def test_a_flat_receipt_passes_only_when_nothing_is_held(held):
    found = receipt(holdings=[("AAPL", held)])
    assert (found.verdict is Verdict.PASS) is (held == 0)
    assert found.state == ("restored" if held == 0 else "unknown")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"read_back": None}, "could not be asked"),
        ({"open_orders": ["abc"]}, "still open"),
        ({"holdings": [("TSLA", 1)]}, "TSLA: holds 1"),
        ({"in_force_digest": digest_of("another")}, "in force is"),
        (
            {
                "orders": (
                    OrderEnd(
                        key=digest_of("k"),
                        symbol="AAPL",
                        side="sell",
                        quantity=1,
                        filled=0,
                        status="unknown",
                        purpose="flatten",
                    ),
                )
            },
            "is unknown",
        ),
    ],
)
def test_what_is_not_as_planned_is_unknown(changes, said):
    found = receipt(**changes)
    assert any(said in text for text in found.differences)
    assert found.state == "unknown"
    assert found.verdict is Verdict.INCONCLUSIVE


def test_a_problem_alone_is_unknown():
    assert receipt(problems=("cancel: no answer",)).state == "unknown"


def test_the_champion_must_be_in_force_again():
    made = plan(champion=CHAMPION)
    assert receipt(made).verdict is Verdict.PASS
    assert receipt(made, in_force_digest=None).state == "unknown"


def test_any_report_calls_only_when_it_fails_or_cannot_be_read():
    assert [calls_for_rollback(v) for v in (*Verdict, None)] == [False, True, False, True]
    seen = ReportSeen("paper_gate_report", digest_of("g"), Verdict.FAIL, "too dear")
    (failed,) = trigger_of_report(seen)
    assert failed.circumstance == "paper_gate_failure"
    (unread,) = trigger_of_report(dataclasses.replace(seen, verdict=None))
    assert unread.circumstance == "silence"
    assert trigger_of_report(dataclasses.replace(seen, verdict=Verdict.INCONCLUSIVE)) == ()


BUDGET = SilenceBudget(sessions=2, grace_minutes=60)


@pytest.mark.parametrize(
    ("finished", "passed", "silent"),
    [
        ([], [], False),
        (["a"], [], False),
        (["a", "b"], [], True),
        (["a", "b"], ["b"], False),
        (["a", "b"], ["a"], False),
        (["a", "b", "c"], ["a"], True),
    ],
)
def test_silence_is_no_passing_report_of_the_last_sessions(finished, passed, silent):
    assert (silence_of(finished, passed, BUDGET) is not None) is silent


@pytest.mark.parametrize(
    ("circumstances", "expected", "kill"),
    [
        (("silence",), "D", False),
        (("data_drift", "model_drift"), "C", False),
        (("performance_drift", "risk_breach"), "B", False),
        (("unexplained_difference", "silence"), "A", True),
        (("state_unknown",), "A", True),
    ],
)
def test_the_worst_circumstance_decides_the_class(circumstances, expected, kill):
    rule = worst_rule(circumstances, POLICY)
    assert rule.incident_class == expected
    assert rule.demands_kill_switch is kill


def test_an_unknown_state_makes_any_incident_class_a():
    made = plan()
    report = incident_report(made, receipt(made, read_back=None), POLICY, [], aftermath())
    assert report.circumstances == ("risk_breach", "state_unknown")
    assert report.incident_class == "A"
    assert report.demands_kill_switch
    assert report.returns_to == "research_intake"
    assert "compared the broker's account" in report.corrective_action
    again = IncidentReport.from_canonical_bytes(report.canonical_bytes(), location="test")
    assert again.incident_class == "A"


def test_an_incident_of_another_plan_or_policy_is_refused():
    made = plan()
    other = plan(fills_digest=None)
    with pytest.raises(EvidenceContradictionError, match="the plan"):
        circumstances_of(other, receipt(made))
    with pytest.raises(EvidenceContradictionError, match="the policy"):
        incident_report(made, receipt(made), REDUCE, [], aftermath())


def test_a_circumstance_without_a_class_is_refused():
    made = plan()
    report = incident_report(made, receipt(made), POLICY, [], aftermath())
    fields = report.model_dump() | {"rules": (POLICY.incident_classes[0].model_dump(),)}
    with pytest.raises(ValueError, match="no class for risk_breach"):
        IncidentReport(**fields)


def test_the_timeline_is_in_order_and_says_what_happened():
    def note(event, at, **fields):
        return OrderNote(
            key=digest_of("k"),
            candidate_id="tsmom-megacaps-v1",
            session="2022-01-03",
            event=event,
            at=at,
            **fields,
        )

    notes = [
        note("submit", "2022-01-04T14:25:00Z"),
        note("cancel", "2022-01-04T14:26:00Z", reason="rollback"),
    ]
    moments = [TimelineEntry(at="2022-01-03T22:00:00Z", what="it failed", source="t", digest=None)]
    found = timeline(notes, moments)
    assert [e.at for e in found] == sorted(e.at for e in found)
    assert [e.source for e in found] == ["t", "order journal", "order journal"]
    assert found[-1].what.endswith("cancelled: rollback")


def test_the_timeline_shows_what_was_asked_and_what_was_executed():
    request = OrderRequest(
        key=digest_of("AAPL key"),
        candidate_id="tsmom-megacaps-v1",
        session="2022-01-03",
        deployment_digest=digest_of("deployment"),
        purpose="flatten",
        symbol="AAPL",
        side="sell",
        quantity=50,
        order_type="market",
        limit_price_usd=None,
        decided_at=AT,
    )
    about = {"key": request.key, "candidate_id": request.candidate_id, "session": request.session}
    notes = [
        OrderNote(**about, event="claim", at=AT, request=request),
        OrderNote(**about, event="execute", at=AT, fill=fill()),
    ]
    claimed, executed = timeline(notes, [])
    assert claimed.what.endswith("flatten sell 50 AAPL market market")
    assert executed.what.endswith("executed: 50 AAPL at 181 USD")
