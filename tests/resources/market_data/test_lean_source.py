import datetime as dt
import zipfile

import numpy as np
import pytest

from torghut_assets.domain.snapshots.calendar import load_sessions
from torghut_assets.domain.snapshots.errors import SourceUnreadableError
from torghut_assets.domain.snapshots.universes import LeanSettings, Universe
from torghut_assets.resources.artifact_files import FileStore
from torghut_assets.resources.bar_reader import read_panel
from torghut_assets.resources.market_data.lean import LeanSource
from torghut_assets.resources.snapshot_writer import plan_window, take_snapshot

FIRST, LAST = dt.date(2014, 5, 1), dt.date(2014, 6, 30)
SESSIONS = load_sessions("XNYS", FIRST, LAST)
DAYS = SESSIONS.dates.tolist()
SPLIT_DAY = dt.date(2014, 6, 9)
RENAMED_AFTER = dt.date(2014, 5, 30)


@pytest.fixture
def root(tmp_path):
    """Two symbols: one with a 7-for-1 split and a dividend, one renamed from OLD to NEW."""
    base = tmp_path / "equity" / "usa"
    for folder in ("daily", "factor_files", "map_files", "minute"):
        (base / folder).mkdir(parents=True)
    before = lambda d: d < SPLIT_DAY  # noqa: E731
    daily(base, "aaa", [(d, 700 + i * 7 if before(d) else 100 + i) for i, d in enumerate(DAYS)])
    (base / "factor_files" / "aaa.csv").write_text(
        "20140101,0.98,0.142857142857142857\n20140515,0.98,0.142857142857142857\n"
        "20140606,1,0.142857142857142857\n20501231,1,1\n"
    )
    daily(base, "old", [(d, 40 + i) for i, d in enumerate(DAYS) if d <= RENAMED_AFTER])
    daily(base, "new", [(d, 40 + i if d > RENAMED_AFTER else 999) for i, d in enumerate(DAYS)])
    (base / "map_files" / "new.csv").write_text("20100104,old\n20140530,old\n20501231,new\n")
    return tmp_path


