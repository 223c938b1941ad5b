"""The cause of a flipped verdict, by the definition: what alone would have flipped it."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.audit.compared import DecisionView, Judged, aspect_of
from torghut_assets.domain.audit.differences import (
    SENTENCES,
    cause_of,
    compare,
    field_differences,
)
from torghut_assets.domain.audit.side_by_side import page, plain

D = {
    name: letter * 64
    for name, letter in zip(("spec", "other", "bt1", "bt2", "pol1", "pol2"), "123456", strict=True)
}


def judged(measured, limit, *, bound="at_least", problem=None, name="sharpe", verdict=None):
    passed = measured is not None and problem is None
    if passed:
        passed = measured >= limit if bound == "at_least" else measured <= limit
    return Judged(
        name=name,
        gate="gate1",
        bound=bound,
        limit=limit,
        measured=measured,
        unit="ratio",
        problem=problem,
        verdict=verdict or ("pass" if passed else "fail"),
        artifacts=("backtest_metrics",),
    )


def view(*limits, spec=D["spec"], backtest=D["bt1"], policy=D["pol1"], code="c1"):
    return DecisionView(
        kind="gate-report",
        about="x-v1|u@2020-01-01",
        digest="f" * 64,
        verdict="pass" if all(each.verdict == "pass" for each in limits) else "fail",
        policy_digest=policy,
        policy_version="1",
        code_version=code,
        inputs={"candidate_spec": spec, "backtest_metrics": backtest},
        limits=limits,
    )


def compared(one, other, behind=(), contents=None):
    return compare(one, other, closure=lambda _: behind, loaded=(contents or {}).get)


def test_a_measurement_that_moved_across_its_limit_is_the_cause():
    assert cause_of(judged(1.0, 0.5), judged(0.2, 0.5)) == "measurement_moved"


def test_a_limit_that_moved_across_its_measurement_is_the_cause():
    assert cause_of(judged(1.0, 0.5), judged(1.0, 1.5)) == "limit_moved"


def test_if_both_moved_it_is_said_what_suffices():
    assert cause_of(judged(1.0, 0.5), judged(0.9, 1.5)) == "limit_moved"
    assert cause_of(judged(1.0, 0.5), judged(0.2, 0.6)) == "measurement_moved"
    assert cause_of(judged(1.0, 0.5), judged(0.2, 1.5)) == "either_suffices"
    assert cause_of(judged(1.0, 0.5), judged(0.8, 0.9)) == "only_both_suffice"


def test_a_problem_is_a_cause_of_its_own():
    assert cause_of(judged(1.0, 0.5), judged(None, 0.5, problem="missing")) == "problem_appeared"
    assert cause_of(judged(None, 0.5, problem="missing"), judged(1.0, 0.5)) == "problem_gone"


def test_a_limit_that_only_one_decision_has_is_a_cause_of_its_own():
    assert cause_of(None, judged(1.0, 0.5)) == "only_in_one"


def test_equal_numbers_with_other_verdicts_accuse_the_judging_code():
    one, other = judged(1.0, 0.5), judged(1.0, 0.5, verdict="fail")
    assert cause_of(one, other) == "judged_by_other_rules"
    (flip,) = compared(view(one), view(other, code="c2")).flips
    assert flip.sources == ("judging_code",)


@given(
    st.sampled_from(["at_least", "at_most"]),
    *[st.floats(-2, 2, allow_nan=False) for _ in range(4)],
)
def test_the_cause_is_what_alone_would_flip_the_verdict(bound, m1, l1, m2, l2):
    one, other = judged(m1, l1, bound=bound), judged(m2, l2, bound=bound)
    if one.verdict == other.verdict:
        return
    by_measurement = judged(m2, l1, bound=bound).verdict != one.verdict
    by_limit = judged(m1, l2, bound=bound).verdict != one.verdict
    expected = {
        (True, False): "measurement_moved",
        (False, True): "limit_moved",
        (True, True): "either_suffices",
        (False, False): "only_both_suffice",
    }[by_measurement, by_limit]
    assert cause_of(one, other) == expected


def test_a_moved_measurement_comes_from_the_inputs_behind_the_gate_that_differ():
    one = view(judged(1.0, 0.5))
    other = view(judged(0.2, 0.5), spec=D["other"], backtest=D["bt2"])
    (flip,) = compared(one, other, behind=(D["spec"], D["other"])).flips
    assert flip.sources == ("candidate_spec",)


def test_without_a_differing_root_the_differing_record_itself_is_the_source():
    (flip,) = compared(view(judged(1.0, 0.5)), view(judged(0.2, 0.5), backtest=D["bt2"])).flips
    assert flip.sources == ("backtest_metrics",)


def test_a_moved_limit_comes_from_the_policy_and_the_fields_are_named():
    contents = {
        D["pol1"]: {"limits": [{"name": "a", "limit": 1}]},
        D["pol2"]: {"limits": [{"name": "a", "limit": 2}]},
    }
    found = compared(
        view(judged(1.0, 0.5)), view(judged(1.0, 1.5), policy=D["pol2"]), contents=contents
    )
    assert found.flips[0].sources == ("policy",)
    (policy,) = found.inputs
    assert [tuple(field) for field in policy.fields] == [("limits.a.limit", 1, 2)]


def test_the_number_of_trials_is_a_source_of_a_deflated_statistic_only():
    one = dataclasses.replace(view(), inputs={"overfit_diagnostics": D["bt1"]}, limits=())
    contents = {D["bt1"]: {"trials_raw": 6}, D["bt2"]: {"trials_raw": 90}}

    def sources(name):
        limits = [
            judged(value, 0.5, name=name).model_copy(update={"artifacts": ("overfit_diagnostics",)})
            for value in (1.0, 0.2)
        ]
        first = dataclasses.replace(one, limits=(limits[0],))
        second = dataclasses.replace(
            one, limits=(limits[1],), inputs={"overfit_diagnostics": D["bt2"]}
        )
        return compared(first, second, contents=contents).flips[0].sources

    assert "overfit_diagnostics.trials_raw" in sources("deflated_sharpe")
    assert "overfit_diagnostics.trials_raw" not in sources("drawdown")


def test_the_same_decision_differs_in_nothing():
    one = view(judged(1.0, 0.5))
    found = compared(one, one)
    assert (found.inputs, found.flips, found.moved) == ((), (), ())


def test_what_moved_without_a_flip_is_listed_apart():
    found = compared(view(judged(1.0, 0.5)), view(judged(0.9, 0.5)))
    assert not found.flips
    assert [(moved.one.measured, moved.other.measured) for moved in found.moved] == [(1.0, 0.9)]


def test_fields_are_compared_by_name_also_in_lists():
    one = {"items": [{"name": "a", "x": 1}, {"name": "b", "x": 2}], "gone": 1}
    other = {"items": [{"name": "b", "x": 3}, {"name": "a", "x": 1}], "new": [1]}
    assert [tuple(field) for field in field_differences(one, other)] == [
        ("items.b.x", 2, 3),
        ("gone", 1, None),
        ("new", None, [1]),
    ]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(_JSON)
def test_nothing_differs_from_itself(value):
    assert list(field_differences(value, value)) == []


def test_results_are_evidence_and_settings_are_not():
    assert aspect_of("backtest_metrics") == "evidence"
    assert aspect_of("dataset_snapshot") == "data"
    assert aspect_of("paper_gate_policy") == "policy"


def test_the_page_is_80_columns_wide_and_says_the_cause():
    found = compared(view(judged(1.0, 0.5)), view(judged(0.2, 0.5), spec=D["other"]))
    lines = list(page(found, (), ((), ())))
    assert max(map(len, lines)) <= 80
    assert SENTENCES["measurement_moved"] in " ".join(" ".join(lines).split())
    assert plain(found, (), ((), ()))["flipped"][0]["cause"] == "measurement_moved"
