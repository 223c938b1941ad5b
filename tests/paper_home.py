"""A home in which an admitted candidate trades sessions, with the real assets and records."""

from typing import Any

import dagster as dg
from evaluated_examples import PASSING, SNAPSHOT

from torghut_assets.assets import keys, orders
from torghut_assets.assets.policies import policy_assets
from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.definitions import stage_desk
from torghut_assets.domain.orders.records import (
    OrderIntents,
    PaperDeployment,
    PaperFills,
    PaperOrders,
)
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import current_record
from torghut_assets.resources.record_io import RecordIO
from torghut_assets.resources.session_desk import SessionDesk

TYPES = {
    "paper_deployment": PaperDeployment,
    "order_intents": OrderIntents,
    "paper_orders": PaperOrders,
    "paper_fills": PaperFills,
}
DAYS = ("2022-01-03", "2022-01-04")
"""The first sessions after the snapshot of the evaluated candidate."""
SESSION_ASSETS = ("order_intents", "paper_orders", "paper_fills")


class PaperHome:
    """Runs order assets in a home, each call as a new process would: nothing is kept."""

    def __init__(self, home: Home, instance: dg.DagsterInstance) -> None:
        self.home = home
        self.instance = instance
        instance.add_dynamic_partitions("candidate", [PASSING])

    def settle_policies(self) -> None:
        """Parse the settings in force into records."""
        assert self.run(("order_limits", "paper_policy", "risk_limits"), None) is None

    def deploy(self) -> str | None:
        """Deploy the passing candidate; return the error, if any."""
        return self.run(("paper_deployment",), PASSING)

    def trade(self, session: str, assets: tuple[str, ...] = SESSION_ASSETS) -> str | None:
        """Trade one session; return the error, if any."""
        self.instance.add_dynamic_partitions("session", [session])
        return self.run(assets, f"{PASSING}|{session}")

    def record(self, name: str, session: str | None = None) -> Any:
        """Return what an asset holds now."""
        partition = f"{PASSING}|{session}" if session else PASSING
        return current_record(
            self.instance, self.home.store, TYPES[name], dg.AssetKey(name), partition
        )

    def run(self, assets: tuple[str, ...], partition: str | None) -> str | None:
        """Materialize assets; return the message of the first failure."""
        job = dg.define_asset_job("once", selection=dg.AssetSelection.assets(*assets))
        defs = dg.Definitions(
            assets=[
                *policy_assets(self.home),
                orders.paper_deployment,
                orders.order_intents,
                orders.paper_orders,
                orders.paper_fills,
            ],
            jobs=[job],
            executor=dg.in_process_executor,
            resources={
                "home": self.home,
                "session_desk": SessionDesk(self.home),
                "record_io": RecordIO(
                    self.home.store,
                    {n: m.record_type for n, m in keys.ASSETS.items()},
                    {n: m.command for n, m in keys.ASSETS.items()},
                    stage_desk(self.home).guard,
                    stage_desk(self.home).statements,
                ),
            },
        )
        done = defs.resolve_job_def("once").execute_in_process(
            instance=self.instance, partition_key=partition, raise_on_error=False
        )
        for event in done.all_events:
            if event.is_step_failure:
                error = event.step_failure_data.error
                return (
                    f"{error.cause.cls_name}: {error.cause.message}"
                    if error.cause
                    else error.message
                )
        return None


def settle_gate(home: Home) -> None:
    """Write the receipts of the passing candidate's stages."""
    with instance_of(home) as instance:
        Driver(home, instance).settle(PASSING, SNAPSHOT, through="research_feedback")
