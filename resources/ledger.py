"""The ledger of a home: signed statements in one order, under one tree.

`append` makes, signs and appends a statement in one step, `append_all` several. A ledger that
contradicts itself is neither read nor continued; `verify` names the first fault.

A process that opens the ledger checks the tree head in the anchor, that it is the head of
exactly these rows, and every entry about keys; rows beyond the anchor are checked one by one.
The content of an older entry, its signatures and roles are checked when somebody looks at it.
`verify` believes no head and looks at everything.
"""

import datetime as dt
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.evidence.dsse import IN_TOTO, Envelope, sealed
from torghut_assets.domain.evidence.entries import (
    LedgerEntry,
    LedgerRow,
    TreeHead,
    read_tree_head,
    sign_tree_head,
)
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.keys import MACHINE_ROLES, KeyRegistration, KeyRing
from torghut_assets.domain.evidence.ledger_check import LedgerPrefix, check_ledger
from torghut_assets.domain.evidence.removals import read_retention
from torghut_assets.domain.evidence.statement import Role, read_statement, statement_about
from torghut_assets.domain.records import Digest, Record
from torghut_assets.resources.clock import utc_now
from torghut_assets.resources.event_log import log_event
from torghut_assets.resources.home import Home
from torghut_assets.resources.key_ring import KeyFolder, SigningKey
from torghut_assets.resources.ledger_file import LedgerSession, LedgerStorage
from torghut_assets.resources.ledger_place import ledger_storage

_TOLERATED_STEP_BACK: Final = dt.timedelta(seconds=60)
Seal = Callable[[LedgerPrefix, dt.datetime], Envelope]
"""Makes an envelope for the next entry, which will be recorded at a time."""


class Draft(NamedTuple):
    """A statement that a machine is about to make; see `Ledger.append`."""

    kind: str
    subjects: Mapping[str, Digest]
    predicate: Record
    role: Role = "runner"


Plan = Callable[[LedgerPrefix], Sequence[Draft]]
"""Says what to append to the ledger so far, while nobody else may write."""