def archive(path, text, name="x.csv"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr(name, text)


def daily(base, ticker, rows):
    lines = [
        f"{d:%Y%m%d} 00:00,{p * 10_000},{(p + 1) * 10_000},{(p - 1) * 10_000},{p * 10_000},700"
        for d, p in rows
    ]
    archive(base / "daily" / f"{ticker}.zip", "\n".join(lines) + "\n", f"{ticker}.csv")


def universe(root, symbols=("AAA", "NEW"), frequency="1d", bars="trade", start=FIRST):
    settings = LeanSettings(
        kind="lean", path=str(root), title="LEAN test data", licence="mine", bars=bars
    )
    return Universe(
        name="lean-test",
        title="Test",
        symbols=symbols,
        frequency=frequency,
        source=settings,
        caveats=("Made up for a test.",),
        start=start,
    )


def panel_of(of_universe, as_of, tmp_path):
    store = FileStore(tmp_path / "store")
    manifest = take_snapshot(of_universe, as_of, store, None)
    return manifest, read_panel(manifest, store)


def test_daily_bars_are_adjusted_as_known_on_the_as_of_date(root, tmp_path):
    manifest, panel = panel_of(universe(root), LAST, tmp_path)
    assert manifest.findings == ()
    expected = np.array([100.0 + i for i in range(len(DAYS))])
    np.testing.assert_allclose(panel.close[:, 0], expected, rtol=1e-12)
    dividend = np.array([0.98 if d <= dt.date(2014, 5, 15) else 1.0 for d in DAYS])
    np.testing.assert_allclose(panel.adjusted_close[:, 0], expected * dividend, rtol=1e-12)
    volume = np.array([4_900.0 if d < SPLIT_DAY else 700.0 for d in DAYS])
    np.testing.assert_allclose(panel.volume[:, 0], volume, rtol=1e-12)


def test_a_cut_before_the_split_shows_prices_as_they_were(root, tmp_path):
    _, panel = panel_of(universe(root), dt.date(2014, 6, 6), tmp_path)
    expected = [700.0 + i * 7 for i, d in enumerate(DAYS) if d < SPLIT_DAY]
    np.testing.assert_allclose(panel.close[:, 0], expected, rtol=1e-12)
    assert panel.volume[0, 0] == pytest.approx(700.0)


def test_a_renamed_symbol_continues_under_its_old_ticker(root, tmp_path):
    _, panel = panel_of(universe(root), LAST, tmp_path)
    assert panel.close[:, 1].tolist() == [40.0 + i for i in range(len(DAYS))]


def test_missing_factor_files_are_told(root):
    window, _ = plan_window(universe(root), LAST)
    described = LeanSource(universe(root).source).describe(window)
    assert any(c.endswith("nothing is adjusted for: NEW.") for c in described.caveats)
    (root / "equity/usa/factor_files/aaa.csv").write_text("20501231,1,1\n")
    assert LeanSource(universe(root).source).describe(window).digest != described.digest


def minute_files(root, kind="trade"):
    base = root / "equity" / "usa" / "minute" / "aaa"
    for day in (dt.date(2014, 6, 5), dt.date(2014, 6, 6), dt.date(2014, 6, 9)):
        price = 700 if day < SPLIT_DAY else 100
        rows = []
        for m in range(390):
            p = (price + m / 100) * 10_000
            if kind == "trade":
                rows.append(
                    f"{34_200_000 + m * 60_000},{p:.0f},{p + 10:.0f},{p - 10:.0f},{p:.0f},7"
                )
            else:
                bid = ",".join(f"{p + d:.0f}" for d in (-50, -40, -60, -50))
                ask = ",".join(f"{p + d:.0f}" for d in (50, 60, 40, 50))
                rows.append(f"{34_200_000 + m * 60_000},{bid},3,{ask},4")
        archive(base / f"{day:%Y%m%d}_{kind}.zip", "\n".join(rows) + "\n")
    (base / "notes.zip").write_bytes(b"not read")


@pytest.mark.parametrize("kind", ["trade", "quote"])
def test_minute_bars_start_in_new_york_and_are_adjusted(root, tmp_path, kind):
    minute_files(root, kind)
    of = universe(root, ("AAA",), "1m", kind, start=dt.date(2014, 6, 5))
    manifest, panel = panel_of(of, dt.date(2014, 6, 9), tmp_path)
    assert manifest.rows == 3 * 390
    assert str(panel.times[0]) == "2014-06-05T13:30:00.000000"
    assert str(panel.times[-1]) == "2014-06-09T19:59:00.000000"
    assert panel.close[0, 0] == pytest.approx(100.0, rel=1e-12)
    assert panel.close[-1, 0] == pytest.approx(103.89, rel=1e-12)
    assert panel.volume[0, 0] == pytest.approx(49.0 if kind == "trade" else 0.0)
    checks = {f.check for f in manifest.findings}
    assert checks == (set() if kind == "trade" else {"zero_volume"})


def test_days_before_a_finite_factor_are_left_out(root):
    (root / "equity/usa/factor_files/aaa.csv").write_text(
        "20140101,1,inf\n20140515,1,inf\n20501231,1,1\n"
    )
    window, _ = plan_window(universe(root, ("AAA",)), LAST)
    (batch,) = LeanSource(universe(root).source).batches(window)
    assert batch.column("time")[0].as_py().date() == dt.date(2014, 5, 16)


@pytest.mark.parametrize("damage", ["torn", "two members", "too large", "text"])
def test_a_damaged_zip_file_is_refused_by_name(root, damage, monkeypatch):
    path = root / "equity" / "usa" / "daily" / "aaa.zip"
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:-30])
    if damage == "two members":
        with zipfile.ZipFile(path, "a") as zipped:
            zipped.writestr("more.csv", "x")
    if damage == "too large":
        monkeypatch.setattr("torghut_assets.resources.market_data.lean._MAX_MEMBER_BYTES", 100)
    if damage == "text":
        archive(path, "<html>not found</html>\n")
    window, _ = plan_window(universe(root), LAST)
    with pytest.raises(SourceUnreadableError, match=r"daily/aaa\.zip"):
        list(LeanSource(universe(root).source).batches(window))


def test_a_folder_that_is_not_a_lean_folder_is_refused(tmp_path):
    window, _ = plan_window(universe(tmp_path), LAST)
    with pytest.raises(SourceUnreadableError, match="no folder equity/usa"):
        list(LeanSource(universe(tmp_path).source).batches(window))


def test_many_days_of_minutes_are_given_in_pieces(root, monkeypatch):
    minute_files(root)
    monkeypatch.setattr("torghut_assets.resources.market_data.lean._GATHER_ROWS", 390)
    of = universe(root, ("AAA",), "1m", start=dt.date(2014, 6, 5))
    window, _ = plan_window(of, dt.date(2014, 6, 9))
    assert [b.num_rows for b in LeanSource(of.source).batches(window)] == [390] * 3
    assert LeanSource(of.source).bar_files() == ()
