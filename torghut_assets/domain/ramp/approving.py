"""Whose approvals count for a ramp request, now; and whose did when one was granted.

An approval that waits in the ledger is used when the level is granted, not when it was recorded:
it must not have expired by then, nor its key have been revoked (`approvals_for`). A grant that
stands in the ledger used its approvals up; `approvers_of` looks at all of that again.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torghut_assets.domain.evidence.approval_records import Approval, Decision, person_key
from torghut_assets.domain.evidence.approvals import (
    AcceptedApproval,
    Circumstances,
    judge_approval,
    require_persons,
    spent_approvals,
)
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.keys import KeyRing
from torghut_assets.domain.ramp.records import ApprovalRef, RampGrant, RampRequest

_APPROVAL = "approval"
_RAMP = "ramp"


@dataclass(frozen=True)
class Approvals:
    """What the ledger says about approvals of one candidate's step.

    Attributes
    ----------
    accepted : tuple of ApprovalRef
        That count for exactly this request, in the order of the ledger.
    refused : tuple of str
        Why others do not, one sentence each with its code.
    of_others : tuple of str
        Digests of other requests of the same candidate and stage that persons approved.
    """

    accepted: tuple[ApprovalRef, ...] = ()
    refused: tuple[str, ...] = ()
    of_others: tuple[str, ...] = ()

    @property
    def persons(self) -> tuple[str, ...]:
        """The different persons among those who count."""
        return tuple({person_key(ref.person): ref.person for ref in self.accepted}.values())


def approvals_for(
    entries: Sequence[LedgerEntry], ring: KeyRing, decision: Decision, now: dt.datetime
) -> Approvals:
    """Judge every approval of the candidate's step for a decision that is taken now.

    Parameters
    ----------
    entries : sequence of LedgerEntry
        The whole ledger in order, checked.
    ring : KeyRing
        Keys as the ledger leaves them.
    decision : Decision
        Built from the evidence by whoever decides.
    now : datetime
        UTC, to the second.
    """
    spent = frozenset(spent_approvals(entries))
    accepted, refused, of_others = [], [], []
    for entry, approval, circumstances in _approvals(entries, ring, now, spent):
        bound = approval.decision
        if (bound.kind, bound.candidate_id, bound.stage) != (
            decision.kind,
            decision.candidate_id,
            decision.stage,
        ):
            continue
        judged = judge_approval(entry.envelope, decision, circumstances)
        if judged.accepted is not None:
            accepted.append(_ref(judged.accepted, entry))
            continue
        fault = judged.fault.value if judged.fault is not None else "refused"
        refused.append(f"ledger entry {entry.sequence}: {fault}, {judged.detail}")
        if judged.fault is Fault.OTHER_REPORT:
            of_others.append(bound.report_digest)
    return Approvals(tuple(accepted), tuple(refused), tuple(dict.fromkeys(of_others)))


def approvers_of(
    entries: Sequence[LedgerEntry], ring: KeyRing, grant: RampGrant, request: RampRequest
) -> tuple[str, ...]:
    """Return the persons behind a grant, after the ledger was asked about each again.

    Raises
    ------
    EvidenceRefusedError
        If no signed statement is about this grant, or an approval that it names does not count
        for the request, was used up by something else, or is of too few persons.
    """
    made = [e for e in entries if e.kind == _RAMP and e.statement.record_digest == grant.digest]
    if len(made) != 1:
        raise _refused(Fault.OTHER_REPORT, f"{len(made)} statements about grant {grant.digest}")
    entry = made[0]
    if entry.subjects != grant.subjects or grant.request_digest != request.digest:
        raise _refused(Fault.SUBJECTS_DIFFER, f"entry {entry.sequence} is about something else")
    before = [e for e in entries if e.sequence < entry.sequence]
    spent = frozenset(spent_approvals(before))
    named = {(ref.digest, ref.sequence): ref for ref in grant.approvals}
    accepted = []
    for found, approval, circumstances in _approvals(before, ring, entry.recorded_at, spent):
        if (approval.digest, found.sequence) not in named:
            continue
        judged = judge_approval(found.envelope, request.decision, circumstances)
        if judged.accepted is None:
            raise _refused(judged.fault or Fault.OTHER_DECISION, judged.detail)
        accepted.append(judged.accepted)
    if len(accepted) != len(named):
        raise _refused(Fault.TOO_FEW_PERSONS, "an approval that the grant names is not there")
    one_each = {person_key(each.key.owner): each for each in accepted}
    return require_persons(one_each.values(), 2)


def _approvals(
    entries: Sequence[LedgerEntry], ring: KeyRing, now: dt.datetime, spent: frozenset[str]
) -> Iterator[tuple[LedgerEntry, Approval, Circumstances]]:
    before: dt.datetime | None = None
    nonces: set[str] = set()
    for entry in entries:
        if entry.kind == _APPROVAL:
            try:
                approval = entry.statement.record(Approval, location=_APPROVAL)
            except EvidenceRefusedError:
                continue
            used = frozenset(nonces)
            yield entry, approval, Circumstances(ring, now, before, used, spent)
            nonces.add(approval.nonce)
        before = entry.recorded_at


def _ref(accepted: AcceptedApproval, entry: LedgerEntry) -> ApprovalRef:
    return ApprovalRef(
        person=accepted.key.owner, digest=accepted.approval.digest, sequence=entry.sequence
    )


def _refused(fault: Fault, detail: str) -> EvidenceRefusedError:
    return EvidenceRefusedError(fault, location="ramp grant", detail=detail)
