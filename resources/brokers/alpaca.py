"""Alpaca's paper account through alpaca-py, an optional extra. The key is the client order id.

Keys come from `APCA_API_KEY_ID` and `APCA_API_SECRET_KEY`, another address from
`APCA_API_BASE_URL`. Only the paper address and addresses of this machine are accepted: no order
of this project ever reaches a live account. A call without an answer is an unknown outcome;
what the service refuses by a client error was never accepted.
"""

import datetime as dt
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlparse

from torghut_assets.domain.digests import is_digest, sha256_hex
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.orders.errors import KeyReusedError
from torghut_assets.domain.orders.execution import SessionMarket
from torghut_assets.domain.orders.keys import OrderRequest
from torghut_assets.domain.orders.reconcile import Activity, BrokerOrder, Holdings, Statement
from torghut_assets.domain.orders.records import Fill, OrderStatus, Position
from torghut_assets.resources.brokers.interface import (
    BrokerRejectedError,
    BrokerUnavailableError,
    BrokerUnknownOutcomeError,
    SessionNotOverError,
)

AnswerT = TypeVar("AnswerT")
PAPER_URL: Final = "https://paper-api.alpaca.markets"
TIMEOUT_SECONDS: Final = 10.0
_PAGE: Final = 500
_NANOSECONDS: Final = re.compile(r"(\.\d{6})\d+")
_LOCAL: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_STATUS: Final[dict[str, OrderStatus]] = {
    "partially_filled": "partially_filled",
    "filled": "filled",
    "canceled": "cancelled",
    "replaced": "cancelled",
    "rejected": "rejected",
    "suspended": "rejected",
    "expired": "expired",
    "done_for_day": "expired",
}
"""Every other status of the service means: it may still trade."""


