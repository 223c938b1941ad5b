"""The order journal's entries, and the state of every order as a fold over them.

Entries are links of an append-only chain (`resources/order_journal` keeps it). `OrderState.of`
reads one order's entries; `Ledger` folds all of them, so that a state is always explained by
the entries that led to it. An execution that was reported before is recognized by its id.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from torghut_assets.domain.backtest.trials import RegisterEntry, RegisterRow
from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.orders.errors import KeyReusedError, UnexplainedOrderError
from torghut_assets.domain.orders.keys import OrderRequest
from torghut_assets.domain.orders.lifecycle import OrderEventName, next_status
from torghut_assets.domain.orders.records import (
    FINAL_STATUSES,
    Fill,
    Moment,
    OrderStatus,
    PaperOrder,
    Session,
)
from torghut_assets.domain.records import Digest, Part

EntryName = Literal[
    "claim", "submit", "acknowledge", "execute", "cancel", "reject", "expire", "lose", "not_found"
]
"""As the lifecycle's events; `execute` carries a fill and is partial or not by its quantity."""


_ROUTING = frozenset({"claim", "submit", "acknowledge", "reject", "lose", "not_found"})


class OrderNote(Part):
    """One thing that happened to one order. `at` is the time of the trading day, not of writing."""

    key: Digest
    candidate_id: str
    session: Session
    event: EntryName
    at: Moment
    request: OrderRequest | None = None
    broker_order_id: str | None = None
    fill: Fill | None = None
    reason: str | None = None

    @model_validator(mode="after")
    def _carries_what_it_must(self) -> Self:
        if (self.event == "claim") != (self.request is not None):
            raise ValueError("a claim, and nothing else, carries the request")
        if (self.event == "execute") != (self.fill is not None):
            raise ValueError("an execution, and nothing else, carries a fill")
        for part in (self.request, self.fill):
            if part is not None and part.key != self.key:
                raise ValueError("about another order")
        return self


class OrderEntry(RegisterEntry):
    """One note as it was appended."""

    record_kind: ClassVar[str] = "order-entry"

    note: OrderNote


def read_order_entry(row: RegisterRow) -> OrderEntry:
    """Return the entry that a row holds.

    Raises
    ------
    EvidenceError
        If the payload is not the canonical form of an entry.
    """
    return OrderEntry.from_canonical_bytes(row.payload, location=f"order entry {row.sequence}")


