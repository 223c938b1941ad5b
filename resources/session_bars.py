"""Bars of a trading session, point in time: what was known before it, and its own bar.

Bars come from the source that the universe names, read once per process as long as the source
does not change. A bar with an impossible value (NaN, no price, high below low, negative volume),
or one that another bar of the same time contradicts, counts as missing: what is missing is never
traded on. `known_before` never holds the session.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.candidates.strategy import FEATURES, BarPanel, Feature, Floats
from torghut_assets.domain.digests import StreamingDigest, canonical_json, sha256_hex
from torghut_assets.domain.errors import BadInputError, EvidenceError
from torghut_assets.domain.orders.execution import SessionMarket, SessionRules
from torghut_assets.domain.orders.policy import PaperPolicy
from torghut_assets.domain.snapshots.calendar import ExchangeSessions, load_sessions
from torghut_assets.domain.snapshots.universes import AlpacaSettings, Universe
from torghut_assets.resources.clock import utc_now
from torghut_assets.resources.home import Home
from torghut_assets.resources.session_market import known_number, symbol_day

if TYPE_CHECKING:
    from torghut_assets.domain.snapshots.quality import SnapshotWindow

_FAR: Final = dt.date(2100, 1, 1)
_EARLIEST: Final = dt.date(1970, 1, 1)


class NoBarsYetError(EvidenceError):
    """The source has no bar of a session, so nothing can be said about it."""

    def __init__(self, *, universe: str, session: str) -> None:
        super().__init__(
            f"bars of {universe}: none of session {session} yet. Settle the session when the "
            "source has its bars."
        )


class SessionTimes(NamedTuple):
    """One session and the one before it; times are RFC 3339 in UTC."""

    session: str
    previous: str
    previous_close: str
    opens_at: str
    middle_at: str
    closes_at: str


@dataclass(frozen=True)
class KnownBars:
    """What was known before a session.

    Attributes
    ----------
    panel : BarPanel
        Bars through the decision, missing ones NaN; read-only.
    sessions_behind : mapping of str to int or None
        Age of each symbol's newest bar in sessions, at the decision.
    digest : str
        SHA-256 over symbols, times and all values.
    """

    panel: BarPanel
    sessions_behind: Mapping[str, int | None]
    digest: str

    def closes(self) -> dict[str, float | None]:
        """Raw close of the decision's own bar by symbol; `None` if that bar is missing."""
        return {
            symbol: known_number(float(self.panel.close[-1, i])) if self._current(symbol) else None
            for i, symbol in enumerate(self.panel.symbols)
        }

    def average_volume(self, sessions: int) -> dict[str, float | None]:
        """Mean volume of each symbol over its bars in the last sessions."""
        means: dict[str, float | None] = {}
        for i, symbol in enumerate(self.panel.symbols):
            recent = self.panel.volume[-sessions:, i]
            recent = recent[np.isfinite(recent)]
            means[symbol] = float(recent.mean()) if recent.size else None
        return means

    def _current(self, symbol: str) -> bool:
        return self.sessions_behind[symbol] == 0


