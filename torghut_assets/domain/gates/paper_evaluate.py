"""Gate 3: has paper trading shown, over a long enough window, what the backtest promised?

Read `evaluate_paper_gate` first. Bad evidence becomes a failed limit with its reason; too
little evidence is inconclusive; neither passes.
"""

from torghut_assets.domain.gates.evidence import UnusableEvidenceError
from torghut_assets.domain.gates.paper_evidence import PaperGateEvidence
from torghut_assets.domain.gates.paper_measurements import (
    RegimeReturns,
    advantage,
    annual_equivalent,
    measure_paper,
    returns_by_regime,
)
from torghut_assets.domain.gates.paper_policy import PaperGatePolicy, PaperLimit
from torghut_assets.domain.gates.paper_records import (
    PaperGateReport,
    PaperLimitResult,
    RegimeComparison,
    SessionRef,
    WindowMarkout,
)
from torghut_assets.domain.records import Record
from torghut_assets.domain.tca.aggregate import later_markouts

__all__ = ["PaperGateEvidence", "evaluate_paper_gate"]

_DETAILS_SHOWN = 12


def evaluate_paper_gate(
    evidence: PaperGateEvidence, policy: PaperGatePolicy, *, code_version: str
) -> PaperGateReport:
    """Compare every limit of the policy with its measurement over the window.

    Parameters
    ----------
    evidence : PaperGateEvidence
        Every session since deployment, or the last `max_window_sessions` of them.
    policy : PaperGatePolicy
    code_version : str
        Version or digest of the deciding code, for the record.

    Returns
    -------
    PaperGateReport
        Byte-identical for the same evidence, policy and code version.

    Notes
    -----
    Fails closed: removing a record or a value, or replacing one by a worse one, never improves
    the verdict (`paper_intervals` says how the intervals manage that).
    """
    champion = evidence.champion_id
    return PaperGateReport(
        candidate_id=evidence.candidate_id,
        session=evidence.session,
        policy_version=policy.policy_version,
        policy_digest=policy.digest,
        code_version=code_version,
        deployment_digest=evidence.deployment_digest,
        reference="cash" if champion is None else "champion",
        champion_id=champion,
        window=tuple(
            SessionRef(
                session=session,
                tca_digest=_digest(evidence, evidence.records.get(session)),
                champion_tca_digest=_digest(evidence, evidence.champion_records.get(session)),
            )
            for session in evidence.expected_sessions or (evidence.session,)
        ),
        limits=tuple(_compare(limit, evidence, policy) for limit in policy.limits),
        regimes=_regimes(evidence, policy),
        markouts=_markouts(evidence),
    )


def _digest(evidence: PaperGateEvidence, record: object) -> str | None:
    """Digest of a record; `None` if it is missing or cannot be written."""
    if not isinstance(record, Record):
        return None
    try:
        return evidence.digests.get(str(record.subject)) or record.digest
    except (ValueError, TypeError):
        return None


def _compare(
    limit: PaperLimit, evidence: PaperGateEvidence, policy: PaperGatePolicy
) -> PaperLimitResult:
    estimate, problem, details = measure_paper(limit.measurement, evidence, policy)
    shown = tuple(detail[:200] for detail in details[:_DETAILS_SHOWN])
    more = len(details) - len(shown)
    return PaperLimitResult(
        measurement=limit.measurement,
        bound=limit.bound,
        limit=limit.limit,
        unit=limit.unit,
        on_breach=limit.on_breach,
        breach_code=limit.reason_code,
        reason_class=limit.reason_class,
        source=limit.source,
        measured=None if estimate is None else estimate.value,
        low=None if estimate is None else estimate.low,
        high=None if estimate is None else estimate.high,
        problem=problem,
        details=(*shown, f"and {more} more") if more else shown,
    )


def _regimes(evidence: PaperGateEvidence, policy: PaperGatePolicy) -> tuple[RegimeComparison, ...]:
    """Compare by regime; empty if the returns cannot be read, which the limits say, too."""
    try:
        return tuple(_comparison(item, policy) for item in returns_by_regime(evidence))
    except (UnusableEvidenceError, TypeError, ValueError, AttributeError):
        return ()


def _comparison(returns: RegimeReturns, policy: PaperGatePolicy) -> RegimeComparison:
    n = returns.challenger.size
    found = advantage(returns, policy) if n else None
    return RegimeComparison.model_validate(
        {
            "regime": returns.regime,
            "sessions": n,
            "challenger_annual": annual_equivalent(returns.challenger, policy) if n else None,
            "reference_annual": annual_equivalent(returns.reference, policy) if n else None,
            "difference_annual": found.value if found else None,
            "low_annual": found.low if found else None,
            "high_annual": found.high if found else None,
        }
    )


def _markouts(evidence: PaperGateEvidence) -> tuple[WindowMarkout, ...]:
    """Moves after the fills, for information; empty if the window cannot be read."""
    try:
        found = later_markouts(evidence.window)
        return tuple(
            WindowMarkout.model_validate(
                {"horizon": m.horizon, "orders": m.orders, "mean_bps": m.mean_bps}
            )
            for m in found
        )
    except (UnusableEvidenceError, TypeError, ValueError, AttributeError):
        return ()