class AlpacaPaperBroker:
    """One paper account. `client` is alpaca-py's `TradingClient` with raw data."""

    name = "alpaca-paper"

    def __init__(self, client: Any) -> None:
        self._client = client

    @classmethod
    def from_environment(
        cls, *, timeout_seconds: float = TIMEOUT_SECONDS, retry_wait_seconds: int = 3
    ) -> Self:
        """Build the client.

        Raises
        ------
        BadInputError
            If the extra is not installed, a key is not in the environment, or the address is
            neither Alpaca's paper address nor of this machine.
        """
        try:
            from alpaca.trading.client import TradingClient
        except ImportError as error:
            raise BadInputError(
                location="broker alpaca-paper",
                found="no alpaca-py in this environment",
                expected="the extra `alpaca`",
                action="Install it with: pip install 'torghut-assets[alpaca]'",
            ) from error
        names = ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY")
        absent = [name for name in names if not os.environ.get(name)]
        if absent:
            raise BadInputError(
                location="broker alpaca-paper",
                found=f"no {' and no '.join(absent)} in the environment",
                expected="both keys of a paper account",
                action="Export them; they are never an argument or a setting.",
            )
        client = TradingClient(
            api_key=os.environ[names[0]],
            secret_key=os.environ[names[1]],
            paper=True,
            raw_data=True,
            url_override=_paper_address(os.environ.get("APCA_API_BASE_URL") or PAPER_URL),
        )
        client._retry_wait = retry_wait_seconds
        _limit_waiting(client, timeout_seconds)
        return cls(client)

    def submit(self, order: OrderRequest, at: str) -> BrokerOrder:  # noqa: ARG002 - it stamps its own
        """Send a day order under its key; a known key returns the order it already is."""
        from alpaca.common.exceptions import APIError
        from requests import RequestException

        try:
            return _order_of(self._client.post("/orders", _body(order)))
        except APIError as error:
            status = _status_code(error)
            if status is not None and status < 500:
                return self._refused(order, error, status)
            raise BrokerUnknownOutcomeError(key=order.key, detail=f"HTTP {status}") from error
        except (RequestException, ValueError, KeyError, TypeError) as error:
            detail = f"no valid answer ({type(error).__name__})"
            raise BrokerUnknownOutcomeError(key=order.key, detail=detail) from error

    def find(self, key: str) -> BrokerOrder | None:
        """Return an order by its key; `None` only if the service says that it has none."""
        from alpaca.common.exceptions import APIError

        def ask() -> BrokerOrder | None:
            try:
                return _order_of(self._client.get_order_by_client_id(key))
            except APIError as error:
                if _status_code(error) == 404:
                    return None
                raise

        return self._asked(ask)

    def open_orders(self) -> tuple[BrokerOrder, ...]:
        """Return all open orders of the account, whoever sent them."""
        return tuple(self._asked(lambda: self._pages({"status": "open"})).values())

    def cancel(self, key: str) -> None:
        """Ask for one order's end; one that cannot be cancelled any more is left."""
        from alpaca.common.exceptions import APIError

        found = self.find(key)
        if found is None:
            return

        def ask() -> None:
            try:
                self._client.cancel_order_by_id(found.broker_order_id)
            except APIError as error:
                if _status_code(error) not in (404, 422):
                    raise

        self._asked(ask)

    def cancel_all(self) -> None:
        """Ask for the end of every open order of the account, in one request."""
        self._asked(self._client.cancel_orders)

    def holdings(self) -> Holdings:
        """Return cash, equity and positions now."""

        def ask() -> Holdings:
            account = self._client.get_account()
            positions = [_position(row) for row in self._client.get_all_positions()]
            return Holdings(
                cash_usd=float(account["cash"]),
                equity_usd=float(account["equity"]),
                positions=tuple(sorted(positions, key=lambda p: p.symbol)),
            )

        return self._asked(ask)

    def holdings_before(self, session: str) -> Holdings:  # noqa: ARG002 - the account has no past
        """Return the holdings now: ask before the session's orders are sent."""
        return self.holdings()

    def end_session(self, market: SessionMarket) -> None:
        """See by the service's clock that the session has closed.

        Raises
        ------
        SessionNotOverError
            If it has not, or an order of the account is still open.
        """
        now = self._asked(lambda: _time(str(self._client.get_clock()["timestamp"])))
        if now < _time(market.rules.closes_at):
            raise SessionNotOverError(session=market.session, detail=f"it is {now:%H:%M}Z there")
        if left := len(self.open_orders()):
            raise SessionNotOverError(session=market.session, detail=f"{left} orders are open")

    def statement(self, session: str) -> Statement:
        """Return orders, executions, other bookings and holdings of a session that is over."""
        day = dt.datetime.fromisoformat(f"{session}T00:00:00+00:00")
        window = {
            "status": "all",
            "after": (day - dt.timedelta(hours=3)).isoformat(),
            "until": (day + dt.timedelta(days=1)).isoformat(),
        }

        def ask() -> tuple[dict[str, BrokerOrder], list[Mapping[str, Any]]]:
            return self._pages(window), self._activities(session)

        orders, activities = self._asked(ask)
        keys = {order.broker_order_id: order.key for order in orders.values()}
        return Statement(
            orders=tuple(sorted(orders.values(), key=lambda o: (o.symbol, o.key))),
            fills=self._asked(
                lambda: tuple(_fill(a, keys) for a in activities if a["activity_type"] == "FILL")
            ),
            activities=self._asked(
                lambda: tuple(_activity(a) for a in activities if a["activity_type"] != "FILL")
            ),
            after=self.holdings(),
        )

    def _refused(self, order: OrderRequest, error: Any, status: int) -> BrokerOrder:
        """Return the order that has the key already, else say that this one was refused."""
        if status in (401, 408, 429):
            raise BrokerUnavailableError(broker=self.name, detail=f"HTTP {status}") from error
        if status == 422 and "client_order_id" in str(error):
            known = self.find(order.key)
            if known is not None:
                if (known.symbol, known.side, known.quantity) != (
                    order.symbol,
                    order.side,
                    order.quantity,
                ):
                    raise KeyReusedError(
                        key=order.key,
                        found=order.body,
                        expected=f"{known.side} {known.quantity} {known.symbol}",
                    )
                return known
        raise BrokerRejectedError(key=order.key, reason=_message(error)) from error

    def _pages(self, query: Mapping[str, str]) -> dict[str, BrokerOrder]:
        """Return orders by broker id, oldest first, page by page."""
        found: dict[str, BrokerOrder] = {}
        after = query.get("after")
        while True:
            asked = {**query, "limit": _PAGE, "direction": "asc"} | (
                {"after": after} if after else {}
            )
            page = self._client.get("/orders", asked)
            new = [row for row in page if str(row["id"]) not in found]
            found.update({str(row["id"]): _order_of(row) for row in new})
            if len(page) < _PAGE or not new:
                return found
            after = str(page[-1]["submitted_at"])

    def _activities(self, session: str) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        while True:
            asked = {"date": session, "direction": "asc", "page_size": 100} | (
                {"page_token": found[-1]["id"]} if found else {}
            )
            page = self._client.get("/account/activities", asked)
            found.extend(page)
            if len(page) < 100:
                return found

    def _asked(self, ask: Callable[[], AnswerT]) -> AnswerT:
        """Ask without changing anything; whatever goes wrong is one refusal."""
        from alpaca.common.exceptions import APIError
        from requests import RequestException

        try:
            return ask()
        except APIError as error:
            detail = f"HTTP {_status_code(error)}"
        except (RequestException, ValueError, KeyError, TypeError) as error:
            detail = f"no valid answer ({type(error).__name__}: {error})"
        raise BrokerUnavailableError(broker=self.name, detail=detail)


