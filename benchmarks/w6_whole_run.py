"""W6: `torghut run` of one candidate with a 1,000-point grid on 20 names x 8,313 days.

Makes a folder universe from px20 (closes only: open, high, low and close are equal, volume is
a large constant), submits a candidate whose grid has 40 lookbacks x 25 volatility windows,
takes the snapshot, and runs it through `gate_report` in fresh copies of that home: the first
warms the kernels' cache, the others are measured as whole processes. Where the time goes is
read from the events that Dagster recorded.

Goal: at most 15 s and 1 GB. `--torghut` names the command to measure.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import runner
import workload_data

ROOT = Path(__file__).resolve().parent.parent
CANDIDATE = "momentum-sweep-v1"
SNAPSHOT = "px20@2022-12-28"
VOLUME = 1e9

_UNIVERSE = """\
universes:
  - name: px20
    title: Twenty S&P names, closes only
    symbols: [{symbols}]
    frequency: 1d
    source: {{kind: folder, path: ../bars, title: skfolio sample data, licence: BSD-3-Clause}}
    caveats: [Names that survived; made for measuring speed.]
"""

_STEPS = """\
import json, sys
import dagster as dg
from torghut_assets.resources.home import Home

found = []
with dg.DagsterInstance.from_config(str(Home.from_environment().dagster_home)) as instance:
    for run in reversed(instance.get_run_records()):
        stats = instance.get_run_step_stats(run.dagster_run.run_id)
        for step in sorted(stats, key=lambda s: s.start_time or 0):
            found.append((step.step_key, step.end_time - step.start_time))
        found.append(("run " + run.dagster_run.job_name, run.end_time - run.start_time))
print(json.dumps(found))
"""


def write_bars(folder, prices):
    """One Parquet file in the bar schema, sorted by symbol and time."""
    order = np.argsort(prices.symbols)
    n_bars, n_symbols = prices.close.shape
    close = np.ascontiguousarray(prices.close[:, order].T).ravel()
    times = np.tile(prices.dates.astype("datetime64[us]"), n_symbols)
    bars = pa.table(
        {
            "symbol": np.repeat(np.array(prices.symbols)[order], n_bars),
            "time": pa.array(times, pa.timestamp("us", tz="UTC")),
            "open": close,
            "high": close,
            "low": close,
            "close": close,
            "volume": np.full(close.size, VOLUME),
            "adjusted_close": close,
        }
    )
    folder.mkdir(parents=True)
    pq.write_table(bars, folder / "px20.parquet", compression="zstd")


def candidate_text(n_lookbacks, n_volatilities):
    """The shipped momentum example with another universe and a large grid."""
    text = (ROOT / "candidates" / "tsmom-megacaps-v1.yaml").read_text(encoding="utf-8")
    head = text.split("parameters:\n")[0]
    head = head.replace("tsmom-megacaps-v1", CANDIDATE).replace("us-megacaps", "px20")
    grid = workload_data.sweep_grid(n_lookbacks, n_volatilities)
    lookbacks = sorted({lookback for lookback, _ in grid})
    windows = sorted({window for _, window in grid})
    return head + "\n".join(
        [
            "parameters:",
            f"  lookback_bars: {lookbacks[len(lookbacks) // 2]}",
            f"  volatility_bars: {windows[len(windows) // 4]}",
            "  target_volatility_fraction: 0.10",
            "  short_fraction: 1.0",
            "parameter_grid:",
            f"  lookback_bars: {lookbacks}",
            f"  volatility_bars: {windows}",
            "prior_run_evidence: []",
            "declared_outside_trials: 0",
            "",
        ]
    )


def command(torghut, home, *arguments):
    """Run one command of the project as a process of its own; wall, CPU, peak RSS, status."""
    environment = {**os.environ, "TORGHUT_HOME": str(home)}
    environment.pop("DAGSTER_HOME", None)
    start = time.perf_counter()
    process = subprocess.Popen([torghut, *arguments], env=environment)
    _, status, used = os.wait4(process.pid, 0)
    return {
        "wall": time.perf_counter() - start,
        "cpu": used.ru_utime + used.ru_stime,
        "rss_mib": used.ru_maxrss / 1024.0,
        "status": os.waitstatus_to_exitcode(status),
    }


def prepare(torghut, home, points):
    (home / "universes").mkdir(parents=True)
    prices = workload_data.px20()
    write_bars(home / "bars", prices)
    (home / "universes" / "px20.yaml").write_text(
        _UNIVERSE.format(symbols=", ".join(prices.symbols)), encoding="utf-8"
    )
    spec = home / "candidate.yaml"
    spec.write_text(candidate_text(*points), encoding="utf-8")
    for arguments in (
        ("candidate", "add", str(spec)),
        ("snapshot", "take", "px20", "--as-of", SNAPSHOT.partition("@")[2]),
    ):
        if (done := command(torghut, home, *arguments))["status"] != 0:
            raise SystemExit(f"torghut {' '.join(arguments)}: exit status {done['status']}")


def phases(torghut, home):
    """Seconds per Dagster step, by the home's own event log."""
    python = Path(torghut).parent / "python"
    found = subprocess.run(
        [python, "-c", _STEPS],
        env={**os.environ, "TORGHUT_HOME": str(home)},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(found.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--torghut", default=str(ROOT / ".venv" / "bin" / "torghut"))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--lookbacks", type=int, default=40)
    parser.add_argument("--windows", type=int, default=25)
    parser.add_argument("--output", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready"
        prepare(chosen.torghut, ready, (chosen.lookbacks, chosen.windows))
        measured = []
        for number in range(chosen.runs + 1):
            home = Path(folder) / f"run{number}"
            shutil.copytree(ready, home)
            run = command(chosen.torghut, home, "run", CANDIDATE, "--snapshot", SNAPSHOT)
            if run["status"] not in (0, 1):
                raise SystemExit(f"torghut run: exit status {run['status']}")
            measured.append(run)
            print(run, file=sys.stderr)
        again = command(chosen.torghut, home, "run", CANDIDATE, "--snapshot", SNAPSHOT)
        steps = phases(chosen.torghut, home)
    warm = measured[1:]
    lines = [
        f"### W6 whole run, {chosen.lookbacks * chosen.windows} grid points",
        "",
        "| process | wall | CPU | peak RSS |",
        "| --- | ---: | ---: | ---: |",
        _row("first (may compile)", [measured[0]]),
        _row(f"warm, median of {len(warm)} (range)", warm),
        _row("again, nothing to do", [again]),
        "",
        "| step of the last run | wall |",
        "| --- | ---: |",
        *[f"| {name} | {seconds:.2f} s |" for name, seconds in steps],
        "",
        runner.machine(),
        "",
    ]
    runner.publish("\n".join(lines), chosen.output)


def _row(name, runs):
    cells = []
    for key, unit in (("wall", "s"), ("cpu", "s"), ("rss_mib", "MiB")):
        values = [run[key] for run in runs]
        digits = 0 if unit == "MiB" else 2
        text = f"{statistics.median(values):.{digits}f} {unit}"
        if len(values) > 1:
            text += f" ({min(values):.{digits}f}-{max(values):.{digits}f})"
        cells.append(text)
    return f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
