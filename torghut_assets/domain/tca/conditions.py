"""What was known about the market before a session, and how its share basis changed.

`session_conditions` reads the bars through the session. All but the price factor uses bars
before the session only; the factor is a fact about the session's own prices.
"""

import numpy as np

from torghut_assets.domain.backtest.market import market_arrays
from torghut_assets.domain.backtest.regimes import label_regimes
from torghut_assets.domain.candidates.strategy import FEATURES, BarPanel, Floats
from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.tca.records import SessionConditions, SymbolConditions

_ROUNDING = 5e-4
"""Half a cent of an adjusted close of 10 USD; the smallest dividends are lost in it."""


def session_conditions(
    bars: BarPanel, session: str, *, volatility_window_bars: int, regime_window_bars: int
) -> SessionConditions:
    """Volatility per symbol, regimes of the universe and change of share basis.

    Parameters
    ----------
    bars : BarPanel
        Bars of the universe; those after the session are not looked at.
    session : str
        ISO date of a bar of the panel.
    volatility_window_bars, regime_window_bars : int
        Those of the cost model and of the evaluation settings.

    Raises
    ------
    EvidenceContradictionError
        If the panel has no bar of the session.
    MarketRefusedError
        If prices or volumes cannot exist.
    """
    row = int(np.searchsorted(bars.times, np.datetime64(session, "us"), side="left"))
    if row == bars.n_bars or str(bars.times[row].astype("datetime64[D]")) != session:
        raise EvidenceContradictionError(
            location="bars of the session", found=f"none of {session}", expected="one bar of it"
        )
    known = _rows(bars, 0, row + 1)
    market = market_arrays(known, volatility_window_bars)
    labels = label_regimes(market, regime_window_bars)
    factors = _price_factors(known.close, known.adjusted_close)
    volatility = market.volatility[-1]
    return SessionConditions.model_validate(
        {
            "volatility_regime": str(labels.volatility[-1]),
            "trend_regime": str(labels.trend[-1]),
            "symbols": tuple(
                SymbolConditions(
                    symbol=symbol,
                    volatility_fraction=_or_none(volatility[i]),
                    price_factor=_or_none(factors[i]),
                    close_usd=_or_none(known.close[-1, i]),
                )
                for i, symbol in enumerate(bars.symbols)
            ),
        }
    )


def _rows(bars: BarPanel, start: int, end: int) -> BarPanel:
    """Bars of rows `[start, end)`."""
    fields = {name: getattr(bars, name)[start:end] for name in FEATURES}
    return BarPanel(times=bars.times[start:end], symbols=bars.symbols, **fields)


def _price_factors(close: Floats, adjusted: Floats) -> Floats:
    """Adjustment at the last row over that at the symbol's row before; NaN without either.

    Sources round adjusted closes: a factor within `_ROUNDING` of 1 is 1.
    """
    factors = np.full(close.shape[1], np.nan)
    for column in range(close.shape[1]):
        with_price = np.flatnonzero(np.isfinite(close[:, column]))
        if with_price.size < 2 or with_price[-1] != close.shape[0] - 1:
            continue
        before, now = with_price[-2], with_price[-1]
        ratio = adjusted[[before, now], column] / close[[before, now], column]
        factor = float(ratio[1] / ratio[0])
        factors[column] = 1.0 if abs(factor - 1.0) < _ROUNDING else factor
    return factors


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
