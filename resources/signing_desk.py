"""The desk where persons sign: new keys, introductions, revocations, approvals.

Each act is signed while nobody else may write the ledger, judged as it will be judged ever
after, and appended only if it counts. Passphrases come in as arguments of these methods and
are used once; no method keeps, prints or returns one.
"""

import datetime as dt
import secrets

from torghut_assets.domain.errors import BadInputError, StageRefusedError
from torghut_assets.domain.evidence.approval_records import (
    MAX_LIFETIME_HOURS,
    Approval,
    Decision,
    person_key,
)
from torghut_assets.domain.evidence.approvals import Circumstances, judge_approval, spent_approvals
from torghut_assets.domain.evidence.dsse import IN_TOTO, Envelope, read_envelope, sealed
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.evidence.faults import Fault
from torghut_assets.domain.evidence.keys import KeyRecord, KeyRevocation, KeyRing
from torghut_assets.domain.evidence.ledger_check import LedgerPrefix
from torghut_assets.domain.evidence.statement import Role
from torghut_assets.resources.home import Home
from torghut_assets.resources.key_ring import KeyFolder, SigningKey
from torghut_assets.resources.ledger import Ledger


class ApprovalRefusedError(StageRefusedError):
    """The approval would not count, so it was not written; `fault` says why as a code."""

    def __init__(self, fault: Fault, detail: str) -> None:
        self.fault = fault
        super().__init__(f"approval refused: {fault.value}, {detail}. Nothing was written.")


class SigningDesk:
    """What persons may do with their keys in one home."""

    def __init__(self, home: Home, ledger: Ledger | None = None) -> None:
        self.ledger = ledger or Ledger(home)
        self._keys = KeyFolder(home)

    def new_key(self, role: Role, owner: str, passphrase: bytes | None) -> tuple[str, bool]:
        """Make a key; register it if it is the first of a person, else let it wait.

        Parameters
        ----------
        role : str
        owner : str
            Whose it is.
        passphrase : bytes or None
            Of a person's key, at least 12 bytes; machines have none.

        Returns
        -------
        tuple of (str, bool)
            Its id, and whether it counts already. If not, a person must introduce it.
        """
        name = " ".join(owner.split())
        if not 2 <= len(name) <= 80 or not name.isprintable():
            raise BadInputError(location="owner", found=ascii(owner)[:80], expected="a name")
        ring = self.ledger.ring()
        key = (
            self._keys.new_person_key(passphrase or b"")
            if role == "person"
            else self._keys.new_machine_key(role)
        )
        request = self._keys.keep_request(key, role, name)
        if role != "person" or any(known.role == "person" for known in ring.keys):
            return key.key_id, False
        self._append(request)
        self._keys.drop_request(key.key_id)
        return key.key_id, True

    def introduce(self, selector: str, by: str | None, passphrase: bytes) -> LedgerEntry:
        """Sign the registration of a waiting key, so that it counts from now on.

        Raises
        ------
        BadInputError
            If no such key waits here, or `by` is no active person's key that is here.
        """
        waiting = {k: e for k, e in self._keys.requests().items() if k.startswith(selector)}
        if len(waiting) != 1 or len(selector) < 8:
            raise BadInputError(
                location="key",
                found=f"{len(waiting)} waiting keys that begin with {ascii(selector)[:70]}",
                expected="8 or more characters of the id of one",
            )
        key_id, request = waiting.popitem()
        sponsor, _ = self.person(by, passphrase)
        entry = self._append(request.signed_with(sponsor.sign))
        self._keys.drop_request(key_id)
        return entry

    def revoke(self, selector: str, reason: str, by: str | None, passphrase: bytes) -> LedgerEntry:
        """Revoke a key for good, by the word of a person.

        Raises
        ------
        BadInputError
            If there is no such key.
        """
        subject = find_key(self.ledger.ring(), selector)
        signer, _ = self.person(by, passphrase)

        def seal(prefix: LedgerPrefix, at: dt.datetime) -> Envelope:  # noqa: ARG001
            made = KeyRevocation(key_id=subject.key_id, reason=reason, made_at=at)
            return sealed(IN_TOTO, made.statement().canonical_bytes(), signer.sign)

        return self.ledger.append_sealed(seal)

    def approve(
        self, decision: Decision, by: str | None, passphrase: bytes, lifetime_hours: float
    ) -> LedgerEntry:
        """Approve a decision, if the approval would count.

        Raises
        ------
        ApprovalRefusedError
            If it would not: the person is an author, the clock is wrong, …
        """
        signer, key = self.person(by, passphrase)
        lifetime = dt.timedelta(seconds=int(min(lifetime_hours, MAX_LIFETIME_HOURS + 1) * 3600))

        def seal(prefix: LedgerPrefix, at: dt.datetime) -> Envelope:
            approval = Approval(
                decision=decision,
                approver=key.owner,
                issued_at=at,
                expires_at=at + lifetime,
                nonce=secrets.token_hex(16),
            )
            envelope = sealed(IN_TOTO, approval.statement().canonical_bytes(), signer.sign)
            return require_accepted(envelope, decision, prefix, at)

        return self.ledger.append_sealed(seal)

    def enter(self, presented: bytes, decision: Decision) -> LedgerEntry:
        """Append an approval that was signed elsewhere, if it counts here and now.

        Raises
        ------
        ApprovalRefusedError
            If it does not.
        """

        def seal(prefix: LedgerPrefix, at: dt.datetime) -> Envelope:
            return require_accepted(presented, decision, prefix, at)

        return self.ledger.append_sealed(seal)

    def person(self, selector: str | None, passphrase: bytes) -> tuple[SigningKey, KeyRecord]:
        """Open the key of a person: by owner, by id, or the only one that is here."""
        ring = self.ledger.ring()
        here = [k for k in ring.active("person") if self._keys.holds("person", k.key_id)]
        found = here if selector is None else [k for k in here if _is_meant(k, selector)]
        if len(found) != 1:
            names = ", ".join(f"{k.owner} {k.key_id[:16]}" for k in here) or "none"
            raise BadInputError(
                location="--key",
                found=f"{len(found)} keys for {ascii(selector)[:70]}",
                expected=f"one active key of a person that is here ({names})",
                action="Make one with: torghut keys new --owner NAME" if not here else "",
            )
        return self._keys.person_key(found[0].key_id, passphrase), found[0]

    def _append(self, envelope: Envelope) -> LedgerEntry:
        return self.ledger.append_sealed(lambda _prefix, _at: envelope)


