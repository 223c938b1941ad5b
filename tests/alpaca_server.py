"""A local paper account: Alpaca's orders, positions, account, clock and activities over HTTP.

`faults` is a list of what goes wrong with the next `POST /v2/orders`, one word each.
"""

import json
import threading
import time
import uuid
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse


class PaperAccount:
    """What the service knows. Prices are what a test says they are."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self.activities: list[dict[str, Any]] = []
        self.positions: dict[str, int] = {}
        self.cash = 1_000_000.0
        self.price = {"AAPL": 181.0, "AMZN": 166.0}
        self.now = "2022-01-03T14:25:00.123456789-05:00"
        self.faults: list[str] = []
        self.posts = 0
        self.requests: list[str] = []
        self.deaf_to_cancels = False
        self.lock = threading.Lock()

    def fill(self, client_id: str, quantity: int, *, fill_id: str | None = None) -> None:
        """Execute a part of an order at the price of its symbol."""
        order = self.by_client(client_id)
        sign = 1 if order["side"] == "buy" else -1
        price = self.price[order["symbol"]]
        done = int(order["filled_qty"]) + quantity
        order["filled_qty"] = str(done)
        order["status"] = "filled" if done == int(order["qty"]) else "partially_filled"
        self.positions[order["symbol"]] = self.positions.get(order["symbol"], 0) + sign * quantity
        self.cash -= sign * quantity * price
        self.activities.append(
            {
                "activity_type": "FILL",
                "id": fill_id or f"20220103143000000::{uuid.uuid4()}",
                "order_id": order["id"],
                "symbol": order["symbol"],
                "side": order["side"],
                "qty": str(quantity),
                "price": str(price),
                "type": "fill",
                "transaction_time": "2022-01-03T14:30:01.5Z",
            }
        )

    def end_day(self) -> None:
        """Close: what is open expires."""
        self.now = "2022-01-03T16:00:01-05:00"
        for order in self.orders.values():
            if order["status"] in ("new", "partially_filled"):
                order["status"] = "expired"

    def by_client(self, client_id: str) -> dict[str, Any]:
        return next(o for o in self.orders.values() if o["client_order_id"] == client_id)

    def take(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        known = [o for o in self.orders.values() if o["client_order_id"] == body["client_order_id"]]
        if known:
            return 422, {"code": 40010001, "message": "client_order_id must be unique"}
        if body["symbol"] not in self.price:
            return 422, {"code": 42210000, "message": f"asset {body['symbol']} not found"}
        order = {
            **body,
            "id": str(uuid.uuid4()),
            "status": "new",
            "filled_qty": "0",
            "submitted_at": "2022-01-03T14:25:00.987654321Z",
        }
        self.orders[order["id"]] = order
        return 200, order


class _Handler(BaseHTTPRequestHandler):
    account: PaperAccount

    def log_message(self, *_: Any) -> None:
        """Stay silent."""

    def answer(self, status: int, body: Any = None) -> None:
        payload = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        account = self.account
        with account.lock:
            account.posts += 1
            fault = account.faults.pop(0) if account.faults else "none"
            if fault == "lost":  # it never arrives
                self.close_connection = True
                self.connection.close()
                return
            if fault in ("429", "500", "403", "401"):
                self.answer(int(fault), {"code": int(fault), "message": f"fault {fault}"})
                return
            status, order = account.take(body)
        if fault == "500 after accept":
            self.answer(500, {"code": 500, "message": "internal error"})
        elif fault == "504 after accept":
            self.answer(504, {"code": 504, "message": "gateway timeout"})
        elif fault == "timeout after accept":
            time.sleep(1.2)
            self.close_connection = True
        elif fault == "garbage":
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"<html")
        else:
            self.answer(status, order)

    def do_GET(self) -> None:
        account, parts = self.account, urlparse(self.path)
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        account.requests.append(f"GET {parts.path}")
        path = parts.path.removeprefix("/v2")
        if path == "/orders:by_client_order_id":
            found = [
                o
                for o in account.orders.values()
                if o["client_order_id"] == query["client_order_id"]
            ]
            if found:
                self.answer(200, found[0])
            else:
                self.answer(404, {"code": 40410000, "message": "order not found"})
        elif path == "/orders":
            wanted = [
                o
                for o in account.orders.values()
                if query.get("status") == "all" or o["status"] in ("new", "partially_filled")
            ]
            self.answer(200, wanted[: int(query.get("limit", 50))])
        elif path == "/account":
            held = sum(q * account.price[s] for s, q in account.positions.items())
            self.answer(200, {"cash": str(account.cash), "equity": str(account.cash + held)})
        elif path == "/positions":
            rows = [
                {"symbol": s, "qty": str(q), "current_price": str(account.price[s])}
                for s, q in account.positions.items()
                if q
            ]
            self.answer(200, rows)
        elif path == "/clock":
            self.answer(200, {"timestamp": account.now, "is_open": False})
        elif path == "/account/activities":
            token = query.get("page_token")
            rows = account.activities
            start = [a["id"] for a in rows].index(token) + 1 if token else 0
            self.answer(200, rows[start : start + int(query["page_size"])])
        else:
            self.answer(404, {"code": 404, "message": "no such endpoint"})

    def do_DELETE(self) -> None:
        account, path = self.account, urlparse(self.path).path.removeprefix("/v2")
        account.requests.append(f"DELETE {path}")
        open_ = [o for o in account.orders.values() if o["status"] in ("new", "partially_filled")]
        if path == "/orders":
            for order in open_:
                if not account.deaf_to_cancels:
                    order["status"] = "canceled"
            self.answer(207, [{"id": o["id"], "status": 200} for o in open_])
            return
        order = account.orders.get(path.removeprefix("/orders/"))
        if order is None:
            self.answer(404, {"code": 404, "message": "order not found"})
        elif order not in open_:
            self.answer(422, {"code": 422, "message": "order is not cancelable"})
        else:
            order["status"] = "canceled"
            self.answer(204)


@contextmanager
def paper_account():
    """A running account and its address."""
    account = PaperAccount()
    handler = type("Handler", (_Handler,), {"account": account})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield account, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
