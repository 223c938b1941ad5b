"""Nothing is downstream of advice: not by dependency, partition mapping, check, job or import."""

import ast
from importlib.resources import files
from pathlib import Path

import dagster as dg
import pytest

import torghut_assets
from torghut_assets.advisory.assets import ADVICE, GROUP, JOB, SESSION_JOB
from torghut_assets.assets.keys import ASSETS
from torghut_assets.assets.partitions import CANDIDATE_SESSIONS, EVALUATIONS
from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.definitions import JOB_OF_STEP, build_definitions, stage_desk
from torghut_assets.domain.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]


def advice_in(definitions):
    graph = definitions.resolve_asset_graph()
    return {k for k in graph.get_all_asset_keys() if graph.get(k).group_name == GROUP}


def built_on_advice(definitions):
    """Name everything outside the group that reads, follows or is run with an advisory asset."""
    graph = definitions.resolve_asset_graph()
    advice = advice_in(definitions)
    found = set()
    for key in graph.get_all_asset_keys() - advice:
        node = graph.get(key)
        if (set(node.parent_keys) | graph.get_ancestor_asset_keys(key)) & advice:
            found.add(f"asset {key.to_user_string()}")
        mapped = {k for k in advice | graph.get_all_asset_keys() if k in node.partition_mappings}
        if mapped & advice:
            found.add(f"partition mapping of {key.to_user_string()}")
    downstream = dg.AssetSelection.assets(*advice).downstream() if advice else None
    if downstream is not None:
        for key in downstream.resolve(graph) - advice:
            found.add(f"asset {key.to_user_string()}")
    for definition in definitions.asset_checks or ():
        for spec in definition.check_specs:
            read = {dep.asset_key for dep in spec.additional_deps}
            read |= set(definition.keys_by_input_name.values())
            if spec.asset_key in advice or read & advice:
                found.add(f"check {spec.name}")
    for key in graph.asset_check_keys:
        check = graph.get(key)
        if set(check.parent_entity_keys) & advice:
            found.add(f"check {key.name}")
    for job in definitions.jobs or ():
        selected = definitions.resolve_job_def(job.name).asset_layer.selected_asset_keys
        if selected & advice and not selected <= advice:
            found.add(f"job {job.name}")
    for sensor in definitions.sensors or ():
        watched = getattr(sensor, "asset_selection", None) or getattr(sensor, "asset_key", None)
        if isinstance(watched, dg.AssetKey) and watched in advice:
            found.add(f"sensor {sensor.name}")
    return found


def test_nothing_outside_the_group_is_built_on_advice(home):
    definitions = build_definitions(home)
    assert {k.to_user_string() for k in advice_in(definitions)} == set(ADVICE)
    assert built_on_advice(definitions) == set()


def dependent(**how):
    @dg.asset(partitions_def=EVALUATIONS, group_name="gate_policy_evaluation", **how)
    def rogue() -> None: ...

    return {"assets": [rogue]}


def reading():
    @dg.asset(partitions_def=EVALUATIONS)
    def rogue(rationale_review) -> None: ...

    return {"assets": [rogue]}


def far_below():
    @dg.asset(deps=["experiment_summary"], group_name=GROUP, partitions_def=EVALUATIONS)
    def between() -> None: ...

    @dg.asset(deps=[between], partitions_def=EVALUATIONS)
    def rogue() -> None: ...

    return {"assets": [between, rogue]}


def mapped():
    everything = dg.AssetDep("parameter_proposal", partition_mapping=dg.AllPartitionMapping())
    return dependent(deps=[everything])


def checking(**how):
    @dg.asset_check(asset="gate_report", **how)
    def rogue(gate_report) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    return {"asset_checks": [rogue]}


def checking_with_an_input():
    @dg.asset_check(asset="gate_report", additional_ins={"note": dg.AssetIn("rationale_review")})
    def rogue(gate_report, note) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    return {"asset_checks": [rogue]}


def on_the_note():
    @dg.asset_check(asset="rationale_review", blocking=True)
    def rogue(rationale_review) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    return {"asset_checks": [rogue]}


def in_one_job():
    return {
        "jobs": [
            dg.define_asset_job(
                "rogue", selection=dg.AssetSelection.assets("gate_report", "rationale_review")
            )
        ]
    }


def watching():
    @dg.asset_sensor(asset_key=dg.AssetKey("rationale_review"), job_name="evaluate_candidate")
    def rogue() -> None: ...

    return {"sensors": [rogue]}


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (lambda: dependent(deps=["rationale_review"]), "asset rogue"),
        (reading, "asset rogue"),
        (far_below, "asset rogue"),
        (mapped, "partition mapping of rogue"),
        (lambda: checking(additional_deps=["rationale_review"]), "check rogue"),
        (checking_with_an_input, "check rogue"),
        (on_the_note, "check rogue"),
        (in_one_job, "job rogue"),
        (watching, "sensor rogue"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_whatever_is_built_on_advice_is_found(home, made, named):
    rogue = build_definitions(home)
    rogue = dg.Definitions.merge(rogue, dg.Definitions(**made()))
    assert named in built_on_advice(rogue)


def test_decisions_are_read_from_a_table_that_does_not_know_advice(home):
    assert set(ASSETS).isdisjoint(ADVICE)
    assert set(stage_desk(home)._held) == set(ASSETS)


def test_a_run_never_makes_advice(home):
    definitions = build_definitions(home)
    for name in JOB_OF_STEP.values():
        layer = definitions.resolve_job_def(name).asset_layer
        assert layer.selected_asset_keys.isdisjoint(advice_in(definitions))
    with instance_of(home) as instance, pytest.raises(UsageError, match="experiment_summary"):
        Driver(home, instance).steps_through("experiment_summary")


def test_advice_has_a_job_of_its_own_and_no_automation(home):
    definitions = build_definitions(home)
    graph = definitions.resolve_asset_graph()
    own = {
        key
        for job in (JOB, SESSION_JOB)
        for key in definitions.resolve_job_def(job).asset_layer.selected_asset_keys
    }
    assert own == advice_in(definitions)
    for key in own:
        assert graph.get(key).automation_condition is None
        assert graph.get(key).partitions_def in (EVALUATIONS, CANDIDATE_SESSIONS)


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value  # a late import by name


def sources():
    """Every Python file of the package, by its place in the repository."""
    package = Path(torghut_assets.__file__).parent
    folders = [
        package,
        *(Path(str(files(f"torghut_assets.{n}"))) for n in ("resources", "sensors")),
    ]
    return {path for folder in folders for path in folder.rglob("*.py")}


def importers_of(prefix):
    return {
        path.relative_to(ROOT).as_posix()
        for path in sources()
        if any(name == prefix or name.startswith(f"{prefix}.") for name in imports_of(path))
    }


def test_only_the_assembly_imports_advice():
    inside = {p for p in importers_of("torghut_assets.advisory") if "/advisory/" not in p}
    assert inside == {"torghut_assets/definitions.py"}


def test_the_clients_of_a_model_are_behind_one_door():
    outside = importers_of("torghut_assets.resources.advisory_llm")
    assert {p for p in outside if "/advisory/" not in p} == {
        "torghut_assets/definitions.py",
        "torghut_assets/cli/advise.py",
    }
    assert importers_of("torghut_assets.resources.advisory_clients") == {
        "resources/advisory_llm.py",
        "torghut_assets/advisory/prompts.py",
    }
    for library in ("anthropic", "openai"):
        assert importers_of(library) <= {
            "resources/advisory_clients.py",
            "resources/advisory_settings.py",
        }
