"""How each measurement that is more than one field is computed from the records.

Every function takes the evidence and returns `Found`: a value and, where it helps a reader,
what it comes from. Each raises `UnusableEvidenceError` if any value it needs is unusable: an
aggregate over a NaN is never the aggregate over the rest. None divides by what is not positive.
"""

import datetime as dt
from typing import Any, Final, NamedTuple, get_args

from torghut_assets.domain.backtest.folds import incomplete_folds
from torghut_assets.domain.backtest.records import StressName
from torghut_assets.domain.gates import consistency
from torghut_assets.domain.gates.evidence import (
    GateEvidence,
    Problem,
    UnusableEvidenceError,
    attribute,
    items,
    number,
    record_of,
    text,
)
from torghut_assets.domain.verdicts import Verdict

CORE_RECORDS: Final = consistency.CORE_RECORDS
SCENARIOS: Final[tuple[str, ...]] = get_args(StressName)
DOUBLE_COST: Final = ("spread_x2", "fees_x2")
_FEWEST_SESSIONS_PER_WEEKDAY: Final = 248 / 262
"""Low on purpose, so that gaps look larger: 2001 had 248 sessions, a leap year 262 weekdays."""


class Found(NamedTuple):
    """A measured value and what it comes from."""

    value: float
    details: tuple[str, ...] = ()


def _not_empty(owner: object, path: str) -> tuple[Any, ...]:
    found = items(owner, path)
    if not found:
        raise UnusableEvidenceError(
            Problem.NOT_MEASURED, f"{type(owner).__name__}.{path} holds nothing"
        )
    return found


def _quotient(owner: object, above: str, below: str) -> float:
    """`above / below`, both fields of `owner`; not measured unless `below` is positive."""
    divisor = number(owner, below)
    if divisor <= 0.0:
        raise UnusableEvidenceError(
            Problem.NOT_MEASURED, f"{below} is {divisor:.4g}: a ratio to it means nothing"
        )
    return number(owner, above) / divisor


# Data, build and evidence


def data_errors(evidence: GateEvidence) -> Found:
    """Violations with severity error, summed over the checks."""
    total, details = 0.0, []
    for finding in items(record_of(evidence, "dataset_snapshot"), "findings"):
        severity = text(finding, "severity")
        if severity == "warning":
            continue
        if severity != "error":
            raise UnusableEvidenceError(Problem.WRONG_TYPE, f"severity {severity[:20]!a}")
        violations = number(finding, "count")
        # A finding is at least one violation, whatever its count says.
        total += max(violations, 1.0)
        details.append(f"{text(finding, 'check')}: {violations:g}")
    return Found(total, tuple(details))


def _sessions(evidence: GateEvidence) -> list[tuple[str, float, float]]:
    """Symbol, missing sessions and all sessions that there should be, per symbol.

    Daily bars: rows and gaps add up to all. Minute bars: weekdays of the snapshot's span times
    the smallest share of weekdays that New York traded in any year since 1990.
    """
    snapshot = record_of(evidence, "dataset_snapshot")
    frequency = text(snapshot, "frequency")
    result = []
    for symbol in _not_empty(snapshot, "symbols"):
        missing = number(symbol, "missing_sessions")
        expected = number(symbol, "rows") + missing
        if frequency != "1d":
            expected = max(_weekdays(snapshot) * _FEWEST_SESSIONS_PER_WEEKDAY, missing, 1.0)
        if expected <= 0.0:
            raise UnusableEvidenceError(Problem.NOT_MEASURED, "a symbol has no session at all")
        result.append((text(symbol, "symbol"), missing, expected))
    return result


def _weekdays(snapshot: object) -> int:
    first, last = _day(snapshot, "first_session"), _day(snapshot, "last_session")
    days = (last - first).days + 1
    weeks, rest = divmod(max(days, 0), 7)
    return weeks * 5 + sum((first.weekday() + extra) % 7 < 5 for extra in range(rest))


