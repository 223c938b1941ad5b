"""Checks along one symbol's bars, fed piece by piece: order, moves, calendar.

State between pieces is a handful of numbers, so memory does not grow with the bars.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.snapshots.bar_rows import BarRows, Floats, Times, label
from torghut_assets.domain.snapshots.calendar import ExchangeSessions
from torghut_assets.domain.snapshots.findings import FindingLog
from torghut_assets.domain.snapshots.records import Frequency

MAX_JUMP: Final = 0.35
_SAME_FACTOR: Final = 1e-6
"""Largest move of the adjusted close in one bar that needs no second look, as a fraction."""
_SURELY: Final = 0.99
"""Room for rounding in the comparison that spares a division per bar."""
STALE_RUN: Final = 10
"""Bars with the same close from which a price counts as standing still."""
MAX_GAP_SHARE: Final = 0.05
"""Share of a symbol's own sessions that may lack a bar before the symbol is unusable."""
_UNIT_US: Final[dict[Frequency, int]] = {"1d": 86_400_000_000, "1m": 60_000_000}
_NONE = -1


@dataclass(frozen=True)
class SessionTable:
    """Sessions as integers, for fast look-ups; arrays have shape (n_sessions,).

    `begins` and `ends` bound the labels that belong to a session: for daily bars its date
    in UTC, for minute bars its date in the exchange's time zone. Microseconds since 1970.
    """

    frequency: Frequency
    dates: npt.NDArray[np.datetime64]
    begins: Times
    ends: Times
    opens: Times
    closes: Times

    @classmethod
    def of(cls, sessions: ExchangeSessions, frequency: Frequency) -> "SessionTable":
        """Build the table for bars of one frequency."""
        day_us = _UNIT_US["1d"]
        if frequency == "1d":
            begins = sessions.dates.astype("datetime64[us]").astype(np.int64)
            ends = begins + day_us
        else:
            begins = sessions.midnights.astype(np.int64)
            ends = sessions.next_midnights.astype(np.int64)
        return cls(
            frequency=frequency,
            dates=sessions.dates,
            begins=begins,
            ends=ends,
            opens=sessions.opens.astype(np.int64),
            closes=sessions.closes.astype(np.int64),
        )


