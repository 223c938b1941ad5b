"""Steps of the ramp are decided again: gates 4 and 5, the persons, the level that follows."""

import datetime as dt
import functools

import pytest
import ramp_examples as ramp
from ledger_examples import ALICE, BOB, RUNNER, Book, signed
from redecision_examples import Known

from torghut_assets.domain.audit.faults import PackFault, PackFaultError
from torghut_assets.domain.audit.redecide_ramp import FOUND_THEN, redecide_ramp
from torghut_assets.domain.audit.redecided import CannotDecideError
from torghut_assets.domain.evidence.statement import statement_about
from torghut_assets.domain.ramp.approving import approvals_for
from torghut_assets.domain.ramp.evaluate import judge_readiness, ramp_stage, ready
from torghut_assets.domain.ramp.evidence import RampCase
from torghut_assets.domain.ramp.measurements import MEASUREMENTS
from torghut_assets.domain.ramp.request import ramp_request


@functools.cache
def spec():
    found = ramp.gate_evidence.passing().candidate_spec
    return found.model_copy(update={"author": ramp.AUTHOR})


@functools.cache
def deployment():
    return ramp.deployment().model_copy(update={"candidate_spec_digest": spec().digest})


def fills(session):
    return ramp.fills(session).model_copy(update={"deployment_digest": deployment().digest})


def drills():
    rollback = ramp.rollback_drill()
    measured = rollback.rollback.model_copy(update={"deployment_digest": deployment().digest})
    return (
        ramp.kill_drill(),
        rollback.model_copy(update={"rollback": measured}),
        ramp.alert_drill(),
    )


@functools.cache
def decided(*persons):
    """A step that some persons approved: its record, the records and the ledger behind it."""
    book = Book()
    book.now = ramp.NOW - dt.timedelta(minutes=10)
    for drill in drills():
        book.add(signed(statement_about("drill", {"drill": drill.digest}, drill), RUNNER))
    books = tuple(
        ramp.runbook(name).model_copy(update={"executed_by": "Alice Example"})
        for name in ramp.POLICY.runbooks
    )
    for runbook in books:
        subjects = {"runbook": runbook.digest}
        book.add(signed(statement_about("runbook", subjects, runbook), ALICE))
    evidence = ramp.evidence(
        deployment=deployment(),
        fills={session: fills(session) for session in ramp.SESSIONS},
        in_force={"code": deployment().code_digest, **deployment().policies},
        operations=ramp.operations(drills=drills(), runbooks=books),
    )
    request, refusals = ramp_request(evidence, ramp.POLICY, ramp.STAGE)
    assert request is not None, refusals
    owners = {ALICE: "Alice Example", BOB: "Bob Example"}
    for key in persons:
        ramp.approve(book, request, key, owners[key])
    approvals = approvals_for(book.entries, book.ring, request.decision, ramp.NOW)
    case = RampCase(evidence, request, (), approvals)
    gates = judge_readiness(case, ramp.POLICY)
    granted = None
    if ready(gates):
        granted = ramp.grant_of(case)
        statement = statement_about("ramp", granted.subjects, granted)
        book.now = ramp.NOW - dt.timedelta(seconds=1)
        book.add(signed(statement, RUNNER))
    record = ramp_stage(case, ramp.POLICY, ramp.STAGE, gates, granted)
    known = Known(
        ramp.POLICY,
        ramp.LIMITS,
        deployment(),
        spec(),
        ramp.gate_report(),
        ramp.paper_gate_report(),
        request,
        *evidence.fills.values(),
        *evidence.drift.values(),
        entries=book.entries,
    )
    return record, known


def test_a_granted_step_comes_out_again():
    record, known = decided(ALICE, BOB)
    assert (record.level_from, record.level_to) == ("L0", "L1")
    assert redecide_ramp(record, known).verdict == "L0 to L1"


@pytest.mark.parametrize("persons", [(), (ALICE,)])
def test_a_step_that_was_held_comes_out_again(persons):
    record, known = decided(*persons)
    assert record.level_from == record.level_to == "L0"
    assert redecide_ramp(record, known).verdict == "L0 to L0"


def with_limit(record, name, **changes):
    return record.model_copy(
        update={
            "gates": tuple(
                gate.model_copy(
                    update={
                        "limits": tuple(
                            limit.model_copy(update=changes) if limit.measurement == name else limit
                            for limit in gate.limits
                        )
                    }
                )
                for gate in record.gates
            )
        }
    )


@pytest.mark.parametrize("name", [row.name for row in MEASUREMENTS])
def test_no_limit_can_be_widened(name):
    record, known = decided(ALICE)
    was = ramp.limit_of(record.gates, name)
    wider = was.limit + 1 if was.bound == "at_most" else was.limit - 1
    with pytest.raises(PackFaultError) as caught:
        redecide_ramp(with_limit(record, name, limit=wider), known)
    assert caught.value.fault is PackFault.DECISION_DIFFERS
    assert f"[{name}]" in str(caught.value) or "limits" in str(caught.value)


@pytest.mark.parametrize("name", [r.name for r in MEASUREMENTS if r.name not in FOUND_THEN])
def test_no_measurement_that_rests_on_records_can_be_changed(name):
    record, known = decided(ALICE)
    was = ramp.limit_of(record.gates, name).measured
    assert was is not None
    with pytest.raises(PackFaultError) as caught:
        redecide_ramp(with_limit(record, name, measured=was + 1.0), known)
    assert caught.value.fault is PackFault.DECISION_DIFFERS


def test_what_looked_at_the_house_of_that_moment_is_named():
    assert {row.name for row in MEASUREMENTS} > FOUND_THEN
    assert len(FOUND_THEN) == 5


def test_an_approval_that_was_taken_out_of_the_pack_is_missed():
    record, known = decided(ALICE, BOB)
    fewer = [e for e in known.entries if e.kind != "approval" or e.sequence % 2]
    assert len(fewer) == len(known.entries) - 1
    less = Known(*known.by_digest.values(), entries=fewer)
    with pytest.raises(PackFaultError, match="decided again"):
        redecide_ramp(record, less)


def test_a_drill_or_a_report_that_was_taken_out_is_missed():
    record, known = decided(ALICE, BOB)
    fewer = [e for e in known.entries if e.kind != "drill"]
    with pytest.raises(PackFaultError, match="decided again"):
        redecide_ramp(record, Known(*known.by_digest.values(), entries=fewer))
    with pytest.raises(PackFaultError, match="decided again"):
        redecide_ramp(record, known.without(ramp.drift_report(ramp.SESSIONS[3])))


@pytest.mark.parametrize(
    "change",
    [
        lambda r: {"stability": r.stability.model_copy(update={"sessions": 40})},
        lambda r: {"request_digest": "c" * 64},
        lambda r: {"refusals": ("none",)},
        lambda r: {"gates": ()},
    ],
)
def test_a_record_of_another_step_does_not_come_out_again(change):
    record, known = decided(ALICE)
    with pytest.raises(PackFaultError, match="decided again"):
        redecide_ramp(record.model_copy(update=change(record)), known)


def test_a_step_that_was_decided_late_is_not_decided_again():
    record, known = decided(ALICE)
    with pytest.raises(CannotDecideError, match="later sessions"):
        redecide_ramp(with_limit(record, "request_age", measured=2.0), known)
