"""Advisory notes: what was advised, by whom, on what it was based, and that it decides nothing.

A note is stored like any record, so that it can be quoted later. It has no verdict, and no
decision takes one: not its type, not its record kind, not its digest as a citation.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from torghut_assets.advisory.forms import Line, Prose, ReviewFinding, RunbookStep
from torghut_assets.domain.candidates.records import ParameterValue
from torghut_assets.domain.gates.records import ArtifactRef
from torghut_assets.domain.records import Digest, Part, Record
from torghut_assets.resources.advisory_settings import Exchange, NoAdviceCode

LABEL = "advice: it decides nothing"


def _one_line(text: str) -> str:
    return " ".join(text.split())


OwnText = Annotated[
    str, StringConstraints(min_length=1, max_length=1_000), AfterValidator(_one_line)
]
"""A sentence that this project wrote."""


class NoAdvice(Part):
    """Why there is no advice."""

    code: NoAdviceCode
    detail: OwnText


class AdvisoryNote(Record):
    """What every note says of itself."""

    label: Literal["advice: it decides nothing"] = "advice: it decides nothing"
    partition: str
    source: Literal["template", "model", "none"]
    no_advice: NoAdvice | None
    exchange: Exchange | None
    based_on: tuple[ArtifactRef, ...] = Field(max_length=20)

    @model_validator(mode="after")
    def _says_where_it_comes_from(self) -> Self:
        if (self.source == "none") != (self.no_advice is not None):
            raise ValueError("no_advice: stands exactly where there is no advice")
        if self.source == "model" and (
            self.exchange is None or self.exchange.response_digest is None
        ):
            raise ValueError("exchange: a model's note names its question and answer")
        if self.source == "template" and self.exchange is not None:
            raise ValueError("exchange: nobody was asked for a template")
        return self

    @property
    def subject(self) -> str:
        """Partition key."""
        return self.partition

    def body(self) -> Iterator[str]:
        """Yield what is advised, one line each."""
        raise NotImplementedError

    def lines(self) -> Iterator[str]:
        """Yield the note for a person: the label first, always."""
        yield f"{self.record_kind} ({LABEL})"
        if self.no_advice is not None:
            yield f"  no advice: {self.no_advice.detail} [{self.no_advice.code}]"
            return
        if self.exchange is not None:
            yield f"  source: model {self.exchange.model_answered}"
        else:
            yield f"  source: {self.source}"
        for text in self.body():
            for line in text.splitlines():
                yield f"  {line}"


class ExperimentSummary(AdvisoryNote):
    """An evaluation in a few sentences."""

    record_kind: ClassVar[str] = "advisory-experiment-summary"

    summary: Prose | None = None
    points: tuple[Line, ...] = Field(default=(), max_length=80)

    def body(self) -> Iterator[str]:
        """Yield the summary and its points."""
        yield self.summary or ""
        yield from (f"- {point}" for point in self.points)


class RationaleReview(AdvisoryNote):
    """Remarks on the rationale of a gate decision that stands."""

    record_kind: ClassVar[str] = "advisory-rationale-review"

    overall: Prose | None = None
    findings: tuple[ReviewFinding, ...] = Field(default=(), max_length=80)

    def body(self) -> Iterator[str]:
        """Yield the remarks."""
        yield self.overall or ""
        yield from (f"- {f.stance} ({f.about}): {f.text}" for f in self.findings)


class BoundedChange(Part):
    """A proposed parameter next to what the plugin's schema left of it.

    `given` is `None` if nothing was left; `handling` says why, in our own words.
    """

    parameter: str = Field(max_length=80)
    asked: str = Field(max_length=80)
    given: ParameterValue | None
    handling: OwnText
    reason: Line


class DraftRef(Part):
    """A candidate draft that waits for a person."""

    candidate_id: str
    parent: str
    file_digest: Digest
    cites: Digest


class ParameterProposal(AdvisoryNote):
    """Parameters for a next candidate, within the schema, and the draft made of them."""

    record_kind: ClassVar[str] = "advisory-parameter-proposal"

    rationale: Prose | None = None
    changes: tuple[BoundedChange, ...] = Field(default=(), max_length=8)
    draft: DraftRef | None = None
    no_draft: OwnText | None = None

    @model_validator(mode="after")
    def _has_a_draft_or_says_why_not(self) -> Self:
        if self.source != "none" and (self.draft is None) == (self.no_draft is None):
            raise ValueError("no_draft: stands exactly where there is no draft")
        return self

    def body(self) -> Iterator[str]:
        """Yield the changes, and where the draft is."""
        yield self.rationale or ""
        for change in self.changes:
            left = "nothing" if change.given is None else change.given
            yield f"- {change.parameter}: asked {change.asked}, {left} ({change.handling})"
            yield f"  {change.reason}"
        if self.draft is not None:
            yield (
                f"draft {self.draft.candidate_id} of {self.draft.parent}, not submitted: read "
                f"drafts/{self.draft.candidate_id}.yaml in the home; submit it or throw it away"
            )
        else:
            yield f"no draft: {self.no_draft}"


class RunbookActions(AdvisoryNote):
    """Reminders for the operator of a session, for approval one by one."""

    record_kind: ClassVar[str] = "advisory-runbook-actions"

    situation: Prose | None = None
    steps: tuple[RunbookStep, ...] = Field(default=(), max_length=8)

    def body(self) -> Iterator[str]:
        """Yield the reminders in order."""
        yield self.situation or ""
        for number, step in enumerate(self.steps, start=1):
            yield f"{number}. {step.verb.replace('_', ' ')}: {step.reason}"
