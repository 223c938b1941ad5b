"""A QuantConnect LEAN data folder as a source of bars.

Reads `equity/usa/daily/<ticker>.zip`, `equity/usa/minute/<ticker>/<date>_trade.zip` or
`_quote.zip`, `equity/usa/factor_files/<symbol>.csv` and `equity/usa/map_files/<symbol>.csv`.
Files are located here; what they mean is in `domain/snapshots/lean.py`.
"""

import datetime as dt
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.snapshots.errors import SourceUnreadableError
from torghut_assets.domain.snapshots.lean import (
    LeanBars,
    parse_daily_bars,
    parse_minute_quotes,
    parse_minute_trades,
    point_in_time_numbers,
)
from torghut_assets.domain.snapshots.lean_adjustment import (
    NO_FACTORS,
    FactorFile,
    TickerSpan,
    parse_factor_file,
    parse_map_file,
)
from torghut_assets.domain.snapshots.quality import SnapshotWindow
from torghut_assets.domain.snapshots.records import SourceDescription
from torghut_assets.domain.snapshots.schema import bar_batch
from torghut_assets.domain.snapshots.universes import LeanSettings
from torghut_assets.resources.artifact_store import DigestedFile, digest_of_file
from torghut_assets.resources.market_data.bar_parquet import inside

_MAX_MEMBER_BYTES: Final = 256 << 20
_MINUTE_FILE: Final = re.compile(r"(\d{8})_(trade|quote)\.zip")
_GATHER_ROWS: Final = 1 << 17


class _Piece(NamedTuple):
    """One zip file and the dates `(after, until]` for which its bars count."""

    path: Path
    after: dt.date
    until: dt.date


