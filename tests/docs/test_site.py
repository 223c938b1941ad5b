"""The site builds strictly, loads nothing from outside, and leads to every page."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(sys.executable).with_name("mkdocs")
LOADED = re.compile(r"<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)=\"([^\"]+)\"")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Build the site; give its folder."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [PROGRAM, "build", "--quiet", "--strict", "-f", "docs/site/mkdocs.yml", "-d", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_every_page_of_the_documentation_is_there(site):
    for page in (ROOT / "docs").rglob("*.md"):
        assert (site / page.relative_to(ROOT)).with_suffix(".html").is_file()
    assert "From thesis to capital" in (site / "index.html").read_text()


def test_nothing_is_loaded_from_outside(site):
    for page in pages(site):
        text = page.read_text()
        assert 'class="mermaid"' not in text, f"{page.name}: Mermaid would be fetched"
        for target in LOADED.findall(text):
            assert not re.match(r"(?:https?:)?//", target), f"{page.name}: {target}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(?:https?:)?//", sheet.read_text()), sheet.name


def test_every_link_and_anchor_leads_somewhere(site):
    anchors = {page: set(re.findall(r' id="([^"]+)"', page.read_text())) for page in pages(site)}
    for page in anchors:
        if page.name == "404.html":
            continue
        for target in re.findall(r'<a\b[^>]*? href="([^"]+)"', page.read_text()):
            if re.match(r"[a-z]+:|/", target):
                continue
            path, _, anchor = unquote(target).partition("#")
            found = (page.parent / path).resolve() if path else page
            assert found.exists(), f"{page.relative_to(site)}: {target}"
            if anchor and found in anchors and anchor != "__skip":
                assert anchor in anchors[found], f"{page.relative_to(site)}: {target}"


def test_search_knows_every_page(site):
    index = json.loads((site / "search/search_index.json").read_text())
    found = {entry["location"].partition("#")[0] for entry in index["docs"]}
    assert {p.relative_to(site).as_posix() for p in pages(site)} - {"404.html"} <= found | {
        "index.html"
    }
    assert any("holdout" in entry["text"] for entry in index["docs"])


def test_the_menu_is_by_user(site):
    menu = re.findall(
        r'<span class="md-ellipsis">\s*(.*?)\s*</span>', (site / "index.html").read_text(), re.S
    )
    titles = [re.sub("<[^>]+>", "", title).strip() for title in menu]
    wanted = ["Start", "Researcher", "Operator", "Compliance", "Platform engineer", "Reference"]
    assert [title for title in titles if title in wanted][: len(wanted)] == wanted
