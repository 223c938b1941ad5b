"""What one paper session leaves behind: deployment, intents, orders, fills.

Read in the order of the day. A `PaperDeployment` says what may trade and rests on a passing
gate report. Before the open of a session, `OrderIntents` hold what the strategy wants and what
the guardrails say; `PaperOrders` what the broker was asked; after the close, `PaperFills` what
happened and how it agrees with the broker. A session is the ISO date of one exchange trading
day; evidence about one is partitioned by `<candidate>|<session>`. Times are UTC, RFC 3339.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from torghut_assets.domain.records import Digest, Measured, MeasuredOrNone, Part, Record
from torghut_assets.domain.verdicts import Verdict

Side = Literal["buy", "sell"]
Mode = Literal["shadow", "paper"]
OrderType = Literal["market", "limit"]
Session = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Moment = Annotated[
    str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z$", max_length=30)
]
"""A time in UTC, e.g. `2022-01-03T14:30:00Z`."""

OrderStatus = Literal[
    "claimed",
    "submitted",
    "partially_filled",
    "filled",
    "cancelled",
    "rejected",
    "expired",
    "unknown",
]
"""`unknown`: submitted with an outcome nobody has read back. It is never submitted again before
the broker has said that it never got it; the key makes even that safe."""

Stance = Literal["full", "degrade", "abstain"]
"""What the drift report before a session leaves of the strategy's wishes: all of them, a fraction
(`PaperPolicy.degraded_fraction`; 1 always leaves all), or nothing that enlarges a position."""

FINAL_STATUSES: frozenset[str] = frozenset({"filled", "cancelled", "rejected", "expired"})


class Champion(Part):
    """The deployed configuration that a challenger must beat, and that a rollback restores."""

    candidate_id: str
    deployment_digest: Digest


class PaperDeployment(Record):
    """A candidate admitted to paper trading: what runs, with what, under which limits."""

    record_kind: ClassVar[str] = "paper-deployment"

    candidate_id: str
    snapshot_id: str
    gate_report_digest: Digest
    candidate_spec_digest: Digest
    strategy_build_digest: Digest
    target_weights_digest: Digest
    backtest_metrics_digest: Digest
    code_digest: Digest
    strategy_type: str
    strategy_version: str
    parameters: dict[str, int | Measured | bool | str]
    universe: str
    symbols: tuple[str, ...] = Field(min_length=1)
    mode: Mode
    broker: Literal["replay", "alpaca-paper"]
    budget_usd: Measured = Field(gt=0)
    champion: Champion | None
    policies: dict[str, Digest] = Field(min_length=1)

    @property
    def subject(self) -> str:
        """The candidate."""
        return self.candidate_id


class Position(Part):
    """Shares held of one symbol; negative is short."""

    symbol: str
    quantity: int
    price_usd: Measured = Field(gt=0)


class SymbolTarget(Part):
    """The weight that the strategy wants now, and the one that the backtest code gives."""

    symbol: str
    target_fraction: Measured
    reference_fraction: Measured


class OrderIntent(Part):
    """One order that the strategy wants. `key` makes it idempotent."""

    key: Digest
    symbol: str
    side: Side
    quantity: int = Field(gt=0)
    order_type: OrderType
    limit_price_usd: MeasuredOrNone
    decision_price_usd: Measured = Field(gt=0)
    target_fraction: Measured


class GuardrailFinding(Part):
    """One risk rule next to what was measured, both in `unit`. `symbol` is `None` for all."""

    rule: str
    symbol: str | None
    verdict: Verdict
    measured: MeasuredOrNone
    limit: MeasuredOrNone
    unit: str
    detail: str


class OrderIntents(Record):
    """What the strategy wants before a session opens, and whether it may have it."""

    record_kind: ClassVar[str] = "order-intents"

    candidate_id: str
    session: Session
    decided_on: Session
    deployment_digest: Digest
    bars_digest: Digest
    code_digest: Digest
    previous_fills_digest: Digest | None = None
    drift_report_digest: Digest | None = None
    stance: Stance = "full"
    equity_usd: Measured
    cash_usd: Measured
    positions: tuple[Position, ...]
    targets: tuple[SymbolTarget, ...]
    parity_sessions: int = Field(ge=0)
    parity_max_difference_fraction: MeasuredOrNone
    parity_tolerance_fraction: Measured = Field(ge=0)
    guardrails: tuple[GuardrailFinding, ...] = Field(min_length=1)
    intents: tuple[OrderIntent, ...]

    @property
    def subject(self) -> str:
        """Candidate and session."""
        return f"{self.candidate_id}|{self.session}"

    @property
    def parity_verdict(self) -> Verdict:
        """Whether live intents are those of the backtest; not compared is not passed."""
        if self.parity_max_difference_fraction is None or self.parity_sessions == 0:
            return Verdict.INCONCLUSIVE
        within = self.parity_max_difference_fraction <= self.parity_tolerance_fraction
        return Verdict.PASS if within else Verdict.FAIL

    @property
    def blocked_by(self) -> tuple[GuardrailFinding, ...]:
        """The findings that are not a pass."""
        return tuple(f for f in self.guardrails if f.verdict is not Verdict.PASS)


class PaperOrder(Part):
    """One order as the journal and the broker know it at the end of routing."""

    key: Digest
    symbol: str
    side: Side
    quantity: int = Field(gt=0)
    order_type: OrderType
    limit_price_usd: MeasuredOrNone
    status: OrderStatus
    broker_order_id: str | None
    decided_at: Moment
    submitted_at: Moment | None
    acknowledged_at: Moment | None
    reason: str | None


class PaperOrders(Record):
    """What the broker was asked for one session. In shadow mode `orders` is empty."""

    record_kind: ClassVar[str] = "paper-orders"

    candidate_id: str
    session: Session
    intents_digest: Digest
    deployment_digest: Digest
    mode: Mode
    broker: str
    journal_head: Digest
    orders: tuple[PaperOrder, ...]

    @property
    def subject(self) -> str:
        """Candidate and session."""
        return f"{self.candidate_id}|{self.session}"


class Fill(Part):
    """One execution. `fee_usd` is positive when it is paid."""

    fill_id: str = Field(min_length=1, max_length=120)
    key: Digest
    symbol: str
    side: Side
    quantity: int = Field(gt=0)
    price_usd: Measured = Field(gt=0)
    fee_usd: Measured
    filled_at: Moment


class SessionBar(Part):
    """One symbol's bar of the session, as the market data source has it; `None` if missing."""

    symbol: str
    open_usd: MeasuredOrNone
    high_usd: MeasuredOrNone
    low_usd: MeasuredOrNone
    close_usd: MeasuredOrNone
    volume_shares: MeasuredOrNone


