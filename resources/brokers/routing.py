"""Orders to a broker and back: claim, submit, read back, settle. The only caller of `submit`.

Read `route` first. The journal is written before each step, so that a process that is killed
anywhere leaves a state from which `route` goes on: a claim that was never submitted is sent; an
order that may have been sent is read back by its key first. Nothing is ever sent twice.
"""

from collections.abc import Sequence

from torghut_assets.domain.orders.errors import ImpossibleEventError, UnexplainedOrderError
from torghut_assets.domain.orders.execution import SessionMarket
from torghut_assets.domain.orders.journal import EntryName, Ledger, OrderNote, OrderState
from torghut_assets.domain.orders.keys import OrderRequest
from torghut_assets.domain.orders.reconcile import BrokerOrder, Statement
from torghut_assets.domain.orders.records import Difference, Fill
from torghut_assets.resources.brokers.interface import (
    Broker,
    BrokerRejectedError,
    BrokerUnknownOutcomeError,
)
from torghut_assets.resources.kill_switch import KillSwitch
from torghut_assets.resources.order_journal import OrderJournal

_ENDS: dict[str, EntryName] = {"cancelled": "cancel", "rejected": "reject", "expired": "expire"}


class OrderDesk:
    """Sends and settles the orders of one account, with everything written down first."""

    def __init__(self, journal: OrderJournal, broker: Broker, kill: KillSwitch) -> None:
        self._journal = journal
        self._broker = broker
        self._kill = kill

    def route(self, requests: Sequence[OrderRequest], at: str) -> tuple[OrderState, ...]:
        """Send orders that are not sent yet and return all of them as they stand.

        Parameters
        ----------
        requests : sequence of OrderRequest
            Of one candidate. A known one is not sent again; its first result is returned.
        at : str
            Time of sending, as it is written down.

        Raises
        ------
        OrdersKilledError
            If the kill switch is not known to be clear; what was not sent stays claimed.
        KeyReusedError
            If a key is known with another body; nothing is sent then.
        BrokerUnavailableError
            If an order of unknown outcome cannot be read back.
        """
        if not requests:
            return ()
        candidate = requests[0].candidate_id
        self._kill.require_clear(candidate, subject=f"orders of {candidate}")
        known = self._journal.ledger().orders
        if any(r.key not in known or known[r.key].request != r for r in requests):
            self._journal.claim(requests, at)
        keys = [request.key for request in requests]
        self.read_back(keys, at)
        for _ in range(2):  # the second time for what the read-back says never arrived
            self._send(keys, at)
            if not self.read_back(keys, at):
                break
        ledger = self._journal.ledger()
        return tuple(ledger.orders[key] for key in keys)

    def read_back(self, keys: Sequence[str], at: str) -> int:
        """Ask the broker about every order whose outcome is not known.

        Returns
        -------
        int
            How many orders the broker says it never got; they are `claimed` again.
        """
        known = self._journal.ledger().orders
        if not any(_is_doubtful(known[key]) for key in keys):
            return 0
        self._journal.append(
            lambda ledger: [
                _note(ledger.orders[key], "lose", at)
                for key in keys
                if _is_doubtful(ledger.orders[key]) and ledger.orders[key].status == "submitted"
            ]
        )
        ledger = self._journal.ledger()
        unknown = [key for key in keys if ledger.orders[key].status == "unknown"]
        answers = {key: self._broker.find(key) for key in unknown}
        written = self._journal.append(
            lambda now: [
                _heard(now.orders[key], found, at)
                for key, found in answers.items()
                if now.orders[key].status == "unknown"
            ]
        )
        return sum(note.event == "not_found" for note in written)

    def close_session(
        self, candidate_id: str, market: SessionMarket
    ) -> tuple[Statement, tuple[Difference, ...]]:
        """Settle a session that is over: read the broker's statement and write it down.

        Returns
        -------
        tuple of (Statement, tuple of Difference)
            What the broker states, and what of it cannot be true of our orders.

        Raises
        ------
        SessionNotOverError
            If the session is still open at the broker.
        """
        at = market.rules.closes_at
        states = self._journal.ledger().of_session(candidate_id, market.session)
        keys = [state.request.key for state in states]
        self._broker.end_session(market)
        self.read_back(keys, at)
        known = self._journal.ledger().orders
        if any(known[key].status == "claimed" for key in keys):
            self._journal.append(
                lambda now: [
                    _note(now.orders[key], "cancel", at, "not sent before the session ended")
                    for key in keys
                    if now.orders[key].status == "claimed"
                ]
            )
        statement = self._broker.statement(market.session)
        return statement, self.settle(keys, statement, at)

    def settle(self, keys: Sequence[str], statement: Statement, at: str) -> tuple[Difference, ...]:
        """Write fills and ends of a session's orders; what cannot be true comes back.

        A fill for an order that the journal does not know, too large, or changed since it was
        first reported is a difference and is not written.
        """
        differences: list[Difference] = []
        ledger = self._journal.ledger()
        if not self._settlement(ledger, keys, statement, at, differences):
            return tuple(differences)  # nothing new to write
        self._journal.append(lambda now: self._settlement(now, keys, statement, at, differences))
        return tuple(differences)

    def _settlement(
        self,
        ledger: Ledger,
        keys: Sequence[str],
        statement: Statement,
        at: str,
        differences: list[Difference],
    ) -> list[OrderNote]:
        differences.clear()
        states = {key: ledger.orders[key] for key in keys}
        notes: list[OrderNote] = []
        for fill in sorted(statement.fills, key=lambda f: (f.filled_at, f.fill_id)):
            self._take(fill, states, notes, differences)
        for order in statement.orders:
            if order.key in states:
                notes.extend(_end(states, order, at))
        return notes

    def cancel_open(self, candidate_id: str, reason: str, at: str) -> int:
        """Cancel every open order at the broker, then write down what it says.

        Returns
        -------
        int
            Orders that are still open at the broker.
        """
        self._broker.cancel_all()
        left = {order.key for order in self._broker.open_orders()}
        ledger = self._journal.ledger()
        notes: list[OrderNote] = []
        for state in ledger.open_orders(candidate_id):
            if state.request.key in left:
                continue
            if state.status == "claimed":
                notes.append(_note(state, "cancel", at, reason))
                continue
            notes.extend(self._ended(state, reason, at))
        self._journal.append(lambda _: notes)
        return len(left)

    def _ended(self, state: OrderState, reason: str, at: str) -> list[OrderNote]:
        found = self._broker.find(state.request.key)
        if found is None:
            doubt = [_note(state, "lose", at)] if state.status == "submitted" else []
            return [*doubt, _note(state, "not_found", at), _note(state, "cancel", at, reason)]
        known = [_acknowledged(state, found)] if _is_doubtful(state) else []
        if found.status == "cancelled":
            return [*known, _note(state, "cancel", at, reason)]
        return known  # rejected and expired ones are written when their session is settled

    def _send(self, keys: Sequence[str], at: str) -> None:
        known = self._journal.ledger().orders
        if not any(known[key].status == "claimed" for key in keys):
            return
        submitted = self._journal.append(
            lambda ledger: [
                _note(ledger.orders[key], "submit", at)
                for key in keys
                if ledger.orders[key].status == "claimed"
            ]
        )
        ledger = self._journal.ledger()
        answers: list[OrderNote] = []
        try:
            for note in submitted:  # only those that no other process is sending
                answers.append(self._call(ledger.orders[note.key], at))
        finally:
            self._journal.append(
                lambda now: [a for a in answers if _still_tells(now.orders[a.key], a)]
            )

    def _call(self, state: OrderState, at: str) -> OrderNote:
        asked = state.request
        try:
            with self._kill.passage(asked.candidate_id, subject=f"order {asked.key}"):
                return _acknowledged(state, self._broker.submit(asked, at))
        except BrokerRejectedError as error:
            return _note(state, "reject", at, error.reason)
        except BrokerUnknownOutcomeError as error:
            return _note(state, "lose", at, error.detail)

    def _take(
        self,
        fill: Fill,
        states: dict[str, OrderState],
        notes: list[OrderNote],
        differences: list[Difference],
    ) -> None:
        shown = f"{fill.side} {fill.quantity} {fill.symbol} at {fill.price_usd!r}"
        state = states.get(fill.key)
        if state is None:
            differences.append(
                Difference(what="fill", name=fill.fill_id, ours="no such order", brokers=shown)
            )
            return
        note = _note(state, "execute", fill.filled_at, fill=fill)
        try:
            states[fill.key] = state.after(note)
        except (UnexplainedOrderError, ImpossibleEventError) as error:
            differences.append(
                Difference(what="fill", name=fill.fill_id, ours=str(error)[:300], brokers=shown)
            )
            return
        if states[fill.key] is not state:
            notes.append(note)