@dataclass(frozen=True)
class OrderState:
    """One order as its entries say. `filled` counts every execution once."""

    request: OrderRequest
    status: OrderStatus
    broker_order_id: str | None = None
    submitted_at: str | None = None
    acknowledged_at: str | None = None
    reason: str | None = None
    fills: tuple[Fill, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether anything may still happen to it."""
        return self.status not in FINAL_STATUSES

    @property
    def filled(self) -> int:
        """Shares executed."""
        return sum(fill.quantity for fill in self.fills)

    def paper_order(self) -> PaperOrder:
        """Return the order as the records of a session show it."""
        asked = self.request
        return PaperOrder(
            key=asked.key,
            symbol=asked.symbol,
            side=asked.side,
            quantity=asked.quantity,
            order_type=asked.order_type,
            limit_price_usd=asked.limit_price_usd,
            status=self.status,
            broker_order_id=self.broker_order_id,
            decided_at=asked.decided_at,
            submitted_at=self.submitted_at,
            acknowledged_at=self.acknowledged_at,
            reason=self.reason,
        )

    def after(self, note: OrderNote) -> "OrderState":
        """Return the state after one more note.

        Raises
        ------
        ImpossibleEventError
            If it cannot happen in this state.
        UnexplainedOrderError
            If an execution is not of this order, comes back changed, or fills too much.
        """
        if note.fill is not None:
            return self._executed(note.fill)
        event: OrderEventName = note.event  # type: ignore[assignment] # "execute" is done above
        changed = replace(self, status=next_status(self.status, event, key=note.key))
        if note.event == "submit":
            changed = replace(changed, submitted_at=note.at, reason=None)
        if note.event == "acknowledge":
            changed = replace(
                changed,
                acknowledged_at=self.acknowledged_at or note.at,
                broker_order_id=note.broker_order_id or self.broker_order_id,
            )
        if note.reason is not None:
            changed = replace(changed, reason=note.reason)
        return changed

    def _executed(self, fill: Fill) -> "OrderState":
        known = {earlier.fill_id: earlier for earlier in self.fills}
        if fill.fill_id in known:
            _agree(f"fill {fill.fill_id}", known[fill.fill_id], fill)
            return self
        asked = self.request
        if (fill.symbol, fill.side) != (asked.symbol, asked.side):
            raise UnexplainedOrderError(
                location=f"fill {fill.fill_id}",
                found=f"{fill.side} {fill.symbol}",
                expected=f"{asked.side} {asked.symbol}, as the order",
            )
        total = self.filled + fill.quantity
        if total > asked.quantity:
            raise UnexplainedOrderError(
                location=f"fill {fill.fill_id}",
                found=f"{total} shares filled",
                expected=f"at most the {asked.quantity} of the order",
            )
        event: OrderEventName = "fill" if total == asked.quantity else "partial_fill"
        status = next_status(self.status, event, key=asked.key)
        ordered = sorted((*self.fills, fill), key=lambda f: (f.filled_at, f.fill_id))
        return replace(self, status=status, fills=tuple(ordered))


@dataclass
class Ledger:
    """All orders of a journal: the fold over its notes, in order."""

    orders: dict[str, OrderState] = field(default_factory=dict)
    notes: list[OrderNote] = field(default_factory=list)

    def apply(self, note: OrderNote) -> None:
        """Take the next note; a claim of a known key must be the identical one.

        Raises
        ------
        KeyReusedError, ImpossibleEventError, UnexplainedOrderError
            If the note cannot follow.
        """
        known = self.orders.get(note.key)
        if note.request is not None:
            if known is not None:
                require_same(known.request, note.request)
                return
            status = next_status(None, "claim", key=note.key)
            self.orders[note.key] = OrderState(note.request, status)
        elif known is None:
            raise UnexplainedOrderError(
                location=f"order {note.key}", found=f"the event {note.event}", expected="a claim"
            )
        else:
            following = known.after(note)
            if following is known:
                return
            self.orders[note.key] = following
        self.notes.append(note)

    def of_session(self, candidate_id: str, session: str) -> tuple[OrderState, ...]:
        """Orders of one candidate and session, by symbol."""
        own = [
            state
            for state in self.orders.values()
            if (state.request.candidate_id, state.request.session) == (candidate_id, session)
        ]
        return tuple(sorted(own, key=lambda s: (s.request.symbol, s.request.key)))

    def open_orders(self, candidate_id: str | None = None) -> tuple[OrderState, ...]:
        """Orders that have no end yet, of one candidate or of all."""
        return tuple(
            state
            for state in self.orders.values()
            if state.is_open and candidate_id in (None, state.request.candidate_id)
        )

    def messages_between(
        self, candidate_id: str, first: str, last: str, *, apart_from: str | None = None
    ) -> int:
        """Count orders and cancels that were sent in `[first, last]`, by their own times.

        Those of the session `apart_from` are left out, so that the count does not change when
        that session is looked at again.
        """
        sent = ("submit", "cancel")
        return sum(
            note.event in sent and first <= note.at <= last
            for note in self.notes
            if note.candidate_id == candidate_id and note.session != apart_from
        )

    def cancels(self, candidate_id: str, session: str) -> int:
        """Count the cancelled orders of a session."""
        return sum(s.status == "cancelled" for s in self.of_session(candidate_id, session))

    def as_routed(self, candidate_id: str, session: str) -> "Ledger":
        """Return the orders of a session as they stood when they had been routed.

        Fills and ends that came later are left out: the same whenever it is asked.
        """
        routed, heard = Ledger(), set()
        for note in self.notes:
            mine = (note.candidate_id, note.session) == (candidate_id, session)
            if mine and note.event in _ROUTING and note.key not in heard:
                routed.apply(note)
                if note.event == "acknowledge":
                    heard.add(note.key)
        return routed

    def history_digest(self, candidate_id: str, session: str) -> str:
        """Digest of what happened to the orders of a session, in order, without writing times.

        The same events give the same digest on any machine, at any time.
        """
        head = "0" * 64
        for note in self.notes:
            if (note.candidate_id, note.session) == (candidate_id, session):
                link = {"note": note.model_dump(mode="json"), "previous": head}
                head = sha256_hex(canonical_json(link))
        return head


def fold(notes: Iterable[OrderNote]) -> Ledger:
    """Return the ledger after all notes."""
    ledger = Ledger()
    for note in notes:
        ledger.apply(note)
    return ledger


def require_same(first: OrderRequest, again: OrderRequest) -> None:
    """Refuse another order under a known key.

    Raises
    ------
    KeyReusedError
        If anything differs; that is never a second order.
    """
    if first != again:
        raise KeyReusedError(key=first.key, found=again.body, expected=first.body)


def _agree(location: str, found: Fill, expected: Fill) -> None:
    if found != expected:
        raise UnexplainedOrderError(
            location=location,
            found=f"{expected.quantity} at {expected.price_usd!r}",
            expected=f"{found.quantity} at {found.price_usd!r}, as it was first reported",
        )
