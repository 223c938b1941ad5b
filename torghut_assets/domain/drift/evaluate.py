"""Does a deployed candidate still behave as its evidence says? The policy, the evidence, a report.

Read `evaluate_drift` first. Bad evidence becomes a failed reading with its problem: a report that
crashes is a report that is missing, and what is missing is rolled back by the silence sensor.
"""

from torghut_assets.domain.drift.history import DriftEvidence
from torghut_assets.domain.drift.measurements import MEASUREMENTS
from torghut_assets.domain.drift.measuring import take
from torghut_assets.domain.drift.policy import DriftLimit, DriftPolicy
from torghut_assets.domain.drift.records import DriftReading, DriftReport, SessionRef

__all__ = ["DriftEvidence", "evaluate_drift"]


def evaluate_drift(
    evidence: DriftEvidence, policy: DriftPolicy, *, code_version: str
) -> DriftReport:
    """Compare every measurement with its limits.

    Parameters
    ----------
    evidence : DriftEvidence
    policy : DriftPolicy
    code_version : str
        Version or digest of the deciding code, for the record.

    Returns
    -------
    DriftReport
        Byte-identical for the same evidence, policy and code version.

    Notes
    -----
    Fails closed: a missing session, record or value, or a worse one, never improves the verdict.
    """
    limits = {limit.measurement: limit for limit in policy.limits}
    return DriftReport(
        candidate_id=evidence.candidate_id,
        session=evidence.session,
        first_session=evidence.expected[0] if evidence.expected else None,
        policy_version=policy.policy_version,
        policy_digest=policy.digest,
        code_version=code_version,
        inputs=evidence.inputs,
        window=tuple(_session_ref(evidence, session) for session in evidence.expected),
        readings=tuple(_reading(limits[name], evidence, policy) for name in MEASUREMENTS),
    )


def _session_ref(evidence: DriftEvidence, session: str) -> SessionRef:
    if facts := evidence.facts.get(session):
        return facts.refs
    return SessionRef(session=session, intents_digest=None, fills_digest=None, tca_digest=None)


def _reading(limit: DriftLimit, evidence: DriftEvidence, policy: DriftPolicy) -> DriftReading:
    measurement = MEASUREMENTS[limit.measurement]
    taken = take(measurement, evidence, policy.monitor, limit.needed_sessions)
    return DriftReading(
        measurement=measurement.name,
        group=measurement.group,
        unit=measurement.unit,
        bound=measurement.bound,
        degrade=limit.degrade,
        abstain=limit.abstain,
        fail=limit.fail,
        measured=taken.value,
        problem=taken.problem,
        sessions=taken.sessions,
        needed_sessions=limit.needed_sessions,
        deployed_sessions=len(evidence.expected),
        warm_up_sessions=policy.warm_up_sessions,
        source=limit.source,
        detail=taken.detail,
    )
