"""The law of gates 4 and 5: worse or less evidence never gives a better decision.

5,200 cases. Each starts from a case that was spoilt in up to three ways, so that limits pass and
fail in many combinations, spoils it once or twice more and compares every limit before and after.
"""

import math
from dataclasses import fields, replace

import pytest
import ramp_examples as ramp
import session_examples as paper
from hypothesis import given
from hypothesis import strategies as st
from laws import law
from ledger_examples import ALICE, BOB

from torghut_assets.domain.drift.records import DriftReport
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.orders.limits import OrderLimits
from torghut_assets.domain.orders.records import PaperDeployment
from torghut_assets.domain.ramp import (
    evaluate,
    operations_readings,
    soundness,
    stability,
    step_readings,
)
from torghut_assets.domain.ramp.approving import Approvals
from torghut_assets.domain.ramp.evaluate import judge_readiness, ready
from torghut_assets.domain.records import Record
from torghut_assets.domain.verdicts import Verdict

GOOD = ramp.case()
HOSTILE = (None, math.nan, math.inf, "1", True, [], {}, 10**400, object())
WORSE_DRILLS = {
    "kill": [
        {"open_after": 3},
        {"sent_after": 1},
        {"exit_status": 3},
        {"open_before": 10},
        {"seconds": 30.0},
        {"open_in_journal_after": 2},
    ],
    "rollback": [{"state": "unknown"}, {"differences": ("AAPL: holds 1",)}, {"open_before": 0}],
    "alerts": [{"outcome": "failed"}, {"outcome": "not_configured"}],
}
LOST = ("gate_report", "paper_gate_report", "order_limits", "in_force", "unresolved", "grants")
SPOIL = st.sampled_from(
    [
        "drill_worse",
        "drill_older",
        "drill_hostile",
        "operations_lost",
        "runbook_lost",
        "fault",
        "record_lost",
        "record_hostile",
        "drift_lost",
        "drift_failing",
        "drift_hostile",
        "burn_in",
        "unresolved",
        "in_force",
        "approval_lost",
        "approvals_unreadable",
        "reviewed_other",
        "request_lost",
    ]
)


@pytest.fixture(autouse=True, scope="module")
def soundness_is_remembered():
    """Large records that are not spoilt need not be validated and hashed 5,000 times."""
    known = {}
    compute, look = Record.digest.fget, soundness.sound
    large = (GateReport, PaperGateReport, PaperDeployment, OrderLimits, DriftReport)

    def digest(record):
        if id(record) not in known:
            known[id(record)] = (record, compute(record))
        return known[id(record)][1]

    checked = {}

    def sound(record, model, what):
        if id(record) not in checked or checked[id(record)][0] is not record:
            checked[id(record)] = (record, look(record, model, what))
        return checked[id(record)][1]

    def quick(record, model, what):
        return (sound if model in large else look)(record, model, what)

    with pytest.MonkeyPatch.context() as patch:
        for model in large:
            patch.setattr(model, "digest", property(digest))
        for module in (operations_readings, step_readings, soundness, stability):
            patch.setattr(module, "sound", quick)
        patch.setattr(evaluate, "sound_digest", lambda record, model: None)
        yield


def spoilt_drills(case, how, data):
    drills = case.evidence.operations.drills
    if not isinstance(drills, tuple) or not drills:
        return case
    place = data.draw(st.integers(0, len(drills) - 1))
    drill = drills[place]
    kind = getattr(drill, "drill", None)
    if how == "drill_hostile":
        worse = data.draw(st.sampled_from(HOSTILE))
    elif kind not in WORSE_DRILLS:
        return case
    elif how == "drill_older":
        older = ramp.dt.timedelta(hours=data.draw(st.integers(1, 200)))
        worse = drill.model_copy(update={"finished_at": drill.finished_at - older})
    else:
        change = data.draw(st.sampled_from(WORSE_DRILLS[kind]))
        measured = getattr(drill, kind).model_copy(update=change)
        worse = drill.model_copy(update={kind: measured})
    changed = (*drills[:place], worse, *drills[place + 1 :])
    return replace(case, evidence=ramp.with_operations(case.evidence, drills=changed))


def spoilt_operations(case, how, data):
    operations = case.evidence.operations
    if how == "operations_lost":
        name = data.draw(st.sampled_from([f.name for f in fields(operations)]))
        return replace(case, evidence=ramp.with_operations(case.evidence, **{name: None}))
    if how == "runbook_lost":
        kept = (operations.runbooks or ())[1:] if operations.runbooks is not None else None
        return replace(case, evidence=ramp.with_operations(case.evidence, runbooks=kept))
    name = data.draw(st.sampled_from(["journal_faults", "ledger_faults"]))
    found = getattr(operations, name)
    more = None if found is None else (*found, "something was altered")
    return replace(case, evidence=ramp.with_operations(case.evidence, **{name: more}))


