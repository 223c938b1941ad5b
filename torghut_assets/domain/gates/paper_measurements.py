"""The measurements of gate 3, each with its interval where chance has a part in it.

Read `COUNTS` and `ESTIMATES`; `paper_policy.QUANTITIES` says what each means and in which unit.
"""

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from torghut_assets.domain.candidates.strategy import Floats
from torghut_assets.domain.errors import StatisticsInputError
from torghut_assets.domain.gates.evidence import Problem, UnusableEvidenceError, number
from torghut_assets.domain.gates.paper_evidence import (
    HIGH_VOLATILITY,
    NORMAL_VOLATILITY,
    NotYetMeasuredError,
    PaperGateEvidence,
    champion_window,
)
from torghut_assets.domain.gates.paper_intervals import (
    advantage_interval,
    certainty_equivalent,
    ratio_interval,
)
from torghut_assets.domain.gates.paper_policy import PaperGatePolicy
from torghut_assets.domain.tca.records import OrderCosts, PaperTca


class Estimate(NamedTuple):
    """A value and its interval; without a part of chance both bounds are the value.

    A bound of `None` says that there is no interval, so that nothing can be concluded.
    """

    value: float
    low: float | None
    high: float | None
    details: tuple[str, ...] = ()


Count = Callable[[PaperGateEvidence], Estimate]
Read = Callable[[PaperGateEvidence, PaperGatePolicy], Estimate]


def _exact(value: float, *details: str) -> Estimate:
    return Estimate(value, value, value, details)


def _missing_sessions(evidence: PaperGateEvidence) -> Estimate:
    if not evidence.expected_sessions:
        raise UnusableEvidenceError(Problem.MISSING_EVIDENCE, "the window has no session")
    return _exact(float(len(evidence.absent)), *evidence.absent)


def _summed(*fields: str) -> Count:
    """Sum of some counts of every session."""

    def read(evidence: PaperGateEvidence) -> Estimate:
        return _exact(sum(_count(r, name) for r in evidence.window for name in fields))

    return read


def _count(record: object, name: str) -> float:
    """Return a count; a negative one cannot exist and must not offset another."""
    value = number(record, name)
    if value < 0:
        raise UnusableEvidenceError(Problem.WRONG_SIGN, f"{name} is {value:g}")
    return value


def _untied(evidence: PaperGateEvidence) -> Estimate:
    bad = [
        f"{record.session} {row.symbol}"
        for record in evidence.window
        for row in record.orders
        if not row.ties
    ]
    return _exact(float(len(bad)), *bad)


def _sessions(evidence: PaperGateEvidence) -> Estimate:
    return _exact(float(len(evidence.window)))


def _filled(record: PaperTca) -> list[OrderCosts]:
    return [row for row in record.orders if row.filled_shares > 0]


def _filled_orders(evidence: PaperGateEvidence) -> Estimate:
    return _exact(float(sum(len(_filled(record)) for record in evidence.window)))


def _regime_sessions(*regimes: str) -> Count:
    def read(evidence: PaperGateEvidence) -> Estimate:
        labels = [record.conditions.volatility_regime for record in evidence.window]
        return _exact(float(sum(label in regimes for label in labels)))

    return read


def _excess(field: str) -> Read:
    """Notional-weighted cost less expectation, resampled by session."""

    def read(evidence: PaperGateEvidence, policy: PaperGatePolicy) -> Estimate:
        totals, weights = [], []
        for record in evidence.window:
            rows = _filled(record)
            if not rows:
                continue
            notional = np.array([_positive(row, "filled_notional_usd") for row in rows])
            over = [number(row, field) - number(row, "expected_cost_bps") for row in rows]
            totals.append(float(notional @ np.array(over)))
            weights.append(float(notional.sum()))
        if not totals:
            raise NotYetMeasuredError("no order was filled yet")
        found = Estimate(*ratio_interval(np.array(totals), np.array(weights), policy.resampling))
        found = found._replace(details=(f"{len(totals)} sessions with fills",))
        return _or_too_early(found, len(totals), policy.min_interval_sessions)

    return read


