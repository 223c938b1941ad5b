"""What a model may answer: closed forms, every text and every list bounded.

A form is what the answer is parsed into, once, at the edge. None of them has a field for a
verdict, an approval, an order or a limit: there is nothing to say yes to.
"""

import unicodedata
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints

from torghut_assets.domain.records import Part

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _visible(text: str) -> str:
    """Refuse what a reader cannot see: terminal commands, bidirectional marks, tag characters."""
    for character in text:
        if unicodedata.category(character) in _INVISIBLE and character != "\n":
            raise ValueError("a character that no reader can see")
    return text


Prose = Annotated[str, StringConstraints(min_length=1, max_length=2_000), AfterValidator(_visible)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=400), AfterValidator(_visible)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=80), AfterValidator(_visible)]


class SummaryForm(Part):
    """An experiment in a few sentences and points."""

    summary: Prose
    points: tuple[Line, ...] = Field(max_length=8)


class ReviewFinding(Part):
    """One remark on the rationale of a decision, about one limit or the whole."""

    stance: Literal["agrees", "questions", "doubts"]
    about: Name
    text: Line


class ReviewForm(Part):
    """Remarks on the rationale of a decision that was made already."""

    overall: Prose
    findings: tuple[ReviewFinding, ...] = Field(max_length=12)


class ProposedChange(Part):
    """Another value for one parameter, and why."""

    parameter: Name
    value: bool | int | float | Name
    reason: Line


class ProposalForm(Part):
    """Parameter changes for a next candidate."""

    rationale: Prose
    changes: tuple[ProposedChange, ...] = Field(max_length=8)


RunbookVerb = Literal[
    "read_the_report",
    "compare_fills_with_quotes",
    "check_the_data_source",
    "check_the_clock_and_calendar",
    "hold_new_orders",
    "consider_a_rollback",
    "consider_the_kill_switch",
    "open_an_incident",
    "ask_a_second_person",
]
"""What an operator may be reminded of. A person does it or leaves it; no program reads it."""


class RunbookStep(Part):
    """One reminder for the operator, and why."""

    verb: RunbookVerb
    reason: Line


class RunbookForm(Part):
    """Reminders for the operator of a session, in order."""

    situation: Prose
    steps: tuple[RunbookStep, ...] = Field(max_length=8)
