"""One order's row of the transaction cost analysis.

Read `order_costs` first. The formulas are those of `shortfall`, `slippage`, `spreads` and
`participation`; here is decided which price goes into which of them, and what is undefined.
"""

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from torghut_assets.domain.backtest.costs import CostRates, cost_rate
from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.orders.records import Fill, PaperOrder
from torghut_assets.domain.tca.inputs import Floats, side_sign
from torghut_assets.domain.tca.participation import fill_rate, participation_rate
from torghut_assets.domain.tca.records import (
    Horizon,
    Markout,
    OrderCosts,
    OrderPrices,
    Shortfall,
    SymbolConditions,
)
from torghut_assets.domain.tca.session_market import (
    FillMarket,
    IntervalPrices,
    SymbolMarket,
    fill_market,
    interval_prices,
)
from torghut_assets.domain.tca.shortfall import OrderOutcome, implementation_shortfall
from torghut_assets.domain.tca.slippage import BPS, average_fill_price, slippage_bps
from torghut_assets.domain.tca.spreads import effective_realized_spread

_LATER: tuple[Horizon, ...] = ("1_session", "5_sessions")
_REALIZED_AFTER: tuple[Horizon, ...] = ("5_minutes", "close")


@dataclass(frozen=True)
class WorkedOrder:
    """An order with its decision price (USD, before the session) and its fills."""

    order: PaperOrder
    decision_usd: float
    fills: tuple[Fill, ...]

    @property
    def shares(self) -> int:
        """Shares filled."""
        return sum(fill.quantity for fill in self.fills)

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """(quantity, price) of every fill."""
        return [(float(fill.quantity), fill.price_usd) for fill in self.fills]

    @property
    def fees_usd(self) -> float:
        """Fees of all fills."""
        return sum(fill.fee_usd for fill in self.fills)


def order_costs(
    worked: WorkedOrder, market: SymbolMarket, conditions: SymbolConditions, rates: CostRates
) -> OrderCosts:
    """Measure one order against its market and the cost model.

    Parameters
    ----------
    worked : WorkedOrder
    market : SymbolMarket
        The order's symbol in the session.
    conditions : SymbolConditions
        The same symbol before the session.
    rates : CostRates
        The cost model in force.

    Raises
    ------
    OverfilledOrderError
        If more was filled than ordered.
    EvidenceContradictionError
        If the order was submitted before it was decided.
    """
    order, filled = worked.order, worked.shares
    prices = interval_prices(market, order.submitted_at)
    decision = worked.decision_usd / (conditions.price_factor or 1.0)
    average = average_fill_price(worked.pairs) if filled else None
    around = fill_market(market, [fill.filled_at for fill in worked.fills]) if filled else None
    shortfall = _shortfall(worked, decision, prices)
    spreads = _spreads(worked, around)
    arrival_bps = _slippage(worked, average, prices.arrival)
    vwap_bps = _slippage(worked, average, prices.vwap)
    hours = [dt.datetime.fromisoformat(fill.filled_at).hour for fill in worked.fills]
    return OrderCosts(
        key=order.key,
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        status=order.status,
        ordered_shares=order.quantity,
        filled_shares=filled,
        fills=len(worked.fills),
        hour_utc=min(hours, default=None),
        latency_seconds=_latency(order),
        notional_usd=order.quantity * decision,
        filled_notional_usd=sum(quantity * price for quantity, price in worked.pairs),
        prices=OrderPrices(
            basis=market.basis,
            decision_usd=decision,
            arrival_usd=prices.arrival,
            average_fill_usd=average,
            vwap_usd=prices.vwap,
            twap_usd=prices.twap,
            end_usd=prices.end,
        ),
        shortfall=shortfall,
        shortfall_bps=None
        if shortfall is None
        else BPS * shortfall.total_usd / (order.quantity * decision),
        arrival_slippage_bps=arrival_bps,
        vwap_slippage_bps=vwap_bps,
        twap_slippage_bps=_slippage(worked, average, prices.twap),
        expected_cost_bps=_expected(worked, market, conditions, rates),
        realised_cost_bps=_with_fees(worked, arrival_bps, prices.arrival),
        interval_cost_bps=_with_fees(worked, vwap_bps, prices.vwap),
        effective_spread_bps=spreads[0],
        realized_spread_bps=spreads[1],
        spread_capture_fraction=spreads[2],
        markouts=_markouts(worked, around),
        volatility_fraction=conditions.volatility_fraction,
        participation_fraction=_participation(filled, market.bar.volume_shares),
        fill_rate_fraction=fill_rate(filled, order.quantity),
    )


