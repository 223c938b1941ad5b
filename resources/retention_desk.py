"""The desk where evidence is removed: plan, approval by persons, tombstones, and only then bytes.

Tombstones go into the ledger before a file goes out of the store: a crash in between leaves a
file that should be gone, never one that is gone without a word. Applying the plan again ends
what was begun. The ledger's lock is held while what may go is looked at for the last time.
"""

import datetime as dt
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

from torghut_assets.domain.audit.retention import (
    Removable,
    RetentionEvidence,
    digests_in,
    plan_removals,
    protected_by,
)
from torghut_assets.domain.audit.retention_policy import (
    RECEIPT,
    RetentionPolicy,
    parse_retention_policy,
)
from torghut_assets.domain.errors import BadInputError, EvidenceError, TorghutError
from torghut_assets.domain.evidence.approval_records import Approval
from torghut_assets.domain.evidence.approvals import AcceptedApproval, approvals_in, require_persons
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.ledger_check import LedgerPrefix
from torghut_assets.domain.evidence.record_kinds import POLICY
from torghut_assets.domain.evidence.removals import (
    RECORD,
    Removal,
    Retention,
    SaidOf,
    candidate_of,
    read_retention,
    require_planned,
)
from torghut_assets.domain.evidence.retention_records import (
    MAX_PLANNED,
    TOMBSTONE,
    RetentionPlan,
    Tombstone,
)
from torghut_assets.domain.evidence.statement import RecordMade
from torghut_assets.domain.stages.receipts import StageReceipt
from torghut_assets.resources.artifact_files import FileStore
from torghut_assets.resources.artifact_store import ArtifactStore
from torghut_assets.resources.clock import utc_now
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger import Draft, Ledger
from torghut_assets.resources.receipt_book import ReceiptBook

_OPENING: Final = b'{"kind":'
_PLAN: Final = b'{"kind":"retention-plan",'
_NOT_DEPLOYED: Final = frozenset(
    {"research_intake", "candidate_build", "backtest_robustness", "rollback_incident"}
)


class RetentionRefusedError(TorghutError):
    """A plan may not be applied: not approved, overtaken, or something of it must stay."""

    exit_code = 1

    def __init__(self, problem: str) -> None:
        super().__init__(f"retention refused: {problem} Nothing was removed.")


class MadePlan(NamedTuple):
    """A plan in the store, or none if nothing may go, and why the rest stays, counted."""

    plan: RetentionPlan | None
    kept: Mapping[str, int]
    policy_digest: str


class Applied(NamedTuple):
    """What came of a plan: tombstones by artifact, files that went now, files held since."""

    tombstones: Mapping[str, int]
    removed: tuple[str, ...]
    held_since: tuple[str, ...]


