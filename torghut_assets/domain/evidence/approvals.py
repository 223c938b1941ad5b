"""Does a signed approval count for this decision, here and now? Read `judge_approval` first.

Everything that a decision rests on is in the signed text, so an approval of something else
is an approval of nothing. Every way to be wrong has its own `Fault`; there is no override.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from torghut_assets.domain.evidence.approval_records import (
    MAX_LIFETIME_HOURS,
    Approval,
    Decision,
    person_key,
    same_person,
)
from torghut_assets.domain.evidence.dsse import Envelope, read_envelope
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.keys import KeyRecord, KeyRing, require_role, signed_at_fault
from torghut_assets.domain.evidence.statement import read_statement

_APPROVAL: Final = "approval"


@dataclass(frozen=True)
class Circumstances:
    """What is known when an approval is judged.

    Parameters
    ----------
    ring : KeyRing
        Keys as the ledger knows them now: a key that is revoked now approves nothing.
    now : datetime
        When the approval is used. An entry of the ledger was used when it was recorded.
    ledger_time : datetime or None
        Time of the last ledger entry before the approval; `None` if there is none.
    used_nonces : frozenset of str
        Nonces of the approvals that came before.
    spent : frozenset of str
        Digests of the approval records that an earlier decision has used up.
    """

    ring: KeyRing
    now: dt.datetime
    ledger_time: dt.datetime | None = None
    used_nonces: frozenset[str] = field(default_factory=frozenset)
    spent: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class AcceptedApproval:
    """An approval that counts, and the key that signed it."""

    approval: Approval
    key: KeyRecord
    envelope_digest: str


@dataclass(frozen=True)
class Judgement:
    """What came of judging one approval: accepted, or refused for one reason."""

    accepted: AcceptedApproval | None
    fault: Fault | None = None
    detail: str = "accepted"


def judge_approval(
    envelope: Envelope | bytes, decision: Decision, circumstances: Circumstances
) -> Judgement:
    """Say whether a signed approval counts for a decision, and if not, why not.

    Parameters
    ----------
    envelope : Envelope or bytes
        As it was presented; bytes must be its canonical form.
    decision : Decision
        What is being decided, built from the evidence by whoever decides.
    circumstances : Circumstances

    Returns
    -------
    Judgement
        The first fault found, from the bytes inward: form, signature, key, binding, time.
    """
    try:
        return Judgement(_accepted(envelope, decision, circumstances))
    except EvidenceRefusedError as error:
        return Judgement(None, error.fault, error.detail)


def require_persons(accepted: Iterable[AcceptedApproval], persons: int) -> tuple[str, ...]:
    """Return the approvers of one decision if there are enough different persons.

    Two keys of one owner are one person; one approval presented twice is one approval.

    Raises
    ------
    EvidenceRefusedError
        With `same_approval_twice`, `same_person_twice` or `too_few_persons`; with
        `other_decision` if the approvals are not of one decision.
    """
    seen: dict[str, str] = {}
    nonces: set[str] = set()
    decisions: set[str] = set()
    for each in accepted:
        approval = each.approval
        if approval.nonce in nonces:
            raise _refused(Fault.SAME_APPROVAL_TWICE, "one approval was presented twice")
        nonces.add(approval.nonce)
        decisions.add(approval.decision.digest)
        person = person_key(each.key.owner)
        if person in seen:
            raise _refused(Fault.SAME_PERSON_TWICE, f"{each.key.owner} approved twice")
        seen[person] = each.key.owner
    if len(decisions) > 1:
        raise _refused(Fault.OTHER_DECISION, "the approvals are of different decisions")
    if len(seen) < persons:
        raise _refused(Fault.TOO_FEW_PERSONS, f"{len(seen)} of {persons} persons approved")
    return tuple(seen.values())


def approvals_in(
    entries: Sequence[LedgerEntry], decision: Decision, ring: KeyRing
) -> Iterator[Judgement]:
    """Judge every approval in the ledger for a decision, each as of its own entry.

    Parameters
    ----------
    entries : sequence of LedgerEntry
        The whole ledger in order.
    decision : Decision
    ring : KeyRing
        Keys as the whole ledger leaves them.

    Notes
    -----
    An approval is spent by any later entry that names its record's digest as the subject
    `approval`. Whoever decides writes such an entry in one step with deciding.
    """
    spent = frozenset(spent_approvals(entries))
    for entry, circumstances in _with_circumstances(entries, ring, spent):
        yield judge_approval(entry.envelope, decision, circumstances)


def approvals_of_kind(
    entries: Sequence[LedgerEntry], kind: str, ring: KeyRing
) -> Iterator[AcceptedApproval]:
    """Return the approvals of a kind of decision that count for what they say themselves.

    The caller must still compare the decision in each with what there is to decide.
    """
    spent = frozenset(spent_approvals(entries))
    for entry, circumstances in _with_circumstances(entries, ring, spent):
        try:
            decision = entry.statement.record(Approval, location=_APPROVAL).decision
        except EvidenceRefusedError:
            continue
        if decision.kind != kind:
            continue
        judged = judge_approval(entry.envelope, decision, circumstances)
        if judged.accepted is not None:
            yield judged.accepted


def spent_approvals(entries: Iterable[LedgerEntry]) -> Iterator[str]:
    """Return the digests of approval records that decisions in the ledger have used up."""
    for entry in entries:
        if entry.kind == _APPROVAL:
            continue
        for name, digest in entry.subjects.items():
            if name == _APPROVAL or name.startswith(f"{_APPROVAL}-"):
                yield digest


def _with_circumstances(
    entries: Sequence[LedgerEntry], ring: KeyRing, spent: frozenset[str]
) -> Iterator[tuple[LedgerEntry, Circumstances]]:
    before: dt.datetime | None = None
    nonces: set[str] = set()
    for entry in entries:
        if entry.kind == _APPROVAL:
            yield (
                entry,
                Circumstances(
                    ring=ring,
                    now=entry.recorded_at,
                    ledger_time=before,
                    used_nonces=frozenset(nonces),
                    spent=spent,
                ),
            )
            record = entry.statement.predicate.record
            nonces.add(str(record.get("nonce")))
        before = entry.recorded_at


def _accepted(
    presented: Envelope | bytes, decision: Decision, circumstances: Circumstances
) -> AcceptedApproval:
    envelope = (
        read_envelope(presented, location=_APPROVAL) if isinstance(presented, bytes) else presented
    )
    statement = read_statement(envelope, location=_APPROVAL)
    if statement.kind != _APPROVAL:
        raise _refused(Fault.STATEMENT_OF_OTHER_KIND, f"a statement of kind {statement.kind}")
    key = _signer(envelope, circumstances.ring)
    approval = statement.record(Approval, location=_APPROVAL)
    if statement.subjects != approval.decision.subjects:
        raise _refused(Fault.SUBJECTS_DIFFER, "subjects and decision name different digests")
    _require_same(approval.decision, decision)
    _require_persons_differ(approval, key)
    _require_in_time(approval, key, circumstances)
    if approval.nonce in circumstances.used_nonces:
        raise _refused(Fault.NONCE_USED, f"nonce {approval.nonce} was used before")
    if approval.digest in circumstances.spent:
        raise _refused(Fault.APPROVAL_SPENT, "a decision has used this approval up")
    return AcceptedApproval(approval, key, envelope.digest)


def _signer(envelope: Envelope, ring: KeyRing) -> KeyRecord:
    signers = ring.signers(envelope, location=_APPROVAL)
    if len(signers) != 1:
        detail = f"{len(signers)} signatures, expected one person's"
        raise _refused(Fault.TOO_MANY_SIGNATURES, detail)
    require_role(signers[0], _APPROVAL, location=_APPROVAL)
    return signers[0]


def _require_same(approved: Decision, decision: Decision) -> None:
    """Compare what was approved with what is being decided, field by field."""
    bound = (
        (Fault.OTHER_DECISION, "kind", approved.kind, decision.kind),
        (Fault.OTHER_CANDIDATE, "candidate", approved.candidate_id, decision.candidate_id),
        (Fault.OTHER_AUTHORS, "authors", approved.authors, decision.authors),
        (Fault.OTHER_STAGE, "stage", approved.stage, decision.stage),
        (Fault.OTHER_REPORT, "report", approved.report_digest, decision.report_digest),
        (Fault.OTHER_POLICY, "policy", approved.policy_digest, decision.policy_digest),
        (Fault.OTHER_LINE, "members", approved.members, decision.members),
        (Fault.OTHER_LINE, "refusals", approved.refusals, decision.refusals),
    )
    for fault, name, found, expected in bound:
        if found != expected:
            raise _refused(fault, f"approved {name} {found}, being decided is {expected}")
    approved_limits = {limit.name: limit.value for limit in approved.limits}
    limits = {limit.name: limit.value for limit in decision.limits}
    for name, value in limits.items():
        if value > approved_limits.get(name, value):
            detail = f"{name} {value}, approved up to {approved_limits[name]}"
            raise _refused(Fault.LIMITS_WIDENED, detail)
    if approved_limits != limits:
        raise _refused(Fault.LIMITS_DIFFER, f"approved {approved_limits}, being decided {limits}")


def _require_persons_differ(approval: Approval, key: KeyRecord) -> None:
    if approval.approver != key.owner:
        detail = f"approver {approval.approver}, signed by the key of {key.owner}"
        raise _refused(Fault.APPROVER_IS_NOT_SIGNER, detail)
    for author in approval.decision.authors:
        if same_person(author, key.owner):
            raise _refused(Fault.SELF_APPROVED, f"{key.owner} is an author of the candidate")


def _require_in_time(approval: Approval, key: KeyRecord, circumstances: Circumstances) -> None:
    issued, now = approval.issued_at, circumstances.now
    lifetime = approval.expires_at - issued
    if not dt.timedelta(0) < lifetime <= dt.timedelta(hours=MAX_LIFETIME_HOURS):
        detail = f"valid for {lifetime}, expected more than none and {MAX_LIFETIME_HOURS} h at most"
        raise _refused(Fault.LIFETIME_IMPOSSIBLE, detail)
    if issued > now:
        raise _refused(Fault.ISSUED_IN_THE_FUTURE, f"issued at {issued}, it is {now}")
    if fault := signed_at_fault(key, issued):
        raise _refused(fault, f"key {key.key_id[:16]}, signed at {issued}")
    if circumstances.ledger_time is not None and issued < circumstances.ledger_time:
        detail = f"issued at {issued}, the ledger is at {circumstances.ledger_time}"
        raise _refused(Fault.CLOCK_MOVED_BACK, detail)
    if now >= approval.expires_at:
        raise _refused(Fault.EXPIRED, f"expired at {approval.expires_at}, it is {now}")


def _refused(fault: Fault, detail: str) -> EvidenceRefusedError:
    return EvidenceRefusedError(fault, location=_APPROVAL, detail=detail)
