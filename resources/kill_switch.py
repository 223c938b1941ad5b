"""The kill switch: latch files that every order path reads first, before any database.

Engaging writes a latch, then waits until every order that is just being sent has been sent:
whoever sends holds a shared lock (`passage`) and has read the latches inside it. After `engage`
returns, no process of this home sends an order. Latches are never removed; one stops counting
when the ledger holds a signed approval of it, and as long as the ledger cannot be read, it
counts. A latch that was deleted is missed by the anchor, and blocks as well.
"""

import datetime as dt
import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from torghut_assets.domain.backtest.trials import GENESIS_DIGEST
from torghut_assets.domain.errors import BadInputError, EvidenceError
from torghut_assets.domain.orders.guardrails import KillState
from torghut_assets.domain.orders.kill import (
    KillAnchor,
    KillLatch,
    LatchCause,
    OrdersKilledError,
    kind_that_lifts,
    lifts,
)
from torghut_assets.resources.clock import utc_now
from torghut_assets.resources.event_log import log_event
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger_place import has_ledger
from torghut_assets.resources.new_files import write_new
from torghut_assets.resources.receipt_book import current_actor

_DRAIN_SECONDS: Final = 30.0
_ATTEMPTS: Final = 100


class KillReading(NamedTuple):
    """What the latches say: `engaged` holds those that nobody lifted."""

    state: KillState
    detail: str
    engaged: tuple[KillLatch, ...] = ()
    lifted: tuple[KillLatch, ...] = ()


