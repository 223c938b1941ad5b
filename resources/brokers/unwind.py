"""Taking a candidate out at its broker: cancel, close, ask what is left.

Every step is written into the order journal before it is taken and is a no-op the second time, so
that a process that is killed anywhere is followed by one that goes on. What could not be done is
a problem in the receipt, never an exception: the receipt says what is known.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from torghut_assets.domain.errors import TorghutError
from torghut_assets.domain.orders.execution import SessionMarket
from torghut_assets.domain.orders.journal import OrderState
from torghut_assets.domain.orders.keys import OrderRequest, order_key
from torghut_assets.domain.orders.reconcile import Statement
from torghut_assets.domain.orders.records import FINAL_STATUSES, Difference
from torghut_assets.domain.rollback.decide import Closing, closings
from torghut_assets.domain.rollback.records import (
    Holding,
    OrderEnd,
    ReadBack,
    RollbackPlan,
    RollbackReceipt,
)
from torghut_assets.resources.brokers.interface import Broker
from torghut_assets.resources.order_journal import OrderJournal

_PROBLEMS = (TorghutError, OSError)


class Routing(Protocol):
    """What unwinding needs of `routing.OrderDesk`."""

    def route(self, requests: Sequence[OrderRequest], at: str) -> tuple[OrderState, ...]:
        """Send what was not sent yet."""
        ...

    def settle(self, keys: Sequence[str], statement: Statement, at: str) -> tuple[Difference, ...]:
        """Write down what became of orders."""
        ...

    def cancel_open(self, candidate_id: str, reason: str, at: str) -> int:
        """Cancel everything that is open; return how many orders still are."""
        ...


@dataclass(frozen=True)
class TradingTimes:
    """When a rollback may trade, and when it looks.

    Attributes
    ----------
    sessions : tuple of str
        Sessions in which holdings may be closed, first first, at least one. A broker whose
        sessions end by themselves is sent orders for the first only: a second order while the
        first may still trade would sell twice.
    market_of : callable or None
        Session to what a replay broker needs to play it; `None` if sessions end by themselves.
    moments_of : callable
        Session to the times of sending and of reading back.
    looks : int
        How often a broker whose sessions end by themselves is asked, at least 1.
    wait : callable
        Waits before each look.
    """

    sessions: tuple[str, ...]
    market_of: Callable[[str], SessionMarket] | None
    moments_of: Callable[[str], tuple[str, str]]
    looks: int
    wait: Callable[[], None]


@dataclass
class Unwinding:
    """One rollback at work at one broker."""

    plan: RollbackPlan
    broker: Broker
    desk: Routing
    journal: OrderJournal
    times: TradingTimes
    problems: list[str] = field(default_factory=list)

    def run(self, in_force: str | None) -> RollbackReceipt:
        """Cancel, close and read back; return what is known afterwards.

        Parameters
        ----------
        in_force : str or None
            Digest of the champion's deployment as it is now; `None` if there is no champion.
        """
        at, read_at = self.times.moments_of(self.times.sessions[0])
        self._cancel(at)
        for session in self.times.sessions:
            holdings = self._holdings()
            wanted = () if holdings is None else closings(self.plan, holdings)
            if not wanted:
                break
            at, read_at = self.times.moments_of(session)
            if not self._close(wanted, session, (at, read_at)):
                break
        if self.times.market_of is None:
            self._settle(session, read_at)
        return self._receipt(self._read_back(read_at), in_force)

    def _cancel(self, at: str) -> None:
        """Cancel what is open, unless all of it is what a run before this one sent to close."""
        still_open = self.journal.ledger().open_orders(self.plan.candidate_id)
        if still_open and all(state.request.purpose == "flatten" for state in still_open):
            return
        try:
            left = self.desk.cancel_open(
                self.plan.candidate_id, f"rollback {self.plan.digest[:16]}", at
            )
        except _PROBLEMS as error:
            self._note("cancel", error)
            return
        if left:
            self.problems.append(f"cancel: {left} orders are still open at the broker")

    def _holdings(self) -> tuple[Holding, ...] | None:
        try:
            shares = self.broker.holdings().shares
        except _PROBLEMS as error:
            self._note("read positions", error)
            return None
        return tuple(Holding(symbol=s, quantity=q) for s, q in sorted(shares.items()))

    def _close(self, wanted: Sequence[Closing], session: str, moments: tuple[str, str]) -> bool:
        """Send the closing orders of a session and let it happen; `False` ends the attempts."""
        sent_at, read_at = moments
        requests = [self._request(closing, session, sent_at) for closing in wanted]
        keys = [request.key for request in requests]
        try:
            self.desk.route(requests, sent_at)
            if self.times.market_of is None:
                self._look()
                return False
            self.broker.end_session(self.times.market_of(session))
            found = self.desk.settle(keys, self.broker.statement(session), read_at)
        except _PROBLEMS as error:
            self._note(f"close in {session}", error)
            return False
        self._differ(found)
        return True

    def _settle(self, session: str, at: str) -> None:
        """Write down what became of the orders at a broker whose sessions end by themselves."""
        states = self.journal.ledger().of_session(self.plan.candidate_id, session)
        if not states:
            return
        try:
            statement = self.broker.statement(session)
            found = self.desk.settle([s.request.key for s in states], statement, at)
        except _PROBLEMS as error:
            self._note(f"settle {session}", error)
            return
        self._differ(found)

    def _differ(self, found: Sequence[Difference]) -> None:
        self.problems += [f"{d.what} {d.name}: {d.ours}"[:300] for d in found]

    def _look(self) -> None:
        """Wait until nothing is open any more, or often enough."""
        for _ in range(self.times.looks):
            self.times.wait()
            if not self.broker.open_orders():
                return

    def _request(self, closing: Closing, session: str, at: str) -> OrderRequest:
        """Return the closing order; one that was claimed before is taken as it was claimed."""
        key = order_key(
            self.plan.candidate_id,
            session,
            closing.symbol,
            "flatten",
            self.plan.deployment_digest,
        )
        known = self.journal.ledger().orders.get(key)
        if known is not None:
            return known.request
        return OrderRequest(
            key=key,
            candidate_id=self.plan.candidate_id,
            session=session,
            deployment_digest=self.plan.deployment_digest,
            purpose="flatten",
            symbol=closing.symbol,
            side=closing.side,
            quantity=abs(closing.quantity),
            order_type="market",
            limit_price_usd=None,
            decided_at=at,
        )

    def _read_back(self, at: str) -> ReadBack | None:
        holdings = self._holdings()
        if holdings is None:
            return None
        try:
            still_open = sorted(order.key for order in self.broker.open_orders())
        except _PROBLEMS as error:
            self._note("read open orders", error)
            return None
        return ReadBack(read_at=at, holdings=holdings, open_orders=tuple(still_open))

    def _receipt(self, read_back: ReadBack | None, in_force: str | None) -> RollbackReceipt:
        ledger = self.journal.ledger()
        planned = {order.key for order in self.plan.cancels}
        mine = [
            state
            for key, state in ledger.orders.items()
            if key in planned
            or (
                state.request.purpose == "flatten"
                and state.request.deployment_digest == self.plan.deployment_digest
            )
        ]
        return RollbackReceipt(
            candidate_id=self.plan.candidate_id,
            session=self.plan.session,
            plan_digest=self.plan.digest,
            mode=self.plan.mode,
            broker=self.broker.name,
            restores=self.plan.restores,
            in_force_digest=in_force,
            targets=self.plan.targets,
            orders=tuple(
                _end_of(state)
                for state in sorted(mine, key=lambda s: (s.request.session, s.request.key))
            ),
            read_back=read_back,
            problems=tuple(dict.fromkeys([*self.problems, *self._not_over(mine)])),
            journal_head=ledger.history_digest(self.plan.candidate_id, self.plan.session),
        )

    def _not_over(self, states: Sequence[OrderState]) -> list[str]:
        """Orders that neither the journal nor the broker calls finished."""
        found = []
        for state in states:
            if state.status in FINAL_STATUSES:
                continue
            try:
                known = self.broker.find(state.request.key)
            except _PROBLEMS as error:
                found.append(f"order {state.request.key[:16]}: {error}"[:300])
                continue
            if known is None or known.status not in FINAL_STATUSES:
                found.append(f"order {state.request.key[:16]} is {state.status} in the journal")
        return found

    def _note(self, what: str, error: Exception) -> None:
        self.problems.append(f"{what}: {' '.join(str(error).split())}"[:300])


def _end_of(state: OrderState) -> OrderEnd:
    return OrderEnd(
        key=state.request.key,
        symbol=state.request.symbol,
        side=state.request.side,
        quantity=state.request.quantity,
        filled=state.filled,
        status=state.status,
        purpose=state.request.purpose,
    )