def require_accepted(
    presented: Envelope | bytes, decision: Decision, prefix: LedgerPrefix, at: dt.datetime
) -> Envelope:
    """Return the envelope of an approval that counts as the next entry of a ledger.

    Raises
    ------
    ApprovalRefusedError
        If it does not count.
    """
    nonces = {
        str(e.statement.predicate.record.get("nonce"))
        for e in prefix.entries
        if e.kind == "approval"
    }
    circumstances = Circumstances(
        ring=prefix.ring,
        now=at,
        ledger_time=prefix.last_time,
        used_nonces=frozenset(nonces),
        spent=frozenset(spent_approvals(prefix.entries)),
    )
    judged = judge_approval(presented, decision, circumstances)
    if judged.fault is not None:
        raise ApprovalRefusedError(judged.fault, judged.detail)
    return (
        read_envelope(presented, location="approval") if isinstance(presented, bytes) else presented
    )


def find_key(ring: KeyRing, selector: str) -> KeyRecord:
    """Return the one active key that a selector means: an owner, or 8 characters of an id.

    Raises
    ------
    BadInputError
        If none or several are meant.
    """
    found = [k for k in ring.keys if k.is_active and _is_meant(k, selector)]
    if len(found) != 1:
        raise BadInputError(
            location="key",
            found=f"{len(found)} active keys for {ascii(selector)[:70]}",
            expected="8 or more characters of one id, or its owner; see `torghut keys list`",
        )
    return found[0]


def _is_meant(key: KeyRecord, selector: str) -> bool:
    by_id = len(selector) >= 8 and key.key_id.startswith(selector)
    return by_id or person_key(key.owner) == person_key(selector)
