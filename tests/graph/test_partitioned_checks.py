"""What this project relies on of Dagster's partitioned checks, which are a preview feature."""

import dagster as dg
from evaluated_examples import KEY, REFUSED_KEY

from torghut_assets.cli.instance import instance_of
from torghut_assets.resources.home import Home

DECISION = dg.AssetCheckKey(dg.AssetKey("gate_report"), "gate_decision")


def test_the_status_of_a_check_is_kept_per_partition(evaluated_home):
    with instance_of(Home.at(evaluated_home)) as instance:
        statuses = {
            key: [
                record.event.dagster_event.asset_check_evaluation_data.passed
                for record in instance.event_log_storage.get_asset_check_execution_history(
                    DECISION, limit=10, partition_filter=_only(key)
                )
            ]
            for key in (KEY, REFUSED_KEY)
        }
    assert statuses == {KEY: [True], REFUSED_KEY: [False]}


def test_a_failed_check_does_not_fail_the_run(evaluated_home):
    """Which is why a check cannot be the gate: docs/adr/0001."""
    with instance_of(Home.at(evaluated_home)) as instance:
        assert all(run.is_success for run in instance.get_runs())


def _only(key):
    from dagster._core.storage.event_log.base import PartitionKeyFilter

    return PartitionKeyFilter(key=key)
