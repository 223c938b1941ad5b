"""The drift report: what is as it should be passes, each thing that is not is found, by name."""

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from drift_evidence import SYMBOLS, evidence, facts, policy, random_bars, reference, with_session
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from laws import law

from torghut_assets.domain.drift.evaluate import evaluate_drift
from torghut_assets.domain.drift.history import TradedCost
from torghut_assets.domain.drift.measurements import MEASUREMENTS
from torghut_assets.domain.drift.records import SEVERITY, DriftReading, DriftReport, Level
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.verdicts import Verdict

N = 45


def report(of=None) -> DriftReport:
    return evaluate_drift(of or evidence(N), policy(), code_version="test")


def level_of(found: DriftReport, name: str) -> Level:
    return next(r.level for r in found.readings if r.measurement == name)


def test_a_candidate_like_its_reference_passes():
    found = report()
    assert found.verdict is Verdict.PASS
    assert found.failed == ()
    assert {r.measurement for r in found.readings} == set(MEASUREMENTS)
    assert Level.NOT_YET not in {r.level for r in found.readings}


def test_a_report_is_the_same_bytes_twice_and_reads_back():
    one, other = report(), report()
    assert one.canonical_bytes() == other.canonical_bytes()
    again = DriftReport.from_canonical_bytes(one.canonical_bytes(), location="test")
    assert again == one
    assert again.verdict is one.verdict


@pytest.mark.parametrize("n", [1, 4, 5, 19, 20, 39, 40])
def test_a_statistic_says_how_many_sessions_it_needs_and_not_longer_than_the_warm_up(n):
    for reading in report(evidence(n)).readings:
        waits = n < reading.needed_sessions
        assert (reading.level is Level.NOT_YET) is waits
        assert reading.needed_sessions <= policy().warm_up_sessions
        if waits:
            assert f"{n} of {reading.needed_sessions} sessions" in str(reading.reason)


def test_what_is_not_yet_known_supports_no_more_capital():
    found = report(evidence(3))
    assert found.verdict is Verdict.PASS
    assert found.advance_verdict is Verdict.INCONCLUSIVE


def test_no_session_at_all_is_a_failure():
    none = replace(evidence(1), expected=(), facts={}, previous=None)
    found = report(none)
    assert found.verdict is Verdict.FAIL
    assert Level.NOT_YET not in {r.level for r in found.readings}


def _bars(**cells):
    bars = facts(N)[-1].bars.copy()
    for name, value in cells.items():
        bars[0, ("open", "high", "low", "close", "volume").index(name)] = value
    return {"bars": bars}


@pytest.mark.parametrize(
    ("changes", "measurement", "level"),
    [
        (_bars(low=200.0), "bar_defects", Level.FAIL),
        (_bars(high=1.0), "bar_defects", Level.FAIL),
        (_bars(close=-1.0), "bar_defects", Level.FAIL),
        (_bars(volume=-1.0), "bar_defects", Level.FAIL),
        (_bars(volume=math.nan), "bar_defects", Level.FAIL),
        ({"foreign_bars": 1}, "bar_defects", Level.FAIL),
        ({"bars": np.full((3, 5), np.nan)}, "missing_bar_share", Level.FAIL),
        ({"parity_difference_fraction": 1e-6}, "parity_difference", Level.FAIL),
        ({"parity_difference_fraction": None}, "parity_difference", Level.FAIL),
        ({"unexplained": 1}, "unexplained_differences", Level.FAIL),
        ({"net_return_fraction": -0.04}, "session_loss", Level.DEGRADE),
        ({"net_return_fraction": -0.08}, "session_loss", Level.FAIL),
        ({"net_return_fraction": -0.30}, "drawdown", Level.FAIL),
        ({"gross_fraction": 1.1}, "gross_limit_use", Level.DEGRADE),
        ({"gross_fraction": 1.3}, "gross_limit_use", Level.FAIL),
        ({"gross_fraction": math.inf}, "gross_limit_use", Level.FAIL),
        ({"largest_fraction": 0.5}, "position_limit_use", Level.FAIL),
        ({"blocked_guardrails": 1}, "blocked_guardrails", Level.ABSTAIN),
        ({"shortfalls_usd": (None,) * 20}, "unmeasured_order_share", Level.FAIL),
        ({"shortfalls_usd": (5_000.0,)}, "shortfall", Level.DEGRADE),
        (
            {"costs": (TradedCost(1e4, None, 5.0, 0.01),)},
            "cost_excess",
            Level.FAIL,
        ),
        (
            {"costs": (TradedCost(1e6, 900.0, 5.0, 0.01),)},
            "cost_excess_errors",
            Level.FAIL,
        ),
        ({"targets": np.array([0.2, math.nan, 0.2])}, "weight_stability_rank", Level.FAIL),
    ],
)
def test_each_defect_of_a_session_is_found_by_name(changes, measurement, level):
    assert level_of(report(with_session(evidence(N), N - 1, **changes)), measurement) is level


