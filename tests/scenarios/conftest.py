"""A home that traded, for everything that is asked of it afterwards."""

import shutil

import pytest
from evaluated_examples import PASSING, REFUSED, SNAPSHOT
from paper_home import DAYS, settle_gate

from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.session import trade
from torghut_assets.definitions import stage_desk
from torghut_assets.resources.home import Home


@pytest.fixture(scope="session")
def traded_home(evaluated_home, tmp_path_factory):
    """Folder of a home that traded two sessions. Do not change it: copy it with `traded`."""
    root = tmp_path_factory.mktemp("traded") / "home"
    shutil.copytree(evaluated_home, root)
    home = Home.at(root)
    settle_gate(home)
    with instance_of(home) as instance:
        stage_desk(home).settle(instance, REFUSED, SNAPSHOT, "gate_policy_evaluation")
        driver = Driver(home, instance)
        for day in DAYS:
            trade(driver, PASSING, day)
    return root


@pytest.fixture
def traded(traded_home, tmp_path, monkeypatch):
    """Give a private copy of the home that traded, which the test may change."""
    root = tmp_path / "home"
    shutil.copytree(traded_home, root)
    monkeypatch.setenv("TORGHUT_HOME", str(root))
    return Home.at(root)
