"""The intake sensor: one build per new candidate file, nothing twice, nothing held up."""

import dagster as dg
import pytest
from evaluated_examples import PASSING, REFUSED, example

from torghut_assets.assets.partitions import CANDIDATES
from torghut_assets.cli.instance import instance_of
from torghut_assets.definitions import build_definitions
from torghut_assets.sensors.candidate_intake import candidate_intake


@pytest.fixture
def opened(home):
    with instance_of(home) as instance:
        yield home, instance


def tick(home, instance, cursor=None):
    """Call the sensor as the daemon does; it answers with requests or with a reason for none."""
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"home": home})
    with context:
        return candidate_intake(context)


def drop(home, candidate_id, payload=None):
    path = home.candidates_folder / f"{candidate_id}.yaml"
    path.write_bytes(example(candidate_id) if payload is None else payload)
    return path


def requested(answer):
    return [r.partition_key for r in answer.run_requests] if is_result(answer) else []


def registered(answer):
    return [key for r in answer.dynamic_partitions_requests for key in r.partition_keys]


def is_result(answer):
    return isinstance(answer, dg.SensorResult)


def build(home, instance, candidate_id):
    instance.add_dynamic_partitions(str(CANDIDATES.name), [candidate_id])
    job = build_definitions(home).resolve_job_def("build_candidate")
    assert job.execute_in_process(instance=instance, partition_key=candidate_id).success


def test_an_empty_folder_asks_for_nothing(opened):
    result = tick(*opened)
    assert requested(result) == []
    assert "no candidate file" in result.skip_message


def test_a_new_file_becomes_one_partition_and_one_build(opened):
    home, instance = opened
    drop(home, PASSING)
    result = tick(home, instance)
    assert requested(result) == [PASSING]
    assert registered(result) == [PASSING]


def test_two_files_are_two_builds_in_the_order_of_their_names(opened):
    home, instance = opened
    drop(home, PASSING)
    drop(home, REFUSED)
    assert requested(tick(home, instance)) == sorted([PASSING, REFUSED])


def test_asking_again_before_the_build_is_the_same_request(opened):
    """Dagster launches one run per run key, whatever the sensor remembers."""
    home, instance = opened
    drop(home, PASSING)
    (first,) = tick(home, instance).run_requests
    instance.add_dynamic_partitions(str(CANDIDATES.name), [PASSING])
    again = tick(home, instance)
    (second,) = again.run_requests
    assert first.run_key == second.run_key
    assert registered(again) == []


def test_what_was_built_is_never_asked_for_again(opened):
    home, instance = opened
    drop(home, PASSING)
    build(home, instance, PASSING)
    assert requested(tick(home, instance)) == []


def test_a_restart_without_a_cursor_asks_only_for_what_is_missing(home):
    with instance_of(home) as instance:
        drop(home, PASSING)
        build(home, instance, PASSING)
    drop(home, REFUSED)
    with instance_of(home) as instance:
        result = tick(home, instance, cursor="left by another version")
    assert requested(result) == [REFUSED]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"a: [",
        b"x" * 10_000_000,
        example(PASSING) + b"\nsurprise: 1\n",
        example(PASSING).replace(PASSING.encode(), b"../../etc/passwd"),
    ],
)
def test_a_bad_file_is_named_and_holds_nothing_up(payload, opened):
    home, instance = opened
    drop(home, "bad-one-v1", payload)
    alone = tick(home, instance)
    assert requested(alone) == []
    assert "bad-one-v1.yaml" in alone.skip_message
    drop(home, PASSING)
    result = tick(home, instance)
    assert requested(result) == [PASSING]
    assert registered(result) == [PASSING]


def test_a_file_under_another_name_than_its_id_is_refused(opened):
    home, instance = opened
    drop(home, "another-name-v1", example(PASSING))
    result = tick(home, instance)
    assert requested(result) == []
    assert "rename the file" in result.skip_message


def test_a_folder_or_a_temporary_file_is_no_candidate(opened):
    home, instance = opened
    (home.candidates_folder / "a-folder-v1.yaml").mkdir()
    (home.candidates_folder / ".writing-abc").write_bytes(example(PASSING))
    result = tick(home, instance)
    assert requested(result) == []
    assert "no regular file" in result.skip_message


def test_it_runs_by_default_and_requests_the_build_job():
    assert candidate_intake.default_status is dg.DefaultSensorStatus.RUNNING
    assert candidate_intake.job_name == "build_candidate"
