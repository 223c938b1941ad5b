"""The sensors that take candidates out: once per failing report, whatever happens to a daemon."""

import datetime as dt

import dagster as dg
import pytest
from evaluated_examples import PASSING
from monitored_examples import publish, register, sessions_of_2022, traded
from rollback_examples import deployed

from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.rollback_desk import ANSWERS, RollbackDesk, closed_sessions
from torghut_assets.resources.session_desk import SessionDesk
from torghut_assets.sensors.attempts import MOST_ATTEMPTS, next_attempt
from torghut_assets.sensors.drift_rollback import drift_rollback
from torghut_assets.sensors.drift_silence import drift_silence
from torghut_assets.sensors.session_advance import session_advance

NEVER = dt.datetime(2022, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def candidate(evaluated):
    with deployed(evaluated) as found:
        yield found


def tick(candidate, sensor, cursor=None, now=NEVER):
    """Call a sensor as a new daemon does: with no memory but the cursor."""
    context = dg.build_sensor_context(
        instance=candidate.instance,
        cursor=cursor,
        resources={
            "home": candidate.home,
            "session_desk": SessionDesk(candidate.home, lambda: now),
            "rollback_desk": RollbackDesk(candidate.home),
        },
    )
    with context:
        return sensor(context)


def asked(result):
    return [(r.run_key, r.partition_key) for r in result.run_requests or []]


def fail(candidate, n=5):
    days = sessions_of_2022(n)
    candidate.buy(days[0])
    candidate.sessions(n, crash_from=days[0])
    report = [candidate.report(day) for day in days][-1]
    assert report.verdict is Verdict.FAIL
    return report


def test_every_sensor_of_safety_is_on_by_default():
    for sensor in (drift_rollback, drift_silence, session_advance):
        assert sensor.default_status is dg.DefaultSensorStatus.RUNNING


def test_a_report_that_passes_asks_for_nothing(candidate):
    candidate.sessions(1)
    candidate.report(sessions_of_2022(1)[0])
    assert asked(tick(candidate, drift_rollback)) == []


def test_a_failing_report_asks_once_through_100_ticks_lost_cursors_and_two_daemons(candidate):
    report = fail(candidate)
    first = tick(candidate, drift_rollback)
    mine = [(f"rollback-{report.digest}-0", report.subject)]
    assert [r for r in asked(first) if r[1] == report.subject] == mine
    keys, cursor = set(), first.cursor
    for number in range(100):
        again = tick(candidate, drift_rollback, cursor if number % 3 else None)
        keys |= {k for k, partition in asked(again) if partition == report.subject}
        cursor = again.cursor
    assert keys == {mine[0][0]}  # one run key is one run for Dagster, for two daemons too
    assert candidate.roll_back(report.session, tags={ANSWERS: report.digest}).success
    for lost in (cursor, None, "of another version", '{"seen": "x"}'):
        left = asked(tick(candidate, drift_rollback, lost))
        assert report.subject not in {partition for _, partition in left}
    assert candidate.made("rollback_plan") == 1


def test_a_report_that_cannot_be_read_is_taken_for_a_failure(candidate):
    candidate.sessions(1)
    report = candidate.report(sessions_of_2022(1)[0])
    path = next((candidate.home.root / "store").rglob(report.digest))
    path.chmod(0o600)
    path.write_bytes(b"{}")
    assert asked(tick(candidate, drift_rollback)) == [
        (f"rollback-{report.digest}-0", report.subject)
    ]


def test_a_verdict_in_the_metadata_impresses_nobody(candidate):
    """The event says pass; the record, which decides, says fail."""
    report = fail(candidate)
    candidate.instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset_key="drift_report",
            partition=report.subject,
            metadata={"verdict": "pass"},
            tags={"dagster/data_version": report.digest},
        )
    )
    assert report.subject in {partition for _, partition in asked(tick(candidate, drift_rollback))}


def test_a_rollback_that_failed_is_asked_for_again_and_not_for_ever(candidate):
    report = fail(candidate)
    job = candidate.definitions.resolve_job_def("roll_back")
    keys = []
    for _ in range(MOST_ATTEMPTS + 2):
        found = {p: k for k, p in asked(tick(candidate, drift_rollback))}
        keys.append(found[report.subject])
        candidate.instance.create_run_for_job(
            job, status=dg.DagsterRunStatus.FAILURE, tags={ANSWERS: report.digest}
        )
    assert len(set(keys)) == MOST_ATTEMPTS
    assert keys[-1] == keys[-2]


