"""What one paper session cost: one row per order, and what the session was like.

Read `OrderCosts` first. Costs are positive, for a buy and for a sell; only a markout is
positive when the price moved in the trader's favour. `None` says that a figure is not defined
or not known yet. Amounts are in USD of the session's own share basis. Aggregates are not
stored: `aggregate` derives them from the rows.
"""

from typing import ClassVar, Literal

from pydantic import Field

from torghut_assets.domain.orders.records import Mode, OrderStatus, OrderType, Session, Side
from torghut_assets.domain.records import Digest, Measured, MeasuredOrNone, Part, Record
from torghut_assets.domain.verdicts import Verdict

MarketBasis = Literal["quotes", "minute_bars", "daily_bar"]
"""What the benchmark prices of an order come from, best first."""

Horizon = Literal["1_minute", "5_minutes", "30_minutes", "close", "1_session", "5_sessions"]

TIE_TOLERANCE = 1e-9
"""Largest difference between the parts of a shortfall and paper less actual profit, as a
fraction of the largest amount among them and the order's notional at the decision."""


class Markout(Part):
    """Move of the price after an order's fills; positive is in the trader's favour."""

    horizon: Horizon
    move_bps: MeasuredOrNone


class OrderPrices(Part):
    """Benchmark prices of one order, in USD per share; `None` if there is none.

    `decision_usd` is on the session's share basis: a split or dividend between the decision
    and the session is taken out of it. `end_usd` values what was not filled.
    """

    basis: MarketBasis
    decision_usd: MeasuredOrNone
    arrival_usd: MeasuredOrNone
    average_fill_usd: MeasuredOrNone
    vwap_usd: MeasuredOrNone
    twap_usd: MeasuredOrNone
    end_usd: MeasuredOrNone


class Shortfall(Part):
    """Wagner and Kissell's parts of an order's shortfall, beside both profits, all in USD.

    `paper_profit_usd` is what the whole order would have made at the decision price,
    `actual_profit_usd` what the account made, after fees, both valued at the end price.
    """

    delay_usd: Measured
    trading_usd: Measured
    opportunity_usd: Measured
    fees_usd: Measured
    paper_profit_usd: Measured
    actual_profit_usd: Measured

    @property
    def total_usd(self) -> float:
        """Sum of the parts."""
        return self.delay_usd + self.trading_usd + self.opportunity_usd + self.fees_usd

    @property
    def largest_usd(self) -> float:
        """Largest amount of all, without its sign."""
        profits = (self.paper_profit_usd, self.actual_profit_usd)
        parts = (self.delay_usd, self.trading_usd, self.opportunity_usd, self.fees_usd)
        return max(abs(amount) for amount in (*profits, *parts))

    @property
    def untied_usd(self) -> float:
        """How far the parts are from paper less actual profit; 0 but for rounding."""
        return abs(self.total_usd - (self.paper_profit_usd - self.actual_profit_usd))


class OrderCosts(Part):
    """One order: what it wanted, what it met, what it cost.

    `expected_cost_bps` is what the cost model in force says about the filled part;
    `realised_cost_bps` is trading cost against arrival plus fees, and `interval_cost_bps`
    slippage against the interval's VWAP plus fees, both relative to the filled notional.
    Delay and opportunity are market moves that the model does not forecast.
    """

    key: Digest
    symbol: str
    side: Side
    order_type: OrderType
    status: OrderStatus
    ordered_shares: int = Field(gt=0)
    filled_shares: int = Field(ge=0)
    fills: int = Field(ge=0)
    hour_utc: int | None = Field(ge=0, le=23)
    latency_seconds: MeasuredOrNone
    notional_usd: Measured = Field(gt=0)
    filled_notional_usd: Measured = Field(ge=0)
    prices: OrderPrices
    shortfall: Shortfall | None
    shortfall_bps: MeasuredOrNone
    arrival_slippage_bps: MeasuredOrNone
    vwap_slippage_bps: MeasuredOrNone
    twap_slippage_bps: MeasuredOrNone
    expected_cost_bps: MeasuredOrNone
    realised_cost_bps: MeasuredOrNone
    interval_cost_bps: MeasuredOrNone
    effective_spread_bps: MeasuredOrNone
    realized_spread_bps: MeasuredOrNone
    spread_capture_fraction: MeasuredOrNone
    markouts: tuple[Markout, ...]
    volatility_fraction: MeasuredOrNone
    participation_fraction: MeasuredOrNone
    fill_rate_fraction: Measured = Field(ge=0, le=1)

    @property
    def ties(self) -> bool:
        """Whether the parts of the shortfall add up to paper less actual profit."""
        if self.shortfall is None:
            return False
        scale = max(self.notional_usd, self.shortfall.largest_usd)
        return self.shortfall.untied_usd <= TIE_TOLERANCE * scale


