"""Proof that the pipeline file and the asset graph agree, both ways.

`prove` walks a `GraphShape`, which is the asset graph reduced to names, and returns a
`Proof`: what was shown, with the number of paths behind it, and every disagreement.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from torghut_assets.domain.stages.config import Checkpoint, PipelineConfig, Stage, Term


@dataclass(frozen=True)
class Node:
    """One asset: its group, what it is made from, the checks on it, its record's fields."""

    group: str
    parents: frozenset[str]
    checks: frozenset[str]
    fields: frozenset[str]


@dataclass(frozen=True)
class GraphShape:
    """The asset graph by name, and which parts of the code exist."""

    nodes: Mapping[str, Node]
    code: frozenset[str]

    def ancestors(self, name: str) -> set[str]:
        """Return every asset above `name`."""
        found: set[str] = set()
        front = [name]
        while front:
            for parent in self.nodes[front.pop()].parents - found:
                found.add(parent)
                front.append(parent)
        return found

    def count_paths(self, start: str, end: str, *, around: str | None = None) -> int:
        """Return how many paths lead from `start` to `end` without passing `around`."""
        known: dict[str, int] = {}

        def count(name: str) -> int:
            if name == around:
                return 0
            if name == start:
                return 1
            if name not in known:
                known[name] = sum(count(parent) for parent in self.nodes[name].parents)
            return known[name]

        return count(end)


class Step(NamedTuple):
    """One thing that was shown."""

    claim: str
    found: str


class Proof(NamedTuple):
    """What was shown, what contradicts, and what could not be looked at yet."""

    steps: tuple[Step, ...]
    disagreements: tuple[str, ...]
    not_yet: tuple[str, ...]


def prove(pipeline: PipelineConfig, graph: GraphShape) -> Proof:
    """Compare a pipeline that keeps its own rules with the asset graph.

    Returns
    -------
    Proof
        `disagreements` is empty if both say the same.
    """
    steps: list[Step] = []
    wrong: list[str] = []
    not_yet: list[str] = []
    for part in (_assets, _roots, _contracts, _order, _advice):
        part_steps, part_wrong = part(pipeline, graph)
        steps += part_steps
        wrong += part_wrong
    for checkpoint in pipeline.checkpoints:
        part_steps, part_wrong, part_later = _checkpoint(pipeline, graph, checkpoint)
        steps += part_steps
        wrong += part_wrong
        not_yet += part_later
    for stage in pipeline.stages:
        if not stage.active:
            later = [term.target for term in stage.outputs if term.kind == "later"]
            not_yet.append(
                f"{stage.name} is not active: it may not be entered, and nothing makes "
                f"{', '.join(later) or 'what it declares'}"
            )
    return Proof(tuple(steps), tuple(wrong), tuple(not_yet))


Part = tuple[list[Step], list[str]]


def _assets(pipeline: PipelineConfig, graph: GraphShape) -> Part:
    """Every output is an asset of the stage's group; every asset has a stage or stays outside."""
    wrong = []
    made = {asset: s for s in pipeline.stages for asset in (*s.output_assets, *s.prepares)}
    for asset, stage in made.items():
        if asset not in graph.nodes:
            wrong.append(f"{stage.name} declares the output {asset}, which no asset makes")
        elif graph.nodes[asset].group != stage.name:
            wrong.append(f"{asset} is in the group {graph.nodes[asset].group}, not {stage.name}")
        elif not stage.active:
            wrong.append(f"{asset} can be made, but its stage {stage.name} is not active")
    stages = {stage.name for stage in pipeline.stages}
    for name, node in graph.nodes.items():
        if name not in made and node.group not in pipeline.groups_outside:
            where = "does not declare it" if node.group in stages else "is not a stage"
            wrong.append(f"the asset {name} is in the group {node.group}, which {where}")
    for stage in pipeline.stages:
        for asset in stage.feeds_back:
            if stage.active and asset not in stage.output_assets:
                wrong.append(f"{stage.name} feeds back {asset}, which is not its output")
        terms = {t.target for t in stage.outputs if t.kind == "later"} & set(graph.nodes)
        wrong += [f"{stage.name} says {t} comes later, but it is there" for t in sorted(terms)]
    outside = sum(node.group in pipeline.groups_outside for node in graph.nodes.values())
    steps = [
        Step("every declared output is an asset of its stage", f"{len(made)} assets"),
        Step(
            "every asset has a stage, or a group outside the stages",
            f"{len(graph.nodes) - outside} in stages, {outside} outside",
        ),
    ]
    return steps, wrong


