"""The documentation says what the code does: pages are fresh, links lead somewhere, and every
command that a reader could copy exists with the options shown."""

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import click
import pytest
import yaml

from torghut_assets.assets.warehouse import MODELS
from torghut_assets.cli.main import torghut
from torghut_assets.definitions import HELD

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "docs"))

import generate  # noqa: E402 - found below docs/
from page_writers import commands, settings  # noqa: E402

PAGES = sorted(
    [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")]
    + list((ROOT / "docs").rglob("*.md"))
)
SOURCES = [
    path
    for folder in ("torghut_assets", "resources", "sensors")
    for path in (ROOT / folder).rglob("*.py")
]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def fenced_blocks(text: str) -> list[str]:
    return re.findall(r"^```[a-z]*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def without_fences(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of the headings as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", without_fences(page.read_text()), flags=re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def shown_commands(text: str) -> Iterator[str]:
    """Yield every `torghut …` line of code blocks and every code span that is a command."""
    for block in fenced_blocks(text):
        for line in block.replace("\\\n", " ").splitlines():
            shown = line.strip().removeprefix("$ ")
            if shown.startswith("torghut ") and not shown.startswith("torghut: "):
                yield shown
    for span in re.findall(r"`(torghut [^`]+)`", without_fences(text)):
        yield " ".join(span.split())


def parse(line: str) -> None:
    """Parse a command line as click would, without running it or asking for all arguments."""
    words = shlex.split(line, comments=True)[1:]
    words = words[: words.index(">")] if ">" in words else words
    command, context = torghut, click.Context(torghut, info_name="torghut")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        child = command.get_command(context, words[0])
        assert child is not None, f"{line}: there is no command {words[0]!r}"
        command, context = child, click.Context(child, parent=context, info_name=words[0])
        words = words[1:]
    _, rest, _ = command.make_parser(context).parse_args(list(words))
    assert not rest, f"{line}: {rest} is one argument too many"


@pytest.mark.parametrize("page", generate.PAGES)
def test_a_generated_page_is_fresh(page):
    assert (ROOT / page).read_text() == generate.PAGES[page](), f"run `make docs`: {page} is behind"


def test_every_command_is_documented():
    headings = re.findall(r"^## (torghut.*)$", (ROOT / "docs/cli.md").read_text(), re.MULTILINE)
    assert headings == [context.command_path for context in commands.commands()]
    assert len(headings) > 10


def test_every_command_says_what_it_does_and_how_it_ends():
    for context in commands.commands():
        if not isinstance(context.command, click.Group):
            text = context.get_help()
            assert "Exit status" in text, f"{context.command_path} does not state its exit status"
            assert "\\b" not in text, f"{context.command_path} shows a formatting mark"


def test_every_command_line_in_the_help_is_documented_as_it_parses():
    for context in commands.commands():
        for line in context.get_help().replace("\\\n", " ").splitlines():
            if line.strip().startswith("torghut "):
                parse(line.strip())


def test_every_asset_is_documented():
    shown = re.findall(r"^### (\w+)$", (ROOT / "docs/assets.md").read_text(), re.MULTILINE)
    definitions_assets = re.findall(r"^    (\w+)$", generate.picture(), re.MULTILINE)
    tables = {model.key.to_user_string() for model in MODELS}  # too many for the picture
    assert sorted(set(shown) - tables) == sorted(definitions_assets)
    assert set(shown) - tables <= set(HELD)
    assert tables <= set(shown)


def test_every_environment_variable_of_the_code_is_documented():
    pattern = re.compile(r'"((?:TORGHUT|DAGSTER|APCA|AWS|OPENLINEAGE)_[A-Z_]+)"')
    named = {name for path in SOURCES for name in pattern.findall(path.read_text())}
    team = yaml.safe_load((ROOT / "deploy/team/dagster.yaml").read_text())
    named |= set(re.findall(r"'env': '(\w+)'", str(team)))
    assert named == {variable.name for variable in settings.ENVIRONMENT}


def test_every_setting_file_is_documented():
    text = (ROOT / "docs/settings.md").read_text()
    for path in (ROOT / "torghut_assets/config").glob("*.yaml"):
        assert f"### {path.name}\n" in text


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", without_fences(page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        destination = (page.parent / path).resolve() if path else page
        assert destination.exists(), f"{name_of(page)}: {target} leads nowhere"
        assert destination.is_relative_to(ROOT), f"{name_of(page)}: {target} leaves the project"
        if anchor:
            assert anchor in anchors_of(destination), f"{name_of(page)}: no heading {target}"


def test_the_index_leads_to_every_page():
    linked: set[Path] = set()
    for page in (ROOT / "docs/index.md", ROOT / "docs/numerics.md"):
        targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
        linked |= {(page.parent / target).resolve() for target in targets if ":" not in target}
    missing = {name_of(page) for page in PAGES} - {name_of(page) for page in linked}
    assert not missing - {"docs/index.md"}


def test_every_picture_is_small_and_shown():
    readme = (ROOT / "README.md").read_text()
    pictures = list((ROOT / "docs/screenshots").glob("*.png"))
    assert pictures
    for picture in pictures:
        assert picture.stat().st_size < 200_000
        assert name_of(picture) in readme


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_shown_exists_with_its_options(page):
    for line in shown_commands(page.read_text()):
        try:
            parse(line)
        except click.UsageError as error:
            pytest.fail(f"{name_of(page)}: {line}: {error.format_message()}")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_target_shown_exists(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE)
    assert set(shown) <= targets


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_named_in_code_spans_exists(page):
    pattern = r"`((?:torghut_assets|resources|sensors|tests|docs|candidates)/[\w./-]+)`"
    for path in re.findall(pattern, page.read_text()):
        named = ROOT / path
        assert named.exists() or named.with_suffix(".py").exists(), f"{name_of(page)}: {path}"


@pytest.mark.parametrize(
    "wrong",
    [
        "torghut audit everything",
        "torghut report x --snapshot y --html",
        "torghut demo again",
        "torghut run x --snapshot",
    ],
)
def test_a_command_that_does_not_exist_is_found(wrong):
    with pytest.raises((AssertionError, click.UsageError)):
        parse(wrong)


def test_commands_are_found_in_blocks_and_spans():
    text = "Run `torghut demo` or\n```sh\n$ torghut run x \\\n  --snapshot y  # why\n```\n"
    assert sorted(shown_commands(text)) == [
        "torghut demo",
        "torghut run x    --snapshot y  # why",
    ]
