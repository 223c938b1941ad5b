"""Every way in which this project refuses, with the exit status a shell sees.

A message says where, what was found, what was expected and what to do. The facts are
fields, so that a program need not parse the sentence. Exit statuses: 2 wrong usage,
1 refused by a precondition or a gate, 3 evidence missing or altered, 4 bad input.
"""


class TorghutError(Exception):
    """Base of all refusals. `exit_code` is what the `torghut` command ends with."""

    exit_code = 4


class UsageError(TorghutError):
    """The command or call is put together wrongly."""

    exit_code = 2


class StageRefusedError(TorghutError):
    """A stage may not be entered: what it rests on was looked at and is not good enough."""

    exit_code = 1


class BadInputError(TorghutError, ValueError):
    """Input from outside cannot be accepted.

    Parameters
    ----------
    location : str
        Where: a file with its field, an argument, a partition key.
    found : str
        What stood there, shortened.
    expected : str
        What would have been accepted.
    action : str
        What to do about it; may be empty.
    """

    exit_code = 4

    def __init__(self, *, location: str, found: str, expected: str, action: str = "") -> None:
        self.location = location
        self.found = found
        self.expected = expected
        self.action = action
        end = f" {action}" if action else ""
        super().__init__(f"{location}: found {found}, expected {expected}.{end}")


class InvalidIdentifierError(BadInputError):
    """An id does not follow the grammar of its kind."""


class DocumentRefusedError(BadInputError):
    """A YAML or JSON document breaks a limit or a rule before its content is looked at."""


class StatisticsInputError(BadInputError):
    """A statistic is not defined for these numbers."""


class TooFewObservationsError(StatisticsInputError):
    """A statistic needs more observations than it was given."""

    def __init__(self, *, needed: int, found: int, location: str = "returns") -> None:
        self.needed = needed
        super().__init__(
            location=location,
            found=f"{found} observations",
            expected=f"at least {needed}",
            action="Use a longer sample.",
        )


class EvidenceError(TorghutError):
    """Evidence is missing, altered or contradicts itself."""

    exit_code = 3


class EvidenceMissingError(EvidenceError):
    """No stored artifact has the digest that a record names."""

    def __init__(self, *, location: str, digest: str) -> None:
        self.location = location
        self.digest = digest
        super().__init__(
            f"{location}: no artifact has the digest {digest}. Restore the store from a "
            "backup, or materialize the asset again."
        )


class EvidenceDigestMismatchError(EvidenceError):
    """Stored evidence does not hash to the digest that names it."""

    def __init__(self, *, location: str, expected: str, actual: str) -> None:
        self.location = location
        self.expected = expected
        self.actual = actual
        super().__init__(
            f"{location}: sha256 is {actual}, the record says {expected}. The file changed "
            "after it was written; restore it from a backup, or move it away and "
            "materialize the asset again."
        )


class EvidenceContradictionError(EvidenceError):
    """A record is intact but is not the evidence for what is being decided."""

    def __init__(self, *, location: str, found: str, expected: str) -> None:
        self.location = location
        self.found = found
        self.expected = expected
        super().__init__(
            f"{location}: the record says {found}, this decision needs {expected}. "
            "Materialize the asset again from its current inputs."
        )


class UpstreamMissingError(EvidenceError):
    """An input record was never made, or not for this partition."""

    def __init__(self, *, asset: str, partition: str | None, command: str) -> None:
        self.asset = asset
        self.partition = partition
        self.command = command
        of = f" for '{partition}'" if partition else ""
        super().__init__(f"{asset}{of} has not been materialized. Make it with: {command}")
