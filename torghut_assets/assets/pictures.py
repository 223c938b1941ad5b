"""Pictures for the UI, drawn from stored frames and shown inside Markdown metadata."""

import base64
import io
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.figure import Figure

_INK = "#1f3a5f"
_LOSS = "#b3362b"


def equity_and_drawdown(path: "pa.Table", title: str) -> dg.MarkdownMetadataValue:
    """Draw equity over drawdown of an out-of-sample path; fold borders are dotted."""
    import numpy as np
    from matplotlib.figure import Figure

    sessions = path.column("session").to_numpy()
    equity = path.column("equity").to_numpy()
    drawdown = path.column("drawdown").to_numpy()
    borders = sessions[np.flatnonzero(np.diff(path.column("fold").to_numpy())) + 1]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.plot(sessions, equity, color=_INK, linewidth=1.2)
    upper.set_ylabel("equity (start = 1)")
    upper.set_title(title, loc="left", fontsize=10)
    lower.fill_between(sessions, -100 * drawdown, 0, color=_LOSS, alpha=0.6, linewidth=0)
    lower.set_ylabel("drawdown (%)")
    for axes in (upper, lower):
        axes.grid(visible=True, alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        for border in borders:
            axes.axvline(border, color="black", alpha=0.6, linewidth=0.8, linestyle=":")
    return as_markdown(figure, title)


def as_markdown(figure: "Figure", title: str) -> dg.MarkdownMetadataValue:
    """Embed a figure as a PNG data address, so that the picture is part of the metadata."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{encoded})")
