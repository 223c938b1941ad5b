"""What the site needs beyond its pages: files of the checkout, the menu, pictures for Mermaid.

The pages are written for a checkout, where Mermaid is drawn by the forge and links lead to any
file. Here the top-level pages and what pages link to are taken in under the same names.
Mermaid's program would have to be fetched from outside, so the asset graph becomes a screenshot
and any other picture the table of its arrows.
"""

import fnmatch
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parents[2]
_TOP_LEVEL: Final = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE")
_NO_PAGES: Final = {"__pycache__", "page_writers", "site"}
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_FOLDER_LINK: Final = re.compile(r"\[([^\]]+)\]\((?![a-z]+:)[^)\s#]+/\)")
_FENCE: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_MERMAID: Final = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ARROW: Final = re.compile(r'^\s*(.+?) (-->|-\.->)(?:\|"(.*?)"\|)? (\w+)$', re.MULTILINE)
_NOTHING_FROM: Final = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"(?:https?:)?//"
    r"|<link\b[^>]*\brel=\"(?:stylesheet|preconnect|icon)\"[^>]*\bhref=\"(?:https?:)?//"
)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Take in every page below its path in the checkout, and every file that a page links to."""
    theme = [file for file in files if file.src_dir and not _is_ours(file)]
    pages = {name: ROOT / name for name in _TOP_LEVEL}
    for path in sorted((ROOT / "docs").rglob("*.md")):
        relative = path.relative_to(ROOT)
        if not _NO_PAGES & set(relative.parts):
            pages[relative.as_posix()] = path
    taken = dict(pages)
    for name, path in pages.items():
        for target in _LINK.findall(_FENCE.sub("", path.read_text(encoding="utf-8"))):
            if found := _linked(path, target):
                taken.setdefault(found.relative_to(ROOT).as_posix(), found)
        if path.suffix != ".md":
            taken.pop(name)
    made = [File.generated(config, "LICENSE.md", content=_as_text("Licence", ROOT / "LICENSE"))]
    made += [
        File(name, str(ROOT), config.site_dir, use_directory_urls=False)
        for name in taken
        if name != "LICENSE"
    ]
    return Files([*theme, *made])


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Write out the menu: a pattern stands for the pages that nothing else names."""
    names = [p.relative_to(ROOT).as_posix() for p in sorted((ROOT / "docs").rglob("*.md"))]
    named = set(_named(config.nav))
    rest = [n for n in names if n not in named and not _NO_PAGES & set(Path(n).parts)]
    patterns = sorted((n for n in named if "*" in n), key=len, reverse=True)
    filled: dict[str, list[str]] = {pattern: [] for pattern in patterns}
    for name in rest:
        if pattern := next((p for p in patterns if fnmatch.fnmatch(name, p)), None):
            filled[pattern].append(name)
    config.nav = _filled(config.nav, filled)
    return config


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Replace Mermaid by a picture or a table; a site shows files, not folders."""
    folder = "" if page.file.src_uri.startswith("docs/") else "docs/"
    graph = f"![The stages as Dagster shows them]({folder}screenshots/stages.png)"
    text = _MERMAID.sub(
        lambda found: graph if "subgraph" in found[1] else _arrows(found[1]), markdown
    )
    if page.file.src_uri == "README.md":
        text = text.replace("](LICENSE)", "](LICENSE.md)")
    return _FOLDER_LINK.sub(r"\1", text)


def on_post_page(output: str, *, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001
    """Refuse a page that would load anything from outside.

    Raises
    ------
    ValueError
        With the page and the address.
    """
    if found := _NOTHING_FROM.search(output):
        raise ValueError(f"{page.file.src_uri} loads something from outside: {found[0]}")
    return output


def _is_ours(file: File) -> bool:
    return Path(str(file.abs_src_path)).is_relative_to(ROOT / "docs")


def _linked(page: Path, target: str) -> Path | None:
    """Return the file of the checkout to which a link leads, unless it is a page or outside."""
    path = unquote(target).partition("#")[0]
    if not path or re.match(r"[a-z]+:", path):
        return None
    found = (page.parent / path).resolve()
    return found if found.is_file() and found.is_relative_to(ROOT) else None


def _as_text(title: str, path: Path) -> str:
    return f"# {title}\n\n```text\n{path.read_text(encoding='utf-8')}```\n"


def _named(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    if isinstance(nav, dict):
        return [name for child in nav.values() for name in _named(child)]
    return [name for child in nav or () for name in _named(child)]


def _filled(nav: Any, filled: dict[str, list[str]]) -> Any:
    if isinstance(nav, dict):
        return {title: _filled(child, filled) for title, child in nav.items()}
    if not isinstance(nav, list):
        return nav
    written: list[Any] = []
    for child in nav:
        if isinstance(child, str) and child in filled:
            written += filled[child]
            continue
        below = _filled(child, filled)
        if below not in ([], {}) and not (isinstance(below, dict) and [] in below.values()):
            written.append(below)
    return written


def _arrows(source: str) -> str:
    rows = [
        (before.replace(" & ", ", "), "fail" if arrow == "-.->" else "", label or "", after)
        for before, arrow, label, after in _ARROW.findall(source)
    ]
    labelled = any(label for _, _, label, _ in rows)
    head = "| from | to | when |" if labelled else "| from | to |"
    lines = [head, re.sub("[^|]+", " --- ", head)]
    for before, _, label, after in rows:
        when = label.replace("<br/>", ", ")
        lines.append(f"| {before} | {after} |" + (f" {when} |" if labelled else ""))
    return "\n".join(lines)
