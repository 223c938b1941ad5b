"""The table in the README is what the demo prints."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from torghut_assets.cli.main import torghut

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.mark.slow
def test_the_readme_shows_what_the_demo_prints(evaluated):
    """Two of the five examples are evaluated in this home already; the demo does the rest."""
    result = CliRunner().invoke(torghut, ["demo"])
    assert result.exit_code == 0, result.output
    shown = re.findall(
        r"^```text\n(candidate .*?)^```", README.read_text(), re.MULTILINE | re.DOTALL
    )
    printed = re.findall(r"^candidate  .*?(?=\n\n)", result.output, re.MULTILINE | re.DOTALL)
    assert len(shown) == len(printed) == 2
    for one, other in zip(shown, printed, strict=True):
        assert one.splitlines() == other.splitlines()
