"""How long a candidate has been on its level, and what happened there."""

from torghut_assets.domain.drift.records import DriftReport
from torghut_assets.domain.gates.evidence import UnusableEvidenceError
from torghut_assets.domain.ramp.evidence import RampEvidence
from torghut_assets.domain.ramp.policy import RampPolicy
from torghut_assets.domain.ramp.records import Stability
from torghut_assets.domain.ramp.request import grant_in_force, level_now
from torghut_assets.domain.ramp.soundness import sound, strings
from torghut_assets.domain.verdicts import Verdict


def stability(evidence: RampEvidence, policy: RampPolicy) -> Stability:
    """Return the sessions on the present level and those that count against it.

    On paper it is every session of the deployment, above it those after the session of the grant.
    Sessions count through the one that is decided on; what failed counts through the newest.

    Raises
    ------
    UnusableEvidenceError
        If nobody can say on which level the candidate is.
    """
    grant, level = grant_in_force(evidence), level_now(evidence, policy)
    days = strings(evidence.sessions, "the sessions")
    own = tuple(day for day in days if grant is None or day > grant.session)
    verdicts = {day: _verdict(evidence, day) for day in own}
    return Stability(
        level=policy.levels[0].level if level is None else level.level,
        since=own[0] if own else None,
        sessions=sum(day <= evidence.session for day in own),
        burn_in_sessions=10_000 if level is None else level.burn_in_sessions,
        failing=tuple(day for day in own if verdicts[day] is Verdict.FAIL),
        missing=tuple(day for day in own if verdicts[day] is None),
    )


def _verdict(evidence: RampEvidence, session: str) -> Verdict | None:
    """Verdict of a session's drift report; `None` if there is no sound one about it."""
    try:
        report = sound(evidence.drift.get(session), DriftReport, "drift report")
    except UnusableEvidenceError:
        return None
    if report.subject != f"{evidence.candidate_id}|{session}":
        return None
    return report.verdict
