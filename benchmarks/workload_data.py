"""Inputs of the workloads: real prices of 20 names, and 500 names made from them.

The prices are the file `sp500_dataset.csv.gz` inside the package skfolio (BSD licence), read
from where it is installed. Nothing is downloaded.
"""

import gzip
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
SHAPE = (8313, 20)


@dataclass(frozen=True)
class Prices:
    """Adjusted closes, shape (n_bars, n_symbols), without gaps."""

    dates: npt.NDArray[np.datetime64]
    symbols: tuple[str, ...]
    close: Floats

    @property
    def returns(self) -> Floats:
        """Simple returns per bar, 0 in the first row."""
        out = np.zeros_like(self.close)
        out[1:] = self.close[1:] / self.close[:-1] - 1.0
        return out


def px20() -> Prices:
    """Read 20 S&P names, 8,313 sessions from 1990-01-02 to 2022-12-28."""
    spec = importlib.util.find_spec("skfolio")
    if spec is None or spec.origin is None:
        raise SystemExit("px20 needs skfolio: install benchmarks/requirements.lock")
    path = Path(spec.origin).parent / "datasets" / "data" / "sp500_dataset.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        header = handle.readline().strip().split(",")
        rows = [line.strip().split(",") for line in handle]
    close = np.array([row[1:] for row in rows], dtype=np.float64)
    if close.shape != SHAPE or not np.isfinite(close).all():
        raise SystemExit(f"px20: found {close.shape}, expected {SHAPE} without gaps")
    return Prices(np.array([row[0] for row in rows], "datetime64[D]"), tuple(header[1:]), close)


def px500() -> Prices:
    """Make 500 names: base j mod 20, rotated by 331 (j div 20) days, scaled by 1 + 0.05 sin j."""
    base = px20()
    returns = base.returns
    close = np.empty((SHAPE[0], 500))
    for j in range(500):
        rotated = np.roll(returns[:, j % 20], 331 * (j // 20)) * (1.0 + 0.05 * np.sin(j))
        close[:, j] = 100.0 * np.cumprod(1.0 + rotated)
    return Prices(base.dates, tuple(f"S{j:03d}" for j in range(500)), close)


def sweep_grid(n_lookbacks: int, n_volatilities: int) -> list[tuple[int, int]]:
    """Grid of (lookback, volatility window) as the workload defines it."""
    lookbacks = [5 + k * 245 // (n_lookbacks - 1) for k in range(n_lookbacks)]
    windows = [10 + k * 240 // (n_volatilities - 1) for k in range(n_volatilities)]
    return [(lookback, window) for lookback in lookbacks for window in windows]
