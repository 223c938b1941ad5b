"""The main road on real data: one example passes its gates, one is refused for its reasons."""

import dagster as dg
import pytest
from evaluated_examples import KEY, NOT_IN_AN_EVALUATION, PASSING, REFUSED_KEY, SNAPSHOT

from torghut_assets.assets.keys import ASSETS, GATE_REPORT, RESEARCH_FEEDBACK
from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.domain.gates.feedback import ResearchFeedback
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import current_record, newest


@pytest.fixture
def opened(evaluated_home):
    home = Home.at(evaluated_home)
    with instance_of(home) as instance:
        yield home, instance


def test_one_passes_and_one_is_refused(opened):
    home, instance = opened
    passed = current_record(instance, home.store, GateReport, GATE_REPORT, KEY)
    refused = current_record(instance, home.store, GateReport, GATE_REPORT, REFUSED_KEY)
    assert passed.verdict is Verdict.PASS
    assert refused.verdict is Verdict.FAIL
    assert {reason.code for reason in refused.blocking_reasons} >= {"SHARPE_LOW"}


def test_a_refusal_feeds_back_and_a_pass_does_not(opened):
    home, instance = opened
    feedback = current_record(
        instance, home.store, ResearchFeedback, RESEARCH_FEEDBACK, REFUSED_KEY
    )
    assert feedback.reason_classes
    assert newest(instance, RESEARCH_FEEDBACK, KEY) is None


def test_every_materialization_names_code_data_and_inputs(opened):
    _, instance = opened
    graph = Driver(opened[0], instance)._graph
    for name in set(ASSETS) - NOT_IN_AN_EVALUATION:
        key = dg.AssetKey(name)
        partition = {
            "candidate": PASSING,
            "snapshot": SNAPSHOT,
        }.get(getattr(graph.get(key).partitions_def, "name", None))
        if isinstance(graph.get(key).partitions_def, dg.MultiPartitionsDefinition):
            partition = REFUSED_KEY
        event = newest(instance, key, partition)
        assert event is not None, name
        assert len(event.digest) == 64
        assert event.code_version == graph.get(key).code_version
        for parent in graph.get(key).parent_keys:
            assert len(event.inputs[parent.to_user_string()]) == 64, (name, parent)


def test_running_again_makes_nothing(opened):
    home, instance = opened
    before = instance.get_runs_count()
    driver = Driver(home, instance)
    for step, partition in (
        ("settings", None),
        ("candidate", PASSING),
        ("snapshot", SNAPSHOT),
        ("evaluation", KEY),
    ):
        assert driver.step(step, partition, through="gate_report").made == ()
    assert instance.get_runs_count() == before


def test_the_same_evaluation_elsewhere_gives_the_same_bytes(opened, home):
    """Another home, another time, another order: the decision has the same digest."""
    from evaluated_examples import example

    from torghut_assets.cli.candidate import submit
    from torghut_assets.cli.snapshot import register
    from torghut_assets.domain.identifiers import parse_snapshot_id

    _, instance = opened
    submit(home, example(PASSING), "example")
    register(home, parse_snapshot_id(SNAPSHOT))
    with instance_of(home) as other:
        driver = Driver(home, other)
        driver.step("snapshot", SNAPSHOT, through="gate_report")
        driver.step("candidate", PASSING, through="gate_report")
        driver.step("settings", None, through="gate_report")
        driver.step("evaluation", KEY, through="stress_metrics")
        for name in ("target_weights", "backtest_metrics", "stress_metrics"):
            key = dg.AssetKey(name)
            assert newest(other, key, KEY).digest == newest(instance, key, KEY).digest
