"""Rules that a pipeline file must keep by itself, one function each.

A rule yields what is broken. `loader.load_pipeline` refuses a file at the first of them.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from torghut_assets.domain.stages.config import (
    HOLD,
    ROLLBACK,
    STAGES,
    PipelineConfig,
    Stage,
)


class BrokenRule(NamedTuple):
    """Where a pipeline breaks a rule, what stands there, what should."""

    where: str
    found: str
    expected: str


Rule = Callable[[PipelineConfig], Iterator[BrokenRule]]

_PAPER: Final = "shadow_paper_deployment"
_MONITORING: Final = "continuous_monitoring"


def stages_are_the_nine(pipeline: PipelineConfig) -> Iterator[BrokenRule]:
    """Exactly the nine stages, in order; the life begins at the first."""
    found = tuple(stage.name for stage in pipeline.stages)
    if found != STAGES:
        yield BrokenRule("stages", ", ".join(found), ", ".join(STAGES))
    if pipeline.initial != STAGES[0]:
        yield BrokenRule("initial", pipeline.initial, STAGES[0])


def names_are_known(pipeline: PipelineConfig) -> Iterator[BrokenRule]:
    """Transitions name stages, stages name checkpoints, checkpoints name sources."""
    stages = {stage.name for stage in pipeline.stages}
    checkpoints = {checkpoint.name for checkpoint in pipeline.checkpoints}
    sources = {source.name for source in pipeline.sources}
    for stage in pipeline.stages:
        for field, target in (("on_pass", stage.on_pass), ("on_fail", stage.on_fail)):
            if target not in stages:
                yield BrokenRule(f"stages.{stage.name}.{field}", target, "the name of a stage")
        for name in stage.checkpoints:
            if name not in checkpoints:
                yield BrokenRule(f"stages.{stage.name}.checkpoints", name, "a checkpoint")
    for checkpoint in pipeline.checkpoints:
        where = f"checkpoints.{checkpoint.name}"
        for name in checkpoint.sources:
            if name not in sources:
                yield BrokenRule(f"{where}.sources", name, "the name of a source")
        for name in checkpoint.stages:
            if name not in stages:
                yield BrokenRule(f"{where}.stages", name, "the name of a stage")
    if pipeline.freeze.stage not in stages:
        yield BrokenRule("freeze.stage", pipeline.freeze.stage, "the name of a stage")


def guards_stand_before_outputs(pipeline: PipelineConfig) -> Iterator[BrokenRule]:
    """What `guards` names is an output of the stage, with at least one condition."""
    for stage in pipeline.stages:
        outputs = {t.target for t in stage.outputs if t.kind in {"asset", "later"}}
        for asset, named in stage.guards.items():
            where = f"stages.{stage.name}.guards.{asset}"
            if asset not in outputs:
                yield BrokenRule(where, asset, "an output of the stage")
            if not named:
                yield BrokenRule(where, "nothing", "at least one condition")


def nothing_is_listed_twice(pipeline: PipelineConfig) -> Iterator[BrokenRule]:
    """A name stands once in its list, and an asset belongs to one stage."""
    lists = [("groups_outside", pipeline.groups_outside)]
    lists.append(("sources", tuple(a for s in pipeline.sources for a in s.assets)))
    made: list[str] = []
    for stage in pipeline.stages:
        where = f"stages.{stage.name}"
        lists += [
            (f"{where}.requires", stage.requires),
            (f"{where}.ensures", stage.ensures),
            (f"{where}.checkpoints", stage.checkpoints),
        ]
        lists += [
            (f"{where}.guards.{asset}", stage.conditions_before(asset)) for asset in stage.guards
        ]
        made += [*stage.output_assets, *stage.prepares]
    lists.append(("outputs of all stages", tuple(made)))
    for where, names in lists:
        for name in dict.fromkeys(n for n in names if names.count(n) > 1):
            yield BrokenRule(where, f"{name} twice", "each name once")


def a_pass_leads_to_the_next_stage(pipeline: PipelineConfig) -> Iterator[BrokenRule]:
    """No stage is skipped; monitoring goes on; a rollback ends in research."""
    expected = dict(pairwise(STAGES))
    expected |= {_MONITORING: _MONITORING, ROLLBACK: STAGES[0]}
    for stage in pipeline.stages:
        if stage.on_pass != (wanted := expected.get(stage.name, "")):
            yield BrokenRule(f"stages.{stage.name}.on_pass", stage.on_pass, wanted)


def a_failure_leads_back(pipeline: PipelineConfig) -> Iterator[BrokenRule]:
    """What is deployed is rolled back; what is not returns to research."""
    for stage in pipeline.stages:
        rolls_back = stage.deployed or stage.name == ROLLBACK
        wanted = ROLLBACK if rolls_back else pipeline.initial
        if stage.on_fail != wanted:
            yield BrokenRule(f"stages.{stage.name}.on_fail", stage.on_fail, wanted)


def new_evidence_leads_back_unless_deployed(pipeline: PipelineConfig) -> Iterator[BrokenRule]:
    """Another evaluation begins at the first stage; what has traded it leaves alone.

    A candidate that was admitted to paper trading and has not traded yet begins anew as well.
    """
    for stage in pipeline.stages:
        has_traded = stage.deployed and stage.name != _PAPER
        wanted = HOLD if has_traded or stage.name == ROLLBACK else pipeline.initial
        if stage.on_superseded != wanted:
            yield BrokenRule(f"stages.{stage.name}.on_superseded", stage.on_superseded, wanted)


def what_trades_is_deployed(pipeline: PipelineConfig) -> Iterator[BrokenRule]:
    """Exactly the stages from paper trading to monitoring are `deployed`."""
    trading = STAGES[STAGES.index("shadow_paper_deployment") : STAGES.index(ROLLBACK)]
    for stage in pipeline.stages:
        if stage.deployed != (stage.name in trading):
            wanted = str(stage.name in trading).lower()
            yield BrokenRule(f"stages.{stage.name}.deployed", str(stage.deployed).lower(), wanted)


def every_stage_can_be_reached(pipeline: PipelineConfig) -> Iterator[BrokenRule]:
    """From the first stage, along passes and failures."""
    edges = {stage.name: (stage.on_pass, stage.on_fail) for stage in pipeline.stages}
    reached, front = {pipeline.initial}, [pipeline.initial]
    while front:
        for target in edges.get(front.pop(), ()):
            if target not in reached:
                reached.add(target)
                front.append(target)
    for name in edges:
        if name not in reached:
            yield BrokenRule(f"stages.{name}", "no way to it", "a stage that can be reached")


def later_is_only_where_nothing_runs(pipeline: PipelineConfig) -> Iterator[BrokenRule]:
    """An active stage's contract consists of what is there."""
    for stage in pipeline.stages:
        for term in (*stage.inputs, *stage.outputs):
            if stage.active and term.kind == "later":
                yield BrokenRule(
                    f"stages.{stage.name}: {term.term}",
                    f"later:{term.target}",
                    "what is there, as the stage is active",
                )


