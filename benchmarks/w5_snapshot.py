"""W5: take a snapshot of 500 symbols x 20,000 one-minute bars (10 M rows; 50 M with --large).

Each contender reads the same Parquet files, checks schema, nulls, duplicates, order, sanity
of prices and staleness, digests what it stores and writes Parquet and a manifest. Ours is
`take_snapshot`, as the asset runs it. It checks more: sessions, window, jumps, coverage.
A source that already is the snapshot is linked; the second row has ours write it anew, as the
peers do. Because memory is half of the question, every call is a process of its own; only the
call is timed. What each process spends on its imports before that is told below the table:
ours needs pandas, for the exchange's calendar.
"""

import argparse
import datetime as dt
import hashlib
import json
import os
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

SIZES = {"1": 2_000, "10": 20_000, "50": 100_000}
"""Bars per symbol by millions of rows, for 500 symbols."""
ROWS_IN_GROUP = 1_000_000
MINUTES = 390
AS_OF = dt.date(2022, 12, 28)
SEED = 7


def session_minutes(n_bars):
    """Starts of regular one-minute bars, microseconds, over the sessions up to `AS_OF`."""
    import exchange_calendars

    calendar = exchange_calendars.get_calendar("XNYS", start="2020-01-02", end="2022-12-30")
    schedule = calendar.schedule.loc[:"2022-12-28"]
    minutes = []
    for opened, closed in zip(
        schedule["open"].iloc[::-1], schedule["close"].iloc[::-1], strict=True
    ):
        start, end = (np.datetime64(t.tz_convert(None), "us").astype(int) for t in (opened, closed))
        minutes.append(np.arange(start, end, 60_000_000))
        if sum(map(len, minutes)) >= n_bars:
            break
    return np.concatenate(minutes[::-1])[-n_bars:]


def make_bars(folder, n_symbols, n_bars):
    """One Parquet file of sound bars, sorted by symbol and time."""
    generator = np.random.default_rng(SEED)
    times = pa.array(session_minutes(n_bars), pa.timestamp("us", tz="UTC"))
    schema = pa.schema(
        [("symbol", pa.string()), ("time", times.type)]
        + [(name, pa.float64()) for name in ("open", "high", "low", "close", "volume")]
        + [("adjusted_close", pa.float64())]
    )
    folder.mkdir(parents=True)
    with pq.ParquetWriter(folder / "bars.parquet", schema, compression="zstd") as writer:
        waiting, rows = [], 0
        for j in range(n_symbols):
            close = np.round(100 * np.exp(np.cumsum(generator.normal(0, 3e-4, n_bars))), 2)
            opened = np.roll(close, 1)
            opened[0] = close[0]
            high = np.maximum(opened, close) + 0.01 * generator.integers(0, 4, n_bars)
            low = np.minimum(opened, close) - 0.01 * generator.integers(0, 4, n_bars)
            volume = generator.integers(100, 50_000, n_bars).astype(float)
            symbol = pa.array([f"S{j:03d}"] * n_bars, pa.string())
            columns = [symbol, times, *map(pa.array, (opened, high, low, close, volume, close))]
            waiting.append(pa.table(columns, schema=schema))
            rows += n_bars
            if rows >= ROWS_IN_GROUP or j == n_symbols - 1:
                writer.write_table(pa.concat_tables(waiting), row_group_size=ROWS_IN_GROUP)
                waiting, rows = [], 0


def import_torghut(folder, n_symbols):
    import exchange_calendars  # noqa: F401  # take_snapshot imports it on its first call

    from torghut_assets.domain.snapshots.universes import FolderSettings, Universe
    from torghut_assets.resources.artifact_files import FileStore
    from torghut_assets.resources.snapshot_writer import take_snapshot

    universe = Universe(
        name="minutes",
        title="Made-up minutes",
        symbols=tuple(f"S{j:03d}" for j in range(n_symbols)),
        frequency="1m",
        source=FolderSettings(
            kind="folder", path=str(folder / "bars"), title="made up", licence="none needed"
        ),
        caveats=("Random walks, made for measuring speed.",),
    )
    store = FileStore(folder / "store")

    def call():
        manifest = take_snapshot(universe, AS_OF, store, None)
        return manifest.rows

    return call


def import_torghut_writing(folder, n_symbols):
    from torghut_assets.resources.market_data.folder import FolderSource

    call = import_torghut(folder, n_symbols)
    FolderSource.bar_files = lambda source: ()  # noqa: ARG005  # none may be linked
    return call


def import_polars(folder, n_symbols):  # noqa: ARG001
    import polars as pl

    def call():
        bars = pl.read_parquet(folder / "bars" / "bars.parquet")
        price = ("open", "high", "low", "close", "adjusted_close")
        if [t for n, t in bars.schema.items() if n in (*price, "volume")] != [pl.Float64] * 6:
            raise SystemExit("schema")
        faults = bars.select(
            nulls=pl.sum_horizontal(pl.all().null_count()),
            bad=(
                (pl.col("low") > pl.min_horizontal("open", "close"))
                | (pl.col("high") < pl.max_horizontal("open", "close"))
                | (pl.min_horizontal(*price) <= 0)
                | pl.any_horizontal(*[~pl.col(name).is_finite() for name in price])
                | (pl.col("volume") < 0)
            ).sum(),
            disorder=(
                (pl.col("symbol") < pl.col("symbol").shift())
                | (
                    (pl.col("symbol") == pl.col("symbol").shift())
                    & (pl.col("time") <= pl.col("time").shift())
                )
            ).sum(),
            longest=pl.col("close").rle_id().over("symbol").rle().struct.field("len").max(),
        ).row(0)
        if any(faults[:3]):
            raise SystemExit(f"faults {faults}")
        return _finish(
            folder,
            bars.height,
            lambda path: bars.write_parquet(path, compression="zstd", row_group_size=ROWS_IN_GROUP),
        )

    return call