def _roots(pipeline: PipelineConfig, graph: GraphShape) -> Part:
    """The outside comes in exactly where the file says."""
    declared = {asset for source in pipeline.sources for asset in source.assets}
    roots = {name for name, node in graph.nodes.items() if not node.parents}
    wrong = [f"{a} is declared a source but is made from others" for a in sorted(declared - roots)]
    wrong += [f"{a} takes in something from outside undeclared" for a in sorted(roots - declared)]
    return [Step("the outside comes in only at declared sources", f"{len(roots)} assets")], wrong


def _contracts(pipeline: PipelineConfig, graph: GraphShape) -> Part:
    """Declared inputs lead to outputs, and what the graph reads is declared."""
    wrong: list[str] = []
    paths, terms = 0, 0
    for stage in pipeline.stages:
        for term in (*stage.inputs, *stage.outputs):
            terms += term.kind != "later"
            wrong += _unknown_target(stage, term, graph)
        own = {*stage.output_assets, *stage.prepares}
        present = [asset for asset in own if asset in graph.nodes]
        for name in stage.input_assets:
            if name not in graph.nodes or not stage.active:
                continue
            found = sum(graph.count_paths(name, out) for out in present if out != name)
            paths += found
            if not found:
                wrong.append(f"{stage.name} declares the input {name}: no path to its outputs")
        read = {p for asset in present for p in graph.nodes[asset].parents}
        undeclared = read - own - set(stage.input_assets)
        wrong += [f"{stage.name} reads {p}, which it does not declare" for p in sorted(undeclared)]
    steps = [
        Step("every word of a contract is found where the file says", f"{terms} terms"),
        Step("every declared input leads to an output of its stage", f"{paths} paths"),
    ]
    return steps, wrong


def _unknown_target(stage: Stage, term: Term, graph: GraphShape) -> Iterator[str]:
    where = f"{stage.name}: {term.term}"
    if term.kind == "code" and term.target not in graph.code:
        yield f"{where} is code:{term.target}, which does not exist"
    if term.asset is not None and term.asset not in graph.nodes:
        yield f"{where} names the asset {term.asset}, which does not exist"
    elif term.kind == "field":
        asset, _, field = term.target.partition(".")
        if field not in graph.nodes[asset].fields:
            yield f"{where} names {field}, which is not in the record of {asset}"


def _order(pipeline: PipelineConfig, graph: GraphShape) -> Part:
    """No asset is made from one of a later stage."""
    order = {stage.name: i for i, stage in enumerate(pipeline.stages)}
    wrong, edges = [], 0
    for name, node in graph.nodes.items():
        for parent in node.parents:
            above = graph.nodes[parent].group
            edges += 1
            if order.get(above, -1) > order.get(node.group, len(order)):
                wrong.append(f"{name} ({node.group}) is made from {parent} of the later {above}")
    return [Step("no asset is made from one of a later stage", f"{edges} edges")], wrong


def _advice(pipeline: PipelineConfig, graph: GraphShape) -> Part:
    """No decision is downstream of advice."""
    advice = {name for name, node in graph.nodes.items() if node.group == "advisory"}
    stages = {stage.name for stage in pipeline.stages} | {"policy"}
    wrong = [
        f"{name} is made from advice: {', '.join(sorted(found))}"
        for name, node in graph.nodes.items()
        if node.group in stages and (found := graph.ancestors(name) & advice)
    ]
    return [
        Step("no asset of a stage is made from advice", f"{len(advice)} advisory assets")
    ], wrong