def test_a_run_on_its_way_is_waited_for_until_it_is_lost(candidate):
    job = candidate.definitions.resolve_job_def("roll_back")
    candidate.instance.create_run_for_job(
        job, status=dg.DagsterRunStatus.STARTED, tags={ANSWERS: "x"}
    )
    now = dt.datetime.now(tz=dt.UTC)
    assert next_attempt(candidate.instance, {ANSWERS: "x"}, now) is None
    later = next_attempt(candidate.instance, {ANSWERS: "x"}, now + dt.timedelta(hours=1))
    assert later is not None
    assert (later.number, later.is_last) == (1, False)


def test_silence_in_replay_counts_sessions_that_were_opened(candidate):
    """Its own session was reported; two others were opened since and nothing came."""
    days = sessions_of_2022(3)
    candidate.instance.delete_dynamic_partition("session", sessions_of_2022(20)[-1])
    for day in sessions_of_2022(20):
        candidate.instance.delete_dynamic_partition("session", day)
    register(candidate.instance, PASSING, days[:1])
    candidate.buy(days[0])
    candidate.sessions(1)
    candidate.report(days[0])
    late = dt.datetime.now(tz=dt.UTC) + dt.timedelta(days=1)
    assert asked(tick(candidate, drift_silence, now=late)) == []
    register(candidate.instance, PASSING, days)
    soon = dt.datetime.now(tz=dt.UTC)
    assert asked(tick(candidate, drift_silence, now=soon)) == []  # it may be catching up
    ((key, partition),) = asked(tick(candidate, drift_silence, now=late))
    assert (key, partition) == (f"silence-{candidate.record.digest}-0", f"{PASSING}|{days[2]}")


def test_silence_with_a_real_broker_goes_by_the_calendar_and_the_clock(evaluated):
    with deployed(evaluated, broker="alpaca-paper") as candidate:
        now = dt.datetime.now(tz=dt.UTC)
        assert asked(tick(candidate, drift_silence, now=now)) == []
        closed = closed_sessions(now, now + dt.timedelta(days=10))
        late = now + dt.timedelta(days=10)
        result = tick(candidate, drift_silence, now=late)
        ((key, partition),) = asked(result)
        assert key == f"silence-{candidate.record.digest}-0"
        session = partition.partition("|")[2]
        assert session == closed[-1]
        (addition,) = result.dynamic_partitions_requests
        assert addition.partition_keys == [session]
        assert asked(tick(candidate, drift_silence, now=late)) == [(key, partition)]


def test_the_next_session_follows_the_last_one_at_a_time(candidate):
    days = sessions_of_2022(3)
    far = dt.datetime(2023, 1, 1, tzinfo=dt.UTC)
    result = tick(candidate, session_advance, now=far)
    assert [partition for _, partition in asked(result)] == [f"{PASSING}|{days[0]}"]
    for session in traded(candidate.record, days[0]):
        session.publish(candidate.home, candidate.instance)
    ((_, partition),) = asked(tick(candidate, session_advance, now=far))
    assert partition == f"{PASSING}|{days[0]}"  # begun and not reported: not the next one
    candidate.report(days[0])
    ((_, partition),) = asked(tick(candidate, session_advance, now=far))
    assert partition == f"{PASSING}|{days[1]}"


def test_a_session_that_is_not_over_is_waited_for(candidate):
    day = sessions_of_2022(1)[0]
    noon = dt.datetime.fromisoformat(f"{day}T17:00:00+00:00")
    assert asked(tick(candidate, session_advance, now=noon)) == []


def test_a_killed_candidate_advances_no_more(candidate):
    far = dt.datetime(2023, 1, 1, tzinfo=dt.UTC)
    SessionDesk(candidate.home).kill.engage(PASSING, "a test stops it")
    result = tick(candidate, session_advance, now=far)
    assert asked(result) == []
    assert "a test stops it" in str(result.skip_reason or result.skip_message)


def test_what_was_rolled_back_advances_no_more(candidate):
    report = fail(candidate)
    assert candidate.roll_back(report.session).success
    far = dt.datetime(2023, 1, 1, tzinfo=dt.UTC)
    assert asked(tick(candidate, session_advance, now=far)) == []
    assert RollbackDesk(candidate.home).deployed(candidate.instance) == ()


def test_a_passing_report_of_another_deployment_is_no_rollback(candidate):
    candidate.sessions(1)
    report = candidate.report(sessions_of_2022(1)[0])
    publish(candidate.home, candidate.instance, "drift_report", report, report.subject)
    assert asked(tick(candidate, drift_rollback)) == []
