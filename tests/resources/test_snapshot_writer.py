import datetime as dt
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from torghut_assets.domain.errors import BadInputError, EvidenceContradictionError
from torghut_assets.domain.snapshots.calendar import load_sessions
from torghut_assets.domain.snapshots.errors import (
    SnapshotChangedError,
    SnapshotRefusedError,
    SourceUnreadableError,
)
from torghut_assets.domain.snapshots.schema import BAR_SCHEMA, bar_batch
from torghut_assets.domain.snapshots.universes import FolderSettings, Universe
from torghut_assets.resources.artifact_files import FileStore
from torghut_assets.resources.artifact_store import digest_of_file
from torghut_assets.resources.bar_reader import read_panel
from torghut_assets.resources.market_data.bar_parquet import (
    BarFileWriter,
    read_bar_file,
)
from torghut_assets.resources.market_data.embedded import SHIPPED_DATA
from torghut_assets.resources.market_data.universes import find_universe
from torghut_assets.resources.snapshot_writer import plan_window, take_snapshot

MEGACAPS = find_universe("us-megacaps")
SESSIONS = load_sessions("XNYS", dt.date(2021, 1, 4), dt.date(2021, 6, 30)).dates
AS_OF = dt.date(2021, 6, 30)


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path / "store")


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "bars"
    path.mkdir()
    return path


def universe_of(folder, symbols=("AAA", "BBB"), **changes):
    settings = FolderSettings(kind="folder", path=str(folder), title="Test bars", licence="mine")
    fields = {
        "name": "test-shares",
        "title": "Test shares",
        "symbols": symbols,
        "frequency": "1d",
        "source": settings,
        "caveats": ("Made up for a test.",),
        "start": dt.date(2021, 1, 4),
    }
    return Universe(**{**fields, **changes})


def bars(symbol, days=SESSIONS, **changes):
    rng = np.random.default_rng(sum(symbol.encode()))
    close = 50.0 * np.exp(np.cumsum(rng.normal(0, 0.01, len(days))))
    numbers = {
        "open": close,
        "high": close * 1.01,
        "low": close * 0.99,
        "close": close,
        "volume": np.full(len(days), 1e6),
        "adjusted_close": close,
    }
    for name, (row, value) in changes.items():
        numbers[name] = numbers[name].copy()
        numbers[name][row] = value
    return bar_batch(symbol, days.astype("datetime64[us]"), numbers)


def write(path, *batches):
    with BarFileWriter(path) as writer:
        for batch in batches:
            writer.write(batch)


def artifacts(store):
    return (
        sorted(p.name for p in store.root.rglob("*") if p.is_file()) if store.root.exists() else []
    )


def test_the_embedded_cut_is_complete_and_says_its_caveats(store):
    manifest = take_snapshot(MEGACAPS, dt.date(2021, 12, 31), store, None)
    assert manifest.snapshot_id == "us-megacaps@2021-12-31"
    assert manifest.rows == 6 * 2267  # sessions of XNYS in the nine years
    assert [s.missing_sessions for s in manifest.symbols] == [0] * 6
    assert manifest.last_session == dt.date(2021, 12, 31)
    assert manifest.errors == ()
    assert [(f.check, f.count) for f in manifest.findings] == [("price_jumps", 1)]
    assert any("Survivorship" in caveat for caveat in manifest.source.caveats)
    assert artifacts(store) == [manifest.files[0].digest]


def test_the_same_snapshot_again_has_the_same_digest_in_any_store(store, tmp_path):
    first = take_snapshot(MEGACAPS, dt.date(2021, 12, 31), store, None)
    other = take_snapshot(MEGACAPS, dt.date(2021, 12, 31), FileStore(tmp_path / "b"), None)
    assert first.digest == other.digest
    assert take_snapshot(MEGACAPS, dt.date(2021, 12, 31), store, first) == first


