"""Drills and runbooks as evidence: that stopping works, and that people have done it.

A drill report holds what was measured when the real thing was run; whether that is good enough
is for gate 4 to say. A runbook execution is a person's signed word about one document.
"""

import datetime as dt
from typing import ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from torghut_assets.domain.evidence.moments import UtcSecond
from torghut_assets.domain.ramp.policy import RunbookName
from torghut_assets.domain.records import Digest, Measured, Part, Record
from torghut_assets.domain.verdicts import Verdict

DrillKind = Literal["kill", "rollback", "alerts"]
DRILLS: Final[tuple[DrillKind, ...]] = ("kill", "rollback", "alerts")


class KillMeasured(Part):
    """What the kill switch did to open orders.

    `seconds` runs from calling the command to its end. `sent_after` counts orders that the broker
    took after it, which must be none.
    """

    open_before: int = Field(ge=0)
    open_after: int = Field(ge=0)
    open_in_journal_after: int = Field(ge=0)
    sent_after: int = Field(ge=0)
    exit_status: int
    seconds: Measured = Field(ge=0)


class RollbackMeasured(Part):
    """What a rollback of a deployment came to, by the receipt of what was read back.

    `differences` are those of the receipt, between what was planned and what the broker holds,
    and what went wrong on the way.
    """

    candidate_id: str
    deployment_digest: Digest
    held_before: int = Field(ge=0)
    open_before: int = Field(ge=0)
    receipt_digest: Digest
    state: Literal["restored", "unknown"]
    differences: tuple[str, ...]
    seconds: Measured = Field(ge=0)


class AlertMeasured(Part):
    """What became of one test message to the webhook that incidents go to."""

    outcome: Literal["delivered", "failed", "not_configured"]
    detail: str = Field(max_length=300)
    seconds: Measured = Field(ge=0)


class DrillReport(Record):
    """One drill: when it ended, by which code, and what was measured."""

    record_kind: ClassVar[str] = "drill-report"

    drill: DrillKind
    finished_at: UtcSecond
    code_digest: Digest
    kill: KillMeasured | None = None
    rollback: RollbackMeasured | None = None
    alerts: AlertMeasured | None = None

    @model_validator(mode="after")
    def _measures_its_own_kind(self) -> Self:
        held = [kind for kind in DRILLS if getattr(self, kind) is not None]
        if held != [self.drill]:
            raise ValueError(f"a {self.drill} drill holds {', '.join(held) or 'nothing'}")
        return self

    @property
    def problems(self) -> tuple[str, ...]:
        """What did not work, one sentence each, whatever a policy demands beyond that."""
        if self.kill is not None:
            return _of_kill(self.kill)
        if self.rollback is not None:
            return _of_rollback(self.rollback)
        return _of_alerts(self.alerts)

    @property
    def verdict(self) -> Verdict:
        """`PASS` if everything that was tried worked."""
        return Verdict.FAIL if self.problems else Verdict.PASS


def _of_kill(measured: KillMeasured) -> tuple[str, ...]:
    wrong = [
        f"{count} orders {what}"
        for count, what in (
            (measured.open_after, "are still open at the broker"),
            (measured.open_in_journal_after, "are still open in the journal"),
            (measured.sent_after, "were taken after the switch was engaged"),
        )
        if count
    ]
    if measured.open_before == 0:
        wrong.append("no order was open, so nothing was tried")
    if measured.exit_status != 0:
        wrong.append(f"the command ended with status {measured.exit_status}")
    return tuple(wrong)


def _of_rollback(measured: RollbackMeasured) -> tuple[str, ...]:
    wrong = list(measured.differences)
    if measured.state != "restored" and not wrong:
        wrong.append(f"the receipt says {measured.state}")
    if measured.held_before == 0 or measured.open_before == 0:
        wrong.append("nothing was held or open before, so nothing was tried")
    return tuple(wrong)


def _of_alerts(measured: AlertMeasured | None) -> tuple[str, ...]:
    if measured is not None and measured.outcome == "delivered":
        return ()
    found = f"{measured.outcome}, {measured.detail}" if measured else "none was tried"
    return (f"no webhook answered 2xx: {found}",)


class RunbookExecution(Record):
    """Predicate: a person has executed a runbook. The subject `runbook` is the document."""

    record_kind: ClassVar[str] = "runbook-execution"

    runbook: RunbookName
    document_digest: Digest
    outcome: str = Field(min_length=10, max_length=1_000)
    executed_by: str = Field(min_length=2, max_length=80)
    executed_at: UtcSecond


def age_hours(moment: dt.datetime, now: dt.datetime) -> float:
    """Return how long ago something was, in hours; negative if it lies ahead."""
    return (now - moment) / dt.timedelta(hours=1)
