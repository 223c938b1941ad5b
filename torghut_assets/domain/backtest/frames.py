"""Tables of a run, ready to be stored as Parquet: path, grid returns, weights.

A table is a function of the run alone, so its bytes, and with them its digest, repeat.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.backtest.metrics import drawdowns, equity_curve
from torghut_assets.domain.backtest.regimes import label_regimes
from torghut_assets.domain.backtest.walk_forward_run import WalkForwardRun
from torghut_assets.domain.candidates.strategy import Floats
from torghut_assets.domain.digests import canonical_json

if TYPE_CHECKING:
    import pyarrow as pa


def path_frame(run: WalkForwardRun) -> "pa.Table":
    """Return the out-of-sample path, one row per bar.

    Columns: `session` (date), `time` (UTC), `net_return`, `gross_return`, `cost_fraction`,
    `turnover`, `gross_exposure`, `equity` (1 before the first row), `drawdown` (0 or more),
    `fold` (from 1), `volatility_regime`, `trend_regime` (known at the previous close).
    """
    import pyarrow as pa

    bars = slice(*run.out_of_sample)
    path = run.stitched
    net = path.net_return[bars]
    labels = label_regimes(run.market, run.plan.settings.regime_window_bars)
    folds = np.concatenate(
        [
            np.full(choice.fold.test_end - choice.fold.test_start, choice.fold.number, np.int32)
            for choice in run.choices
        ]
    )
    return pa.table(
        {
            **_time_columns(run.market.times[bars]),
            "net_return": net,
            "gross_return": path.gross_return[bars],
            "cost_fraction": path.cost_fraction[bars],
            "turnover": path.turnover[bars],
            "gross_exposure": path.gross_exposure[bars],
            "equity": equity_curve(net),
            "drawdown": drawdowns(net),
            "fold": folds,
            "volatility_regime": pa.array(labels.volatility[bars].tolist(), pa.string()),
            "trend_regime": pa.array(labels.trend[bars].tolist(), pa.string()),
        }
    )


def grid_returns_frame(run: WalkForwardRun) -> "pa.Table":
    """Return net returns of every grid point from the first train bar to the last test bar.

    One row per bar: `session`, `time`, then `point_00000` (the declared point) and so on. The
    schema metadata `points` holds the parameters of each, as canonical JSON, and
    `out_of_sample` the rows `[start, end)` of the test windows.
    """
    import pyarrow as pa

    first = run.choices[0].fold.train_start
    start, end = run.out_of_sample
    columns = _time_columns(run.market.times[first:end])
    for index, returns in enumerate(run.grid_returns):
        columns[f"point_{index:05d}"] = pa.array(returns[first:end])
    metadata = {
        "points": canonical_json([dict(point) for point in run.points]),
        "out_of_sample": canonical_json([start - first, end - first]),
    }
    return pa.table(columns).replace_schema_metadata(metadata)


def grid_returns_matrix(frame: "pa.Table") -> Floats:
    """Net returns of a `grid_returns_frame`, shape (n_bars, n_points)."""
    names = [name for name in frame.column_names if name.startswith("point_")]
    return np.column_stack([frame.column(name).to_numpy() for name in names])


def weights_frame(
    times: npt.NDArray[np.datetime64], symbols: tuple[str, ...], weights: Floats
) -> "pa.Table":
    """Return decided weights, one row per bar and one column per symbol."""
    import pyarrow as pa

    columns = _time_columns(times)
    for index, symbol in enumerate(symbols):
        columns[symbol] = pa.array(np.ascontiguousarray(weights[:, index]))
    return pa.table(columns)


def _time_columns(times: npt.NDArray[np.datetime64]) -> "dict[str, pa.Array]":
    import pyarrow as pa

    return {
        "session": pa.array(times.astype("datetime64[D]"), pa.date32()),
        "time": pa.array(times.astype("datetime64[us]"), pa.timestamp("us", tz="UTC")),
    }