def _or_too_early(estimate: Estimate, sessions: int, needed: int) -> Estimate:
    """Take the interval away from an estimate of too few sessions: it concludes nothing."""
    return estimate if sessions >= needed else estimate._replace(low=None, high=None)


def _positive(row: OrderCosts, name: str) -> float:
    value = number(row, name)
    if value <= 0.0:
        raise UnusableEvidenceError(Problem.IMPOSSIBLE_VALUE, f"{name} is {value:g}")
    return value


def _submitted(record: PaperTca) -> list[OrderCosts]:
    """Orders that reached the broker; a rejected one did, too."""
    return [r for r in record.orders if r.latency_seconds is not None or r.status == "rejected"]


def _churn(evidence: PaperGateEvidence) -> Estimate:
    orders = _number_submitted(evidence)
    messages = sum(_count(r, name) for r in evidence.window for name in ("cancels", "replaces"))
    return _exact(messages / orders, f"{messages:g} messages, {orders} orders")


def _reject_rate(evidence: PaperGateEvidence) -> Estimate:
    orders = _number_submitted(evidence)
    rejected = sum(row.status == "rejected" for r in evidence.window for row in r.orders)
    return _exact(rejected / orders, f"{rejected} of {orders} orders")


def _number_submitted(evidence: PaperGateEvidence) -> int:
    orders = sum(len(_submitted(record)) for record in evidence.window)
    if orders == 0:
        raise NotYetMeasuredError("no order was submitted yet")
    return orders


def _unfilled_share(evidence: PaperGateEvidence) -> Estimate:
    wanted = filled = 0.0
    for record in evidence.window:
        for row in record.orders:
            notional = _positive(row, "notional_usd")
            wanted += notional
            filled += notional * number(row, "fill_rate_fraction")
    if wanted == 0.0:
        raise NotYetMeasuredError("nothing was ordered yet")
    return _exact(round(1.0 - filled / wanted, 12))


def _policy_changes(evidence: PaperGateEvidence) -> Estimate:
    changes = []
    for before, after in zip(evidence.window, evidence.window[1:], strict=False):
        names = sorted({*before.policies, *after.policies})
        changed = [n for n in names if before.policies.get(n) != after.policies.get(n)]
        changes += [f"{after.session}: {name}" for name in changed]
    return _exact(float(len(changes)), *changes)


class RegimeReturns(NamedTuple):
    """Net returns of the challenger and of its reference in one regime, or in all."""

    regime: str
    challenger: Floats
    reference: Floats


def returns_by_regime(evidence: PaperGateEvidence) -> tuple[RegimeReturns, ...]:
    """Net returns of the window, of all sessions first, then by volatility regime.

    Without a champion the reference is cash, whose return is 0.

    Raises
    ------
    UnusableEvidenceError
        If a record of the window, or of the champion in it, is missing.
    """
    window = evidence.window
    ours = np.array([number(record, "net_return_fraction") for record in window])
    theirs = np.zeros(len(window))
    if evidence.champion_id is not None:
        champion = champion_window(evidence)
        theirs = np.array([number(record, "net_return_fraction") for record in champion])
    labels = np.array([record.conditions.volatility_regime for record in window])
    found = [RegimeReturns("all", ours, theirs)]
    for name, members in (
        ("high_volatility", (HIGH_VOLATILITY,)),
        ("normal_volatility", NORMAL_VOLATILITY),
    ):
        inside = np.isin(labels, members)
        found.append(RegimeReturns(name, ours[inside], theirs[inside]))
    return tuple(found)