class SymbolSeries:
    """What has been seen of one symbol so far."""

    def __init__(self, symbol: str, table: SessionTable, log: FindingLog) -> None:
        self.symbol = symbol
        self.rows = 0
        self.sessions_seen = 0
        self.first_session = _NONE
        self.last_session = _NONE
        self._table = table
        self._log = log
        self._last_time: int | None = None
        self._last_close = np.nan
        self._last_adjusted = np.nan
        self._last_factors = np.full(2, np.nan)
        self._run = 0
        self._longest_run = 0
        self._gaps = 0
        self._gap_example = ""
        self._regular_bars = 0
        self._expected_minutes = 0

    def feed(self, rows: BarRows, piece: slice) -> None:
        """Take the next bars: `rows[piece]`, which all belong to this symbol."""
        times = rows.times[piece]
        ordered = self._check_order(times)
        self._check_moves(times, rows.adjusted_close[piece])
        self._check_spikes(times, rows.close[piece], rows.adjusted_close[piece])
        self._follow_close(rows.close[piece])
        volume = rows.volume[piece]
        if not volume.all():
            empty = np.flatnonzero(volume == 0.0)
            self._log.note("zero_volume", empty.size, self._at(times[empty[0]]))
        if ordered:
            self._follow_calendar(times)
        self.rows += len(times)
        self._last_time = int(times[-1])
        self._last_close = float(rows.close[piece][-1])
        self._last_adjusted = float(rows.adjusted_close[piece][-1])

    def finish(self) -> None:
        """Judge the symbol as a whole, after its last bar."""
        log = self._log
        if self.rows < 2:
            log.refuse("enough_rows", 1, f"{self.symbol} has {self.rows} bar")
        elif self._longest_run == self.rows:
            close = self._last_close
            log.refuse(
                "constant_prices", 1, f"{self.symbol} closes at {close:g} in all {self.rows} bars"
            )
        elif self._longest_run >= STALE_RUN:
            text = f"{self.symbol} stands still for {self._longest_run} bars"
            log.note("stale_prices", 1, text)
        if self._gaps:
            span = self.last_session - self.first_session + 1
            too_many = self._gaps > MAX_GAP_SHARE * span
            report = log.refuse if too_many else log.note
            text = f"{self._gap_example} ({self._gaps} of {span} sessions missing)"
            report("calendar_gaps", self._gaps, text)
        missing = self._expected_minutes - self._regular_bars
        if self._table.frequency == "1m" and missing > 0:
            text = f"{self.symbol}: {missing} of {self._expected_minutes} minutes"
            log.note("missing_minutes", missing, text)

    def _at(self, time_us: np.int64) -> str:
        return f"{self.symbol} {label(time_us)}"

    def _check_order(self, times: Times) -> bool:
        """Log labels that repeat, go back or are off the grid; tell whether they increase."""
        off = np.flatnonzero(times % _UNIT_US[self._table.frequency])
        if off.size:
            self._log.refuse("label_alignment", off.size, self._at(times[off[0]]))
        earlier = times[0] - 1 if self._last_time is None else np.int64(self._last_time)
        if earlier < times[0] and (times[1:] > times[:-1]).all():
            return True
        steps = np.diff(times, prepend=earlier)
        same = np.flatnonzero(steps == 0)
        if same.size:
            self._log.refuse("no_duplicates", same.size, self._at(times[same[0]]))
        back = np.flatnonzero(steps < 0)
        if back.size:
            where = int(back[0])
            before = earlier if where == 0 else times[where - 1]
            text = f"{self._at(times[where])} comes after {label(before)}"
            self._log.refuse("time_order", back.size, text)
        return False

    def _check_moves(self, times: Times, adjusted: Floats) -> None:
        """Log moves that no corporate action explains.

        A split or dividend moves `close` and the ratio `adjusted_close / close` against each
        other, so that `adjusted_close` stays: only its own jump is suspicious.
        """
        if _within_a_jump(adjusted, self._last_adjusted):
            return
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            moves = adjusted / np.concatenate(([self._last_adjusted], adjusted[:-1])) - 1.0
            jumps = np.flatnonzero(np.abs(moves) > MAX_JUMP)
        if jumps.size:
            text = f"{self._at(times[jumps[0]])} moves {moves[jumps[0]]:+.1%}"
            self._log.note("price_jumps", jumps.size, text)

    def _check_spikes(self, times: Times, close: Floats, adjusted: Floats) -> None:
        """Log single closes that jump and come back while `adjusted_close` stays.

        A corporate action changes the ratio of the two for good. A ratio that is off for one
        bar and then the old one again is a bad price.
        """
        before = self._last_factors
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = adjusted / close
            # Of four numbers at most: what is kept must not hold on to the whole piece.
            self._last_factors = np.concatenate((before, ratio[-2:]))[-2:]
            if _within_a_jump(ratio, *before.tolist()):
                return
            factors = np.concatenate((before, ratio))
            came_back = np.abs(factors[2:] / factors[:-2] - 1.0) < _SAME_FACTOR
            was_off = np.abs(factors[1:-1] / factors[:-2] - 1.0) > MAX_JUMP
            spikes = np.flatnonzero(came_back & was_off)
        if spikes.size:
            text = f"{self._at(times[spikes[0]])} ends a spike of one close"
            self._log.note("price_jumps", spikes.size, text)

    def _follow_close(self, close: Floats) -> None:
        """Track the longest run of equal closes."""
        breaks = np.flatnonzero(close[1:] != close[:-1]) + 1
        if close[0] != self._last_close:
            self._run = 0
        edges = np.concatenate(([0], breaks, [len(close)]))
        lengths = np.diff(edges)
        lengths[0] += self._run
        self._longest_run = max(self._longest_run, int(lengths.max()))
        self._run = int(lengths[-1])

    def _follow_calendar(self, times: Times) -> None:
        """Count bars per session; `times` increases."""
        table = self._table
        low = int(np.searchsorted(table.ends, times[0], side="right"))
        high = int(np.searchsorted(table.begins, times[-1], side="right"))
        begin = np.searchsorted(times, table.begins[low:high])
        end = np.searchsorted(times, table.ends[low:high])
        bars = end - begin
        self._check_sessions_only(times, begin, end)
        present = np.flatnonzero(bars > 0) + low
        if present.size == 0:
            return
        self._check_gaps(present)
        fresh = present[present != self.last_session]
        self.sessions_seen += fresh.size
        if table.frequency == "1m":
            opened = np.searchsorted(times, table.opens[low:high])
            closed = np.searchsorted(times, table.closes[low:high])
            regular = int((closed - opened).sum())
            outside = int(bars.sum()) - regular
            text = f"{self.symbol} in the session {table.dates[present[0]]} or later"
            self._log.note("regular_hours", outside, text)
            self._regular_bars += regular
            minutes = (table.closes[fresh] - table.opens[fresh]) // _UNIT_US["1m"]
            self._expected_minutes += int(minutes.sum())
        if self.first_session == _NONE:
            self.first_session = int(present[0])
        self.last_session = int(present[-1])

    def _check_sessions_only(
        self, times: Times, begin: npt.NDArray[np.intp], end: npt.NDArray[np.intp]
    ) -> None:
        stray = len(times) - int((end - begin).sum())
        if stray:
            inside = np.zeros(len(times) + 1, dtype=np.int64)
            np.add.at(inside, begin, 1)
            np.add.at(inside, end, -1)
            first = int(np.flatnonzero(np.cumsum(inside[:-1]) == 0)[0])
            self._log.refuse("sessions_only", stray, self._at(times[first]))

    def _check_gaps(self, present: npt.NDArray[np.intp]) -> None:
        earlier = present[0] if self.last_session == _NONE else self.last_session
        skipped = np.maximum(np.diff(present, prepend=earlier) - 1, 0)
        gaps = int(skipped.sum())
        if gaps and not self._gaps:
            after = int(present[np.flatnonzero(skipped)[0]])
            count = int(skipped[np.flatnonzero(skipped)[0]])
            first = self._table.dates[after - count]
            self._gap_example = f"{self.symbol} lacks {first}"
        self._gaps += gaps


def _within_a_jump(values: Floats, *before: float) -> bool:
    """Whether no two of the values, nor of those before them, can be a jump apart.

    Two passes without a division. The answer is no if one of `values` is NaN or not above 0;
    NaN in `before` means that there is no such value.
    """
    known = [value for value in before if not np.isnan(value)]
    low, high = min(float(values.min()), *known, np.inf), max(float(values.max()), *known, 0.0)
    return low > 0.0 and high < (1.0 + MAX_JUMP) * _SURELY * low
