"""The conformance suite: whether a plugin keeps the strategy contract.

Read `run_conformance` first. It answers with one result per test and never raises because of
what the plugin does. A test that could not run, because the plugin fails on plain input, is
inconclusive; a build passes only if every test passed. The panels are synthetic and seeded
(`panels.py`), so the same plugin always gets the same results.
"""

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.candidates.examinee import ContractViolationError, Examinee
from torghut_assets.domain.candidates.grid_agreement import check_grid_program
from torghut_assets.domain.candidates.look_ahead import check_changed_future, check_truncation
from torghut_assets.domain.candidates.other_points import check_other_points
from torghut_assets.domain.candidates.panels import ExaminationPanel, examination_panels
from torghut_assets.domain.candidates.parameter_bounds import check_parameter_bounds
from torghut_assets.domain.candidates.records import ConformanceResult
from torghut_assets.domain.candidates.strategy import (
    FEATURES,
    STALE_BARS,
    BarPanel,
    Floats,
    Strategy,
    StrategyParameters,
)
from torghut_assets.domain.candidates.truncation import rows_that_differ
from torghut_assets.domain.verdicts import Verdict

MAX_GROSS: Final = 10.0
"""Largest gross limit that a plugin may claim, in multiples of equity."""

LOOK_AHEAD_TESTS: Final = (
    "truncation_invariance",
    "changed_future_changes_nothing",
    "other_points_keep_the_contract",
)

_ROUNDING: Final = 1e-9


def run_conformance(
    strategy: Strategy,
    parameters: StrategyParameters,
    other_points: tuple[StrategyParameters, ...] = (),
) -> tuple[ConformanceResult, ...]:
    """Examine a plugin with one set of parameters.

    Parameters
    ----------
    strategy : Strategy
        The plugin; untrusted: it may raise, lie or change what it is given.
    parameters : StrategyParameters
        The declared point of a candidate.
    other_points : tuple of StrategyParameters
        The rest of its grid, examined more briefly (`other_points.py`).

    Returns
    -------
    tuple of ConformanceResult
        One per test, always the same tests in the same order.
    """
    results = [_result("parameters_are_bounded", lambda: check_parameter_bounds(parameters))]
    try:
        examinee = Examinee(strategy, parameters)
    except ContractViolationError as violation:
        results.append(_failed("warm_up_is_stated", violation))
        return (*results, *_not_run(("inputs_are_not_changed", "returns_weights", *_LATER)))
    results.append(
        ConformanceResult(
            test="warm_up_is_stated",
            verdict=Verdict.PASS,
            detail=f"{examinee.warm_up_bars} bars",
        )
    )
    panels = examination_panels(examinee.warm_up_bars)
    results.append(
        _result("inputs_are_not_changed", lambda: _inputs_are_not_changed(examinee, panels))
    )
    try:
        weights = tuple(
            examinee.weights(panel.bars.read_only(), where=f"{panel.name} panel")
            for panel in panels
        )
    except ContractViolationError as violation:
        return (*results, _failed("returns_weights", violation), *_not_run(_LATER))
    results.append(
        ConformanceResult(
            test="returns_weights",
            verdict=Verdict.PASS,
            detail=f"float64 of the panel's shape on {len(panels)} panels",
        )
    )
    for name, test in _TESTS.items():
        results.append(_result(name, lambda test=test: test(examinee, panels, weights)))  # type: ignore[misc]
    results.append(_result(_OTHER_POINTS, lambda: check_other_points(strategy, other_points)))
    points = (parameters, *other_points)
    results.append(_result(_GRID_PROGRAM, lambda: check_grid_program(strategy, points)))
    return tuple(results)


def _failed(test: str, violation: ContractViolationError) -> ConformanceResult:
    return ConformanceResult(test=test, verdict=Verdict.FAIL, detail=str(violation))


