from dataclasses import replace

import pytest
from gate_evidence import CANDIDATE, POLICY, SNAPSHOT, changed, passing, rebound, without_item
from pydantic import ValidationError

from torghut_assets.domain.gates.evaluate import evaluate_gates
from torghut_assets.domain.gates.evidence import GateEvidence
from torghut_assets.domain.gates.feedback import (
    NothingToFeedBackError,
    ResearchFeedback,
    research_feedback_for,
)

OOS = "backtest_metrics.out_of_sample."


def feedback_on(evidence: GateEvidence) -> ResearchFeedback:
    report = evaluate_gates(evidence, POLICY, code_version="test")
    return research_feedback_for(report, evidence)


@pytest.mark.parametrize(
    ("path", "value", "reason_class"),
    [
        ("dataset_snapshot.as_of", None, "data"),
        (OOS + "turnover_annual", 80.0, "cost"),
        (OOS + "max_symbol_fraction", 0.9, "risk"),
        ("backtest_metrics.capacity_usd", 1.0, "capacity"),
        ("backtest_metrics.sensitivity.grid_share_positive", 0.1, "overfitting"),
        ("backtest_metrics.in_sample_sharpe_annual", 9.0, "statistics"),
        ("reproducibility_manifest.outputs.0.second_digest", "e" * 64, "reproducibility"),
    ],
)
def test_a_refusal_is_sorted_by_its_reason(path, value, reason_class):
    feedback = feedback_on(changed(passing(), path, value))
    finding = next(f for f in feedback.findings if f.reason_class == reason_class)
    assert finding.blocks_paper
    assert reason_class in feedback.reason_classes
    assert finding.codes
    assert len(finding.limits) == len(finding.texts)
    assert len(finding.suggestion) > 40


def test_what_blocks_paper_comes_first_and_data_before_all():
    evidence = replace(
        rebound(changed(passing(), OOS + "max_drawdown_fraction", 0.9)),
        dataset_snapshot=None,
        overfit_diagnostics=None,
    )
    findings = feedback_on(evidence).findings
    assert findings[0].reason_class == "data"
    blocking = [finding.blocks_paper for finding in findings]
    assert blocking == sorted(blocking, reverse=True)
    assert not blocking[-1]


def test_a_child_is_told_what_to_cite():
    evidence = rebound(changed(passing(), OOS + "turnover_annual", 80.0))
    report = evaluate_gates(evidence, POLICY, code_version="test")
    feedback = research_feedback_for(report, evidence)
    cited = {ref.name: ref.digest for ref in feedback.cite}
    assert cited == {
        "gate_report": report.digest,
        "candidate_spec": evidence.candidate_spec.digest,
        "dataset_snapshot": evidence.dataset_snapshot.digest,
        "backtest_metrics": evidence.backtest_metrics.digest,
    }
    assert feedback.gate_report_digest == report.digest
    assert feedback.policy_digest == POLICY.digest
    assert feedback.subject == f"{CANDIDATE}|{SNAPSHOT}"


def test_expectations_stand_next_to_what_came():
    evidence = rebound(without_item(passing(), "stress_metrics.results", 0))
    bull, turbulent = feedback_on(evidence).regimes
    assert (bull.regime, bull.sharpe_annual, bull.n_bars) == ("bull", 1.4, 700)
    assert (turbulent.regime, turbulent.sharpe_annual, turbulent.n_bars) == (
        "turbulent",
        None,
        None,
    )


@pytest.mark.parametrize(
    "evidence",
    [
        changed(passing(), OOS + "turnover_annual", float("nan")),
        replace(passing(), candidate_spec=None),
        GateEvidence(candidate_id="some-candidate", snapshot_id="some-place@2020-01-01"),
    ],
)
def test_malformed_or_missing_records_give_feedback_without_regimes(evidence):
    feedback = feedback_on(evidence)
    assert feedback.regimes == ()
    assert all(ref.digest is not None for ref in feedback.cite)


def test_a_report_that_passed_has_no_feedback():
    with pytest.raises(NothingToFeedBackError, match="verdict pass"):
        feedback_on(replace(passing(), overfit_diagnostics=None))


def test_feedback_without_a_blocking_finding_does_not_exist():
    feedback = feedback_on(changed(passing(), OOS + "turnover_annual", 80.0))
    harmless = tuple(f.model_copy(update={"blocks_paper": False}) for f in feedback.findings)
    with pytest.raises(ValidationError, match="no refusal"):
        ResearchFeedback(**{**dict(feedback), "findings": harmless})


def test_feedback_is_stored_and_read_back():
    feedback = feedback_on(changed(passing(), OOS + "turnover_annual", 80.0))
    payload = feedback.canonical_bytes()
    assert ResearchFeedback.from_canonical_bytes(payload, location="store") == feedback
