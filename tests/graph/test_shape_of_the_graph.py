"""The shape of the asset graph as promises."""

import subprocess
import sys

import dagster as dg
import pytest

from torghut_assets.assets.keys import ASSETS
from torghut_assets.definitions import HELD, JOB_OF_STEP, build_definitions

STAGES = [
    "research_intake",
    "candidate_build",
    "backtest_robustness",
    "gate_policy_evaluation",
]


@pytest.fixture
def graph(home):
    return build_definitions(home).resolve_asset_graph()


def test_every_asset_has_a_record_type_a_maker_a_group_owners_and_a_code_version(graph):
    assert {k.to_user_string() for k in graph.get_all_asset_keys()} == set(HELD)
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.group_name in {*STAGES, "policy", "advisory"}
        assert node.owners
        assert node.code_version
        assert node.description


def test_no_stage_depends_on_a_later_one(graph):
    order = {name: index for index, name in enumerate(["policy", *STAGES, "advisory"])}
    for key in graph.get_all_asset_keys():
        for parent in graph.get(key).parent_keys:
            assert order[graph.get(parent).group_name] <= order[graph.get(key).group_name]


def test_everything_a_decision_rests_on_is_above_it(graph):
    above = graph.get_ancestor_asset_keys(dg.AssetKey("gate_report"))
    missing = graph.get_all_asset_keys() - above
    below = {k.to_user_string() for k in missing}
    assert below & set(ASSETS) == {"gate_report", "research_feedback"}
    assert {graph.get(k).group_name for k in missing} == {"gate_policy_evaluation", "advisory"}


def test_no_path_reaches_a_decision_around_the_snapshot(graph):
    """Data schema validation guards every path from data: prices enter in one place."""
    roots = {
        key.to_user_string()
        for key in graph.get_all_asset_keys()
        if not graph.get(key).parent_keys and graph.get(key).group_name != "policy"
    }
    assert roots == {"candidate_spec", "dataset_snapshot"}


def test_every_asset_but_advice_is_in_exactly_one_job_of_a_run(home):
    definitions = build_definitions(home)
    jobs = [definitions.resolve_job_def(name) for name in JOB_OF_STEP.values()]
    listed = [key.to_user_string() for job in jobs for key in job.asset_layer.selected_asset_keys]
    assert sorted(listed) == sorted(ASSETS)


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
