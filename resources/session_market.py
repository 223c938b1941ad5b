"""One symbol in one session, as aligned bars tell it: bar, corporate action, half the spread."""

from typing import Final

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.candidates.strategy import FEATURES, BarPanel
from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.orders.corporate_actions import corporate_action
from torghut_assets.domain.orders.execution import MIN_TICK_USD, SessionMarket, SymbolDay
from torghut_assets.domain.orders.records import SessionBar

_SPREAD_MINIMUM_BARS: Final = 3


def symbol_day(panel: BarPanel, row: int, column: int, window: int) -> SymbolDay:
    """Return one symbol's day: its bar, what happened since the bar before, and half its spread.

    Parameters
    ----------
    panel : BarPanel
    row, column : int
        The session and the symbol.
    window : int
        Bars before the session that the spread is estimated from.
    """
    price = {name: float(getattr(panel, name)[row, column]) for name in FEATURES}
    earlier = np.flatnonzero(np.isfinite(panel.close[:row, column]))[-window:]
    before = int(earlier[-1]) if earlier.size else None
    action = corporate_action(
        float(panel.close[before, column]) if before is not None else float("nan"),
        float(panel.adjusted_close[before, column]) if before is not None else float("nan"),
        price["close"],
        price["adjusted_close"],
    )
    return SymbolDay(
        bar=SessionBar(
            symbol=panel.symbols[column],
            open_usd=known_number(price["open"]),
            high_usd=known_number(price["high"]),
            low_usd=known_number(price["low"]),
            close_usd=known_number(price["close"]),
            volume_shares=known_number(price["volume"]),
        ),
        half_spread_fraction=_half_spread(panel, earlier, column),
        split_ratio=action.split_ratio,
        dividend_usd=action.dividend_usd,
    )


def _half_spread(panel: BarPanel, rows: npt.NDArray[np.intp], column: int) -> float | None:
    """Half of the Corwin-Schultz spread of earlier bars, at least half a tick."""
    if rows.size < _SPREAD_MINIMUM_BARS:
        return None
    from torghut_assets.domain.tca.spread_estimators import corwin_schultz_pairs

    high, low, close = (getattr(panel, name)[rows, column] for name in ("high", "low", "close"))
    estimate = float(corwin_schultz_pairs(high, low, close).mean())
    return max(estimate, MIN_TICK_USD / float(close[-1])) / 2.0


def known_number(value: float) -> float | None:
    """Return a number, or `None` for what is missing."""
    return value if np.isfinite(value) else None


def market_digest(market: SessionMarket) -> str:
    """SHA-256 of a session's bars, corporate actions and spreads."""
    days = {
        symbol: {
            "bar": day.bar.model_dump(mode="json"),
            "dividend_usd": day.dividend_usd,
            "half_spread_fraction": day.half_spread_fraction,
            "split_ratio": day.split_ratio,
        }
        for symbol, day in market.days.items()
    }
    return sha256_hex(canonical_json({"days": days, "session": market.session}))
