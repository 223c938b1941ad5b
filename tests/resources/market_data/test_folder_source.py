import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from torghut_assets.domain.snapshots.errors import SourceUnreadableError
from torghut_assets.domain.snapshots.quality import SnapshotWindow
from torghut_assets.domain.snapshots.schema import BAR_SCHEMA, NUMBERS
from torghut_assets.domain.snapshots.universes import FolderSettings
from torghut_assets.resources.market_data import folder as folder_module
from torghut_assets.resources.market_data.folder import FolderSource

DAYS = [dt.date(2021, 1, d) for d in (4, 5, 6, 7, 8)]


def window(symbols=("AAA", "BBB"), frequency="1d", first=dt.date(2021, 1, 4), last=DAYS[-1]):
    start, end = (
        int(np.datetime64(d, "us").astype(np.int64)) for d in (first, last + dt.timedelta(1))
    )
    return SnapshotWindow(symbols, frequency, start, end, last, 5)


def table(rows):
    """Rows of (symbol, date, close)."""
    close = [float(row[2]) for row in rows]
    return pa.table(
        {
            "symbol": [row[0] for row in rows],
            "time": pa.array([row[1] for row in rows], pa.date32()),
            **dict.fromkeys(("open", "high", "low", "close"), close),
            "volume": pa.array([100] * len(rows), pa.int64()),
            "adjusted_close": close,
        }
    )


def source(path):
    return FolderSource(
        FolderSettings(kind="folder", path=str(path), title="Test bars", licence="mine")
    )


def read(path, of_window=None):
    batches = list(source(path).batches(of_window or window()))
    return [
        (s, t.date(), c)
        for b in batches
        for s, t, c in zip(
            b.column("symbol").to_pylist(),
            b.column("time").to_pylist(),
            b.column("close").to_pylist(),
            strict=True,
        )
    ]


A = [("AAA", day, i + 1) for i, day in enumerate(DAYS)]
B = [("BBB", day, i + 11) for i, day in enumerate(DAYS)]
Z = [("ZZZ", day, i + 21) for i, day in enumerate(DAYS)]


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize(
    "files",
    [
        {"all": A + B + Z},
        {"1": A, "2": B + Z},
        {"early": A[:2] + B[:2], "late": A[2:] + B[2:]},
        {"late": B + A},
        {"by-day": sorted(A + B + Z, key=lambda row: (row[1], row[0]))},
    ],
    ids=["one file", "one per symbol", "one per period", "backwards", "by day"],
)
def test_every_layout_gives_the_same_bars(tmp_path, kind, files):
    for name, rows in files.items():
        if kind == "parquet":
            pq.write_table(table(rows), tmp_path / f"{name}.parquet", row_group_size=3)
        else:
            pa.csv.write_csv(table(rows), tmp_path / f"{name}.csv")
    assert read(tmp_path) == A + B


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_files_named_after_their_symbol_need_no_symbol_column(tmp_path, kind):
    for rows in (A, B, Z):
        plain = table(rows).drop_columns(["symbol", "adjusted_close"])
        name = tmp_path / f"{rows[0][0]}.{kind}"
        pq.write_table(plain, name) if kind == "parquet" else pa.csv.write_csv(plain, name)
    assert read(tmp_path) == A + B
    assert read(tmp_path, window(symbols=("BBB",))) == B


def test_parquet_and_csv_may_be_mixed_in_subfolders(tmp_path):
    (tmp_path / "x").mkdir()
    pq.write_table(table(A).drop_columns(["symbol"]), tmp_path / "x" / "AAA.parquet")
    pa.csv.write_csv(table(B), tmp_path / "b.csv")
    assert read(tmp_path) == A + B
    assert source(tmp_path).bar_files() == ()


def test_only_the_window_is_read(tmp_path):
    pq.write_table(table(A + B), tmp_path / "all.parquet")
    assert read(tmp_path, window(first=DAYS[1], last=DAYS[3])) == A[1:4] + B[1:4]


def test_batches_are_in_the_schema_with_the_optional_column_filled(tmp_path):
    pq.write_table(table(A).drop_columns(["adjusted_close"]), tmp_path / "all.parquet")
    (batch,) = source(tmp_path).batches(window())
    assert batch.schema.names == BAR_SCHEMA.names
    assert all(batch.column(name).type == pa.float64() for name in NUMBERS)
    assert batch.column("adjusted_close").equals(batch.column("close"))


def test_nulls_pass_through_to_be_found_by_the_checks(tmp_path):
    broken = table(A).set_column(5, "close", pa.array([None, 2.0, 3.0, 4.0, 5.0]))
    pq.write_table(broken, tmp_path / "all.parquet")
    (batch,) = source(tmp_path).batches(window())
    assert batch.column("close").null_count == 1


def test_minute_times_need_a_time_zone(tmp_path):
    stamps = pa.array(np.array(["2021-01-04T14:30", "2021-01-04T14:31"], "datetime64[us]"))
    naive = table(A[:2]).set_column(1, "time", stamps)
    pq.write_table(naive, tmp_path / "all.parquet")
    with pytest.raises(SourceUnreadableError, match="without a time zone"):
        list(source(tmp_path).batches(window(frequency="1m")))
    (tmp_path / "all.parquet").unlink()
    (tmp_path / "all.csv").write_text(
        "symbol,time,open,high,low,close,volume\n"
        "AAA,2021-01-04T14:30:00Z,1,1,1,1,5\nAAA,2021-01-04T09:31:00-0500,1,1,1,2,5\n"
    )
    (batch,) = source(tmp_path).batches(window(symbols=("AAA",), frequency="1m"))
    assert [t.strftime("%H:%M") for t in batch.column("time").to_pylist()] == ["14:30", "14:31"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "symbol,time,open\nAAA,2021-01-04,1\n", "no column high, low, close, volume"),
        ("a.csv", "symbol,time,open,high,low,close,volume\nAAA,2021-01-04,1,1\n", "columns"),
        ("a.csv", "symbol,time,open,high,low,close,volume\nAAA,someday,1,1,1,1,1\n", "someday"),
        ("a.csv", "symbol,time,open,high,low,close,volume\nAAA,2021-01-04,1,1,1,x,1\n", "x"),
        ("a.csv", "", "mpty"),
        ("a.parquet", "not parquet at all", "arquet"),
    ],
)
def test_a_file_that_is_not_bars_is_refused_by_name(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceUnreadableError, match=words) as refusal:
        read(tmp_path)
    assert refusal.value.location == name


def test_another_schema_version_is_refused(tmp_path):
    newer = table(A).replace_schema_metadata({b"bar_schema_version": b"2"})
    pq.write_table(newer, tmp_path / "all.parquet")
    with pytest.raises(SourceUnreadableError, match="version"):
        read(tmp_path)


def test_too_much_csv_is_refused_with_a_way_out(tmp_path, monkeypatch):
    pa.csv.write_csv(table(A), tmp_path / "all.csv")
    monkeypatch.setattr(folder_module, "_MAX_CSV_BYTES", 10)
    with pytest.raises(SourceUnreadableError, match="Convert them to Parquet"):
        read(tmp_path)


def test_an_empty_or_missing_folder_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(SourceUnreadableError, match="at least one file"):
            source(path).describe(window())


def test_the_digest_changes_with_any_file(tmp_path):
    pq.write_table(table(A), tmp_path / "all.parquet")
    before = source(tmp_path).describe(window())
    assert source(tmp_path).describe(window()) == before
    pq.write_table(table(B), tmp_path / "more.parquet")
    assert source(tmp_path).describe(window()).digest != before.digest
