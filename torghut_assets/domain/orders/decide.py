"""What a candidate wants to trade in one session, and whether it may: one pure decision.

Read `decide_session`. Live weights come from the bars that were known; they are compared with
what the backtest code gives for the same session, and with the evaluated weights where both
exist. Then they are limited, sized and judged by every guardrail.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from torghut_assets.domain.backtest.records import RiskLimits
from torghut_assets.domain.candidates.strategy import Floats
from torghut_assets.domain.orders.guardrails import KillState, Situation, judge_guardrails
from torghut_assets.domain.orders.limits import OrderLimits
from torghut_assets.domain.orders.policy import PaperPolicy
from torghut_assets.domain.orders.reconcile import Holdings
from torghut_assets.domain.orders.records import (
    OrderIntents,
    PaperDeployment,
    Stance,
    SymbolTarget,
)
from torghut_assets.domain.orders.sizing import Book, OrderStyle, size_orders


@dataclass(frozen=True)
class Parity:
    """Evaluated weights next to those of the live code: bars compared, largest difference."""

    sessions: int
    max_difference_fraction: float | None


@dataclass(frozen=True)
class Market:
    """What is known of the market at the decision, by symbol; `None` is not known."""

    bars_digest: str
    closes_usd: Mapping[str, float | None]
    sessions_behind: Mapping[str, int | None]
    average_volume_shares: Mapping[str, float | None]


@dataclass(frozen=True)
class Account:
    """What is held, and what was sent lately.

    `cooling` names the symbols whose last order was filled within the account's cooldown.
    """

    holdings: Holdings
    previous_fills_digest: str | None
    cooling: frozenset[str]
    recent_messages: int | None
    kill: KillState


@dataclass(frozen=True)
class Watch:
    """What the drift report of the session before calls for, and its digest.

    No report where there should be one calls for `abstain`; the first session of a deployment
    has none.
    """

    stance: Stance = "full"
    report_digest: str | None = None


@dataclass(frozen=True)
class SessionEvidence:
    """Everything that a session's intents are decided from."""

    deployment: PaperDeployment
    session: str
    decided_on: str
    session_is_open: bool
    live: Mapping[str, float]
    reference: Mapping[str, float]
    overlap: Parity
    market: Market
    account: Account
    watch: Watch = Watch()


def compare_weights(stored: Floats, again: Floats, sessions: int) -> Parity:
    """Compare evaluated weights with those of the live code, the newest sessions.

    Parameters
    ----------
    stored, again : ndarray of shape (n_bars, n_symbols)
        The same bars and symbols in the same order.
    sessions : int
        How many bars from the end to compare.

    Returns
    -------
    Parity
        The difference is `None` if nothing was compared or a weight is not finite.
    """
    if stored.shape != again.shape or stored.size == 0:
        return Parity(0, None)
    difference = np.abs(stored[-sessions:] - again[-sessions:])
    largest = float(difference.max())
    return Parity(len(difference), largest if math.isfinite(largest) else None)


def decide_session(
    evidence: SessionEvidence, limits: OrderLimits, risk_limits: RiskLimits, policy: PaperPolicy
) -> OrderIntents:
    """Return the intents of a session with every finding about them.

    Raises
    ------
    BadInputError
        If a live weight or the equity is not a finite number.
    """
    deployment, account, market = evidence.deployment, evidence.account, evidence.market
    equity, stance = account.holdings.equity_usd, evidence.watch.stance
    share = policy.degraded_fraction if stance == "degrade" else 1.0
    frozen = frozenset({*evidence.live, *account.holdings.shares}) if stance == "abstain" else ()
    intents = size_orders(
        {symbol: share * weight for symbol, weight in evidence.live.items()},
        market.closes_usd,
        Book(
            sizing_equity(equity, policy),
            account.holdings.shares,
            account.cooling.union(frozen),
        ),
        risk_limits,
        OrderStyle(
            candidate_id=deployment.candidate_id,
            session=evidence.session,
            deployment_digest=deployment.digest,
            limit_offset_fraction=policy.limit_offset_fraction,
            reversal=policy.reversal,
        ),
    )
    situation = Situation(
        kill=account.kill,
        session_is_open=evidence.session_is_open,
        budget_usd=deployment.budget_usd,
        equity_usd=equity,
        positions=account.holdings.positions,
        intents=intents,
        last_close_usd=market.closes_usd,
        sessions_behind=market.sessions_behind,
        average_volume_shares=market.average_volume_shares,
        recent_messages=account.recent_messages,
    )
    parity = _parity(evidence)
    return OrderIntents(
        candidate_id=deployment.candidate_id,
        session=evidence.session,
        decided_on=evidence.decided_on,
        deployment_digest=deployment.digest,
        bars_digest=market.bars_digest,
        code_digest=deployment.code_digest,
        previous_fills_digest=account.previous_fills_digest,
        drift_report_digest=evidence.watch.report_digest,
        stance=stance,
        equity_usd=equity,
        cash_usd=account.holdings.cash_usd,
        positions=account.holdings.positions,
        targets=tuple(
            SymbolTarget(
                symbol=symbol,
                target_fraction=evidence.live[symbol],
                reference_fraction=evidence.reference[symbol],
            )
            for symbol in sorted(evidence.live)
        ),
        parity_sessions=parity.sessions,
        parity_max_difference_fraction=parity.max_difference_fraction,
        parity_tolerance_fraction=policy.parity_tolerance_fraction,
        guardrails=judge_guardrails(situation, limits),
        intents=intents,
    )


def sizing_equity(equity_usd: float, policy: PaperPolicy) -> float:
    """Return the equity that weights are fractions of.

    The replay account is the candidate's own. An outside account may hold more than the
    budget, and no more than the budget is traded.
    """
    return equity_usd if policy.broker == "replay" else min(equity_usd, policy.budget_usd)


def _parity(evidence: SessionEvidence) -> Parity:
    """Join the comparison of the past with that of the session itself; both must be there."""
    overlap = evidence.overlap
    now = [
        abs(weight - evidence.reference.get(symbol, math.nan))
        for symbol, weight in evidence.live.items()
    ]
    if overlap.max_difference_fraction is None or overlap.sessions == 0 or not now:
        return Parity(0, None)
    if not all(math.isfinite(difference) for difference in now):
        return Parity(0, None)
    return Parity(overlap.sessions + 1, max(overlap.max_difference_fraction, *now))
