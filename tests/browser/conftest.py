"""The real user interface on a populated home, and a browser that looks at it.

The home is that of `torghut demo`: five evaluations, thirty paper sessions, a drift and a rollback.
It takes minutes; with a home in `TORGHUT_TEST_DEMO_HOME` a copy of that one is looked at.
"""

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
    home = tmp_path_factory.mktemp("browser") / "home"
    if made := os.environ.get("TORGHUT_TEST_DEMO_HOME"):
        shutil.copytree(made, home)
        return home
    environment = {**os.environ, "TORGHUT_HOME": str(home), "COLUMNS": "80"}
    program = Path(sys.executable).with_name("torghut")
    subprocess.run([program, "demo"], check=True, env=environment, timeout=3_600)
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
