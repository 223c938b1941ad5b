"""Gate 3: what passes, what fails, what cannot be told yet, and why."""

from dataclasses import replace

import numpy as np
import paper_gate_examples as gate
import pytest
import session_examples as paper
import tca_examples as examples
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.errors import StatisticsInputError
from torghut_assets.domain.gates.evidence import Problem
from torghut_assets.domain.gates.paper_intervals import (
    advantage_interval,
    certainty_equivalent,
    ratio_interval,
)
from torghut_assets.domain.gates.paper_policy import QUANTITIES, parse_paper_gate_policy
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.gates.policy import GatePolicyRefusedError
from torghut_assets.domain.verdicts import Verdict

HOW = gate.POLICY.resampling


def changed_all(evidence, **changes):
    records = {day: r.model_copy(update=changes) for day, r in evidence.records.items()}
    return replace(evidence, records=records)


def rows_changed(evidence, **changes):
    records = {
        day: record.model_copy(
            update={"orders": tuple(row.model_copy(update=changes) for row in record.orders)}
        )
        for day, record in evidence.records.items()
    }
    return replace(evidence, records=records)


def test_a_good_window_passes_against_cash_and_against_a_champion():
    for evidence in (gate.passing(), gate.challenging()):
        report = gate.decide(evidence)
        assert report.verdict is Verdict.PASS, [r.text for r in report.reasons]
        assert report.next_action == "request_live_ramp_stage_1"
        assert report.reasons == ()
    assert gate.decide(gate.passing()).reference == "cash"
    assert gate.decide(gate.challenging()).champion_id == gate.CHAMPION


def test_the_report_names_every_record_it_rests_on():
    evidence = gate.challenging()
    report = gate.decide(evidence)
    for ref in report.window:
        assert ref.tca_digest == evidence.records[ref.session].digest
        assert ref.champion_tca_digest == evidence.champion_records[ref.session].digest


def test_the_report_survives_its_own_canonical_form():
    report = gate.decide(gate.passing())
    again = PaperGateReport.from_canonical_bytes(report.canonical_bytes(), location="test")
    assert again == report
    assert again.subject == f"{paper.CANDIDATE}|{report.session}"


def test_the_same_evidence_gives_the_same_bytes():
    assert gate.decide(gate.passing()).digest == gate.decide(gate.passing()).digest


def test_digests_of_a_verified_reader_are_not_computed_again():
    evidence = gate.passing(3)
    known = {r.subject: paper.digest_of(r.session) for r in evidence.records.values()}
    report = gate.decide(replace(evidence, digests=known))
    assert [ref.tca_digest for ref in report.window] == list(known.values())


def test_a_short_window_is_inconclusive_and_is_extended():
    report = gate.decide(gate.passing(12))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.next_action == "extend_window"
    assert {r.code for r in report.reasons} >= {"WINDOW_TOO_SHORT", "TOO_FEW_ORDERS"}


@pytest.mark.parametrize("n", [1, 12, 39])
def test_too_few_sessions_have_no_interval_and_conclude_nothing(n):
    """A bad start must not send a candidate back before it can be told from chance."""
    bad = changed_all(gate.passing(n), net_return_fraction=-0.02)
    bad = rows_changed(bad, interval_cost_bps=50.0)
    report = gate.decide(bad)
    assert report.verdict is Verdict.INCONCLUSIVE
    limit = gate.limit_of(report, "slippage_excess")
    assert limit.low is None
    assert limit.verdict is Verdict.INCONCLUSIVE
    assert "too few sessions" in limit.reason.text


@pytest.mark.parametrize("regime", ["turbulent", "normal", "unknown"])
def test_a_window_of_one_regime_is_inconclusive(regime):
    evidence = changed_all(gate.passing(), conditions=examples.conditions(regime))
    report = gate.decide(evidence)
    assert report.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("changes", "measurement", "code"),
    [
        ({"interval_cost_bps": 20.0}, "slippage_excess", "SLIPPAGE_ABOVE_EXPECTATION"),
        ({"realised_cost_bps": 40.0}, "shortfall_bias", "SHORTFALL_ABOVE_EXPECTATION"),
        ({"status": "rejected"}, "reject_rate", "TOO_MANY_REJECTS"),
        ({"fill_rate_fraction": 0.5}, "unfilled_share", "TOO_MUCH_UNFILLED"),
        ({"shortfall": None}, "untied_orders", "SHORTFALL_DOES_NOT_TIE"),
    ],
)
def test_bad_orders_fail_their_limit(changes, measurement, code):
    report = gate.decide(rows_changed(gate.passing(), **changes))
    assert report.verdict is Verdict.FAIL
    assert report.next_action == "return_to_research_intake"
    assert gate.limit_of(report, measurement).reason.code == code


