"""Whether the manifests are complete, and say what the pipeline file says."""

from collections import Counter
from collections.abc import Iterator, Mapping

from torghut_assets.domain.handoff.catalogue import CATALOGUE, DAG, lane_names, split_name
from torghut_assets.domain.handoff.records import AuditValues, ImplementationSpec, LaneValues
from torghut_assets.domain.stages.config import PipelineConfig, Stage, Term

_SHARED = ("repository", "base", "head", "pipeline_config_path")


def completeness(
    dag: ImplementationSpec, lanes: Mapping[str, ImplementationSpec], pipeline: PipelineConfig
) -> tuple[str, ...]:
    """Return everything that is missing from a bundle or contradicts the pipeline.

    Parameters
    ----------
    dag : ImplementationSpec
        The specification of the whole.
    lanes : mapping of str to ImplementationSpec
        What lies beside it, by name.
    pipeline : PipelineConfig
        What the manifests must agree with.
    """
    wrong = [f"the manifest of {name} is missing" for name in lane_names() if name not in lanes]
    carried: Counter[str] = Counter()
    for name, spec in lanes.items():
        wrong += disagreements(spec, pipeline)
        wrong += _apart(dag, spec)
        if isinstance(spec.values, LaneValues):
            carried.update(contract.stage for contract in spec.values.stages)
        if name != spec.name:
            wrong.append(f"the manifest of {spec.name} is filed as {name}")
    for stage in pipeline.stages:
        if carried[stage.name] != 1:
            wrong.append(f"{stage.name} is carried by {carried[stage.name]} lanes, not by one")
    paths = Counter(spec.values.artifact_path for spec in (dag, *lanes.values()))
    for path, count in paths.items():
        if count > 1:
            wrong.append(f"{count} specifications write their artifacts to {path}")
    return tuple(wrong)


def disagreements(spec: ImplementationSpec, pipeline: PipelineConfig) -> tuple[str, ...]:
    """Return what one contract says of its stages that the pipeline does not say."""
    values, found = spec.values, split_name(spec.name)
    expected = CATALOGUE[found[0]].stages if found else ()
    if isinstance(values, LaneValues):
        named = [contract.stage for contract in values.stages]
    elif isinstance(values, AuditValues):
        named = [packed.stage for packed in values.evidence_of]
    else:
        named = []
    wrong = list(_difference(spec.name, "stages", named, expected))
    stages = {stage.name: stage for stage in pipeline.stages}
    for name in named:
        if name not in stages:
            wrong.append(f"{spec.name}: {name} is no stage of the pipeline")
    for label, words, terms in _sides(values, stages):
        wrong += _difference(spec.name, label, words, [term.term for term in terms])
    return tuple(wrong)


def _sides(
    values: object, stages: Mapping[str, Stage]
) -> Iterator[tuple[str, tuple[str, ...], tuple[Term, ...]]]:
    """Yield what a contract lists, next to the terms of the pipeline that it must list."""
    if isinstance(values, LaneValues):
        for contract in values.stages:
            if stage := stages.get(contract.stage):
                yield f"{stage.name} inputs", contract.inputs, stage.inputs
                yield f"{stage.name} outputs", contract.outputs, stage.outputs
    elif isinstance(values, AuditValues):
        for packed in values.evidence_of:
            if stage := stages.get(packed.stage):
                yield f"{stage.name} outputs", packed.outputs, stage.outputs


def _difference(
    name: str, label: str, found: list[str] | tuple[str, ...], expected: tuple[str, ...] | list[str]
) -> Iterator[str]:
    for word in expected:
        if word not in found:
            yield f"{name}: {label} lack {word}, which the pipeline has"
    for word, count in Counter(found).items():
        if word not in expected:
            yield f"{name}: {label} name {word}, which the pipeline has not"
        elif count > 1:
            yield f"{name}: {label} name {word} {count} times"


def _apart(dag: ImplementationSpec, spec: ImplementationSpec) -> Iterator[str]:
    """Yield where a lane is about something else than the whole."""
    if split_name(spec.name) == split_name(dag.name) or spec.name.startswith(f"{DAG}-"):
        yield f"{spec.name} is not a lane"
    for field in _SHARED:
        one, other = getattr(dag.values, field), getattr(spec.values, field)
        if one != other:
            yield f"{spec.name}: {field} is {other}, of the whole it is {one}"
