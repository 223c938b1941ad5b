"""The closed list of what gates 4 and 5 measure, in the order in which they say it.

Gate 4 asks whether the house is in order, gate 5 whether this step may be taken. Each row names
the value of the policy that limits it; the source of that value is the source of the limit.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from torghut_assets.domain.gates.evidence import Found, Problem, UnusableEvidenceError
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.gates.policy import Bound
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.orders.limits import OrderLimits
from torghut_assets.domain.orders.records import PaperDeployment
from torghut_assets.domain.ramp.drills import DrillKind, DrillReport, RunbookExecution, age_hours
from torghut_assets.domain.ramp.evidence import RampCase
from torghut_assets.domain.ramp.limit_card import card_faults
from torghut_assets.domain.ramp.policy import RampPolicy
from torghut_assets.domain.ramp.records import RampGateId, RampReasonClass, RampRequest, RampUnit
from torghut_assets.domain.ramp.request import level_now
from torghut_assets.domain.ramp.soundness import require_known, sound, strings
from torghut_assets.domain.ramp.stability import stability
from torghut_assets.domain.verdicts import Verdict

_AGE: Final = "drill_max_age_hours"
_BY_DEFINITION: Final = "By definition: none is allowed."


class ReadinessMeasurement(NamedTuple):
    """One row: what is measured, against which value of the policy, and why that is the limit."""

    name: str
    gate_id: RampGateId
    unit: RampUnit
    bound: Bound
    breach_code: str
    reason_class: RampReasonClass
    source: str
    limit: Callable[[RampCase, RampPolicy], float]
    read: Callable[[RampCase, RampPolicy], Found]


def _none(_case: RampCase, _policy: RampPolicy) -> float:
    return 0.0


def _count(found: tuple[str, ...]) -> Found:
    return Found(float(len(found)), found)


def _newest(case: RampCase, kind: DrillKind) -> DrillReport:
    """Return the newest drill of a kind; a rollback drill must be of this deployment."""
    drills = case.evidence.operations.drills
    require_known(drills, "the drills in the ledger")
    found = [drill for drill in drills or () if getattr(drill, "drill", None) == kind]
    if kind == "rollback":
        deployment = sound(case.evidence.deployment, PaperDeployment, "deployment")
        found = [
            drill
            for drill in found
            if getattr(drill.rollback, "deployment_digest", None) == deployment.digest
        ]
    return sound(found[-1] if found else None, DrillReport, f"{kind} drill")


def _age(kind: DrillKind) -> Callable[[RampCase, RampPolicy], Found]:
    def read(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
        age = age_hours(_newest(case, kind).finished_at, case.evidence.now)
        if age < 0:
            raise UnusableEvidenceError(
                Problem.WRONG_SIGN, f"the {kind} drill lies {-age:.1f} hours ahead"
            )
        return Found(age)

    return read


def _problems(kind: DrillKind) -> Callable[[RampCase, RampPolicy], Found]:
    def read(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
        return _count(_newest(case, kind).problems)

    return read


def _kill_orders(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    measured = _newest(case, "kill").kill
    return Found(float(measured.open_before if measured is not None else 0))


def _kill_seconds(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    measured = _newest(case, "kill").kill
    if measured is None:
        raise UnusableEvidenceError(Problem.NOT_MEASURED, "the kill drill measured no time")
    return Found(measured.seconds)


def _runbooks(case: RampCase, policy: RampPolicy) -> Found:
    """Runbooks of the policy that nobody has signed for within its time."""
    signed = case.evidence.operations.runbooks
    require_known(signed, "the runbooks in the ledger")
    ages: dict[str, float] = {}
    for each in signed or ():
        executed = sound(each, RunbookExecution, "runbook execution")
        ages[executed.runbook] = age_hours(executed.executed_at, case.evidence.now)
    missing = []
    for name in policy.runbooks:
        if name not in ages:
            missing.append(f"{name}: nobody has signed for it")
        elif not 0 <= ages[name] <= policy.runbook_max_age_hours:
            missing.append(f"{name}: signed for {ages[name]:.0f} hours ago")
    return _count(tuple(missing))


def _journal(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    return _count(strings(case.evidence.operations.journal_faults, "the order journal"))


def _ledger(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    return _count(strings(case.evidence.operations.ledger_faults, "the ledger"))


def _live(_case: RampCase, policy: RampPolicy) -> Found:
    if policy.live_enabled:
        return Found(1.0)
    return Found(0.0, ("live_enabled is false in ramp_policy.yaml",))


def _beyond_paper(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    report = sound(case.evidence.gate_report, GateReport, "gate report")
    return _count(tuple(reason.text for reason in report.reasons))


def _paper_gate(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    report = sound(case.evidence.paper_gate_report, PaperGateReport, "paper gate report")
    if report.subject != f"{case.evidence.candidate_id}|{case.evidence.session}":
        raise UnusableEvidenceError(
            Problem.WRONG_TYPE, f"the paper gate report is about {report.subject}"
        )
    open_ = tuple(x.text for x in report.reasons)
    return _count(open_ if report.verdict is not Verdict.PASS else ())


def _sessions(case: RampCase, policy: RampPolicy) -> Found:
    found = stability(case.evidence, policy)
    return Found(float(found.sessions), (f"on {found.level} since {found.since}",))


def _failing(case: RampCase, policy: RampPolicy) -> Found:
    return _count(stability(case.evidence, policy).failing)


def _missing(case: RampCase, policy: RampPolicy) -> Found:
    return _count(stability(case.evidence, policy).missing)


def _burn_in(case: RampCase, policy: RampPolicy) -> float:
    """The burn-in of the present level; the longest there is if nobody knows the level."""
    try:
        level = level_now(case.evidence, policy)
    except UnusableEvidenceError:
        level = None
    known = policy.levels if level is None else (level,)
    return float(max(each.burn_in_sessions for each in known))


def _request_age(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    days = strings(case.evidence.sessions, "the sessions")
    if case.evidence.session not in days:
        raise UnusableEvidenceError(
            Problem.MISSING_EVIDENCE, f"{case.evidence.session} is no session of the deployment"
        )
    return _count(tuple(day for day in days if day > case.evidence.session))


def _unresolved(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    return _count(strings(case.evidence.unresolved, "the chain of evidence"))


def _asked(case: RampCase) -> RampRequest:
    if case.request is None:
        raise UnusableEvidenceError(Problem.MISSING_EVIDENCE, "; ".join(case.refusals))
    return sound(case.request, RampRequest, "request")


def _card(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    request = _asked(case)
    deployment = sound(case.evidence.deployment, PaperDeployment, "deployment")
    limits = sound(case.evidence.order_limits, OrderLimits, "order limits")
    return _count(card_faults(request.limit_card, limits, deployment, request.notional_after_usd))


def _increment(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    request = _asked(case)
    step = request.notional_after_usd - request.notional_before_usd
    return Found(step / request.budget_usd)


def _differences(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    """What would be deployed against what is in force, and against what persons reviewed."""
    request = _asked(case)
    deployment = sound(case.evidence.deployment, PaperDeployment, "deployment")
    in_force = case.evidence.in_force
    require_known(in_force, "what is in force")
    target = {"code": deployment.code_digest, **deployment.policies}
    found = [
        f"{name}: deployed {digest}, in force {(in_force or {}).get(name)}"
        for name, digest in sorted(target.items())
        if (in_force or {}).get(name) != digest
    ]
    for other in case.reviewed_instead:
        found += sound(other, RampRequest, "approved request").differences(request)
    return _count(tuple(found))


def _persons(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    approvals = case.approvals
    require_known(approvals, "the approvals in the ledger")
    if approvals is None or case.request is None:
        return Found(0.0, case.refusals)
    return Found(float(len(approvals.persons)), (*approvals.persons, *approvals.refused))


def _row(
    name: str,
    unit: RampUnit,
    at_most: Callable[[RampCase, RampPolicy], float] | float,
    code: str,
    read: Callable[[RampCase, RampPolicy], Found],
    source: str = "",
) -> ReadinessMeasurement:
    """Make a row of gate 4 that is limited from above."""
    return ReadinessMeasurement(
        name=name,
        gate_id="gate4_operational_readiness",
        unit=unit,
        bound="at_most",
        breach_code=code,
        reason_class="operations",
        source=source,
        limit=at_most if callable(at_most) else _none,
        read=read,
    )


def _drill_age(_case: RampCase, policy: RampPolicy) -> float:
    return policy.drill_max_age_hours


_GATE_4: Final = (
    _row("kill_drill_age", "hours", _drill_age, "KILL_DRILL_STALE", _age("kill"), _AGE),
    _row("kill_drill_problems", "count", 0, "KILL_DRILL_FAILED", _problems("kill")),
    _row(
        "kill_drill_seconds",
        "seconds",
        lambda _case, policy: policy.kill_drill.max_seconds,
        "KILL_DRILL_SLOW",
        _kill_seconds,
        "kill_drill",
    ),
    ReadinessMeasurement(
        name="kill_drill_open_orders",
        gate_id="gate4_operational_readiness",
        unit="count",
        bound="at_least",
        breach_code="KILL_DRILL_TOO_SMALL",
        reason_class="operations",
        source="kill_drill",
        limit=lambda _case, policy: float(policy.kill_drill.min_open_orders),
        read=_kill_orders,
    ),
    _row("rollback_drill_age", "hours", _drill_age, "ROLLBACK_DRILL_STALE", _age("rollback"), _AGE),
    _row("rollback_drill_problems", "count", 0, "ROLLBACK_DRILL_FAILED", _problems("rollback")),
    _row("alert_drill_age", "hours", _drill_age, "ALERT_DRILL_STALE", _age("alerts"), _AGE),
    _row("alert_drill_problems", "count", 0, "ALERTS_NOT_LIVE", _problems("alerts")),
    _row("runbooks_not_executed", "count", 0, "RUNBOOKS_NOT_EXECUTED", _runbooks, "runbooks"),
    _row("order_journal_faults", "count", 0, "ORDER_JOURNAL_BROKEN", _journal),
    _row("ledger_faults", "count", 0, "LEDGER_BROKEN", _ledger),
)


class _Five(NamedTuple):
    """The parts of a row of gate 5 that differ."""

    name: str
    unit: RampUnit
    bound: Bound
    code: str
    reason_class: RampReasonClass
    source: str
    limit: Callable[[RampCase, RampPolicy], float]
    read: Callable[[RampCase, RampPolicy], Found]


def _one(_case: RampCase, _policy: RampPolicy) -> float:
    return 1.0


def _max_request_age(_case: RampCase, policy: RampPolicy) -> float:
    return float(policy.max_request_age_sessions)


def _max_increment(_case: RampCase, policy: RampPolicy) -> float:
    return policy.max_increment_fraction


def _persons_required(_case: RampCase, policy: RampPolicy) -> float:
    return float(policy.persons_required)


_GATE_5: Final = tuple(
    ReadinessMeasurement(
        name=row.name,
        gate_id="gate5_live_ramp_readiness",
        unit=row.unit,
        bound=row.bound,
        breach_code=row.code,
        reason_class=row.reason_class,
        source=row.source,
        limit=row.limit,
        read=row.read,
    )
    for row in (
        _Five(
            "live_enabled",
            "count",
            "at_least",
            "LIVE_DISABLED",
            "policy",
            "live_enabled",
            _one,
            _live,
        ),
        _Five(
            "gate_limits_failed",
            "count",
            "at_most",
            "GATE_LIMITS_FAILED",
            "evidence",
            "",
            _none,
            _beyond_paper,
        ),
        _Five(
            "paper_gate_limits_open",
            "count",
            "at_most",
            "PAPER_GATE_NOT_PASSED",
            "stability",
            "",
            _none,
            _paper_gate,
        ),
        _Five(
            "sessions_on_level",
            "sessions",
            "at_least",
            "BURN_IN_TOO_SHORT",
            "stability",
            "levels",
            _burn_in,
            _sessions,
        ),
        _Five(
            "failing_drift_reports",
            "count",
            "at_most",
            "DRIFT_IN_WINDOW",
            "stability",
            "",
            _none,
            _failing,
        ),
        _Five(
            "missing_drift_reports",
            "count",
            "at_most",
            "DRIFT_REPORTS_MISSING",
            "stability",
            "",
            _none,
            _missing,
        ),
        _Five(
            "request_age",
            "sessions",
            "at_most",
            "REQUEST_TOO_OLD",
            "evidence",
            "max_request_age_sessions",
            _max_request_age,
            _request_age,
        ),
        _Five(
            "unresolved_evidence",
            "count",
            "at_most",
            "EVIDENCE_INCOMPLETE",
            "evidence",
            "",
            _none,
            _unresolved,
        ),
        _Five(
            "limit_card_faults",
            "count",
            "at_most",
            "LIMIT_CARD_INCOMPLETE",
            "policy",
            "card",
            _none,
            _card,
        ),
        _Five(
            "increment",
            "fraction",
            "at_most",
            "INCREMENT_TOO_LARGE",
            "policy",
            "max_increment_fraction",
            _max_increment,
            _increment,
        ),
        _Five(
            "configuration_differences",
            "count",
            "at_most",
            "NOT_AS_REVIEWED",
            "approval",
            "",
            _none,
            _differences,
        ),
        _Five(
            "approving_persons",
            "persons",
            "at_least",
            "APPROVALS_MISSING",
            "approval",
            "persons_required",
            _persons_required,
            _persons,
        ),
    )
)

MEASUREMENTS: Final[tuple[ReadinessMeasurement, ...]] = (*_GATE_4, *_GATE_5)
"""Every measurement of the two gates; each is a limit, none can be left out by a policy."""


def source_of(row: ReadinessMeasurement, policy: RampPolicy) -> str:
    """Return where the limit of a row comes from."""
    return policy.sources[row.source] if row.source else _BY_DEFINITION
