"""The shape of the asset graph as promises."""

import inspect
import subprocess
import sys
from types import CodeType

import dagster as dg
import pytest

from torghut_assets.assets.keys import ASSETS
from torghut_assets.assets.partitions import CANDIDATE_SESSIONS, CANDIDATES
from torghut_assets.assets.warehouse import GROUP, MODELS
from torghut_assets.definitions import HELD, JOB_OF_STEP, build_definitions
from torghut_assets.domain.stages.config import STAGES

TRADING_SETTINGS = {
    "paper_policy",
    "order_limits",
    "paper_gate_policy",
    "drift_policy",
    "ramp_policy",
}
OF_A_SESSION = {
    "order_intents",
    "paper_orders",
    "paper_fills",
    "paper_tca",
    "paper_gate_report",
    "drift_report",
    "ramp_stage_1",
    "ramp_stage_2_plus",
    "rollback_plan",
    "rollback_receipt",
    "incident_report",
}


@pytest.fixture
def graph(home):
    return build_definitions(home).resolve_asset_graph()


def test_every_asset_has_a_record_type_a_maker_a_group_owners_and_a_code_version(graph):
    tables = {spec.key.to_user_string() for spec in MODELS}
    assert {k.to_user_string() for k in graph.get_all_asset_keys()} == set(HELD) | tables
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.group_name in {*STAGES, "policy", "audit", "advisory", GROUP}
        assert node.owners
        assert node.code_version
        assert node.description


def test_no_stage_depends_on_a_later_one(graph):
    groups = ["policy", *STAGES, "audit", "advisory", GROUP]
    order = {name: index for index, name in enumerate(groups)}
    for key in graph.get_all_asset_keys():
        for parent in graph.get(key).parent_keys:
            assert order[graph.get(parent).group_name] <= order[graph.get(key).group_name]


def names(keys):
    return {key.to_user_string() for key in keys}


def above(graph, name):
    return names(graph.get_ancestor_asset_keys(dg.AssetKey(name)))


def test_everything_a_decision_rests_on_is_above_it_and_nothing_of_trading_is(graph):
    research = set(ASSETS) - OF_A_SESSION - TRADING_SETTINGS - {"paper_deployment"}
    apart = {"gate_report", "research_feedback", "pipeline_config"}
    assert above(graph, "gate_report") == research - apart


def test_an_incident_rests_on_everything_that_led_to_it(graph):
    assert set(ASSETS) - above(graph, "incident_report") == {
        "incident_report",
        "research_feedback",
        "pipeline_config",
        "ramp_policy",
        "ramp_stage_1",
        "ramp_stage_2_plus",
    }


def test_the_ramp_rests_on_paper_evidence_and_each_stage_on_the_one_before(graph):
    """It reaches no broker (below), and nothing is made from it: a manifest is where it ends."""
    assert above(graph, "ramp_stage_1") >= {"paper_gate_report", "gate_report", "ramp_policy"}
    assert "ramp_stage_1" in above(graph, "ramp_stage_2_plus")
    below = {name for name in ASSETS if above(graph, name) & {"ramp_stage_1", "ramp_stage_2_plus"}}
    assert below == {"ramp_stage_2_plus"}


def test_orders_rest_on_their_intents_alone(graph):
    """So every path to an order leads through the guardrails, and no setting leads past them."""
    assert names(graph.get(dg.AssetKey("paper_orders")).parent_keys) == {"order_intents"}
    assert above(graph, "order_intents") >= {
        "gate_report",
        "paper_deployment",
        "order_limits",
        "risk_limits",
        "paper_policy",
    }


def test_only_what_sends_or_takes_back_orders_reaches_a_broker_and_all_below_the_intents(graph):
    """`order_intents` asks what is held; what sends, settles or closes is downstream of it."""
    reach = {name for name in ASSETS if mentions(graph, name) & {"open_broker", "OrderDesk"}}
    send = {name for name in ASSETS if "OrderDesk" in mentions(graph, name)}
    assert reach == {"order_intents", "paper_orders", "paper_fills", "rollback_receipt"}
    assert send == reach - {"order_intents"}
    assert all("order_intents" in above(graph, name) for name in send)


def mentions(graph, asset):
    """Names that an asset's function, and the functions of its module that it calls, refer to."""
    function = graph.get(dg.AssetKey(asset)).assets_def.op.compute_fn.decorated_fn
    module = inspect.getmodule(function)
    found, front = set(), [function.__code__]
    while front:
        code = front.pop()
        front += [each for each in code.co_consts if isinstance(each, CodeType)]
        for name in set(code.co_names) - found:
            called = getattr(module, name, None)
            if inspect.isfunction(called) and called.__module__ == module.__name__:
                front.append(called.__code__)
        found |= set(code.co_names)
    return found


