"""The wheel, unpacked elsewhere, is whole: code location, settings, data, examples, plugins."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
TORGHUT = ("-m", "torghut_assets.cli.main")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Build the wheel and install it into a folder that is nowhere near the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(CHECKOUT)]
    subprocess.run(build, check=True, timeout=180)
    (wheel,) = folder.glob("*.whl")
    target = folder / "site"
    subprocess.run(
        [*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True, timeout=180
    )
    return target


def run_elsewhere(installed, folder, *arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed), "TORGHUT_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def test_only_one_name_is_installed(installed):
    names = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert names <= {"torghut_assets", "bin", "__pycache__"}


def test_the_code_location_comes_from_the_wheel(installed, tmp_path):
    code = (
        "import torghut_assets, torghut_assets.definitions as d; d.defs();"
        "print(torghut_assets.__file__)"
    )
    done = run_elsewhere(installed, tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().startswith(str(installed))


def test_the_demo_runs_from_the_wheel(installed, tmp_path):
    done = run_elsewhere(installed, tmp_path, "-m", "torghut_assets.cli.main", "demo")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "PASS" in done.stdout
    assert "FAIL" in done.stdout


def test_the_wheel_carries_the_whole_dbt_project(installed, tmp_path):
    project = installed / "torghut_assets" / "dbt"
    kinds = {".sql", ".yml", ".json"}
    shipped, here = (
        {p.relative_to(root).as_posix() for p in root.rglob("*") if p.suffix in kinds}
        for root in (project, CHECKOUT / "dbt")
    )
    assert shipped == here
    assert len(here) > 40
    done = run_elsewhere(installed, tmp_path, *TORGHUT, "warehouse", "build")
    assert done.returncode == 3, done.stderr
    assert "found no statement" in done.stderr


@pytest.mark.heavy
def test_after_the_demo_the_warehouse_says_who_was_refused_and_who_was_rolled_back(
    installed, tmp_path
):
    def ask(query):
        done = run_elsewhere(installed, tmp_path, *TORGHUT, "sql", "--json", query)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    for words in (("demo",), ("warehouse", "build")):
        done = run_elsewhere(installed, tmp_path, *TORGHUT, *words)
        assert done.returncode == 0, done.stderr[-3000:]
    scores = ask("select * from candidate_scorecard")
    assert len(scores) == 5
    refused = [row for row in scores if row["verdict"] == "fail"]
    assert len(refused) == 3
    assert all(row["reason_codes"] and row["reasons"] for row in refused)
    (rolled_back,) = (row for row in scores if row["rollbacks"])
    timeline = ask(
        "select * from drift_timeline where candidate_id = "
        f"'{rolled_back['candidate_id']}' order by session"
    )
    assert len(timeline) == rolled_back["sessions"] == 15
    assert timeline[-1]["level"] == "fail"
    assert timeline[-1]["rollback_state"] == "restored"
    assert {row["rollback_state"] for row in timeline[:-1]} == {None}
    lineage = ask("select * from order_lineage")
    assert len(lineage) > 100
    assert all(row["chain_resolves"] for row in lineage)
