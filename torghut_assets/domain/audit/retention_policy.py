"""The retention policy: how long evidence is kept, by the kind of its signed statement.

A kind that is not listed is kept for good. What may never be removed is not in any file: the
ledger and the registers themselves, and what `retention.protected_by` finds.
"""

from typing import ClassVar, Final, Self

from pydantic import Field, model_validator

from torghut_assets.domain.backtest.records import SourcedRecord
from torghut_assets.domain.documents import parse_yaml
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.evidence.record_kinds import KIND_OF_RECORD
from torghut_assets.domain.evidence.retention_records import MIN_PERSONS
from torghut_assets.domain.records import parse_record

RECEIPT: Final = "receipt"
DECISIONS: Final = frozenset(
    {"gate-report", "deployment", "drift", "ramp-stage", "rollback", "incident", RECEIPT}
)
"""Kinds that decide. What one of them rests on is kept as long as it is kept itself."""
LISTABLE: Final = frozenset({*KIND_OF_RECORD.values(), RECEIPT})
"""Kinds of which a policy may say how long: those about records, and the receipts' own term."""


class RetentionPolicyRefusedError(BadInputError):
    """A retention policy would let evidence go without what it is there to demand."""


class RetentionPolicy(SourcedRecord):
    """The parsed `retention_policy.yaml`.

    `keep_days` counts from the newest statement about an artifact. Receipts are never removed;
    their term is how long they protect what they looked at.
    """

    record_kind: ClassVar[str] = "retention-policy"

    policy_version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")
    persons_required: int = Field(ge=MIN_PERSONS, le=9)
    keep_days: dict[str, int] = Field(min_length=1)

    @model_validator(mode="after")
    def _lists_kinds_that_exist(self) -> Self:
        if unknown := sorted(self.keep_days.keys() - LISTABLE):
            raise ValueError(
                f"keep_days: {', '.join(unknown)} is no kind of statement about records"
            )
        for kind, days in self.keep_days.items():
            if not 0 <= days <= 36_500:
                raise ValueError(f"keep_days: {kind} {days}, expected 0 to 36500")
        return self

    def days(self, kind: str) -> int | None:
        """Return for how long a kind is kept; `None` is for good."""
        return self.keep_days.get(kind)


def parse_retention_policy(
    payload: bytes, *, location: str = "retention_policy.yaml"
) -> RetentionPolicy:
    """Read a retention policy.

    Raises
    ------
    DocumentRefusedError
        If the YAML breaks a rule of `documents`.
    RetentionPolicyRefusedError
        If a value is missing, unknown, without a source, or too lenient for any policy.
    """
    data = parse_yaml(payload, location=location)
    try:
        return parse_record(RetentionPolicy, data, location=location)
    except BadInputError as error:
        raise RetentionPolicyRefusedError(
            location=error.location,
            found=error.found,
            expected="a retention policy with terms for kinds that exist",
            action="docs/retention.md says what each value means.",
        ) from error
