"""Ids and partition keys: parsed once at the edge, refused if they are anything else.

Partition keys are user input and reach file names, SQL and shells. The grammar leaves no
room for a path, a quote or a control character.
"""

import datetime as dt
import re
from typing import Final, NamedTuple

from torghut_assets.domain.errors import InvalidIdentifierError

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{2,62}[a-z0-9]")
_NAME_WORDS: Final = "4 to 64 characters of a-z, 0-9 and '-', not starting or ending with '-'"
_SNAPSHOT: Final = re.compile(r"([a-z0-9-]+)@(\d{4}-\d{2}-\d{2})")


def _shown(text: object) -> str:
    """Printable and short, whatever was passed in."""
    return ascii(text)[:80]


def parse_name(text: str, *, kind: str) -> str:
    """Return `text` if it is a candidate id or universe name.

    Raises
    ------
    InvalidIdentifierError
        If it is anything else; `kind` names it in the message.
    """
    if not isinstance(text, str) or _NAME.fullmatch(text) is None:
        raise InvalidIdentifierError(location=kind, found=_shown(text), expected=_NAME_WORDS)
    return text


def parse_candidate_id(text: str) -> str:
    """Return `text` if it is a candidate id, else raise `InvalidIdentifierError`."""
    return parse_name(text, kind="candidate id")


class SnapshotId(NamedTuple):
    """`<universe>@<as-of date>`, e.g. `us-megacaps@2021-12-31`."""

    universe: str
    as_of: dt.date

    def __str__(self) -> str:
        return f"{self.universe}@{self.as_of.isoformat()}"


def parse_date(text: str, *, location: str) -> dt.date:
    """Return the date that `text` writes as YYYY-MM-DD, else raise `InvalidIdentifierError`."""
    try:
        parsed = dt.date.fromisoformat(text)
    except (TypeError, ValueError):
        parsed = None
    if parsed is None or parsed.isoformat() != text:
        raise InvalidIdentifierError(
            location=location, found=_shown(text), expected="a date as YYYY-MM-DD"
        )
    return parsed


def parse_snapshot_id(text: str) -> SnapshotId:
    """Return the parts of a snapshot id, else raise `InvalidIdentifierError`."""
    match = _SNAPSHOT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise InvalidIdentifierError(
            location="snapshot id",
            found=_shown(text),
            expected="<universe>@<YYYY-MM-DD>, e.g. us-megacaps@2021-12-31",
        )
    universe = parse_name(match.group(1), kind="universe in snapshot id")
    return SnapshotId(universe, parse_date(match.group(2), location="as-of date in snapshot id"))


class EvaluationKey(NamedTuple):
    """One candidate on one snapshot: the key `<candidate>|<snapshot>` of most assets."""

    candidate_id: str
    snapshot_id: str

    def __str__(self) -> str:
        return f"{self.candidate_id}|{self.snapshot_id}"


def parse_evaluation_key(text: str) -> EvaluationKey:
    """Return the parts of `<candidate>|<snapshot>`, else raise `InvalidIdentifierError`."""
    parts = text.split("|") if isinstance(text, str) else []
    if len(parts) != 2:
        raise InvalidIdentifierError(
            location="partition key", found=_shown(text), expected="<candidate>|<snapshot>"
        )
    return EvaluationKey(parse_candidate_id(parts[0]), str(parse_snapshot_id(parts[1])))


class SessionKey(NamedTuple):
    """One candidate in one trading session: the key `<candidate>|<YYYY-MM-DD>`."""

    candidate_id: str
    session: dt.date

    def __str__(self) -> str:
        return f"{self.candidate_id}|{self.session.isoformat()}"


def parse_session_key(text: str) -> SessionKey:
    """Return the parts of `<candidate>|<YYYY-MM-DD>`, else raise `InvalidIdentifierError`.

    Whether the exchange trades on that date is for the calendar to say.
    """
    parts = text.split("|") if isinstance(text, str) else []
    if len(parts) != 2:
        raise InvalidIdentifierError(
            location="partition key", found=_shown(text), expected="<candidate>|<YYYY-MM-DD>"
        )
    session = parse_date(parts[1], location="session in partition key")
    return SessionKey(parse_candidate_id(parts[0]), session)
