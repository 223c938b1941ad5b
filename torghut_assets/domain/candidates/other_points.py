"""Do the other points of the grid keep the contract too? The walk-forward may choose any of them.

The full suite runs on the declared point. A plugin could behave there and peek behind a switch
that only another point turns on, so each other point gets a short examination: two nasty panels,
eight cuts and a changed future on each, finite weights, warm-up, missing bars and the gross limit.
"""

from typing import Final

import numpy as np

from torghut_assets.domain.candidates.examinee import ContractViolationError, Examinee
from torghut_assets.domain.candidates.look_ahead import expect_same_rows, with_another_future
from torghut_assets.domain.candidates.panels import ExaminationPanel, examination_panels
from torghut_assets.domain.candidates.strategy import Strategy, StrategyParameters

MAX_POINTS: Final = 200
"""Points examined; of a larger grid as many, spread evenly over its order."""

_PANELS: Final = ("volatile", "with gaps")
_CUTS: Final = 8
_ROUNDING: Final = 1e-9


def check_other_points(strategy: Strategy, points: tuple[StrategyParameters, ...]) -> str:
    """Return how many points were examined.

    Parameters
    ----------
    strategy : Strategy
        The plugin; its `max_gross` was found to be a sensible number before.
    points : tuple of StrategyParameters
        Accepted points of the grid other than the declared one; may be empty.

    Raises
    ------
    ContractViolationError
        With the first point that breaks the contract, and how.
    """
    if not points:
        return "the declared point is the only one"
    spread = np.linspace(0, len(points) - 1, min(len(points), MAX_POINTS)).astype(np.int64)
    chosen = [points[i] for i in spread.tolist()]
    examinees = [Examinee(strategy, point) for point in chosen]
    longest = max(examinee.warm_up_bars for examinee in examinees)
    panels = tuple(p for p in examination_panels(longest) if p.name in _PANELS)
    for examinee in examinees:
        for panel in panels:
            _check_point(examinee, panel, longest)
    return f"{len(chosen)} of {len(points)} other points, {_CUTS} cuts on {len(panels)} panels each"


def _check_point(examinee: Examinee, panel: ExaminationPanel, longest_warm_up: int) -> None:
    bars = panel.bars
    where = f"{examinee.parameters!r}, {panel.name} panel"
    whole = examinee.weights(bars.read_only(), where=where)
    gross = np.abs(whole).sum(axis=1)  # NaN and infinity fail the comparison below
    broken = {
        f"a gross of at most {examinee.strategy.max_gross}, all finite": ~(
            gross <= examinee.strategy.max_gross + _ROUNDING
        ),
        "0 where the bar is missing": ((whole != 0.0) & np.isnan(bars.close)).any(axis=1),
        f"0 before bar {examinee.warm_up_bars}": (whole != 0.0).any(axis=1)
        & (np.arange(bars.n_bars) < examinee.warm_up_bars),
    }
    for expected, rows in broken.items():
        if rows.any():
            row = int(np.flatnonzero(rows)[0])
            raise ContractViolationError(
                location=f"{where}, row {row}", found="other weights", expected=expected
            )
    cuts = np.linspace(longest_warm_up, bars.n_bars - 2, _CUTS).astype(np.int64).tolist()
    for t in cuts:
        at = f"{where} cut after bar {t}"
        part = examinee.weights(bars.until(t + 1).read_only(), where=at)
        expect_same_rows(part, whole[: t + 1], at)
    t = cuts[_CUTS // 2]
    at = f"{where} with other bars after {t}"
    other = examinee.weights(with_another_future(bars, t).read_only(), where=at)
    expect_same_rows(other[: t + 1], whole[: t + 1], at)
