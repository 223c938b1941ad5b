"""Compare implementations of one job fairly: agreement, alternating rounds, ratios with ranges.

Every contender is called once to warm it and to compare outputs; then each round calls all
of them, one after the other. A ratio is the ratio of medians; its range is the smallest and
largest ratio of calls in the same round. CPU time is user + sys of this process, all threads.
Added memory is the peak resident set during the first call over that before it (Linux).
"""

import argparse
import gc
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

MIB = 1 << 20


@dataclass(frozen=True)
class Contender:
    """One implementation: a name and a call without arguments that returns its outputs.

    `rounds` limits how often a slow one is called; it then takes part in the first rounds. With
    0 its first call counts, which is fair only to one that compiles nothing.
    `agrees` is called with the outputs of the first contender and its own, raises
    AssertionError if they differ, and returns the largest difference as text.
    """

    name: str
    call: Callable[[], Any]
    agrees: Callable[[Any, Any], str] | None = None
    rounds: int | None = None


@dataclass
class Measured:
    """Times of one contender, one entry per round, and its memory."""

    name: str
    agreement: str
    peak_mib: float
    added_mib: float
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def cpu_seconds() -> float:
    """User and system time of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def compare(contenders: Sequence[Contender], rounds: int = 7) -> list[Measured]:
    """Check agreement, then time all contenders in alternating rounds; ours is the first."""
    results: list[Measured] = []
    reference: Any = None
    for contender in contenders:
        gc.collect()
        before = _memory("VmRSS")
        _forget_peak()
        cpu, wall = cpu_seconds(), time.perf_counter()
        outputs = contender.call()
        first = time.perf_counter() - wall, cpu_seconds() - cpu
        peak = _memory("VmHWM")
        agreement = "reference"
        if reference is None:
            reference = outputs
        elif contender.agrees is not None:
            agreement = contender.agrees(reference, outputs)
        else:
            agreement = "not compared"
        del outputs
        result = Measured(contender.name, agreement, peak, max(0.0, peak - before))
        if contender.rounds == 0:
            result.wall.append(first[0])
            result.cpu.append(first[1])
        results.append(result)
    for number in range(rounds):
        for contender, result in zip(contenders, results, strict=True):
            if contender.rounds is not None and number >= contender.rounds:
                continue
            gc.collect()
            cpu, wall = cpu_seconds(), time.perf_counter()
            outputs = contender.call()
            result.wall.append(time.perf_counter() - wall)
            result.cpu.append(cpu_seconds() - cpu)
            del outputs
    return results


def markdown(title: str, results: Sequence[Measured], notes: Sequence[str] = ()) -> str:
    """Table of one comparison; ratios are against the first row."""
    ours = results[0]
    lines = [
        f"### {title}",
        "",
        "| program | wall | CPU | wall ratio (range) | CPU ratio (range) | RSS | difference |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for result in results:
        cells = (
            result.name,
            _duration(statistics.median(result.wall)),
            _duration(statistics.median(result.cpu)),
            _ratio(result.wall, ours.wall),
            _ratio(result.cpu, ours.cpu),
            f"{result.added_mib:,.0f} MiB",
            result.agreement,
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *[f"{note}  " for note in notes], ""]
    return "\n".join(lines)


def largest_difference(
    tolerances: Mapping[str, float],
) -> Callable[[Mapping[str, Any], Mapping[str, Any]], str]:
    """Make a check that every named output differs by at most its tolerance."""

    def check(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
        found = []
        for name, tolerance in tolerances.items():
            difference = float(np.max(np.abs(np.asarray(ours[name]) - np.asarray(theirs[name]))))
            if not difference <= tolerance:
                raise AssertionError(f"{name} differs by {difference:.3g}, allowed {tolerance:g}")
            found.append(f"{name} {difference:.0e}")
        return ", ".join(found)

    return check


def options(text: str | None) -> argparse.Namespace:
    """Parse the options that all workloads share."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--rounds", type=int, default=7, help="alternating rounds")
    parser.add_argument("--slow-rounds", type=int, default=3, help="rounds of slow peers")
    parser.add_argument("--only", default="", help="only jobs whose title has this text")
    parser.add_argument("--growth", action="store_true", help="measure growth with size too")
    parser.add_argument("--output", type=Path, help="append the table to this Markdown file")
    return parser.parse_args()


def publish(text: str, output: Path | None) -> None:
    """Print a table and append it to a file if one is wanted."""
    print(text, flush=True)
    if output is not None:
        with output.open("a", encoding="utf-8") as handle:
            handle.write(text + "\n")


def machine() -> str:
    """Describe what was measured on: cores, load and versions."""
    import importlib.metadata as metadata

    names = ("numpy", "numba", "pandas", "pyarrow")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"{versions}; load average {load:.1f}"
    )


def median_seconds(call: Callable[[], Any], rounds: int = 5) -> float:
    """Median CPU time of a warmed call."""
    call()
    times = []
    for _ in range(rounds):
        start = cpu_seconds()
        call()
        times.append(cpu_seconds() - start)
    return statistics.median(times)


def _ratio(theirs: Sequence[float], ours: Sequence[float]) -> str:
    if theirs is ours:
        return "1"
    paired = [a / b for a, b in zip(theirs, ours, strict=False)]
    middle = statistics.median(theirs) / statistics.median(ours)
    return f"{_short(middle)} ({_short(min(paired))}-{_short(max(paired))})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 20 else f"{value:.2g}" if value < 1 else f"{value:.1f}"


def _duration(seconds: float) -> str:
    if seconds >= 1.0:
        return f"{seconds:.2f} s"
    return f"{1e3 * seconds:.1f} ms" if seconds >= 1e-3 else f"{1e6 * seconds:.0f} us"


def _memory(name: str) -> float:
    """One line of /proc/self/status in MiB; NaN where there is no such file."""
    try:
        text = Path("/proc/self/status").read_text(encoding="ascii")
    except FileNotFoundError:
        return float("nan")
    line = next(line for line in text.splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) / 1024.0


def _forget_peak() -> None:
    """Let the kernel forget the peak resident set so far."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return
