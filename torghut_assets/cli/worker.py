"""The Celery application of a team's workers, the `-A` of `celery worker`.

Broker, result store and queue are those of the run launcher in `dagster.yaml`, so that a worker and
whoever sends it work cannot disagree. What every run needs is imported before the worker forks its
processes: they share the memory, and a process that is replaced does not begin from nothing.
"""

from typing import Final

import matplotlib.figure  # noqa: F401 - before the fork
import scipy.stats  # noqa: F401 - before the fork
from celery import Celery  # type: ignore[import-untyped]
from dagster import DagsterInstance
from dagster_celery.tasks import create_execute_job_task, create_resume_job_task

import torghut_assets.definitions  # noqa: F401 - before the fork
from torghut_assets.domain.errors import BadInputError
from torghut_assets.resources.celery_runs import WatchedCeleryRunLauncher


def _application() -> Celery:
    with DagsterInstance.get() as instance:
        launcher = instance.run_launcher
        if not isinstance(launcher, WatchedCeleryRunLauncher):
            raise BadInputError(
                location="run_launcher in the dagster.yaml of DAGSTER_HOME",
                found=type(launcher).__name__,
                expected="WatchedCeleryRunLauncher; see deploy/team/dagster.yaml",
            )
        application: Celery = launcher.celery
        return application


app: Final = _application()
execute_job: Final = create_execute_job_task(app)
resume_job: Final = create_resume_job_task(app)