def _latency(order: PaperOrder) -> float | None:
    """Seconds from decision to submission; `None` if the order was never submitted."""
    if order.submitted_at is None:
        return None
    decided, submitted = map(dt.datetime.fromisoformat, (order.decided_at, order.submitted_at))
    if submitted < decided:
        raise EvidenceContradictionError(
            location=f"order {order.key[:12]} of {order.symbol}",
            found=f"submitted at {order.submitted_at}, decided at {order.decided_at}",
            expected="a decision before its submission",
        )
    return (submitted - decided).total_seconds()


def _shortfall(worked: WorkedOrder, decision: float, prices: IntervalPrices) -> Shortfall | None:
    """Parts of the shortfall, and beside them both profits, computed from positions."""
    filled, ordered = worked.shares, worked.order.quantity
    end = prices.end
    if end is None and filled == ordered:
        end = average_fill_price(worked.pairs)  # it cancels: nothing is left to be valued
    if prices.arrival is None or end is None:
        return None
    found = implementation_shortfall(
        OrderOutcome(
            side=worked.order.side,
            ordered=ordered,
            decision=decision,
            arrival=prices.arrival,
            fills=worked.pairs,
            end=end,
            fees=worked.fees_usd,
        )
    ).expanded
    sign = side_sign(worked.order.side)
    held = sum(quantity * (end - price) for quantity, price in worked.pairs)
    return Shortfall(
        delay_usd=found.delay,
        trading_usd=found.trading,
        opportunity_usd=found.opportunity,
        fees_usd=found.fees,
        paper_profit_usd=sign * ordered * (end - decision),
        actual_profit_usd=sign * held - worked.fees_usd,
    )


def _slippage(worked: WorkedOrder, average: float | None, benchmark: float | None) -> float | None:
    if average is None or benchmark is None:
        return None
    return slippage_bps(worked.order.side, average, benchmark)


def _with_fees(worked: WorkedOrder, slippage: float | None, price: float | None) -> float | None:
    """Slippage plus fees, both relative to the filled shares at the benchmark price."""
    if slippage is None or price is None:
        return None
    return slippage + BPS * worked.fees_usd / (worked.shares * price)


def _expected(
    worked: WorkedOrder, market: SymbolMarket, conditions: SymbolConditions, rates: CostRates
) -> float | None:
    """Cost that the model expects of the filled part; volume is that of the session's bar."""
    bar, volatility = market.bar, conditions.volatility_fraction
    if not worked.shares or not bar.volume_shares or bar.close_usd is None:
        return None
    if volatility is None:
        if rates.needs_volatility:
            return None
        volatility = 0.0
    notional = sum(quantity * price for quantity, price in worked.pairs)
    share = notional / (bar.close_usd * bar.volume_shares)
    return BPS * cost_rate(rates, volatility, share)


def _spreads(
    worked: WorkedOrder, around: FillMarket | None
) -> tuple[float | None, float | None, float | None]:
    """Effective and realized spread in bps, and spread capture.

    Realized spread looks five minutes ahead (Rule 605), or to the close with daily bars. Both
    are relative to the midpoint at the fill; capture needs a quote.
    """
    if around is None or np.isnan(around.mid).any():
        return None, None, None
    ahead = next(h for h in _REALIZED_AFTER if h in around.horizons)
    quoted = not np.isnan(around.bid).any()
    found = effective_realized_spread(
        side=[worked.order.side] * len(worked.fills),
        quantity=[fill.quantity for fill in worked.fills],
        price=[fill.price_usd for fill in worked.fills],
        bid=around.bid if quoted else around.mid,
        ask=around.ask if quoted else around.mid,
        mid_after=around.after[:, around.horizons.index(ahead)].tolist(),
    )
    return found.effective_bps, _known(found.realized_bps), _known(found.spread_capture)


def _markouts(worked: WorkedOrder, around: FillMarket | None) -> tuple[Markout, ...]:
    """Share-weighted moves after the fills; later sessions are not known yet."""
    if around is None:
        return ()
    shares = np.array([fill.quantity for fill in worked.fills], dtype=np.float64)
    prices = np.array([fill.price_usd for fill in worked.fills])
    sign = side_sign(worked.order.side)
    moves: Floats = sign * (around.after - prices[:, np.newaxis]) / prices[:, np.newaxis] * BPS
    means: Sequence[float] = (shares @ moves / shares.sum()).tolist()
    known = [
        Markout(horizon=horizon, move_bps=_known(mean))
        for horizon, mean in zip(around.horizons, means, strict=True)
    ]
    return (*known, *(Markout(horizon=horizon, move_bps=None) for horizon in _LATER))


def _participation(filled: int, volume: float | None) -> float | None:
    """Share of the session's volume; `None` without volume, or with less than was filled."""
    if not volume or filled > volume:
        return None
    return participation_rate(filled, volume)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