@pytest.mark.parametrize(
    ("changes", "measurement"),
    [
        ({"decision_age_sessions": 2}, "decision_age_sessions"),
        ({"decision_age_sessions": 0}, "decision_age_sessions"),
        ({"decision_age_sessions": -3}, "decision_age_sessions"),
        ({"decision_age_sessions": None}, "decision_age_sessions"),
        ({"reference": None}, "sharpe_shortfall"),
        ({"reference": None}, "interval_coverage_error"),
        ({"gross_limit_fraction": None}, "gross_limit_use"),
        ({"position_limit_fraction": 0.0}, "position_limit_use"),
        ({"previous": None}, "history_contradictions"),
        ({"previous": ()}, "history_contradictions"),
    ],
)
def test_evidence_that_is_missing_or_contradicts_fails_by_name(changes, measurement):
    assert level_of(report(evidence(N, **changes)), measurement) is Level.FAIL


def test_an_older_session_that_was_not_reported_before_is_a_contradiction():
    base = evidence(N)
    known = base.previous
    assert known is not None
    extra = known[0].model_copy(update={"session": "2021-12-30"})
    changed = replace(base, previous=(extra, *known))
    assert level_of(report(changed), "history_contradictions") is Level.FAIL


def test_a_feed_that_repeats_itself_is_found():
    base, frozen = evidence(N), facts(N)[-3].bars
    once = with_session(base, N - 2, bars=frozen)
    assert level_of(report(once), "repeated_bar_sessions") is Level.PASS  # the last bar is new
    now = with_session(base, N - 1, bars=base.facts[base.expected[-2]].bars)
    assert level_of(report(now), "repeated_bar_sessions") is Level.DEGRADE
    twice = with_session(with_session(base, N - 2, bars=frozen), N - 1, bars=frozen)
    assert level_of(report(twice), "repeated_bar_sessions") is Level.FAIL


def _all_sessions(**make):
    base = evidence(N)
    changed = {
        s: replace(f, **{name: value(i) for name, value in make.items()})
        for i, (s, f) in enumerate(base.facts.items())
    }
    return replace(base, facts=changed)


def test_markets_that_are_another_world_are_found():
    wild = random_bars(N, 9, scale=0.1)
    found = report(_all_sessions(bars=lambda i: wild[i]))
    assert level_of(found, "return_stability") is Level.FAIL
    assert level_of(found, "return_stability_rank") is Level.ABSTAIN
    assert level_of(found, "return_distance_rank") is Level.ABSTAIN
    assert level_of(found, "range_stability_rank") is Level.ABSTAIN


def test_weights_that_are_another_strategy_are_found():
    found = report(_all_sessions(targets=lambda i: np.array([0.75, 0.0, 0.0])))
    assert level_of(found, "weight_stability_rank") is Level.ABSTAIN


def test_returns_outside_their_intervals_are_gate_7():
    found = report(_all_sessions(net_return_fraction=lambda i: 0.03 if i % 2 else -0.03))
    assert level_of(found, "interval_coverage_error") is Level.DEGRADE
    assert level_of(found, "interval_coverage_probability") is Level.FAIL
    assert found.gate7_uncertainty is Level.FAIL


def test_returns_that_hardly_move_are_covered_too_well_and_only_degrade():
    found = report(_all_sessions(net_return_fraction=lambda i: 0.0008))
    assert level_of(found, "interval_coverage_error") is Level.DEGRADE
    assert found.gate7_uncertainty is Level.DEGRADE


def test_a_candidate_that_holds_nothing_has_no_outcome_and_degrades():
    flat = _all_sessions(
        targets=lambda i: np.zeros(len(SYMBOLS)),
        gross_fraction=lambda i: 0.0,
        net_return_fraction=lambda i: 0.0,
    )
    found = report(flat)
    assert found.gate7_uncertainty is Level.DEGRADE
    reading = next(r for r in found.readings if r.measurement == "interval_coverage_error")
    assert reading.detail == "nothing was held, no outcome"


def test_a_candidate_that_trades_nothing_costs_nothing():
    idle = _all_sessions(
        costs=lambda i: (), shortfalls_usd=lambda i: (), ordered_notional_usd=lambda i: 0.0
    )
    found = report(idle)
    for name in ("cost_excess", "cost_excess_errors", "shortfall", "unmeasured_order_share"):
        assert level_of(found, name) is Level.PASS