@pytest.mark.parametrize(
    ("changes", "measurement"),
    [
        ({"cancels": 3}, "churn"),
        ({"replaces": 3}, "churn"),
        ({"differences": 1}, "unexplained_differences"),
        ({"open_orders": 1}, "unexplained_differences"),
        ({"net_return_fraction": -0.01}, "advantage"),
        ({"net_return_fraction": -0.01}, "worst_regime_advantage"),
    ],
)
def test_bad_sessions_fail_their_limit(changes, measurement):
    report = gate.decide(changed_all(gate.passing(), **changes))
    assert gate.limit_of(report, measurement).verdict is Verdict.FAIL
    assert report.verdict is Verdict.FAIL


def test_an_interval_on_both_sides_of_the_limit_is_ambiguous_and_never_passes():
    evidence = gate.passing()
    records = {}
    for i, (day, record) in enumerate(evidence.records.items()):
        cost = -40.0 if i % 2 else 55.0
        rows = tuple(r.model_copy(update={"interval_cost_bps": cost}) for r in record.orders)
        records[day] = record.model_copy(update={"orders": rows})
    report = gate.decide(replace(evidence, records=records))
    limit = gate.limit_of(report, "slippage_excess")
    assert limit.low < limit.limit < limit.high
    assert limit.verdict is Verdict.INCONCLUSIVE
    assert limit.reason.code == "AMBIGUOUS"
    assert report.verdict is Verdict.INCONCLUSIVE


def test_a_changed_policy_fails_and_names_itself():
    evidence = gate.passing()
    day = evidence.session
    other = evidence.records[day].model_copy(update={"policies": {"x": paper.digest_of("x")}})
    limit = gate.limit_of(gate.decide(gate.with_record(evidence, day, other)), "policy_changes")
    assert limit.measured == 2
    assert limit.verdict is Verdict.FAIL
    assert f"{day}: x" in limit.details


def test_a_missing_session_fails_everything():
    evidence = gate.passing()
    some = dict(evidence.records)
    del some[evidence.expected_sessions[20]]
    report = gate.decide(replace(evidence, records=some))
    assert gate.limit_of(report, "missing_sessions").measured == 1
    assert all(limit.verdict is Verdict.FAIL for limit in report.limits)
    assert report.regimes == ()
    assert report.markouts == ()


def test_a_champion_without_records_fails():
    evidence = replace(gate.challenging(), champion_records={})
    limit = gate.limit_of(gate.decide(evidence), "advantage")
    assert limit.problem is Problem.MISSING_EVIDENCE
    assert limit.verdict is Verdict.FAIL


def test_a_champion_under_another_deployment_is_not_the_champion():
    evidence = gate.challenging()
    day = evidence.expected_sessions[3]
    other = evidence.champion_records[day].model_copy(
        update={"deployment_digest": paper.digest_of("other")}
    )
    spoilt = replace(evidence, champion_records={**evidence.champion_records, day: other})
    assert gate.limit_of(gate.decide(spoilt), "advantage").verdict is Verdict.FAIL


def test_a_champion_that_earns_more_is_not_beaten():
    evidence = gate.challenging()
    rich = {
        day: record.model_copy(update={"net_return_fraction": 0.01})
        for day, record in evidence.champion_records.items()
    }
    report = gate.decide(replace(evidence, champion_records=rich))
    assert gate.limit_of(report, "advantage").verdict is Verdict.FAIL
    assert report.regimes[0].difference_annual < 0


def test_a_deployment_without_orders_yet_is_inconclusive():
    empty = changed_all(gate.passing(), orders=(), intents=0)
    report = gate.decide(empty)
    assert report.verdict is Verdict.INCONCLUSIVE
    for name in ("slippage_excess", "churn", "reject_rate", "unfilled_share"):
        assert gate.limit_of(report, name).problem is Problem.NOT_MEASURED


def test_a_window_that_does_not_end_with_the_session_fails():
    evidence = replace(gate.passing(10), expected_sessions=tuple(paper.sessions(9)))
    with pytest.raises(ValueError, match="the window ends with"):
        gate.decide(evidence)
    none = gate.decide(replace(gate.passing(10), expected_sessions=()))
    assert all(limit.verdict is Verdict.FAIL for limit in none.limits)


