"""The ledger of a home: signed statements in one order, under one tree.

`append` makes, signs and appends a statement in one step. Everything that is read was
checked: signatures, roles, order, times, the last signed tree head, and the anchor. A ledger
that contradicts itself is neither read nor continued; `verify` names the first fault.
"""

import datetime as dt
import threading
from collections.abc import Callable, Mapping
from typing import Final

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.evidence.dsse import IN_TOTO, Envelope, sealed
from torghut_assets.domain.evidence.entries import LedgerEntry, LedgerRow, TreeHead, sign_tree_head
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.keys import MACHINE_ROLES, KeyRegistration, KeyRing
from torghut_assets.domain.evidence.ledger_check import LedgerPrefix, check_ledger
from torghut_assets.domain.evidence.statement import Role, read_statement, statement_about
from torghut_assets.domain.records import Digest, Record
from torghut_assets.resources.clock import utc_now
from torghut_assets.resources.home import Home
from torghut_assets.resources.key_ring import KeyFolder, SigningKey
from torghut_assets.resources.ledger_file import LedgerSession, LedgerStorage, SqliteLedger

_TOLERATED_STEP_BACK: Final = dt.timedelta(seconds=60)
Seal = Callable[[LedgerPrefix, dt.datetime], Envelope]
"""Makes an envelope for the next entry, which will be recorded at a time."""