def test_a_whole_valid_file_is_linked_and_not_encoded_again(store):
    manifest = take_snapshot(MEGACAPS, dt.date(2023, 9, 21), store, None)
    shipped = digest_of_file(SHIPPED_DATA / "us-megacaps" / "bars.parquet")
    assert [file.digest for file in manifest.files] == [shipped]
    assert manifest.rows == 16_194


def test_several_files_in_bar_order_are_linked_each(store, folder):
    write(folder / "1.parquet", bars("AAA"))
    write(folder / "2.parquet", bars("BBB"))
    manifest = take_snapshot(universe_of(folder), AS_OF, store, None)
    assert [f.digest for f in manifest.files] == [
        digest_of_file(folder / "1.parquet"),
        digest_of_file(folder / "2.parquet"),
    ]
    assert (folder / "1.parquet").stat().st_ino == store.path_of(
        manifest.files[0].digest
    ).stat().st_ino
    assert read_panel(manifest, store).symbols == ("AAA", "BBB")


@pytest.mark.parametrize("extra", ["symbol", "later", "earlier"])
def test_a_file_with_more_than_the_snapshot_is_cut_and_not_linked(store, folder, extra):
    batches = [bars("AAA"), bars("BBB")]
    if extra == "symbol":
        batches.insert(1, bars("AAB"))
    universe = universe_of(folder)
    as_of = dt.date(2021, 6, 29) if extra == "later" else AS_OF
    if extra == "earlier":
        universe = universe_of(folder, start=dt.date(2021, 1, 5))
    write(folder / "all.parquet", *batches)
    manifest = take_snapshot(universe, as_of, store, None)
    assert manifest.files[0].digest != digest_of_file(folder / "all.parquet")
    assert manifest.rows == 2 * len(SESSIONS) - (0 if extra == "symbol" else 2)
    assert artifacts(store) == [manifest.files[0].digest]


def test_bytes_do_not_depend_on_how_the_source_cuts_its_batches(tmp_path):
    whole = bars("AAA")
    write(tmp_path / "one.parquet", whole)
    write(tmp_path / "many.parquet", *(whole.slice(i, 7) for i in range(0, whole.num_rows, 7)))
    write(tmp_path / "plain.parquet", whole.cast(BAR_SCHEMA))
    assert len({digest_of_file(p) for p in tmp_path.glob("*.parquet")}) == 1


def test_row_groups_hold_one_million_rows(tmp_path):
    n = 700_000
    times = np.datetime64("2021-01-04", "us") + np.arange(n) * np.timedelta64(60_000_000, "us")
    numbers = dict.fromkeys(("open", "high", "low", "close", "volume"), np.ones(n))
    write(tmp_path / "x.parquet", *(bar_batch(s, times, numbers) for s in ("A", "B", "C")))
    metadata = pq.ParquetFile(tmp_path / "x.parquet").metadata
    groups = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert groups == [1_000_000, 1_000_000, 100_000]
    assert metadata.row_group(0).column(2).compression == "ZSTD"
    assert sum(b.num_rows for b in read_bar_file(tmp_path / "x.parquet")) == 3 * n


def test_a_changed_source_is_refused_with_the_first_differing_bar(store, folder):
    write(folder / "all.parquet", bars("AAA"), bars("BBB"))
    universe = universe_of(folder)
    before = take_snapshot(universe, AS_OF, store, None)
    (folder / "all.parquet").unlink()
    write(folder / "all.parquet", bars("AAA"), bars("BBB", volume=(7, 5.0)))
    with pytest.raises(SnapshotChangedError) as refusal:
        take_snapshot(universe, AS_OF, store, before)
    text = str(refusal.value)
    assert "first difference: stored BBB 2021-01-13T00:00:00+00:00" in text
    assert "volume 1000000.0" in text
    assert "volume 5.0" in text
    assert refusal.value.exit_code == 3
    assert read_panel(before, store).volume[7, 1] == 1e6


