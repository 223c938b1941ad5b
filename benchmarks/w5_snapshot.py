"""W5: take a snapshot of 500 symbols x 20,000 one-minute bars (10 M rows; 50 M with --large).

Each contender reads the same Parquet files, checks schema, nulls, duplicates, order, sanity
of prices and staleness, digests what it stores and writes Parquet and a manifest. Ours is
`take_snapshot`, as the asset runs it. It checks more: sessions, window, jumps, coverage.
Because memory is half of the question, every call is a process of its own; only the call is
timed, imports before it are not.
"""

import argparse
import datetime as dt
import hashlib
import json
import os
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
    from torghut_assets.domain.snapshots.universes import FolderSettings, Universe
    from torghut_assets.resources.artifact_store import ArtifactStore
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
    store = ArtifactStore(folder / "store")

    def call():
        manifest = take_snapshot(universe, AS_OF, store, None)
        return manifest.rows

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
    "polars": import_polars,
    "pandera (pandas)": import_pandera,
}


def child(name, folder, n_symbols):
    """Import, then time one call; print it as JSON."""
    call = CONTENDERS[name](Path(folder), int(n_symbols))
    cpu, wall = runner.cpu_seconds(), time.perf_counter()
    rows = call()
    used = {"wall": time.perf_counter() - wall, "cpu": runner.cpu_seconds() - cpu, "rows": rows}
    print(json.dumps(used))


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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", action="store_true", help="100,000 bars per symbol: 50 M rows")
    parser.add_argument("--symbols", type=int, default=500)
    parser.add_argument("--folder", type=Path, help="where to put some GB; default temporary")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--without", action="append", default=[], choices=sorted(CONTENDERS))
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        child(*chosen.child)
        return
    n_bars = 100_000 if chosen.large else 20_000
    names = [name for name in CONTENDERS if name not in chosen.without]
    with tempfile.TemporaryDirectory(dir=chosen.folder) as temporary:
        folder = Path(temporary)
        make_bars(folder / "bars", chosen.symbols, n_bars)
        found = {name: [] for name in names}
        for _ in range(chosen.rounds):
            for name in names:
                found[name].append(measure(name, folder, chosen.symbols))
                for path in (folder / "store").rglob("*.parquet"):
                    path.unlink()
    rows = {run["rows"] for runs in found.values() for run in runs}
    if rows != {chosen.symbols * n_bars}:
        raise AssertionError(f"rows differ: {rows}")
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
    what = f"{chosen.symbols} symbols x {n_bars:,} one-minute bars"
    notes = [f"{what}; RSS is the whole process's peak. {runner.machine()}."]
    runner.publish(runner.markdown("W5 snapshot", results, notes), chosen.output)
    print(f"median {statistics.median(results[0].wall):.2f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
