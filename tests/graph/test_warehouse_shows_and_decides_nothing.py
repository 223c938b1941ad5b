"""The warehouse is downstream of the records it shows, and nothing is downstream of it."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from torghut_assets.assets.keys import ASSETS
from torghut_assets.assets.warehouse import GROUP, JOB, MODELS, TESTS
from torghut_assets.definitions import build_definitions
from torghut_assets.domain.stages.config import STAGES
from torghut_assets.domain.warehouse.tables import RECORD_TABLES, ROW_TYPES

PROJECT = Path(__file__).resolve().parents[2] / "dbt"
MARTS = {
    "candidate_scorecard",
    "promotion_funnel",
    "gate_failures_by_reason",
    "tca_daily",
    "drift_timeline",
    "order_lineage",
    "trial_register",
}


@pytest.fixture
def definitions(home):
    return build_definitions(home)


@pytest.fixture
def graph(definitions):
    return definitions.resolve_asset_graph()


def names(keys):
    return {key.to_user_string() for key in keys}


def test_models_are_assets_of_the_same_name_marts_on_staging_on_records(graph):
    found = {spec.key.to_user_string() for spec in MODELS}
    files = {path.stem for path in (PROJECT / "models").rglob("*.sql")}
    assert found == files == MARTS | {f"stg_{name}" for name in ROW_TYPES}
    for name in found:
        parents = names(graph.get(dg.AssetKey(name)).parent_keys)
        assert parents, name
        if name in MARTS:
            assert all(parent.startswith("stg_") for parent in parents)
        else:
            assert parents <= set(ASSETS)
    for name, table in RECORD_TABLES.items():
        parents = names(graph.get(dg.AssetKey(f"stg_{name}")).parent_keys)
        assert parents == set(table.assets)


def test_an_order_in_the_lineage_is_below_what_it_rests_on(graph):
    above = names(graph.get_ancestor_asset_keys(dg.AssetKey("order_lineage")))
    assert above >= {"gate_report", "paper_fills", "paper_tca", "strategy_build", "stg_fills"}


def test_nothing_is_made_from_the_warehouse_and_no_advice_gets_into_it(graph):
    tables = {spec.key for spec in MODELS}
    below = {k for k in graph.get_all_asset_keys() if graph.get(k).parent_keys & tables}
    assert below <= tables
    groups = {graph.get(key).group_name for t in tables for key in graph.get_ancestor_asset_keys(t)}
    assert groups <= {*STAGES, "policy", GROUP}


def test_every_model_has_a_test_and_every_test_says_what_it_claims(graph):
    assert {spec.asset_key for spec in TESTS} == {spec.key for spec in MODELS}
    for spec in TESTS:
        assert graph.get(spec.key) is not None
        assert (spec.description or "").endswith(".")


def test_the_job_makes_all_of_it_and_nothing_else(definitions):
    layer = definitions.resolve_job_def(JOB).asset_layer
    assert layer.selected_asset_keys == {spec.key for spec in MODELS}


@pytest.mark.parametrize("heavy", ["dbt", "dagster_dbt", "duckdb", "jinja2.sandbox"])
def test_loading_the_definitions_does_not_import_dbt(heavy):
    code = (
        f"import sys, torghut_assets.definitions as d; d.defs(); sys.exit({heavy!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0


def test_the_stages_in_the_project_are_those_of_the_code():
    text = (PROJECT / "macros" / "stages.sql").read_text()
    listed = [word for word in text.replace("'", " ").replace(",", " ").split() if "_" in word]
    assert [word for word in listed if word in STAGES] == list(STAGES)
