"""Drills: the real thing, run where it can do no harm, measured and written down.

The kill drill opens orders at a replay broker in a temporary home and calls the real command; the
rollback drill plays a deployment's own symbols on its newest bars and unwinds them; the alert drill
posts to the webhook that incidents go to. What came of it goes into the store and, signed, into the
ledger, good or bad: a drill that failed cannot be left out later.
"""

import datetime as dt
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.drift.policy import DriftPolicy
from torghut_assets.domain.errors import BadInputError, TorghutError
from torghut_assets.domain.evidence.dsse import IN_TOTO, Envelope, sealed
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.evidence.ledger_check import LedgerPrefix
from torghut_assets.domain.evidence.statement import statement_about
from torghut_assets.domain.orders.execution import SessionMarket
from torghut_assets.domain.orders.keys import OrderRequest, Purpose, order_key
from torghut_assets.domain.orders.kill import OrdersKilledError
from torghut_assets.domain.orders.policy import PaperPolicy
from torghut_assets.domain.orders.records import PaperDeployment, Side
from torghut_assets.domain.ramp.drills import (
    AlertMeasured,
    DrillReport,
    KillMeasured,
    RollbackMeasured,
    RunbookExecution,
)
from torghut_assets.domain.rollback.decide import Situation, rollback_plan
from torghut_assets.domain.rollback.records import Holding, OpenOrder, RollbackReceipt, Trigger
from torghut_assets.resources.brokers.replay import ReplayBroker
from torghut_assets.resources.brokers.routing import OrderDesk
from torghut_assets.resources.brokers.unwind import TradingTimes, Unwinding
from torghut_assets.resources.candidate_files import read_submission
from torghut_assets.resources.clock import utc_now
from torghut_assets.resources.code_version import code_digest
from torghut_assets.resources.home import Home
from torghut_assets.resources.kill_switch import KillSwitch
from torghut_assets.resources.notifications import notify
from torghut_assets.resources.order_journal import OrderJournal
from torghut_assets.resources.session_bars import SessionBars
from torghut_assets.resources.session_desk import submit_time
from torghut_assets.resources.signing_desk import SigningDesk

_CANDIDATE: Final = "kill-drill"
_SESSION: Final = "2022-01-03"
_AT: Final = "2022-01-03T14:25:00Z"
_BUDGET_USD: Final = 1_000_000.0
_COMMAND: Final = "from torghut_assets.cli.main import main; main()"
_KILL_SECONDS: Final = 120
_INVESTED: Final = 0.5
"""Share of the budget that the rollback drill buys before it rolls back."""
_OUTSIDE: Final = ("DAGSTER_HOME", "TORGHUT_TRIAL_ANCHOR", "APCA_API_KEY_ID", "APCA_API_SECRET_KEY")
"""Variables that would lead a drill out of its temporary home."""