def _not_run(tests: tuple[str, ...]) -> tuple[ConformanceResult, ...]:
    detail = "not run: the plugin fails on plain input, see the failed test before"
    return tuple(
        ConformanceResult(test=test, verdict=Verdict.INCONCLUSIVE, detail=detail) for test in tests
    )


def _result(test: str, examine: Callable[[], str]) -> ConformanceResult:
    try:
        detail = examine()
    except ContractViolationError as violation:
        return _failed(test, violation)
    return ConformanceResult(test=test, verdict=Verdict.PASS, detail=detail)


Panels = tuple[ExaminationPanel, ...]
Weights = tuple[Floats, ...]


def _inputs_are_not_changed(examinee: Examinee, panels: Panels) -> str:
    """Give writable copies and compare every byte, before and after."""
    for panel in panels:
        names = ("times", *FEATURES)
        copies = {name: getattr(panel.bars, name).copy() for name in names}
        bars = BarPanel(symbols=panel.bars.symbols, **copies)
        examinee.weights(bars, where=f"{panel.name} panel, writable")
        for name in names:
            if copies[name].tobytes() != getattr(panel.bars, name).tobytes():
                raise ContractViolationError(
                    location=f"{panel.name} panel, field {name}",
                    found="other values after the call",
                    expected="an input that was only read",
                )
    return f"every field of {len(panels)} panels as before"


def _weights_are_finite(_: Examinee, panels: Panels, weights: Weights) -> str:
    for panel, found in zip(panels, weights, strict=True):
        _expect(np.isfinite(found), found, panel.name, "a finite weight")
    return f"{sum(found.size for found in weights)} weights"


def _same_input_same_bytes(examinee: Examinee, panels: Panels, weights: Weights) -> str:
    """Ask again after all other panels were seen: also catches state that is carried over."""
    for panel, first in zip(panels, weights, strict=True):
        again = examinee.weights(panel.bars.read_only(), where=f"{panel.name} panel again")
        if again.tobytes() != first.tobytes():
            rows = rows_that_differ(again, first, slack=0.0)
            raise ContractViolationError(
                location=f"{panel.name} panel, second call",
                found=f"other weights in {rows.size} rows",
                expected="the same bytes as the first time",
            )
    return f"{len(panels)} panels twice"


def _warm_up_emits_nothing(examinee: Examinee, panels: Panels, weights: Weights) -> str:
    for panel, found in zip(panels, weights, strict=True):
        early = found[: examinee.warm_up_bars]
        _expect(early == 0.0, early, panel.name, f"0 before bar {examinee.warm_up_bars}")
    return f"nothing in the first {examinee.warm_up_bars} rows of {len(panels)} panels"


def _missing_bars_get_no_weight(_: Examinee, panels: Panels, weights: Weights) -> str:
    cells = 0
    for panel, found in zip(panels, weights, strict=True):
        missing = np.isnan(panel.bars.close)
        _expect(~missing | (found == 0.0), found, panel.name, "0 where the bar is missing")
        cells += int(missing.sum())
    return f"{cells} missing bars"


def _stale_symbols_get_no_weight(_: Examinee, panels: Panels, weights: Weights) -> str:
    cells = 0
    for panel, found in zip(panels, weights, strict=True):
        stale = _stale_cells(panel.bars.close)
        _expect(~stale | (found == 0.0), found, panel.name, f"0 after {STALE_BARS} unchanged bars")
        cells += int(stale.sum())
    return f"{cells} bars with a stale close"


def _gross_within_limit(examinee: Examinee, panels: Panels, weights: Weights) -> str:
    limit: Any = examinee.strategy.max_gross
    if not (type(limit) in (int, float) and math.isfinite(limit) and 0.0 < limit <= MAX_GROSS):
        raise ContractViolationError(
            location="max_gross",
            found=ascii(limit)[:40],
            expected=f"a number above 0 and at most {MAX_GROSS}",
        )
    worst = 0.0
    for panel, found in zip(panels, weights, strict=True):
        gross = np.abs(found).sum(axis=1)[:, np.newaxis]
        _expect(gross <= limit + _ROUNDING, gross, panel.name, f"a gross of at most {limit}")
        worst = max(worst, float(gross.max()))
    return f"highest gross {worst:.6g}, limit {limit:g}"


