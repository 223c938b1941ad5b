"""A page on a narrow terminal is folded; nothing of it is cut."""

import io

import pytest
from rich.console import Console

from torghut_assets.cli.page_on_screen import Page

WORD = "skipped_weekdays=monday_and_friday_afternoon"


@pytest.mark.parametrize("columns", [40, 80])
def test_a_long_word_in_a_table_is_folded_and_not_cut(columns):
    page = f"| fold | chosen |\n| --- | --- |\n| 1 | {WORD} |\n"
    shown = io.StringIO()
    Console(file=shown, width=columns, no_color=True).print(Page(page))
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= columns
    assert WORD in "".join(line.strip().removeprefix("1").strip() for line in lines)
