"""Pictures of the report page, as SVG that a printer and a screen reader can use.

Every picture has a title and a description in words; what it shows stands in a table, too, or
is counted in its description. Colours come from the page's style, light and dark.
"""

from collections.abc import Sequence
from html import escape
from typing import Final

_WIDTH: Final = 720
_POINTS: Final = 360


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
    height, left = 180, 70
    step = max(1, -(-len(values) // _POINTS))
    thin = [*values[::step], values[-1]]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    width = _WIDTH - left - 10
    points = " ".join(
        f"{left + width * i / (len(thin) - 1):.1f},{10 + (height - 40) * (high - v) / span:.1f}"
        for i, v in enumerate(thin)
    )
    body = (
        f'<line class="axis" x1="{left}" y1="10" x2="{left}" y2="{height - 30}"/>'
        f'<line class="axis" x1="{left}" y1="{height - 30}" x2="{_WIDTH - 10}" y2="{height - 30}"/>'
        f'<polyline class="line" points="{points}"/>'
        + _text(left - 6, 16, f"{high:.2f}", "end")
        + _text(left - 6, height - 30, f"{low:.2f}", "end")
        + _text(left, height - 10, labels[0], "start")
        + _text(_WIDTH - 10, height - 10, labels[1], "end")
    )
    return _picture(title, description, height, body)


def bar_picture(
    title: str, description: str, bars: Sequence[tuple[str, float, float | None]]
) -> str:
    """Return horizontal bars, each with its value and, if there is one, a mark at its limit.

    Parameters
    ----------
    bars : sequence of (label, value, limit or None)
    """
    left, row = 250, 26
    ends = [abs(v) for _, v, _ in bars] + [abs(x) for *_, x in bars if x is not None]
    scale = (_WIDTH - left - 80) / (max(ends) or 1.0)
    body = ""
    for number, (label, value, limit) in enumerate(bars):
        y = 8 + number * row
        body += _text(left - 8, y + 13, label, "end")
        body += (
            f'<rect class="bar" x="{left}" y="{y}" width="{abs(value) * scale:.1f}" height="16"/>'
        )
        body += _text(left + abs(value) * scale + 6, y + 13, f"{value:.3g}", "start")
        if limit is not None:
            x = left + abs(limit) * scale
            body += f'<line class="limit" x1="{x:.1f}" y1="{y - 3}" x2="{x:.1f}" y2="{y + 19}"/>'
    return _picture(title, description, 16 + row * len(bars), body)


def chain_picture(title: str, description: str, links: Sequence[tuple[str, str, bool]]) -> str:
    """Return boxes in rows, in order, joined by arrows; a missing one has a dashed frame.

    Parameters
    ----------
    links : sequence of (name, what stands below it, whether it is there)
    """
    columns, box, gap, row = 4, 160, 26, 74
    body = ""
    for number, (name, below, present) in enumerate(links):
        x, y = 4 + number % columns * (box + gap), 6 + number // columns * row
        kind = "box" if present else "box missing"
        body += f'<rect class="{kind}" x="{x}" y="{y}" width="{box}" height="50" rx="6"/>'
        body += _text(x + box / 2, y + 21, name, "middle")
        body += _text(x + box / 2, y + 39, below, "middle")
        if number + 1 < len(links):
            if number % columns < columns - 1:
                body += f'<path class="axis" d="M{x + box} {y + 25} h{gap - 4} m-6 -5 l6 5 l-6 5"/>'
            else:
                down = f"M{x + box / 2} {y + 50} v12 H{4 + box / 2} v8 m-5 -6 l5 6 l5 -6"
                body += f'<path class="axis" d="{down}"/>'
    return _picture(title, description, 12 + row * (-(-len(links) // columns)), body)


def _picture(title: str, description: str, height: float, body: str) -> str:
    return (
        f'<figure><svg role="img" viewBox="0 0 {_WIDTH + 20} {height}" '
        f'aria-label="{escape(title)}. {escape(description)}">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{body}</svg>"
        f"<figcaption>{escape(title)}. {escape(description)}</figcaption></figure>\n"
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
