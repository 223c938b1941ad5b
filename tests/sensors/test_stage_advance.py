"""Runs that a person starts in the UI leave stage receipts, and commands leave no second ones."""

import dagster as dg
import pytest
from evaluated_examples import KEY, PASSING, SNAPSHOT

from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.definitions import build_definitions, stage_desk
from torghut_assets.resources.receipt_book import ReceiptBook
from torghut_assets.sensors.stage_advance import stage_advance


@pytest.fixture
def opened(evaluated):
    with instance_of(evaluated) as instance:
        yield evaluated, instance


def run_in_ui(home, instance, job, partition, *assets):
    """Run a job as the UI does and tell the sensor about it."""
    definition = build_definitions(home).resolve_job_def(job)
    result = definition.execute_in_process(
        instance=instance,
        partition_key=partition,
        asset_selection=[dg.AssetKey(a) for a in assets] or None,
    )
    assert result.success
    context = dg.build_run_status_sensor_context(
        sensor_name="stage_advance",
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=result.all_events[-1],
        resources={"stage_desk": stage_desk(home)},
    )
    stage_advance(context)


def stages(home):
    return [r.decision.stage for r in ReceiptBook(home).receipts()]


def test_a_run_of_the_ui_leaves_the_receipts_of_what_it_completed(opened):
    home, instance = opened
    assert stages(home) == []
    run_in_ui(home, instance, "build_candidate", PASSING)
    assert stages(home) == ["research_intake", "candidate_build"]
    run_in_ui(home, instance, "evaluate_candidate", KEY, "gate_report")
    assert stages(home) == [
        "research_intake",
        "candidate_build",
        "backtest_robustness",
        "gate_policy_evaluation",
    ]


def test_what_the_receipts_say_already_is_not_said_again(opened):
    home, instance = opened
    Driver(home, instance).settle(PASSING, SNAPSHOT, through="gate_report")
    before = stages(home)
    assert "gate_policy_evaluation" in before
    run_in_ui(home, instance, "evaluate_candidate", KEY, "gate_report")
    assert stages(home) == before


def test_settings_move_nobody(opened):
    home, instance = opened
    run_in_ui(home, instance, "settle_policies", None, "gate_policy")
    assert stages(home) == []


def test_it_is_on_by_default():
    assert stage_advance.default_status is dg.DefaultSensorStatus.RUNNING
