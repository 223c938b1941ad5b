"""How good are the data, the build and the evidence: measurements of gate 0.

Every function takes the evidence and returns `Found`: a value and, where it helps a reader,
what it comes from. Each raises `UnusableEvidenceError` if any value it needs is unusable: an
aggregate over a NaN is never the aggregate over the rest, and a worst case over incomplete
parts is not a worst case.
"""

import datetime as dt
from typing import Final

from torghut_assets.domain.gates import consistency
from torghut_assets.domain.gates.evidence import (
    RECORD_TYPES,
    Found,
    GateEvidence,
    Problem,
    UnusableEvidenceError,
    attribute,
    items,
    items_of,
    number,
    record_of,
    require_names,
    require_sum,
    text,
)
from torghut_assets.domain.verdicts import Verdict

_FEWEST_SESSIONS_PER_WEEKDAY: Final = 248 / 262
"""Low on purpose, so that gaps look larger: 2001 had 248 sessions, a leap year 262 weekdays."""


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
    symbols = items_of(snapshot, "symbols")
    require_sum("symbols", sum(number(s, "rows") for s in symbols), number(snapshot, "rows"))
    for symbol in symbols:
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
    results = items_of(record_of(evidence, "strategy_build"), "results")
    failed = [
        text(result, "test")
        for result in results
        if attribute(result, "verdict") is not Verdict.PASS
    ]
    return Found(float(len(failed)), tuple(failed))


def reproducibility_mismatches(evidence: GateEvidence) -> Found:
    """Count the outputs whose two digests differ."""
    outputs = items_of(record_of(evidence, "reproducibility_manifest"), "outputs")
    wanted = [RECORD_TYPES[name].record_kind for name in consistency.REPEATED_OUTPUTS]
    require_names(wanted, {text(output, "output") for output in outputs})
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
