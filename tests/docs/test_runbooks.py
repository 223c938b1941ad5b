"""Every command of every runbook is executed, ends as the page says and prints what it shows."""

import re
from pathlib import Path

import pytest
from runbook_shell import Shell, Step, execute, first_missing, steps_of

from torghut_assets.domain.drift.policy import parse_drift_policy

ROOT = Path(__file__).resolve().parents[2]
RUNBOOKS = ROOT / "docs" / "runbooks"
CONFIG = ROOT / "torghut_assets" / "config"
INDEX = RUNBOOKS / "index.md"
PAGES = sorted(path for path in RUNBOOKS.glob("*.md") if path != INDEX)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_runbook_ends_and_prints_as_it_says(page, shell):
    assert any(step.is_shown for step in steps_of(page.read_text())), "no runbook without a command"
    execute(page, shell)


def test_the_index_names_every_runbook_and_the_runbooks_lead_back():
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", INDEX.read_text()))
    assert linked == {page.name for page in PAGES}
    for page in PAGES:
        assert "](index.md)" in page.read_text(), f"{page.name} does not lead back to the index"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_runbook_says_when_to_use_it_and_when_to_stop(page):
    text = page.read_text()
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings[0] == "Use this when"
    assert headings[-1] == "Stop and call"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_stand_only_where_they_are_executed(page):
    """A command in a block of another kind, or in a sentence, would not be tried."""
    text = page.read_text()
    kinds = set(re.findall(r"^```(\S+)$", text, re.MULTILINE))
    assert kinds <= {"console"}
    executed = " ".join(step.command for step in steps_of(text))
    for span in re.findall(
        r"`(torghut [a-z-]+(?: [a-z-]+)?)", re.sub(r"```.*?```", "", text, flags=re.S)
    ):
        assert span in executed, f"{page.name}: `{span}` is named and not executed"


def test_the_page_of_the_incident_classes_says_what_the_policy_says():
    policy = parse_drift_policy((CONFIG / "drift_policy.yaml").read_bytes())
    rows = re.findall(
        r"^\| ([A-D]) \| (.*?) \| (.*?) \|", (RUNBOOKS / "incident-classes.md").read_text(), re.M
    )
    assert [
        (name, tuple(re.findall(r"`(\w+)`", about)), switch == "demanded")
        for name, about, switch in rows
    ] == [
        (rule.incident_class, rule.circumstances, rule.demands_kill_switch)
        for rule in policy.incident_classes
    ]


def test_a_page_is_read_as_it_is_written():
    page = (
        "<!-- prepare\n$ rm x\n-->\n```console\n$ a \\\n    b   # exit 3\none … two\n\n$ c\n```\n"
        "```text\n$ not this\n```\n"
    )
    assert steps_of(page) == [
        Step("rm x", 0, (), is_shown=False),
        Step("a      b", 3, ("one … two",), is_shown=True),
        Step("c", 0, (), is_shown=True),
    ]


@pytest.mark.parametrize(
    ("expected", "output", "missing"),
    [
        (("a", "b"), "a\nx\nb\n", None),
        (("b", "a"), "a\nb\n", "a"),
        (("a … c",), "a b c\n", None),
        (("a … c",), "a b d\n", "a … c"),
        (("a.c",), "abc\n", "a.c"),
        (("…", "a"), "a\n", None),
    ],
)
def test_expected_lines_are_looked_for_in_order(expected, output, missing):
    assert first_missing(expected, output) == missing


def test_the_shell_remembers_and_tells_statuses_apart(tmp_path):
    shell = Shell(tmp_path, {"TORGHUT_HOME": str(tmp_path / "home")})
    assert shell.run("export COLOUR=blue") == (0, "")
    assert shell.run("mkdir deep && cd deep") == (0, "")
    assert shell.run('echo "$COLOUR in $(basename "$PWD")"') == (0, "blue in deep\n")
    assert shell.run("false")[0] == 1
    status, output = shell.run("torghut candidate show nobody-known")
    assert status == 3
    assert output.startswith("torghut: ")
    assert shell.run("torghut run")[0] == 2
    assert shell.run("torghut --version | cut -c 1-7") == (0, "torghut\n")
