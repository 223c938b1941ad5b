"""The Dagster instance of a home, for commands that need no definitions."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from torghut_assets.resources.home import Home


@contextmanager
def instance_of(home: Home) -> Iterator[dg.DagsterInstance]:
    """Open the Dagster instance of the home, making it on first use."""
    home.prepare()
    with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
        yield instance
