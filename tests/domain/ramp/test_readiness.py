"""Gates 4 and 5: a good case passes, and each limit refuses for its own reason."""

import datetime as dt
from dataclasses import replace

import pytest
import ramp_examples as ramp
import session_examples as paper
from ledger_examples import ALICE, BOB

from torghut_assets.domain.gates.evidence import Problem
from torghut_assets.domain.ramp.approving import Approvals
from torghut_assets.domain.ramp.evaluate import judge_readiness, ready
from torghut_assets.domain.ramp.measurements import MEASUREMENTS
from torghut_assets.domain.ramp.policy import RampPolicy
from torghut_assets.domain.ramp.request import ramp_request
from torghut_assets.domain.verdicts import Verdict

NEWER = paper.sessions(13)[8:]


def judged(case, policy=ramp.POLICY):
    return judge_readiness(case, policy)


def test_a_good_case_passes_both_gates():
    gates = judged(ramp.case())
    assert ramp.codes(gates) == []
    assert ready(gates)
    assert [gate.gate_id for gate in gates] == [
        "gate4_operational_readiness",
        "gate5_live_ramp_readiness",
    ]


def test_no_gate_or_one_gate_is_not_ready():
    gates = judged(ramp.case())
    assert not ready(())
    assert not ready(gates[:1])
    assert not ready((gates[1], gates[0]))


def test_every_measurement_has_a_limit_a_source_and_a_code_of_its_own():
    gates = judged(ramp.case())
    limits = [limit for gate in gates for limit in gate.limits]
    assert [x.measurement for x in limits] == [row.name for row in MEASUREMENTS]
    assert len({x.breach_code for x in limits}) == len(limits)
    assert all(len(x.source) > 10 for x in limits)
    assert all(gate.artifact_refs for gate in gates)
    assert all(ref.digest for gate in gates for ref in gate.artifact_refs)


def test_as_shipped_live_trading_is_off_and_that_is_the_first_reason():
    assert ramp.SHIPPED.live_enabled is False
    gates = judged(ramp.case(policy=ramp.SHIPPED), ramp.SHIPPED)
    assert gates[1].reasons[0].code == "LIVE_DISABLED"
    assert not ready(gates)


OPERATIONS = [
    ("KILL_DRILL_STALE", {"drills": (ramp.kill_drill(72.1),)}),
    ("KILL_DRILL_FAILED", {"drills": (ramp.kill_drill(open_after=1),)}),
    ("KILL_DRILL_FAILED", {"drills": (ramp.kill_drill(open_in_journal_after=1),)}),
    ("KILL_DRILL_FAILED", {"drills": (ramp.kill_drill(sent_after=1),)}),
    ("KILL_DRILL_FAILED", {"drills": (ramp.kill_drill(exit_status=3),)}),
    ("KILL_DRILL_SLOW", {"drills": (ramp.kill_drill(seconds=5.01),)}),
    ("KILL_DRILL_TOO_SMALL", {"drills": (ramp.kill_drill(open_before=999),)}),
    ("ROLLBACK_DRILL_STALE", {"drills": (ramp.rollback_drill(73),)}),
    ("ROLLBACK_DRILL_FAILED", {"drills": (ramp.rollback_drill(state="unknown"),)}),
    ("ROLLBACK_DRILL_FAILED", {"drills": (ramp.rollback_drill(differences=("AAPL: 1",)),)}),
    ("ROLLBACK_DRILL_FAILED", {"drills": (ramp.rollback_drill(held_before=0),)}),
    ("ALERT_DRILL_STALE", {"drills": (ramp.alert_drill(100),)}),
    ("ALERTS_NOT_LIVE", {"drills": (ramp.alert_drill(outcome="failed"),)}),
    ("ALERTS_NOT_LIVE", {"drills": (ramp.alert_drill(outcome="not_configured"),)}),
    ("RUNBOOKS_NOT_EXECUTED", {"runbooks": (ramp.runbook("kill-switch"),)}),
    (
        "RUNBOOKS_NOT_EXECUTED",
        {"runbooks": tuple(ramp.runbook(n, 2_161) for n in ramp.POLICY.runbooks)},
    ),
    ("ORDER_JOURNAL_BROKEN", {"journal_faults": ("entry 3 was altered",)}),
    ("LEDGER_BROKEN", {"ledger_faults": ("entry 3: leaf_altered",)}),
]


@pytest.mark.parametrize(("code", "change"), OPERATIONS, ids=[code for code, _ in OPERATIONS])
def test_operations_that_are_not_in_order_are_named(code, change):
    """A drill that is added last is the newest of its kind."""
    if "drills" in change:
        change = {"drills": (*ramp.operations().drills, *change["drills"])}
    gates = judged(ramp.case(ramp.with_operations(ramp.evidence(), **change)))
    assert ramp.codes(gates) == [code]
    assert gates[0].verdict is Verdict.FAIL


