"""Records of different evaluations do not add up to evidence."""

import datetime as dt
from dataclasses import replace

import pytest
from gate_evidence import D, changed, get, passing, rebound, without_item

from torghut_assets.domain.gates.consistency import contradictions, overfit_contradictions
from torghut_assets.domain.gates.evidence import Problem, UnusableEvidenceError

FOLDS = "backtest_metrics.folds"


def test_consistent_records_have_no_contradiction():
    assert contradictions(passing()) == ()
    assert overfit_contradictions(passing()) == ()


CITATIONS = [
    *(
        f"{name}.inputs.{field}"
        for name in (
            "target_weights",
            "backtest_metrics",
            "stress_metrics",
            "reproducibility_manifest",
        )
        for field in (
            "spec_digest",
            "build_digest",
            "manifest_digest",
            "cost_model_digest",
            "risk_limits_digest",
            "settings_digest",
            "trial_policy_digest",
        )
    ),
    "strategy_build.spec_digest",
    "backtest_metrics.target_weights_digest",
    "stress_metrics.backtest_digest",
    "reproducibility_manifest.outputs.0.first_digest",
    "reproducibility_manifest.outputs.1.first_digest",
    "reproducibility_manifest.outputs.2.first_digest",
]


@pytest.mark.parametrize("path", CITATIONS)
def test_a_citation_of_another_record_is_found(path):
    found = contradictions(changed(passing(), path, D["e"]))
    record = path.split(".")[0]
    assert any(record in sentence and D["e"][:12] in sentence for sentence in found)


EDITS = [
    ("candidate_spec.title", "Another title"),
    ("strategy_build.warm_up_bars", 1),
    ("dataset_snapshot.calendar", "XLON"),
    ("cost_model.fee_bps", 0.0),
    ("risk_limits.cooldown_bars", 0),
    ("evaluation_settings.seed", 8),
    ("trial_policy.holdout_months", 0),
    ("target_weights.n_bars", 1),
    ("backtest_metrics.capacity_usd", 9e9),
    ("stress_metrics.results.0.mean_return_per_bar", 0.01),
]


@pytest.mark.parametrize(("path", "value"), EDITS)
def test_a_record_that_was_edited_no_longer_fits(path, value):
    assert contradictions(changed(passing(), path, value)) != ()


INSIDE = [
    ("candidate_spec.candidate_id", "another-one"),
    ("candidate_spec.universe", "other-universe"),
    ("candidate_spec.parameters", {"lookback_bars": 60}),
    ("strategy_build.candidate_id", "another-one"),
    ("strategy_build.strategy_version", "2.0.0"),
    ("strategy_build.strategy_type", "mean-reversion"),
    ("dataset_snapshot.snapshot_id", "us-megacaps@2020-12-31"),
    ("dataset_snapshot.universe", "other-universe"),
    ("dataset_snapshot.as_of", dt.date(2021, 12, 30)),
    ("dataset_snapshot.rows", 7),
    ("dataset_snapshot.files.0.rows", 7),
    ("dataset_snapshot.symbols.0.symbol", "TSLA"),
    ("backtest_metrics.inputs.candidate_id", "another-one"),
    ("backtest_metrics.inputs.snapshot_id", "us-megacaps@2020-12-31"),
    ("backtest_metrics.settings.seed", 8),
    ("backtest_metrics.by_symbol.5.symbol", "TSLA"),
    ("backtest_metrics.out_of_sample.n_bars", 1007),
    ("backtest_metrics.folds.3.fold", 5),
    ("backtest_metrics.folds.3.test.n_bars", 125),
    ("stress_metrics.base.sharpe_annual", 0.1),
    ("reproducibility_manifest.outputs.0.output", "stress-metrics"),
    ("reproducibility_manifest.outputs.0.output", "something-else"),
]


@pytest.mark.parametrize(("path", "value"), INSIDE)
def test_a_contradiction_remains_when_all_citations_are_renewed(path, value):
    evidence = changed(passing(), path, value)
    if not path.endswith(".output"):
        evidence = rebound(evidence)
    assert contradictions(evidence) != ()


@pytest.mark.parametrize("place", [0, 4, 7])
def test_a_fold_cannot_be_left_out(place):
    evidence = rebound(without_item(passing(), FOLDS, place))
    assert any("folds" in sentence for sentence in contradictions(evidence))


def test_a_decision_about_another_candidate_is_found():
    assert contradictions(replace(passing(), candidate_id="another-one")) != ()
    assert contradictions(replace(passing(), snapshot_id="us-megacaps@2020-12-31")) != ()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("backtest_digest", D["e"]),
        ("inputs.manifest_digest", D["e"]),
        ("inputs.candidate_id", "another-one"),
        ("observed_bars", 999),
        ("trials_declared_outside", 3),
        ("trials_raw", 2),
        ("dsr", 0.123456789012345678),
        ("psr", float("nan")),
    ],
)
def test_diagnostics_of_another_backtest_are_found(path, value):
    evidence = passing()
    record = evidence.overfit_diagnostics
    head, _, tail = path.partition(".")
    new = getattr(record, head).model_copy(update={tail: value}) if tail else value
    spoiled = replace(evidence, overfit_diagnostics=record.model_copy(update={head: new}))
    assert len(overfit_contradictions(spoiled)) == 1
    assert contradictions(spoiled) == ()


def test_a_record_that_validation_would_not_have_made_has_no_digest():
    evidence = passing()
    path = "backtest_metrics.out_of_sample"
    unrounded = get(evidence, path).model_copy(update={"sharpe_annual": 1.0000000000001234})
    assert changed(evidence, path, unrounded).digests["backtest_metrics"] is None
    assert changed(evidence, "dataset_snapshot.rows", "7").digests["dataset_snapshot"] is None
    bare = type(evidence.cost_model).model_construct()
    assert replace(evidence, cost_model=bare).digests["cost_model"] is None


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("dataset_snapshot", None, Problem.MISSING_EVIDENCE),
        ("dataset_snapshot", "snapshot", Problem.WRONG_TYPE),
        ("backtest_metrics.inputs", None, Problem.NOT_MEASURED),
        ("backtest_metrics.inputs.spec_digest", 12, Problem.WRONG_TYPE),
        ("backtest_metrics.folds", "none", Problem.WRONG_TYPE),
        ("candidate_spec.strategy", object(), Problem.WRONG_TYPE),
    ],
)
def test_records_that_cannot_be_read_are_a_problem_not_a_crash(path, value, problem):
    with pytest.raises(UnusableEvidenceError) as caught:
        contradictions(changed(passing(), path, value))
    assert caught.value.problem is problem
