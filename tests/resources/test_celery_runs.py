"""A run whose worker is gone is noticed, and one whose worker answers slowly is left alone.

`tests/scaling` does it with a real queue and a real worker that is killed.
"""

import dagster as dg
import pytest
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster_celery.launcher import CeleryRunLauncher

from torghut_assets.resources.celery_runs import MISSES, WatchedCeleryRunLauncher

RUN = dg.DagsterRun(job_name="any", tags={"dagster-celery/task_id": "task-1"})


@pytest.fixture
def asked(monkeypatch):
    """A launcher whose workers answer as the test says, and what Celery's store says."""
    launcher = WatchedCeleryRunLauncher(default_queue="dagster", broker="memory://")
    told = {"stored": WorkerStatus.RUNNING, "executing": set()}
    monkeypatch.setattr(
        CeleryRunLauncher,
        "check_run_worker_health",
        lambda self, run: CheckRunHealthResult(told["stored"]),
    )
    monkeypatch.setattr(launcher, "_executing", lambda: frozenset(told["executing"]))
    return launcher, told


def test_a_task_that_no_worker_names_is_lost_after_some_polls(asked):
    launcher, _ = asked
    found = [launcher.check_run_worker_health(RUN).status for _ in range(MISSES)]
    assert found == [WorkerStatus.RUNNING] * (MISSES - 1) + [WorkerStatus.FAILED]


def test_one_answer_begins_the_count_anew(asked):
    launcher, told = asked
    for _ in range(MISSES - 1):
        launcher.check_run_worker_health(RUN)
    told["executing"] = {"task-1"}
    assert launcher.check_run_worker_health(RUN).status is WorkerStatus.RUNNING
    told["executing"] = set()
    assert launcher.check_run_worker_health(RUN).status is WorkerStatus.RUNNING


def test_what_celery_knows_to_have_ended_is_believed(asked):
    launcher, told = asked
    for ended in (WorkerStatus.SUCCESS, WorkerStatus.FAILED):
        told["stored"] = ended
        assert launcher.check_run_worker_health(RUN).status is ended
