from dataclasses import replace

import pytest
from gate_evidence import POLICY, passing
from pydantic import ValidationError

from torghut_assets.domain.gates.evaluate import evaluate_gates
from torghut_assets.domain.gates.evidence import Problem
from torghut_assets.domain.gates.records import GateReport, GateResult, LimitResult
from torghut_assets.domain.verdicts import Verdict

REPORT = evaluate_gates(passing(), POLICY, code_version="test")
DRAWDOWN = REPORT.gates[2].limits[0]


def with_(result: LimitResult, **changes: object) -> LimitResult:
    return LimitResult(**{**dict(result), **changes})


def test_a_result_without_measurement_says_why():
    with pytest.raises(ValidationError, match="neither a measurement nor a problem"):
        with_(DRAWDOWN, measured=None)


@pytest.mark.parametrize("problem", [Problem.NOT_A_NUMBER, Problem.MISSING_EVIDENCE])
def test_a_measurement_does_not_stand_next_to_its_absence(problem):
    with pytest.raises(ValidationError, match="next to a measurement"):
        with_(DRAWDOWN, problem=problem)


@pytest.mark.parametrize("problem", [Problem.WRONG_SIGN, Problem.IMPOSSIBLE_VALUE])
def test_a_value_that_cannot_exist_fails_though_it_is_within_the_limit(problem):
    result = with_(DRAWDOWN, problem=problem)
    assert result.measured is not None
    assert result.verdict is Verdict.FAIL
    assert result.margin is None


def test_a_nan_cannot_be_stored():
    with pytest.raises(ValidationError):
        with_(DRAWDOWN, measured=float("nan"))


def test_a_gate_of_limits_for_later_stages_only_does_not_pass():
    later = GateResult(
        gate_id="gate2_risk_capacity",
        title="Risk and capacity",
        limits=(with_(DRAWDOWN, required_for="beyond_paper"),),
        artifact_refs=REPORT.inputs,
    )
    assert later.limits[0].verdict is Verdict.PASS
    assert later.status is Verdict.FAIL
    assert later.beyond_paper_status is Verdict.FAIL


@pytest.mark.parametrize(
    "gates", [(), REPORT.gates[:2], REPORT.gates[::-1], (REPORT.gates[0],) * 3]
)
def test_a_report_without_every_gate_in_order_does_not_exist(gates):
    with pytest.raises(ValidationError):
        GateReport(**{**dict(REPORT), "gates": gates})


def test_a_gate_without_limits_does_not_exist():
    with pytest.raises(ValidationError):
        GateResult(**{**dict(REPORT.gates[0]), "limits": ()})


def test_no_verdict_can_be_typed_in():
    with pytest.raises(ValidationError):
        GateReport(**dict(REPORT), verdict=Verdict.PASS)
    with pytest.raises(ValidationError):
        with_(DRAWDOWN, measured=0.9, verdict=Verdict.PASS)


def test_the_subject_is_the_partition_key():
    assert REPORT.subject == "trend-of-six|us-megacaps@2021-12-31"


def test_blocking_reasons_come_first_within_a_gate():

    report = evaluate_gates(
        replace(passing(), overfit_diagnostics=None, stress_metrics=None),
        POLICY,
        code_version="test",
    )
    order = [reason.required_for for reason in report.gates[1].reasons]
    assert order == sorted(order, key=lambda stage: stage != "paper")
    assert set(report.blocking_reasons) < set(report.reasons)
    assert all(reason.required_for == "paper" for reason in report.blocking_reasons)
