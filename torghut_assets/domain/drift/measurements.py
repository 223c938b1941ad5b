"""The closed list of what a drift policy limits: every one of these, and nothing else."""

import math
from typing import Final

import numpy as np

from torghut_assets.domain.drift.conformal import Coverage, coverage_of, per_exposure
from torghut_assets.domain.drift.data_readings import DATA_MEASUREMENTS, WEIGHT_MEASUREMENT
from torghut_assets.domain.drift.history import DriftEvidence, SessionFacts
from torghut_assets.domain.drift.measuring import Measurement, MonitorSettings, Observed
from torghut_assets.domain.drift.path_statistics import (
    cusum_down,
    deepest_drawdown,
    ratio_shortfall,
    share_at_least,
)
from torghut_assets.domain.drift.reference import exposure_during
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.tca.inputs import Floats


def _parity(evidence: DriftEvidence, _: MonitorSettings) -> Observed:
    difference = evidence.now().parity_difference_fraction
    if difference is None:
        raise EvidenceError("the live weights were not compared with those of the backtest.")
    return Observed(difference, 1)


def _coverage(evidence: DriftEvidence, settings: MonitorSettings) -> Coverage | None:
    """Coverage over the window; `None` if the candidate held nothing in it."""
    window = evidence.trailing(settings.window_sessions)
    targets = np.array([facts.target_gross_fraction for facts in window])
    held = np.array([facts.gross_fraction for facts in window])
    earned = np.array([facts.net_return_fraction for facts in window])
    exposures = np.maximum(targets, exposure_during(held))
    outcomes = per_exposure(earned, exposures)
    return coverage_of(evidence.seen().interval, outcomes) if outcomes.size else None


def _coverage_error(evidence: DriftEvidence, settings: MonitorSettings) -> Observed:
    found = _coverage(evidence, settings)
    if found is None:  # nothing was promised and nothing kept: as if no outcome were covered
        return Observed(evidence.seen().interval.target, 0, "nothing was held, no outcome")
    return Observed(
        found.error,
        found.outcomes,
        f"{found.covered} of {found.outcomes} outcomes covered, {found.target:g} promised",
    )


def _coverage_probability(evidence: DriftEvidence, settings: MonitorSettings) -> Observed:
    found = _coverage(evidence, settings)
    if found is None:
        return Observed(1.0, 0, "nothing was held, no outcome")
    among = evidence.seen().misses[:, found.outcomes - 1]
    return Observed(share_at_least(found.missed, among), found.outcomes)


def _unexplained(evidence: DriftEvidence, _: MonitorSettings) -> Observed:
    return Observed(evidence.now().unexplained, 1)


def _excess_costs(window: tuple[SessionFacts, ...]) -> tuple[float, float, float]:
    """Sum of costs beyond expectation, filled notional and standard deviation of the sum, USD."""
    excess = notional = variance = 0.0
    for facts in window:
        deviation = 0.0
        for cost in facts.costs:
            parts = (cost.realised_bps, cost.expected_bps, cost.volatility_fraction)
            if any(part is None for part in parts):
                raise EvidenceError(f"session {facts.session}: the cost of a fill is not known.")
            realised, expected, volatility = (float(part or 0.0) for part in parts)
            excess += (realised - expected) / 1e4 * cost.notional_usd
            notional += cost.notional_usd
            deviation += volatility * cost.notional_usd
        variance += deviation**2
    return excess, notional, math.sqrt(variance)


def _cost_excess(evidence: DriftEvidence, settings: MonitorSettings) -> Observed:
    window = evidence.trailing(settings.window_sessions)
    excess, notional, _ = _excess_costs(window)
    if notional == 0.0:
        return Observed(0.0, len(window), "nothing was filled")
    return Observed(excess / notional * 1e4, len(window), f"{notional:.0f} USD filled")


def _cost_excess_errors(evidence: DriftEvidence, settings: MonitorSettings) -> Observed:
    window = evidence.trailing(settings.window_sessions)
    excess, notional, deviation = _excess_costs(window)
    if notional == 0.0:
        return Observed(0.0, len(window), "nothing was filled")
    if deviation == 0.0:
        raise EvidenceError("fills of symbols without volatility: their costs cannot be judged.")
    return Observed(excess / deviation, len(window))


def _shortfall(evidence: DriftEvidence, settings: MonitorSettings) -> Observed:
    window = evidence.trailing(settings.window_sessions)
    known = [usd for facts in window for usd in facts.shortfalls_usd if usd is not None]
    notional = sum(facts.ordered_notional_usd for facts in window)
    if notional == 0.0:
        return Observed(0.0, len(window), "nothing was ordered")
    return Observed(sum(known) / notional * 1e4, len(window), f"{notional:.0f} USD ordered")


def _unmeasured(evidence: DriftEvidence, settings: MonitorSettings) -> Observed:
    window = evidence.trailing(settings.window_sessions)
    all_orders = [usd for facts in window for usd in facts.shortfalls_usd]
    unmeasured = sum(usd is None for usd in all_orders)
    return Observed(unmeasured / len(all_orders) if all_orders else 0.0, len(window))


def _returns(evidence: DriftEvidence) -> Floats:
    return np.array([facts.net_return_fraction for facts in evidence.since_deployment()])


def _cusum(evidence: DriftEvidence, settings: MonitorSettings) -> Observed:
    live = _returns(evidence)
    slack = settings.cusum_slack_deviations
    return Observed(cusum_down(live, evidence.seen().level, slack), len(live))