def activity_has_no_holes(pipeline: PipelineConfig) -> Iterator[BrokenRule]:
    """A stage is active only if the one before is, and deployment only with rollback.

    Monitoring begins with paper trading, so it needs that stage and not the live ones.
    """
    active = {stage.name: stage.active for stage in pipeline.stages}
    before_each = [*pairwise(STAGES[: STAGES.index(_MONITORING)]), (_PAPER, _MONITORING)]
    for before, after in before_each:
        if active.get(after) and not active.get(before):
            yield BrokenRule(f"stages.{after}.active", "true", f"false, as {before} is not active")
    if not active.get(STAGES[0]):
        yield BrokenRule(f"stages.{STAGES[0]}.active", "false", "true: the life begins there")
    for stage in pipeline.stages:
        if stage.active and stage.deployed and not active.get(ROLLBACK):
            yield BrokenRule(f"stages.{ROLLBACK}.active", "false", f"true, as {stage.name} is")


def checkpoints_stand_in_front_of_stages(pipeline: PipelineConfig) -> Iterator[BrokenRule]:
    """A stage with a checkpoint requires its condition, and every checkpoint has a stage."""
    stages: dict[str, Stage] = {stage.name: stage for stage in pipeline.stages}
    for checkpoint in pipeline.checkpoints:
        where = f"checkpoints.{checkpoint.name}"
        holders = [s.name for s in pipeline.stages if checkpoint.name in s.checkpoints]
        if not holders:
            yield BrokenRule(where, "no stage that lists it", "at least one")
        for name in holders:
            guarding = [c for conditions in stages[name].guards.values() for c in conditions]
            if checkpoint.condition not in (*stages[name].requires, *guarding):
                yield BrokenRule(
                    f"stages.{name}",
                    f"no {checkpoint.condition} under requires or guards",
                    f"the condition of the checkpoint {checkpoint.name}",
                )
        for name in checkpoint.stages:
            if name in stages and checkpoint.condition not in stages[name].requires:
                yield BrokenRule(
                    f"stages.{name}.requires",
                    f"no {checkpoint.condition}",
                    f"the condition of the checkpoint {checkpoint.name}",
                )
        for name in checkpoint.stages:
            if name not in holders:
                yield BrokenRule(f"stages.{name}.checkpoints", "without it", checkpoint.name)
        if not checkpoint.assets and not checkpoint.stages:
            yield BrokenRule(where, "nothing behind it", "assets or stages that it guards")
        if checkpoint.asset_check.partition(":")[0] != checkpoint.at:
            yield BrokenRule(f"{where}.asset_check", checkpoint.asset_check, checkpoint.at)


def gates_stand_before_deployment(pipeline: PipelineConfig) -> Iterator[BrokenRule]:
    """Every deployed stage is behind one and the same checkpoint."""
    deployed = {stage.name for stage in pipeline.stages if stage.deployed}
    if not any(deployed <= set(checkpoint.stages) for checkpoint in pipeline.checkpoints):
        yield BrokenRule("checkpoints", "none before every deployed stage", "a promotion gate")


RULES: Final[tuple[Rule, ...]] = (
    stages_are_the_nine,
    names_are_known,
    guards_stand_before_outputs,
    nothing_is_listed_twice,
    every_stage_can_be_reached,
    what_trades_is_deployed,
    a_pass_leads_to_the_next_stage,
    a_failure_leads_back,
    new_evidence_leads_back_unless_deployed,
    later_is_only_where_nothing_runs,
    activity_has_no_holes,
    checkpoints_stand_in_front_of_stages,
    gates_stand_before_deployment,
)