def _checkpoint(
    pipeline: PipelineConfig, graph: GraphShape, checkpoint: Checkpoint
) -> tuple[list[Step], list[str], list[str]]:
    """No path leads around a checkpoint, in the asset graph and in the stage machine."""
    steps: list[Step] = []
    wrong: list[str] = []
    not_yet: list[str] = []
    name = checkpoint.name
    for target in checkpoint.stages:
        holder = checkpoint_stage(pipeline, checkpoint)
        through = count_stage_paths(pipeline, target)
        around = count_stage_paths(pipeline, target, around=holder) if holder else through
        steps.append(
            Step(f"{name}: from {pipeline.initial} to {target}", f"{through} ways, {around} around")
        )
        if around or not through:
            wrong.append(f"{name}: {around} of {through} ways to {target} lead around {holder}")
    for target in checkpoint.assets:
        if checkpoint.at not in graph.nodes or target not in graph.nodes:
            absent = [a for a in (checkpoint.at, target) if a not in graph.nodes]
            made_later = {t.target for s in pipeline.stages for t in s.outputs if t.kind == "later"}
            if unknown := [a for a in absent if a not in made_later]:
                wrong.append(f"{name} names {', '.join(unknown)}, which no stage makes")
            not_yet.append(f"{name}: nothing makes {', '.join(absent)} yet")
            continue
        starts = [a for s in pipeline.sources if s.name in checkpoint.sources for a in s.assets]
        known = [start for start in starts if start in graph.nodes]
        through = sum(graph.count_paths(start, target) for start in known)
        around = sum(graph.count_paths(start, target, around=checkpoint.at) for start in known)
        steps.append(
            Step(
                f"{name}: from {', '.join(checkpoint.sources)} to {target}",
                f"{through} paths, {around} around {checkpoint.at}",
            )
        )
        if around or not through:
            wrong.append(f"{name}: {around} of {through} paths to {target} lead around it")
        wrong += _unguarded(pipeline, graph, checkpoint, target)
    if checkpoint.at in graph.nodes:
        check = checkpoint.asset_check.partition(":")[2]
        if check not in graph.nodes[checkpoint.at].checks:
            wrong.append(f"{name}: {checkpoint.at} has no visible check {check}")
    return steps, wrong, not_yet


def _unguarded(
    pipeline: PipelineConfig, graph: GraphShape, checkpoint: Checkpoint, target: str
) -> Iterator[str]:
    """Every asset that reads `at` on the way to `target` is of a stage that has the checkpoint."""
    on_the_way = graph.ancestors(target) | {target}
    for reader in sorted(on_the_way):
        if checkpoint.at not in graph.nodes[reader].parents:
            continue
        stage = pipeline.stage_of_asset(reader)
        if stage is None or checkpoint.condition not in stage.conditions_before(reader):
            yield f"{checkpoint.name}: {reader} reads {checkpoint.at} without the condition"
        elif checkpoint.name not in stage.checkpoints:
            yield f"{checkpoint.name}: {stage.name} reads {checkpoint.at} and does not list it"


def checkpoint_stage(pipeline: PipelineConfig, checkpoint: Checkpoint) -> str | None:
    """Return the stage that ensures a checkpoint's condition, where every way must pass."""
    return next((s.name for s in pipeline.stages if checkpoint.condition in s.ensures), None)


def count_stage_paths(pipeline: PipelineConfig, target: str, *, around: str | None = None) -> int:
    """Return how many ways without a circle lead from the first stage to `target`."""
    edges = {
        s.name: dict.fromkeys(t for t in (s.on_pass, s.on_fail) if t != s.name)
        for s in pipeline.stages
    }

    def count(name: str, seen: frozenset[str]) -> int:
        if name == around:
            return 0
        if name == target:
            return 1
        return sum(count(n, seen | {n}) for n in edges.get(name, ()) if n not in seen)

    return count(pipeline.initial, frozenset({pipeline.initial}))


def shape(nodes: Iterable[tuple[str, Node]], code: Iterable[str]) -> GraphShape:
    """Return a graph shape from pairs."""
    return GraphShape(dict(nodes), frozenset(code))
