"""Pictures of the report page, readable at any width, on paper and with a screen reader.

Words are text of the page, never of a drawing: they keep their size on a narrow screen and can be
searched and read aloud. A drawing has a name and a description; what a bar shows stands beside it
as a number. Colours come from the page's style, light and dark.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, NamedTuple

_POINTS: Final = 360
_WIDTH: Final = 720
_HEIGHT: Final = 150


class Bar(NamedTuple):
    """One value from 0 up, and its limit if it has one: `at most` or `at least` a number."""

    label: str
    value: float
    limit: float | None = None
    bound: str = ""


def line_picture(
    title: str, description: str, values: Sequence[float], labels: tuple[str, str]
) -> str:
    """Return a line over time, its range written at the left, first and last day below.

    Parameters
    ----------
    values : sequence of float
        At least two, evenly spaced; thinned to one per two pixels.
    labels : (str, str)
        What stands at the left and the right end.
    """
    step = max(1, -(-len(values) // _POINTS))
    thin = [*values[::step], values[-1]]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    points = " ".join(
        f"{_WIDTH * i / (len(thin) - 1):.1f},{5 + (_HEIGHT - 10) * (high - v) / span:.1f}"
        for i, v in enumerate(thin)
    )
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>\n"
        f'<div class="plot"><div class="ends" aria-hidden="true"><span>{high:.2f}</span>'
        f"<span>{low:.2f}</span></div>"
        f'<svg role="img" viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" '
        f'aria-label="{escape(title)}: {escape(description)}">'
        f'<polyline class="line" points="{points}"/></svg></div>\n'
        f'<div class="days"><span>{escape(labels[0])}</span><span>{escape(labels[1])}</span></div>'
        f'<p class="soft">{escape(_sentence(description))}</p></figure>\n'
    )


def bar_picture(caption: str, bars: Sequence[Bar]) -> str:
    """Return a table of values, each with a bar, and a mark at its limit if there is one."""
    ends = [bar.value for bar in bars] + [bar.limit for bar in bars if bar.limit is not None]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    scale = _Scale(low, 100.0 / ((high - low) or 1.0))
    rows = "".join(
        f'<tr><th scope="row">{escape(bar.label)}</th><td class="n">{bar.value:.3g}</td>'
        f"<td>{escape(f'{bar.bound} {bar.limit:g}' if bar.limit is not None else 'no limit')}</td>"
        f'<td class="drawn">{_bar(bar, scale)}</td></tr>\n'
        for bar in bars
    )
    return (
        f'<table class="bars"><caption>{escape(caption)}</caption><thead><tr>'
        '<th scope="col">Measure</th><th scope="col">Value</th><th scope="col">Limit</th>'
        f'<th scope="col">Next to its limit</th></tr></thead>\n<tbody>{rows}</tbody></table>\n'
    )


class _Scale(NamedTuple):
    """Where a value lies in a drawing that is 104 wide."""

    low: float
    per_unit: float

    def at(self, value: float) -> float:
        return 2.0 + (value - self.low) * self.per_unit


def _bar(bar: Bar, scale: _Scale) -> str:
    """Draw one bar from zero, to the left if it is negative; the numbers beside it say the same."""
    zero, end = scale.at(0.0), scale.at(bar.value)
    limit = "" if bar.limit is None else _upright("limit", scale.at(bar.limit))
    return (
        '<svg aria-hidden="true" viewBox="0 0 104 16" preserveAspectRatio="none">'
        f'<rect class="bar" x="{min(zero, end):.1f}" y="3" width="{abs(end - zero):.1f}" '
        f'height="10"/>{_upright("zero", zero)}{limit}</svg>'
    )


def _upright(kind: str, x: float) -> str:
    return f'<line class="{kind}" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="16"/>'


def chain_picture(label: str, links: Iterable[tuple[str, str, bool]]) -> str:
    """Return the links of a chain as a list of boxes; a missing one says so and is dashed.

    Parameters
    ----------
    label : str
        Name of the list.
    links : iterable of (name, what stands below it, whether it is there)
    """
    items = "".join(
        f"<li{'' if present else ' class=missing'}><strong>{escape(name)}</strong>"
        f"<code>{escape(below)}</code></li>"
        for name, below, present in links
    )
    return f'<ol class="chain" aria-label="{escape(label)}">{items}</ol>\n'


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
