"""What a record is: frozen, exact, with one canonical form and one digest.

A record is what evidence consists of. It refuses unknown fields, coercion, NaN and
infinity, cannot be changed after it is made, and its floats are rounded to 12 significant
digits when it is made, so that another machine's last bit does not change the digest.
"""

from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from torghut_assets.domain.digests import DIGEST_PATTERN, canonical_json, sha256_hex
from torghut_assets.domain.errors import BadInputError, EvidenceError

SIGNIFICANT_DIGITS = 12

ParsedT = TypeVar("ParsedT", bound=BaseModel)


def round_significant(value: float) -> float:
    """Round to 12 significant digits; negative zero becomes zero."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") + 0.0


Digest = Annotated[str, Field(pattern=DIGEST_PATTERN)]
"""64 lower-case hexadecimal digits of a SHA-256."""

Measured = Annotated[float, Field(allow_inf_nan=False), AfterValidator(round_significant)]
"""A finite measurement, rounded to 12 significant digits."""

MeasuredOrNone = Annotated[
    float | None,
    Field(),
    AfterValidator(lambda v: None if v is None else round_significant(v)),
]
"""A measurement that may be undefined: `None` means "not measured or not defined"."""


class Part(BaseModel):
    """A frozen, exact piece of a record: no unknown fields, no coercion, no NaN."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Record(Part):
    """Base of all evidence. Subclasses set `record_kind`, e.g. `gate-report`."""

    record_kind: ClassVar[str] = ""
    record_version: ClassVar[int] = 1

    def canonical_bytes(self) -> bytes:
        """Bytes that are stored and hashed: `{"kind":…,"record":{…},"version":…}`."""
        return canonical_json(
            {
                "kind": self.record_kind,
                "record": self.model_dump(mode="json"),
                "version": self.record_version,
            }
        )

    @property
    def subject(self) -> str | None:
        """Partition key that this record is evidence for; `None` if it is not partitioned."""
        return None

    @property
    def digest(self) -> str:
        """SHA-256 of `canonical_bytes()`."""
        return sha256_hex(self.canonical_bytes())

    @classmethod
    def from_canonical_bytes(cls, payload: bytes, *, location: str) -> Self:
        """Read a stored record back; refuse any other kind, version or form.

        Raises
        ------
        EvidenceError
            If the bytes are not the canonical form of a record of this kind.
        """
        try:
            envelope = _Envelope.model_validate_json(payload)
            if (envelope.kind, envelope.version) != (cls.record_kind, cls.record_version):
                raise EvidenceError(
                    f"{location}: holds {envelope.kind} version {envelope.version}, expected "
                    f"{cls.record_kind} version {cls.record_version}. Materialize the asset again."
                )
            record = cls.model_validate_json(canonical_json(envelope.record))
        except ValueError as error:  # pydantic's ValidationError is one
            problem = first_problem(error) if isinstance(error, ValidationError) else str(error)
            raise EvidenceError(
                f"{location}: not a {cls.record_kind} record ({problem}). "
                "Restore it from a backup, or materialize the asset again."
            ) from error
        if record.canonical_bytes() != payload:
            raise EvidenceError(
                f"{location}: not in canonical form, so its digest does not bind its content. "
                "Restore it from a backup, or materialize the asset again."
            )
        return record


class _Envelope(BaseModel):
    """Outer form of a stored record."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: str
    version: int
    record: dict[str, Any]


def first_problem(error: ValidationError) -> str:
    """Where and what: the first finding of a validation error, in one line."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "document"
    more = error.error_count() - 1
    tail = f", and {more} more" if more else ""
    return f"{where}: {first['msg']}, found {ascii(first.get('input'))[:80]}{tail}"


def parse_record(model: type[ParsedT], data: Any, *, location: str) -> ParsedT:
    """Turn plain data from outside into a record.

    Lists become tuples and ISO dates become dates, as JSON needs; nothing else is coerced.

    Raises
    ------
    BadInputError
        With the first problem found; `location` says which document it is in.
    """
    try:
        return model.model_validate_json(canonical_json(data))
    except (ValueError, TypeError) as error:
        problem = first_problem(error) if isinstance(error, ValidationError) else str(error)
        raise BadInputError(
            location=location,
            found=problem,
            expected=f"a valid {model.__name__}",
            action="Correct the document and try again.",
        ) from error
