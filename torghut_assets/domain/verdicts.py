"""The words a decision can end in."""

from enum import StrEnum


class Verdict(StrEnum):
    """Outcome of a condition, a gate or a report. Only `PASS` ever advances anything."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
