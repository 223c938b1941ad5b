"""The pipeline file and the asset graph say the same, and every disagreement is found."""

import dataclasses

import dagster as dg
import pytest

from torghut_assets.assets.keys import ASSETS
from torghut_assets.cli.dag import graph_shape
from torghut_assets.definitions import HELD, build_definitions
from torghut_assets.domain.stages.agreement import GraphShape, Node, prove
from torghut_assets.domain.stages.config import STAGES, Term
from torghut_assets.domain.stages.loader import load_pipeline


@pytest.fixture
def pipeline(home):
    return load_pipeline(home.config_path("pipeline").read_bytes())


@pytest.fixture
def shape(home):
    return graph_shape(home)


def test_they_agree_on_all_nine_stages_and_nothing_is_left_unseen(pipeline, shape):
    proof = prove(pipeline, shape)
    assert proof.disagreements == ()
    assert proof.not_yet == ()
    assert [stage.name for stage in pipeline.stages if stage.active] == list(STAGES)


def with_stage(pipeline, name, **changes):
    stages = tuple(s.model_copy(update=changes) if s.name == name else s for s in pipeline.stages)
    return pipeline.model_copy(update={"stages": stages})


@pytest.mark.parametrize(
    ("name", "at", "target"),
    [
        ("data_schema_validation", "dataset_snapshot", "gate_report"),
        ("risk_guardrail", "order_intents", "paper_orders"),
        ("idempotency_hash", "order_intents", "paper_orders"),
        ("promotion_gate", "gate_report", "paper_deployment"),
    ],
)
def test_the_proof_counts_every_path_and_none_is_around_a_checkpoint(
    pipeline, shape, name, at, target
):
    checkpoint = next(c for c in pipeline.checkpoints if c.name == name)
    assert (checkpoint.at, checkpoint.assets) == (at, (target,))
    named = {s.name: s.assets for s in pipeline.sources}
    roots = [asset for source in checkpoint.sources for asset in named[source]]
    claim = f"{name}: from {', '.join(checkpoint.sources)} to {target}"
    through, around = (
        int(word) for word in dict(prove(pipeline, shape).steps)[claim].split() if word.isdigit()
    )
    assert through == sum(paths(shape, root, target) for root in roots)
    assert through > 0
    assert around == 0


def paths(shape, start, end):
    """Count paths one by one, without the cleverness of the code under test."""
    if start == end:
        return 1
    return sum(paths(shape, start, parent) for parent in shape.nodes[end].parents)


def changed(shape, name, **changes):
    nodes = dict(shape.nodes)
    nodes[name] = dataclasses.replace(nodes[name], **changes)
    return GraphShape(nodes, shape.code)


def added(shape, name, group, parents, checks=()):
    node = Node(group, frozenset(parents), frozenset(checks), frozenset({"value"}))
    return GraphShape({**shape.nodes, name: node}, shape.code)


def without(shape, name):
    nodes = {
        key: dataclasses.replace(node, parents=node.parents - {name})
        for key, node in shape.nodes.items()
        if key != name
    }
    return GraphShape(nodes, shape.code)


def test_an_asset_without_a_stage_is_found(pipeline, shape):
    wrong = prove(pipeline, added(shape, "stray", "gate_policy_evaluation", ["gate_report"]))
    assert "the asset stray is in the group gate_policy_evaluation, which does not declare it" in (
        wrong.disagreements
    )
    wrong = prove(pipeline, added(shape, "stray", "elsewhere", ["gate_report"]))
    assert "the asset stray is in the group elsewhere, which is not a stage" in wrong.disagreements


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_an_asset_that_is_missing_is_found(pipeline, shape, name):
    assert prove(pipeline, without(shape, name)).disagreements


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_an_asset_in_another_group_is_found(pipeline, shape, name):
    moved = "policy" if shape.nodes[name].group != "policy" else "research_intake"
    assert prove(pipeline, changed(shape, name, group=moved)).disagreements


def test_a_second_way_for_data_around_the_schema_validation_is_found(pipeline, shape):
    around = added(shape, "live_quotes", "policy", [])
    around = changed(
        around,
        "target_weights",
        parents=around.nodes["target_weights"].parents | {"live_quotes"},
    )
    found = prove(pipeline, around).disagreements
    assert "live_quotes takes in something from outside undeclared" in found
    declared = pipeline.model_copy(
        update={
            "sources": tuple(
                source.model_copy(update={"assets": (*source.assets, "live_quotes")})
                if source.name == "market_data"
                else source
                for source in pipeline.sources
            )
        }
    )
    found = prove(declared, around).disagreements
    assert any("paths to gate_report lead around it" in one for one in found)


def test_a_stage_that_reads_data_without_the_condition_is_found(pipeline, shape):
    stages = tuple(
        s.model_copy(update={"requires": tuple(r for r in s.requires if "no_errors" not in r)})
        for s in pipeline.stages
    )
    found = prove(pipeline.model_copy(update={"stages": stages}), shape).disagreements
    assert (
        "data_schema_validation: target_weights reads dataset_snapshot without the condition"
        in (found)
    )


