"""A shell in a home of its own, in which pages are executed."""

import shutil
from pathlib import Path

import pytest
from evaluated_examples import PASSING, REFUSED, SNAPSHOT
from runbook_shell import Shell

from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.trials import register_of
from torghut_assets.resources.home import Home

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "torghut_assets" / "config"


@pytest.fixture
def shell(evaluated_home, tmp_path, monkeypatch):
    """A shell in a folder with a home of its own, in which two examples were evaluated."""
    shutil.copytree(evaluated_home, tmp_path / "state")
    shutil.copytree(ROOT / "candidates", tmp_path / "candidates")
    home = Home.at(tmp_path / "state")
    monkeypatch.setenv("TORGHUT_HOME", str(home.root))
    register = register_of(home)
    moved = len(register.entries()) + 1
    register.acknowledge(moved, by="the test", reason="copied for one runbook")
    with instance_of(home) as instance:
        driver = Driver(home, instance)
        for candidate in (PASSING, REFUSED):
            driver.settle(candidate, SNAPSHOT, through="research_feedback")
    return Shell(
        tmp_path,
        {
            "TORGHUT_HOME": str(home.root),
            "TORGHUT_KEY_PASSPHRASE": "correct horse battery staple",
            "COLUMNS": "80",
            "SHIPPED_CONFIG": str(CONFIG),
        },
    )
