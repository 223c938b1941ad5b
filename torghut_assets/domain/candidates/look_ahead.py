"""Does a plugin use the future? Two tests: take later bars away, and change them.

Both compare every row up to the cut, not only the last one: a plugin that rewrites its past
when new bars arrive is as wrong as one that peeks.
"""

from typing import Final

import numpy as np

from torghut_assets.domain.candidates.examinee import ContractViolationError, Examinee
from torghut_assets.domain.candidates.panels import ExaminationPanel
from torghut_assets.domain.candidates.strategy import FEATURES, BarPanel, Floats
from torghut_assets.domain.candidates.truncation import rows_that_differ

CUT_POINTS: Final = 60
CHANGED_FUTURES: Final = 12
SLACK: Final = 1e-12
"""Largest difference of a weight that counts as none: summation order, not knowledge."""


def cut_points(n_bars: int, warm_up_bars: int) -> tuple[int, ...]:
    """Bars after which data are cut: the edges of the warm-up and at least 50 beyond it."""
    edges = {0, warm_up_bars - 1, warm_up_bars, warm_up_bars + 1}
    spread = np.linspace(warm_up_bars, n_bars - 2, CUT_POINTS).astype(np.int64)
    return tuple(sorted(t for t in edges | set(spread.tolist()) if 0 <= t <= n_bars - 2))


def check_truncation(
    examinee: Examinee, panels: tuple[ExaminationPanel, ...], weights: tuple[Floats, ...]
) -> str:
    """Weights on `bars[: t + 1]` must be the first t + 1 rows of the weights on all bars.

    Parameters
    ----------
    panels, weights : tuples of equal length
        `weights[i]` is what the plugin returned on all bars of `panels[i]`.

    Raises
    ------
    ContractViolationError
        With the panel, the cut and the first row that changed.
    """
    cuts = 0
    for panel, whole in zip(panels, weights, strict=True):
        for t in cut_points(panel.bars.n_bars, examinee.warm_up_bars):
            where = f"{panel.name} panel cut after bar {t}"
            part = examinee.weights(panel.bars.until(t + 1).read_only(), where=where)
            expect_same_rows(part, whole[: t + 1], where)
            cuts += 1
    return f"{cuts} cuts on {len(panels)} panels, every row up to each cut the same"


def check_changed_future(
    examinee: Examinee, panels: tuple[ExaminationPanel, ...], weights: tuple[Floats, ...]
) -> str:
    """Weights up to t must not change when all bars after t do.

    Parameters and errors as for `check_truncation`.
    """
    futures = 0
    for panel, whole in zip(panels, weights, strict=True):
        points = cut_points(panel.bars.n_bars, examinee.warm_up_bars)
        for t in points[:: max(1, len(points) // CHANGED_FUTURES)]:
            where = f"{panel.name} panel with other bars after {t}"
            other = examinee.weights(with_another_future(panel.bars, t).read_only(), where=where)
            expect_same_rows(other[: t + 1], whole[: t + 1], where)
            futures += 1
    return f"{futures} changed futures on {len(panels)} panels, no earlier row changed"


def with_another_future(bars: BarPanel, t: int) -> BarPanel:
    """Change every bar after t: prices halve and swing, volumes shrink, a few go missing."""
    n_later = bars.n_bars - t - 1
    swing = np.where(np.arange(n_later) % 3 == 0, 0.35, 0.65)[:, np.newaxis]
    factor = np.repeat(swing, bars.n_symbols, axis=1)
    factor[4::11] = np.nan
    changed = {}
    for name in FEATURES:
        field = getattr(bars, name).copy()
        field[t + 1 :] *= factor
        changed[name] = field
    return bars.with_fields(changed)


def expect_same_rows(found: Floats, expected: Floats, where: str) -> None:
    """Raise with the first row in which two sets of weights differ by more than `SLACK`."""
    differing = rows_that_differ(found, expected, slack=SLACK)
    if differing.size:
        row = int(differing[0])
        gap = np.abs(found[row] - expected[row])
        symbol = int(np.nanargmax(gap)) if np.isfinite(gap).any() else 0
        raise ContractViolationError(
            location=f"{where}, row {row}",
            found=f"weight {found[row, symbol]:.6g}",
            expected=f"{expected[row, symbol]:.6g} as on all bars ({differing.size} rows differ)",
        )
