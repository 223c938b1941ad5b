"""A line: a candidate with its parents and children, and when it is frozen.

Refusals are counted over the whole line, so that a new id does not wipe them out.
"""

from dataclasses import dataclass

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

    `rolled_back` are the members that were ever taken back from trading.
    """

    members: tuple[str, ...]
    refusals: tuple[Refusal, ...]
    policy: FreezePolicy
    rolled_back: tuple[str, ...] = ()

    @property
    def is_frozen(self) -> bool:
        """Whether the line has been refused as often as the policy allows."""
        return len(self.refusals) >= self.policy.after_refusals

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