class Ledger:
    """Append-only ledger of one home. Any number of processes may use it at once.

    Parameters
    ----------
    home : Home
    clock : callable
        Returns the time in UTC, to the second.
    storage : LedgerStorage or None
        Where rows lie; `None` is the place that the environment names, see `ledger_place`.
    """

    def __init__(
        self,
        home: Home,
        clock: Callable[[], dt.datetime] = utc_now,
        storage: LedgerStorage | None = None,
    ) -> None:
        self._storage = storage or ledger_storage(home)
        self._keys = KeyFolder(home)
        self._opened: dict[Role, SigningKey] = {}
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
        return self.append_all(lambda _: (Draft(kind, subjects, predicate, role),))[0]

    def append_all(self, plan: Plan) -> tuple[LedgerEntry, ...]:
        """Sign and append the statements that `plan` makes of the ledger so far, or none.

        The anchor moves once, after the last. Raises what `append` raises.
        """
        with self._appending() as (prefix, session):
            drafts = plan(prefix)
            for role in dict.fromkeys(draft.role for draft in drafts):
                if role not in MACHINE_ROLES:
                    raise BadInputError(location="role", found=role, expected="runner or gate")
                self._introduce_machine(role, prefix, session)
            entries = []
            for kind, subjects, predicate, role in drafts:
                payload = statement_about(kind, subjects, predicate).canonical_bytes()
                envelope = sealed(IN_TOTO, payload, self._machine_key(role, prefix.ring).sign)
                entries.append(self._add(envelope, self._next_time(prefix), prefix, session))
        for entry in entries:
            log_event(
                "statement_appended",
                kind=entry.statement.kind,
                sequence=entry.sequence,
                digest=entry.statement_digest,
            )
        return tuple(entries)

    def append_sealed(self, seal: Seal, *, uses: Role = "runner") -> LedgerEntry:
        """Append what `seal` makes of the ledger so far, as the only writer.

        Parameters
        ----------
        seal : callable
            Called with the checked ledger and the time of the next entry.
        uses : str
            A machine role whose key must be there before, made at its first use.
        """
        with self._appending() as (prefix, session):
            self._introduce_machine(uses, prefix, session)
            at = self._next_time(prefix)
            return self._add(seal(prefix, at), at, prefix, session)

    @contextmanager
    def _appending(self) -> Iterator[tuple[LedgerPrefix, LedgerSession]]:
        """Be the only writer of a ledger that was checked and has a runner."""
        try:
            with self._turn, self._storage.appending() as session:
                prefix = self._checked(session, self._storage.anchor())
                self._introduce_machine("runner", prefix, session)
                yield prefix, session
        except BaseException:
            self._known = None  # what was added to it may not be in the file
            raise

    def entries(self, kind: str | None = None) -> tuple[LedgerEntry, ...]:
        """Return all entries, or those of a kind, in order.

        Raises
        ------
        EvidenceRefusedError
            With the first fault, if the ledger is not whole.
        """
        prefix = self.checked()
        return tuple(prefix.entries) if kind is None else prefix.of_kind(kind)

    def ring(self) -> KeyRing:
        """Return the keys as the ledger leaves them."""
        return self.checked().ring.copy()

    def checked(self) -> LedgerPrefix:
        """Return the ledger as this module says; what this object has checked before is kept.

        Do not change it.
        """
        with self._turn:
            anchor = self._storage.anchor()  # before the rows: they may only get more
            with self._storage.reading() as session:
                return self._checked(session, anchor)

    def continued(self, prefix: LedgerPrefix) -> LedgerPrefix:
        """Take in what came after a prefix that was checked before; compare with the anchor.

        Raises
        ------
        EvidenceRefusedError
            With the first fault, among them that the ledger is not the continuation.
        """
        with self._turn:
            anchor = self._storage.anchor()  # before the rows: they may only get more
            with self._storage.reading() as session:
                return self._gone_on(prefix, session, anchor)

    def rows(self, sequences: Iterable[int]) -> list[LedgerRow]:
        """Return some rows as they are stored, in order; nothing of them is checked."""
        with self._turn, self._storage.reading() as session:
            return [row for n in sequences for row in session.rows_after(n - 1, through=n)]

    def verify(self, anchor: bytes | None = None) -> LedgerPrefix:
        """Check everything anew: rows, all tree heads, guards, the anchor, tombstones and holds.

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
        read_retention(prefix.entries, prefix.ring)
        return prefix

    def head(self) -> tuple[TreeHead, bytes] | None:
        """Return the last tree head with its signed envelope; `None` of an empty ledger."""
        prefix = self.checked()
        if not prefix.size:
            return None
        with self._storage.reading() as session:
            signed = session.head(prefix.size) or b""
        return prefix.require_head(signed, what=f"head {prefix.size}"), signed

    def join(self) -> LedgerPrefix:
        """Trust the ledger's newest head as this home's anchor, after everything was checked.

        For a home that begins to use a team's ledger: compare the root with what others see.

        Raises
        ------
        BadInputError
            If this home has an anchor already, or the ledger has no entry.
        EvidenceRefusedError
            With the first fault, if the ledger is not whole.
        """
        with self._storage.reading() as session:
            rows, heads = session.rows_after(0), session.heads()
        if self._storage.anchor() or not rows:
            raise BadInputError(
                location=self.location,
                found="an anchor" if rows else "no entry",
                expected="a ledger with entries, and a home that never used one",
            )
        newest = heads.get(len(rows), b"")
        prefix = check_ledger(rows, heads, newest, location=self.location)
        self._storage.keep_anchor(newest)
        return prefix

    def close(self) -> None:
        """Let go of the storage; the next use opens it again."""
        self._storage.close()

    def _checked(self, session: LedgerSession, anchor: bytes | None) -> LedgerPrefix:
        """Go on from what is known to what the session sees, and compare with the anchor."""
        prefix = self._known or self._held(session, anchor)
        self._known = None
        self._known = self._gone_on(prefix, session, anchor)
        return self._known

    def _gone_on(
        self, prefix: LedgerPrefix, session: LedgerSession, anchor: bytes | None
    ) -> LedgerPrefix:
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
        return prefix

    def _held(self, session: LedgerSession, anchor: bytes | None) -> LedgerPrefix:
        """Return the rows under the anchor's head; nothing if they do not agree.

        Whoever gets nothing reads every row, and so finds the first fault and its place.
        """
        prefix = LedgerPrefix(self.location)
        if anchor is None:
            return prefix
        try:
            head, _ = read_tree_head(anchor, location=self.location)
            prefix.hold(session.rows_after(0, through=head.tree_size), anchor)
        except EvidenceRefusedError:
            return LedgerPrefix(self.location)
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

    def _machine_key(self, role: Role, *rings: KeyRing) -> SigningKey:
        """Return this machine's key of a role that is active in one of the rings."""
        ids = {key.key_id for ring in rings for key in ring.active(role)}
        known = self._opened.get(role)
        if known and known.key_id in ids and self._keys.holds(role, known.key_id):
            return known
        key = self._keys.machine_key(role, ids)
        if key is None:
            raise BadInputError(
                location=f"{role} key",
                found="no private key here that the ledger knows and nobody revoked",
                expected=f"one: `torghut keys new --role {role}`, then `torghut keys introduce`",
            )
        self._opened[role] = key
        return key

    def _add(
        self, envelope: Envelope, at: dt.datetime, prefix: LedgerPrefix, session: LedgerSession
    ) -> LedgerEntry:
        where = f"{self.location} entry {prefix.size + 1}"
        statement = read_statement(envelope, location=where)
        entry = LedgerEntry(prefix.size + 1, at, envelope, statement)
        row: LedgerRow = entry.row
        before = prefix.ring.copy()
        prefix.add(entry)
        runner = self._machine_key("runner", before, prefix.ring)
        session.append(row, sign_tree_head(prefix.next_head(entry), runner.sign).canonical_bytes())
        return entry