class SessionBars:
    """Reads bars for the sessions of one home's universes."""

    def __init__(self, home: Home, clock: Callable[[], dt.datetime] = utc_now) -> None:
        self._home = home
        self._clock = clock
        self._universes: dict[str, Universe] = {}
        self._histories: dict[str, tuple[str, BarPanel]] = {}

    def universe(self, name: str) -> Universe:
        """Return a universe of daily bars, as it was when this process first asked.

        Raises
        ------
        BadInputError
            If there is none of the name, or its bars are not daily.
        """
        from torghut_assets.resources.market_data.universes import find_universe

        if name in self._universes:
            return self._universes[name]
        found: Universe = find_universe(name, self._home.universes_folder)
        if found.frequency != "1d":
            raise BadInputError(
                location=f"universe {name}", found=found.frequency, expected="daily bars"
            )
        self._universes[name] = found
        return found

    def times(self, universe: Universe, session: dt.date) -> SessionTimes:
        """Return a session's times and the session before it.

        Raises
        ------
        BadInputError
            If the exchange does not trade on that date.
        """
        found = _sessions_around(universe.calendar, session)
        place = int(np.searchsorted(found.dates, np.datetime64(session)))
        if place == 0 or place >= len(found.dates) or found.dates[place] != np.datetime64(session):
            raise BadInputError(
                location="session",
                found=session.isoformat(),
                expected=f"a trading day of {universe.calendar}",
            )
        opens, closes = found.opens[place], found.closes[place]
        return SessionTimes(
            session=session.isoformat(),
            previous=str(found.dates[place - 1]),
            previous_close=_moment(found.closes[place - 1]),
            opens_at=_moment(opens),
            middle_at=_moment(opens + (closes - opens) // 2),
            closes_at=_moment(closes),
        )

    def sessions_between(self, universe: Universe, first: str, last: str) -> int:
        """Count the sessions after `first` up to and including `last`."""
        day = dt.date.fromisoformat(last)
        return _sessions_around(universe.calendar, day).between(dt.date.fromisoformat(first), day)

    def history(self, universe: Universe, symbols: tuple[str, ...]) -> BarPanel:
        """Return all bars that the source has now, in the order of `symbols`; read-only."""
        from torghut_assets.resources.market_data.source import open_source

        alive = isinstance(universe.source, AlpacaSettings)
        last = self._clock().date() + dt.timedelta(days=1) if alive else _FAR
        window = _window(universe, last)
        source = open_source(universe)
        version = sha256_hex(
            canonical_json(
                [universe.model_dump(mode="json"), source.describe(window).digest, list(symbols)]
            )
        )
        known = self._histories.get(universe.name)
        if known is not None and known[0] == version and not alive:
            return known[1]
        batches = [
            (
                batch.column("symbol").to_pylist(),
                batch.column("time").to_numpy(zero_copy_only=False).astype("datetime64[us]"),
                {
                    name: batch.column(name).to_numpy(zero_copy_only=False).astype(np.float64)
                    for name in FEATURES
                },
            )
            for batch in source.batches(window)
        ]
        panel = _aligned(batches, symbols).read_only()
        self._histories[universe.name] = (version, panel)
        return panel

    def known_before(
        self, universe: Universe, session: dt.date, symbols: tuple[str, ...]
    ) -> KnownBars:
        """Return what was known when a session's orders were decided.

        Raises
        ------
        BadInputError
            If the date is no session, or the source has no bar before it.
        """
        times = self.times(universe, session)
        panel = self.history(universe, symbols)
        until = int(np.searchsorted(panel.times, np.datetime64(session), side="left"))
        if until == 0:
            raise BadInputError(
                location=f"bars of {universe.name}",
                found=f"none before {session}",
                expected="a history to decide on",
            )
        known = panel.until(until)
        return KnownBars(
            panel=known,
            sessions_behind={
                symbol: self._behind(universe, known, column, times.previous)
                for column, symbol in enumerate(symbols)
            },
            digest=panel_digest(known),
        )

    def market(
        self, universe: Universe, session: dt.date, symbols: tuple[str, ...], policy: PaperPolicy
    ) -> SessionMarket:
        """Return a session's own bars, corporate actions and spreads, and the replay rules.

        Raises
        ------
        NoBarsYetError
            If the source has no bar of the session for any symbol.
        """
        times = self.times(universe, session)
        panel = self.history(universe, symbols)
        row = int(np.searchsorted(panel.times, np.datetime64(session)))
        there = row < panel.n_bars and panel.times[row] == np.datetime64(session)
        if not there or not np.isfinite(panel.close[row]).any():
            raise NoBarsYetError(universe=universe.name, session=times.session)
        return SessionMarket(
            session=times.session,
            days={
                symbol: symbol_day(panel, row, column, policy.replay_spread_window_sessions)
                for column, symbol in enumerate(symbols)
            },
            rules=SessionRules(
                participation_fraction=policy.replay_participation_fraction,
                open_share_fraction=policy.replay_open_share_fraction,
                fees=policy.fees_on(session),
                opens_at=times.opens_at,
                middle_at=times.middle_at,
                closes_at=times.closes_at,
            ),
        )

    def _behind(
        self, universe: Universe, panel: BarPanel, column: int, decided_on: str
    ) -> int | None:
        present = np.flatnonzero(np.isfinite(panel.close[:, column]))
        if present.size == 0:
            return None
        newest = str(panel.times[present[-1]].astype("datetime64[D]"))
        if newest == decided_on:
            return 0
        first = max(dt.date.fromisoformat(newest), dt.date.fromisoformat(decided_on[:4] + "-01-01"))
        return self.sessions_between(universe, first.isoformat(), decided_on)


def panel_digest(panel: BarPanel) -> str:
    """SHA-256 over symbols, times and values; a missing bar has one form."""
    digest = StreamingDigest()
    digest.update(canonical_json({"bars": panel.n_bars, "symbols": list(panel.symbols)}))
    digest.update(np.ascontiguousarray(panel.times.astype("<i8")).tobytes())
    for name in FEATURES:
        digest.update(np.ascontiguousarray(getattr(panel, name).astype("<f8")).tobytes())
    return digest.hexdigest


def _window(universe: Universe, last: dt.date) -> "SnapshotWindow":
    first = universe.start or _EARLIEST
    edges = np.array([first, last], dtype="datetime64[D]").astype("datetime64[us]")
    start_us, end_us = edges.astype(np.int64).tolist()
    from torghut_assets.domain.snapshots.quality import SnapshotWindow

    return SnapshotWindow(
        symbols=universe.symbols,
        frequency=universe.frequency,
        start_us=start_us,
        end_us=end_us,
        as_of=last,
        max_staleness_sessions=universe.max_staleness_sessions,
    )


def _sessions_around(calendar: str, day: dt.date) -> ExchangeSessions:
    """Sessions of whole years around a day, so that one lookup serves many sessions."""
    return load_sessions(calendar, dt.date(day.year - 1, 1, 1), dt.date(day.year, 12, 31))


def _aligned(
    batches: list[tuple[list[str], npt.NDArray[np.datetime64], dict[Feature, Floats]]],
    symbols: tuple[str, ...],
) -> BarPanel:
    """Put bars on the union of their times, impossible ones left out."""
    names = np.array([name for batch in batches for name in batch[0]], dtype=object)
    times = np.concatenate([batch[1] for batch in batches]) if batches else np.array([], "M8[us]")
    values = {name: np.concatenate([b[2][name] for b in batches]) for name in FEATURES if batches}
    union = np.unique(times[~np.isnat(times)])
    shape = (len(union), len(symbols))
    fields: dict[str, Floats] = {name: np.full(shape, np.nan) for name in FEATURES}
    for column, symbol in enumerate(symbols):
        mine = (names == symbol) & ~np.isnat(times)
        rows = np.searchsorted(union, times[mine])
        own = {name: values[name][mine] for name in FEATURES} if mine.any() else {}
        sound = _sound(own) & ~_contradicted(rows, own) if own else mine[:0]
        for name in FEATURES:
            fields[name][rows[sound], column] = values[name][mine][sound] if mine.any() else []
    return BarPanel(times=union, symbols=symbols, **fields)


def _contradicted(
    rows: npt.NDArray[np.intp], bar: Mapping[Feature, Floats]
) -> npt.NDArray[np.bool_]:
    """Which bars share their time with another that says something else: nobody knows which."""
    if (np.diff(rows) > 0).all():
        return np.zeros(len(rows), dtype=bool)
    _, first, group = np.unique(rows, return_index=True, return_inverse=True)
    differs = np.zeros(len(rows), dtype=bool)
    for numbers in bar.values():
        other = numbers[first][group]
        differs |= (numbers != other) & ~(np.isnan(numbers) & np.isnan(other))
    return np.isin(group, group[differs])


def _sound(bar: Mapping[Feature, Floats]) -> npt.NDArray[np.bool_]:
    """Which bars could have happened."""
    with np.errstate(invalid="ignore"):
        whole = np.isfinite(bar["volume"]) & (bar["volume"] >= 0)
        for name in ("open", "high", "low", "close", "adjusted_close"):
            whole &= np.isfinite(bar[name]) & (bar[name] > 0)
        top, bottom = np.maximum(bar["open"], bar["close"]), np.minimum(bar["open"], bar["close"])
        # sources round to cents: a close may lie a hair outside its own high and low
        return np.asarray(
            whole & (bar["high"] >= top * (1 - 1e-4)) & (bar["low"] <= bottom * (1 + 1e-4))
        )


def _moment(time: np.datetime64) -> str:
    return f"{np.datetime_as_string(time, unit='s')}Z"
