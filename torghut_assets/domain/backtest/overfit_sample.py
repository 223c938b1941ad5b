"""What an evaluation tried, as returns over the bars of its out-of-sample path.

The grid's matrix, the walk-forward path and the ratios of the family's other trials: the
material of `overfit_evidence`, and the simple statistics of it.
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from torghut_assets.domain.backtest.frames import grid_returns_matrix
from torghut_assets.domain.backtest.metrics import annualized, sharpe_per_bar, sharpe_ratios
from torghut_assets.domain.backtest.overfit_records import HoldoutResult, NeighbourhoodSensitivity
from torghut_assets.domain.backtest.sensitivity import neighbours
from torghut_assets.domain.backtest.series import IntArray, is_constant
from torghut_assets.domain.backtest.walk_forward_run import Point
from torghut_assets.domain.candidates.strategy import Floats
from torghut_assets.domain.errors import EvidenceError

if TYPE_CHECKING:
    import pyarrow as pa

_NARROW = 0.5
"""Share of the declared Sharpe ratio below which a neighbour counts as off the peak."""


@dataclass(frozen=True)
class GridSample:
    """What a grid earned, and what else its family tried.

    Attributes
    ----------
    points : tuple of mappings
        Parameters of each grid point, the declared one first.
    returns : ndarray of float64, shape (n_bars, n_points)
        Net return per bar of each point over the out-of-sample bars.
    path : ndarray of float64, shape (n_bars,)
        Net return of the walk-forward path over the same bars.
    family_ratios : ndarray of float64, shape (n_others,)
        Sharpe ratios per bar of the family's other registered trials, each over its own
        out-of-sample bars.
    """

    points: tuple[Point, ...]
    returns: Floats
    path: Floats
    family_ratios: Floats


def grid_sample(
    grid_frame: "pa.Table", path_frame: "pa.Table", family_ratios: Floats
) -> GridSample:
    """Read a sample back from the two frames that `BacktestMetrics` names.

    Raises
    ------
    EvidenceError
        If the frame does not say which points it holds and which rows are out of sample.
    """
    points, returns = out_of_sample_returns(grid_frame)
    return GridSample(
        points=points,
        returns=returns,
        path=np.ascontiguousarray(path_frame.column("net_return").to_numpy()),
        family_ratios=family_ratios,
    )


def out_of_sample_returns(grid_frame: "pa.Table") -> tuple[tuple[Point, ...], Floats]:
    """Points of a `frames.grid_returns_frame`, and their returns out of sample, bars first."""
    metadata = grid_frame.schema.metadata or {}
    try:
        points = tuple(json.loads(metadata[b"points"]))
        start, end = json.loads(metadata[b"out_of_sample"])
    except (KeyError, ValueError, TypeError) as error:
        raise EvidenceError(
            "grid returns frame: its metadata does not name its points and test rows. "
            "Materialize backtest_metrics again."
        ) from error
    return points, np.ascontiguousarray(grid_returns_matrix(grid_frame)[start:end])


def ratios_of(returns: Floats) -> Floats:
    """Sharpe ratio per bar of each column; 0 for one that does not vary, e.g. never traded."""
    return np.nan_to_num(sharpe_ratios(np.ascontiguousarray(returns.T)), nan=0.0)


def trials_variance(sample: GridSample) -> tuple[float, int]:
    """Variance of the Sharpe ratios per bar of all registered trials, and their number.

    A trial that never traded has the ratio 0. A single trial has no variance: that of a ratio
    without skill, ``1 / (T - 1)``, stands in, as if the trials that were only counted had been
    independent of it.

    Returns
    -------
    variance : float
        Per bar, divisor n - 1.
    n_trials : int
        Trials that it is taken over.
    """
    ratios = np.concatenate([ratios_of(sample.returns), sample.family_ratios])
    if ratios.size < 2:
        return 1.0 / (len(sample.path) - 1), int(ratios.size)
    return float(np.var(ratios, ddof=1)), int(ratios.size)


def neighbourhood(sample: GridSample) -> NeighbourhoodSensitivity:
    """Compare the declared point with its neighbours, each traded alone with fixed parameters.

    A neighbour without a ratio counts as narrow, and leaves the median and the worst undefined.
    """
    near = neighbours(sample.points)
    declared = sharpe_per_bar(np.ascontiguousarray(sample.returns[:, 0]))
    if declared is None or declared <= 0 or not near:
        return NeighbourhoodSensitivity(
            neighbours=len(near), median_ratio=None, worst_ratio=None, narrow_peak_ratio=None
        )
    ratios = sharpe_ratios(np.ascontiguousarray(sample.returns[:, near].T)) / declared
    complete = bool(np.isfinite(ratios).all())
    narrow = np.count_nonzero(~(ratios >= _NARROW))
    return NeighbourhoodSensitivity(
        neighbours=len(near),
        median_ratio=float(np.median(ratios)) if complete else None,
        worst_ratio=float(ratios.min()) if complete else None,
        narrow_peak_ratio=float(narrow / len(near)),
    )


def holdout_result(
    net_returns: Floats, periods_per_year: int, receipt_digest: str, looks: int
) -> HoldoutResult:
    """Describe net returns per bar of the final window, shape (n_bars,)."""
    return HoldoutResult(
        n_bars=len(net_returns),
        sharpe_annual=annualized(sharpe_per_bar(net_returns), periods_per_year),
        total_return_fraction=float(np.prod(1.0 + net_returns)) - 1.0,
        receipt_digest=receipt_digest,
        looks=looks,
    )


def varying_columns(returns: Floats) -> IntArray:
    """Columns whose returns vary."""
    varying = [k for k in range(returns.shape[1]) if not is_constant(returns[:, k])]
    return np.array(varying, dtype=np.int64)