def _cusum_probability(evidence: DriftEvidence, settings: MonitorSettings) -> Observed:
    highest, n, _ = _cusum(evidence, settings)
    return Observed(share_at_least(highest, evidence.seen().fan(n).cusums[:, n - 1]), n)


def _sharpe_shortfall(evidence: DriftEvidence, _: MonitorSettings) -> Observed:
    live, level = _returns(evidence), evidence.seen().level
    detail = (
        f"{live.mean() / level.deviation:.4f} per session against {level.ratio:.4f} in the backtest"
    )
    return Observed(ratio_shortfall(live, level), len(live), detail)


def _drawdown_probability(evidence: DriftEvidence, _: MonitorSettings) -> Observed:
    live = _returns(evidence)
    deepest, n = deepest_drawdown(live), len(live)
    among = evidence.seen().fan(n).drawdowns[:, n - 1]
    return Observed(share_at_least(deepest, among), n, f"drawdown {deepest:.4f}")


def _drawdown(evidence: DriftEvidence, _: MonitorSettings) -> Observed:
    live = _returns(evidence)
    return Observed(deepest_drawdown(live), len(live))


def _session_loss(evidence: DriftEvidence, _: MonitorSettings) -> Observed:
    return Observed(max(0.0, -evidence.now().net_return_fraction), 1)


def _use(held: float, limit: float | None) -> Observed:
    if limit is None or limit <= 0.0:
        raise EvidenceError("the risk limits in force are missing.")
    return Observed(held / limit, 1, f"{held:.4f} held, {limit:g} allowed")


def _gross_use(evidence: DriftEvidence, _: MonitorSettings) -> Observed:
    return _use(evidence.now().gross_fraction, evidence.gross_limit_fraction)


def _position_use(evidence: DriftEvidence, _: MonitorSettings) -> Observed:
    return _use(evidence.now().largest_fraction, evidence.position_limit_fraction)


def _blocked(evidence: DriftEvidence, _: MonitorSettings) -> Observed:
    return Observed(evidence.now().blocked_guardrails, 1)


_ALL: Final = (
    *DATA_MEASUREMENTS,
    WEIGHT_MEASUREMENT,
    Measurement(
        "parity_difference",
        "model",
        "fraction",
        "at_most",
        "Largest difference between live target weights and those of the backtest's code.",
        _parity,
    ),
    Measurement(
        "interval_coverage_error",
        "model",
        "fraction",
        "at_most",
        "|share of returns inside their conformal interval - promised share|, either way.",
        _coverage_error,
    ),
    Measurement(
        "interval_coverage_probability",
        "model",
        "probability",
        "at_least",
        "Share of bootstrap paths of the backtest with at least as many misses.",
        _coverage_probability,
    ),
    Measurement(
        "unexplained_differences",
        "execution",
        "count",
        "at_most",
        "Positions, orders, fills and cash on which journal and broker differ, and orders whose "
        "outcome is not known.",
        _unexplained,
    ),
    Measurement(
        "cost_excess",
        "execution",
        "bps",
        "at_most",
        "Trading cost and fees beyond what the cost model says, of the filled notional.",
        _cost_excess,
    ),
    Measurement(
        "cost_excess_errors",
        "execution",
        "standard_errors",
        "at_most",
        "The same over the deviation that the symbols' own volatility explains.",
        _cost_excess_errors,
    ),
    Measurement(
        "shortfall",
        "execution",
        "bps",
        "at_most",
        "Implementation shortfall of the ordered notional.",
        _shortfall,
    ),
    Measurement(
        "unmeasured_order_share",
        "execution",
        "fraction",
        "at_most",
        "Share of the orders whose shortfall is not defined.",
        _unmeasured,
    ),
    Measurement(
        "cusum_down",
        "performance",
        "deviations",
        "at_most",
        "Highest lower CUSUM of net returns since the deployment, in the backtest's deviations.",
        _cusum,
    ),
    Measurement(
        "cusum_probability",
        "performance",
        "probability",
        "at_least",
        "Share of bootstrap paths of the backtest whose CUSUM was at least this high by now.",
        _cusum_probability,
    ),
    Measurement(
        "sharpe_shortfall",
        "performance",
        "standard_errors",
        "at_most",
        "Live Sharpe ratio, at the backtest's deviation, below the backtest's.",
        _sharpe_shortfall,
    ),
    Measurement(
        "drawdown_probability",
        "performance",
        "probability",
        "at_least",
        "Share of bootstrap paths of the backtest with a drawdown at least this deep by now.",
        _drawdown_probability,
    ),
    Measurement(
        "drawdown",
        "risk",
        "fraction",
        "at_most",
        "Deepest fall of the account from an earlier peak since the deployment.",
        _drawdown,
    ),
    Measurement(
        "session_loss", "risk", "fraction", "at_most", "Net loss of the session.", _session_loss
    ),
    Measurement(
        "gross_limit_use",
        "risk",
        "fraction",
        "at_most",
        "Gross exposure after the close over the gross limit in force.",
        _gross_use,
    ),
    Measurement(
        "position_limit_use",
        "risk",
        "fraction",
        "at_most",
        "Largest position after the close over the position limit in force.",
        _position_use,
    ),
    Measurement(
        "blocked_guardrails",
        "risk",
        "count",
        "at_most",
        "Guardrails in front of the session's orders that did not pass.",
        _blocked,
    ),
)

MEASUREMENTS: Final[dict[str, Measurement]] = {m.name: m for m in _ALL}
"""By name, in the order of a report."""
