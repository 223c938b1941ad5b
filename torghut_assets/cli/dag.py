"""Commands about the pipeline: prove that the file and the asset graph agree, and draw it."""

import sys

import click
import dagster as dg

from torghut_assets.cli.screen import say
from torghut_assets.domain.stages.agreement import GraphShape, Node, prove
from torghut_assets.domain.stages.config import PipelineConfig
from torghut_assets.domain.stages.loader import load_pipeline
from torghut_assets.resources.home import Home


@click.group("dag")
def dag() -> None:
    """Prove, draw and rehearse the pipeline of stages."""


def graph_shape(home: Home, pipeline: PipelineConfig | None = None) -> GraphShape:
    """Reduce the asset graph of a home to names, and see which code a pipeline names exists.

    Parameters
    ----------
    home : Home
    pipeline : PipelineConfig, optional
        Whose words are looked up; the one in force in the home if it is left out.
    """
    from torghut_assets.definitions import HELD, build_definitions
    from torghut_assets.resources.code_version import part_exists

    graph = build_definitions(home).resolve_asset_graph()
    checks: dict[dg.AssetKey, set[str]] = {}
    for check in graph.asset_check_keys:
        checks.setdefault(check.asset_key, set()).add(check.name)
    nodes = {
        key.to_user_string(): Node(
            group=graph.get(key).group_name or "",
            parents=frozenset(parent.to_user_string() for parent in graph.get(key).parent_keys),
            checks=frozenset(checks.get(key, ())),
            fields=frozenset(made.record_type.model_fields if made else ()),
        )
        for key in graph.get_all_asset_keys()
        for made in (HELD.get(key.to_user_string()),)  # a table of the warehouse holds no record
    }
    pipeline = pipeline or load_pipeline(home.config_path("pipeline").read_bytes())
    terms = [t for stage in pipeline.stages for t in (*stage.inputs, *stage.outputs)]
    code = {t.target for t in terms if t.kind == "code" and part_exists(t.target)}
    return GraphShape(nodes, frozenset(code))


@dag.command()
def validate() -> None:
    """Prove that pipeline.yaml and the asset graph agree, both ways.

    Prints what was shown with the number of paths behind it, what could not be looked at
    because its stage is not active, and every disagreement.

    Exit status: 0 they agree, 1 they do not, 4 the file itself breaks a rule.
    """
    home = Home.from_environment()
    pipeline = load_pipeline(home.config_path("pipeline").read_bytes())
    proof = prove(pipeline, graph_shape(home))
    for step in proof.steps:
        say(f"shown     {step.claim}: {step.found}", hanging=10)
    for note in proof.not_yet:
        say(f"not yet   {note}", hanging=10)
    for disagreement in proof.disagreements:
        say(f"WRONG     {disagreement}", hanging=10)
    verdict = "disagree" if proof.disagreements else "agree"
    click.echo(f"pipeline {pipeline.pipeline_version} ({pipeline.digest[:16]}) and graph {verdict}")
    sys.exit(1 if proof.disagreements else 0)


@dag.command()
def diagram() -> None:
    """Print the pipeline as a Mermaid picture.

    Exit status: 0 done, 4 the file breaks a rule.
    """
    from torghut_assets.domain.stages.diagram import mermaid

    home = Home.from_environment()
    click.echo(mermaid(load_pipeline(home.config_path("pipeline").read_bytes())), nl=False)


@dag.command("dry-run")
@click.option(
    "--path",
    type=click.Choice(["promote-to-gate", "gate-fail", "paper", "rollback", "all"]),
    default="all",
    show_default=True,
    help="all: every path whose stages are active.",
)
def dry_run(path: str) -> None:
    """Rehearse a path on embedded data, in a temporary home that is thrown away.

    Prints what ran, what was decided and what refused. Nothing is written elsewhere.

    Exit status: 0 the path ended where it must, 1 it did not, or a stage it needs is not active.
    """
    from torghut_assets.cli.rehearsal import active_paths, rehearse

    home = Home.from_environment()
    for each in active_paths(home) if path == "all" else (path,):
        rehearse(each)