class RetentionDesk:
    """Plans and applies retention in one home."""

    def __init__(
        self, home: Home, clock: Callable[[], dt.datetime] = utc_now, ledger: Ledger | None = None
    ) -> None:
        self._home = home
        self._clock = clock
        self._ledger = ledger or Ledger(home, clock)
        self._store = _files_of(home)

    def policy(self) -> RetentionPolicy:
        """Return the policy in force, its record in the store."""
        path = self._home.config_path("retention_policy")
        policy = parse_retention_policy(path.read_bytes(), location=path.name)
        self._home.store.put(policy.canonical_bytes())
        return policy

    def plan(self, kinds: Sequence[str] = (), limit: int = MAX_PLANNED) -> MadePlan:
        """Say what may be removed now, and keep the plan in the store for approval.

        Parameters
        ----------
        kinds : sequence of str
            Only artifacts that are stated as one of these kinds; empty is all.
        limit : int
            At most so many artifacts, those that expired first.

        Raises
        ------
        EvidenceError
            If ledger, receipts, or anything that is kept cannot be read.
        """
        policy = self.policy()
        if unknown := sorted(set(kinds) - policy.keep_days.keys()):
            raise BadInputError(
                location="--kind",
                found=ascii(unknown[0])[:80],
                expected=f"one of {', '.join(sorted(policy.keep_days))}",
            )
        prefix = self._ledger.verify()
        found = self._removable(prefix, policy)
        wanted = [
            item
            for item in found.items
            if not kinds or any(each.kind in kinds for each in item.stated)
        ]
        oldest = sorted(wanted, key=lambda item: (item.expires_at, item.artifact))[:limit]
        kept = Counter(held.reason for held in found.kept)
        if left := len(found.items) - len(oldest):
            kept["expired, and not in this plan"] = left
        if not oldest:
            return MadePlan(None, kept, policy.digest)
        plan = RetentionPlan(
            policy_digest=policy.digest,
            persons_required=policy.persons_required,
            made_at=self._clock(),
            ledger_size=prefix.size,
            ledger_root=prefix.root().hex(),
            items=tuple(sorted(oldest, key=lambda item: item.artifact)),
        )
        self._home.store.put(plan.canonical_bytes())
        return MadePlan(plan, kept, policy.digest)

    def apply(self, digest: str) -> Applied:
        """Remove what a plan lists, if persons approved it and all of it may still go.

        Raises
        ------
        RetentionRefusedError
            If not; nothing is removed then.
        EvidenceError
            If the plan, the ledger or anything that is kept cannot be read.
        """
        plan = RetentionPlan.from_canonical_bytes(
            self._home.store.get(digest), location=f"plan {digest}"
        )
        prefix = self._ledger.verify()
        if digest not in {r.tombstone.plan_digest for r in _removals(prefix).values()}:
            self._bury(plan, prefix)
        return self._take_out(plan)

    def retention(self) -> Retention:
        """Return what was removed and what is held, every tombstone proven down to its plan.

        Raises
        ------
        EvidenceError
            If one is not.
        """
        prefix = self._ledger.verify()
        found = read_retention(prefix.entries, prefix.ring)
        require_plans(self._home.store, found)
        return found

    def _bury(self, plan: RetentionPlan, prefix: LedgerPrefix) -> None:
        """Append the tombstones of a plan: all of them, or none."""
        policy = self.policy()
        if plan.persons_required != policy.persons_required:
            raise RetentionRefusedError(
                f"the plan asks for {plan.persons_required} persons, the policy for "
                f"{policy.persons_required}. Make a new plan."
            )
        if policy.digest != plan.policy_digest:
            raise RetentionRefusedError(
                f"the plan was made under policy {plan.policy_digest}, in force is "
                f"{policy.digest}. Make a new plan."
            )
        before = (prefix.size, self._removable(prefix, policy))

        def drafts(now: LedgerPrefix) -> Sequence[Draft]:
            found = before[1] if now.size == before[0] else self._removable(now, policy)
            may_go = {item.artifact: item for item in found.items}
            stays = {held.artifact: held.reason for held in found.kept}
            for item in plan.items:
                if may_go.get(item.artifact) != item:
                    reason = stays.get(item.artifact, "it is not as it was when it was planned")
                    raise RetentionRefusedError(
                        f"{item.what} {item.artifact} must stay: {reason}. Make a new plan."
                    )
            approvals = self._approvals(plan, now)
            return [_tombstone(plan, number, approvals) for number in range(len(plan.items))]

        self._ledger.append_all(drafts)

    def _approvals(self, plan: RetentionPlan, prefix: LedgerPrefix) -> tuple[str, ...]:
        """Return the digests of approvals of a plan that count now, by enough persons."""
        accepted: dict[str, AcceptedApproval] = {}
        now = self._clock()
        for judged in approvals_in(prefix.entries, plan.decision, prefix.ring):
            found = judged.accepted
            if found is not None and found.approval.expires_at > now:
                accepted.setdefault(found.key.owner, found)
        try:
            require_persons(accepted.values(), plan.persons_required)
        except EvidenceRefusedError as error:
            raise RetentionRefusedError(
                f"{error.detail}. Each signs with: torghut approve retention --report "
                f"{plan.digest} --policy {plan.policy_digest} --key NAME."
            ) from error
        return tuple(found.approval.digest for found in accepted.values())

    def _take_out(self, plan: RetentionPlan) -> Applied:
        """Remove the files that tombstones of a plan stand for."""
        prefix = self._ledger.checked()
        own = {
            artifact: removal
            for artifact, removal in _removals(prefix).items()
            if removal.tombstone.plan_digest == plan.digest
        }
        there = sorted(artifact for artifact in own if artifact in self._home.store)
        held: tuple[str, ...] = ()
        if there:
            evidence, policy = self._evidence(prefix), self.policy()
            reasons = protected_by(evidence, policy, self._clock())
            held = tuple(a for a in there if a in reasons)
        removed = tuple(artifact for artifact in there if artifact not in held)
        for artifact in removed:
            _unlink(self._store, artifact)
        return Applied({a: r.sequence for a, r in own.items()}, removed, held)

    def _removable(self, prefix: LedgerPrefix, policy: RetentionPolicy) -> Removable:
        return plan_removals(self._evidence(prefix), policy, self._clock())

    def _evidence(self, prefix: LedgerPrefix) -> RetentionEvidence:
        """Read everything that a plan is made from."""
        store = self._store
        said: dict[str, list[SaidOf]] = {}
        described: dict[str, str] = {}
        edges: dict[str, set[str]] = {}
        newest_settings: dict[str, str] = {}
        for entry in prefix.entries:
            if RECORD not in entry.subjects:
                continue
            made = entry.statement.record(RecordMade, location=f"ledger entry {entry.sequence}")
            one = SaidOf(entry.kind, entry.sequence, entry.recorded_at, candidate_of(entry))
            record = entry.subjects[RECORD]
            place = f"{made.asset}[{made.partition}]" if made.partition else made.asset
            for name, digest in entry.subjects.items():
                said.setdefault(digest, []).append(one)
                described[digest] = place if name == RECORD else f"{name} of {place}"[:200]
            below = edges.setdefault(record, set())
            below |= {*made.inputs.values(), *made.policies.values(), *entry.subjects.values()}
            if entry.kind == POLICY:
                newest_settings[made.asset] = record
        receipts = ReceiptBook(self._home).receipts()
        roots = dict.fromkeys(newest_settings.values(), "settings in force")
        roots |= self._in_force(prefix, receipts, said)

        @cache
        def rests_on(digest: str) -> frozenset[str]:
            return frozenset(edges.get(digest, set()) | _named_in(store, digest)) - {digest}

        return RetentionEvidence(
            said=said,
            rests_on=rests_on,
            sizes={p.name: p.stat().st_size for p in store.root.glob("??/" + "?" * 64)},
            described=described,
            roots=roots,
            holds=read_retention(prefix.entries, prefix.ring).holds,
        )

    def _in_force(
        self,
        prefix: LedgerPrefix,
        receipts: Sequence[StageReceipt],
        said: Mapping[str, Sequence[SaidOf]],
    ) -> dict[str, str]:
        """Return what approvals, receipts, tombstones and deployments rest on, with the reason."""
        now, roots = self._clock(), dict[str, str]()
        days = self.policy().days(RECEIPT)
        for receipt in receipts:
            ends = None if days is None else receipt.recorded_at + dt.timedelta(days=days)
            if ends is None or ends > now:
                reason = f"stage receipt {receipt.sequence} is kept and looked at it"
                roots |= {ref.digest: reason for ref in receipt.decision.inputs if ref.digest}
        for entry in prefix.entries:
            if entry.kind == TOMBSTONE:
                reason = f"tombstone {entry.sequence} names it"
                roots |= {entry.subjects[name]: reason for name in ("plan", "policy")}
            elif entry.kind == "approval":
                approval = entry.statement.record(Approval, location="approval")
                if approval.expires_at > now and approval.decision.kind != "retention":
                    reason = f"the approval in entry {entry.sequence} has not expired"
                    roots |= dict.fromkeys(approval.decision.subjects.values(), reason)
        deployed = _deployed(prefix.entries, receipts)
        for digest, statements in said.items():
            for one in statements:
                if one.candidate_id in deployed:
                    roots[digest] = f"{one.candidate_id} is deployed"
        return roots


