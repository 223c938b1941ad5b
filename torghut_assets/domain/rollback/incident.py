"""How bad was it, what happened when, and what must follow: the incident report."""

from collections.abc import Sequence
from dataclasses import dataclass

from torghut_assets.domain.drift.policy import Circumstance, ClassRule, DriftPolicy
from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.orders.journal import OrderNote
from torghut_assets.domain.rollback.records import (
    EvidenceItem,
    IncidentReport,
    Notification,
    RollbackPlan,
    RollbackReceipt,
    TimelineEntry,
)

_MOST_ENTRIES = 200
_WORDS = {
    "claim": "claimed",
    "submit": "sent to the broker",
    "acknowledge": "acknowledged by the broker",
    "execute": "executed",
    "cancel": "cancelled",
    "reject": "rejected",
    "expire": "expired",
    "lose": "sent without an answer",
    "not_found": "not known to the broker",
}


def circumstances_of(plan: RollbackPlan, receipt: RollbackReceipt) -> tuple[Circumstance, ...]:
    """Return what the incident is about: the triggers, and a state that is not known.

    Raises
    ------
    EvidenceContradictionError
        If the receipt is not of this plan.
    """
    if receipt.plan_digest != plan.digest:
        raise EvidenceContradictionError(
            location=f"rollback receipt of {receipt.subject}",
            found=f"the plan {receipt.plan_digest}",
            expected=plan.digest,
        )
    found: dict[Circumstance, None] = {trigger.circumstance: None for trigger in plan.triggers}
    if receipt.state == "unknown":
        found["state_unknown"] = None
    return tuple(found)


def worst_rule(circumstances: Sequence[Circumstance], policy: DriftPolicy) -> ClassRule:
    """Return the rule of the worst of these circumstances; A is the worst class.

    Raises
    ------
    ValueError
        If there are none.
    """
    rules = [r for r in policy.incident_classes if set(r.circumstances) & set(circumstances)]
    return min(rules, key=lambda rule: rule.incident_class)


@dataclass(frozen=True)
class Aftermath:
    """What happened besides the orders: moments, the latch, who was told.

    Attributes
    ----------
    moments : sequence of TimelineEntry
        E.g. when reports, plan and receipt were made.
    evidence : sequence of EvidenceItem
    kill_latch_digest : str or None
    notifications : sequence of Notification
    """

    moments: Sequence[TimelineEntry]
    evidence: Sequence[EvidenceItem]
    kill_latch_digest: str | None
    notifications: Sequence[Notification]


def incident_report(
    plan: RollbackPlan,
    receipt: RollbackReceipt,
    policy: DriftPolicy,
    notes: Sequence[OrderNote],
    aftermath: Aftermath,
) -> IncidentReport:
    """Put the incident together.

    Parameters
    ----------
    notes : sequence of OrderNote
        The journal's notes about the candidate's session, in order.

    Raises
    ------
    EvidenceContradictionError
        If receipt and policy are not those of the plan.
    """
    if policy.digest != plan.policy_digest:
        raise EvidenceContradictionError(
            location=f"incident of {plan.subject}",
            found=f"the policy {policy.digest}",
            expected=f"the plan's, {plan.policy_digest}",
        )
    return IncidentReport(
        candidate_id=plan.candidate_id,
        session=plan.session,
        deployment_digest=plan.deployment_digest,
        policy_digest=policy.digest,
        circumstances=circumstances_of(plan, receipt),
        rules=policy.incident_classes,
        receipt_state=receipt.state,
        findings=tuple(
            dict.fromkeys(
                [t.detail for t in plan.triggers] + list(receipt.differences + receipt.problems)
            )
        ),
        timeline=timeline(notes, aftermath.moments),
        evidence=(
            EvidenceItem(name="rollback_plan", digest=plan.digest),
            EvidenceItem(name="rollback_receipt", digest=receipt.digest),
            *aftermath.evidence,
        ),
        kill_latch_digest=aftermath.kill_latch_digest,
        notifications=tuple(aftermath.notifications),
    )


def timeline(
    notes: Sequence[OrderNote], moments: Sequence[TimelineEntry]
) -> tuple[TimelineEntry, ...]:
    """Return the last 200 things that happened, by time; the order of a tie is kept."""
    of_orders = [
        TimelineEntry(
            at=note.at,
            what=f"order {note.key[:12]} {_WORDS[note.event]}{_tail(note)}"[:300],
            source="order journal",
            digest=note.key,
        )
        for note in notes
    ]
    in_time = sorted([*of_orders, *moments], key=lambda entry: entry.at)
    return tuple(in_time[-_MOST_ENTRIES:])


def _tail(note: OrderNote) -> str:
    if note.request is not None:
        return f": {note.request.body}"
    if note.fill is not None:
        return f": {note.fill.quantity} {note.fill.symbol} at {note.fill.price_usd:g} USD"
    return f": {note.reason}" if note.reason else ""