def _is_doubtful(state: OrderState) -> bool:
    """Whether nobody has heard from the broker about an order that may have been sent."""
    unheard = state.status == "submitted" and state.acknowledged_at is None
    return unheard or state.status == "unknown"


def _still_tells(state: OrderState, answer: OrderNote) -> bool:
    """Whether an answer says something new: a kill may have ended the order meanwhile."""
    return state.is_open or answer.event == "acknowledge"


def _end(states: dict[str, OrderState], order: BrokerOrder, at: str) -> list[OrderNote]:
    event = _ENDS.get(order.status)
    state = states[order.key]
    if event is None or not state.is_open:
        return []
    note = _note(state, event, at, order.reason)
    try:
        states[order.key] = state.after(note)
    except ImpossibleEventError:
        return []  # the reconciliation shows the two statuses
    return [note]


def _heard(state: OrderState, found: BrokerOrder | None, at: str) -> OrderNote:
    return _note(state, "not_found", at) if found is None else _acknowledged(state, found)


def _acknowledged(state: OrderState, found: BrokerOrder) -> OrderNote:
    return OrderNote(
        key=state.request.key,
        candidate_id=state.request.candidate_id,
        session=state.request.session,
        event="acknowledge",
        at=found.acknowledged_at,
        broker_order_id=found.broker_order_id,
    )


def _note(
    state: OrderState,
    event: EntryName,
    at: str,
    reason: str | None = None,
    fill: Fill | None = None,
) -> OrderNote:
    return OrderNote(
        key=state.request.key,
        candidate_id=state.request.candidate_id,
        session=state.request.session,
        event=event,
        at=at,
        reason=reason,
        fill=fill,
    )