def advantage(returns: RegimeReturns, policy: PaperGatePolicy) -> Estimate:
    """Annual certainty equivalent of the challenger less that of its reference."""
    try:
        found = advantage_interval(
            returns.challenger, returns.reference, policy.risk_aversion, policy.resampling
        )
    except StatisticsInputError as error:
        raise UnusableEvidenceError(Problem.IMPOSSIBLE_VALUE, str(error)) from error
    low, high = (None if x is None else x * policy.periods_per_year for x in found[1:])
    n = returns.challenger.size
    estimate = Estimate(
        found[0] * policy.periods_per_year, low, high, (f"{n} sessions, {returns.regime}",)
    )
    in_all = returns.regime == "all"
    needed = policy.min_interval_sessions if in_all else policy.min_regime_sessions
    return _or_too_early(estimate, n, needed)


def annual_equivalent(returns: Floats, policy: PaperGatePolicy) -> float:
    """Certainty equivalent of some net returns, per year."""
    return float(certainty_equivalent(returns, policy.risk_aversion)) * policy.periods_per_year


def _advantage_of_all(evidence: PaperGateEvidence, policy: PaperGatePolicy) -> Estimate:
    return advantage(returns_by_regime(evidence)[0], policy)


def _worst_regime(evidence: PaperGateEvidence, policy: PaperGatePolicy) -> Estimate:
    """Return the smallest advantage: the smallest value, lower bound and upper bound."""
    enough = [
        returns
        for returns in returns_by_regime(evidence)[1:]
        if returns.challenger.size >= policy.min_regime_sessions
    ]
    if not enough:
        raise NotYetMeasuredError(f"no regime has {policy.min_regime_sessions} sessions yet")
    found = [advantage(returns, policy) for returns in enough]
    worst = Estimate(
        min(estimate.value for estimate in found),
        min((e.low for e in found if e.low is not None), default=None),
        min((e.high for e in found if e.high is not None), default=None),
        tuple(detail for estimate in found for detail in estimate.details),
    )
    return _or_too_early(worst, len(evidence.window), policy.min_interval_sessions)


COUNTS: Final[dict[str, Count]] = {
    "missing_sessions": _missing_sessions,
    "unexplained_differences": _summed("differences", "open_orders"),
    "untied_orders": _untied,
    "sessions": _sessions,
    "filled_orders": _filled_orders,
    "high_volatility_sessions": _regime_sessions(HIGH_VOLATILITY),
    "normal_volatility_sessions": _regime_sessions(*NORMAL_VOLATILITY),
    "churn": _churn,
    "reject_rate": _reject_rate,
    "unfilled_share": _unfilled_share,
    "policy_changes": _policy_changes,
}
"""Measurements in which chance has no part."""

ESTIMATES: Final[dict[str, Read]] = {
    "slippage_excess": _excess("interval_cost_bps"),
    "shortfall_bias": _excess("realised_cost_bps"),
    "advantage": _advantage_of_all,
    "worst_regime_advantage": _worst_regime,
}
"""Measurements with an interval, which the policy says how to resample."""


def measure_paper(
    name: str, evidence: PaperGateEvidence, policy: PaperGatePolicy
) -> tuple[Estimate | None, Problem | None, tuple[str, ...]]:
    """Take one measurement; whatever is wrong with the evidence is returned, not raised."""
    try:
        count = COUNTS.get(name)
        found = ESTIMATES[name](evidence, policy) if count is None else count(evidence)
    except NotYetMeasuredError as error:
        return None, Problem.NOT_MEASURED, (str(error),)
    except UnusableEvidenceError as error:
        # An empty value in a record that exists is missing evidence, not evidence to come.
        empty = error.problem is Problem.NOT_MEASURED
        return None, Problem.MISSING_EVIDENCE if empty else error.problem, (str(error),)
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        # A value of another type, deep in a record that was never validated.
        return None, Problem.WRONG_TYPE, (f"{type(error).__name__}: {error}"[:200],)
    if not all(math.isfinite(x) for x in found[:3] if x is not None):
        return None, Problem.INFINITE, found.details
    return found, None, found.details
