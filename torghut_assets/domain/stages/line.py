"""A line: a candidate with its parents and children, when it is frozen, and who lifts that.

Refusals are counted over the whole line, so that a new id does not wipe them out. A person
may lift the refusals counted so far by a signed approval that names each of them
(`unfreeze_decision`); refusals that come later count anew. `lifted_by` looks at approvals
that `domain/evidence/approvals.py` accepted and at nothing else.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.evidence.approval_records import Decision
from torghut_assets.domain.evidence.approvals import AcceptedApproval
from torghut_assets.domain.stages.config import FreezePolicy


@dataclass(frozen=True)
class Refusal:
    """One refusal by the stage that the freeze policy counts."""

    candidate_id: str
    report_digest: str
    receipt_sequence: int


@dataclass(frozen=True)
class LineState:
    """What receipts say about a line: its members, its different refusals, the limit.

    `lifted` holds the digests of refusals that persons have lifted, `approvals` those of the
    approval records that did it. `rolled_back` are the members that were ever taken back from
    trading.
    """

    members: tuple[str, ...]
    refusals: tuple[Refusal, ...]
    policy: FreezePolicy
    lifted: frozenset[str] = frozenset()
    approvals: tuple[str, ...] = ()
    rolled_back: tuple[str, ...] = ()

    @property
    def counted(self) -> tuple[Refusal, ...]:
        """Refusals that nobody has lifted."""
        return tuple(r for r in self.refusals if r.report_digest not in self.lifted)

    @property
    def is_frozen(self) -> bool:
        """Whether the line has been refused as often as the policy allows."""
        return len(self.counted) >= self.policy.after_refusals

    def was_rolled_back(self, candidate_id: str) -> bool:
        """Whether this member was ever taken back from trading."""
        return candidate_id in self.rolled_back

    def refused(self, candidate_id: str) -> bool:
        """Whether this member has been refused."""
        return any(refusal.candidate_id == candidate_id for refusal in self.refusals)


def line_members(candidate_id: str, parents: dict[str, str | None]) -> tuple[str, ...]:
    """Return everyone connected with a candidate by parenthood, in order of ids.

    Parameters
    ----------
    candidate_id : str
    parents : dict of str to (str or None)
        Every known candidate and its parent.
    """
    neighbours: dict[str, set[str]] = {candidate_id: set()}
    for child, parent in parents.items():
        if parent is not None:
            neighbours.setdefault(child, set()).add(parent)
            neighbours.setdefault(parent, set()).add(child)
    found, front = {candidate_id}, [candidate_id]
    while front:
        for other in neighbours[front.pop()] - found:
            found.add(other)
            front.append(other)
    return tuple(sorted(found))


def unfreeze_decision(line: LineState, authors: Sequence[str]) -> Decision:
    """Return the decision that a person must approve to unfreeze a line.

    Parameters
    ----------
    line : LineState
        It is frozen.
    authors : sequence of str
        Of all members, in any order.
    """
    refusals = tuple(sorted(r.report_digest for r in line.counted))
    return _decision(line.members, refusals, tuple(sorted(set(authors))), line.policy)


def lifted_by(
    line: LineState,
    approvals: Iterable[AcceptedApproval],
    author_of: Callable[[str], str],
) -> LineState:
    """Return the line without the refusals that accepted approvals lift.

    Parameters
    ----------
    line : LineState
    approvals : iterable of AcceptedApproval
        In the order of the ledger.
    author_of : callable
        Author of a member, from the submitted file.

    Notes
    -----
    An approval lifts exactly the refusals that it names, all of them refusals of this line,
    as many as freeze one, under the freeze policy in force. A line that grew since, or was joined
    with another, keeps the refusals that nobody named.
    """
    refusals = {r.report_digest for r in line.refusals}
    for accepted in approvals:
        signed = accepted.approval.decision
        if not (refusals.issuperset(signed.refusals) and set(line.members) >= set(signed.members)):
            continue
        authors = tuple(sorted({author_of(member) for member in signed.members}))
        expected = _decision(signed.members, signed.refusals, authors, line.policy)
        was_frozen = len(set(signed.refusals) - line.lifted) >= line.policy.after_refusals
        if signed == expected and was_frozen:
            line = replace(
                line,
                lifted=line.lifted | set(signed.refusals),
                approvals=(*line.approvals, accepted.approval.digest),
            )
    return line


def _decision(
    members: tuple[str, ...],
    refusals: tuple[str, ...],
    authors: tuple[str, ...],
    policy: FreezePolicy,
) -> Decision:
    reviewed = canonical_json({"members": list(members), "refusals": list(refusals)})
    return Decision(
        kind="unfreeze",
        candidate_id=None,
        authors=authors,
        stage=None,
        report_digest=sha256_hex(reviewed),
        policy_digest=sha256_hex(canonical_json(policy.model_dump(mode="json"))),
        members=members,
        refusals=refusals,
    )
