"""Ledger entries and tree heads: the form in which statements are kept in order.

A leaf of the tree is the canonical JSON of `{"envelope":…,"recorded_at":…,"sequence":…}`, so
position and time are under the tree's root, and the root is under the runner's signature.
"""

import base64
import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final, NamedTuple

from pydantic import Field, ValidationError

from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.evidence.dsse import (
    TREE_HEAD,
    Envelope,
    Signer,
    read_envelope,
    sealed,
)
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.ledger_tree import leaf_hash
from torghut_assets.domain.evidence.moments import UtcSecond, moment_text
from torghut_assets.domain.evidence.statement import (
    MAY_SIGN,
    PREDICATE_PREFIX,
    PREDICATE_SUFFIX,
    Statement,
    read_statement,
)
from torghut_assets.domain.evidence.strict_json import parse_canonical
from torghut_assets.domain.records import Digest, Part, Record, first_problem


class LedgerRow(NamedTuple):
    """One row as it is stored: nothing of it is believed before it is checked."""

    sequence: int
    leaf_hash: str
    payload: bytes


class _Leaf(Part):
    """What a row says."""

    envelope: Envelope
    recorded_at: UtcSecond
    sequence: int = Field(ge=1)


@dataclass(frozen=True)
class LedgerEntry:
    """One signed statement at its place in the ledger."""

    sequence: int
    recorded_at: dt.datetime
    envelope: Envelope
    statement: Statement

    @property
    def kind(self) -> str:
        """Kind of the statement."""
        return self.statement.kind

    @property
    def subjects(self) -> dict[str, str]:
        """What the statement is about: SHA-256 by name."""
        return self.statement.subjects

    @cached_property
    def payload(self) -> bytes:
        """The leaf: what is stored, and hashed into the tree."""
        return canonical_json(
            {
                "envelope": self.envelope.plain(),
                "recorded_at": moment_text(self.recorded_at),
                "sequence": self.sequence,
            }
        )

    @cached_property
    def leaf(self) -> bytes:
        """Hash of the leaf."""
        return leaf_hash(self.payload)

    @property
    def row(self) -> LedgerRow:
        """The entry as it is stored."""
        return LedgerRow(self.sequence, self.leaf.hex(), self.payload)

    @property
    def statement_digest(self) -> str:
        """SHA-256 of the statement as it was signed: what an index names."""
        return sha256_hex(self.envelope.payload_bytes)


_OPENING: Final = b'{"envelope":{"payload":"'
_TYPE: Final = b'"predicateType":"' + PREDICATE_PREFIX.encode()
_SUBJECT: Final = PREDICATE_SUFFIX.encode() + b'","subject":'
_TIME: Final = b',"recorded_at":"'


class HeldEntry(LedgerEntry):
    """An entry under a signed root, whose content is checked when it is looked at.

    Kind, subjects and time are read from the bytes at their places: they serve to find an
    entry. What was said, and by whom, goes through `check`, so that nothing is handed out whose
    form, signatures and roles were not looked at.
    """

    def __init__(self, row: LedgerRow, check: Callable[[LedgerRow], LedgerEntry]) -> None:
        self.__dict__.update(sequence=row.sequence, payload=row.payload, _row=row, _check=check)

    @cached_property
    def whole(self) -> LedgerEntry:
        """The entry, checked."""
        row: LedgerRow = self.__dict__["_row"]
        check: Callable[[LedgerRow], LedgerEntry] = self.__dict__["_check"]
        return check(row)

    @cached_property
    def kind(self) -> str:
        """Kind of the statement."""
        kind, _ = self._end_of_statement
        return kind

    @cached_property
    def subjects(self) -> dict[str, str]:
        """What the statement is about: SHA-256 by name."""
        _, subjects = self._end_of_statement
        return subjects

    @cached_property
    def _end_of_statement(self) -> tuple[str, dict[str, str]]:
        """Kind and subjects: the canonical form writes them last, after the predicate."""
        try:
            end = self.payload.index(b'"', len(_OPENING))
            text = base64.b64decode(self.payload[len(_OPENING) : end], validate=True)
            begin = text.rindex(_TYPE) + len(_TYPE)
            end = text.index(_SUBJECT, begin)
            kind = text[begin:end].decode("ascii")
            listed = json.loads(text[end + len(_SUBJECT) : -1])
            subjects = {str(one["name"]): str(one["digest"]["sha256"]) for one in listed}
        except (ValueError, KeyError, TypeError):
            return self.whole.kind, self.whole.subjects
        if kind not in MAY_SIGN or not self.payload.startswith(_OPENING):
            return self.whole.kind, self.whole.subjects
        return kind, subjects

    @cached_property
    def recorded_at(self) -> dt.datetime:
        """When it was recorded."""
        begin = self.payload.rfind(_TIME) + len(_TIME)
        try:
            return dt.datetime.strptime(
                self.payload[begin : begin + 20].decode("ascii"), "%Y-%m-%dT%H:%M:%SZ"
            ).replace(tzinfo=dt.UTC)
        except ValueError:
            return self.whole.recorded_at

    @cached_property
    def envelope(self) -> Envelope:
        """The signed statement, its signatures checked."""
        return self.whole.envelope

    @cached_property
    def statement(self) -> Statement:
        """What was said, its signatures checked."""
        return self.whole.statement


