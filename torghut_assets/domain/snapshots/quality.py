"""Is this dataset cut fit for use? Every check, over bars that stream by once.

Read `BarChecker` first: feed it record batches in symbol and time order, then `finish`.
Memory grows with symbols and sessions, never with bars. What each check states is listed
in `findings.CHECKS`. The checker reads arrays only; it opens no file and asks no clock.
"""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from torghut_assets.domain.snapshots.bar_rows import BarRows, SymbolOfRow, check_rows, label
from torghut_assets.domain.snapshots.calendar import ExchangeSessions
from torghut_assets.domain.snapshots.findings import FindingLog
from torghut_assets.domain.snapshots.records import Frequency, QualityFinding, SymbolCoverage
from torghut_assets.domain.snapshots.schema import NUMBERS, schema_problem
from torghut_assets.domain.snapshots.symbol_series import SessionTable, SymbolSeries


@dataclass(frozen=True)
class SnapshotWindow:
    """What a snapshot should hold.

    Attributes
    ----------
    symbols : tuple of str
        The universe, sorted.
    start_us, end_us : int
        Labels lie in `[start_us, end_us)`, microseconds since 1970-01-01 UTC.
    as_of : date
        Nothing after this session date may be known.
    max_staleness_sessions : int
        How many sessions may lie between the last bar and `as_of`.
    """

    symbols: tuple[str, ...]
    frequency: Frequency
    start_us: int
    end_us: int
    as_of: dt.date
    max_staleness_sessions: int


@dataclass(frozen=True)
class QualityReport:
    """What the checks found, and what the bars cover.

    `first_session` and `last_session` are `None` if no bar fell on a session.
    """

    findings: tuple[QualityFinding, ...]
    coverage: tuple[SymbolCoverage, ...]
    rows: int
    first_session: dt.date | None
    last_session: dt.date | None

    @property
    def usable(self) -> bool:
        """Whether no finding is an error."""
        return all(finding.severity != "error" for finding in self.findings)


