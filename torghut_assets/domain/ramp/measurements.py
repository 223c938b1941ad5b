"""The closed list of what gates 4 and 5 measure, in the order in which they say it.

Gate 4 asks whether the house is in order, gate 5 whether this step may be taken. Each row names
the value of the policy that limits it; the source of that value is the source of the limit.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from torghut_assets.domain.gates.evidence import Found
from torghut_assets.domain.gates.policy import Bound
from torghut_assets.domain.ramp.evidence import RampCase
from torghut_assets.domain.ramp.operations_readings import (
    drill_age,
    drill_problems,
    journal_faults,
    kill_orders,
    kill_seconds,
    ledger_faults,
    runbooks_missing,
)
from torghut_assets.domain.ramp.policy import RampPolicy
from torghut_assets.domain.ramp.records import RampGateId, RampReasonClass, RampUnit
from torghut_assets.domain.ramp.step_readings import (
    approving_persons,
    burn_in,
    card_wrong,
    differences,
    failing_reports,
    gate_limits_failed,
    increment,
    live_enabled,
    missing_reports,
    paper_gate_open,
    request_age,
    sessions_on_level,
    unresolved,
)

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
    _row("kill_drill_age", "hours", _drill_age, "KILL_DRILL_STALE", drill_age("kill"), _AGE),
    _row("kill_drill_problems", "count", 0, "KILL_DRILL_FAILED", drill_problems("kill")),
    _row(
        "kill_drill_seconds",
        "seconds",
        lambda _case, policy: policy.kill_drill.max_seconds,
        "KILL_DRILL_SLOW",
        kill_seconds,
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
        read=kill_orders,
    ),
    _row(
        "rollback_drill_age",
        "hours",
        _drill_age,
        "ROLLBACK_DRILL_STALE",
        drill_age("rollback"),
        _AGE,
    ),
    _row(
        "rollback_drill_problems", "count", 0, "ROLLBACK_DRILL_FAILED", drill_problems("rollback")
    ),
    _row("alert_drill_age", "hours", _drill_age, "ALERT_DRILL_STALE", drill_age("alerts"), _AGE),
    _row("alert_drill_problems", "count", 0, "ALERTS_NOT_LIVE", drill_problems("alerts")),
    _row(
        "runbooks_not_executed", "count", 0, "RUNBOOKS_NOT_EXECUTED", runbooks_missing, "runbooks"
    ),
    _row("order_journal_faults", "count", 0, "ORDER_JOURNAL_BROKEN", journal_faults),
    _row("ledger_faults", "count", 0, "LEDGER_BROKEN", ledger_faults),
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
            live_enabled,
        ),
        _Five(
            "gate_limits_failed",
            "count",
            "at_most",
            "GATE_LIMITS_FAILED",
            "evidence",
            "",
            _none,
            gate_limits_failed,
        ),
        _Five(
            "paper_gate_limits_open",
            "count",
            "at_most",
            "PAPER_GATE_NOT_PASSED",
            "stability",
            "",
            _none,
            paper_gate_open,
        ),
        _Five(
            "sessions_on_level",
            "sessions",
            "at_least",
            "BURN_IN_TOO_SHORT",
            "stability",
            "levels",
            burn_in,
            sessions_on_level,
        ),
        _Five(
            "failing_drift_reports",
            "count",
            "at_most",
            "DRIFT_IN_WINDOW",
            "stability",
            "",
            _none,
            failing_reports,
        ),
        _Five(
            "missing_drift_reports",
            "count",
            "at_most",
            "DRIFT_REPORTS_MISSING",
            "stability",
            "",
            _none,
            missing_reports,
        ),
        _Five(
            "request_age",
            "sessions",
            "at_most",
            "REQUEST_TOO_OLD",
            "evidence",
            "max_request_age_sessions",
            _max_request_age,
            request_age,
        ),
        _Five(
            "unresolved_evidence",
            "count",
            "at_most",
            "EVIDENCE_INCOMPLETE",
            "evidence",
            "",
            _none,
            unresolved,
        ),
        _Five(
            "limit_card_faults",
            "count",
            "at_most",
            "LIMIT_CARD_INCOMPLETE",
            "policy",
            "card",
            _none,
            card_wrong,
        ),
        _Five(
            "increment",
            "fraction",
            "at_most",
            "INCREMENT_TOO_LARGE",
            "policy",
            "max_increment_fraction",
            _max_increment,
            increment,
        ),
        _Five(
            "configuration_differences",
            "count",
            "at_most",
            "NOT_AS_REVIEWED",
            "approval",
            "",
            _none,
            differences,
        ),
        _Five(
            "approving_persons",
            "persons",
            "at_least",
            "APPROVALS_MISSING",
            "approval",
            "persons_required",
            _persons_required,
            approving_persons,
        ),
    )
)

MEASUREMENTS: Final[tuple[ReadinessMeasurement, ...]] = (*_GATE_4, *_GATE_5)
"""Every measurement of the two gates; each is a limit, none can be left out by a policy."""


def source_of(row: ReadinessMeasurement, policy: RampPolicy) -> str:
    """Return where the limit of a row comes from."""
    return policy.sources[row.source] if row.source else _BY_DEFINITION