def test_fills_of_symbols_that_never_move_cannot_be_judged():
    still = _all_sessions(costs=lambda i: (TradedCost(1e4, 4.0, 5.0, 0.0),))
    assert level_of(report(still), "cost_excess_errors") is Level.FAIL


def test_a_slow_bleed_is_found():
    found = report(_all_sessions(net_return_fraction=lambda i: -0.008))
    assert level_of(found, "cusum_probability") is Level.FAIL
    assert level_of(found, "cusum_down") is Level.DEGRADE
    assert level_of(found, "drawdown_probability") is Level.FAIL
    assert level_of(found, "sharpe_shortfall") is Level.FAIL


def test_reasons_are_worst_first():
    base = with_session(evidence(N), N - 1, unexplained=2, blocked_guardrails=1)
    found = report(base)
    assert found.reasons[0].startswith("unexplained_differences: 2 count")
    levels = [r.level for r in found.readings if r.reason is not None]
    assert len(found.reasons) == len(levels)
    assert found.advance_verdict is Verdict.FAIL


def test_the_reference_must_have_one_row_per_session():
    good = reference()
    with pytest.raises(Exception, match="one row of bars and weights"):
        type(good)(good.path, good.bars[1:], good.target_weights, policy().reference)


# Worse or missing evidence never improves the verdict: 27 readings, whatever is changed.

_WORSE = st.sampled_from(
    [
        "return",
        "loss",
        "cost",
        "cost_unknown",
        "shortfall_unknown",
        "session_missing",
        "reference",
        "previous",
        "unexplained",
        "gross",
        "largest",
        "parity",
        "parity_unknown",
        "age",
        "defect",
        "bars",
        "targets",
        "limits",
    ]
)


@lru_cache
def _verdict_of_all_good(n: int) -> Verdict:
    return report(evidence(n)).verdict


def _worsen(base, kind: str, index: int, size: float):
    """Make one thing worse by `size`, or take it away."""
    session = base.expected[index]
    if session not in base.facts:
        return base
    old = base.facts[session]
    cost = tuple(
        c._replace(realised_bps=None) if hasattr(c, "_replace") else replace(c, realised_bps=None)
        for c in old.costs
    )
    dearer = tuple(
        replace(c, realised_bps=None if c.realised_bps is None else c.realised_bps + 100 * size)
        for c in old.costs
    )
    ways = {
        "return": {"net_return_fraction": old.net_return_fraction - 0.05 * size},
        "loss": {"net_return_fraction": min(old.net_return_fraction, -0.2 * size)},
        "cost": {"costs": dearer},
        "cost_unknown": {"costs": cost},
        "shortfall_unknown": {"shortfalls_usd": (*old.shortfalls_usd, None)},
        "unexplained": {"unexplained": old.unexplained + 1},
        "gross": {"gross_fraction": old.gross_fraction + size},
        "largest": {"largest_fraction": old.largest_fraction + size},
        "parity": {
            "parity_difference_fraction": None
            if old.parity_difference_fraction is None
            else old.parity_difference_fraction + size
        },
        "parity_unknown": {"parity_difference_fraction": None},
        "defect": {"foreign_bars": old.foreign_bars + 1},
        "bars": {"bars": np.full_like(old.bars, np.nan)},
        "targets": {"targets": np.full_like(old.targets, np.nan)},
    }
    if kind in ways:
        return with_session(base, index, **ways[kind])
    if kind == "session_missing":
        return replace(base, facts={s: f for s, f in base.facts.items() if s != session})
    whole = {
        "reference": {"reference": None},
        "previous": {"previous": None} if len(base.expected) > 1 else {},
        "age": {"decision_age_sessions": None},
        "limits": {"gross_limit_fraction": None, "position_limit_fraction": None},
    }
    return replace(base, **whole[kind])


@law(
    1_700,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    derandomize=True,
)
@given(
    n=st.sampled_from([1, 6, 22, 41]),
    steps=st.lists(
        st.tuples(_WORSE, st.integers(0, 40), st.floats(0.0, 1.0)), min_size=3, max_size=3
    ),
)
def test_worse_or_missing_evidence_never_improves_the_verdict(n, steps):
    """Three steps per example, each compared with the one before: 5,100 comparisons."""
    now = evidence(n)
    before = _verdict_of_all_good(n)
    for kind, index, size in steps:
        now = _worsen(now, kind, index % n, size)
        after = report(now).verdict
        assert before is not Verdict.FAIL or after is Verdict.FAIL, (kind, index, size)
        before = after


