"""The tables of metrics and events, from those that the code exports by."""

from page_writers.markdown import table
from torghut_assets.resources.event_log import EVENTS
from torghut_assets.resources.metrics.families import FAMILIES, LATENCY_BUCKETS_SECONDS


def metrics_table() -> str:
    """Return every metric, and the bounds of histograms."""
    rows = (
        (
            f"`{family.name}`" + (" (histogram)" if family.kind == "histogram" else ""),
            ", ".join(family.labels) or "–",
            family.source,
            family.help,
        )
        for family in FAMILIES
    )
    bounds = ", ".join(f"{bound:g}" for bound in LATENCY_BUCKETS_SECONDS)
    told = f"\nBounds of histograms, in seconds: {bounds}.\n"
    return table(("metric", "labels", "from", "what it says"), rows) + told


def events_table() -> str:
    """Return every event of the structured log."""
    return table(("event", "when"), ((f"`{name}`", when) for name, when in EVENTS.items()))
