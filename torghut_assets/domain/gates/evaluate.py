"""Why did a candidate fail? The gate decision: a policy, the evidence, a report.

Read `evaluate_gates` first. It refuses nothing and trusts nothing: bad evidence becomes a
failed limit with its reason, because a decision that crashes is a decision that is missing.
"""

from torghut_assets.domain.gates.evidence import RECORD_TYPES, GateEvidence
from torghut_assets.domain.gates.measurements import MEASUREMENTS
from torghut_assets.domain.gates.measuring import Reading, measure
from torghut_assets.domain.gates.policy import Gate, GatePolicy, Limit
from torghut_assets.domain.gates.records import ArtifactRef, GateReport, GateResult, LimitResult

__all__ = ["GateEvidence", "evaluate_gates"]

_DETAILS_SHOWN = 12
_DETAIL_CHARACTERS = 200


def evaluate_gates(evidence: GateEvidence, policy: GatePolicy, *, code_version: str) -> GateReport:
    """Compare every limit of the policy with its measurement.

    Parameters
    ----------
    evidence : GateEvidence
        The records; a missing one fails every limit that reads it.
    policy : GatePolicy
        All three gates.
    code_version : str
        Version or digest of the deciding code, for the record.

    Returns
    -------
    GateReport
        Byte-identical for the same evidence, policy and code version.

    Notes
    -----
    Fails closed: removing a record or a value, or replacing one by a worse one, by NaN or by
    another type never improves the verdict or the status of any gate.
    """
    return GateReport(
        candidate_id=evidence.candidate_id,
        snapshot_id=evidence.snapshot_id,
        policy_version=policy.policy_version,
        policy_digest=policy.digest,
        code_version=code_version,
        inputs=_references(evidence, tuple(RECORD_TYPES)),
        gates=tuple(_evaluate_gate(gate, evidence) for gate in policy.gates),
    )


def _evaluate_gate(gate: Gate, evidence: GateEvidence) -> GateResult:
    read = {name for limit in gate.limits for name in MEASUREMENTS[limit.measurement].records}
    return GateResult(
        gate_id=gate.gate_id,
        title=gate.title,
        limits=tuple(
            _compare(limit, measure(MEASUREMENTS[limit.measurement], evidence))
            for limit in gate.limits
        ),
        artifact_refs=_references(evidence, tuple(n for n in RECORD_TYPES if n in read)),
    )


def _compare(limit: Limit, reading: Reading) -> LimitResult:
    return LimitResult(
        name=limit.name,
        measurement=limit.measurement,
        bound=limit.bound,
        limit=limit.limit,
        unit=limit.unit,
        required_for=limit.required_for,
        breach_code=limit.reason_code,
        reason_class=limit.reason_class,
        source=limit.source,
        measured=reading.value,
        problem=reading.problem,
        details=_shortened(reading.details),
    )


def _shortened(details: tuple[str, ...]) -> tuple[str, ...]:
    """Keep a page readable; what was cut is counted."""
    shown = tuple(detail[:_DETAIL_CHARACTERS] for detail in details[:_DETAILS_SHOWN])
    more = len(details) - len(shown)
    return (*shown, f"and {more} more") if more else shown


def _references(evidence: GateEvidence, names: tuple[str, ...]) -> tuple[ArtifactRef, ...]:
    return tuple(ArtifactRef(name=name, digest=evidence.digests[name]) for name in names)