def test_no_deployment_fails():
    report = gate.decide(replace(gate.passing(), deployment=None))
    assert report.verdict is Verdict.FAIL
    assert report.deployment_digest is None


@pytest.mark.parametrize("value", [-1.0, -1.5])
def test_a_loss_of_everything_has_no_certainty_equivalent(value):
    evidence = gate.passing()
    record = gate.spoiled(evidence.records[evidence.session], net_return_fraction=value)
    report = gate.decide(gate.with_record(evidence, evidence.session, record))
    assert gate.limit_of(report, "advantage").problem is Problem.IMPOSSIBLE_VALUE


def test_the_certainty_equivalent_of_a_sure_return_is_that_return():
    assert certainty_equivalent(np.full(9, 0.01), 2.0) == pytest.approx(0.01)
    with pytest.raises(StatisticsInputError):
        certainty_equivalent(np.array([-1.0]), 2.0)


def test_the_certainty_equivalent_is_morningstar_s():
    """MRAR(2) of +50 % and -50 %: (mean of 1.5^-2 and 0.5^-2)^(-1/2) - 1, by hand."""
    assert certainty_equivalent(np.array([0.5, -0.5]), 2.0) == pytest.approx(
        ((0.4444444444 + 4.0) / 2) ** -0.5 - 1
    )


VALUES = st.lists(st.floats(-50, 50), min_size=2, max_size=12)


@given(VALUES, st.data())
def test_every_bound_of_a_cost_rises_with_every_cost(values, data):
    """This is what a t interval does not do."""
    place = data.draw(st.integers(0, len(values) - 1))
    worse = list(values)
    worse[place] += data.draw(st.floats(0, 100))
    weights = np.linspace(1, 3, len(values))
    before = ratio_interval(np.array(values) * weights, weights, HOW)
    after = ratio_interval(np.array(worse) * weights, weights, HOW)
    assert all(a >= b - 1e-9 for a, b in zip(after, before, strict=True))


@given(st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=12), st.data())
def test_every_bound_of_an_advantage_falls_with_every_return(values, data):
    place = data.draw(st.integers(0, len(values) - 1))
    worse = list(values)
    worse[place] -= data.draw(st.floats(0, 0.4))
    reference = np.zeros(len(values))
    before = advantage_interval(np.array(values), reference, 2.0, HOW)
    after = advantage_interval(np.array(worse), reference, 2.0, HOW)
    assert all(a <= b + 1e-12 for a, b in zip(after, before, strict=True))


def test_a_ratio_of_nothing_is_refused():
    with pytest.raises(StatisticsInputError):
        ratio_interval(np.empty(0), np.empty(0), HOW)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """Independent normal costs of known mean, 90 %: the percentile interval runs a little short."""
    draw = np.random.default_rng(11)
    hits = 0
    for _ in range(200):
        costs = draw.normal(3.0, 10.0, 40)
        _, low, high = ratio_interval(costs, np.ones(40), HOW)
        hits += low <= 3.0 <= high
    assert 0.80 <= hits / 200 <= 0.95


def test_every_measurement_has_a_limit_and_every_limit_a_source():
    assert {limit.measurement for limit in gate.POLICY.limits} == set(QUANTITIES)
    assert all(len(limit.source) > 20 for limit in gate.POLICY.limits)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"measurement: churn", b"measurement: charm", "unknown measurement"),
        (b"bound: at_least\n    limit: 40", b"bound: at_most\n    limit: 40", "bound"),
        (
            b"unit: bps\n    on_breach: fail\n    reason_code: SLIP",
            b"unit: count\n    on_breach: fail\n    reason_code: SLIP",
            "unit",
        ),
        (
            b"on_breach: inconclusive\n    reason_code: WINDOW",
            b"on_breach: fail\n    reason_code: WINDOW",
            "on_breach",
        ),
        (b"limit: 0.02", b"limit: 1.02", "lies outside"),
        (b"measurement: policy_changes", b"measurement: missing_sessions", "no limit on"),
        (b"TOO_MANY_REJECTS", b"TOO_MANY_CANCELS", "two limits"),
        (b"  risk_aversion: Morn", b"  risk_averse: Morn", "no source"),
    ],
)
def test_a_policy_that_could_let_something_through_is_refused(old, new, message):
    payload = gate.SHIPPED.replace(old, new)
    assert payload != gate.SHIPPED
    with pytest.raises(GatePolicyRefusedError, match=message):
        parse_paper_gate_policy(payload)
