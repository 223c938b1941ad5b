"""The law of the gates: worse or less evidence never gives a better decision.

10,000 cases in total. Each starts from evidence whose values were moved across their whole
range, so that limits pass and fail in many combinations, spoils it in one to three ways and
compares every gate before and after. Citations are renewed or left, at random: a bad value in
consistent records must not help, and neither must records that no longer fit.
"""

import math
import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from gate_evidence import POLICY, SHIPPED_POLICY, changed, get, passing, rebound, without_item
from hypothesis import given
from hypothesis import strategies as st
from laws import law
from pydantic import BaseModel

from torghut_assets.domain.gates import evidence as evidence_module
from torghut_assets.domain.gates.evaluate import evaluate_gates
from torghut_assets.domain.gates.evidence import RECORD_TYPES, GateEvidence
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.snapshots.records import QualityFinding
from torghut_assets.domain.verdicts import Verdict

OOS = "backtest_metrics.out_of_sample."
SENSITIVITY = "backtest_metrics.sensitivity."
FOLD = "backtest_metrics.folds."
STRESS = "stress_metrics.results."
OVERFIT = "overfit_diagnostics."

HIGHER_IS_BETTER: dict[str, tuple[float, float]] = {
    OOS + "sharpe_annual": (-2.0, 3.0),
    SENSITIVITY + "neighbour_median_sharpe_annual": (-1.0, 2.0),
    SENSITIVITY + "grid_share_positive": (0.0, 1.0),
    "backtest_metrics.capacity_usd": (0.0, 1e8),
    OVERFIT + "dsr": (0.0, 1.0),
    OVERFIT + "dsr_effective": (0.0, 1.0),
    OVERFIT + "sharpe_interval.sharpe_annual_low": (-1.0, 1.5),
    **{f"{FOLD}{n}.test.total_return_fraction": (-0.3, 0.3) for n in range(8)},
    **{f"{STRESS}{n}.path.sharpe_annual": (-1.0, 2.0) for n in range(7)},
    **{f"{STRESS}{n}.sharpe_change": (-1.5, 0.5) for n in range(7)},
    **{f"{STRESS}{n}.mean_return_per_bar": (-0.0005, 0.001) for n in range(7)},
}
LOWER_IS_BETTER: dict[str, tuple[float, float]] = {
    OOS + "max_drawdown_fraction": (0.0, 0.6),
    OOS + "turnover_annual": (0.0, 60.0),
    OOS + "cost_annual_fraction": (0.0, 0.05),
    OOS + "max_gross_fraction": (0.0, 2.0),
    OOS + "max_symbol_fraction": (0.0, 1.0),
    OOS + "concentration_hhi": (0.1, 1.0),
    OOS + "max_participation_fraction": (0.0, 0.2),
    OOS + "unfilled_fraction": (0.0, 0.2),
    OVERFIT + "pbo": (0.0, 0.5),
    OVERFIT + "spa_p_consistent": (0.0, 0.3),
    OVERFIT + "reality_check_p": (0.0, 0.3),
    OVERFIT + "min_track_record_bars": (10.0, 3000.0),
    OVERFIT + "sensitivity.narrow_peak_ratio": (0.0, 1.0),
    # References: what a result is held against. Higher makes the comparison harder.
    "backtest_metrics.in_sample_sharpe_annual": (0.1, 4.0),
    SENSITIVITY + "declared_sharpe_annual": (0.1, 4.0),
    **{f"{STRESS}{n}.path.max_drawdown_fraction": (0.0, 0.9) for n in range(7)},
}
RANGES = {**HIGHER_IS_BETTER, **LOWER_IS_BETTER}
PATHS = tuple(RANGES)
MUST_NOT_BE_NEGATIVE = tuple(path for path in PATHS if RANGES[path][0] >= 0.0)
TUPLES = (
    "backtest_metrics.folds",
    "backtest_metrics.by_symbol",
    "stress_metrics.results",
    "strategy_build.results",
    "reproducibility_manifest.outputs",
    "dataset_snapshot.symbols",
    "dataset_snapshot.files",
)
RECORDS = tuple(RECORD_TYPES)
HOSTILE = (None, math.nan, math.inf, -math.inf, "1.0", True, [], {}, 10**400)


