"""The Dagster instance of a home, for commands that need no definitions."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from torghut_assets.resources.home import Home
from torghut_assets.resources.kept_storage import instance_ref


@contextmanager
def instance_of(home: Home) -> Iterator[dg.DagsterInstance]:
    """Open the Dagster instance of the home, making it on first use.

    One process at a time: two that make the databases of one instance at once leave them
    with two schema versions, and nothing can open the instance again.
    """
    home.prepare()
    with (home.dagster_home / "opening.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        opened = dg.DagsterInstance.from_ref(instance_ref(home.dagster_home))
    with opened as instance:
        yield instance
