"""The desk where persons put evidence on hold, and let go of it."""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from torghut_assets.domain.digests import is_digest
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.evidence.dsse import IN_TOTO, Envelope, sealed
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.evidence.ledger_check import LedgerPrefix
from torghut_assets.domain.evidence.removals import (
    RECORD,
    Retention,
    candidate_of,
    read_retention,
)
from torghut_assets.domain.evidence.retention_records import HoldRelease, LegalHold
from torghut_assets.domain.identifiers import parse_candidate_id
from torghut_assets.domain.records import parse_record
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.signing_desk import SigningDesk


class HoldScope(NamedTuple):
    """What a hold is about: candidates, single artifacts, or else everything."""

    candidates: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()
    everything: bool = False


class HoldDesk:
    """Places and releases holds in one home, each by the word of a person."""

    def __init__(self, home: Home, ledger: Ledger | None = None) -> None:
        self._home = home
        self._ledger = ledger or Ledger(home)
        self._persons = SigningDesk(home, self._ledger)

    def holds(self) -> Retention:
        """Return the holds in force and what was removed, proven from the ledger."""
        prefix = self._ledger.checked()
        return read_retention(prefix.entries, prefix.ring)

    def place(
        self, name: str, reason: str, scope: HoldScope, by: str | None, passphrase: bytes
    ) -> LedgerEntry:
        """Put evidence on hold.

        Raises
        ------
        BadInputError
            If the hold is in force already, or names what is not known or was removed: a hold
            with a misspelt name would hold nothing.
        """
        signer, key = self._persons.person(by, passphrase)

        def seal(prefix: LedgerPrefix, at: dt.datetime) -> Envelope:
            known = read_retention(prefix.entries, prefix.ring)
            hold = parse_record(
                LegalHold,
                {
                    "name": name,
                    "reason": reason,
                    "holder": key.owner,
                    "everything": scope.everything,
                    "candidates": sorted({parse_candidate_id(c) for c in scope.candidates}),
                    "artifacts": sorted(set(scope.artifacts)),
                    "placed_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                },
                location=f"hold {ascii(name)[:70]}",
            )
            if hold.name in known.holds:
                raise BadInputError(
                    location="hold",
                    found=f"{hold.name}, in force since entry {known.holds[hold.name].sequence}",
                    expected="another name",
                )
            self._require_known(hold, known, prefix.entries)
            return sealed(IN_TOTO, hold.statement().canonical_bytes(), signer.sign)

        return self._ledger.append_sealed(seal)

    def release(self, name: str, reason: str, by: str | None, passphrase: bytes) -> LedgerEntry:
        """End a hold.

        Raises
        ------
        BadInputError
            If no such hold is in force.
        """
        signer, key = self._persons.person(by, passphrase)

        def seal(prefix: LedgerPrefix, at: dt.datetime) -> Envelope:
            holds = read_retention(prefix.entries, prefix.ring).holds
            if name not in holds:
                raise BadInputError(
                    location="hold",
                    found=ascii(name)[:80],
                    expected=f"one in force: {', '.join(sorted(holds)) or 'there is none'}",
                )
            release = parse_record(
                HoldRelease,
                {
                    "name": name,
                    "hold_digest": holds[name].hold.digest,
                    "reason": reason,
                    "releaser": key.owner,
                    "released_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                },
                location=f"release of {name}",
            )
            return sealed(IN_TOTO, release.statement().canonical_bytes(), signer.sign)

        return self._ledger.append_sealed(seal)

    def _require_known(
        self, hold: LegalHold, known: Retention, entries: Sequence[LedgerEntry]
    ) -> None:
        for artifact in hold.artifacts:
            if (said := known.removal_text(artifact)) is not None:
                raise BadInputError(
                    location="--artifact", found=f"{artifact}, {said}", expected="one that is there"
                )
            if not is_digest(artifact) or artifact not in self._home.store:
                raise BadInputError(
                    location="--artifact",
                    found=ascii(artifact)[:80],
                    expected="the digest of an artifact in the store",
                )
        stated = {candidate_of(e) for e in entries if hold.candidates and RECORD in e.subjects}
        for candidate in hold.candidates:
            if candidate not in stated and not self._home.candidate_path(candidate).is_file():
                raise BadInputError(
                    location="--candidate", found=candidate, expected="one that was submitted here"
                )
