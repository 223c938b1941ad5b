"""The wheel, unpacked elsewhere, is whole: code location, settings, data, examples, plugins."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
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
        timeout=300,
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
