"""Dagster's Celery launcher, with one thing added: it notices that a worker is gone.

A task that has begun stays `STARTED` in Celery's result store when its worker is killed, so that
Dagster would wait for its run for ever. Here the workers are asked what they execute. A task that
no worker names in several polls of the run monitor in a row is lost: the monitor fails its run, and
`run_retries` launches what was not made yet once more.
"""

import time
from typing import Any, Final

from dagster import DagsterRun
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._serdes import ConfigurableClassData

from torghut_assets.domain.errors import UsageError

try:
    from dagster_celery.launcher import CeleryRunLauncher
    from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
except ImportError as error:
    raise UsageError(
        "run_launcher in dagster.yaml: dagster-celery is not installed. Install the extra: "
        "pip install 'torghut-assets[team]'"
    ) from error

MISSES: Final = 3
"""Polls in a row in which no worker names a task, until it is lost: one may be a slow answer."""
_ANSWER_SECONDS: Final = 3.0
_FRESH_SECONDS: Final = 2.0
"""So long one answer serves for all runs of a poll."""


class WatchedCeleryRunLauncher(CeleryRunLauncher):
    """Starts runs as Celery tasks; needs Redis as broker and as result store, and prefork workers.

    Settings are those of `dagster_celery.launcher.CeleryRunLauncher`.
    """

    def __init__(self, *, inst_data: ConfigurableClassData | None = None, **settings: Any) -> None:
        super().__init__(inst_data=inst_data, **settings)
        self._missed: dict[str, int] = {}
        self._answer: tuple[float, frozenset[str]] | None = None

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Say whether a run's worker is at it; `FAILED` if it has gone."""
        found = super().check_run_worker_health(run)
        task = run.tags[DAGSTER_CELERY_TASK_ID_TAG]
        if found.status is not WorkerStatus.RUNNING or task in self._executing():
            self._missed.pop(task, None)
            return found
        self._missed[task] = self._missed.get(task, 0) + 1
        if self._missed[task] < MISSES:
            return found
        return CheckRunHealthResult(
            WorkerStatus.FAILED, f"No worker executes the Celery task {task} any more."
        )

    def _executing(self) -> frozenset[str]:
        """Return the tasks that the workers which answer are executing now."""
        now = time.monotonic()
        if self._answer is None or now - self._answer[0] > _FRESH_SECONDS:
            active = self.celery.control.inspect(timeout=_ANSWER_SECONDS).active() or {}
            ids = frozenset(str(task["id"]) for tasks in active.values() for task in tasks)
            self._answer = (time.monotonic(), ids)
        return self._answer[1]