class Drills:
    """Runs drills and writes them down in one home."""

    def __init__(self, home: Home, clock: Callable[[], dt.datetime] = utc_now) -> None:
        self._home = home
        self._clock = clock
        self._signing = SigningDesk(home)

    def kill(self, open_orders: int) -> DrillReport:
        """Open orders, stop everything with the real command, and look what is left."""
        with _temporary_home() as home:
            broker = ReplayBroker(home.replay_broker_path, _CANDIDATE, _BUDGET_USD)
            journal = OrderJournal(home)
            desk = OrderDesk(journal, broker, KillSwitch(home))
            desk.route([_drill_order(n) for n in range(open_orders)], _AT)
            before = len(broker.open_orders())
            started = time.monotonic()
            ended = subprocess.run(  # noqa: S603 - our own command, no text from outside
                [sys.executable, "-c", _COMMAND, "kill", "--all", "--reason", "kill drill"],
                env=_environment(home),
                capture_output=True,
                timeout=_KILL_SECONDS,
                check=False,
            )
            seconds = time.monotonic() - started
            measured = KillMeasured(
                open_before=before,
                open_after=len(broker.open_orders()),
                open_in_journal_after=len(OrderJournal(home).ledger().open_orders()),
                sent_after=_sent_after(OrderDesk(journal, broker, KillSwitch(home)), broker),
                exit_status=ended.returncode,
                seconds=seconds,
            )
        return DrillReport(
            drill="kill",
            finished_at=self._clock(),
            code_digest=code_digest("cli/kill.py", "domain/orders"),
            kill=measured,
        )

    def rollback(
        self, deployment: PaperDeployment, paper: PaperPolicy, drift: DriftPolicy
    ) -> DrillReport:
        """Trade a deployment's symbols at a replay broker, roll it back, read back.

        Parameters
        ----------
        deployment : PaperDeployment
            In force; its own account is not touched.
        paper : PaperPolicy
        drift : DriftPolicy

        Raises
        ------
        BadInputError
            If the source has fewer than three sessions of bars.
        """
        with _temporary_home() as home:
            rehearsed = deployment.model_copy(update={"broker": "replay", "champion": None})
            play = _Play(self._home, home, rehearsed, paper)
            started = time.monotonic()
            play.trade()
            held, still_open = len(play.holdings()), len(play.broker.open_orders())
            receipt = play.roll_back(drift)
            measured = RollbackMeasured(
                candidate_id=deployment.candidate_id,
                deployment_digest=deployment.digest,
                held_before=held,
                open_before=still_open,
                receipt_digest=self._home.store.put(receipt.canonical_bytes()),
                state=receipt.state,
                differences=(*receipt.differences, *receipt.problems),
                seconds=time.monotonic() - started,
            )
        return DrillReport(
            drill="rollback",
            finished_at=self._clock(),
            code_digest=code_digest("domain/rollback", "domain/orders"),
            rollback=measured,
        )

    def alerts(self, drift: DriftPolicy) -> DrillReport:
        """Post a test message to the webhook of incidents."""
        started = time.monotonic()
        told = notify(
            {"subject": "alert drill", "findings": ["This is a test; nothing happened."]},
            drift.webhook,
            lambda _line: None,
        )
        posted = next(n for n in told if n.channel == "webhook")
        return DrillReport(
            drill="alerts",
            finished_at=self._clock(),
            code_digest=code_digest("domain/rollback"),
            alerts=AlertMeasured(
                outcome=posted.outcome,
                detail=posted.detail,
                seconds=time.monotonic() - started,
            ),
        )

    def keep(self, report: DrillReport) -> LedgerEntry:
        """Write a drill into the store and the ledger, whatever came of it."""
        digest = self._home.store.put(report.canonical_bytes())
        return self._signing.ledger.append("drill", {"drill-report": digest}, report)

    def sign_runbook(
        self, path: Path, outcome: str, by: str | None, passphrase: bytes
    ) -> LedgerEntry:
        """Append a person's signed word that the runbook in a file was executed.

        Raises
        ------
        BadInputError
            If the file cannot be read, its name is none of a runbook, or there is no such key.
        """
        document = read_submission(path)
        signer, key = self._signing.person(by, passphrase)
        made: list[RunbookExecution] = []

        def seal(prefix: LedgerPrefix, at: dt.datetime) -> Envelope:  # noqa: ARG001
            record = _execution(path.stem, document, outcome, key.owner, at)
            made.append(record)
            statement = statement_about("runbook", {"runbook": record.document_digest}, record)
            return sealed(IN_TOTO, statement.canonical_bytes(), signer.sign)

        entry = self._signing.ledger.append_sealed(seal)
        self._home.store.put(document)
        self._home.store.put(made[-1].canonical_bytes())
        return entry


def _execution(
    name: str, document: bytes, outcome: str, owner: str, at: dt.datetime
) -> RunbookExecution:
    try:
        return RunbookExecution(
            runbook=name,
            document_digest=sha256_hex(document),
            outcome=" ".join(outcome.split()),
            executed_by=owner,
            executed_at=at,
        )
    except ValueError as error:
        raise BadInputError(
            location="runbook",
            found=ascii(name)[:80],
            expected="a file named like a runbook, and an outcome of at least ten characters",
        ) from error