@pytest.fixture(autouse=True, scope="module")
def digests_are_remembered():
    """Records are frozen, so the digest of one that was seen need not be computed again."""
    known: dict[int, tuple[object, str | None]] = {}
    compute = evidence_module._digest_if_valid

    def remembered(name: str, record: object) -> str | None:
        if len(known) > 20_000:
            known.clear()
        if id(record) not in known or known[id(record)][0] is not record:
            known[id(record)] = (record, compute(name, record))
        return known[id(record)][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence_module, "_digest_if_valid", remembered)
        yield


@cache
def number_paths() -> tuple[str, ...]:
    """Path of every number in every record of the passing evidence."""
    found: list[str] = []

    def walk(value: Any, path: str) -> None:
        if isinstance(value, BaseModel):
            for name in type(value).model_fields:
                walk(getattr(value, name), f"{path}.{name}")
        elif isinstance(value, tuple):
            for place, item in enumerate(value):
                walk(item, f"{path}.{place}")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.append(path)

    for name in RECORDS:
        walk(getattr(passing(), name), name)
    return tuple(found)


def exists(evidence: GateEvidence, path: str) -> bool:
    """Whether a path still leads somewhere after earlier spoiling."""
    try:
        get(evidence, path)
    except (AttributeError, IndexError, TypeError, ValueError):
        return False
    return True


def start_from(levels: list[tuple[int, float]]) -> GateEvidence:
    """Consistent evidence with some values moved to a share of their range."""
    evidence = passing()
    for place, share in levels:
        path = PATHS[place % len(PATHS)]
        low, high = RANGES[path]
        evidence = changed(evidence, path, low + share * (high - low))
    base = evidence.backtest_metrics.out_of_sample
    if evidence.stress_metrics.base != base:
        evidence = changed(evidence, "stress_metrics.base", base)
    return rebound(evidence)


def decide(evidence: GateEvidence) -> GateReport:
    return evaluate_gates(evidence, POLICY, code_version="test")


def assert_not_better(worse: GateReport, before: GateReport) -> None:
    for new, old in zip(worse.gates, before.gates, strict=True):
        assert (old.status, new.status) != (Verdict.FAIL, Verdict.PASS), new.gate_id
        statuses = (old.beyond_paper_status, new.beyond_paper_status)
        assert statuses != (Verdict.FAIL, Verdict.PASS), new.gate_id
    assert (before.verdict, worse.verdict) != (Verdict.FAIL, Verdict.PASS)
    verdicts = (before.beyond_paper_verdict, worse.beyond_paper_verdict)
    assert verdicts != (Verdict.FAIL, Verdict.PASS)


N_STARTS = 400
STARTS = st.integers(0, N_STARTS - 1)


@cache
def start(number: int) -> tuple[GateEvidence, GateReport]:
    """Return one of the starting points, the same in every run, and what is decided on it."""
    draw = random.Random(number)
    levels = [(draw.randrange(len(PATHS)), draw.random()) for _ in range(number % 6)]
    evidence = start_from(levels)
    return evidence, decide(evidence)


def spoil(number: int, spoilings: list[Callable[[GateEvidence], GateEvidence]], bind: bool) -> None:
    """Spoil a starting point and hold the decision against the one before."""
    evidence, before = start(number)
    for apply in spoilings:
        evidence = apply(evidence)
    assert_not_better(decide(rebound(evidence) if bind else evidence), before)


def worsened(choice: tuple[int, float]) -> Callable[[GateEvidence], GateEvidence]:
    """Move one value further in its bad direction, at most beyond anything seen."""
    place, share = choice
    path = PATHS[place % len(PATHS)]
    low, high = RANGES[path]
    step = share * 2 * (high - low)

    def apply(evidence: GateEvidence) -> GateEvidence:
        value = get(evidence, path)
        worse = value + step if path in LOWER_IS_BETTER else value - step
        return changed(evidence, path, worse)

    return apply


@law(4_500)
@given(
    number=STARTS,
    choices=st.lists(st.tuples(st.integers(0, 999), st.floats(0, 1)), min_size=1, max_size=3),
    bind=st.booleans(),
)
def test_a_worse_value_never_helps(number, choices, bind):
    spoil(number, [worsened(choice) for choice in choices], bind)


