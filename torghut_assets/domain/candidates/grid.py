"""Every parameter combination that an evaluation tries, in one fixed order.

The declared point comes first, then the grid with names in alphabetical order and values in
listed order, the last name varying fastest. A combination that the plugin's own model
refuses (a fast window that is not faster than the slow one) is left out and counted.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from torghut_assets.domain.candidates.records import CandidateSpec, ParameterValue
from torghut_assets.domain.candidates.strategy import StrategyParameters
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.records import first_problem

MAX_GRID_POINTS = 10_000
"""Largest product of a candidate's grid; evaluation settings may allow less."""


@dataclass(frozen=True)
class ParameterGrid:
    """The points of a candidate's grid that its plugin accepts.

    Attributes
    ----------
    models : tuple of StrategyParameters
        What `Strategy.target_weights` takes, the declared point first.
    points : tuple of dict
        The same as plain values, every parameter named, defaults included.
    refused : int
        Combinations of the grid that the plugin's model refused.
    """

    models: tuple[StrategyParameters, ...]
    points: tuple[dict[str, ParameterValue], ...]
    refused: int


def declared_parameters(
    spec: CandidateSpec, parameters_type: type[StrategyParameters]
) -> StrategyParameters:
    """Return the declared point as the plugin's parameter model.

    Raises
    ------
    BadInputError
        If the plugin's model refuses it; the first problem is named.
    """
    try:
        return parameters_type.model_validate(spec.parameters)
    except ValidationError as error:
        raise BadInputError(
            location=f"candidate {spec.candidate_id} parameters",
            found=first_problem(error),
            expected=f"parameters that {spec.strategy.type} {spec.strategy.version} accepts",
            action=f"It knows: {', '.join(parameters_type.model_fields)}.",
        ) from error


def parameter_grid(spec: CandidateSpec, parameters_type: type[StrategyParameters]) -> ParameterGrid:
    """Return the declared point and then every other accepted point of the grid.

    Parameters
    ----------
    spec : CandidateSpec
        Its grid may have at most `MAX_GRID_POINTS` combinations.
    parameters_type : type of StrategyParameters
        The plugin's model; it decides which combinations exist.

    Raises
    ------
    BadInputError
        If the plugin refuses the declared point, the grid is too large, or the grid names
        a parameter that the plugin does not have.
    """
    if spec.grid_points > MAX_GRID_POINTS:
        raise BadInputError(
            location=f"candidate {spec.candidate_id} parameter_grid",
            found=f"{spec.grid_points} combinations",
            expected=f"at most {MAX_GRID_POINTS}",
            action="Each combination is a trial that makes the evidence weaker; try fewer.",
        )
    if unknown := sorted(set(spec.parameter_grid) - set(parameters_type.model_fields)):
        raise BadInputError(
            location=f"candidate {spec.candidate_id} parameter_grid",
            found=", ".join(unknown),
            expected=f"parameters of {spec.strategy.type}",
            action=f"It knows: {', '.join(parameters_type.model_fields)}.",
        )
    declared = declared_parameters(spec, parameters_type)
    models = [declared]
    points: list[dict[str, ParameterValue]] = [declared.model_dump()]
    refused = 0
    for combination in _combinations(spec):
        try:
            model = parameters_type.model_validate(combination)
        except ValidationError:
            refused += 1
            continue
        if model != declared:
            models.append(model)
            points.append(model.model_dump())
    return ParameterGrid(models=tuple(models), points=tuple(points), refused=refused)


def parameter_points(
    spec: CandidateSpec, parameters_type: type[StrategyParameters]
) -> tuple[dict[str, ParameterValue], ...]:
    """Return `parameter_grid(spec, parameters_type).points`."""
    return parameter_grid(spec, parameters_type).points


def _combinations(spec: CandidateSpec) -> Iterator[dict[str, ParameterValue]]:
    names = sorted(spec.parameter_grid)
    for values in itertools.product(*(spec.parameter_grid[name] for name in names)):
        yield {**spec.parameters, **dict(zip(names, values, strict=True))}
