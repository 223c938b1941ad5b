"""Fixtures that many tests share."""

import shutil
from pathlib import Path

import pytest
from evaluated_examples import PASSING, REFUSED, SNAPSHOT, example
from hypothesis import HealthCheck, settings

from torghut_assets.resources.home import Home

settings.register_profile(
    "shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared-machine")


@pytest.fixture(autouse=True)
def _no_state_outside(tmp_path, monkeypatch):
    """Every test has a home of its own; nothing is written into the checkout."""
    monkeypatch.setenv("TORGHUT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    for name in ("TORGHUT_TRIAL_ANCHOR", "TORGHUT_STORE_URL", "TORGHUT_EVENT_LOG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def home():
    """The home that the environment names."""
    home = Home.from_environment()
    home.prepare()
    return home


@pytest.fixture(scope="session")
def evaluated_home(tmp_path_factory) -> Path:
    """Folder of a home in which two examples were evaluated: one passed, one was refused.

    Do not change it: copy it with the fixture `evaluated`.
    """
    from torghut_assets.cli.candidate import submit
    from torghut_assets.cli.driver import Driver
    from torghut_assets.cli.instance import instance_of
    from torghut_assets.cli.snapshot import register
    from torghut_assets.domain.identifiers import parse_snapshot_id

    root = tmp_path_factory.mktemp("evaluated") / "home"
    home = Home.at(root)
    home.prepare()
    for candidate in (PASSING, REFUSED):
        submit(home, example(candidate), f"{candidate}.yaml")
    register(home, parse_snapshot_id(SNAPSHOT))
    with instance_of(home) as instance:
        driver = Driver(home, instance)
        driver.step("settings", None)
        for candidate in (PASSING, REFUSED):
            for step, partition in (
                ("candidate", candidate),
                ("snapshot", SNAPSHOT),
                ("evaluation", f"{candidate}|{SNAPSHOT}"),
            ):
                driver.step(step, partition, through="research_feedback")
    return root


@pytest.fixture
def evaluated(evaluated_home, tmp_path, monkeypatch) -> Home:
    """Give a private copy of the evaluated home, which the test may change.

    The copy is announced to the trial register as an operator would after a restore.
    """
    root = tmp_path / "home"
    shutil.copytree(evaluated_home, root)
    monkeypatch.setenv("TORGHUT_HOME", str(root))
    return Home.at(root)
