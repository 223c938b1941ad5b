"""Which candidates are one family, whatever they are called.

Candidates are connected by facts that the register holds: the same strategy type, the same
plugin code, a declared parent, or returns that correlate. A family is everything that is
connected: choosing the best of it is choosing among all of its trials.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.domain.backtest.trials import RegisterEntry, TrialOutcome, TrialTicket
from torghut_assets.domain.errors import BadInputError, EvidenceError
from torghut_assets.domain.records import Part

JoinReason = Literal["itself", "plugin_code", "strategy_type", "parent", "correlation"]
_STRONGEST_FIRST: Final[tuple[JoinReason, ...]] = (
    "plugin_code",
    "strategy_type",
    "parent",
    "correlation",
)


class FamilyMember(Part):
    """One candidate of a family, and by which fact it belongs to it."""

    candidate_id: str
    reason: JoinReason


class Family(NamedTuple):
    """A candidate's family: members by id, and its ancestors by declared parents."""

    members: tuple[FamilyMember, ...]
    ancestors: frozenset[str]

    @property
    def candidates(self) -> frozenset[str]:
        """Ids of the members."""
        return frozenset(member.candidate_id for member in self.members)


class UnknownCandidateError(EvidenceError):
    """The register holds no ticket of this candidate, so it has no count of trials."""

    def __init__(self, candidate_id: str) -> None:
        self.candidate_id = candidate_id
        super().__init__(
            f"trial register: no ticket of candidate '{candidate_id}'. Evaluate it first: "
            f"torghut run {candidate_id} --snapshot ID"
        )


class _Node(NamedTuple):
    kind: Literal["candidate", "plugin_code", "strategy_type"]
    name: str


def family_of(entries: Sequence[RegisterEntry], candidate_id: str, policy: TrialPolicy) -> Family:
    """Return the family of a candidate: all that is connected with it by any fact.

    Parameters
    ----------
    entries : sequence of RegisterEntry
        The whole register, verified.
    candidate_id : str
    policy : TrialPolicy
        Says from which absolute correlation on two candidates are one family.

    Raises
    ------
    UnknownCandidateError
        If the candidate never took a ticket.
    """
    tickets = {entry.sequence: entry for entry in entries if isinstance(entry, TrialTicket)}
    trials = [ticket.trial for ticket in tickets.values()]
    if not any(trial.inputs.candidate_id == candidate_id for trial in trials):
        raise UnknownCandidateError(candidate_id)
    links = _links(entries, tickets, policy)
    reasons: dict[_Node, JoinReason] = {_Node("candidate", candidate_id): "itself"}
    waiting = deque(reasons)
    while waiting:
        node = waiting.popleft()
        for reason, other in sorted(links[node], key=_by_strength):
            if other not in reasons:
                reasons[other] = reason
                waiting.append(other)
    members = tuple(
        FamilyMember(candidate_id=node.name, reason=reason)
        for node, reason in sorted(reasons.items())
        if node.kind == "candidate"
    )
    return Family(members, _ancestors(tickets.values(), candidate_id))


def _links(
    entries: Sequence[RegisterEntry], tickets: dict[int, TrialTicket], policy: TrialPolicy
) -> defaultdict[_Node, set[tuple[JoinReason, _Node]]]:
    """Undirected graph of facts; each link is stored at both of its ends."""
    links: defaultdict[_Node, set[tuple[JoinReason, _Node]]] = defaultdict(set)

    def join(left: _Node, right: _Node, reason: JoinReason) -> None:
        links[left].add((reason, right))
        links[right].add((reason, left))

    for ticket in tickets.values():
        trial = ticket.trial
        candidate = _Node("candidate", trial.inputs.candidate_id)
        join(candidate, _Node("plugin_code", trial.code_digest), "plugin_code")
        join(candidate, _Node("strategy_type", trial.family), "strategy_type")
        if trial.parent is not None:
            join(candidate, _Node("candidate", trial.parent), "parent")
    for outcome in entries:
        if isinstance(outcome, TrialOutcome):
            left = tickets[outcome.ticket_sequence].trial.inputs.candidate_id
            for found in outcome.correlated:
                if abs(found.correlation) >= policy.join_correlation:
                    right = tickets[found.ticket_sequence].trial.inputs.candidate_id
                    join(_Node("candidate", left), _Node("candidate", right), "correlation")
    return links


def _by_strength(link: tuple[JoinReason, _Node]) -> tuple[int, _Node]:
    return _STRONGEST_FIRST.index(link[0]), link[1]


def _ancestors(tickets: Iterable[TrialTicket], candidate_id: str) -> frozenset[str]:
    """All declared parents, of parents, ...; a candidate that changed its parent keeps both."""
    parents: defaultdict[str, set[str]] = defaultdict(set)
    for ticket in tickets:
        if ticket.trial.parent is not None:
            parents[ticket.trial.inputs.candidate_id].add(ticket.trial.parent)
    found: set[str] = set()
    waiting = deque(parents[candidate_id])
    while waiting:
        parent = waiting.popleft()
        if parent not in found and parent != candidate_id:
            found.add(parent)
            waiting.extend(parents[parent])
    return frozenset(found)


@dataclass(frozen=True)
class ReturnSeries:
    """Out-of-sample returns of one evaluation.

    Attributes
    ----------
    times : ndarray of datetime64, shape (n_bars,)
        Bar labels in UTC, strictly increasing.
    returns : ndarray of float64, shape (n_bars,)
        Simple net return per bar, a fraction; finite.
    """

    times: npt.NDArray[np.datetime64]
    returns: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.times.ndim != 1 or self.times.shape != self.returns.shape:
            raise BadInputError(
                location="return series",
                found=f"times {self.times.shape}, returns {self.returns.shape}",
                expected="two arrays of one length",
            )
        if not np.isfinite(self.returns).all():
            raise BadInputError(
                location="return series", found="NaN or infinite", expected="finite returns"
            )
        if self.times.size > 1 and not (self.times[1:] > self.times[:-1]).all():
            raise BadInputError(
                location="return series times",
                found="labels out of order",
                expected="strictly increasing labels",
            )
