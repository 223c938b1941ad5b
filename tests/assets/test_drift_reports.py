"""Drift reports as the graph makes them: from real bars, real backtests and stored sessions."""

import time

import dagster as dg
import pytest
from evaluated_examples import PASSING
from monitored_examples import (
    deployment_of,
    publish,
    register,
    sessions_of_2022,
    traded,
)
from paper_home import settle_gate

from torghut_assets.assets.keys import DRIFT_REPORT
from torghut_assets.cli.instance import instance_of
from torghut_assets.definitions import build_definitions
from torghut_assets.domain.drift.records import DriftReport, Level
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.lineage import current_record

SESSIONS = 45


@pytest.fixture
def monitored(evaluated):
    """A home with policies settled and a candidate deployed."""
    settle_gate(evaluated)
    with instance_of(evaluated) as instance:
        definitions = build_definitions(evaluated)
        settled = definitions.resolve_job_def("settle_policies").execute_in_process(
            instance=instance
        )
        assert settled.success
        deployment = deployment_of(evaluated, instance)
        publish(evaluated, instance, "paper_deployment", deployment, PASSING)
        register(instance, PASSING, sessions_of_2022(SESSIONS + 5))
        yield evaluated, instance, definitions, deployment


def report_of(monitored, session) -> DriftReport:
    """Materialize one drift report, and its check, as a run does."""
    home, instance, definitions, _ = monitored
    job = definitions.get_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=instance,
        partition_key=f"{PASSING}|{session}",
        asset_selection=[DRIFT_REPORT],
    )
    assert result.success
    report = current_record(instance, home.store, DriftReport, DRIFT_REPORT, f"{PASSING}|{session}")
    assert report is not None
    (check,) = result.get_asset_check_evaluations()
    assert check.passed is (report.verdict is Verdict.PASS)
    return report


def test_a_candidate_that_behaves_is_reported_session_by_session(monitored):
    home, instance, _, deployment = monitored
    days = sessions_of_2022(3)
    for session in traded(deployment, days[-1]):
        session.publish(home, instance)
        report = report_of(monitored, session.session)
    assert report.verdict is Verdict.PASS
    assert report.first_session == days[0]
    assert [ref.session for ref in report.window] == days
    assert {r.level for r in report.readings} <= {Level.PASS, Level.NOT_YET, Level.DEGRADE}
    waiting = [r for r in report.readings if r.level is Level.NOT_YET]
    assert waiting
    assert all(r.needed_sessions > 3 and r.measured is None for r in waiting)
    assert report.advance_verdict is Verdict.INCONCLUSIVE


def test_the_same_session_gives_the_same_bytes_in_another_process_state(monitored):
    home, instance, _, deployment = monitored
    (session,) = traded(deployment, sessions_of_2022(1)[0])
    session.publish(home, instance)
    first = report_of(monitored, session.session)
    again = report_of((home, instance, build_definitions(home), deployment), session.session)
    assert first.canonical_bytes() == again.canonical_bytes()


def test_losses_day_after_day_are_a_failure(monitored):
    home, instance, _, deployment = monitored
    days = sessions_of_2022(10)
    report = None
    for session in traded(deployment, days[-1], crash_from=days[2]):
        session.publish(home, instance)
        report = report_of(monitored, session.session)
        if report.verdict is Verdict.FAIL:
            break
    assert report is not None
    assert report.verdict is Verdict.FAIL
    assert {r.group for r in report.failed} <= {"performance", "risk"}


def test_a_session_without_records_fails_every_report_after_it(monitored):
    home, instance, _, deployment = monitored
    first, _, third = traded(deployment, sessions_of_2022(3)[-1])
    first.publish(home, instance)
    report_of(monitored, first.session)
    third.publish(home, instance)
    report = report_of(monitored, third.session)
    failed = {r.measurement: r for r in report.failed}
    assert failed["missing_sessions"].measured == 1
    assert failed["cusum_down"].problem == "missing"


def test_a_past_that_changed_is_a_failure(monitored):
    home, instance, _, deployment = monitored
    days = sessions_of_2022(2)
    first, second = traded(deployment, days[-1])
    first.publish(home, instance)
    report_of(monitored, first.session)
    traded(deployment, days[0], crash_from=days[0])[0].publish(home, instance)
    second.publish(home, instance)
    report = report_of(monitored, second.session)
    assert [r.measurement for r in report.failed][:1] == ["history_contradictions"]


def test_an_altered_record_is_a_failure_and_not_a_crash(monitored):
    home, instance, _, deployment = monitored
    first, second = traded(deployment, sessions_of_2022(2)[-1])
    for session in (first, second):
        session.publish(home, instance)
    path = next((home.root / "store").rglob(first.fills.digest))
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"AAPL", b"AAPX", 1))
    report = report_of(monitored, second.session)
    assert "missing_sessions" in {r.measurement for r in report.failed}


def test_without_the_backtest_nothing_can_be_compared(monitored):
    home, instance, _, deployment = monitored
    (session,) = traded(deployment, sessions_of_2022(1)[0])
    session.publish(home, instance)
    path = next((home.root / "store").rglob(deployment.backtest_metrics_digest))
    path.chmod(0o600)
    path.unlink()
    report = report_of(monitored, session.session)
    assert report.verdict is Verdict.FAIL
    assert {r.problem for r in report.failed} == {"missing"}
    assert any(ref.problem for ref in report.inputs)


def test_a_report_of_a_long_deployment_costs_less_than_80_milliseconds(monitored):
    from torghut_assets.domain.backtest.settings import parse_risk_limits
    from torghut_assets.domain.drift.evaluate import evaluate_drift
    from torghut_assets.domain.drift.policy import parse_drift_policy
    from torghut_assets.resources.drift_desk import DriftDesk, Standards

    home, instance, _, deployment = monitored
    policy = parse_drift_policy(home.config_path("drift_policy").read_bytes())
    limits = parse_risk_limits(home.config_path("risk_limits").read_bytes())
    desk, seconds = DriftDesk(home), []
    for session in traded(deployment, sessions_of_2022(SESSIONS)[-1]):
        session.publish(home, instance)
        start = time.process_time()
        evidence = desk.evidence(instance, deployment, session.session, Standards(policy, limits))
        report = evaluate_drift(evidence, policy, code_version="test")
        report.canonical_bytes()
        seconds.append(time.process_time() - start)
        publish(home, instance, "drift_report", report, report.subject)
    assert len(report.window) == SESSIONS
    assert all(r.level is not Level.NOT_YET for r in report.readings)
    assert sorted(seconds)[len(seconds) // 2] < 0.08


def test_monitoring_reaches_no_broker():
    """Gate, drift and report modules have none in reach."""
    import subprocess
    import sys

    code = (
        "import sys, torghut_assets.assets.monitoring, torghut_assets.checks.monitoring;"
        "print([m for m in sys.modules if 'brokers' in m])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_check_is_partitioned_like_the_report():
    from torghut_assets.checks.monitoring import drift_within_limits

    assert isinstance(drift_within_limits, dg.AssetChecksDefinition)
    assert dg.AssetCheckKey(DRIFT_REPORT, "drift_within_limits") in drift_within_limits.check_keys
