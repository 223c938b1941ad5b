"""The tutorial and the how-to pages do what they show, in a real home."""

import re
import shutil
from pathlib import Path

import pytest
from runbook_shell import Shell, execute, steps_of

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
HOW_TO = sorted((ROOT / "docs" / "howto").glob("*.md"))
USERS = {"researcher", "operator", "compliance", "platform-engineer"}


def test_every_user_has_a_page():
    assert {page.stem for page in HOW_TO} == USERS


@pytest.mark.heavy
@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_every_command_of_a_how_to_ends_and_prints_as_it_says(page, shell):
    execute(page, shell)


@pytest.mark.heavy
def test_the_tutorial_leads_from_nothing_to_a_rollback(tmp_path, monkeypatch):
    monkeypatch.delenv("TORGHUT_HOME")
    shutil.copytree(ROOT / "candidates", tmp_path / "candidates")
    shell = Shell(tmp_path, {"COLUMNS": "80"}, seconds=1_800)
    execute(TUTORIAL, shell)


@pytest.mark.parametrize("page", [TUTORIAL, *HOW_TO], ids=lambda page: page.stem)
def test_commands_stand_only_where_they_are_executed(page):
    text = page.read_text()
    assert set(re.findall(r"^```(\S+)$", text, re.MULTILINE)) == {"console"}
    assert steps_of(text)
