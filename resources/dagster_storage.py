"""The schema of Dagster's databases: is it the one that this Dagster wants, and made so.

Dagster is imported late: `home_format` is part of every start.
"""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from torghut_assets.domain.errors import StageRefusedError

if TYPE_CHECKING:
    import dagster as dg

_ALIVE: Final = dt.timedelta(seconds=90)
"""A daemon gives a sign of life every 30 seconds."""


class MigrationRefusedError(StageRefusedError):
    """The home cannot be migrated now; nothing was changed."""


class Outdated(NamedTuple):
    """A database with another schema than this Dagster wants."""

    storage: str
    found: str
    wanted: str


def outdated(instance: "dg.DagsterInstance") -> list[Outdated]:
    """Return the databases whose schema is not that of this Dagster."""
    found = []
    for name, storage in (
        ("runs", instance.run_storage),
        ("events", instance.event_log_storage),
        ("schedules", instance.schedule_storage),
    ):
        version = storage.alembic_version() if storage else None
        if version and version[0] != version[1]:
            found.append(Outdated(name, str(version[0]), str(version[1])))
    return found


def outdated_storages(dagster_home: Path) -> list[Outdated]:
    """Return what `outdated` says of an instance; nothing if there is none yet."""
    if not (dagster_home / "dagster.yaml").is_file():
        return []
    with _opened(dagster_home) as instance:
        return outdated(instance)


def uses_database(dagster_home: Path) -> bool:
    """Whether the instance keeps its events elsewhere than in its own folder."""
    from torghut_assets.resources.kept_storage import has_own_storage

    return has_own_storage(dagster_home)


def require_quiet(dagster_home: Path, now: dt.datetime) -> None:
    """Refuse while a daemon of the instance shows signs of life.

    Raises
    ------
    MigrationRefusedError
        Naming the daemon.
    """
    if not (dagster_home / "dagster.yaml").is_file():
        return
    with _opened(dagster_home) as instance:
        beats = instance.get_daemon_heartbeats()
    for name, beat in sorted(beats.items()):
        age = now.timestamp() - beat.timestamp
        if age < _ALIVE.total_seconds():
            raise MigrationRefusedError(
                f"{dagster_home}: the daemon {name.lower()} gave a sign of life {age:.0f} seconds "
                f"ago. Stop it, wait {_ALIVE.seconds} seconds, and run `torghut migrate` again."
            )


def upgrade_storages(dagster_home: Path, say: Callable[[str], None]) -> None:
    """Do what `dagster instance migrate` does; done twice, it changes nothing."""
    if not (dagster_home / "dagster.yaml").is_file():
        return
    with _opened(dagster_home) as instance:
        behind = outdated(instance)
        for each in behind:
            say(f"dagster  {each.storage}: schema {each.found} becomes {each.wanted}")
        instance.upgrade()
    say(f"dagster  {len(behind)} of 3 databases had an older schema")


def _opened(dagster_home: Path) -> "dg.DagsterInstance":
    import dagster as dg

    from torghut_assets.resources.kept_storage import instance_ref

    return dg.DagsterInstance.from_ref(instance_ref(dagster_home))