@given(
    measured=st.floats(-10, 10),
    worse_by=st.floats(0, 10),
    bound=st.sampled_from(["at_least", "at_most"]),
    limits=st.lists(st.floats(-10, 10), min_size=3, max_size=3),
)
def test_a_worse_value_is_never_a_better_level(measured, worse_by, bound, limits):
    ordered = sorted(limits, reverse=bound == "at_least")

    def level(value: float | None, problem=None) -> int:
        reading = DriftReading(
            measurement="any",
            group="data",
            unit="count",
            bound=bound,
            degrade=ordered[0],
            abstain=ordered[1],
            fail=ordered[2],
            measured=value,
            problem=problem,
            sessions=1,
            needed_sessions=1,
            deployed_sessions=1,
            warm_up_sessions=40,
            source="test",
            detail="",
        )
        return SEVERITY.index(reading.level)

    worse = measured - worse_by if bound == "at_least" else measured + worse_by
    assert level(worse) >= level(measured)
    assert level(None) == level(None, "missing") == SEVERITY.index(Level.FAIL)


def test_a_reading_cannot_have_a_value_and_a_problem():
    good = report().readings[0]
    with pytest.raises(ValueError, match="next to a measurement"):
        DriftReading(**(good.model_dump() | {"problem": "missing"}))


def test_a_report_without_a_group_is_refused():
    found = report()
    kept = tuple(r for r in found.readings if r.group != "risk")
    with pytest.raises(ValueError, match="no reading of risk"):
        DriftReport(**(found.model_dump() | {"readings": tuple(r.model_dump() for r in kept)}))
    doubled = (*found.readings, found.readings[0])
    with pytest.raises(ValueError, match="two readings"):
        DriftReport(**(found.model_dump() | {"readings": tuple(r.model_dump() for r in doubled)}))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"measurement: bar_defects\n", b"measurement: bar_defecs\n", "unknown measurement"),
        (b"    fail: 0\n    needed_sessions: 1\n", b"    needed_sessions: 1\n", "no limit"),
        (b"warm_up_sessions: 40", b"warm_up_sessions: 30", "beyond the warm-up"),
        (b"at_most\n    fail: 0\n", b"at_least\n    fail: 0\n", "it is at_most in count"),
        (b"degrade: 0.25\n    abstain: 0.5", b"degrade: 0.6\n    abstain: 0.5", "milder limit"),
        (b"circumstances: [risk_breach]", b"circumstances: [silence]", "exactly one class"),
        (b"circumstances: [risk_breach]", b"circumstances: []", "risk_breach"),
        (b"demands_kill_switch: true", b"demands_kill_switch: false", "class A demands"),
        (b"incident_class: B", b"incident_class: C", "A, B, C, D"),
        (b"mode: flat", b"mode: carry on", "flat"),
        (b"policy_version", b"policy_vision", "policy_version"),
        (b"seed: 20240917\n", b"seed: 20240917\nsurprise: 1\n", "surprise"),
    ],
)
def test_a_policy_that_could_let_drift_through_is_refused(old, new, said):
    from importlib.resources import files

    from torghut_assets.domain.drift.policy import DriftPolicyRefusedError, parse_drift_policy

    payload = (files("torghut_assets") / "config/drift_policy.yaml").read_bytes()
    assert old in payload
    with pytest.raises(DriftPolicyRefusedError, match=said):
        parse_drift_policy(payload.replace(old, new, 1))


def test_a_policy_without_a_measurement_or_without_teeth_is_refused():
    from torghut_assets.domain.drift.policy import DriftPolicy

    shipped = policy().model_dump()
    less = tuple(x for x in shipped["limits"] if x["measurement"] != "drawdown")
    with pytest.raises(ValueError, match="no limit of drawdown"):
        DriftPolicy(**(shipped | {"limits": less}))
    with pytest.raises(ValueError, match="two limits"):
        DriftPolicy(**(shipped | {"limits": (*shipped["limits"], shipped["limits"][0])}))
    risk = {"drawdown", "session_loss", "gross_limit_use", "position_limit_use"}
    toothless = tuple(
        x | {"fail": None} if x["measurement"] in risk else x for x in shipped["limits"]
    )
    with pytest.raises(ValueError, match="nothing in risk can fail"):
        DriftPolicy(**(shipped | {"limits": toothless}))


def test_yaml_that_is_no_document_is_refused_as_every_other():
    from torghut_assets.domain.drift.policy import parse_drift_policy

    with pytest.raises(BadInputError):
        parse_drift_policy(b"a: &x [*x]")