def import_pandera(folder, n_symbols):  # noqa: ARG001
    import pandas as pd
    import pandera.pandas as pandera

    price = pandera.Column(float, pandera.Check.gt(0))
    schema = pandera.DataFrameSchema(
        {
            "symbol": pandera.Column(str),
            "time": pandera.Column("datetime64[us, UTC]"),
            **dict.fromkeys(("open", "high", "low", "close", "adjusted_close"), price),
            "volume": pandera.Column(float, pandera.Check.ge(0)),
        },
        checks=[
            pandera.Check(lambda d: d["low"] <= d[["open", "close"]].min(axis=1)),
            pandera.Check(lambda d: d["high"] >= d[["open", "close"]].max(axis=1)),
            pandera.Check(
                lambda d: (d["symbol"] != d["symbol"].shift()) | (d["time"] > d["time"].shift())
            ),
        ],
        unique=["symbol", "time"],
    )

    def call():
        bars = pd.read_parquet(folder / "bars" / "bars.parquet")
        schema.validate(bars)
        still = (bars["close"] != bars["close"].shift()).cumsum().value_counts().max()
        if still > MINUTES:
            raise SystemExit("stale")
        return _finish(
            folder,
            len(bars),
            lambda path: bars.to_parquet(
                path, compression="zstd", row_group_size=ROWS_IN_GROUP, index=False
            ),
        )

    return call


def _finish(folder, rows, write):
    """Write, digest and describe, as any snapshot tool must."""
    path = folder / "peer.parquet"
    write(path)
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    (folder / "peer.json").write_text(json.dumps({"rows": rows, "sha256": digest}))
    return rows


CONTENDERS = {
    "torghut": import_torghut,
    "torghut, written anew": import_torghut_writing,
    "polars": import_polars,
    "pandera (pandas)": import_pandera,
}


def child(name, folder, n_symbols):
    """Import, then time one call; print it as JSON."""
    before = runner.cpu_seconds()
    call = CONTENDERS[name](Path(folder), int(n_symbols))
    cpu, wall = runner.cpu_seconds(), time.perf_counter()
    rows = call()
    used = {"wall": time.perf_counter() - wall, "cpu": runner.cpu_seconds() - cpu, "rows": rows}
    print(json.dumps({**used, "imports": cpu - before}))


def measure(name, folder, n_symbols):
    """One process; its call's times and the process's peak resident set."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--child", name, str(folder), str(n_symbols)],
        stdout=subprocess.PIPE,
        text=True,
    )
    text = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{name} failed")
    return {**json.loads(text.strip().splitlines()[-1]), "rss": used.ru_maxrss / 1024.0}


def compare(names, folder, n_symbols, n_bars, rounds):
    """All contenders over bars made for it, in alternating rounds."""
    make_bars(folder / "bars", n_symbols, n_bars)
    found = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            found[name].append(measure(name, folder, n_symbols))
            shutil.rmtree(folder / "store", ignore_errors=True)
            (folder / "peer.parquet").unlink(missing_ok=True)
    rows = {run["rows"] for runs in found.values() for run in runs}
    if rows != {n_symbols * n_bars}:
        raise AssertionError(f"rows differ: {rows}")
    return found


def table(found, what):
    """One comparison as Markdown."""
    results = [
        runner.Measured(
            name,
            "rows equal",
            max(run["rss"] for run in runs),
            max(run["rss"] for run in runs),
            [run["wall"] for run in runs],
            [run["cpu"] for run in runs],
        )
        for name, runs in found.items()
    ]
    imports = ", ".join(
        f"{name} {statistics.median(run['imports'] for run in runs):.2f} s"
        for name, runs in found.items()
    )
    notes = [
        f"{what}; RSS is the whole process's peak. {runner.machine()}.",
        f"CPU of imports before the call: {imports}.",
    ]
    return runner.markdown("W5 snapshot", results, notes)


def growth_table(measured):
    """Smallest CPU time and largest memory by millions of rows."""
    names = list(next(iter(measured.values())))
    lines = [
        "### W5 by rows: smallest CPU seconds of a call, peak RSS of its process",
        "",
        f"| rows | {' | '.join(names)} |",
        f"| ---: |{' ---: |' * len(names)}",
    ]
    for millions, found in measured.items():
        cells = [
            f"{min(run['cpu'] for run in runs):.2f} s, {max(run['rss'] for run in runs):,.0f} MiB"
            for runs in found.values()
        ]
        lines.append(f"| {millions} M | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", action="store_true", help="100,000 bars per symbol: 50 M rows")
    parser.add_argument("--growth", action="store_true", help="1 M, 10 M and 50 M rows")
    parser.add_argument("--symbols", type=int, default=500)
    parser.add_argument("--folder", type=Path, help="where to put some GB; default temporary")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--without", action="append", default=[], choices=sorted(CONTENDERS))
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        child(*chosen.child)
        return
    names = [name for name in CONTENDERS if name not in chosen.without]
    sizes = SIZES if chosen.growth else {"50": SIZES["50"]} if chosen.large else {"10": SIZES["10"]}
    measured = {}
    for millions, n_bars in sizes.items():
        with tempfile.TemporaryDirectory(dir=chosen.folder) as temporary:
            found = compare(names, Path(temporary), chosen.symbols, n_bars, chosen.rounds)
        measured[millions] = found
        what = f"{chosen.symbols} symbols x {n_bars:,} one-minute bars"
        runner.publish(table(found, what), chosen.output)
    if chosen.growth:
        runner.publish(growth_table(measured), chosen.output)


if __name__ == "__main__":
    main()
