"""A home in which a deployed candidate holds real shares at the real replay broker and fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg
from evaluated_examples import PASSING
from monitored_examples import (
    SYMBOLS,
    Traded,
    deployment_of,
    publish,
    register,
    sessions_of_2022,
    traded,
)

from torghut_assets.cli.instance import instance_of
from torghut_assets.definitions import build_definitions
from torghut_assets.domain.backtest.settings import parse_risk_limits
from torghut_assets.domain.drift.evaluate import evaluate_drift
from torghut_assets.domain.drift.policy import parse_drift_policy
from torghut_assets.domain.drift.records import DriftReport
from torghut_assets.domain.orders.keys import OrderRequest, order_key
from torghut_assets.domain.orders.policy import parse_paper_policy
from torghut_assets.domain.orders.records import PaperDeployment
from torghut_assets.resources.brokers.opening import open_broker
from torghut_assets.resources.brokers.routing import OrderDesk
from torghut_assets.resources.drift_desk import DriftDesk, Standards
from torghut_assets.resources.home import Home
from torghut_assets.resources.session_desk import SessionDesk

HELD = 100


@dataclass
class Deployment:
    """One candidate of one home, with everything that a test asks."""

    home: Home
    instance: dg.DagsterInstance
    record: PaperDeployment

    @property
    def definitions(self) -> dg.Definitions:
        """A code location as a new process would build it."""
        return build_definitions(self.home)

    @property
    def broker(self) -> Any:
        return open_broker(self.home, self.record)

    def sessions(self, n: int, **how: Any) -> list[Traded]:
        """Records of the first n sessions of 2022, published."""
        found = traded(self.record, sessions_of_2022(n)[-1], **how)
        for session in found:
            session.publish(self.home, self.instance)
        return found

    def report(self, session: str) -> DriftReport:
        """The drift report of a session, published as its run would."""
        policy = parse_drift_policy(self.home.config_path("drift_policy").read_bytes())
        limits = parse_risk_limits(self.home.config_path("risk_limits").read_bytes())
        evidence = DriftDesk(self.home).evidence(
            self.instance, self.record, session, Standards(policy, limits)
        )
        report = evaluate_drift(evidence, policy, code_version="test")
        publish(self.home, self.instance, "drift_report", report, report.subject)
        return report

    def buy(self, session: str) -> None:
        """Hold `HELD` shares of every symbol at the broker after a session."""
        desk = SessionDesk(self.home)
        orders = OrderDesk(desk.journal, self.broker, desk.kill)
        requests = [self.request(session, symbol) for symbol in SYMBOLS]
        orders.route(requests, f"{session}T14:25:00Z")
        import datetime as dt

        market = desk.bars.market(
            desk.universe_of(self.record),
            dt.date.fromisoformat(session),
            self.record.symbols,
            parse_paper_policy(self.home.config_path("paper_policy").read_bytes()),
        )
        self.broker.end_session(market)
        keys = [request.key for request in requests]
        assert orders.settle(keys, self.broker.statement(session), f"{session}T21:00:00Z") == ()
        assert self.broker.holdings().shares == dict.fromkeys(SYMBOLS, HELD)

    def request(self, session: str, symbol: str) -> OrderRequest:
        key = order_key(PASSING, session, symbol, "rebalance", self.record.digest)
        return OrderRequest(
            key=key,
            candidate_id=PASSING,
            session=session,
            deployment_digest=self.record.digest,
            purpose="rebalance",
            symbol=symbol,
            side="buy",
            quantity=HELD,
            order_type="market",
            limit_price_usd=None,
            decided_at="2021-12-31T21:00:00Z",
        )

    def leave_open(self, session: str) -> str:
        """Route one order that is still open; return its key."""
        desk = SessionDesk(self.home)
        request = self.request(session, "AAPL")
        OrderDesk(desk.journal, self.broker, desk.kill).route([request], f"{session}T14:25:00Z")
        assert self.broker.open_orders()
        return request.key

    def roll_back(self, session: str, **how: Any) -> Any:
        """Run the job as the sensor's request does."""
        job = self.definitions.resolve_job_def("roll_back")
        return job.execute_in_process(
            instance=self.instance, partition_key=f"{PASSING}|{session}", **how
        )

    def made(self, asset: str) -> int:
        """How often an asset was materialized."""
        key = dg.AssetKey(asset)
        return len(self.instance.fetch_materializations(key, limit=100).records)


@contextmanager
def deployed(home: Home, **changes: Any) -> Iterator[Deployment]:
    """Settle the policies and deploy the evaluated candidate."""
    with instance_of(home) as instance:
        job = build_definitions(home).resolve_job_def("settle_policies")
        needed = [dg.AssetKey(n) for n in ("drift_policy", "paper_policy", "risk_limits")]
        assert job.execute_in_process(instance=instance, asset_selection=needed).success
        policy = parse_paper_policy(home.config_path("paper_policy").read_bytes())
        fields = {"policies": {"paper_policy": policy.digest}} | changes
        record = deployment_of(home, instance, **fields)
        publish(home, instance, "paper_deployment", record, PASSING)
        register(instance, PASSING, sessions_of_2022(20))
        yield Deployment(home, instance, record)
