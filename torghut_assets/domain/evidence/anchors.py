"""Tree heads that are kept elsewhere, in whatever form, and what a ledger owes them.

Three forms hold the same signed head: a file of its own, the message of an annotated git tag,
and a file with a time stamp of RFC 3161 over it. `require_growth` asks of each the same: today's
ledger must still begin with what the head saw.

References
----------
RFC 9162, section 2.1.4 (consistency); RFC 3161 (time stamps).
"""

import base64
import binascii
import re
from typing import ClassVar, Final

from pydantic import Field

from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.evidence.dsse import Envelope, read_envelope
from torghut_assets.domain.evidence.entries import TreeHead, read_tree_head
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.ledger_check import LedgerPrefix
from torghut_assets.domain.evidence.ledger_tree import consistency_proof, proves_consistency
from torghut_assets.domain.records import Record

TAG_PREFIX: Final = "torghut-ledger-"
MAX_ANCHOR_BYTES: Final = 256 * 1024
_TITLE: Final = "torghut ledger head"
_MESSAGE: Final = re.compile(rb"torghut ledger head: (\d+) entries\n\n(\{[^\n]*\})\n?")
_STAMPED: Final = b'{"kind":"timestamped-head"'


class TimestampedHead(Record):
    """A signed tree head with the answer of a time-stamp authority about its bytes, in base64."""

    record_kind: ClassVar[str] = "timestamped-head"

    head: Envelope
    response: str = Field(min_length=4, max_length=100_000)

    @property
    def signed_head(self) -> bytes:
        """What was stamped."""
        return self.head.canonical_bytes()

    def response_bytes(self, *, location: str) -> bytes:
        """Return the answer in DER.

        Raises
        ------
        EvidenceRefusedError
            With `anchor_malformed` if it is not base64.
        """
        try:
            return base64.b64decode(self.response, validate=True)
        except (binascii.Error, ValueError) as error:
            raise _malformed(location, "the time stamp is not base64") from error


def is_timestamped(payload: bytes) -> bool:
    """Whether a file claims to be a time-stamped head."""
    return payload.startswith(_STAMPED)


def read_timestamped(payload: bytes, *, location: str) -> TimestampedHead:
    """Return a time-stamped head; neither its stamp nor its signature is checked.

    Raises
    ------
    EvidenceRefusedError
        With `anchor_malformed` if it is none in canonical form.
    """
    try:
        return TimestampedHead.from_canonical_bytes(payload, location=location)
    except EvidenceError as error:
        raise _malformed(location, "no time-stamped head in canonical form") from error


def tag_name(head: TreeHead) -> str:
    """Return the name of the tag that holds a head; names sort by size."""
    return f"{TAG_PREFIX}{head.tree_size:010d}"


def tag_message(head: TreeHead, signed: bytes) -> bytes:
    """Return the message of a tag: a title for people, and the signed head in one line."""
    title = f"{_TITLE}: {head.tree_size} entries\n\n".encode("ascii")
    return title + signed + b"\n"


def head_in_tag(message: bytes, *, location: str) -> bytes:
    """Return the signed head that a tag's message holds.

    Raises
    ------
    EvidenceRefusedError
        With `anchor_malformed` if it holds none, or one of another size than its title says.
    """
    found = _MESSAGE.fullmatch(message)
    if found is None:
        raise _malformed(location, "the tag's message holds no signed tree head")
    read_envelope(found.group(2), location=location)
    head, _ = read_tree_head(found.group(2), location=location)
    if head.tree_size != int(found.group(1)):
        raise _malformed(location, f"its title says {int(found.group(1))} entries")
    return found.group(2)


def require_growth(prefix: LedgerPrefix, signed: bytes, *, location: str) -> TreeHead:
    """Check a head that was kept elsewhere, and that today's ledger only grew since.

    Raises
    ------
    EvidenceRefusedError
        With `truncated` if the ledger was rolled back, `other_history` if it was rewritten, or
        with what is wrong with the head's form or signature.
    """
    head, _ = read_tree_head(signed, location=location)
    if head.tree_size > prefix.size:
        raise EvidenceRefusedError(
            Fault.TRUNCATED,
            location=location,
            detail=f"it has seen entry {head.tree_size}, the ledger ends at {prefix.size}",
        )
    old = bytes.fromhex(head.root_hash)
    proof = consistency_proof(prefix.leaves, head.tree_size)
    if not proves_consistency(head.tree_size, old, prefix.size, prefix.root(), proof):
        raise EvidenceRefusedError(
            Fault.OTHER_HISTORY,
            location=location,
            detail=f"it knows the first {head.tree_size} entries under another root",
        )
    return prefix.require_head(signed, what=location)


def _malformed(location: str, detail: str) -> EvidenceRefusedError:
    return EvidenceRefusedError(Fault.ANCHOR_MALFORMED, location=location, detail=detail)
