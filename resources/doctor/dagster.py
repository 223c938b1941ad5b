"""Questions about Dagster: its instance, its databases, its daemon, its sensors."""

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from torghut_assets.resources.dagster_storage import outdated, uses_database
from torghut_assets.resources.doctor.findings import Finding, Mark, Visit

if TYPE_CHECKING:
    import dagster as dg

_SILENT: Final = dt.timedelta(minutes=5)
"""Dagster itself calls a daemon unhealthy after this time."""
_TICKS: Final = 1


def instance(visit: Visit) -> Iterator[Finding]:
    """Can the instance be opened, and does it have the schema of this Dagster?"""
    import dagster as dg
    from sqlalchemy.exc import SQLAlchemyError

    folder = visit.home.dagster_home
    if not (folder / "dagster.yaml").is_file():
        yield Finding("dagster", Mark.ABSENT, f"no instance in {folder} yet")
        return
    kind = "a database of its own" if uses_database(folder) else "SQLite"
    try:
        opened = open_instance(visit)
        with opened:
            behind = outdated(opened)
            if not behind:
                yield Finding("dagster", Mark.OK, f"{dg.__version__}, {kind}, schema up to date")
            for each in behind:
                yield Finding(
                    "dagster",
                    Mark.ATTENTION,
                    f"{each.storage}: schema {each.found}, Dagster {dg.__version__} wants "
                    f"{each.wanted}",
                    "Stop the daemon, then run `torghut migrate`.",
                )
            yield from _daemons(opened, visit.now)
            yield from _sensors(opened)
    except (SQLAlchemyError, dg.DagsterError, OSError) as error:
        yield Finding(
            "dagster",
            Mark.ATTENTION,
            f"the instance in {folder} cannot be opened: {type(error).__name__}",
            "See its dagster.yaml. If it names PostgreSQL: is it up, are its variables set?",
        )


def open_instance(visit: Visit) -> "dg.DagsterInstance":
    """Open the instance of a home without preparing or changing either."""
    import dagster as dg

    from torghut_assets.resources.kept_storage import instance_ref

    return dg.DagsterInstance.from_ref(instance_ref(visit.home.dagster_home))


def _daemons(opened: "dg.DagsterInstance", now: dt.datetime) -> Iterator[Finding]:
    beats = opened.get_daemon_heartbeats()
    if not beats:
        yield Finding(
            "daemon",
            Mark.ABSENT,
            "none was ever here: sensors do not run",
            "Start one: `make ui`, or the unit in `deploy`. Without one `torghut run` still works.",
        )
        return
    for name, beat in sorted(beats.items()):
        age = dt.timedelta(seconds=now.timestamp() - beat.timestamp)
        words = f"{name.lower()} {int(age.total_seconds())} s ago"
        if beat.errors:
            yield Finding(
                "daemon", Mark.ATTENTION, f"{words}, with errors", "Read the daemon's log."
            )
        elif age > _SILENT:
            yield Finding("daemon", Mark.ATTENTION, words, "Start the daemon: sensors do not run.")
        else:
            yield Finding("daemon", Mark.OK, words)


def _sensors(opened: "dg.DagsterInstance") -> Iterator[Finding]:
    from dagster._core.definitions.run_request import InstigatorType
    from dagster._core.scheduler.instigation import InstigatorStatus, TickStatus

    states = opened.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    if not states:
        yield Finding("sensors", Mark.ABSENT, "none has run yet")
        return
    for state in sorted(states, key=lambda s: s.instigator_name):
        name = state.instigator_name
        ticks = opened.get_ticks(state.instigator_origin_id, state.selector_id, limit=_TICKS)
        if state.status is InstigatorStatus.STOPPED:
            yield Finding(
                "sensor", Mark.ATTENTION, f"{name} was turned off", "Turn it on in the UI."
            )
        elif ticks and ticks[0].status is TickStatus.FAILURE:
            yield Finding(
                "sensor",
                Mark.ATTENTION,
                f"{name}: its last tick failed",
                "Read the tick's error in the UI, under Automation.",
            )
        else:
            yield Finding("sensor", Mark.OK, name)