def _files_of(home: Home) -> FileStore:
    """Return the store if it is a folder: nothing here takes an object out of a bucket.

    Raises
    ------
    BadInputError
        If artifacts lie in a bucket.
    """
    if isinstance(home.store, FileStore):
        return home.store
    raise BadInputError(
        location="retention",
        found=f"artifacts in {home.store.location}",
        expected="a store in a folder",
        action="Artifacts in a bucket are kept; its lock and lifecycle rules are not ours.",
    )


def require_plans(store: ArtifactStore, retention: Retention) -> None:
    """Refuse tombstones whose plan is not in the store, or does not list what they say.

    Raises
    ------
    EvidenceError
    """
    plans: dict[str, RetentionPlan] = {}
    for removal in retention.removed.values():
        digest = removal.tombstone.plan_digest
        if digest not in plans:
            try:
                payload = store.get(digest)
                plans[digest] = RetentionPlan.from_canonical_bytes(payload, location=digest)
            except EvidenceError as error:
                raise EvidenceRefusedError(
                    Fault.TOMBSTONE_UNPROVEN,
                    location=f"ledger entry {removal.sequence}",
                    detail=f"its plan: {str(error).rstrip('.')}",
                ) from error
        require_planned(removal, plans[digest])


def _removals(prefix: LedgerPrefix) -> Mapping[str, Removal]:
    return read_retention(prefix.entries, prefix.ring).removed