class KillSwitch:
    """The latches of one home."""

    def __init__(self, home: Home, clock: Callable[[], dt.datetime] = utc_now) -> None:
        self._home = home
        self._folder: Path = home.kill_folder
        self._clock = clock
        self._known_lifted: set[str] = set()

    def engage(
        self, candidate_id: str | None, reason: str, cause: LatchCause = "kill"
    ) -> KillLatch:
        """Write a latch and wait until no order is on its way; `None` stops every candidate.

        Raises
        ------
        OSError
            If the latch cannot be written. Nothing is stopped then.
        """
        latch = self.write(candidate_id, reason, cause)
        self.drain()
        return latch

    def drain(self) -> None:
        """Wait until every order that was being sent when the latch was written has been sent.

        Raises
        ------
        TimeoutError
            If one is still being sent after half a minute. The latch holds all the same.
        """
        with self._lock(fcntl.LOCK_EX, _DRAIN_SECONDS):
            self._move_anchor()

    def reading(self, candidate_id: str | None) -> KillReading:
        """Return the state for a candidate; with `None`, that of every latch there is."""
        try:
            latches = self._latches()
        except (OSError, EvidenceError) as error:
            return KillReading("unreadable", f"the latches cannot be read ({error})")
        mine = [latch for latch in latches if latch.stops(candidate_id)]
        if not mine:
            return KillReading("clear", "no latch")
        lifted = self._lifted(mine)
        engaged = tuple(latch for latch in mine if latch.digest not in lifted)
        rest = tuple(latch for latch in mine if latch.digest in lifted)
        if not engaged:
            return KillReading("clear", "every latch was lifted", (), rest)
        newest = engaged[-1]
        detail = f"latch {newest.sequence} of {newest.engaged_at}: {newest.reason}"
        return KillReading("engaged", detail, engaged, rest)

    def require_clear(self, candidate_id: str, *, subject: str) -> None:
        """Refuse unless the switch is known to be clear for a candidate.

        Raises
        ------
        OrdersKilledError
            If it is engaged, or cannot be read.
        """
        found = self.reading(candidate_id)
        if found.state != "clear":
            raise OrdersKilledError(subject=subject, detail=found.detail)

    @contextmanager
    def passage(self, candidate_id: str, *, subject: str) -> Iterator[None]:
        """Send orders inside this block: the switch is clear, and `engage` waits for its end.

        Keep the block to one call of a broker.

        Raises
        ------
        OrdersKilledError
            If the switch is not known to be clear.
        """
        self.require_clear(candidate_id, subject=subject)
        with self._lock(fcntl.LOCK_SH, _DRAIN_SECONDS):
            self.require_clear(candidate_id, subject=subject)
            yield

    def write(self, candidate_id: str | None, reason: str, cause: LatchCause = "kill") -> KillLatch:
        """Write a latch without waiting: from now on nobody begins to send."""
        for _ in range(_ATTEMPTS):
            try:
                before = self._latches()
                sequence = len(before) + 1
                previous = before[-1].digest if before else GENESIS_DIGEST
            except (OSError, EvidenceError):  # what is there cannot be read: stop all the same
                sequence = self._highest() + 1
                previous = GENESIS_DIGEST
            latch = KillLatch(
                sequence=sequence,
                previous_digest=previous,
                candidate_id=candidate_id,
                cause=cause,
                reason=" ".join(reason.split())[:500],
                actor=current_actor(),
                engaged_at=f"{self._clock():%Y-%m-%dT%H:%M:%SZ}",
            )
            try:
                write_new(self._path(sequence), latch.canonical_bytes())
            except FileExistsError:
                continue  # another process was faster: take the next number
            log_event(
                "kill_engaged",
                candidate=candidate_id,
                cause=cause,
                sequence=sequence,
                digest=latch.digest,
            )
            return latch
        raise OSError(f"{self._folder}: no free number for a latch after {_ATTEMPTS} attempts")

    def _latches(self) -> tuple[KillLatch, ...]:
        """All latches in order; raises unless they are whole, chained and as many as anchored."""
        anchor = self._anchor()  # before the latches: they may only get more
        names = self._names()
        latches: list[KillLatch] = []
        previous = GENESIS_DIGEST
        for expected, path in enumerate(names, start=1):
            latch = KillLatch.from_canonical_bytes(path.read_bytes(), location=str(path))
            if path != self._path(expected) or latch.sequence != expected:
                raise EvidenceError(f"{path}: found where latch {expected} belongs")
            if latch.previous_digest != previous:
                raise EvidenceError(f"{path}: does not follow the latch before it")
            previous = latch.digest
            latches.append(latch)
        if anchor is not None and anchor.sequence:
            at = latches[anchor.sequence - 1].digest if len(latches) >= anchor.sequence else "none"
            if at != anchor.head_digest:
                raise EvidenceError(f"{self._folder}: latch {anchor.sequence} was there and is not")
        return tuple(latches)

    def _names(self) -> list[Path]:
        try:
            return sorted(p for p in self._folder.iterdir() if p.suffix == ".json")
        except FileNotFoundError:
            return []

    def _highest(self) -> int:
        return max((int(p.stem) for p in self._names() if p.stem.isdigit()), default=0)

    def _path(self, sequence: int) -> Path:
        return self._folder / f"{sequence:06d}.json"

    def _anchor(self) -> KillAnchor | None:
        path = self._home.kill_anchor_path
        try:
            payload = path.read_bytes()
        except FileNotFoundError:
            return None
        return KillAnchor.from_canonical_bytes(payload, location=str(path))

    def _move_anchor(self) -> None:
        """Write down how many latches there are; a broken chain is left to be found."""
        try:
            latches = self._latches()
        except (OSError, EvidenceError):
            return
        anchor = KillAnchor(sequence=len(latches), head_digest=latches[-1].digest)
        path = self._home.kill_anchor_path
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{len(latches)}")
        temporary.write_bytes(anchor.canonical_bytes())
        temporary.replace(path)

    def _lifted(self, latches: list[KillLatch]) -> set[str]:
        """Digests of latches that the ledger says a person has lifted; none if it cannot say."""
        open_ = [latch for latch in latches if latch.digest not in self._known_lifted]
        if open_ and has_ledger(self._home):
            self._known_lifted.update(self._approved(open_))
        return self._known_lifted

    def _approved(self, latches: list[KillLatch]) -> set[str]:
        from torghut_assets.domain.evidence.approvals import approvals_of_kind
        from torghut_assets.resources.ledger import Ledger

        found: set[str] = set()
        try:
            with closing(Ledger(self._home)) as opened:
                ledger = opened.checked()
            for kind in sorted({kind_that_lifts(latch) for latch in latches}):
                for accepted in approvals_of_kind(ledger.entries, kind, ledger.ring):
                    decision = accepted.approval.decision
                    found.update(
                        latch.digest
                        for latch in latches
                        if decision.report_digest == latch.digest
                        and lifts(decision, latch, self._authors(latch.candidate_id))
                    )
        except (EvidenceError, OSError):
            return set()
        return found

    def _authors(self, candidate_id: str | None) -> tuple[str, ...]:
        """Who may not lift a latch, by the submitted file; nobody is known without one."""
        from torghut_assets.domain.candidates.parse import parse_candidate_spec
        from torghut_assets.resources.candidate_files import read_candidate

        if candidate_id is None:
            return ()
        try:
            payload = read_candidate(self._home, candidate_id)
            return (parse_candidate_spec(payload, location=f"{candidate_id}.yaml").author,)
        except (EvidenceError, BadInputError):
            return ()

    @contextmanager
    def _lock(self, how: int, seconds: float) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + seconds
        with (self._folder / "lock").open("ab") as handle:
            while True:
                try:
                    fcntl.flock(handle, how | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() > deadline:
                        raise TimeoutError(f"{self._folder}: orders are still on their way") from (
                            error
                        )
                    time.sleep(0.005)
            yield