def test_a_drill_that_failed_is_repaired_by_one_that_worked():
    failed, fine = ramp.kill_drill(2, open_after=7), ramp.kill_drill(1)
    others = ramp.operations().drills[1:]
    found = ramp.with_operations(ramp.evidence(), drills=(failed, fine, *others))
    assert ready(judged(ramp.case(found)))


def test_a_rollback_drill_of_another_deployment_does_not_count():
    drills = (
        ramp.kill_drill(),
        ramp.rollback_drill(deployment_digest=paper.digest_of("another")),
        ramp.alert_drill(),
    )
    gates = judged(ramp.case(ramp.with_operations(ramp.evidence(), drills=drills)))
    assert ramp.codes(gates) == ["MISSING_EVIDENCE", "MISSING_EVIDENCE"]


def test_a_drill_that_lies_ahead_counts_for_nothing():
    drills = (ramp.kill_drill(-1), *ramp.operations().drills[1:])
    gates = judged(ramp.case(ramp.with_operations(ramp.evidence(), drills=drills)))
    assert ramp.codes(gates) == ["WRONG_SIGN"]


def changed_report(**changes):
    return ramp.paper_gate_report().model_copy(update=changes)


def failing_gate_report():
    """The same report with one limit that was never measured."""
    first, *others = ramp.gate_report().gates
    limit, *more = first.limits
    bad = limit.model_copy(update={"measured": None, "problem": Problem.MISSING_EVIDENCE})
    gates = (first.model_copy(update={"limits": (bad, *more)}), *others)
    return ramp.gate_report().model_copy(update={"gates": gates})


STEPS = [
    ("BURN_IN_TOO_SHORT", {"sessions": ramp.SESSIONS[-4:]}),
    (
        "DRIFT_IN_WINDOW",
        {
            "drift": {
                **ramp.evidence().drift,
                ramp.SESSIONS[2]: ramp.drift_report(ramp.SESSIONS[2], 2.0),
            }
        },
    ),
    (
        "DRIFT_REPORTS_MISSING",
        {"drift": {s: r for s, r in ramp.evidence().drift.items() if s != ramp.SESSIONS[2]}},
    ),
    (
        "DRIFT_REPORTS_MISSING",
        {"drift": {**ramp.evidence().drift, ramp.SESSIONS[2]: ramp.drift_report(ramp.SESSIONS[3])}},
    ),
    ("EVIDENCE_INCOMPLETE", {"unresolved": ("gate_report_digest: no artifact",)}),
    (
        "NOT_AS_REVIEWED",
        {"in_force": {**ramp.evidence().in_force, "code": paper.digest_of("other code")}},
    ),
    ("NOT_AS_REVIEWED", {"in_force": {"code": ramp.deployment().code_digest}}),
]


@pytest.mark.parametrize(("code", "change"), STEPS, ids=[code for code, _ in STEPS])
def test_what_stands_before_a_step_is_named(code, change):
    gates = judged(ramp.case(ramp.evidence(**change)))
    assert ramp.codes(gates) == [code]
    assert gates[0].verdict is Verdict.PASS


def test_a_limit_beyond_paper_that_failed_stops_the_ramp():
    gates = judged(ramp.case(ramp.evidence(gate_report=failing_gate_report())))
    assert ramp.codes(gates) == ["GATE_LIMITS_FAILED"]


def test_gate_3_must_have_passed_in_this_session():
    open_ = ramp.gate_3.decide(ramp.gate_3.passing(8))  # the shipped policy wants more sessions
    gates = judged(ramp.case(ramp.evidence(paper_gate_report=open_)))
    assert ramp.codes(gates) == ["PAPER_GATE_NOT_PASSED"]
    of_another = changed_report(candidate_id="another-candidate")
    gates = judged(ramp.case(ramp.evidence(paper_gate_report=of_another)))
    assert "WRONG_TYPE" in ramp.codes(gates)


def test_a_request_grows_old_and_newer_sessions_count_against_it():
    days = (*ramp.SESSIONS, *NEWER[:4])
    fine = {day: ramp.drift_report(day) for day in days}
    found = ramp.evidence(sessions=days[:-1], drift=fine)
    assert ready(judged(ramp.case(found)))
    found = ramp.evidence(sessions=days, drift=fine)
    assert ramp.codes(judged(ramp.case(found))) == ["REQUEST_TOO_OLD"]
    bad = {**fine, days[-2]: ramp.drift_report(days[-2], 2.0)}
    found = ramp.evidence(sessions=days[:-1], drift=bad)
    assert ramp.codes(judged(ramp.case(found))) == ["DRIFT_IN_WINDOW"]


