"""Parts that every section of the report page is made of: tables, words, numbers."""

from collections.abc import Iterable
from html import escape


def table(
    caption: str,
    heads: tuple[str, ...],
    rows: Iterable[tuple[str, ...]],
    numbers: tuple[int, ...] = (),
) -> str:
    """Return a table that scrolls within itself where the page is too narrow.

    Parameters
    ----------
    caption : str
        Text; also the name of the region that scrolls.
    heads : tuple of str
        Text of the columns' headings.
    rows : iterable of tuple of str
        Markup, the first of each is the heading of its row.
    numbers : tuple of int
        Columns that hold numbers.
    """
    head = "".join(
        f'<th scope="col"{" class=n" if at in numbers else ""}>{escape(text)}</th>'
        for at, text in enumerate(heads)
    )
    body = ""
    for row in rows:
        cells = "".join(
            f'<td class="n">{cell}</td>' if at in numbers else f"<td>{cell}</td>"
            for at, cell in enumerate(row[1:], start=1)
        )
        body += f'<tr><th scope="row">{row[0]}</th>{cells}</tr>\n'
    name = escape(caption)
    return (
        f'<div class="scroll" role="region" aria-label="{name}" tabindex="0"><table>'
        f"<caption>{name}</caption><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody>"
        "</table></div>\n"
    )


_GOOD = frozenset({"pass", "passed"})
_OPEN = frozenset({"inconclusive", "not_yet", "degrade", "abstain"})


def word(verdict: str) -> str:
    """A verdict in words; colour is never the only sign. What is no pass looks like a failure."""
    known = verdict.lower()
    kind = "pass" if known in _GOOD else "open" if known in _OPEN else "fail"
    return f'<span class="{kind}">{escape(verdict.replace("_", " "))}</span>'


def number(value: float | None) -> str:
    """A number to four digits, or that there is none."""
    return "not measured" if value is None else f"{value + 0.0:.4g}"
