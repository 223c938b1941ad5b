"""The page of metrics, health and structured log, from the tables that the code exports by."""

from typing import Final

from page_writers.markdown import NOTICE, table
from torghut_assets.resources.event_log import EVENTS
from torghut_assets.resources.metrics.families import FAMILIES, LATENCY_BUCKETS_SECONDS

_BEFORE: Final = """\
# Observability

Metrics are not counted while the system works: they are computed from the ledger, the registers, records and
Dagster's storage when somebody asks. Nothing is lost when the exporter is down, and nothing on the way of an
order waits for it. It needs the extra `team`.

```sh
torghut metrics show                 # once, as text
torghut metrics serve --port 9464    # /metrics and /healthz, on loopback
```

`/healthz` answers 200, or 503 with one reason per source that cannot be read. Neither endpoint has
authentication; beyond loopback, put a proxy in front. `torghut doctor` looks deeper, at one installation:
it says what to do about each finding, and ends with 0, 1 (attention) or 3 (evidence broken).

`deploy/prometheus/prometheus.yaml` scrapes, `deploy/prometheus/alerts.yaml` alerts (its cases:
`alerts.test.yaml`, for `promtool test rules`), `deploy/grafana/torghut.json` is a dashboard to import. Tests hold
both to the table below.

## Metrics

"""
_AFTER_METRICS: Final = """
Histograms have the bounds {buckets} seconds. Counts are gauges: they are counted anew from
records, so alert on `delta`, not on `rate`. Candidates are labels only where they are deployed.

### Cost

A process reads registers and events once and then only what is new; counts are one query; at most 200 gate
reports are read per scrape (`torghut_gate_reports_unread` says how many are left); the store is counted once a
minute, on S3 by listing it. Measured with `benchmarks/metrics_scrape.py`: {cost}

## Structured log

`TORGHUT_EVENT_LOG` names a file to which one JSON object per line is appended, or `-` for standard error. Each
has `time` and `event`, and what is known of run, asset, partition, candidate, session and digest. Only declared
fields get in, each cut at 200 characters: no message, reason, address or credential. The log informs, the
ledger proves; if the log cannot be written, work goes on.

```json
{{"time": "2026-12-01T08:00:00Z", "event": "stage_decided", "candidate": "tsmom-megacaps-v1", "outcome": "pass", "stage": "candidate_build"}}
```

"""
_COST: Final = """at 10,000 order
entries, 10,000 ledger-free receipts and 10,000 events, see the [changelog](../CHANGELOG.md)."""


def observability_page() -> str:
    """Return the page."""
    metrics = table(
        ("metric", "labels", "from", "what it says"),
        (
            (
                f"`{family.name}`" + (" (histogram)" if family.kind == "histogram" else ""),
                ", ".join(family.labels) or "–",
                family.source,
                family.help,
            )
            for family in FAMILIES
        ),
    )
    events = table(("event", "when"), ((f"`{name}`", when) for name, when in EVENTS.items()))
    buckets = ", ".join(f"{bound:g}" for bound in LATENCY_BUCKETS_SECONDS)
    after = _AFTER_METRICS.format(buckets=buckets, cost=_COST)
    return NOTICE + _BEFORE + metrics + after + events
