"""The real user interface on a populated home, and a browser that looks at it.

The home is that of `torghut demo`: five evaluations, thirty paper sessions, a drift and a rollback.
It takes minutes; with a home in `TORGHUT_TEST_DEMO_HOME` a copy of that one is looked at.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "docs"))
GENEROUS = 300_000
"""Milliseconds: a shared machine is slow, and nothing here is about speed."""


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory) -> Path:
    """Folder of a home in which the demo was run."""
    own = tmp_path_factory.mktemp("browser") / "home"
    made = os.environ.get("TORGHUT_TEST_DEMO_HOME") or _made_once(tmp_path_factory)
    shutil.copytree(made, own)
    return own


def _made_once(tmp_path_factory) -> Path:
    """Run the demo in one process of the test run; the others wait for it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    home = shared / "demo"
    with (shared / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "demo.done").exists():
            environment = {**os.environ, "TORGHUT_HOME": str(home), "COLUMNS": "80"}
            program = Path(sys.executable).with_name("torghut")
            subprocess.run([program, "demo"], check=True, env=environment, timeout=3_600)
            (shared / "demo.done").touch()
    return home


@pytest.fixture(scope="session")
def address(demo_home) -> Iterator[str]:
    """Address of the web server on that home."""
    screenshots = pytest.importorskip("screenshots", reason="needs the extra `docs`")
    with screenshots.user_interface(demo_home) as found:
        yield found


@pytest.fixture(scope="session")
def browser(address) -> Iterator[object]:
    """A headless Chromium."""
    import screenshots

    if shutil.which("chromium") is None:
        pytest.skip("needs chromium: `make services`")
    with screenshots.opened_browser() as found:
        yield found


@pytest.fixture
def page(browser) -> Iterator[object]:
    """A page of its own; a script that fails on it fails the test."""
    page = browser.new_page(viewport={"width": 1900, "height": 1300})
    page.set_default_timeout(GENEROUS)
    page.set_default_navigation_timeout(GENEROUS)
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    yield page
    page.close()
    assert failures == []
