"""Historical bars of Alpaca through alpaca-py, an optional extra.

Keys come from `APCA_API_KEY_ID` and `APCA_API_SECRET_KEY`, another address from
`APCA_API_DATA_URL`. Keys are never logged, stored or shown in a message.
"""

import datetime as dt
import os
from collections.abc import Iterator, Mapping
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.snapshots.errors import SourceUnreadableError
from torghut_assets.domain.snapshots.quality import SnapshotWindow
from torghut_assets.domain.snapshots.records import Frequency, SourceDescription
from torghut_assets.domain.snapshots.schema import bar_batch
from torghut_assets.domain.snapshots.universes import AlpacaSettings
from torghut_assets.resources.artifact_store import DigestedFile
from torghut_assets.resources.market_data.bar_parquet import inside

_NEW_YORK: Final = ZoneInfo("America/New_York")
_DAYS_PER_REQUEST: Final[dict[Frequency, int]] = {"1d": 3_650, "1m": 31}
_FIELDS: Final = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
_FIRST_DAY: Final = dt.datetime(2016, 1, 1, tzinfo=dt.UTC)  # Alpaca serves nothing older


class AlpacaSource:
    """Split-adjusted bars, and adjusted closes from a second request with all adjustments."""

    def __init__(self, settings: AlpacaSettings, client: Any) -> None:
        self._settings = settings
        self._client = client

    @classmethod
    def from_environment(cls, settings: AlpacaSettings) -> Self:
        """Build the client.

        Raises
        ------
        BadInputError
            If the extra is not installed, or a key is not in the environment.
        """
        try:
            from alpaca.data.historical import StockHistoricalDataClient
        except ImportError as error:
            raise BadInputError(
                location="source alpaca",
                found="no alpaca-py in this environment",
                expected="the extra `alpaca`",
                action="Install it with: pip install 'torghut-assets[alpaca]'",
            ) from error
        names = ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY")
        absent = [name for name in names if not os.environ.get(name)]
        if absent:
            raise BadInputError(
                location="source alpaca",
                found=f"no {' and no '.join(absent)} in the environment",
                expected="both keys",
                action="Export them; they are never an argument or a setting.",
            )
        client = StockHistoricalDataClient(
            api_key=os.environ[names[0]],
            secret_key=os.environ[names[1]],
            raw_data=True,
            url_override=os.environ.get("APCA_API_DATA_URL") or None,
        )
        return cls(settings, client)

    def describe(self, window: SnapshotWindow) -> SourceDescription:
        """Return a description whose digest is that of the request; the service has none."""
        request = {
            "feed": self._settings.feed,
            "frequency": window.frequency,
            "symbols": list(window.symbols),
            "start_us": window.start_us,
            "end_us": window.end_us,
            "as_of": window.as_of.isoformat(),
        }
        return SourceDescription(
            source_kind="alpaca",
            name=f"Alpaca historical bars, feed {self._settings.feed}",
            licence=self._settings.licence,
            digest=sha256_hex(canonical_json(request)),
            caveats=(
                "Adjusted for splits and dividends as known when taken, not on the as-of date.",
                "The source digest is that of the request; the service states none of its data.",
            ),
        )

    def bar_files(self) -> tuple[DigestedFile, ...]:
        """Return nothing: a service has no files."""
        return ()

    def batches(self, window: SnapshotWindow) -> Iterator[pa.RecordBatch]:
        """Bars inside the window, symbol by symbol, in requests of bounded size."""
        epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        start = max(epoch + dt.timedelta(microseconds=window.start_us), _FIRST_DAY)
        end = epoch + dt.timedelta(microseconds=window.end_us)
        if window.frequency == "1d":  # Alpaca labels a day with its midnight in New York
            start, end = (t.replace(tzinfo=_NEW_YORK).astimezone(dt.UTC) for t in (start, end))
        step = dt.timedelta(days=_DAYS_PER_REQUEST[window.frequency])
        for symbol in window.symbols:
            since = start
            while since < end:
                until = min(since + step, end)
                batch = self._request(symbol, since, until, window)
                if batch is not None:
                    yield inside(batch, window)
                since = until

    def _request(
        self, symbol: str, since: dt.datetime, until: dt.datetime, window: SnapshotWindow
    ) -> pa.RecordBatch | None:
        split = self._fetch(symbol, since, until, window, "split")
        if not split:
            return None
        everything = self._fetch(symbol, since, until, window, "all")
        if [bar.get("t") for bar in split] != [bar.get("t") for bar in everything]:
            raise _unreadable(symbol, "adjusted and split-adjusted bars with different times")
        try:
            numbers = {
                name: np.array([float(bar[key]) for bar in split]) for name, key in _FIELDS.items()
            }
            numbers["adjusted_close"] = np.array([float(bar["c"]) for bar in everything])
            times = [_label(str(bar["t"]), window.frequency) for bar in split]
        except (KeyError, TypeError, ValueError) as error:
            raise _unreadable(symbol, f"a bar without {error}") from error
        return bar_batch(symbol, np.array(times, dtype="datetime64[us]"), numbers)

    def _fetch(
        self,
        symbol: str,
        since: dt.datetime,
        until: dt.datetime,
        window: SnapshotWindow,
        adjustment: str,
    ) -> list[Mapping[str, Any]]:
        """All pages of one request; alpaca-py follows the page tokens and waits after a 429."""
        from alpaca.common.exceptions import APIError
        from alpaca.data.enums import Adjustment, DataFeed
        from alpaca.data.requests import StockBarsRequest
        from alpaca.data.timeframe import TimeFrame
        from requests import RequestException

        request = StockBarsRequest(
            symbol_or_symbols=symbol,
            timeframe=TimeFrame.Day if window.frequency == "1d" else TimeFrame.Minute,
            start=since,
            end=until - dt.timedelta(microseconds=1),  # Alpaca includes the end
            adjustment=Adjustment(adjustment),
            feed=DataFeed(self._settings.feed),
            asof=window.as_of.isoformat(),
        )
        try:
            answer = self._client.get_stock_bars(request)
        except APIError as error:
            raise _unreadable(symbol, f"HTTP status {error.status_code}") from error
        except RequestException as error:
            raise _unreadable(symbol, f"no valid answer ({type(error).__name__})") from error
        bars = answer.get(symbol, []) if isinstance(answer, Mapping) else None
        if not isinstance(bars, list) or not all(isinstance(bar, Mapping) for bar in bars):
            raise _unreadable(symbol, "an answer that is not a list of bars")
        return bars


def _label(text: str, frequency: Frequency) -> dt.datetime:
    """Label of a bar as a naive UTC time; a day is labelled with its New York date."""
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time zone in its time")
    if frequency == "1m":
        return moment.astimezone(dt.UTC).replace(tzinfo=None)
    local = moment.astimezone(_NEW_YORK)
    return dt.datetime.combine(local.date(), dt.time())


def _unreadable(symbol: str, found: str) -> SourceUnreadableError:
    return SourceUnreadableError(
        location=f"Alpaca bars of {symbol}",
        found=found,
        expected="bars in the documented form",
        action="Check the keys, the feed of your subscription and the service's status.",
    )
