"""How many trials stand behind a candidate: the N of the overfitting statistics.

N is read from the register, never from an argument. It is the sum of the grid points of
every distinct evaluation of the candidate's family, whether it finished or not, plus the
trials that were declared as made outside this project.
"""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from torghut_assets.domain.backtest.families import FamilyMember, family_of
from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.domain.backtest.trials import (
    HoldoutReceipt,
    RegisterEntry,
    TrialOutcome,
    TrialTicket,
)
from torghut_assets.domain.records import Digest, Record


class TrialCount(Record):
    """Trials of a candidate's family as of one entry of the register.

    `head_sequence` and `head_digest` name that entry: whoever has the register can count
    again (`trial_claims.check_count`), and a register with another history contradicts this record.
    """

    record_kind: ClassVar[str] = "trial-count"

    candidate_id: str
    policy_digest: Digest
    head_sequence: int = Field(ge=1)
    head_digest: Digest
    members: tuple[FamilyMember, ...] = Field(min_length=1)
    tickets: int = Field(ge=1)
    backtests: int = Field(ge=1)
    abandoned: int = Field(ge=0)
    registered_trials: int = Field(ge=1)
    own_trials: int = Field(ge=1)
    ancestor_trials: int = Field(ge=0)
    declared_outside: int = Field(ge=0)
    unattributed_trials: int = Field(ge=0)
    holdout_looks: int = Field(ge=0)

    @property
    def raw(self) -> int:
        """N: distinct grid points that were tried, and those declared from outside."""
        return self.registered_trials + self.declared_outside

    @property
    def repeats(self) -> int:
        """Tickets that computed again what another ticket had computed."""
        return self.tickets - self.backtests


def count_trials(
    entries: Sequence[RegisterEntry], candidate_id: str, policy: TrialPolicy
) -> TrialCount:
    """Count the trials of a candidate's family in a verified register.

    A distinct evaluation (`Trial.evaluation_digest`) counts its grid points once. It is
    `abandoned` if none of its tickets finished. `declared_outside` takes the highest
    number that each candidate ever declared: lowering it later does not help.
    `unattributed_trials` are those of abandoned evaluations of other families, which left
    no returns to compare: shown, not added.

    Raises
    ------
    UnknownCandidateError
        If the candidate never took a ticket.
    """
    family = family_of(entries, candidate_id, policy)
    finished = {
        entry.ticket_sequence
        for entry in entries
        if isinstance(entry, TrialOutcome) and entry.status == "finished"
    }
    evaluations: dict[str, TrialTicket] = {}
    completed: set[str] = set()
    declared: dict[str, int] = {}
    tickets = 0
    for ticket in entries:
        if not isinstance(ticket, TrialTicket):
            continue
        identity = ticket.trial.evaluation_digest
        evaluations.setdefault(identity, ticket)
        if ticket.sequence in finished:
            completed.add(identity)
        candidate = ticket.trial.inputs.candidate_id
        if candidate in family.candidates:
            tickets += 1
            outside = ticket.trial.declared_outside_trials
            declared[candidate] = max(declared.get(candidate, 0), outside)
    points: dict[str, int] = {}
    unattributed = 0
    abandoned = backtests = 0
    for identity, ticket in evaluations.items():
        candidate = ticket.trial.inputs.candidate_id
        if candidate in family.candidates:
            backtests += 1
            abandoned += identity not in completed
            points[candidate] = points.get(candidate, 0) + ticket.trial.grid_points
        elif identity not in completed:
            unattributed += ticket.trial.grid_points
    head = entries[-1]
    return TrialCount(
        candidate_id=candidate_id,
        policy_digest=policy.digest,
        head_sequence=head.sequence,
        head_digest=head.digest,
        members=family.members,
        tickets=tickets,
        backtests=backtests,
        abandoned=abandoned,
        registered_trials=sum(points.values()),
        own_trials=points[candidate_id],
        ancestor_trials=sum(points.get(ancestor, 0) for ancestor in family.ancestors),
        declared_outside=sum(declared.values()),
        unattributed_trials=unattributed,
        holdout_looks=sum(
            isinstance(entry, HoldoutReceipt) and entry.candidate_id in family.candidates
            for entry in entries
        ),
    )