def test_a_checkpoint_that_nobody_can_see_is_found(pipeline, shape):
    blind = changed(shape, "gate_report", checks=frozenset())
    assert prove(pipeline, blind).disagreements == (
        "promotion_gate: gate_report has no visible check gate_decision",
    )


def test_advice_above_a_decision_is_found(pipeline, shape):
    advised = added(shape, "another_review", "advisory", ["backtest_metrics"])
    assert prove(pipeline, advised).disagreements == ()
    advised = changed(
        advised,
        "gate_report",
        parents=advised.nodes["gate_report"].parents | {"another_review"},
    )
    found = prove(pipeline, advised).disagreements
    assert "gate_report is made from advice: another_review" in found
    assert "gate_policy_evaluation reads another_review, which it does not declare" in found


def test_an_asset_made_from_a_later_stage_is_found(pipeline, shape):
    twisted = changed(
        shape, "cost_model", parents=frozenset({"gate_report"})
    )  # a circle, which a graph could not hold; the shape can
    twisted = changed(twisted, "gate_report", parents=frozenset({"stress_metrics"}))
    twisted = changed(twisted, "stress_metrics", parents=frozenset({"dataset_snapshot"}))
    twisted = changed(twisted, "target_weights", parents=frozenset({"gate_report"}))
    found = prove(pipeline, without(twisted, "cost_model")).disagreements
    assert any("is made from gate_report of the later" in one for one in found)


def test_a_word_of_a_contract_that_leads_nowhere_is_found(pipeline, shape):
    (found,) = prove(pipeline, GraphShape(shape.nodes, frozenset())).disagreements
    assert found.startswith("candidate_build: strategy_sdk_contract is code:domain/candidates/")
    bare = changed(shape, "strategy_build", fields=frozenset())
    assert len(prove(pipeline, bare).disagreements) == 4


def test_a_stage_that_is_not_active_but_can_be_made_is_found(pipeline, shape):
    off = prove(with_stage(pipeline, "live_ramp_stage_1", active=False), shape)
    assert "ramp_stage_1 can be made, but its stage live_ramp_stage_1 is not active" in (
        off.disagreements
    )
    assert any(note.startswith("live_ramp_stage_1 is not active") for note in off.not_yet)
    outputs = (Term(term="staged_notional_changes", kind="later", target="ramp_stage_1"),)
    later = with_stage(pipeline, "live_ramp_stage_1", active=False, outputs=outputs)
    assert "live_ramp_stage_1 says ramp_stage_1 comes later, but it is there" in (
        prove(later, shape).disagreements
    )


@pytest.mark.parametrize(
    ("target", "parent", "checkpoints"),
    [
        ("paper_orders", "paper_deployment", ["risk_guardrail", "idempotency_hash"]),
        ("paper_orders", "risk_limits", ["risk_guardrail", "idempotency_hash"]),
        ("paper_deployment", "backtest_metrics", ["promotion_gate"]),
        ("paper_deployment", "candidate_spec", ["promotion_gate"]),
    ],
)
def test_a_way_around_a_gate_or_a_guardrail_is_found(pipeline, shape, target, parent, checkpoints):
    around = changed(shape, target, parents=shape.nodes[target].parents | {parent})
    found = prove(pipeline, around).disagreements
    for name in checkpoints:
        assert any(
            one.startswith(f"{name}: ") and f"paths to {target} lead around it" in one
            for one in found
        ), (name, found)


@pytest.mark.parametrize("condition", ["risk_guardrails_passed", "idempotency_keys_are_new"])
def test_orders_without_a_guard_are_found(pipeline, shape, condition):
    stages = tuple(
        s.model_copy(
            update={
                "guards": {
                    asset: tuple(name for name in named if name != condition)
                    for asset, named in s.guards.items()
                }
            }
        )
        for s in pipeline.stages
    )
    found = prove(pipeline.model_copy(update={"stages": stages}), shape).disagreements
    (name,) = (c.name for c in pipeline.checkpoints if c.condition == condition)
    assert f"{name}: paper_orders reads order_intents without the condition" in found


def test_a_report_made_from_a_rollback_is_found(pipeline, shape):
    """A session cannot rest on what came of its own rollback."""
    twisted = changed(shape, "paper_gate_report", parents=frozenset({"incident_report"}))
    twisted = changed(twisted, "rollback_plan", parents=frozenset({"drift_policy"}))
    found = prove(pipeline, twisted).disagreements
    assert any("paper_gate_report" in one and "the later rollback_incident" in one for one in found)


DIMENSION = {
    (): "none",
    ("candidate",): "candidate",
    ("snapshot",): "snapshot",
    ("candidate", "snapshot"): "evaluation",
    ("candidate", "session"): "session",
}


def test_what_a_command_must_be_told_is_what_its_asset_is_partitioned_by(home):
    graph = build_definitions(home).resolve_asset_graph()
    for name, made in HELD.items():
        definition = graph.get(dg.AssetKey(name)).partitions_def
        if isinstance(definition, dg.MultiPartitionsDefinition):
            keys = tuple(sorted(definition.partition_dimension_names, key=str))
        else:
            keys = (definition.name,) if definition else ()
        assert made.dimension == DIMENSION[keys], name
