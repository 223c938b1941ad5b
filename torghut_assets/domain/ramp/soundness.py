"""Records taken with suspicion: what validation would not have made is no evidence."""

from typing import TypeVar

from torghut_assets.domain.gates.evidence import Problem, UnusableEvidenceError
from torghut_assets.domain.records import Part, Record

RecordT = TypeVar("RecordT", bound=Part)


def sound(record: object, model: type[RecordT], what: str) -> RecordT:
    """Return a record that is exactly what its validation makes of it.

    Raises
    ------
    UnusableEvidenceError
        `MISSING_EVIDENCE` if there is none, `WRONG_TYPE` if it is something else or holds what
        validation refuses (NaN, text for a number, a verdict that cannot be).
    """
    if record is None:
        raise UnusableEvidenceError(Problem.MISSING_EVIDENCE, f"there is no {what}")
    if not isinstance(record, model) or type(record) is not model:
        kind = type(record).__name__
        raise UnusableEvidenceError(Problem.WRONG_TYPE, f"{what} is of type {kind}")
    try:
        again = model.model_validate(record.model_dump(warnings=False))
    except (ValueError, TypeError, AttributeError) as error:
        raise UnusableEvidenceError(Problem.WRONG_TYPE, f"{what} is not sound") from error
    if again != record:
        raise UnusableEvidenceError(Problem.WRONG_TYPE, f"{what} is not in its own form")
    return record


def sound_digest(record: Record | None, model: type[Record]) -> str | None:
    """Digest of a sound record; `None` of any other."""
    try:
        return sound(record, model, "record").digest
    except (UnusableEvidenceError, ValueError, TypeError):
        return None


def strings(found: object, what: str) -> tuple[str, ...]:
    """Return a tuple of text.

    Raises
    ------
    UnusableEvidenceError
        `MISSING_EVIDENCE` if there is none, `WRONG_TYPE` if it is anything else.
    """
    if found is None:
        raise UnusableEvidenceError(Problem.MISSING_EVIDENCE, f"nobody looked at {what}")
    if not isinstance(found, tuple) or not all(isinstance(text, str) for text in found):
        raise UnusableEvidenceError(Problem.WRONG_TYPE, f"{what} is no list of sentences")
    return found


def require_known(found: object, what: str) -> None:
    """Refuse what nobody has looked at.

    Raises
    ------
    UnusableEvidenceError
        `MISSING_EVIDENCE` if it is `None`.
    """
    if found is None:
        raise UnusableEvidenceError(Problem.MISSING_EVIDENCE, f"nobody looked at {what}")
