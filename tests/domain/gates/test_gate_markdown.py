import datetime as dt
import re
from dataclasses import replace

import pytest
from gate_evidence import POLICY, changed, passing, rebound

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.gates.evaluate import evaluate_gates
from torghut_assets.domain.gates.evidence import GateEvidence
from torghut_assets.domain.gates.markdown import render_markdown

AT = dt.datetime(2024, 5, 1, 9, 30, tzinfo=dt.UTC)
OOS = "backtest_metrics.out_of_sample."
EMPTY = GateEvidence(candidate_id="some-candidate", snapshot_id="some-place@2020-01-01")


def page_of(evidence: GateEvidence) -> str:
    report = evaluate_gates(evidence, POLICY, code_version="test")
    return render_markdown(report, AT, evidence)


def bad_drawdown() -> GateEvidence:
    evidence = changed(passing(), OOS + "max_drawdown_fraction", 0.412)
    return rebound(changed(evidence, "stress_metrics.base.max_drawdown_fraction", 0.412))


def test_a_pass_says_so_first_and_names_the_closest_call():
    page = page_of(passing())
    assert page.startswith("# ✓ trend-of-six may go to paper trading\n")
    assert "The closest call: **gross exposure**: 102.0% where ≤ 110.0% is allowed." in page
    assert "Beyond paper trading no further limit stands in the way." in page
    assert "Ask for a paper deployment" in page


def test_a_refusal_says_why_in_plain_words():
    page = page_of(bad_drawdown())
    assert page.startswith("# ✗ trend-of-six is refused\n")
    assert (
        "1 of the 30 limits that paper trading requires is not kept, in risk and capacity" in page
    )
    assert "- **drawdown**: 41.2% where ≤ 30.0% is allowed." in page
    assert "## ✗ Risk and capacity (9 of 10 kept)" in page
    assert "Back to research, for reasons of risk." in page


def test_what_is_not_measured_is_shown_as_such():
    page = page_of(replace(passing(), overfit_diagnostics=None))
    assert page.startswith("# ✓")
    assert "Beyond paper trading it is refused: overfit evidence chain, deflated sharpe" in page
    assert "are **not measured**" in page
    assert page.count("`MISSING_EVIDENCE`") == 6


def test_a_breach_beyond_paper_is_named():
    page = page_of(changed(passing(), "overfit_diagnostics.pbo", 0.4))
    assert "Beyond paper trading it is refused as well: overfitting probability." in page
    assert page.startswith("# ✓")


def test_every_limit_fold_and_scenario_is_on_the_page():
    page = page_of(passing())
    for limit in POLICY.limits:
        assert f"| {limit.name.replace('_', ' ')} |" in page
    assert len(re.findall(r"^\| \d \| 20", page, re.M)) == 8
    for scenario in passing().stress_metrics.results:
        assert f"| {scenario.scenario.replace('_', ' ')} |" in page
    assert "Earns most of its return here." in page
    assert f"`{passing().backtest_metrics.digest}`" in page


def test_tables_have_as_many_cells_in_every_row():
    for evidence in (passing(), bad_drawdown(), EMPTY):
        for block in re.findall(r"(?:^\|.*\n)+", page_of(evidence), re.M):
            cells = {len(re.split(r"(?<!\\)\|", row)) for row in block.splitlines()}
            assert len(cells) == 1


def test_text_of_a_record_cannot_act_as_markup():
    spec = passing().candidate_spec.model_copy(
        update={"title": "<script>x</script>|[y](z)", "thesis": "one\n\n# two `three` and more"}
    )
    page = page_of(rebound(replace(passing(), candidate_spec=spec)))
    assert "<script>" not in page
    assert "\\|\\[y](z)" in page
    assert "\n# two" not in page


def test_bars_are_full_on_the_limit_and_overflow_beyond_it():
    page = page_of(bad_drawdown())
    rows = {row.split("|")[2].strip(): row for row in page.splitlines() if row.startswith("| ")}
    assert "`██████████!`" in rows["drawdown"]
    assert "`█████████·`" in rows["symbol weight"]
    assert "`" not in rows["data errors"]


@pytest.mark.parametrize(
    "evidence",
    [
        EMPTY,
        replace(passing(), stress_metrics=None, candidate_spec=None),
        changed(passing(), OOS + "sharpe_annual", float("nan")),
        changed(passing(), "stress_metrics.results.0.path", None),
        changed(passing(), "candidate_spec.title", 12),
        replace(passing(), backtest_metrics="not a record"),
    ],
)
def test_a_page_of_bad_evidence_is_still_a_page(evidence):
    page = page_of(evidence)
    assert page.startswith("# ✗")
    assert "nan" not in page.replace("NaN", "")


def test_a_time_without_a_zone_is_refused():
    report = evaluate_gates(passing(), POLICY, code_version="test")
    with pytest.raises(BadInputError):
        render_markdown(report, AT.replace(tzinfo=None), passing())
