"""A failing drift report becomes triggers: one per circumstance, with its reasons."""

from drift_evidence import evidence, policy, with_session

from torghut_assets.domain.drift.evaluate import evaluate_drift
from torghut_assets.domain.rollback.decide import triggers_of_drift


def report(**changes):
    found = with_session(evidence(6), 5, **changes) if changes else evidence(6)
    return evaluate_drift(found, policy(), code_version="test")


def test_a_report_that_passes_has_no_trigger():
    assert triggers_of_drift(report()) == ()


def test_each_circumstance_is_named_once_with_its_report():
    found = report(
        unexplained=1, gross_fraction=2.0, largest_fraction=2.0, parity_difference_fraction=1.0
    )
    triggers = triggers_of_drift(found)
    assert {t.circumstance for t in triggers} == {
        "unexplained_difference",
        "risk_breach",
        "model_drift",
    }
    assert {t.digest for t in triggers} == {found.digest}
    (risk,) = [t for t in triggers if t.circumstance == "risk_breach"]
    assert "gross_limit_use" in risk.detail
    assert "position_limit_use" in risk.detail
