"""What a doctor says: one line per finding, with what to do."""

import datetime as dt
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

from torghut_assets.resources.home import Home


class Mark(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    ABSENT = "absent"
    """Not there, and not needed."""
    ATTENTION = "attention"
    BROKEN = "broken"
    """Evidence is missing or altered."""


class Finding(NamedTuple):
    """One thing that was looked at.

    Parameters
    ----------
    about : str
        What was looked at, in a word or two.
    mark : Mark
    found : str
        What was found; no secret.
    action : str or None
        What to do; `None` if nothing.
    """

    about: str
    mark: Mark
    found: str
    action: str | None = None


class Visit(NamedTuple):
    """What a question may look at."""

    home: Home
    now: dt.datetime


Question = Callable[[Visit], Iterator[Finding]]
"""Looks at one thing and says what it found; what is expected to fail, it catches itself."""


def exit_status(findings: list[Finding]) -> int:
    """Return 0 if all is well, 1 if something needs attention, 3 if evidence is broken."""
    marks = {finding.mark for finding in findings}
    if Mark.BROKEN in marks:
        return 3
    return 1 if Mark.ATTENTION in marks else 0
