"""A home in which a candidate passed, traded two sessions and was rolled back after the second."""

import shutil
from pathlib import Path

from evaluated_examples import PASSING, REFUSED, SNAPSHOT
from paper_home import settle_gate

from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.session import trade
from torghut_assets.definitions import stage_desk
from torghut_assets.resources.home import Home

DAYS = ("2022-01-04", "2022-01-05")
_SHIPPED = b"degrade: 0.03\n    fail: 0.07"
_STRICT = b"degrade: 0.001\n    fail: 0.015"
"""On 5 January 2022 technology shares fell by two to six percent."""


def rolled_back_home(evaluated_home: Path, root: Path) -> Home:
    """Copy an evaluated home and trade in the copy, under a drift policy that bears little."""
    shutil.copytree(evaluated_home, root)
    home = Home.at(root)
    settle_gate(home)
    policy = home.config_path("drift_policy").read_bytes()
    assert policy.count(_SHIPPED) == 1
    own = home.root / "config" / "drift_policy.yaml"
    own.parent.mkdir(exist_ok=True)
    own.write_bytes(policy.replace(_SHIPPED, _STRICT))
    with instance_of(home) as instance:
        stage_desk(home).settle(instance, REFUSED, SNAPSHOT, "gate_policy_evaluation")
        driver = Driver(home, instance)
        results = [trade(driver, PASSING, day) for day in DAYS]
    assert [result.rolled_back for result in results] == [False, True]
    return home