def _declared_features_suffice(examinee: Examinee, panels: Panels, weights: Weights) -> str:
    """Take away every field that the plugin does not declare; nothing may change."""
    declared: Any = examinee.strategy.required_features
    if not isinstance(declared, tuple) or not set(declared) <= set(FEATURES) or not declared:
        raise ContractViolationError(
            location="required_features",
            found=ascii(declared)[:80],
            expected=f"a tuple of some of {', '.join(FEATURES)}",
        )
    spared = [name for name in FEATURES if name not in declared]
    for panel, first in zip(panels, weights, strict=True):
        nothing = np.full(first.shape, np.nan)
        bars = panel.bars.with_fields(dict.fromkeys(spared, nothing)).read_only()
        found = examinee.weights(bars, where=f"{panel.name} panel without {', '.join(spared)}")
        if found.tobytes() != first.tobytes():
            raise ContractViolationError(
                location=f"{panel.name} panel without {', '.join(spared)}",
                found="other weights",
                expected="the same: declare every field that is read in required_features",
            )
    return f"{', '.join(declared)} are all that is read"


def _takes_positions(_: Examinee, panels: Panels, weights: Weights) -> str:
    """Without any position the other tests would say nothing."""
    rows = sum(int((found != 0.0).any(axis=1).sum()) for found in weights)
    if rows == 0:
        raise ContractViolationError(
            location=f"all {len(panels)} panels",
            found="no weight other than 0",
            expected="some position, or the other tests prove nothing",
            action="Check the parameters: do they ever trade?",
        )
    return f"a position in {rows} of {sum(len(found) for found in weights)} rows"


_TESTS: Final[dict[str, Callable[[Examinee, Panels, Weights], str]]] = {
    "weights_are_finite": _weights_are_finite,
    "takes_positions": _takes_positions,
    "same_input_same_bytes": _same_input_same_bytes,
    "truncation_invariance": check_truncation,
    "changed_future_changes_nothing": check_changed_future,
    "warm_up_emits_nothing": _warm_up_emits_nothing,
    "missing_bars_get_no_weight": _missing_bars_get_no_weight,
    "stale_symbols_get_no_weight": _stale_symbols_get_no_weight,
    "gross_within_limit": _gross_within_limit,
    "declared_features_suffice": _declared_features_suffice,
}

_OTHER_POINTS: Final = "other_points_keep_the_contract"
_GRID_PROGRAM: Final = "grid_program_agrees"
_LATER: Final = (*_TESTS, _OTHER_POINTS, _GRID_PROGRAM)


def _stale_cells(close: Floats) -> npt.NDArray[np.bool_]:
    """Apply the stale rule, bar by bar as `STALE_BARS` words it; plugins have their own code."""
    stale = np.zeros(close.shape, dtype=np.bool_)
    for symbol in range(close.shape[1]):
        known = math.nan
        unchanged = 0
        for t, price in enumerate(close[:, symbol].tolist()):
            unchanged = unchanged + 1 if math.isnan(price) or price == known else 0
            known = known if math.isnan(price) else price
            stale[t, symbol] = unchanged >= STALE_BARS and not math.isnan(known)
    return stale


def _expect(holds: npt.NDArray[np.bool_], found: Floats, panel: str, expected: str) -> None:
    """Raise with the first cell where `holds` is false."""
    broken = np.argwhere(~holds)
    if broken.size:
        row, symbol = (int(i) for i in broken[0])
        raise ContractViolationError(
            location=f"{panel} panel, row {row}, symbol {symbol}",
            found=f"{found[row, symbol]:.6g} (and {len(broken) - 1} more)",
            expected=expected,
        )
