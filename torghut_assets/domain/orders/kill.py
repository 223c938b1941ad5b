"""The kill switch's latches: what blocks orders, and what alone takes a block away.

A latch is written once and never removed. It stops counting only when a person other than
the candidate's author has signed an approval of exactly this latch (`lift_decision`, `lifts`).
"""

from typing import ClassVar, Literal

from pydantic import Field

from torghut_assets.domain.errors import StageRefusedError
from torghut_assets.domain.evidence.approval_records import Decision, DecisionKind
from torghut_assets.domain.orders.records import Moment
from torghut_assets.domain.records import Digest, Record

LatchCause = Literal["kill", "message_rate", "incident"]


class KillLatch(Record):
    """One decision to stop: of one candidate, or of all if `candidate_id` is `None`."""

    record_kind: ClassVar[str] = "kill-latch"

    sequence: int = Field(ge=1)
    previous_digest: Digest
    candidate_id: str | None
    cause: LatchCause
    reason: str = Field(min_length=3, max_length=500)
    actor: str = Field(min_length=1, max_length=80)
    engaged_at: Moment

    def stops(self, candidate_id: str | None) -> bool:
        """Whether it is about this candidate; every latch stops `None`, which means anyone."""
        return candidate_id is None or self.candidate_id in (None, candidate_id)


class KillAnchor(Record):
    """How many latches were written, kept in another place than the latches."""

    record_kind: ClassVar[str] = "kill-anchor"

    sequence: int = Field(ge=0)
    head_digest: Digest


class OrdersKilledError(StageRefusedError):
    """The kill switch is engaged, or nobody can say that it is not."""

    def __init__(self, *, subject: str, detail: str) -> None:
        self.subject = subject
        self.detail = detail
        super().__init__(
            f"{subject}: stopped, {detail}. Nothing was sent. `torghut kill status` shows every "
            "latch; only a signed approval of it lifts one."
        )


def kind_that_lifts(latch: KillLatch) -> DecisionKind:
    """Return the kind of decision that a person must approve."""
    return "re_enable" if latch.cause == "message_rate" else "lift_kill"


def lift_decision(latch: KillLatch, authors: tuple[str, ...], policy_digest: str) -> Decision:
    """Return the decision that a person must approve to lift a latch.

    Parameters
    ----------
    latch : KillLatch
    authors : tuple of str
        Who wrote the candidate that it stops, in order; nobody if it stops every candidate.
    policy_digest : str
        The order limits under which orders are let go again.
    """
    return Decision(
        kind=kind_that_lifts(latch),
        candidate_id=latch.candidate_id,
        authors=authors,
        stage=None,
        report_digest=latch.digest,
        policy_digest=policy_digest,
    )


def lifts(decision: Decision, latch: KillLatch, authors: tuple[str, ...]) -> bool:
    """Whether an approved decision is exactly that of letting this latch go.

    Parameters
    ----------
    decision : Decision
        As it was signed.
    latch : KillLatch
    authors : tuple of str
        From the submitted file, never from the approval: else whoever signs would say
        himself who must not.

    Notes
    -----
    The limits that a person let orders go under are named and not compared with those in
    force: a deployment is bound to its limits elsewhere, and a latch does not come back
    because limits were edited later.
    """
    if latch.candidate_id is not None and not authors:
        return False  # somebody wrote it
    return decision == lift_decision(latch, authors, decision.policy_digest)