def _day(owner: object, path: str) -> dt.date:
    value = attribute(owner, path)
    if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
        raise UnusableEvidenceError(Problem.WRONG_TYPE, f"{path} is not a date")
    return value


def missing_session_share(evidence: GateEvidence) -> Found:
    """Missing sessions over expected sessions, all symbols pooled."""
    rows = _sessions(evidence)
    worst = max(rows, key=lambda row: row[1] / row[2])
    share = sum(row[1] for row in rows) / sum(row[2] for row in rows)
    return Found(share, (f"most gaps: {worst[0]}",))


def symbol_coverage_share(evidence: GateEvidence) -> Found:
    """Coverage of the worst symbol: one minus its share of missing sessions."""
    worst = max(_sessions(evidence), key=lambda row: row[1] / row[2])
    return Found(1.0 - worst[1] / worst[2], (f"worst symbol: {worst[0]}",))


def staleness_days(evidence: GateEvidence) -> Found:
    """Days from the last session to the as-of date; negative if data lie in the future."""
    snapshot = record_of(evidence, "dataset_snapshot")
    last, as_of = _day(snapshot, "last_session"), _day(snapshot, "as_of")
    return Found(float((as_of - last).days), (f"last session {last}, as of {as_of}",))


def conformance_tests(evidence: GateEvidence) -> Found:
    """Different tests by name: one test repeated is one test."""
    results = items(record_of(evidence, "strategy_build"), "results")
    return Found(float(len({text(result, "test") for result in results})))


def conformance_failures(evidence: GateEvidence) -> Found:
    """Results that are anything but `PASS`."""
    results = _not_empty(record_of(evidence, "strategy_build"), "results")
    failed = [
        text(result, "test")
        for result in results
        if attribute(result, "verdict") is not Verdict.PASS
    ]
    return Found(float(len(failed)), tuple(failed))


def reproducibility_mismatches(evidence: GateEvidence) -> Found:
    """Count the outputs whose two digests differ."""
    outputs = _not_empty(record_of(evidence, "reproducibility_manifest"), "outputs")
    changed = [
        text(output, "output")
        for output in outputs
        if text(output, "first_digest") != text(output, "second_digest")
    ]
    return Found(float(len(changed)), tuple(changed))


def evidence_contradictions(evidence: GateEvidence) -> Found:
    """Sentences that `consistency.contradictions` finds."""
    found = consistency.contradictions(evidence)
    return Found(float(len(found)), found)


def overfit_contradictions(evidence: GateEvidence) -> Found:
    """Sentences that `consistency.overfit_contradictions` finds."""
    found = consistency.overfit_contradictions(evidence)
    return Found(float(len(found)), found)


# Robustness


def folds(evidence: GateEvidence) -> Found:
    """Count the folds."""
    return Found(float(len(items(record_of(evidence, "backtest_metrics"), "folds"))))


def fold_faults(evidence: GateEvidence) -> Found:
    """Sentences that `folds.incomplete_folds` finds; the record must be valid as a whole."""
    backtest = record_of(evidence, "backtest_metrics")
    if evidence.digests["backtest_metrics"] is None:
        raise UnusableEvidenceError(Problem.WRONG_TYPE, "backtest_metrics is not a valid record")
    found = incomplete_folds(backtest.folds, backtest.settings)
    return Found(float(len(found)), found)


def positive_fold_share(evidence: GateEvidence) -> Found:
    """Share of folds whose test return is above zero."""
    tested = _not_empty(record_of(evidence, "backtest_metrics"), "folds")
    negative = [
        f"fold {number(fold, 'fold'):g}: {number(fold, 'test.total_return_fraction'):+.1%}"
        for fold in tested
        if number(fold, "test.total_return_fraction") <= 0.0
    ]
    return Found(1.0 - len(negative) / len(tested), tuple(negative))


