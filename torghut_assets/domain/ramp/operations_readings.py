"""What gate 4 reads: drills, runbooks, journal and ledger. `measurements` has the table."""

from collections.abc import Callable

from torghut_assets.domain.gates.evidence import Found, Problem, UnusableEvidenceError
from torghut_assets.domain.orders.records import PaperDeployment
from torghut_assets.domain.ramp.drills import DrillKind, DrillReport, RunbookExecution, age_hours
from torghut_assets.domain.ramp.evidence import RampCase
from torghut_assets.domain.ramp.policy import RampPolicy
from torghut_assets.domain.ramp.soundness import require_known, sound, strings


def counted(found: tuple[str, ...]) -> Found:
    """Return how many there are, each a detail."""
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


def drill_age(kind: DrillKind) -> Callable[[RampCase, RampPolicy], Found]:
    """Return what measures the hours since the newest drill of a kind."""

    def read(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
        age = age_hours(_newest(case, kind).finished_at, case.evidence.now)
        if age < 0:
            raise UnusableEvidenceError(
                Problem.WRONG_SIGN, f"the {kind} drill lies {-age:.1f} hours ahead"
            )
        return Found(age)

    return read


def drill_problems(kind: DrillKind) -> Callable[[RampCase, RampPolicy], Found]:
    """Return what counts what did not work in the newest drill of a kind."""

    def read(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
        return counted(_newest(case, kind).problems)

    return read


def kill_orders(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    """How many orders were open in the newest kill drill."""
    measured = _newest(case, "kill").kill
    return Found(float(measured.open_before if measured is not None else 0))


def kill_seconds(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    """How long the newest kill drill took."""
    measured = _newest(case, "kill").kill
    if measured is None:
        raise UnusableEvidenceError(Problem.NOT_MEASURED, "the kill drill measured no time")
    return Found(measured.seconds)


def runbooks_missing(case: RampCase, policy: RampPolicy) -> Found:
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
    return counted(tuple(missing))


def journal_faults(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    """What verifying the order journal found."""
    return counted(strings(case.evidence.operations.journal_faults, "the order journal"))


def ledger_faults(case: RampCase, policy: RampPolicy) -> Found:  # noqa: ARG001
    """What verifying the ledger found."""
    return counted(strings(case.evidence.operations.ledger_faults, "the ledger"))