class Ledger:
    """Append-only ledger of one home. Any number of processes may use it at once.

    Parameters
    ----------
    home : Home
    clock : callable
        Returns the time in UTC, to the second.
    storage : LedgerStorage or None
        Where rows lie; `None` is the home's SQLite file.
    """

    def __init__(
        self,
        home: Home,
        clock: Callable[[], dt.datetime] = utc_now,
        storage: LedgerStorage | None = None,
    ) -> None:
        self._storage = storage or SqliteLedger(home.ledger_path, home.ledger_anchor_path)
        self._keys = KeyFolder(home)
        self._clock = clock
        self._known: LedgerPrefix | None = None
        self._turn = threading.RLock()

    @property
    def location(self) -> str:
        """Where the ledger is, for messages."""
        return self._storage.location

    def append(
        self, kind: str, subjects: Mapping[str, Digest], predicate: Record, role: Role = "runner"
    ) -> LedgerEntry:
        """Sign a statement with this machine's key of a role and append it.

        Parameters
        ----------
        kind : str
            One of `MAY_SIGN`, whose role may sign it.
        subjects : mapping of str to str
            SHA-256 by name of what it is about, at least one.
        predicate : Record
            What is said.
        role : str
            `runner`, or `gate` for decisions of the gate. A person's word is no machine's.

        Raises
        ------
        BadInputError
            If the kind is unknown, or `role` is not one of a machine.
        EvidenceRefusedError
            If the role may not say this, or the ledger is not whole.
        """
        if role not in MACHINE_ROLES:
            raise BadInputError(location="role", found=role, expected="runner or gate")
        payload = statement_about(kind, subjects, predicate).canonical_bytes()

        def seal(prefix: LedgerPrefix, at: dt.datetime) -> Envelope:  # noqa: ARG001
            return sealed(IN_TOTO, payload, self._machine_key(role, prefix.ring).sign)

        return self.append_sealed(seal, uses=role)

    def append_sealed(self, seal: Seal, *, uses: Role = "runner") -> LedgerEntry:
        """Append what `seal` makes of the ledger so far, as the only writer.

        Parameters
        ----------
        seal : callable
            Called with the checked ledger and the time of the next entry.
        uses : str
            A machine role whose key must be there before, made at its first use.
        """
        try:
            with self._turn, self._storage.appending() as session:
                prefix = self._checked(session, self._storage.anchor())
                for role in dict.fromkeys(("runner", uses)):
                    self._introduce_machine(role, prefix, session)
                at = self._next_time(prefix)
                return self._add(seal(prefix, at), at, prefix, session)
        except BaseException:
            self._known = None  # what was added to it may not be in the file
            raise

    def entries(self, kind: str | None = None) -> tuple[LedgerEntry, ...]:
        """Return all entries, or those of a kind, in order, after everything was checked.

        Raises
        ------
        EvidenceRefusedError
            With the first fault, if the ledger is not whole.
        """
        entries = self.checked().entries
        return tuple(e for e in entries if kind is None or e.kind == kind)

    def ring(self) -> KeyRing:
        """Return the keys as the ledger leaves them."""
        return self.checked().ring.copy()

    def checked(self) -> LedgerPrefix:
        """Return the whole ledger, checked; what this object has checked before is kept.

        Do not change it.
        """
        with self._turn:
            anchor = self._storage.anchor()  # before the rows: they may only get more
            with self._storage.reading() as session:
                return self._checked(session, anchor)

    def verify(self, anchor: bytes | None = None) -> LedgerPrefix:
        """Check everything anew: rows, all tree heads, guards, the anchor.

        Parameters
        ----------
        anchor : bytes or None
            A tree head that was kept somewhere else, besides the home's own anchor.

        Raises
        ------
        EvidenceRefusedError
            With the first fault and its place.
        """
        kept = self._storage.anchor()  # before the rows: they may only get more
        with self._storage.reading() as session:
            rows, heads = session.rows_after(0), session.heads()
        prefix = check_ledger(rows, heads, kept, location=self.location)
        if anchor is not None:
            prefix.require_anchor(anchor)
        if not self._storage.guards_intact():
            raise EvidenceRefusedError(
                Fault.GUARDS_MISSING,
                location=self.location,
                detail="tables or triggers are not as this project makes them: somebody edited",
            )
        return prefix

    def head(self) -> tuple[TreeHead, bytes] | None:
        """Return the last tree head with its signed envelope; `None` of an empty ledger."""
        prefix = self.checked()
        if not prefix.size:
            return None
        with self._storage.reading() as session:
            signed = session.head(prefix.size) or b""
        return prefix.require_head(signed, what=f"head {prefix.size}"), signed

    def _checked(self, session: LedgerSession, anchor: bytes | None) -> LedgerPrefix:
        """Go on from what is known to what the session sees, and compare with the anchor."""
        prefix = self._known or LedgerPrefix(self.location)
        self._known = None
        self._require_same_rows(prefix, session)
        for row in session.rows_after(prefix.size):
            prefix.read(row)
        prefix.require_anchor(anchor)
        if prefix.size:
            signed = session.head(prefix.size)
            if signed is None:
                raise EvidenceRefusedError(
                    Fault.HEAD_MISSING,
                    location=f"{self.location} entry {prefix.size}",
                    detail="no signed tree head of this size",
                )
            head = prefix.require_head(signed, what=f"head {prefix.size}")
            if head.tree_size != prefix.size:
                raise EvidenceRefusedError(
                    Fault.HEAD_CONTRADICTS,
                    location=f"{self.location} head {prefix.size}",
                    detail=f"it is of size {head.tree_size}",
                )
        self._known = prefix
        return prefix

    def _require_same_rows(self, prefix: LedgerPrefix, session: LedgerSession) -> None:
        if not prefix.size:
            return
        last = session.last_row()
        if last is None or last[0] < prefix.size:
            raise EvidenceRefusedError(
                Fault.TRUNCATED,
                location=self.location,
                detail=f"it had {prefix.size} entries a moment ago",
            )

    def _next_time(self, prefix: LedgerPrefix) -> dt.datetime:
        now = self._clock()
        if prefix.last_time is None or now >= prefix.last_time:
            return now
        if prefix.last_time - now > _TOLERATED_STEP_BACK:
            raise EvidenceRefusedError(
                Fault.CLOCK_MOVED_BACK,
                location=self.location,
                detail=f"it is {now}, the last entry is of {prefix.last_time}; set the clock right",
            )
        return prefix.last_time

    def _introduce_machine(self, role: Role, prefix: LedgerPrefix, session: LedgerSession) -> None:
        """Register the runner as the first entry, and the gate at its first use."""
        if role not in MACHINE_ROLES or any(key.role == role for key in prefix.ring.keys):
            return
        if role == "runner" and prefix.size:
            return
        key = self._keys.machine_key(role, None) or self._keys.new_machine_key(role)
        at = self._next_time(prefix)
        made = KeyRegistration(public_key=key.public_key.hex(), role=role, owner=role, made_at=at)
        signers = [key.sign]
        if role == "gate":
            signers.append(self._machine_key("runner", prefix.ring).sign)
        envelope = sealed(IN_TOTO, made.statement().canonical_bytes(), *signers)
        self._add(envelope, at, prefix, session)

    def _machine_key(self, role: Role, ring: KeyRing) -> SigningKey:
        key = self._keys.machine_key(role, {k.key_id for k in ring.active(role)})
        if key is None:
            raise BadInputError(
                location=f"{role} key",
                found="no private key here that the ledger knows and nobody revoked",
                expected=f"one: `torghut keys new --role {role}`, then `torghut keys introduce`",
            )
        return key

    def _add(
        self, envelope: Envelope, at: dt.datetime, prefix: LedgerPrefix, session: LedgerSession
    ) -> LedgerEntry:
        where = f"{self.location} entry {prefix.size + 1}"
        statement = read_statement(envelope, location=where)
        entry = LedgerEntry(prefix.size + 1, at, envelope, statement)
        row: LedgerRow = entry.row
        runners = {key.key_id for key in prefix.ring.active("runner")}
        prefix.add(entry)
        runners |= {key.key_id for key in prefix.ring.active("runner")}
        runner = self._keys.machine_key("runner", runners)
        if runner is None:
            runner = self._machine_key("runner", prefix.ring)
        session.append(row, sign_tree_head(prefix.next_head(entry), runner.sign).canonical_bytes())
        return entry
