"""Synthetic bars on which every plugin is examined: seeded, small, and nasty on purpose.

No market is modelled here. Each panel makes one habit of bad strategies show: a trend makes
positions, jumps make limits bind, gaps and standstills test the missing and stale rules,
one symbol and thirty test what divides by their number.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.candidates.strategy import FEATURES, BarPanel, Floats

EXAMINED_BARS: Final = 320
"""Bars after the warm-up: more than a year, so that every month and weekday occurs."""

_FIRST_DAY: Final = np.datetime64("2001-01-01", "D")
_THURSDAY: Final = 3  # 1970-01-01 was a Thursday; Monday is 0


@dataclass(frozen=True)
class ExaminationPanel:
    """A panel and what it is called in results."""

    name: str
    bars: BarPanel


def examination_panels(warm_up_bars: int) -> tuple[ExaminationPanel, ...]:
    """Return the panels for a plugin that needs `warm_up_bars` bars before it acts.

    Parameters
    ----------
    warm_up_bars : int
        At least 0. Each panel has `EXAMINED_BARS` bars more than this.
    """
    n_bars = warm_up_bars + EXAMINED_BARS
    return (
        ExaminationPanel("trending", _panel(_trending(n_bars, 5), seed=11)),
        ExaminationPanel("volatile", _panel(_volatile(n_bars, 5), seed=12)),
        ExaminationPanel("with gaps", _with_gaps(_panel(_volatile(n_bars, 5), 13), warm_up_bars)),
        ExaminationPanel(
            "with standstills", _with_standstills(_panel(_trending(n_bars, 5), 14), warm_up_bars)
        ),
        ExaminationPanel("one symbol", _panel(_trending(n_bars, 1), seed=15)),
        ExaminationPanel("thirty symbols", _panel(_trending(n_bars, 30), seed=16)),
    )


def sessions(n_bars: int) -> npt.NDArray[np.datetime64]:
    """Labels of `n_bars` consecutive Mondays to Fridays, midnight UTC."""
    days = _FIRST_DAY + np.arange(2 * n_bars + 7)
    weekday = (days.astype(np.int64) + _THURSDAY) % 7
    return days[weekday < 5][:n_bars].astype("datetime64[us]")


def _trending(n_bars: int, n_symbols: int) -> Floats:
    """Return returns with a drift per symbol, from falling to rising; waves make trends turn."""
    rng = np.random.default_rng(1)
    drift = np.linspace(-0.001, 0.002, n_symbols) if n_symbols > 1 else np.array([0.001])
    wave = np.where((np.arange(n_bars) // 45) % 2 == 0, 0.002, -0.0015)
    return drift + wave[:, np.newaxis] + rng.uniform(-0.02, 0.02, (n_bars, n_symbols))


def _volatile(n_bars: int, n_symbols: int) -> Floats:
    """Return returns with jumps of up to a third, and calm stretches between."""
    rng = np.random.default_rng(2)
    calm = rng.uniform(-0.015, 0.015, (n_bars, n_symbols))
    jumps = rng.uniform(-0.3, 0.3, (n_bars, n_symbols))
    return np.where(rng.uniform(size=calm.shape) < 0.08, jumps, calm)


def _panel(returns: Floats, seed: int) -> BarPanel:
    """Bars around a price path; symbol 0 splits two for one in the middle."""
    rng = np.random.default_rng(seed)
    n_bars, n_symbols = returns.shape
    adjusted = np.full(returns.shape, 40.0)
    adjusted *= np.cumprod(1.0 + returns, axis=0)
    unsplit = np.ones_like(adjusted)
    unsplit[: n_bars // 2, 0] = 2.0
    opened = adjusted / (1.0 + returns * rng.uniform(0.0, 1.0, returns.shape))
    reach = rng.uniform(0.0, 0.01, returns.shape)
    return BarPanel(
        times=sessions(n_bars),
        symbols=tuple(f"S{i:02d}" for i in range(n_symbols)),
        open=opened * unsplit,
        high=np.maximum(opened, adjusted) * (1.0 + reach) * unsplit,
        low=np.minimum(opened, adjusted) * (1.0 - reach) * unsplit,
        close=adjusted * unsplit,
        adjusted_close=adjusted,
        volume=np.floor(rng.uniform(1e5, 1e7, returns.shape)),
    )


def _with_gaps(bars: BarPanel, warm_up: int) -> BarPanel:
    """Single bars and stretches missing, one symbol listed late, one delisted."""
    n_bars = bars.n_bars
    missing = np.zeros((n_bars, bars.n_symbols), dtype=np.bool_)
    missing[7::29, 1] = True
    missing[warm_up + 60 : warm_up + 75, 2] = True
    missing[: min(n_bars // 3, warm_up + 40), 3] = True
    missing[warm_up + 200 :, 4] = True
    return _multiplied(bars, np.where(missing, np.nan, 1.0))


def _with_standstills(bars: BarPanel, warm_up: int) -> BarPanel:
    """Prices that stop for weeks, with a missing bar inside, and one that stops for good."""
    row = np.repeat(np.arange(bars.n_bars)[:, np.newaxis], bars.n_symbols, axis=1)
    row[warm_up + 40 : warm_up + 80, 1] = warm_up + 39
    row[warm_up + 150 :, 2] = warm_up + 149
    row[warm_up + 100 : warm_up + 107, 4] = warm_up + 99
    stopped = bars.with_fields(
        {name: np.take_along_axis(getattr(bars, name), row, axis=0) for name in FEATURES}
    )
    present = np.ones(row.shape)
    present[warm_up + 60, 1] = np.nan
    return _multiplied(stopped, present)


def _multiplied(bars: BarPanel, factor: Floats) -> BarPanel:
    """Multiply all fields, so that a NaN in `factor` takes the whole bar away."""
    return bars.with_fields({name: getattr(bars, name) * factor for name in FEATURES})