class BarChecker:
    """Checks of one dataset cut, fed batch by batch."""

    def __init__(self, window: SnapshotWindow, sessions: ExchangeSessions) -> None:
        self._window = window
        self._sessions = sessions
        self._table = SessionTable.of(sessions, window.frequency)
        self._log = FindingLog()
        self._wanted = frozenset(window.symbols)
        self._current: SymbolSeries | None = None
        self._done: dict[str, SymbolSeries] = {}
        self._rows = 0
        self._schema_checked: pa.Schema | None = None

    def feed(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Check the next bars; batches may be cut anywhere."""
        if not self._schema_fits(batch.schema) or batch.num_rows == 0:
            return
        batch = self._without_nulls(batch)
        if batch.num_rows == 0:
            return
        self._rows += batch.num_rows
        symbols = batch.column(0)
        if not pa.types.is_dictionary(symbols.type):
            symbols = symbols.dictionary_encode()
        codes = symbols.indices.to_numpy()
        starts = np.concatenate(([0], np.flatnonzero(codes[1:] != codes[:-1]) + 1))
        names = [symbols.dictionary[int(code)].as_py() for code in codes[starts]]
        rows = BarRows(
            times=batch.column(1).view(pa.int64()).to_numpy(),
            **{name: batch.column(name).to_numpy() for name in NUMBERS},
        )
        symbol_of = SymbolOfRow(starts, names)
        check_rows(rows, symbol_of, self._log)
        self._check_window(rows, symbol_of)
        ends = [*starts[1:].tolist(), len(codes)]
        for name, start, end in zip(names, starts.tolist(), ends, strict=True):
            self._series_of(name).feed(rows, slice(start, end))

    @property
    def has_errors(self) -> bool:
        """Whether the cut is already known to be unusable."""
        return self._log.has_errors

    def finish(self) -> QualityReport:
        """Judge the cut as a whole, after its last bar."""
        self._close_current()
        if self._rows == 0:
            as_of = self._window.as_of
            self._log.refuse("not_empty", 1, f"no bar of the universe up to {as_of}")
        known = [series for name, series in self._done.items() if name in self._wanted]
        absent = sorted(self._wanted - self._done.keys())
        if self._rows:
            self._log.refuse("symbol_coverage", len(absent), f"no bar of {', '.join(absent[:5])}")
        first = min((s.first_session for s in known if s.first_session >= 0), default=None)
        last = max((s.last_session for s in known if s.last_session >= 0), default=None)
        if first is not None and last is not None:
            self._check_edges(known, first, last)
        return QualityReport(
            findings=self._log.findings(),
            coverage=tuple(self._coverage(name, first, last) for name in self._window.symbols),
            rows=self._rows,
            first_session=self._date(first),
            last_session=self._date(last),
        )

    def _schema_fits(self, schema: pa.Schema) -> bool:
        if self._schema_checked is not None and self._schema_checked.equals(schema):
            return True
        problem = schema_problem(schema)
        if problem is None:
            self._schema_checked = schema
            return True
        self._log.refuse("schema", 1, problem)
        return False

    def _without_nulls(self, batch: pa.RecordBatch | pa.Table) -> pa.RecordBatch:
        if isinstance(batch, pa.Table):
            batch = batch.combine_chunks().to_batches()[0]
        for name in batch.schema.names:
            nulls = batch.column(name).null_count
            self._log.refuse("no_nulls", nulls, f"column {name}")
        return batch.drop_null() if any(c.null_count for c in batch.columns) else batch

    def _check_window(self, rows: BarRows, symbol_of: SymbolOfRow) -> None:
        window = self._window
        if window.start_us <= rows.times.min() and rows.times.max() < window.end_us:
            return
        outside = np.flatnonzero((rows.times < window.start_us) | (rows.times >= window.end_us))
        first = int(outside[0])
        text = f"{symbol_of(first)} {label(rows.times[first])}"
        self._log.refuse("inside_window", outside.size, text)

    def _series_of(self, symbol: str) -> SymbolSeries:
        if self._current is not None and self._current.symbol == symbol:
            return self._current
        previous = self._current.symbol if self._current is not None else ""
        self._close_current()
        if symbol not in self._wanted:
            self._log.refuse("known_symbols", 1, f"{ascii(symbol)[:40]} is not in the universe")
        if symbol <= previous:
            self._log.refuse("symbol_order", 1, f"{ascii(symbol)[:40]} comes after {previous}")
        self._current = self._done.pop(symbol, None) or SymbolSeries(symbol, self._table, self._log)
        return self._current

    def _close_current(self) -> None:
        if self._current is not None:
            self._current.finish()
            self._done[self._current.symbol] = self._current
            self._current = None

    def _check_edges(self, known: list[SymbolSeries], first: int, last: int) -> None:
        """Compare each symbol's span with the snapshot's, and the snapshot's with the as-of."""
        limit = self._window.max_staleness_sessions
        early = [s for s in known if 0 <= s.last_session < last - limit]
        if early:
            text = f"{early[0].symbol} ends {self._date(early[0].last_session)}"
            self._log.note("ends_early", len(early), text)
        late = [s for s in known if s.first_session > first + limit]
        if late:
            text = f"{late[0].symbol} starts {self._date(late[0].first_session)}"
            self._log.note("starts_late", len(late), text)
        ended = self._sessions.dates[last].astype("datetime64[D]").item()
        behind = self._sessions.between(ended, self._window.as_of)
        if behind > limit:
            text = (
                f"the last bar is of {ended}, {behind} sessions before the as-of date "
                f"{self._window.as_of}; at most {limit} are allowed"
            )
            self._log.refuse("staleness", 1, text)

    def _date(self, session: int | None) -> dt.date | None:
        if session is None or session < 0:
            return None
        day: dt.date = self._sessions.dates[session].astype("datetime64[D]").item()
        return day

    def _coverage(self, symbol: str, first: int | None, last: int | None) -> SymbolCoverage:
        series = self._done.get(symbol)
        total = 0 if first is None or last is None else last - first + 1
        if series is None:
            return SymbolCoverage(
                symbol=symbol,
                rows=0,
                first_session=None,
                last_session=None,
                missing_sessions=total,
            )
        return SymbolCoverage(
            symbol=symbol,
            rows=series.rows,
            first_session=self._date(series.first_session),
            last_session=self._date(series.last_session),
            missing_sessions=max(total - series.sessions_seen, 0),
        )