def read_ledger_row(row: LedgerRow, *, location: str) -> LedgerEntry:
    """Return the entry that a row holds; signatures and order are other questions.

    Raises
    ------
    EvidenceRefusedError
        If the leaf hash is not of these bytes, or they are no entry in canonical form.
    """
    actual = leaf_hash(row.payload).hex()
    if actual != row.leaf_hash:
        raise EvidenceRefusedError(
            Fault.LEAF_ALTERED,
            location=location,
            detail=f"the leaf hash is {actual}, the row says {row.leaf_hash}",
        )
    data = parse_canonical(row.payload, location=location)
    try:
        leaf = _Leaf.model_validate_json(row.payload)
    except ValidationError as error:
        inside = error.errors(include_url=False)[0]["loc"][:1] == ("envelope",)
        fault = Fault.ENVELOPE_MALFORMED if inside else Fault.ENTRY_MALFORMED
        raise EvidenceRefusedError(fault, location=location, detail=first_problem(error)) from error
    if data["recorded_at"] != moment_text(leaf.recorded_at):
        raise EvidenceRefusedError(
            Fault.ENTRY_MALFORMED, location=location, detail="a time in another spelling"
        )
    return LedgerEntry(
        sequence=leaf.sequence,
        recorded_at=leaf.recorded_at,
        envelope=leaf.envelope,
        statement=read_statement(leaf.envelope, location=location),
    )


class TreeHead(Record):
    """The ledger at one size: the root that names its first `tree_size` entries."""

    record_kind: ClassVar[str] = "tree-head"

    tree_size: int = Field(ge=1)
    root_hash: Digest
    recorded_at: UtcSecond


def sign_tree_head(head: TreeHead, sign: Signer) -> Envelope:
    """Return a signed tree head."""
    return sealed(TREE_HEAD, head.canonical_bytes(), sign)


def read_tree_head(payload: bytes, *, location: str) -> tuple[TreeHead, Envelope]:
    """Return the tree head in an envelope's bytes; its signature is another question.

    Raises
    ------
    EvidenceRefusedError
        If the bytes are no envelope with a tree head, in canonical form.
    """
    envelope = read_envelope(payload, location=location)
    data = envelope.statement_data(TREE_HEAD, location=location)
    form = data if isinstance(data, dict) else {}
    if (form.get("kind"), form.get("version")) == ("tree-head", 1):
        try:
            head = TreeHead.model_validate_json(canonical_json(form.get("record")))
        except ValidationError as error:
            raise EvidenceRefusedError(
                Fault.HEAD_MALFORMED, location=location, detail=first_problem(error)
            ) from error
        if head.canonical_bytes() == envelope.payload_bytes:
            return head, envelope
    raise EvidenceRefusedError(Fault.HEAD_MALFORMED, location=location, detail="no tree head")