def test_a_source_that_only_grew_later_gives_the_snapshot_of_before(store, folder):
    days = load_sessions("XNYS", dt.date(2021, 1, 4), dt.date(2021, 7, 9)).dates
    write(folder / "all.parquet", bars("AAA"))
    universe = universe_of(folder, symbols=("AAA",))
    before = take_snapshot(universe, AS_OF, store, None)
    (folder / "all.parquet").unlink()
    write(folder / "all.parquet", bars("AAA", days))
    assert take_snapshot(universe, AS_OF, store, before) == before
    assert take_snapshot(universe, AS_OF, store, None).digest != before.digest


def test_the_same_bars_in_another_encoding_are_no_change(store, folder):
    write(folder / "all.parquet", bars("AAA"))
    universe = universe_of(folder, symbols=("AAA",))
    before = take_snapshot(universe, AS_OF, store, None)
    table = pq.read_table(folder / "all.parquet")
    (folder / "all.parquet").unlink()
    pq.write_table(table, folder / "all.parquet", compression="snappy")
    assert take_snapshot(universe, AS_OF, store, before) == before


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        ("finite_values", {"close": (9, np.nan)}),
        ("positive_prices", {"low": (9, -1.0)}),
        ("price_order", {"high": (9, 1.0)}),
        ("constant_prices", dict.fromkeys(("open", "high", "low", "close"), (slice(None), 5.0))),
    ],
)
def test_bad_bars_are_refused_and_nothing_is_stored(store, folder, check, changes):
    write(folder / "all.parquet", bars("AAA", **changes), bars("BBB"))
    with pytest.raises(SnapshotRefusedError, match=check) as refusal:
        take_snapshot(universe_of(folder), AS_OF, store, None)
    assert any(f.check == check and f.severity == "error" for f in refusal.value.findings)
    assert artifacts(store) == []


def test_order_duplicates_and_single_rows_are_refused(store, folder):
    cases = {
        "no_duplicates": SESSIONS[[0, 1, 1, 2, 3, 4]],
        "time_order": SESSIONS[[0, 1, 3, 2, 4, 5]],
        "enough_rows": SESSIONS[-1:],
    }
    for check, days in cases.items():
        (folder / "all.parquet").unlink(missing_ok=True)
        write(folder / "all.parquet", bars("AAA", days))
        with pytest.raises(SnapshotRefusedError, match=check):
            take_snapshot(universe_of(folder, symbols=("AAA",)), AS_OF, store, None)


def test_symbols_that_the_source_lacks_are_named(store, folder):
    write(folder / "all.parquet", bars("AAA"))
    with pytest.raises(SnapshotRefusedError, match="no bar of BBB"):
        take_snapshot(universe_of(folder), AS_OF, store, None)


def test_a_refusal_lists_findings_up_to_a_limit(store, folder):
    write(folder / "all.parquet", bars("AAA", close=(3, np.nan), volume=(4, -1.0), low=(5, 0.0)))
    with pytest.raises(SnapshotRefusedError) as refusal:
        take_snapshot(universe_of(folder), AS_OF, store, None)
    assert str(refusal.value).count("AAA 2021-01-") == 3


@pytest.mark.parametrize(
    ("as_of", "words"),
    [
        (dt.date(2012, 12, 31), "where the universe starts"),
        (dt.date(2013, 1, 2), "enough_rows"),
        (dt.date(2023, 12, 1), "50 sessions before the as-of date"),
        (dt.date(9999, 12, 31), "2100-12-31"),
    ],
)
def test_a_date_outside_the_data_is_refused_in_words(store, as_of, words):
    with pytest.raises(BadInputError, match=words):
        take_snapshot(MEGACAPS, as_of, store, None)
    assert artifacts(store) == []


