"""The grid's Sharpe ratios as a surface over its two widest parameters, to be looked at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from torghut_assets.domain.backtest.overfit_sample import GridSample, ratios_of
from torghut_assets.domain.backtest.walk_forward_run import Point
from torghut_assets.domain.candidates.records import ParameterValue
from torghut_assets.domain.candidates.strategy import Floats


@dataclass(frozen=True)
class Axis:
    """A parameter and its values in the grid, ascending."""

    name: str
    values: tuple[ParameterValue, ...]


@dataclass(frozen=True)
class ParameterSurface:
    """Mean Sharpe ratio per bar at each pair of values.

    Attributes
    ----------
    across, down : Axis
        The parameters with most and second most values; `down` is `None` if only one varies.
    sharpe_per_bar : ndarray of float64, shape (len(down.values) or 1, len(across.values))
        Mean over all points with these two values, NaN where the grid has no point.
    declared : (int, int)
        Column and row of the declared point.
    """

    across: Axis
    down: Axis | None
    sharpe_per_bar: Floats
    declared: tuple[int, int]


def parameter_surface(sample: GridSample) -> ParameterSurface | None:
    """Arrange a grid's ratios; `None` if no parameter varies. Ties go by name."""
    points = sample.points
    axes = [axis for axis in (_axis(points, name) for name in sorted(points[0])) if axis.values[1:]]
    if not axes:
        return None
    widest = sorted(axes, key=lambda axis: -len(axis.values))[:2]
    across, down = widest[0], widest[1] if len(widest) > 1 else None
    columns = [across.values.index(point[across.name]) for point in points]
    rows = [down.values.index(point[down.name]) if down else 0 for point in points]
    shape = (len(down.values) if down else 1, len(across.values))
    total, number = np.zeros(shape), np.zeros(shape)
    np.add.at(total, (rows, columns), ratios_of(sample.returns))
    np.add.at(number, (rows, columns), 1.0)
    mean = np.divide(total, number, out=np.full(shape, np.nan), where=number > 0)
    return ParameterSurface(across, down, mean, (columns[0], rows[0]))


def _axis(points: Sequence[Point], name: str) -> Axis:
    values = {point[name] for point in points}
    return Axis(name, tuple(sorted(values, key=_in_order)))


def _in_order(value: ParameterValue) -> tuple[int, float, str]:
    """Numbers and switches by size, before texts by name."""
    return (1, 0.0, value) if isinstance(value, str) else (0, float(value), "")