class Difference(Part):
    """Something the journal and the broker do not agree on after the session."""

    what: Literal["position", "order", "fill", "cash"]
    name: str
    ours: str
    brokers: str


class PaperFills(Record):
    """What happened in one session, and how it agrees with the broker.

    Cash, equity and positions are the broker's, read back after the close. `turnover_fraction`
    is traded notional over equity before the session; `net_return_fraction` is the change of
    equity over the session, after fees.
    """

    record_kind: ClassVar[str] = "paper-fills"

    candidate_id: str
    session: Session
    orders_digest: Digest
    intents_digest: Digest
    deployment_digest: Digest
    bars_digest: Digest
    orders: tuple[PaperOrder, ...]
    fills: tuple[Fill, ...]
    bars: tuple[SessionBar, ...]
    positions: tuple[Position, ...]
    cash_usd: Measured
    equity_before_usd: Measured = Field(gt=0)
    equity_after_usd: Measured
    net_return_fraction: Measured
    turnover_fraction: Measured = Field(ge=0)
    cancels: int = Field(ge=0)
    replaces: int = Field(ge=0)
    differences: tuple[Difference, ...]

    @property
    def subject(self) -> str:
        """Candidate and session."""
        return f"{self.candidate_id}|{self.session}"

    @property
    def verdict(self) -> Verdict:
        """`PASS` if journal and broker agree on everything and no outcome is unknown."""
        open_ = [order for order in self.orders if order.status not in FINAL_STATUSES]
        return Verdict.FAIL if self.differences or open_ else Verdict.PASS