def _paper_address(url: str) -> str:
    parts = urlparse(url)
    paper = parts.scheme == "https" and parts.hostname == urlparse(PAPER_URL).hostname
    if not paper and parts.hostname not in _LOCAL:
        raise BadInputError(
            location="APCA_API_BASE_URL",
            found=ascii(parts.hostname)[:80],
            expected=f"{PAPER_URL}, or an address of this machine",
            action="Orders are for paper accounts only.",
        )
    return url.rstrip("/")


def _limit_waiting(client: Any, seconds: float) -> None:
    """Give every request a time limit: alpaca-py sets none and would wait for ever."""
    from requests.adapters import HTTPAdapter

    class Limited(HTTPAdapter):
        def send(self, request: Any, *args: Any, **options: Any) -> Any:
            options["timeout"] = options.get("timeout") or seconds
            return super().send(request, *args, **options)

    for scheme in ("https://", "http://"):
        client._session.mount(scheme, Limited())


def _body(order: OrderRequest) -> dict[str, str]:
    body = {
        "client_order_id": order.key,
        "symbol": order.symbol,
        "qty": str(order.quantity),
        "side": order.side,
        "type": order.order_type,
        "time_in_force": "day",
    }
    if order.limit_price_usd is not None:
        body["limit_price"] = f"{order.limit_price_usd:.4f}".rstrip("0").rstrip(".")
    return body


def _order_of(row: Mapping[str, Any]) -> BrokerOrder:
    return BrokerOrder(
        key=str(row["client_order_id"]),
        broker_order_id=str(row["id"]),
        symbol=str(row["symbol"]),
        side=str(row["side"]),
        quantity=_shares(row["qty"]),
        status=_STATUS.get(str(row["status"]), "submitted"),
        filled_quantity=_shares(row["filled_qty"] or 0),
        acknowledged_at=_moment(str(row["submitted_at"])),
        reason=None if str(row["status"]) in ("new", "accepted", "filled") else str(row["status"]),
    )


def _fill(row: Mapping[str, Any], keys: Mapping[str, str]) -> Fill:
    key = keys.get(str(row["order_id"]), str(row["order_id"]))
    return Fill(
        fill_id=str(row["id"]),
        key=key if is_digest(key) else sha256_hex(key.encode()),
        symbol=str(row["symbol"]),
        side="buy" if str(row["side"]) == "buy" else "sell",
        quantity=_shares(row["qty"]),
        price_usd=float(row["price"]),
        fee_usd=0.0,  # fees are bookings of their own
        filled_at=_moment(str(row["transaction_time"])),
    )


def _activity(row: Mapping[str, Any]) -> Activity:
    kind = str(row["activity_type"])
    moved = _shares(row.get("qty") or 0) if kind in ("SPLIT", "SPIN", "MA") else 0
    return Activity(str(row.get("symbol") or ""), float(row.get("net_amount") or 0.0), moved, kind)


def _position(row: Mapping[str, Any]) -> Position:
    return Position(
        symbol=str(row["symbol"]),
        quantity=_shares(row["qty"]),
        price_usd=float(row["current_price"]),
    )


def _shares(value: Any) -> int:
    """Whole shares; this project orders no fractions, so one is not its own."""
    number = float(value)
    if number != int(number):
        raise ValueError(f"a fraction of a share: {value}")
    return int(number)


def _time(text: str) -> dt.datetime:
    """Parse a time; the service's nanoseconds are cut to microseconds."""
    text = _NANOSECONDS.sub(r"\1", text)
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone: {text}")
    return moment.astimezone(dt.UTC)


def _moment(text: str) -> str:
    return f"{_time(text):%Y-%m-%dT%H:%M:%S.%fZ}"


def _status_code(error: Any) -> int | None:
    code = error.status_code
    return int(code) if code is not None else None


def _message(error: Any) -> str:
    try:
        return str(error.message)
    except (ValueError, KeyError):
        return str(error)
