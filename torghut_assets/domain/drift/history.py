"""What a drift report looks at: the sessions since the deployment, as plain numbers.

A session's three records are read once and reduced to `SessionFacts`; `DriftEvidence` holds one
per session that the exchange calendar says there was, or `None` where a record is missing.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from torghut_assets.domain.drift.records import EvidenceRef, SessionRef
from torghut_assets.domain.drift.reference import DriftReference
from torghut_assets.domain.errors import EvidenceContradictionError, EvidenceError
from torghut_assets.domain.orders.records import (
    FINAL_STATUSES,
    OrderIntents,
    PaperDeployment,
    PaperFills,
    SessionBar,
)
from torghut_assets.domain.tca.inputs import Floats
from torghut_assets.domain.tca.records import PaperTca

BAR_FIELDS = ("open_usd", "high_usd", "low_usd", "close_usd", "volume_shares")


@dataclass(frozen=True)
class TradedCost:
    """One filled order: notional in USD, costs in bps of it, `None` if not known."""

    notional_usd: float
    realised_bps: float | None
    expected_bps: float | None
    volatility_fraction: float | None


@dataclass(frozen=True)
class SessionFacts:
    """One session of one candidate.

    Attributes
    ----------
    bars : ndarray of shape (n_symbols, 5)
        Open, high, low, close, volume by symbol of the deployment; NaN if missing.
    targets : ndarray of shape (n_symbols,)
        Target weights, fractions of equity; NaN if the strategy said nothing of a symbol.
    foreign_bars : int
        Bars of symbols that the deployment does not trade, and second bars of one symbol.
    gross_fraction, largest_fraction : float
        Positions after the close, of the equity after it; infinite without equity.
    costs : tuple of TradedCost
        One per order that was filled at least in part.
    shortfalls_usd : tuple of float or None
        One per order; `None` if it is not defined.
    """

    session: str
    refs: SessionRef
    decided_on: str
    deployment_digest: str
    net_return_fraction: float
    bars: Floats
    targets: Floats
    foreign_bars: int
    gross_fraction: float
    largest_fraction: float
    parity_difference_fraction: float | None
    blocked_guardrails: int
    unexplained: int
    costs: tuple[TradedCost, ...]
    shortfalls_usd: tuple[float | None, ...]
    ordered_notional_usd: float

    @property
    def target_gross_fraction(self) -> float:
        """Sum of the absolute target weights."""
        return float(np.abs(self.targets).sum())


def session_facts(
    intents: OrderIntents, fills: PaperFills, tca: PaperTca, deployment: PaperDeployment
) -> SessionFacts:
    """Reduce the records of one session.

    Raises
    ------
    EvidenceContradictionError
        If they are about different sessions, decisions, fills or deployments.
    """
    where = f"session {intents.session} of {intents.candidate_id}"
    for name, found, expected in (
        ("fills", fills.subject, intents.subject),
        ("costs", tca.subject, intents.subject),
        ("fills' intents", fills.intents_digest, intents.digest),
        ("costs' fills", tca.fills_digest, fills.digest),
        ("intents' deployment", intents.deployment_digest, deployment.digest),
        ("fills' deployment", fills.deployment_digest, deployment.digest),
    ):
        if found != expected:
            raise EvidenceContradictionError(
                location=where, found=f"{name} of {found}", expected=expected
            )
    equity = fills.equity_after_usd
    held = [abs(p.quantity * p.price_usd) for p in fills.positions]
    targets = {target.symbol: target.target_fraction for target in intents.targets}
    return SessionFacts(
        session=intents.session,
        refs=SessionRef(
            session=intents.session,
            intents_digest=intents.digest,
            fills_digest=fills.digest,
            tca_digest=tca.digest,
        ),
        decided_on=intents.decided_on,
        deployment_digest=deployment.digest,
        net_return_fraction=fills.net_return_fraction,
        bars=_bar_table(fills.bars, deployment.symbols),
        targets=np.array([targets.get(s, math.nan) for s in deployment.symbols]),
        foreign_bars=_foreign(fills.bars, deployment.symbols),
        gross_fraction=sum(held) / equity if equity > 0 else math.inf,
        largest_fraction=max(held, default=0.0) / equity if equity > 0 else math.inf,
        parity_difference_fraction=(
            intents.parity_max_difference_fraction if intents.parity_sessions else None
        ),
        blocked_guardrails=len(intents.blocked_by),
        unexplained=len(fills.differences)
        + sum(order.status not in FINAL_STATUSES for order in fills.orders),
        costs=tuple(
            TradedCost(
                order.filled_notional_usd,
                order.realised_cost_bps,
                order.expected_cost_bps,
                order.volatility_fraction,
            )
            for order in tca.orders
            if order.filled_shares
        ),
        shortfalls_usd=tuple(
            order.shortfall.total_usd if order.shortfall else None for order in tca.orders
        ),
        ordered_notional_usd=sum(order.notional_usd for order in tca.orders),
    )


def _bar_table(bars: tuple[SessionBar, ...], symbols: tuple[str, ...]) -> Floats:
    known = {bar.symbol: bar for bar in bars}
    rows = np.full((len(symbols), len(BAR_FIELDS)), np.nan)
    for row, symbol in zip(rows, symbols, strict=True):
        if bar := known.get(symbol):
            values = [getattr(bar, name) for name in BAR_FIELDS]
            row[:] = [math.nan if value is None else value for value in values]
    return rows


def _foreign(bars: tuple[SessionBar, ...], symbols: tuple[str, ...]) -> int:
    names = [bar.symbol for bar in bars]
    return len(names) - len(set(names) & set(symbols))


@dataclass(frozen=True)
class DriftEvidence:
    """Everything that one report is computed from.

    Attributes
    ----------
    expected : tuple of str
        Sessions from the deployment's first through this one, by the exchange calendar; empty
        if the deployment never traded.
    facts : mapping of str to SessionFacts
        Those of `expected` whose records are all there and agree.
    previous : tuple of SessionRef or None
        What the report of the session before rested on; `None` if there is no such report.
    decision_age_sessions : int or None
        Sessions from the decision's close to this session.
    reference : DriftReference or None
        What the backtest saw; `None` if its records are missing.
    gross_limit_fraction, position_limit_fraction : float or None
        Of the risk limits in force.
    """

    candidate_id: str
    session: str
    deployment: PaperDeployment | None
    expected: tuple[str, ...]
    facts: Mapping[str, SessionFacts]
    previous: tuple[SessionRef, ...] | None
    decision_age_sessions: int | None
    reference: DriftReference | None
    gross_limit_fraction: float | None
    position_limit_fraction: float | None
    inputs: tuple[EvidenceRef, ...] = field(default=())

    def now(self) -> SessionFacts:
        """Facts of this session.

        Raises
        ------
        EvidenceError
            If a record of it is missing or contradicts another.
        """
        return self._of(self.session)

    def since_deployment(self) -> tuple[SessionFacts, ...]:
        """Facts of every session since the first; raises `EvidenceError` if one is missing."""
        if not self.expected:
            raise EvidenceError(f"{self.candidate_id}: no session was traded.")
        return tuple(self._of(session) for session in self.expected)

    def trailing(self, n_sessions: int) -> tuple[SessionFacts, ...]:
        """Facts of at most the last `n_sessions`; raises `EvidenceError` if one is missing."""
        return self.since_deployment()[-n_sessions:]

    def seen(self) -> DriftReference:
        """Return the reference; raises `EvidenceError` if it is missing."""
        if self.reference is None:
            raise EvidenceError(f"{self.candidate_id}: the backtest's records are missing.")
        return self.reference

    def _of(self, session: str) -> SessionFacts:
        facts = self.facts.get(session)
        if facts is None:
            raise EvidenceError(f"{self.candidate_id}: session {session} has no usable records.")
        return facts