def spoilt_drift(case, how, data):
    drift = dict(case.evidence.drift)
    session = data.draw(st.sampled_from(ramp.SESSIONS))
    if how == "drift_lost":
        drift.pop(session, None)
    elif not isinstance(drift.get(session), DriftReport):
        return case  # what is missing already cannot fail as well
    elif how == "drift_failing":
        drift[session] = ramp.drift_report(session, 2.0)
    else:
        drift[session] = data.draw(st.sampled_from(HOSTILE))
    failing_before = case.evidence.drift.get(session)
    if how != "drift_failing" and failing_before is not None:
        sound = isinstance(failing_before, type(ramp.drift_report(session)))
        if sound and failing_before.verdict is Verdict.FAIL:
            return case  # a failing report that is lost counts as missing instead
    return replace(case, evidence=replace(case.evidence, drift=drift))


def spoilt_evidence(case, how, data):
    found = case.evidence
    if how == "record_lost":
        return replace(case, evidence=replace(found, **{data.draw(st.sampled_from(LOST)): None}))
    if how == "record_hostile":
        name = data.draw(st.sampled_from(LOST[:3]))
        worse = data.draw(st.sampled_from(HOSTILE))
        return replace(case, evidence=replace(found, **{name: worse}))
    if how == "burn_in":
        kept = found.sessions[data.draw(st.integers(1, 6)) :]
        lost = set(found.sessions) - set(kept)
        bad = any(s not in found.drift or _is_bad(found.drift[s]) for s in lost)
        if bad:
            return case  # what failed would be forgotten with its session
        return replace(case, evidence=replace(found, sessions=kept))
    if how == "unresolved":
        more = None if found.unresolved is None else (*found.unresolved, "lost")
        return replace(case, evidence=replace(found, unresolved=more))
    changed = None if found.in_force is None else {**found.in_force, "code": "x"}
    return replace(case, evidence=replace(found, in_force=changed))


def _is_bad(report):
    return getattr(report, "verdict", Verdict.FAIL) is not Verdict.PASS


def spoilt_approvals(case, how, data):
    if how == "request_lost":
        return replace(case, request=None, refusals=("nothing to ask for",))
    if how == "reviewed_other":
        other = ramp.case(ramp.evidence(authors=("Other Author",)), keys=()).request
        return replace(case, reviewed_instead=(*case.reviewed_instead, other))
    if how == "approvals_unreadable":
        return replace(case, approvals=None)
    if case.approvals is None:
        return case
    kept = case.approvals.accepted[data.draw(st.integers(1, 2)) :]
    return replace(case, approvals=Approvals(kept, case.approvals.refused))


def spoilt(case, how, data):
    if how.startswith("drill"):
        return spoilt_drills(case, how, data)
    if how in {"operations_lost", "runbook_lost", "fault"}:
        return spoilt_operations(case, how, data)
    if how.startswith("drift"):
        return spoilt_drift(case, how, data)
    if how in {"approval_lost", "approvals_unreadable", "reviewed_other", "request_lost"}:
        return spoilt_approvals(case, how, data)
    return spoilt_evidence(case, how, data)


def assert_not_better(after, before):
    for new_gate, old_gate in zip(after, before, strict=True):
        for new, old in zip(new_gate.limits, old_gate.limits, strict=True):
            worse = old.verdict is Verdict.FAIL
            assert not (worse and new.verdict is Verdict.PASS), (new.measurement, old, new)
    assert ready(before) or not ready(after)


@law(5_200)
@given(
    start=st.lists(SPOIL, max_size=3), how=st.lists(SPOIL, min_size=1, max_size=2), data=st.data()
)
def test_worse_or_missing_never_turns_a_refusal_into_a_pass(start, how, data):
    case = GOOD
    for one in start:
        case = spoilt(case, one, data)
    before = judge_readiness(case, ramp.POLICY)
    for one in how:
        case = spoilt(case, one, data)
    assert_not_better(judge_readiness(case, ramp.POLICY), before)


def test_the_starting_point_passes_and_each_spoiling_can_refuse():
    """A law about refusals would say nothing of a case that is always refused."""
    assert ready(judge_readiness(GOOD, ramp.POLICY))
    assert not ready(judge_readiness(ramp.case(keys=(ALICE,)), ramp.POLICY))
    assert ready(judge_readiness(ramp.case(keys=(ALICE, BOB)), ramp.POLICY))
    worse = ramp.with_operations(GOOD.evidence, drills=(ramp.kill_drill(open_after=1),))
    assert not ready(judge_readiness(replace(GOOD, evidence=worse), ramp.POLICY))
    assert GOOD.evidence.candidate_id == paper.CANDIDATE