def _tombstone(plan: RetentionPlan, number: int, approvals: tuple[str, ...]) -> Draft:
    item = plan.items[number]
    last = max(item.stated, key=lambda each: each.expires_at)
    stone = Tombstone(
        removed=item,
        policy_digest=plan.policy_digest,
        plan_digest=plan.digest,
        persons_required=plan.persons_required,
        reason=f"{last.kind} is kept for {last.keep_days} days, until {last.expires_at:%FT%TZ}; "
        "nothing that is kept rests on it, and no hold is on it",
    )
    return Draft(TOMBSTONE, stone.subjects(approvals), stone)


def _deployed(entries: Sequence[LedgerEntry], receipts: Sequence[StageReceipt]) -> set[str]:
    """Return the candidates with a deployment whose last receipt does not say that they are out.

    Without a receipt a deployment counts as active: what is not known to have ended has not.
    """
    last: dict[str, StageReceipt] = {}
    for receipt in receipts:
        last[receipt.decision.candidate_id] = receipt
    deployed = {
        candidate
        for entry in entries
        if entry.kind == "deployment" and (candidate := candidate_of(entry)) is not None
    }
    return {c for c in deployed if c not in last or last[c].decision.to_stage not in _NOT_DEPLOYED}


def _named_in(store: FileStore, digest: str) -> set[str]:
    """Return the digests that a record in the store names; a table names none.

    A retention plan rests on nothing: it lists what is to go.

    Raises
    ------
    EvidenceError
        If its bytes are not what its name says.
    """
    if digest not in store:
        return set()
    with store.path_of(digest).open("rb") as file:
        if file.read(len(_OPENING)) != _OPENING:
            store.verified_path(digest)
            return set()
    payload = store.get(digest)
    return set() if payload.startswith(_PLAN) else digests_in(payload)


def _unlink(store: FileStore, digest: str) -> None:
    """Take one file out of the store, for good also after a loss of power."""
    path = store.path_of(digest)
    path.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
