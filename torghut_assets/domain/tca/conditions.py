"""What was known about the market before a session, and how its share basis changed.

Read `PanelConditions.at`. All but close and price factor use bars before the session only;
those two are facts about the session's own prices.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from torghut_assets.domain.backtest.market import market_arrays
from torghut_assets.domain.backtest.regimes import RegimeLabels, label_regimes
from torghut_assets.domain.candidates.strategy import BarPanel, Floats
from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.orders.corporate_actions import corporate_action
from torghut_assets.domain.tca.records import SessionConditions, SymbolConditions


@dataclass(frozen=True)
class PanelConditions:
    """A panel with its volatilities and regimes, each known one bar before its row.

    Attributes
    ----------
    bars : BarPanel
    volatility : ndarray of float64, shape (n_bars, n_symbols)
        Per bar, NaN where unknown.
    labels : RegimeLabels
    """

    bars: BarPanel
    volatility: Floats
    labels: RegimeLabels

    @classmethod
    def of(cls, bars: BarPanel, *, volatility_window_bars: int, regime_window_bars: int) -> Self:
        """Prepare a panel once for all its sessions.

        Parameters
        ----------
        bars : BarPanel
            Bars of the universe; no row looks at a later one.
        volatility_window_bars, regime_window_bars : int
            Those of the cost model and of the evaluation settings.

        Raises
        ------
        MarketRefusedError
            If prices or volumes cannot exist.
        """
        market = market_arrays(bars, volatility_window_bars)
        return cls(bars, market.volatility, label_regimes(market, regime_window_bars))

    def at(self, session: str) -> SessionConditions:
        """Return regimes, volatilities, closes and changes of share basis of one session.

        Parameters
        ----------
        session : str
            ISO date of a bar of the panel.

        Raises
        ------
        EvidenceContradictionError
            If the panel has no bar of the session.
        """
        times = self.bars.times
        row = int(np.searchsorted(times, np.datetime64(session, "us"), side="left"))
        if row == self.bars.n_bars or str(times[row].astype("datetime64[D]")) != session:
            raise EvidenceContradictionError(
                location="bars of the session", found=f"none of {session}", expected="one bar"
            )
        factors = self._price_factors(row)
        return SessionConditions.model_validate(
            {
                "volatility_regime": str(self.labels.volatility[row]),
                "trend_regime": str(self.labels.trend[row]),
                "symbols": tuple(
                    SymbolConditions(
                        symbol=symbol,
                        volatility_fraction=_or_none(self.volatility[row, i]),
                        price_factor=_or_none(factors[i]),
                        close_usd=_or_none(self.bars.close[row, i]),
                    )
                    for i, symbol in enumerate(self.bars.symbols)
                ),
            }
        )

    def _price_factors(self, row: int) -> Floats:
        """Price before over the same price on the basis of a row; NaN without a bar before."""
        close, adjusted = self.bars.close, self.bars.adjusted_close
        factors = np.full(self.bars.n_symbols, np.nan)
        for column in range(self.bars.n_symbols):
            before = row - 1
            while before >= 0 and np.isnan(close[before, column]):
                before -= 1
            if before < 0 or np.isnan(close[row, column]):
                continue
            old = float(close[before, column])
            action = corporate_action(
                old, float(adjusted[before, column]), close[row, column], adjusted[row, column]
            )
            factors[column] = action.split_ratio / (1.0 - action.dividend_usd / old)
        return factors


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
