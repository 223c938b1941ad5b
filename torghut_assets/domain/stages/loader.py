"""Load the pipeline file: its form, its rules, and its match with the conditions' functions."""

from collections.abc import Iterator

from torghut_assets.domain.candidates.records import CandidateSpec
from torghut_assets.domain.stages.conditions import CONDITIONS, DECLARED
from torghut_assets.domain.stages.config import PipelineConfig, PipelineRefusedError, parse_pipeline
from torghut_assets.domain.stages.rules import RULES, BrokenRule


def load_pipeline(payload: bytes, *, location: str = "pipeline.yaml") -> PipelineConfig:
    """Return the pipeline that a file describes, or refuse it at the first broken rule.

    Raises
    ------
    DocumentRefusedError, BadInputError
        If the document is not plain data of the right form.
    PipelineRefusedError
        If a rule is broken; the message names the stage, the field and the rule.
    """
    pipeline = parse_pipeline(payload, location=location)
    for broken in broken_rules(pipeline):
        raise PipelineRefusedError(
            location=f"{location}: {broken.where}",
            found=broken.found,
            expected=broken.expected,
            action="Correct the file; `torghut dag validate` says whether it holds.",
        )
    return pipeline


def broken_rules(pipeline: PipelineConfig) -> tuple[BrokenRule, ...]:
    """Return everything that a pipeline breaks by itself."""
    found = [broken for rule in RULES for broken in rule(pipeline)]
    return (*found, *conditions_match_their_functions(pipeline), *submissions_exist(pipeline))


def conditions_match_their_functions(pipeline: PipelineConfig) -> Iterator[BrokenRule]:
    """Every condition stands in exactly the stages that its function is for."""
    places = {name: condition.places for name, condition in CONDITIONS.items()} | DECLARED
    for stage in pipeline.stages:
        sides = {"requires": stage.requires, "ensures": stage.ensures}
        sides |= {f"guards.{asset}": named for asset, named in stage.guards.items()}
        for name, side in sorted({place for at in places.values() for place in at}):
            if name == stage.name:
                sides.setdefault(side, ())
        for side, conditions in sides.items():
            where, named = f"stages.{stage.name}.{side}", set(conditions)
            wanted = {n for n, at in places.items() if (stage.name, side) in at}
            for name in sorted(named - wanted):
                known = "a condition of this stage" if name in places else "a known condition"
                yield BrokenRule(where, name, known)
            for name in sorted(named & set(DECLARED)) if stage.active else ():
                yield BrokenRule(where, name, "a condition with a function, as the stage is active")
            for name in sorted(wanted - named):
                yield BrokenRule(where, f"no {name}", f"{name}, which has a place here")


def submissions_exist(pipeline: PipelineConfig) -> Iterator[BrokenRule]:
    """What a contract says of the submitted file is a field of it."""
    for stage in pipeline.stages:
        for term in (*stage.inputs, *stage.outputs):
            if term.kind == "submission" and term.target not in CandidateSpec.model_fields:
                yield BrokenRule(
                    f"stages.{stage.name}: {term.term}", term.target, "a field of a candidate file"
                )