def test_a_session_that_is_none_of_the_deployment_has_no_age():
    found = ramp.evidence(sessions=ramp.SESSIONS[:-1])
    assert "MISSING_EVIDENCE" in ramp.codes(judged(ramp.case(found)))


@pytest.mark.parametrize("keys", [(), (ALICE,), (BOB,), (ALICE, ALICE)])
def test_fewer_than_two_persons_are_too_few(keys):
    gates = judged(ramp.case(keys=keys))
    assert ramp.codes(gates) == ["APPROVALS_MISSING"]
    limit = ramp.limit_of(gates, "approving_persons")
    assert (limit.measured, limit.limit) == (float(len(set(keys))), 2.0)


def test_more_persons_are_needed_if_the_policy_says_so():
    policy = ramp.POLICY.model_copy(update={"persons_required": 3})
    assert ramp.codes(judged(ramp.case(policy=policy), policy)) == ["APPROVALS_MISSING"]


def test_what_was_approved_instead_is_compared_part_by_part():
    reviewed = ramp.case().request
    other = ramp.evidence(deployment=ramp.deployment().model_copy(update={"budget_usd": 2e6}))
    now = ramp.case(other, keys=())
    gates = judged(replace(now, reviewed_instead=(reviewed,)))
    limit = ramp.limit_of(gates, "configuration_differences")
    assert limit.verdict is Verdict.FAIL
    assert "budget_usd: approved 1000000.0, target 2000000.0" in limit.details
    assert any(text.startswith("limit_card.max_order_value_usd") for text in limit.details)
    assert any(text.startswith("paper_deployment: approved") for text in limit.details)


def test_too_large_a_step_is_refused_even_if_the_policy_was_forged():
    """A policy that validation never saw: gate 5 measures the step itself."""
    levels = [level.model_copy() for level in ramp.POLICY.levels]
    levels[1] = levels[1].model_copy(update={"notional_fraction": 0.3})
    forged = RampPolicy.model_construct(**{**ramp.POLICY.__dict__, "levels": tuple(levels)})
    gates = judged(ramp.case(policy=forged), forged)
    assert ramp.codes(gates) == ["INCREMENT_TOO_LARGE"]


def test_a_card_wider_than_the_order_limits_is_refused():
    tight = ramp.LIMITS.model_copy(update={"price_collar_fraction": 0.01, "max_messages": 10})
    found = ramp.evidence(order_limits=tight)
    limit = ramp.limit_of(judged(ramp.case(found)), "limit_card_faults")
    assert (limit.measured, limit.reason.code) == (2.0, "LIMIT_CARD_INCOMPLETE")


@pytest.mark.parametrize(
    "name",
    [
        "deployment",
        "gate_report",
        "paper_gate_report",
        "order_limits",
        "grants",
        "in_force",
        "unresolved",
    ],
)
def test_what_is_missing_is_never_a_pass(name):
    gates = judged(ramp.case(ramp.evidence(**{name: None})))
    assert not ready(gates)
    assert "MISSING_EVIDENCE" in ramp.codes(gates)


def test_a_ledger_that_cannot_be_read_leaves_nothing_to_go_by():
    blind = ramp.with_operations(
        ramp.evidence(grants=None), drills=None, runbooks=None, ledger_faults=("truncated",)
    )
    case = replace(ramp.case(blind), approvals=None)
    gates = judged(case)
    assert {gate.verdict for gate in gates} == {Verdict.FAIL}
    assert "LEDGER_BROKEN" in ramp.codes(gates)


def test_without_an_author_there_is_no_request():
    request, refusals = ramp_request(ramp.evidence(authors=()), ramp.POLICY, ramp.STAGE)
    assert request is None
    assert "authors" in refusals[0]


def test_a_stage_leads_only_where_the_policy_says():
    request, refusals = ramp_request(ramp.evidence(), ramp.POLICY, ramp.SECOND)
    assert (request, refusals) == (None, ("live_ramp_stage_2_plus leads nowhere from L0",))


def test_the_request_is_the_same_later():
    one, _ = ramp_request(ramp.evidence(), ramp.POLICY, ramp.STAGE)
    later = ramp.evidence(
        now=ramp.NOW + dt.timedelta(days=1),
        sessions=(*ramp.SESSIONS, *NEWER[:1]),
        fills={**ramp.evidence().fills, NEWER[0]: ramp.fills(NEWER[0])},
    )
    other, _ = ramp_request(later, ramp.POLICY, ramp.STAGE)
    assert one.digest == other.digest
    assert one.differences(other) == ()


def test_approvals_that_nobody_could_read_are_none():
    assert Approvals().persons == ()
