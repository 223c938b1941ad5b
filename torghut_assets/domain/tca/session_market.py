"""Benchmark prices of one symbol in one session, from the best data there is.

Quotes give midpoints, minute bars give interval prices, and one daily bar gives proxies of
both: the mean of its four prices stands for the VWAP and for the midpoint at a fill, the
mean of open and close (the two prices whose time is known) for the TWAP.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.orders.records import SessionBar
from torghut_assets.domain.tca.asof import Times, latest_known_index, moments
from torghut_assets.domain.tca.inputs import Floats, positive_vector, same_length, uncrossed
from torghut_assets.domain.tca.minute_bars import MinuteBars
from torghut_assets.domain.tca.records import Horizon, MarketBasis
from torghut_assets.domain.tca.slippage import time_weighted_price, volume_weighted_price

INTRADAY: Final[dict[Horizon, np.timedelta64]] = {
    "1_minute": np.timedelta64(60_000_000, "us"),
    "5_minutes": np.timedelta64(300_000_000, "us"),
    "30_minutes": np.timedelta64(1_800_000_000, "us"),
}


@dataclass(frozen=True)
class QuoteSeries:
    """Quotes of one symbol in time order.

    Parameters
    ----------
    times : ndarray of datetime64[us], shape (n_quotes,)
        UTC, not decreasing; the last of equal times is in force.
    bid, ask : ndarray of float64, shape (n_quotes,)
        0 < bid <= ask.
    """

    times: Times
    bid: Floats
    ask: Floats

    def __post_init__(self) -> None:
        bid, ask = positive_vector(self.bid, "bid"), positive_vector(self.ask, "ask")
        same_length(times=np.asarray(self.times, dtype=np.float64), bid=bid, ask=ask)
        uncrossed(bid, ask)
        if (np.diff(self.times) < np.timedelta64(0, "us")).any():
            raise BadInputError(
                location="quotes.times", found="a time that goes back", expected="time order"
            )

    @property
    def mid(self) -> Floats:
        """Midpoints, shape (n_quotes,)."""
        return np.asarray((self.bid + self.ask) / 2.0)


@dataclass(frozen=True)
class SymbolMarket:
    """What is known of one symbol in a session; the bar is the least there is."""

    bar: SessionBar
    minutes: MinuteBars | None = None
    quotes: QuoteSeries | None = None

    @property
    def basis(self) -> MarketBasis:
        """The best data there is."""
        if self.quotes is not None:
            return "quotes"
        return "daily_bar" if self.minutes is None else "minute_bars"


@dataclass(frozen=True)
class IntervalPrices:
    """Arrival, VWAP, TWAP and end price of the interval in which an order was worked."""

    arrival: float | None
    vwap: float | None
    twap: float | None
    end: float | None


@dataclass(frozen=True)
class FillMarket:
    """The market at and after each fill; arrays have one entry per fill, NaN where unknown.

    `after` has one column per horizon of `horizons`. `bid` and `ask` are NaN without quotes.
    """

    mid: Floats
    bid: Floats
    ask: Floats
    horizons: tuple[Horizon, ...]
    after: Floats


def interval_prices(market: SymbolMarket, submitted_at: str | None) -> IntervalPrices:
    """Benchmark prices for an order that was submitted at a time, or never.

    Arrival is the midpoint in force at submission, or the first one of the session if the
    order came before it; without quotes the first price of the session after submission.
    """
    bar, start = market.bar, _moment(submitted_at)
    arrival, vwap, twap, end = bar.open_usd, _bar_average(bar), _bar_midway(bar), bar.close_usd
    if market.minutes is not None:
        minutes = _minutes_from(market.minutes, start)
        if minutes is not None:
            opens, typical, closes, volume = minutes
            arrival, end = float(opens[0]), float(closes[-1])
            traded = volume_weighted_price(typical, volume)
            vwap = None if np.isnan(traded) else traded
            twap = time_weighted_price(closes)
    if market.quotes is not None:
        place = 0 if start is None else _in_force(market.quotes, np.array([start]))[0]
        arrival = float(market.quotes.mid[max(int(place), 0)])
    return IntervalPrices(arrival, vwap, twap, end)


def fill_market(market: SymbolMarket, filled_at: Sequence[str]) -> FillMarket:
    """Midpoints at the fills and at each horizon after them, as far as they are known."""
    n = len(filled_at)
    unknown = np.full(n, np.nan)
    close = np.full(n, np.nan if market.bar.close_usd is None else market.bar.close_usd)
    if market.quotes is None:
        average = _bar_average(market.bar)
        mid = np.full(n, np.nan if average is None else average)
        return FillMarket(mid, unknown, unknown, ("close",), close[:, np.newaxis])
    quotes, times = market.quotes, moments(list(filled_at), "filled_at")
    at = np.maximum(_in_force(quotes, times), 0)
    columns = [_mid_at(quotes, times + shift) for shift in INTRADAY.values()]
    return FillMarket(
        mid=quotes.mid[at],
        bid=quotes.bid[at],
        ask=quotes.ask[at],
        horizons=(*INTRADAY, "close"),
        after=np.column_stack([*columns, close]),
    )


def _mid_at(quotes: QuoteSeries, times: Times) -> Floats:
    """Midpoint in force at times; NaN after the last quote, where it is not known yet."""
    mids = quotes.mid[np.maximum(_in_force(quotes, times), 0)]
    return np.where(times <= quotes.times[-1], mids, np.nan)


def _in_force(quotes: QuoteSeries, times: Times) -> npt.NDArray[np.intp]:
    return latest_known_index(quotes.times, times)


def _moment(text: str | None) -> np.datetime64 | None:
    return None if text is None else np.datetime64(moments([text], "time")[0])


def _minutes_from(
    minutes: MinuteBars, start: np.datetime64 | None
) -> tuple[Floats, Floats, Floats, Floats] | None:
    """Open, typical price, close and volume of the minutes that begin at or after `start`."""
    times = moments(minutes.time, "minutes.time")
    first = 0 if start is None else int(np.searchsorted(times, start, side="left"))
    if first == len(times):
        return None
    columns = (minutes.open, minutes.high, minutes.low, minutes.close)
    opens, highs, lows, closes = (positive_vector(column, "minutes")[first:] for column in columns)
    volume = np.asarray(minutes.volume, dtype=np.float64)[first:]
    return opens, (highs + lows + closes) / 3.0, closes, volume


def _bar_average(bar: SessionBar) -> float | None:
    """Mean of the four prices; `None` if one is missing or nothing was traded."""
    prices = (bar.open_usd, bar.high_usd, bar.low_usd, bar.close_usd)
    known = [price for price in prices if price is not None]
    return sum(known) / 4.0 if len(known) == 4 and bar.volume_shares else None


def _bar_midway(bar: SessionBar) -> float | None:
    """Mean of open and close."""
    if bar.open_usd is None or bar.close_usd is None:
        return None
    return (bar.open_usd + bar.close_usd) / 2.0
