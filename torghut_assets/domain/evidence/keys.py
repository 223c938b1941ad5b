"""Keys: whose they are, what they may sign, and since and until when.

There is no file of trusted keys. The ring is a fold over the ledger: a key is registered by
a statement that the key itself signed, together with a key that may introduce it, and it is
revoked by a person's statement. Read `KeyRing.accept` first.

Introductions: the first runner key opens the ledger; the first person key stands on its own
(trust on first use, made by an explicit command); the gate's key is introduced by the runner or a
person; every other key by a person. A ring that has had a person never falls back.
"""

import datetime as dt
from collections.abc import Iterable
from typing import ClassVar, Final

from pydantic import Field

from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.evidence.dsse import Envelope, require_signatures
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.moments import UtcSecond
from torghut_assets.domain.evidence.statement import MAY_SIGN, Role, Statement, statement_about
from torghut_assets.domain.records import Digest, Part, Record

MACHINE_ROLES: Final[tuple[Role, ...]] = ("runner", "gate")


def key_id_of(public_key: bytes) -> str:
    """Return the id of a key: SHA-256 of its 32 raw bytes."""
    return sha256_hex(public_key)


class KeyRegistration(Record):
    """Predicate: this key belongs to that owner and has that role."""

    record_kind: ClassVar[str] = "key-registration"

    public_key: str = Field(pattern=r"^[0-9a-f]{64}$")
    role: Role
    owner: str = Field(min_length=2, max_length=80)
    made_at: UtcSecond

    @property
    def key_id(self) -> str:
        """Id of the key that is registered."""
        return key_id_of(bytes.fromhex(self.public_key))

    def statement(self) -> Statement:
        """Return the statement that registers the key."""
        return statement_about("key-registration", {"public-key": self.key_id}, self)


class KeyRevocation(Record):
    """Predicate: from now on nothing that this key signs counts, and no approval by it."""

    record_kind: ClassVar[str] = "key-revocation"

    key_id: Digest
    reason: str = Field(min_length=10, max_length=500)
    made_at: UtcSecond

    def statement(self) -> Statement:
        """Return the statement that revokes the key."""
        return statement_about("key-revocation", {"public-key": self.key_id}, self)