class LeanSource:
    """Daily or minute bars below `settings.path`, adjusted as known on the as-of date."""

    def __init__(self, settings: LeanSettings) -> None:
        self._settings = settings
        self._base = Path(settings.path) / "equity" / "usa"

    def describe(self, window: SnapshotWindow) -> SourceDescription:
        """Digest of every file that the window needs; caveats for missing factor files."""
        self._require_folder()
        digests: dict[str, str] = {}
        unadjusted = []
        for symbol in window.symbols:
            factor_path = self._symbol_file("factor_files", symbol)
            if not factor_path.is_file():
                unadjusted.append(symbol)
            paths = [piece.path for piece in self._pieces(symbol, window)]
            for path in (*paths, factor_path, self._symbol_file("map_files", symbol)):
                if path.is_file():
                    digests[path.relative_to(self._base).as_posix()] = digest_of_file(path)
        caveats = [
            "Adjusted by LEAN factor files, with splits and dividends up to the as-of date only."
        ]
        if unadjusted:
            names = ", ".join(unadjusted[:20])
            caveats.append(f"No factor file, so nothing is adjusted for: {names}.")
        if self._settings.bars == "quote":
            caveats.append("Bars of the mid quote: volume is zero and caps on it fill nothing.")
        return SourceDescription(
            source_kind="lean",
            name=self._settings.title,
            licence=self._settings.licence,
            digest=sha256_hex(canonical_json(digests)),
            caveats=tuple(caveats),
        )

    def bar_files(self) -> tuple[DigestedFile, ...]:
        """Return nothing: zip files are never a snapshot as they are."""
        return ()

    def batches(self, window: SnapshotWindow) -> Iterator[pa.RecordBatch]:
        """Bars inside the window, symbol by symbol."""
        self._require_folder()
        for symbol in window.symbols:
            factors = self._factors(symbol)
            waiting: list[pa.RecordBatch] = []
            for piece in self._pieces(symbol, window):
                batch = self._read(symbol, piece, factors, window)
                if batch.num_rows:
                    waiting.append(inside(batch, window))
                if sum(part.num_rows for part in waiting) >= _GATHER_ROWS:
                    yield pa.concat_batches(waiting)
                    waiting = []
            if waiting:
                yield pa.concat_batches(waiting)

    def _require_folder(self) -> None:
        if not self._base.is_dir():
            raise SourceUnreadableError(
                location=f"LEAN data folder of {self._settings.title}",
                found="no folder equity/usa",
                expected="a LEAN data folder",
                action="Correct `path` in the universe file.",
            )

    def _symbol_file(self, folder: str, symbol: str) -> Path:
        return self._base / folder / f"{symbol.lower()}.csv"

    def _factors(self, symbol: str) -> FactorFile:
        path = self._symbol_file("factor_files", symbol)
        if not path.is_file():
            return NO_FACTORS
        return parse_factor_file(path.read_bytes(), location=f"factor_files/{path.name}")

    def _spans(self, symbol: str) -> tuple[TickerSpan, ...]:
        path = self._symbol_file("map_files", symbol)
        if path.is_file():
            return parse_map_file(path.read_bytes(), location=f"map_files/{path.name}")
        return (TickerSpan(symbol.lower(), dt.date.min, dt.date.max),)

    def _pieces(self, symbol: str, window: SnapshotWindow) -> Iterator[_Piece]:
        """Zip files that may hold bars of the symbol within the window, in time order."""
        for span in self._spans(symbol):
            until = min(span.until, window.as_of)
            if window.frequency == "1d":
                path = self._base / "daily" / f"{span.ticker}.zip"
                if path.is_file() and span.after < until:
                    yield _Piece(path, span.after, until)
                continue
            for path in sorted((self._base / "minute" / span.ticker).glob("*.zip")):
                name = _MINUTE_FILE.fullmatch(path.name)
                if name is None or name.group(2) != self._settings.bars:
                    continue
                day = dt.datetime.strptime(name.group(1), "%Y%m%d").date()  # noqa: DTZ007
                if span.after < day <= until and _day_may_matter(day, window):
                    yield _Piece(path, day - dt.timedelta(days=1), day)

    def _read(
        self, symbol: str, piece: _Piece, factors: FactorFile, window: SnapshotWindow
    ) -> pa.RecordBatch:
        payload = _only_member(piece.path)
        where = f"{piece.path.parent.name}/{piece.path.name}"
        if window.frequency == "1d":
            bars = parse_daily_bars(payload, location=where)
            days = bars.times.astype("datetime64[D]")
        else:
            parse = parse_minute_quotes if self._settings.bars == "quote" else parse_minute_trades
            bars = parse(payload, piece.until, location=where)
            days = np.full(len(bars.times), np.datetime64(piece.until, "D"))
        kept = (days > np.datetime64(piece.after, "D")) & (days <= np.datetime64(piece.until, "D"))
        if factors.usable_from is not None:
            kept &= days >= np.datetime64(factors.usable_from, "D")
        bars = LeanBars(bars.times[kept], bars.prices[kept], bars.volume[kept])
        numbers = point_in_time_numbers(bars, days[kept], factors, window.as_of)
        return bar_batch(symbol, bars.times, numbers)


def _day_may_matter(day: dt.date, window: SnapshotWindow) -> bool:
    """Whether a New York date touches the window; a day of slack covers the time zone."""
    start = np.int64(window.start_us).astype("datetime64[us]").astype("datetime64[D]")
    return bool(np.datetime64(day, "D") >= start - np.timedelta64(1, "D"))


def _only_member(path: Path) -> bytes:
    """Return the one file inside a zip file, within a size limit."""
    where = f"{path.parent.name}/{path.name}"
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) != 1 or members[0].file_size > _MAX_MEMBER_BYTES:
                raise SourceUnreadableError(
                    location=where,
                    found=f"{len(members)} files in the archive, or one above 256 MiB",
                    expected="one CSV file",
                )
            return archive.read(members[0])
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise SourceUnreadableError(
            location=where,
            found=" ".join(str(error).split())[:160],
            expected="a whole zip file",
            action="Restore the file.",
        ) from error
