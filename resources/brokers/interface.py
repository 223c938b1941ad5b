"""The one interface behind which every broker stands, and what a call to one may end in."""

from typing import Protocol

from torghut_assets.domain.errors import EvidenceError, TorghutError
from torghut_assets.domain.orders.execution import SessionMarket
from torghut_assets.domain.orders.keys import OrderRequest
from torghut_assets.domain.orders.reconcile import BrokerOrder, Holdings, Statement


class BrokerRejectedError(TorghutError):
    """The broker refused an order; it will never trade."""

    exit_code = 1

    def __init__(self, *, key: str, reason: str) -> None:
        self.key = key
        self.reason = " ".join(reason.split())[:200]
        super().__init__(f"order {key}: rejected by the broker, {self.reason}.")


class BrokerUnknownOutcomeError(EvidenceError):
    """A call ended without an answer: the order may or may not be with the broker."""

    def __init__(self, *, key: str, detail: str) -> None:
        self.key = key
        self.detail = " ".join(detail.split())[:200]
        super().__init__(
            f"order {key}: outcome unknown ({self.detail}). It is read back before anything else."
        )


class BrokerUnavailableError(EvidenceError):
    """The broker cannot be asked at present; nothing was changed."""

    def __init__(self, *, broker: str, detail: str) -> None:
        self.broker = broker
        self.detail = " ".join(detail.split())[:200]
        super().__init__(f"broker {broker}: {self.detail}. Nothing was changed; try again.")


class SessionNotOverError(EvidenceError):
    """The session is still open at the broker."""

    def __init__(self, *, session: str, detail: str) -> None:
        super().__init__(f"session {session}: {detail}. Settle it after the close.")


class Broker(Protocol):
    """One account at one broker. Reading never changes anything."""

    name: str

    def submit(self, order: OrderRequest, at: str) -> BrokerOrder:
        """Send an order; the same key again returns the first order, whatever became of it.

        Raises
        ------
        BrokerRejectedError
            If it was refused for good.
        BrokerUnknownOutcomeError
            If there was no answer.
        """
        ...

    def find(self, key: str) -> BrokerOrder | None:
        """Return an order by its key, `None` if the broker never got it."""
        ...

    def open_orders(self) -> tuple[BrokerOrder, ...]:
        """Return all orders that may still trade."""
        ...

    def cancel(self, key: str) -> None:
        """Ask for one order's end; whether it ended is for `find` to say."""
        ...

    def cancel_all(self) -> None:
        """Ask for the end of every open order of the account."""
        ...

    def holdings(self) -> Holdings:
        """Return cash, equity and positions now."""
        ...

    def holdings_before(self, session: str) -> Holdings:
        """Return cash, equity and positions as a session began."""
        ...

    def end_session(self, market: SessionMarket) -> None:
        """See that a session is over: the replay broker plays it, a real one is asked.

        Raises
        ------
        SessionNotOverError
            If it is not.
        """
        ...

    def statement(self, session: str) -> Statement:
        """Return everything about a session that is over."""
        ...