def made_hostile(choice: tuple[int, int]) -> Callable[[GateEvidence], GateEvidence]:
    """Replace a number by what is none, or by one of the sign that cannot be."""
    place, kind = choice

    def apply(evidence: GateEvidence) -> GateEvidence:
        if kind % (len(HOSTILE) + 1) == len(HOSTILE):
            path = MUST_NOT_BE_NEGATIVE[place % len(MUST_NOT_BE_NEGATIVE)]
            return changed(evidence, path, -0.5) if exists(evidence, path) else evidence
        paths = number_paths()
        path = paths[place % len(paths)]
        value = HOSTILE[kind % (len(HOSTILE) + 1)]
        return changed(evidence, path, value) if exists(evidence, path) else evidence

    return apply


@law(3_000)
@given(
    number=STARTS,
    choices=st.lists(
        st.tuples(st.integers(0, 99_999), st.integers(0, 999)), min_size=1, max_size=3
    ),
    bind=st.booleans(),
)
def test_what_is_not_a_number_never_helps(number, choices, bind):
    spoil(number, [made_hostile(choice) for choice in choices], bind)


def broken(choice: tuple[int, int]) -> Callable[[GateEvidence], GateEvidence]:
    """Take something away, or let a check fail."""
    kind, place = choice

    def apply(evidence: GateEvidence) -> GateEvidence:
        match kind % 8:
            case 0:
                return changed(evidence, RECORDS[place % len(RECORDS)], None)
            case 1 | 2 | 3:
                path = TUPLES[place % len(TUPLES)]
                if not exists(evidence, path) or not get(evidence, path):
                    return evidence
                return without_item(evidence, path, place // 7 % len(get(evidence, path)))
            case 4:
                found = QualityFinding(check="schema", severity="error", count=3, example="AAPL")
                return if_present(evidence, "dataset_snapshot.findings", (found,))
            case 5:
                return if_present(
                    evidence, f"strategy_build.results.{place % 14}.verdict", Verdict.FAIL
                )
            case 6:
                return if_present(evidence, f"{STRESS}{place % 7}.returns_digest", "6" * 64)
            case _:
                path = f"reproducibility_manifest.outputs.{place % 3}.second_digest"
                return if_present(evidence, path, "e" * 64)

    return apply


def if_present(evidence: GateEvidence, path: str, value: object) -> GateEvidence:
    return changed(evidence, path, value) if exists(evidence, path) else evidence


@law(2_500)
@given(
    number=STARTS,
    choices=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 999)), min_size=1, max_size=3),
    bind=st.booleans(),
)
def test_what_is_taken_away_never_helps(number, choices, bind):
    spoil(number, [broken(choice) for choice in choices], bind)


@pytest.mark.parametrize("name", RECORDS)
def test_every_record_is_needed_for_paper(name):
    report = evaluate_gates(replace(passing(), **{name: None}), SHIPPED_POLICY, code_version="test")
    assert report.verdict is Verdict.FAIL


def test_without_overfitting_evidence_every_limit_on_it_blocks_paper():
    evidence = replace(passing(), overfit_diagnostics=None)
    report = evaluate_gates(evidence, SHIPPED_POLICY, code_version="test")
    assert report.verdict is Verdict.FAIL
    assert {reason.code for reason in report.blocking_reasons} == {"MISSING_EVIDENCE"}
    assert set(report.failed) >= {"deflated_sharpe", "overfitting_probability", "superior_ability"}


def test_no_evidence_at_all_is_a_decision_and_fails():
    empty = GateEvidence(candidate_id="some-candidate", snapshot_id="some-place@2020-01-01")
    report = decide(empty)
    assert report.verdict is Verdict.FAIL
    assert len(report.failed) == len(POLICY.limits)
    assert all(ref.digest is None for ref in report.inputs)


def test_the_law_is_not_vacuous():
    """The starting points really pass and fail, in every gate."""
    reports = [start(number)[1] for number in range(N_STARTS)]
    for place in range(3):
        statuses = {report.gates[place].status for report in reports}
        expected = {Verdict.PASS} if place == 0 else {Verdict.PASS, Verdict.FAIL}
        assert statuses == expected
    assert 0.1 < sum(r.verdict is Verdict.PASS for r in reports) / N_STARTS < 0.9
    failing = next(r for r in reports if r.verdict is Verdict.FAIL)
    passed = next(r for r in reports if r.verdict is Verdict.PASS)
    with pytest.raises(AssertionError):
        assert_not_better(passed, failing)