class SymbolConditions(Part):
    """One symbol as it was known before the session, and its own share basis and close.

    `volatility_fraction` is per bar over the cost model's window and ends one bar before the
    session. `price_factor` divides a price of the bar before into the session's share basis: 2
    for a two-for-one split, slightly over 1 for a dividend. `close_usd` is what later sessions
    measure markouts with.
    """

    symbol: str
    volatility_fraction: MeasuredOrNone
    price_factor: MeasuredOrNone
    close_usd: MeasuredOrNone


class SessionConditions(Part):
    """Regimes known at the close before a session, and its symbols; from real bars.

    The rule is that of the backtest (`backtest.regimes`): volatility by terciles of the
    universe's trailing volatilities seen so far, trend by the sign of its trailing return.
    """

    volatility_regime: Literal["calm", "normal", "turbulent", "unknown"]
    trend_regime: Literal["bull", "bear", "unknown"]
    symbols: tuple[SymbolConditions, ...]


class PaperTca(Record):
    """Transaction cost analysis of one candidate's paper session."""

    record_kind: ClassVar[str] = "paper-tca"

    candidate_id: str
    session: Session
    deployment_digest: Digest
    intents_digest: Digest
    orders_digest: Digest
    fills_digest: Digest
    cost_model_digest: Digest
    policies: dict[str, Digest] = Field(min_length=1)
    mode: Mode
    broker: str
    conditions: SessionConditions
    intents: int = Field(ge=0)
    unrouted_intents: int = Field(ge=0)
    unrouted_opportunity_usd: MeasuredOrNone
    orders: tuple[OrderCosts, ...]
    cancels: int = Field(ge=0)
    replaces: int = Field(ge=0)
    differences: int = Field(ge=0)
    open_orders: int = Field(ge=0)
    equity_before_usd: Measured = Field(gt=0)
    net_return_fraction: Measured
    turnover_fraction: Measured = Field(ge=0)

    @property
    def subject(self) -> str:
        """Candidate and session."""
        return f"{self.candidate_id}|{self.session}"

    @property
    def shortfall_bps(self) -> float | None:
        """Shortfall of the whole session in bps of what was ordered; `None` without orders."""
        measured = [o for o in self.orders if o.shortfall is not None]
        notional = sum(o.notional_usd for o in measured)
        if notional == 0:
            return None
        return 1e4 * sum(o.shortfall.total_usd for o in measured if o.shortfall) / notional

    @property
    def untied(self) -> tuple[OrderCosts, ...]:
        """Orders whose shortfall has parts that do not add up."""
        return tuple(o for o in self.orders if o.shortfall is not None and not o.ties)

    @property
    def unmeasured(self) -> tuple[OrderCosts, ...]:
        """Orders whose shortfall is not defined: no decision, arrival or end price."""
        return tuple(o for o in self.orders if o.shortfall is None)

    @property
    def verdict(self) -> Verdict:
        """`PASS` if every shortfall ties; an order that cannot be measured is inconclusive."""
        if self.untied:
            return Verdict.FAIL
        return Verdict.INCONCLUSIVE if self.unmeasured else Verdict.PASS