def sharpe_retention_ratio(evidence: GateEvidence) -> Found:
    """Out-of-sample over in-sample Sharpe ratio; not measured unless the latter is positive."""
    backtest = record_of(evidence, "backtest_metrics")
    return Found(_quotient(backtest, "out_of_sample.sharpe_annual", "in_sample_sharpe_annual"))


def neighbour_median_ratio(evidence: GateEvidence) -> Found:
    """Neighbours' median over declared Sharpe ratio; not measured without any neighbour."""
    sensitivity = attribute(record_of(evidence, "backtest_metrics"), "sensitivity")
    neighbours = number(sensitivity, "neighbours")
    if neighbours < 1:
        raise UnusableEvidenceError(
            Problem.NOT_MEASURED, "the declared point has no neighbour in the parameter grid"
        )
    ratio = _quotient(sensitivity, "neighbour_median_sharpe_annual", "declared_sharpe_annual")
    return Found(ratio, (f"{neighbours:g} neighbours",))


def track_record_ratio(evidence: GateEvidence) -> Found:
    """Observed over needed bars; not measured unless the need is positive."""
    overfit = record_of(evidence, "overfit_diagnostics")
    return Found(_quotient(overfit, "observed_bars", "min_track_record_bars"))


# Stress


def stress_scenarios_missing(evidence: GateEvidence) -> Found:
    """Names of the closed list that no result has."""
    results = items(record_of(evidence, "stress_metrics"), "results")
    present = {text(result, "scenario") for result in results}
    missing = tuple(name for name in SCENARIOS if name not in present)
    return Found(float(len(missing)), missing)


def stress_equal_to_base(evidence: GateEvidence) -> Found:
    """Scenarios whose returns digest is the base's."""
    stress = record_of(evidence, "stress_metrics")
    base = text(stress, "base_returns_digest")
    equal = [
        text(result, "scenario")
        for result in _not_empty(stress, "results")
        if text(result, "returns_digest") == base
    ]
    return Found(float(len(equal)), tuple(equal))


def worst_stress_sharpe_change(evidence: GateEvidence) -> Found:
    """Lowest change of the Sharpe ratio, as recorded or as the paths say, whichever is lower."""
    stress = record_of(evidence, "stress_metrics")
    base = number(stress, "base.sharpe_annual")
    changes = [
        (
            min(number(result, "sharpe_change"), number(result, "path.sharpe_annual") - base),
            text(result, "scenario"),
        )
        for result in _not_empty(stress, "results")
    ]
    worst = min(changes)
    return Found(worst[0], (f"worst scenario: {worst[1]}",))


def worst_stress_drawdown_fraction(evidence: GateEvidence) -> Found:
    """Deepest drawdown of any scenario."""
    results = _not_empty(record_of(evidence, "stress_metrics"), "results")
    depths = [(number(r, "path.max_drawdown_fraction"), text(r, "scenario")) for r in results]
    deepest = max(depths)
    if min(depths)[0] < 0.0:
        deepest = min(depths)  # a negative drawdown cannot exist; it must not hide behind another
    return Found(deepest[0], (f"worst scenario: {deepest[1]}",))


def double_cost_expectancy_bps_per_bar(evidence: GateEvidence) -> Found:
    """Lowest mean return of the scenarios that double a cost; all of them must be there."""
    results = items(record_of(evidence, "stress_metrics"), "results")
    means = [
        (number(result, "mean_return_per_bar") * 1e4, text(result, "scenario"))
        for result in results
        if text(result, "scenario") in DOUBLE_COST
    ]
    absent = [name for name in DOUBLE_COST if name not in {mean[1] for mean in means}]
    if absent:
        raise UnusableEvidenceError(Problem.NOT_MEASURED, f"{absent[0]} was not simulated")
    lowest = min(means)
    return Found(lowest[0], (f"worst scenario: {lowest[1]}",))