def test_a_torn_source_file_is_refused_by_name(store, folder):
    write(folder / "all.parquet", bars("AAA"), bars("BBB"))
    whole = (folder / "all.parquet").read_bytes()
    for end in (0, 3, len(whole) // 2, len(whole) - 1):
        (folder / "all.parquet").write_bytes(whole[:end])
        with pytest.raises(SourceUnreadableError, match=r"all\.parquet"):
            take_snapshot(universe_of(folder), AS_OF, store, None)
    assert artifacts(store) == []


def test_altered_embedded_bars_are_refused(store, tmp_path, monkeypatch):
    shutil.copytree(SHIPPED_DATA / "us-megacaps", tmp_path / "us-megacaps")
    path = tmp_path / "us-megacaps" / "bars.parquet"
    payload = bytearray(path.read_bytes())
    payload[1_000] ^= 1
    path.write_bytes(payload)
    monkeypatch.setattr(
        "torghut_assets.resources.market_data.embedded.EmbeddedSource.__init__.__defaults__",
        (tmp_path,),
    )
    with pytest.raises(SourceUnreadableError, match="changed after it was shipped"):
        take_snapshot(MEGACAPS, dt.date(2021, 12, 31), store, None)


def test_the_manifest_of_another_snapshot_is_no_previous_one(store):
    other = take_snapshot(MEGACAPS, dt.date(2021, 12, 31), store, None)
    with pytest.raises(EvidenceContradictionError, match="us-megacaps@2021-12-31"):
        take_snapshot(MEGACAPS, dt.date(2021, 12, 30), store, other)


def test_minute_windows_end_at_midnight_of_the_exchange(folder):
    window, _ = plan_window(universe_of(folder, frequency="1m"), AS_OF)
    ends = np.array([window.start_us, window.end_us]).astype("datetime64[us]").astype(str)
    assert ends.tolist() == ["2021-01-04T05:00:00.000000", "2021-07-01T04:00:00.000000"]


def test_one_minute_bars_make_a_snapshot(store, folder):
    sessions = load_sessions("XNYS", dt.date(2021, 6, 28), AS_OF)
    minute = np.timedelta64(60_000_000, "us")
    times = np.concatenate([o + np.arange(390) * minute for o in sessions.opens])
    rng = np.random.default_rng(5)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 1e-4, len(times))))
    numbers = dict.fromkeys(("open", "high", "low", "close"), close) | {"volume": close}
    table = pa.Table.from_batches([bar_batch("AAA", times, numbers)])
    pq.write_table(table, folder / "minutes.parquet")
    universe = universe_of(folder, symbols=("AAA",), frequency="1m", start=dt.date(2021, 6, 28))
    manifest = take_snapshot(universe, AS_OF, store, None)
    assert manifest.findings == ()
    assert manifest.rows == 3 * 390
    assert manifest.first_session == dt.date(2021, 6, 28)


def test_a_file_that_cannot_show_its_range_is_encoded_and_not_linked(store, folder):
    table = pa.Table.from_batches([bars("AAA")])
    pq.write_table(table, folder / "all.parquet", write_statistics=False)
    manifest = take_snapshot(universe_of(folder, symbols=("AAA",)), AS_OF, store, None)
    assert manifest.files[0].digest != digest_of_file(folder / "all.parquet")
    naive = table.set_column(1, "time", table.column("time").cast(pa.timestamp("us")))
    pq.write_table(naive, folder / "all.parquet")
    again = take_snapshot(universe_of(folder, symbols=("AAA",)), AS_OF, store, None)
    assert again.files == manifest.files


def test_a_source_that_is_written_to_while_it_is_read_is_refused(tmp_path, folder):
    class SlowStore(FileStore):
        def link(self, source):
            source.path.unlink()
            write(source.path, bars("AAA", volume=(3, 1.0)))
            return super().link(source)

    write(folder / "all.parquet", bars("AAA"))
    universe = universe_of(folder, symbols=("AAA",))
    with pytest.raises(BadInputError, match="Something writes to the source"):
        take_snapshot(universe, AS_OF, SlowStore(tmp_path / "store"), None)


def test_nulls_are_never_written(tmp_path):
    columns = list(bars("AAA").columns)
    columns[4] = pa.nulls(len(SESSIONS), pa.float64())
    with (
        pytest.raises(ValueError, match="null"),
        BarFileWriter(tmp_path / "x.parquet") as writer,
    ):
        writer.write(pa.record_batch(columns, names=BAR_SCHEMA.names))