class _Play:
    """A deployment at a replay broker of its own, on the newest sessions of its real bars."""

    def __init__(
        self, real: Home, temporary: Home, deployment: PaperDeployment, policy: PaperPolicy
    ) -> None:
        self._deployment = deployment
        self._policy = policy
        self._bars = SessionBars(real)
        self._universe = self._bars.universe(deployment.universe)
        self._panel = self._bars.history(self._universe, deployment.symbols)
        if self._panel.n_bars < 3:
            raise BadInputError(
                location=f"bars of {deployment.universe}",
                found=f"{self._panel.n_bars} sessions",
                expected="at least 3, to trade in and to roll back in",
            )
        times = self._panel.times[-3:].astype("datetime64[D]")
        self._sessions = tuple(str(day) for day in times)
        candidate = deployment.candidate_id
        self.broker = ReplayBroker(temporary.replay_broker_path, candidate, deployment.budget_usd)
        self._journal = OrderJournal(temporary)
        self._desk = OrderDesk(self._journal, self.broker, KillSwitch(temporary))

    def trade(self) -> None:
        """Buy every symbol in the first session, and leave orders open in the second."""
        first, second, _ = self._sessions
        closes = self._panel.close[-3]
        share = _INVESTED * self._deployment.budget_usd / len(self._deployment.symbols)
        bought = {
            symbol: int(share / close)
            for symbol, close in zip(self._deployment.symbols, closes, strict=True)
            if np.isfinite(close) and close > 0
        }
        wanted = {symbol: quantity for symbol, quantity in bought.items() if quantity > 0}
        at = self._moments(first)[0]
        self._desk.route([self._order(s, q, first, at) for s, q in wanted.items()], at)
        self._desk.close_session(self._deployment.candidate_id, self._market(first))
        at = self._moments(second)[0]
        self._desk.route([self._order(s, 1, second, at) for s in wanted], at)

    def holdings(self) -> tuple[Holding, ...]:
        """Return what the broker says is held."""
        shares = self.broker.holdings().shares
        return tuple(Holding(symbol=s, quantity=q) for s, q in sorted(shares.items()) if q)

    def roll_back(self, policy: DriftPolicy) -> RollbackReceipt:
        """Plan, cancel, close, read back."""
        candidate = self._deployment.candidate_id
        first, second, third = self._sessions
        ledger = self._journal.ledger()
        situation = Situation(
            holdings=self.holdings(),
            fills_digest=None,
            champion=None,
            open_orders=tuple(
                OpenOrder(key=o.request.key, symbol=o.request.symbol, status=o.status)
                for o in ledger.open_orders(candidate)
            ),
            journal_head=ledger.history_digest(candidate, first),
        )
        asked = Trigger(circumstance="request", record=None, digest=None, detail="rollback drill")
        plan = rollback_plan(self._deployment, second, [asked], situation, policy)
        times = TradingTimes(
            sessions=(second, third),
            market_of=self._market,
            moments_of=self._moments,
            looks=1,
            wait=lambda: None,
        )
        return Unwinding(plan, self.broker, self._desk, self._journal, times).run(None)

    def _market(self, session: str) -> SessionMarket:
        day = dt.date.fromisoformat(session)
        return self._bars.market(self._universe, day, self._deployment.symbols, self._policy)

    def _moments(self, session: str) -> tuple[str, str]:
        times = self._bars.times(self._universe, dt.date.fromisoformat(session))
        return submit_time(times, self._policy), times.closes_at

    def _order(self, symbol: str, quantity: int, session: str, at: str) -> OrderRequest:
        named = (self._deployment.candidate_id, session, self._deployment.digest)
        return _order(named, symbol, quantity, at)


def _drill_order(number: int) -> OrderRequest:
    return _order((_CANDIDATE, _SESSION, "0" * 64), f"DRILL{number}", 1, _AT)


def _order(named: tuple[str, str, str], symbol: str, quantity: int, at: str) -> OrderRequest:
    candidate, session, deployment = named
    purpose: Purpose = "rebalance"
    side: Side = "buy"
    return OrderRequest(
        key=order_key(candidate, session, symbol, purpose, deployment),
        candidate_id=candidate,
        session=session,
        deployment_digest=deployment,
        purpose=purpose,
        symbol=symbol,
        side=side,
        quantity=quantity,
        order_type="market",
        limit_price_usd=None,
        decided_at=at,
    )


def _sent_after(desk: OrderDesk, broker: ReplayBroker) -> int:
    """Try to send one more order; return how many the broker took."""
    late = _order((_CANDIDATE, _SESSION, "0" * 64), "LATE", 1, _AT)
    try:
        desk.route([late], _AT)
    except OrdersKilledError:
        pass
    except TorghutError:
        return 1  # stopped by something else: the switch did not do it
    return int(broker.find(late.key) is not None)


@contextmanager
def _temporary_home() -> Iterator[Home]:
    with TemporaryDirectory(prefix="torghut-drill-") as folder:
        home = Home.at(Path(folder) / "home")
        home.prepare()
        yield home


def _environment(home: Home) -> dict[str, str]:
    """Return the environment of a command that sees the temporary home and no real account."""
    kept = {name: value for name, value in os.environ.items() if name not in _OUTSIDE}
    return {**kept, "TORGHUT_HOME": str(home.root)}
