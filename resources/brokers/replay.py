"""The embedded replay broker: a separate truth in its own file, filled from real bars.

Nobody else reads its file; what this project believes about an order is in the order journal,
and reconciliation compares the two. It never looks at the clock and uses no chance: the same
orders and bars give the same fills. An account is one candidate's.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from torghut_assets.domain.digests import canonical_json
from torghut_assets.domain.orders.execution import SessionMarket, execute
from torghut_assets.domain.orders.keys import OrderRequest
from torghut_assets.domain.orders.reconcile import (
    Activity,
    BrokerOrder,
    Holdings,
    Statement,
)
from torghut_assets.domain.orders.records import Fill, OrderStatus, Position
from torghut_assets.resources.brokers.interface import (
    BrokerRejectedError,
    BrokerUnavailableError,
    SessionNotOverError,
)
from torghut_assets.resources.brokers.replay_connections import (
    WAIT_SECONDS,
    connection_to,
    forget,
)
from torghut_assets.resources.brokers.replay_rows import (
    holdings_of,
    order_id,
    order_of,
    text_of,
)

_OPEN: Final = "submitted"


class ReplayBroker:
    """One account of the replay broker; opened with its budget at the first use.

    Parameters
    ----------
    path : Path
        The broker's file.
    account : str
        Candidate id.
    opening_usd : float or None
        Cash to open the account with; `None` never opens one.
    """

    name = "replay"

    def __init__(self, path: Path, account: str, opening_usd: float | None = None) -> None:
        self._path = path
        self._account = account
        if opening_usd is not None:
            with self._writing() as db:
                db.execute(
                    "INSERT OR IGNORE INTO accounts VALUES (?, ?, ?)",
                    (account, opening_usd, opening_usd),
                )

    def submit(self, order: OrderRequest, at: str) -> BrokerOrder:
        """Take an order for its session; a known key returns the order it already is."""
        with self._writing() as db:
            known = self._find(db, order.key)
            if known is not None:
                return known
            if order.candidate_id != self._account:
                raise BrokerRejectedError(key=order.key, reason="another account's order")
            if self._has_ended(db, order.session):
                raise BrokerRejectedError(key=order.key, reason=f"{order.session} is over")
            db.execute(
                "INSERT INTO orders VALUES (?, ?, ?, ?, ?, 0, ?, ?, NULL)",
                (
                    order.key,
                    self._account,
                    order.session,
                    order.symbol,
                    _OPEN,
                    order.model_dump_json(),
                    at,
                ),
            )
            made = self._find(db, order.key)
        if made is None:
            raise BrokerUnavailableError(broker=self.name, detail="the order was not kept")
        return made

    def find(self, key: str) -> BrokerOrder | None:
        """Return an order by its key."""
        with self._reading() as db:
            return self._find(db, key)

    def open_orders(self) -> tuple[BrokerOrder, ...]:
        """Return orders that wait for their session to end."""
        return self._orders("status = 'submitted'")

    def cancel(self, key: str) -> None:
        """End one order, if it is open."""
        self._cancel("key = ?", key)

    def cancel_all(self) -> None:
        """End every open order of the account, in one step."""
        self._cancel("account = ?", self._account)

    def holdings(self) -> Holdings:
        """Return cash and positions, at the last close that the account has seen."""
        with self._reading() as db:
            return self._holdings(db)

    def holdings_before(self, session: str) -> Holdings:
        """Return the holdings at the end of the last session before this one."""
        with self._reading() as db:
            row = db.execute(
                "SELECT holdings FROM sessions WHERE account = ? AND session < ? "
                "ORDER BY session DESC LIMIT 1",
                (self._account, session),
            ).fetchone()
            if row is not None:
                return holdings_of(row[0])
            opening = float(self._cash_row(db)[0])
        return Holdings(opening, opening, ())

    def end_session(self, market: SessionMarket) -> None:
        """Apply corporate actions, fill or end every order of the session, mark to its closes.

        A session ends once: again is a no-op. An earlier one than the last cannot be played.
        """
        with self._writing() as db:
            if self._has_ended(db, market.session):
                return
            last = db.execute(
                "SELECT max(session) FROM sessions WHERE account = ?", (self._account,)
            ).fetchone()[0]
            if last is not None and last > market.session:
                raise SessionNotOverError(
                    session=market.session, detail=f"the account has seen {last} already"
                )
            activities = self._corporate_actions(db, market)
            for order in self._orders_in(db, "session = ? AND status = ?", market.session, _OPEN):
                self._play(db, order, market)
            for symbol, day in market.days.items():
                if day.bar.close_usd is not None:
                    db.execute(
                        "UPDATE positions SET price_usd = ? WHERE account = ? AND symbol = ?",
                        (day.bar.close_usd, self._account, symbol),
                    )
            db.execute("DELETE FROM positions WHERE quantity = 0")
            db.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?)",
                (
                    self._account,
                    market.session,
                    canonical_json([vars(a) for a in activities]).decode(),
                    text_of(self._holdings(db)),
                ),
            )

    def statement(self, session: str) -> Statement:
        """Return orders, fills, corporate actions and closing holdings of a session."""
        with self._reading() as db:
            row = db.execute(
                "SELECT activities, holdings FROM sessions WHERE account = ? AND session = ?",
                (self._account, session),
            ).fetchone()
            if row is None:
                raise SessionNotOverError(session=session, detail="it was not played yet")
            orders = self._select(db, "account = ? AND session = ?", (self._account, session))
            fills = db.execute(
                "SELECT fill FROM fills WHERE account = ? AND session = ? ORDER BY fill_id",
                (self._account, session),
            ).fetchall()
        return Statement(
            orders=tuple(order for order, _ in orders),
            fills=tuple(Fill.model_validate_json(text) for (text,) in fills),
            activities=tuple(Activity(**fields) for fields in json.loads(row[0])),
            after=holdings_of(row[1]),
        )

    def _play(self, db: sqlite3.Connection, order: OrderRequest, market: SessionMarket) -> None:
        day = market.days.get(order.symbol)
        if day is None:
            self._end(db, order.key, "rejected", 0, "no such symbol in the market data")
            return
        outcome = execute(order, day, market.rules, order_id(order.key))
        for fill in outcome.fills:
            db.execute(
                "INSERT INTO fills VALUES (?, ?, ?, ?)",
                (fill.fill_id, self._account, market.session, fill.model_dump_json()),
            )
            sign = 1 if fill.side == "buy" else -1
            db.execute(
                "INSERT INTO positions VALUES (?, ?, ?, ?) ON CONFLICT (account, symbol) "
                "DO UPDATE SET quantity = quantity + excluded.quantity",
                (self._account, fill.symbol, sign * fill.quantity, fill.price_usd),
            )
            self._book(db, -sign * fill.quantity * fill.price_usd - fill.fee_usd)
        filled = sum(fill.quantity for fill in outcome.fills)
        self._end(db, order.key, outcome.status, filled, outcome.reason)

    def _corporate_actions(
        self, db: sqlite3.Connection, market: SessionMarket
    ) -> tuple[Activity, ...]:
        """Pay dividends and split positions that were held before the open."""
        activities = []
        held = db.execute(
            "SELECT symbol, quantity, price_usd FROM positions WHERE account = ? ORDER BY symbol",
            (self._account,),
        ).fetchall()
        for symbol, quantity, price in held:
            day = market.days.get(symbol)
            if day is None:
                continue
            if day.dividend_usd:
                cash = round(quantity * day.dividend_usd, 2)
                self._book(db, cash)
                activities.append(Activity(symbol, cash_usd=cash))
            if day.split_ratio != 1.0:
                exact = quantity * day.split_ratio
                whole = int(exact)  # towards zero; the fraction of a share is paid out
                cash = round((exact - whole) * price / day.split_ratio, 2)
                self._book(db, cash)
                db.execute(
                    "UPDATE positions SET quantity = ?, price_usd = ? "
                    "WHERE account = ? AND symbol = ?",
                    (whole, price / day.split_ratio, self._account, symbol),
                )
                activities.append(Activity(symbol, cash, whole - quantity, "split"))
        return tuple(activities)

    def _book(self, db: sqlite3.Connection, amount_usd: float) -> None:
        db.execute(
            "UPDATE accounts SET cash_usd = cash_usd + ? WHERE account = ?",
            (amount_usd, self._account),
        )

    def _end(
        self,
        db: sqlite3.Connection,
        key: str,
        status: OrderStatus,
        filled: int,
        reason: str | None,
    ) -> None:
        db.execute(
            "UPDATE orders SET status = ?, filled = ?, reason = ? WHERE key = ?",
            (status, filled, reason, key),
        )

    def _cancel(self, where: str, value: str) -> None:
        with self._writing() as db:
            db.execute(
                "UPDATE orders SET status = 'cancelled', reason = 'cancelled on request' "  # noqa: S608
                f"WHERE status = 'submitted' AND {where}",
                (value,),
            )

    def _has_ended(self, db: sqlite3.Connection, session: str) -> bool:
        found = db.execute(
            "SELECT 1 FROM sessions WHERE account = ? AND session = ?", (self._account, session)
        )
        return found.fetchone() is not None

    def _cash_row(self, db: sqlite3.Connection) -> tuple[float, float]:
        row = db.execute(
            "SELECT opening_usd, cash_usd FROM accounts WHERE account = ?", (self._account,)
        ).fetchone()
        if row is None:
            raise BrokerUnavailableError(
                broker=self.name, detail=f"there is no account {self._account}"
            )
        return float(row[0]), float(row[1])

    def _holdings(self, db: sqlite3.Connection) -> Holdings:
        cash = self._cash_row(db)[1]
        rows = db.execute(
            "SELECT symbol, quantity, price_usd FROM positions "
            "WHERE account = ? AND quantity != 0 ORDER BY symbol",
            (self._account,),
        ).fetchall()
        positions = tuple(Position(symbol=s, quantity=q, price_usd=p) for s, q, p in rows)
        equity = cash + sum(p.quantity * p.price_usd for p in positions)
        return Holdings(cash, equity, positions)

    def _orders(self, where: str) -> tuple[BrokerOrder, ...]:
        with self._reading() as db:
            found = self._select(db, f"account = ? AND {where}", (self._account,))
        return tuple(order for order, _ in found)

    def _orders_in(self, db: sqlite3.Connection, where: str, *values: str) -> list[OrderRequest]:
        found = self._select(db, f"account = ? AND {where}", (self._account, *values))
        return [request for _, request in found]

    def _find(self, db: sqlite3.Connection, key: str) -> BrokerOrder | None:
        found = self._select(db, "key = ?", (key,))
        return found[0][0] if found else None

    def _select(
        self, db: sqlite3.Connection, where: str, values: Sequence[str]
    ) -> list[tuple[BrokerOrder, OrderRequest]]:
        rows = db.execute(
            "SELECT request, status, filled, acknowledged_at, reason FROM orders "  # noqa: S608
            f"WHERE {where} ORDER BY symbol, key",
            tuple(values),
        ).fetchall()
        return [order_of(row) for row in rows]

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._connected() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                db.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        if not self._path.is_file():
            raise BrokerUnavailableError(broker=self.name, detail="it has no file yet")
        with self._connected() as db:
            yield db

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            yield connection_to(self._path)
        except sqlite3.DatabaseError as error:
            forget(self._path)
            raise BrokerUnavailableError(broker=self.name, detail=str(error)) from error


def replay_accounts(path: Path) -> tuple[str, ...]:
    """Return the accounts that a replay broker holds; none if it has no file.

    Raises
    ------
    BrokerUnavailableError
        If its file cannot be read.
    """
    if not path.exists():
        return ()
    try:
        with closing(sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None)) as db:
            rows = db.execute("SELECT account FROM accounts ORDER BY account").fetchall()
    except sqlite3.DatabaseError as error:
        raise BrokerUnavailableError(broker="replay", detail=str(error)) from error
    return tuple(account for (account,) in rows)
