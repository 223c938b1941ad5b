"""The documentation site in a real browser: nothing from outside, search, light and dark."""

import os
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytestmark = pytest.mark.heavy
screenshots = pytest.importorskip("screenshots", reason="needs the extra `docs`")
ROOT = Path(__file__).resolve().parents[2]


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep quiet."""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Address of the site, built now and served from loopback."""
    folder = tmp_path_factory.mktemp("served")
    command = [Path(sys.executable).with_name("mkdocs"), "build", "--quiet", "--strict"]
    subprocess.run(
        [*command, "-f", "docs/site/mkdocs.yml", "-d", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=True,
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def reader(served):
    """A page that remembers what it asked for; `outside` holds what was not on the site."""
    with screenshots.opened_browser() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 900}, color_scheme="light")
        page.set_default_timeout(300_000)
        page.outside = []
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((served, "data:", "blob:"))
                else page.outside.append(request.url)
            ),
        )
        yield page


def test_a_reader_finds_a_page_by_search_and_nothing_comes_from_outside(reader, served):
    for path in ("index.html", "docs/index.html", "docs/assets.html", "docs/pipeline.html"):
        reader.goto(f"{served}/{path}", wait_until="networkidle")
        broken = reader.eval_on_selector_all(
            "img", "all => all.filter(img => img.complete && !img.naturalWidth).map(img => img.src)"
        )
        assert broken == []
    reader.locator("label[for=__search]:visible, .md-search__input:visible").first.click()
    reader.locator(".md-search__input").press_sequentially("final holdout", delay=50)
    found = reader.locator(".md-search-result__article").first
    found.wait_for()
    found.click()
    reader.wait_for_load_state()
    assert "holdout" in reader.content().lower()
    assert reader.outside == []


def test_light_and_dark(reader, served):
    reader.goto(f"{served}/index.html", wait_until="networkidle")
    body = reader.locator("body")
    assert body.get_attribute("data-md-color-scheme") == "default"
    reader.locator("label[title='Switch to dark']:visible").click()
    reader.wait_for_function("document.body.dataset.mdColorScheme === 'slate'")