class KeyRecord(Part):
    """One key as the ledger knows it."""

    key_id: Digest
    public_key: str
    role: Role
    owner: str
    registered_at: UtcSecond
    registered_in: int
    introduced_by: tuple[str, ...]
    revoked_at: UtcSecond | None = None
    revoked_in: int | None = None
    revoked_reason: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether it was never revoked."""
        return self.revoked_at is None


class KeyRing:
    """The keys that a ledger's entries registered, at one point of the ledger."""

    def __init__(self) -> None:
        self._keys: dict[str, KeyRecord] = {}

    @property
    def keys(self) -> tuple[KeyRecord, ...]:
        """All keys in order of registration."""
        return tuple(self._keys.values())

    def get(self, key_id: str) -> KeyRecord | None:
        """Return a key, also a revoked one; `None` if it was never registered."""
        return self._keys.get(key_id)

    def active(self, role: Role) -> tuple[KeyRecord, ...]:
        """Keys of a role that are not revoked, in order of registration."""
        return tuple(k for k in self._keys.values() if k.role == role and k.is_active)

    def public_key_of(self, key_id: str) -> bytes | None:
        """Return the raw public key, also of a revoked key."""
        found = self._keys.get(key_id)
        return bytes.fromhex(found.public_key) if found else None

    def copy(self) -> "KeyRing":
        """Return a ring with the same keys that changes on its own."""
        other = KeyRing()
        other._keys = dict(self._keys)
        return other

    def accept(self, entry: LedgerEntry, *, location: str) -> None:
        """Check an entry's signatures and roles; take in what it says about keys.

        Raises
        ------
        EvidenceRefusedError
            If a signature is bad, a key unknown or revoked, or a role may not say this.
        """
        if entry.kind == "key-registration":
            self._register(entry, location)
            return
        for key in self._active_signers(entry.envelope, location):
            require_role(key, entry.kind, location=location)
        if entry.kind == "key-revocation":
            self._revoke(entry, location)

    def require_said(self, entry: LedgerEntry, *, location: str) -> None:
        """Check the signatures and roles of an entry that lies in the ring's past.

        Keys count as of that entry: one that was revoked later could sign it.

        Raises
        ------
        EvidenceRefusedError
            If a signature is bad, or its key could not say this there.
        """
        for key in self.signers(entry.envelope, location=location):
            if key.registered_in >= entry.sequence:
                raise EvidenceRefusedError(
                    Fault.KEY_YOUNGER_THAN_SIGNATURE, location=location, detail="registered after"
                )
            if key.revoked_in is not None and key.revoked_in < entry.sequence:
                raise EvidenceRefusedError(
                    Fault.KEY_REVOKED,
                    location=location,
                    detail=f"key {key.key_id[:16]} was revoked in entry {key.revoked_in}",
                )
            require_role(key, entry.kind, location=location)

    def require_runner(self, envelope: Envelope, *, location: str) -> None:
        """Check that an envelope, e.g. a tree head, is signed by one known runner key.

        Revoked or not: the caller knows as of when.
        """
        for key in self.signers(envelope, location=location):
            if key.role != "runner":
                raise EvidenceRefusedError(
                    Fault.ROLE_MAY_NOT_SIGN,
                    location=location,
                    detail=f"signed by a {key.role} key, expected a runner key",
                )

    def signers(self, envelope: Envelope, *, location: str) -> tuple[KeyRecord, ...]:
        """Return the keys that signed an envelope, every signature checked, also revoked keys.

        Raises
        ------
        EvidenceRefusedError
            If a signature is bad or a key unknown.
        """
        ids = require_signatures(envelope, self.public_key_of, location=location)
        return tuple(self._keys[key_id] for key_id in ids)

    def _active_signers(self, envelope: Envelope, location: str) -> tuple[KeyRecord, ...]:
        signers = self.signers(envelope, location=location)
        for key in signers:
            if not key.is_active:
                raise EvidenceRefusedError(
                    Fault.KEY_REVOKED,
                    location=location,
                    detail=f"key {key.key_id[:16]} was revoked in entry {key.revoked_in}",
                )
        return signers

    def _register(self, entry: LedgerEntry, location: str) -> None:
        made = entry.statement.record(KeyRegistration, location=location)
        if entry.subjects != {"public-key": made.key_id}:
            raise EvidenceRefusedError(
                Fault.SUBJECTS_DIFFER, location=location, detail="the subject is another key"
            )
        if made.key_id in self._keys:
            raise EvidenceRefusedError(
                Fault.KEY_KNOWN_ALREADY,
                location=location,
                detail=f"key {made.key_id[:16]} was registered before",
            )
        if made.key_id not in entry.envelope.key_ids:
            raise EvidenceRefusedError(
                Fault.KEY_NOT_PROVEN,
                location=location,
                detail="the new key did not sign its own registration",
            )
        own = {made.key_id: bytes.fromhex(made.public_key)}
        ids = require_signatures(
            entry.envelope, lambda k: own.get(k) or self.public_key_of(k), location=location
        )
        sponsors = tuple(self._keys[key_id] for key_id in ids if key_id != made.key_id)
        self._require_introduction(made, sponsors, entry.sequence, location)
        self._keys[made.key_id] = KeyRecord(
            key_id=made.key_id,
            public_key=made.public_key,
            role=made.role,
            owner=made.owner,
            registered_at=entry.recorded_at,
            registered_in=entry.sequence,
            introduced_by=tuple(key.key_id for key in sponsors),
        )

    def _require_introduction(
        self,
        made: KeyRegistration,
        sponsors: tuple[KeyRecord, ...],
        sequence: int,
        location: str,
    ) -> None:
        if revoked := [key for key in sponsors if not key.is_active]:
            raise EvidenceRefusedError(
                Fault.KEY_REVOKED,
                location=location,
                detail=f"introduced by key {revoked[0].key_id[:16]}, which is revoked",
            )
        roles = {key.role for key in sponsors}
        known = {key.role for key in self._keys.values()}
        on_its_own = (made.role == "runner" and sequence == 1) or (
            made.role == "person" and "person" not in known
        )
        by_runner = made.role == "gate" and "gate" not in known and "runner" in roles
        if not (on_its_own or by_runner or "person" in roles):
            raise EvidenceRefusedError(
                Fault.KEY_NOT_INTRODUCED,
                location=location,
                detail=f"a further {made.role} key needs the signature of a person's key",
            )

    def _revoke(self, entry: LedgerEntry, location: str) -> None:
        made = entry.statement.record(KeyRevocation, location=location)
        if entry.subjects != {"public-key": made.key_id}:
            raise EvidenceRefusedError(
                Fault.SUBJECTS_DIFFER, location=location, detail="the subject is another key"
            )
        found = self._keys.get(made.key_id)
        if found is None:
            raise EvidenceRefusedError(
                Fault.KEY_UNKNOWN, location=location, detail="revokes a key that nobody registered"
            )
        if not found.is_active:
            raise EvidenceRefusedError(
                Fault.KEY_REVOKED, location=location, detail="revokes a key that is revoked"
            )
        self._keys[made.key_id] = found.model_copy(
            update={
                "revoked_at": entry.recorded_at,
                "revoked_in": entry.sequence,
                "revoked_reason": made.reason,
            }
        )


def require_role(key: KeyRecord, kind: str, *, location: str) -> None:
    """Refuse a key whose role may not sign a kind of statement.

    Raises
    ------
    EvidenceRefusedError
        With `signed_by_runner`, `signed_by_gate` or `role_may_not_sign`.
    """
    allowed = MAY_SIGN[kind]
    if key.role in allowed:
        return
    fault = {"runner": Fault.SIGNED_BY_RUNNER, "gate": Fault.SIGNED_BY_GATE}.get(
        key.role, Fault.ROLE_MAY_NOT_SIGN
    )
    raise EvidenceRefusedError(
        fault,
        location=location,
        detail=f"a {key.role} key may not sign {kind}, only {' or '.join(sorted(allowed))}",
    )


def fold_keys(entries: Iterable[LedgerEntry]) -> KeyRing:
    """Return the ring after some entries, each checked on the way.

    Raises
    ------
    EvidenceRefusedError
        At the first entry that may not be there.
    """
    ring = KeyRing()
    for entry in entries:
        ring.accept(entry, location=f"ledger entry {entry.sequence}")
    return ring


def signed_at_fault(key: KeyRecord, signed_at: dt.datetime) -> Fault | None:
    """Return why a key cannot have signed at a time: not registered yet, or revoked."""
    if signed_at < key.registered_at:
        return Fault.KEY_YOUNGER_THAN_SIGNATURE
    if key.revoked_at is not None:
        return (
            Fault.KEY_REVOKED_BEFORE_SIGNING if key.revoked_at <= signed_at else Fault.KEY_REVOKED
        )
    return None
