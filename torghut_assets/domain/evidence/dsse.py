"""DSSE envelopes: a payload, its type, and signatures over both.

What is signed is not the payload but its pre-authentication encoding `pae`, so that a
signature for one payload type is worth nothing under another.

References
----------
DSSE: Dead Simple Signing Envelope, protocol and envelope version 1.0.2
(https://github.com/secure-systems-lab/dsse).
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any, Final, Self

from pydantic import Field, ValidationError

from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.signatures import SIGNATURE_BYTES, is_signed_by
from torghut_assets.domain.evidence.strict_json import parse_canonical
from torghut_assets.domain.records import Digest, Part, first_problem

IN_TOTO: Final = "application/vnd.in-toto+json"
TREE_HEAD: Final = "application/vnd.torghut.tree-head+json"
MAX_SIGNATURES: Final = 8
_FAULT_IN_PAYLOAD: Final = {
    Fault.NOT_JSON: Fault.PAYLOAD_NOT_JSON,
    Fault.DUPLICATE_JSON_KEY: Fault.PAYLOAD_DUPLICATE_JSON_KEY,
    Fault.NOT_CANONICAL: Fault.PAYLOAD_NOT_CANONICAL,
}

Signer = Callable[[bytes], tuple[str, bytes]]
"""Signs a message; returns the key id and the 64 bytes of the signature."""


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the pre-authentication encoding, which is what gets signed.

    `"DSSEv1" SP LEN(type) SP type SP LEN(payload) SP payload`, lengths in decimal bytes.
    """
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


class Signature(Part):
    """One signature: the id of the key, and 64 bytes in base64."""

    keyid: Digest
    sig: str = Field(max_length=88)


class Envelope(Part):
    """A signed payload; nothing of it is believed before a signature was checked."""

    payload: str
    payloadType: str = Field(min_length=1, max_length=80)  # noqa: N815 - the name that DSSE gives it
    signatures: tuple[Signature, ...] = Field(max_length=MAX_SIGNATURES)

    @property
    def payload_bytes(self) -> bytes:
        """The payload itself.

        Raises
        ------
        EvidenceRefusedError
            With `envelope_malformed` if it is not base64 in its one form.
        """
        return _decoded(self.payload, Fault.ENVELOPE_MALFORMED, "payload")

    @property
    def message(self) -> bytes:
        """What its signatures sign."""
        return pae(self.payloadType, self.payload_bytes)

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Ids of the keys that are said to have signed, in order."""
        return tuple(signature.keyid for signature in self.signatures)

    def plain(self) -> dict[str, Any]:
        """Return the envelope as plain JSON data."""
        return self.model_dump(mode="json")

    def canonical_bytes(self) -> bytes:
        """Return the one form in which an envelope is written and read."""
        return canonical_json(self.plain())

    @property
    def digest(self) -> str:
        """SHA-256 of `canonical_bytes()`."""
        return sha256_hex(self.canonical_bytes())

    def statement_data(self, payload_type: str = IN_TOTO, *, location: str) -> Any:
        """Return what the payload says, unverified: check the signatures before believing it.

        Raises
        ------
        EvidenceRefusedError
            If the payload is of another type, or not canonical JSON.
        """
        if self.payloadType != payload_type:
            raise EvidenceRefusedError(
                Fault.PAYLOAD_TYPE_WRONG,
                location=location,
                detail=f"found {self.payloadType!a}, expected {payload_type}",
            )
        try:
            return parse_canonical(self.payload_bytes, location=location)
        except EvidenceRefusedError as error:
            fault = _FAULT_IN_PAYLOAD.get(error.fault, error.fault)
            raise EvidenceRefusedError(fault, location=location, detail=error.detail) from error

    def signed_with(self, sign: Signer) -> Self:
        """Return the envelope with one more signature."""
        keyid, raw = sign(self.message)
        made = Signature(keyid=keyid, sig=base64.b64encode(raw).decode("ascii"))
        return self.model_copy(update={"signatures": (*self.signatures, made)})


def sealed(payload_type: str, payload: bytes, *signers: Signer) -> Envelope:
    """Put a payload into an envelope and sign it with every signer."""
    text = base64.b64encode(payload).decode("ascii")
    envelope = Envelope(payload=text, payloadType=payload_type, signatures=())
    for sign in signers:
        envelope = envelope.signed_with(sign)
    return envelope


def read_envelope(payload: bytes, *, location: str) -> Envelope:
    """Return the envelope that canonical JSON bytes hold.

    Raises
    ------
    EvidenceRefusedError
        If the bytes are not canonical JSON, or not an envelope.
    """
    parse_canonical(payload, location=location)
    try:
        return Envelope.model_validate_json(payload)
    except ValidationError as error:
        raise EvidenceRefusedError(
            Fault.ENVELOPE_MALFORMED, location=location, detail=first_problem(error)
        ) from error


def require_signatures(
    envelope: Envelope, public_key_of: Callable[[str], bytes | None], *, location: str
) -> tuple[str, ...]:
    """Check every signature of an envelope and return the ids of the keys.

    Parameters
    ----------
    envelope : Envelope
    public_key_of : callable
        Raw public key of a key id, `None` if the key is not known.
    location : str

    Raises
    ------
    EvidenceRefusedError
        Unless there is at least one signature, each by another known key, all valid. One bad
        signature refuses the envelope, however many good ones stand beside it.
    """
    if not envelope.signatures:
        raise EvidenceRefusedError(
            Fault.SIGNATURE_MISSING, location=location, detail="nobody signed"
        )
    message, seen = envelope.message, set[str]()
    for signature in envelope.signatures:
        key, where = signature.keyid, f"{location}, key {signature.keyid[:16]}"
        if key in seen:
            raise EvidenceRefusedError(
                Fault.SIGNATURE_REPEATED, location=where, detail="the same key signed twice"
            )
        seen.add(key)
        if not signature.sig:
            raise EvidenceRefusedError(
                Fault.SIGNATURE_EMPTY, location=where, detail="the signature is empty"
            )
        raw = _decoded(signature.sig, Fault.SIGNATURE_MALFORMED, where)
        if len(raw) != SIGNATURE_BYTES:
            raise EvidenceRefusedError(
                Fault.SIGNATURE_MALFORMED, location=where, detail=f"{len(raw)} bytes, expected 64"
            )
        public_key = public_key_of(key)
        if public_key is None:
            raise EvidenceRefusedError(
                Fault.KEY_UNKNOWN, location=where, detail="no such key is registered"
            )
        if not is_signed_by(public_key, message, raw):
            raise EvidenceRefusedError(
                Fault.SIGNATURE_INVALID, location=where, detail="the signature is not of this text"
            )
    return envelope.key_ids


def _decoded(text: str, fault: Fault, location: str) -> bytes:
    """Return base64 text as bytes; refuse every other spelling of the same bytes."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise EvidenceRefusedError(fault, location=location, detail="not base64") from error
    if base64.b64encode(raw).decode("ascii") != text:
        raise EvidenceRefusedError(fault, location=location, detail="base64 in another spelling")
    return raw
