"""A session's market, a desk with the real replay broker, and brokers whose line breaks."""

import datetime as dt
from typing import Any

import session_examples as example

from torghut_assets.domain.orders.execution import SessionMarket, SessionRules, SymbolDay
from torghut_assets.domain.orders.keys import OrderRequest
from torghut_assets.domain.orders.policy import FeePeriod
from torghut_assets.domain.orders.reconcile import BrokerOrder
from torghut_assets.resources.brokers.interface import BrokerUnknownOutcomeError
from torghut_assets.resources.brokers.replay import ReplayBroker
from torghut_assets.resources.brokers.routing import OrderDesk
from torghut_assets.resources.home import Home
from torghut_assets.resources.kill_switch import KillSwitch
from torghut_assets.resources.order_journal import OrderJournal

AT = "2022-01-03T14:25:00Z"
CLOSE = "2022-01-03T21:00:00Z"
FEES = FeePeriod(
    effective_from=dt.date(2022, 1, 1),
    sec_usd_per_million=5.1,
    taf_usd_per_share=0.00013,
    taf_cap_usd=6.49,
)


def rules(**changes: Any) -> SessionRules:
    """Half at the open, at most a twentieth of the volume."""
    fields: dict[str, Any] = {
        "participation_fraction": 0.05,
        "open_share_fraction": 0.5,
        "fees": FEES,
        "opens_at": "2022-01-03T14:30:00Z",
        "middle_at": "2022-01-03T17:45:00Z",
        "closes_at": CLOSE,
    }
    return SessionRules(**(fields | changes))


def day(symbol: str = "AAPL", *, half_spread: float | None = 0.0, **changes: Any) -> SymbolDay:
    """A day of `session_examples.bar`; `split_ratio` and `dividend_usd` as given."""
    actions = {k: changes.pop(k) for k in ("split_ratio", "dividend_usd") if k in changes}
    return SymbolDay(example.bar(symbol, **changes), half_spread, **actions)


def market(session: str = example.SESSION, **days: SymbolDay) -> SessionMarket:
    """A market of AAPL and AMZN unless days are given."""
    return SessionMarket(session, days or {s: day(s) for s in example.SYMBOLS}, rules())


def broker_of(home: Home, candidate: str = example.CANDIDATE) -> ReplayBroker:
    """The candidate's account with a million."""
    return ReplayBroker(home.replay_broker_path, candidate, 1_000_000.0)


def desk_of(home: Home, broker: Any = None) -> OrderDesk:
    """A desk on the home's journal and kill switch."""
    return OrderDesk(OrderJournal(home), broker or broker_of(home), KillSwitch(home))


class LineBreaks:
    """A real broker at the end of a line that breaks: before the order arrives, or after."""

    name = "replay"

    def __init__(self, broker: ReplayBroker, *moments: str) -> None:
        self.broker = broker
        self.moments = list(moments)
        self.calls: list[str] = []

    def submit(self, order: OrderRequest, at: str) -> BrokerOrder:
        moment = self.moments.pop(0) if self.moments else "works"
        self.calls.append(order.key)
        if moment == "before":
            raise BrokerUnknownOutcomeError(key=order.key, detail="no answer in 10 seconds")
        taken = self.broker.submit(order, at)
        if moment == "after":
            raise BrokerUnknownOutcomeError(key=order.key, detail="no answer in 10 seconds")
        return taken

    def __getattr__(self, name: str) -> Any:
        return getattr(self.broker, name)
