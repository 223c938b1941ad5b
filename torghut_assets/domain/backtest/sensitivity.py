"""How much the result depends on the exact parameters: a narrow peak is luck."""

from collections.abc import Sequence

import numpy as np

from torghut_assets.domain.backtest.metrics import annualized, sharpe_per_bar
from torghut_assets.domain.backtest.records import SensitivityResult
from torghut_assets.domain.backtest.walk_forward_run import Point, WalkForwardRun
from torghut_assets.domain.candidates.records import ParameterValue


def sensitivity(run: WalkForwardRun) -> SensitivityResult:
    """Compare the declared point with its neighbours over the out-of-sample bars.

    Each point is traded alone with fixed parameters. A neighbour without a defined ratio counts as
    the worst: the median and the worst are then `None`. `grid_share_positive` is the share of
    all points with a positive mean net return.
    """
    periods = run.plan.settings.periods_per_year
    start, end = run.out_of_sample
    tested = run.grid_returns[:, start:end]
    near = neighbours(run.points)
    ratios = [sharpe_per_bar(tested[index]) for index in near]
    defined = [ratio for ratio in ratios if ratio is not None]
    complete = bool(defined) and len(defined) == len(ratios)
    return SensitivityResult(
        declared_sharpe_annual=annualized(sharpe_per_bar(tested[0]), periods),
        neighbours=len(near),
        neighbour_median_sharpe_annual=(
            annualized(float(np.median(defined)), periods) if complete else None
        ),
        neighbour_worst_sharpe_annual=annualized(min(defined), periods) if complete else None,
        grid_share_positive=float((tested.mean(axis=1) > 0).mean()),
    )


def neighbours(points: Sequence[Point], of: int = 0) -> tuple[int, ...]:
    """Find the points that are one step in one parameter away.

    A step in a number goes to the next lower or higher value that any point has; a step in a text
    or a switch goes to any other value.

    Parameters
    ----------
    points : sequence of mappings
        All with the same parameters.
    of : int
        Index of the point in the middle.

    Returns
    -------
    tuple of int
        Indices, ascending.
    """
    centre = points[of]
    scales = {name: _scale([point[name] for point in points]) for name in centre}
    return tuple(
        index
        for index, point in enumerate(points)
        if sum(_steps(centre[name], point[name], scales[name]) for name in centre) == 1
    )


def _scale(values: list[ParameterValue]) -> list[float]:
    """Distinct numbers among the values, ascending."""
    return sorted({float(v) for v in values if not isinstance(v, str | bool)})


def _steps(one: ParameterValue, other: ParameterValue, scale: list[float]) -> int:
    """Distance between two values of a parameter in steps."""
    if isinstance(one, str | bool) or isinstance(other, str | bool):
        return int(type(one) is not type(other) or one != other)
    return abs(scale.index(float(one)) - scale.index(float(other)))
