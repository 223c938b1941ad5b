"""From a manifest to aligned arrays: what every backtest and strategy reads."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from torghut_assets.domain.candidates.strategy import BarPanel
from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.snapshots.records import SnapshotManifest
from torghut_assets.domain.snapshots.schema import NUMBERS
from torghut_assets.resources.artifact_store import ReadableStore

_Times = npt.NDArray[np.datetime64]
_COLUMNS: Final = ["symbol", "time", *NUMBERS]


def read_panel(manifest: SnapshotManifest, store: ReadableStore) -> BarPanel:
    """Bars of a snapshot on the union of their times; a missing bar is NaN.

    Every file is verified against its digest first.

    Raises
    ------
    EvidenceMissingError, EvidenceDigestMismatchError
        If a file is gone, torn or altered.
    EvidenceContradictionError
        If the manifest records errors, or does not fit the rows of its files.
    """
    if manifest.errors:
        raise EvidenceContradictionError(
            location=f"snapshot {manifest.snapshot_id}",
            found=f"the failed data check {manifest.errors[0].check}",
            expected="a manifest without errors",
        )
    table = pa.concat_tables(
        [
            pq.ParquetFile(store.verified_path(file.digest), read_dictionary=["symbol"]).read(
                columns=_COLUMNS
            )
            for file in manifest.files
        ]
    )
    symbols, starts = _symbol_runs(table)
    lengths = np.diff(starts)
    expected = [(item.symbol, item.rows) for item in manifest.symbols]
    found = list(zip(symbols, lengths.tolist(), strict=True))
    if found != expected:
        raise EvidenceContradictionError(
            location=f"snapshot {manifest.snapshot_id}",
            found=f"bars per symbol {_shown(expected)}",
            expected=f"those of its files, {_shown(found)}",
        )
    times = table.column("time").to_numpy().astype("datetime64[us]")
    union = _union(times, starts)
    fields = {name: table.column(name).to_numpy() for name in NUMBERS}
    if len(union) * len(symbols) == len(times):
        shape = (len(symbols), len(union))
        aligned = {name: np.ascontiguousarray(v.reshape(shape).T) for name, v in fields.items()}
    else:
        places = np.searchsorted(union, times)
        columns = np.repeat(np.arange(len(symbols)), lengths)
        aligned = {}
        for name, values in fields.items():
            aligned[name] = np.full((len(union), len(symbols)), np.nan)
            aligned[name][places, columns] = values
    return BarPanel(times=union, symbols=tuple(symbols), **aligned)


def _symbol_runs(table: Any) -> tuple[list[str], npt.NDArray[np.intp]]:
    """Symbols in row order, and the row at which each starts, with the end appended."""
    column = table.column("symbol").unify_dictionaries().combine_chunks()
    codes = column.indices.to_numpy()
    starts = np.concatenate(([0], np.flatnonzero(codes[1:] != codes[:-1]) + 1))
    symbols = [column.dictionary[int(code)].as_py() for code in codes[starts]]
    return symbols, np.append(starts, len(codes))


def _union(times: _Times, starts: npt.NDArray[np.intp]) -> _Times:
    """Sorted distinct times; without sorting if all symbols share the first one's."""
    first = times[starts[0] : starts[1]]
    n_symbols = len(starts) - 1
    alike = len(times) == n_symbols * len(first)
    if alike and (times.reshape(n_symbols, len(first)) == first).all():
        return first
    return np.unique(times)


def _shown(pairs: list[tuple[str, int]]) -> str:
    return ", ".join(f"{symbol} {rows}" for symbol, rows in pairs[:8])
