"""What a person approves, as records: the decision with all that it rests on, and the approval.

A `Decision` is what is being decided. Whoever decides builds it from the evidence; whoever
approves signs one. `judge_approval` compares the two field by field.
"""

import unicodedata
from typing import ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.evidence.moments import UtcSecond
from torghut_assets.domain.evidence.statement import Statement, statement_about
from torghut_assets.domain.records import Digest, Measured, Part, Record

DecisionKind = Literal[
    "unfreeze", "promote", "deploy", "ramp", "re_enable", "lift_kill", "cost_model", "retention"
]
DECISION_KINDS: Final[tuple[DecisionKind, ...]] = (
    "unfreeze",
    "promote",
    "deploy",
    "ramp",
    "re_enable",
    "lift_kill",
    "cost_model",
    "retention",
)
MAX_LIFETIME_HOURS: Final = 24 * 14


class ApprovedLimit(Part):
    """One limit that the decision may not exceed; the name carries the unit."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{2,62}$")
    value: Measured = Field(ge=0)


class Decision(Part):
    """What is being decided, bound to everything that it rests on.

    Parameters
    ----------
    kind : str
        What happens if it is approved.
    candidate_id : str or None
        Whom it is about; `None` if it is about everything, e.g. a kill switch for all.
    authors : tuple of str
        Who wrote the candidate, and all of its line if a line is decided about.
    stage : str or None
        The stage that is entered, if one is.
    report_digest : str
        The record that was reviewed: gate report, paper gate report, kill record, …
    policy_digest : str
        The policy under which it is decided.
    limits : tuple of ApprovedLimit
        In order of names.
    members : tuple of str
        Candidates of the line, in order; only to unfreeze.
    refusals : tuple of str
        Digests of the refusals that are lifted, in order; only to unfreeze.
    """

    kind: DecisionKind
    candidate_id: str | None
    authors: tuple[str, ...] = Field(max_length=100)
    stage: str | None
    report_digest: Digest
    policy_digest: Digest
    limits: tuple[ApprovedLimit, ...] = Field(default=(), max_length=100)
    members: tuple[str, ...] = Field(default=(), max_length=1_000)
    refusals: tuple[Digest, ...] = Field(default=(), max_length=1_000)

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        names = [limit.name for limit in self.limits]
        for listed in (names, self.authors, self.members, self.refusals):
            if list(listed) != sorted(set(listed)):
                raise ValueError("lists are in order, each entry once")
        expected = (self.kind == "unfreeze",) * 2
        if (bool(self.members), bool(self.refusals)) != expected:
            raise ValueError("members and refusals belong to an unfreeze decision, and only there")
        if (self.candidate_id is not None or self.members) and not self.authors:
            raise ValueError("a candidate has an author")
        return self

    @property
    def subjects(self) -> dict[str, str]:
        """What a statement about the decision is about: SHA-256 by name."""
        lifted = {f"refusal-{n:04d}": digest for n, digest in enumerate(self.refusals, start=1)}
        return {"policy": self.policy_digest, "report": self.report_digest, **lifted}

    @property
    def digest(self) -> str:
        """SHA-256 of the decision, whoever approves it and when."""
        return sha256_hex(canonical_json(self.model_dump(mode="json")))


class Approval(Record):
    """Predicate: a person approves one decision, until a time, once."""

    record_kind: ClassVar[str] = "approval"

    decision: Decision
    approver: str = Field(min_length=2, max_length=80)
    issued_at: UtcSecond
    expires_at: UtcSecond
    nonce: str = Field(pattern=r"^[0-9a-f]{32}$")

    def statement(self) -> Statement:
        """Return the statement that the approver signs."""
        return statement_about("approval", self.decision.subjects, self)


def same_person(one: str, other: str) -> bool:
    """Whether two names are meant for one person: case, spaces and width do not matter."""
    return person_key(one) == person_key(other)


def person_key(name: str) -> str:
    """Return a name in the form in which names are compared."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
