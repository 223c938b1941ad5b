"""Dagster's own commands on a torghut home: what the main job promises."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from evaluated_examples import KEY, PASSING, SNAPSHOT, example

from torghut_assets.assets.keys import GATE_REPORT
from torghut_assets.cli.candidate import submit
from torghut_assets.cli.instance import instance_of
from torghut_assets.resources.lineage import newest

CHECKOUT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def run(home, *command):
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        cwd=CHECKOUT,
        env={**os.environ, **home.environment(), "PATH": f"{BIN}:{os.environ['PATH']}"},
    )


def test_definitions_are_valid(home):
    done = run(home, "dagster", "definitions", "validate")
    assert done.returncode == 0, done.stderr


def test_asset_materialize_makes_a_gate_report(evaluated):
    with instance_of(evaluated) as instance:
        before = newest(instance, GATE_REPORT, KEY)
    done = run(
        evaluated, "dagster", "asset", "materialize", "--select", "gate_report", "--partition", KEY
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with instance_of(evaluated) as instance:
        after = newest(instance, GATE_REPORT, KEY)
    assert after.run_id != before.run_id
    assert after.digest == before.digest


@pytest.mark.slow
def test_dg_launch_makes_a_gate_report(evaluated):
    done = run(evaluated, "dg", "launch", "--assets", "gate_report", "--partition", KEY)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_a_missing_input_is_named_before_any_traceback(home):
    submit(home, example(PASSING), "example")
    with instance_of(home) as instance:
        instance.add_dynamic_partitions("snapshot", [SNAPSHOT])
    done = run(
        home,
        "dagster",
        "asset",
        "materialize",
        "-m",
        "torghut_assets.definitions",
        "--select",
        "gate_report",
        "--partition",
        KEY,
    )
    assert done.returncode != 0
    shown = done.stdout + done.stderr
    first = shown.index("has not been materialized. Make it with: torghut")
    assert "Traceback" not in shown[:first]
