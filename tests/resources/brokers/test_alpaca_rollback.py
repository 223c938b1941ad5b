"""A rollback at Alpaca's paper account: the real client, a local service that fails on the way."""

import pytest
import session_examples as example
from alpaca_server import paper_account
from broker_examples import AT, desk_of
from order_examples import request

from torghut_assets.domain.rollback.records import Holding, OpenOrder, RollbackPlan, Trigger
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.brokers.alpaca import AlpacaPaperBroker
from torghut_assets.resources.brokers.unwind import TradingTimes, Unwinding
from torghut_assets.resources.order_journal import OrderJournal

HELD = {"AAPL": 100, "AMZN": -40}
OPEN = request(symbol="AMZN", side="sell", quantity=10, limit_price_usd=150.0)


@pytest.fixture
def account(monkeypatch, home):
    """An account that holds shares, and has one open order of the candidate."""
    with paper_account() as (account, url):
        monkeypatch.setenv("APCA_API_BASE_URL", url)
        monkeypatch.setenv("APCA_API_KEY_ID", "a-key")
        monkeypatch.setenv("APCA_API_SECRET_KEY", "a-secret")
        account.positions = dict(HELD)
        desk_of(home, broker_of_service()).route([OPEN], AT)
        yield account


def broker_of_service():
    return AlpacaPaperBroker.from_environment(timeout_seconds=0.6, retry_wait_seconds=0)


def plan():
    return RollbackPlan(
        candidate_id=example.CANDIDATE,
        session=example.SESSION,
        deployment_digest=example.deployment().digest,
        policy_digest=example.digest_of("policy"),
        mode="flat",
        broker="alpaca-paper",
        restores=None,
        triggers=(
            Trigger(
                circumstance="risk_breach",
                record="drift_report",
                digest=example.digest_of("report"),
                detail="lost too much",
            ),
        ),
        known_holdings=tuple(Holding(symbol=s, quantity=q) for s, q in sorted(HELD.items())),
        targets=tuple(Holding(symbol=s, quantity=0) for s in sorted(HELD)),
        cancels=(OpenOrder(key=OPEN.key, symbol=OPEN.symbol, status="submitted"),),
        fills_digest=None,
        journal_head="0" * 64,
    )


def roll_back(home, account, *, fills=True, looks=3):
    """Run the rollback; the market executes what is open each time the rollback waits."""
    broker = broker_of_service()

    def wait():
        for order in list(account.orders.values()):
            if fills and order["status"] == "new":
                account.fill(order["client_order_id"], int(order["qty"]))

    times = TradingTimes(
        sessions=(example.SESSION,),
        market_of=None,
        moments_of=lambda _session: (AT, "2022-01-03T14:40:00Z"),
        looks=looks,
        wait=wait,
    )
    unwinding = Unwinding(plan(), broker, desk_of(home, broker), OrderJournal(home), times)
    return unwinding.run(None)


def sent(account):
    """Orders that closed something, by symbol."""
    return {o["symbol"]: o for o in account.orders.values() if o["type"] == "market"}


def test_it_cancels_closes_and_reads_back(home, account):
    receipt = roll_back(home, account)
    assert receipt.problems == ()
    assert receipt.verdict is Verdict.PASS
    assert receipt.read_back.holdings == ()
    assert receipt.read_back.open_orders == ()
    assert {s: (o["side"], o["qty"]) for s, o in sent(account).items()} == {
        "AAPL": ("sell", "100"),
        "AMZN": ("buy", "40"),
    }
    ends = {(o.symbol, o.purpose): (o.status, o.filled) for o in receipt.orders}
    assert ends == {
        ("AMZN", "rebalance"): ("cancelled", 0),
        ("AAPL", "flatten"): ("filled", 100),
        ("AMZN", "flatten"): ("filled", 40),
    }


@pytest.mark.parametrize(
    "fault", ["lost", "500", "500 after accept", "504 after accept", "timeout after accept", "429"]
)
def test_through_a_fault_it_sells_once(home, account, fault):
    account.faults = [fault]
    receipt = roll_back(home, account)
    assert receipt.verdict is Verdict.PASS, receipt.problems
    assert len(sent(account)) == len(account.orders) - 1 == 2


def test_run_again_after_a_kill_it_sells_nothing_more(home, account):
    roll_back(home, account, fills=False)
    assert len(sent(account)) == 2
    receipt = roll_back(home, account)
    assert receipt.verdict is Verdict.PASS, receipt.problems
    assert len(account.orders) == 3
    assert account.positions == {"AAPL": 0, "AMZN": 0}


def test_orders_that_are_not_executed_leave_it_open_and_say_so(home, account):
    receipt = roll_back(home, account, fills=False)
    assert receipt.verdict is not Verdict.PASS
    assert len(receipt.read_back.open_orders) == 2
    assert {h.symbol for h in receipt.read_back.holdings} == set(HELD)


def test_a_service_that_does_not_cancel_is_a_problem_in_the_receipt(home, account):
    account.deaf_to_cancels = True
    receipt = roll_back(home, account, fills=False)
    assert receipt.verdict is not Verdict.PASS
    assert any("still open at the broker" in problem for problem in receipt.problems)


def test_a_service_that_is_down_leaves_the_state_unknown(home, account, monkeypatch):
    monkeypatch.setenv("APCA_API_BASE_URL", "http://127.0.0.1:9")  # nobody listens
    receipt = roll_back(home, account)
    assert receipt.state == "unknown"
    assert receipt.read_back is None
    assert receipt.verdict is Verdict.INCONCLUSIVE
    assert sent(account) == {}