def test_what_is_about_a_session_is_partitioned_by_it_and_reads_no_other_session(graph):
    of_a_session = {
        name for name in ASSETS if graph.get(dg.AssetKey(name)).partitions_def == CANDIDATE_SESSIONS
    }
    assert of_a_session == OF_A_SESSION
    assert CANDIDATE_SESSIONS.partition_dimension_names == ["candidate", "session"]
    for name in of_a_session:
        node = graph.get(dg.AssetKey(name))
        assert not node.partition_mappings, f"{name} reads another session as an upstream asset"
        for parent in node.parent_keys:
            assert graph.get(parent).partitions_def in (None, CANDIDATES, CANDIDATE_SESSIONS)


def test_nothing_before_trading_is_made_from_a_session(graph):
    for name in set(ASSETS) - OF_A_SESSION:
        assert not above(graph, name) & OF_A_SESSION, name


def test_a_deployment_is_of_a_candidate_and_no_argument_names_its_snapshot(graph):
    node = graph.get(dg.AssetKey("paper_deployment"))
    assert node.partitions_def == CANDIDATES
    assert names(node.parent_keys) == {"gate_report", "paper_policy", "order_limits"}


def test_what_calls_for_a_rollback_is_above_its_plan_and_the_plan_above_what_is_done(graph):
    assert above(graph, "rollback_plan") >= {"drift_report", "paper_gate_report", "drift_policy"}
    assert "rollback_plan" in above(graph, "rollback_receipt")
    assert {"rollback_plan", "rollback_receipt"} <= above(graph, "incident_report")


def test_no_path_reaches_a_decision_around_the_snapshot(graph):
    """Data schema validation guards every path from data: prices enter in one place."""
    roots = {
        key.to_user_string()
        for key in graph.get_all_asset_keys()
        if not graph.get(key).parent_keys and graph.get(key).group_name not in ("policy", "audit")
    }
    assert roots == {"candidate_spec", "dataset_snapshot"}


def test_every_asset_but_advice_is_in_exactly_one_job_of_a_run(home):
    definitions = build_definitions(home)
    jobs = [definitions.resolve_job_def(name) for name in JOB_OF_STEP.values()]
    listed = [key.to_user_string() for job in jobs for key in job.asset_layer.selected_asset_keys]
    assert sorted(listed) == sorted({*ASSETS, "retention_policy"})


def test_checkpoints_are_visible_as_checks(graph):
    checks = {f"{key.asset_key.to_user_string()}:{key.name}" for key in graph.asset_check_keys}
    assert checks >= {
        "dataset_snapshot:data_schema_validation",
        "strategy_build:conformance",
        "strategy_build:no_look_ahead",
        "backtest_metrics:folds_complete",
        "stress_metrics:stress_differs_from_base",
        "reproducibility_manifest:computed_twice_alike",
        "gate_report:gate_decision",
        "order_intents:risk_guardrails",
        "order_intents:idempotency_keys",
        "order_intents:parity",
        "paper_fills:reconciled",
        "paper_tca:shortfall_ties",
        "paper_gate_report:gate3",
        "drift_report:drift_within_limits",
        "rollback_receipt:read_back_matches",
    }


def test_what_must_stop_a_session_blocks_and_what_is_a_verdict_does_not(graph):
    """A verdict is evidence for what follows it; a breach in the middle must stop the run."""
    blocking = {
        f"{k.asset_key.to_user_string()}:{k.name}"
        for k in graph.asset_check_keys
        if graph.get(k).blocking
    }
    assert blocking >= {
        "order_intents:risk_guardrails",
        "order_intents:idempotency_keys",
        "order_intents:parity",
        "paper_fills:reconciled",
        "paper_tca:shortfall_ties",
    }
    assert not blocking & {
        "paper_gate_report:gate3",
        "drift_report:drift_within_limits",
        "rollback_receipt:read_back_matches",
    }


def test_every_check_has_the_partitions_of_its_asset(graph):
    for key in graph.asset_check_keys:
        assert graph.get(key).partitions_def == graph.get(key.asset_key).partitions_def


@pytest.mark.parametrize(
    "heavy", ["pandas", "pyarrow", "scipy", "numba", "matplotlib", "exchange_calendars", "duckdb"]
)
def test_loading_the_definitions_imports_nothing_heavy(heavy):
    code = (
        f"import sys, torghut_assets.definitions as d; d.defs();sys.exit({heavy!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
