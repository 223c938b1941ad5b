"""The few Markdown forms that every generated page uses."""

from collections.abc import Iterable
from typing import Any, Final

NOTICE: Final = "<!-- Written by docs/generate.py. Edit the code, then run `make docs`. -->\n"


def inline(value: Any) -> str:
    """Return a value in one line that a Markdown table cell can hold."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return " ".join(text.split()).replace("|", "\\|")


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
