"""Metrics in Prometheus' form, computed when they are asked for.

A source that cannot be read costs its own metrics and nothing else; `torghut_source_up` says
so, and the health endpoint says why.
"""

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from torghut_assets.domain.errors import TorghutError, UsageError
from torghut_assets.resources.clock import utc_now
from torghut_assets.resources.home import Home
from torghut_assets.resources.metrics.families import (
    BY_NAME,
    FAMILIES,
    LATENCY_BUCKETS_SECONDS,
    Family,
)
from torghut_assets.resources.metrics.readings import Readings, Sample

if TYPE_CHECKING:
    import dagster as dg
    from prometheus_client.metrics_core import Metric

SOURCES: Final = (
    "dagster",
    "sensors",
    "receipts",
    "gates",
    "orders",
    "drift",
    "kill",
    "ledger",
    "store",
)


class Scraped(NamedTuple):
    """What one look at all sources gave: samples, and why a source gave none."""

    samples: tuple[Sample, ...]
    problems: dict[str, str]


class MetricsCollector:
    """Answers Prometheus' registry; one look at a time.

    Parameters
    ----------
    home : Home
    instance : dagster.DagsterInstance
        Of that home.
    clock : callable
        Returns the time in UTC.
    """

    def __init__(
        self,
        home: Home,
        instance: "dg.DagsterInstance",
        clock: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        self._readings = Readings(home, instance)
        self._clock = clock
        self._turn = threading.Lock()
        self.problems: dict[str, str] = {}
        """Why a source could not be read, as of the last look."""

    def scrape(self) -> Scraped:
        """Look at every source."""
        import dagster as dg
        from sqlalchemy.exc import SQLAlchemyError

        samples: list[Sample] = []
        problems: dict[str, str] = {}
        with self._turn:
            now = self._clock()
            for source in SOURCES:
                began = time.thread_time()
                try:
                    found = list(getattr(self._readings, source)(now))
                except TorghutError as error:
                    problems[source] = str(error)
                except (SQLAlchemyError, dg.DagsterError, OSError) as error:
                    problems[source] = type(error).__name__  # its text may hold an address
                else:
                    samples += found
                spent = time.thread_time() - began
                samples.append(Sample("torghut_source_up", int(source not in problems), (source,)))
                samples.append(Sample("torghut_source_seconds", spent, (source,)))
            self.problems = problems
        return Scraped(tuple(samples), problems)

    def collect(self) -> Iterable["Metric"]:
        """Return all families that have samples, in the order of the table."""
        return metrics_of(self.scrape().samples)

    def describe(self) -> Iterable["Metric"]:
        """Return nothing: the registry then need not scrape to know the names."""
        return ()

    def close(self) -> None:
        """Let go of what is open."""
        self._readings.close()


def metrics_of(samples: Iterable[Sample]) -> Iterator["Metric"]:
    """Return Prometheus' families of samples.

    Raises
    ------
    KeyError
        If a sample is of no declared family.
    """
    from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily

    by_family: dict[str, list[Sample]] = {}
    for sample in samples:
        by_family.setdefault(BY_NAME[sample.name].name, []).append(sample)
    for family in FAMILIES:
        if family.name not in by_family:
            continue
        if family.kind == "histogram":
            histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
            for sample in by_family[family.name]:
                buckets, total = _observed(sample)
                histogram.add_metric(_labels(family, sample), buckets, total)
            yield histogram
        else:
            gauge = GaugeMetricFamily(family.name, family.help, labels=family.labels)
            for sample in by_family[family.name]:
                if not isinstance(sample.value, int | float):
                    raise KeyError(f"{family.name} is a gauge, a sample has many values")
                gauge.add_metric(_labels(family, sample), sample.value)
            yield gauge


def _observed(sample: Sample) -> tuple[list[tuple[str, float]], float]:
    """Return how many observations are up to each bound, and their sum."""
    seen = [sample.value] if isinstance(sample.value, int | float) else list(sample.value)
    buckets = [
        (f"{bound:g}", float(sum(value <= bound for value in seen)))
        for bound in LATENCY_BUCKETS_SECONDS
    ]
    return [*buckets, ("+Inf", float(len(seen)))], float(sum(seen))


def _labels(family: Family, sample: Sample) -> list[str]:
    if len(sample.labels) != len(family.labels):
        raise KeyError(f"{family.name} has labels {family.labels}, a sample has {sample.labels}")
    return list(sample.labels)


def exposition(collector: MetricsCollector) -> bytes:
    """Return all metrics as text.

    Raises
    ------
    UsageError
        If the extra `team` is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry, generate_latest
    except ModuleNotFoundError as error:
        raise UsageError("metrics need the extra `team` of torghut-assets.") from error
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry)
