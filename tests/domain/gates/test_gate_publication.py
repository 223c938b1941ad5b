import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from gate_evidence import OUTPUTS, POLICY, changed, passing, rebound

from torghut_assets.domain.errors import BadInputError, EvidenceError
from torghut_assets.domain.gates.evaluate import evaluate_gates
from torghut_assets.domain.gates.evidence import GateEvidence
from torghut_assets.domain.gates.publication import SCHEMA_VERSION, publication
from torghut_assets.domain.gates.records import GateReport

SCHEMAS = Path(__file__).parents[3] / "torghut_assets" / "schemas"
SCHEMA = json.loads((SCHEMAS / f"{SCHEMA_VERSION}.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
AT = dt.datetime(2024, 5, 1, 9, 30, 0, 999_999, tzinfo=dt.UTC)
EMPTY = GateEvidence(candidate_id="some-candidate", snapshot_id="some-place@2020-01-01")


def decide(evidence: GateEvidence) -> GateReport:
    return evaluate_gates(evidence, POLICY, code_version="1.0+abc")


def in_trouble() -> GateEvidence:
    """One limit breached, one NaN, one wrong sign, one missing record."""
    path = "backtest_metrics.out_of_sample."
    evidence = changed(passing(), path + "max_drawdown_fraction", 0.7)
    evidence = changed(evidence, path + "turnover_annual", float("nan"))
    evidence = changed(evidence, path + "cost_annual_fraction", -0.1)
    return replace(evidence, stress_metrics=None, overfit_diagnostics=None)


@pytest.mark.parametrize("evidence", [passing(), in_trouble(), EMPTY], ids=["good", "bad", "none"])
def test_every_publication_follows_its_schema(evidence):
    document = publication(decide(evidence), AT)
    VALIDATOR.validate(json.loads(json.dumps(document, allow_nan=False)))


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def edits():
    """Publications that no decision can have."""

    def verdict(document):
        document["verdict"] = "pass"

    def action(document):
        document["next_action"] = "request_paper_deployment"

    def beyond(document):
        document["beyond_paper_verdict"] = "pass"

    def fewer_gates(document):
        document["gates"].pop()

    def other_order(document):
        document["gates"].reverse()

    def gate_status(document):
        document["gates"][2]["status"] = "pass"

    def no_reason(document):
        document["gates"][2]["reasons"] = []

    def no_limits(document):
        document["gates"][0]["limits"] = []

    def unknown_field(document):
        document["gates"][0]["score"] = 11

    def no_digest(document):
        document["report_digest"] = "trust me"

    def local_time(document):
        document["evaluated_at"] = "2024-05-01T09:30:00+02:00"

    def margin_without_measurement(document):
        unmeasured = document["gates"][2]["limits"][2]
        assert unmeasured["measured"] is None
        unmeasured["margin"] = 1.0

    def status_of_a_limit(document):
        document["gates"][2]["limits"][2]["status"] = "PASSED"

    return [value for value in locals().values() if callable(value)]


@pytest.mark.parametrize("edit", edits(), ids=lambda edit: edit.__name__)
def test_the_schema_refuses_what_no_decision_can_be(edit):
    document = publication(decide(in_trouble()), AT)
    VALIDATOR.validate(document)
    edit(document)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(document)


def test_each_gate_says_what_the_issue_asks_for():
    report = decide(in_trouble())
    document = publication(report, AT)
    assert document["report_digest"] == report.digest
    assert document["policy_digest"] == POLICY.digest
    assert document["inputs"]["candidate_spec"] == passing().candidate_spec.digest
    assert document["inputs"]["stress_metrics"] is None
    for gate in document["gates"]:
        assert gate["evaluated_at"] == "2024-05-01T09:30:00Z"
        assert gate["code_version"] == "1.0+abc"
        assert gate["artifact_refs"].items() <= document["inputs"].items()
        assert {r["limit"] for r in gate["reasons"]} == {
            limit["name"] for limit in gate["limits"] if limit["status"] != "PASSED"
        }
    codes = {r["limit"]: r["code"] for g in document["gates"] for r in g["reasons"]}
    assert codes["drawdown"] == "DRAWDOWN_TOO_DEEP"
    assert codes["turnover"] == "NOT_A_NUMBER"
    assert codes["cost"] == "WRONG_SIGN"
    assert codes["stress_drawdown"] == "MISSING_EVIDENCE"
    assert codes["deflated_sharpe"] == "MISSING_EVIDENCE"


def test_the_time_is_published_and_not_part_of_the_decision():
    one, other = decide(passing()), decide(replace(passing()))
    assert one.canonical_bytes() == other.canonical_bytes()
    later = publication(other, AT + dt.timedelta(days=1))
    assert later["report_digest"] == publication(one, AT)["report_digest"]
    assert b"2024-05-01" not in one.canonical_bytes()


def test_any_time_zone_is_published_in_utc():
    there = AT.astimezone(dt.timezone(dt.timedelta(hours=-5)))
    assert publication(decide(EMPTY), there)["evaluated_at"] == "2024-05-01T09:30:00Z"


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(BadInputError, match="without a time zone"):
        publication(decide(EMPTY), AT.replace(tzinfo=None))


def test_a_stored_report_reads_back_and_an_edited_one_does_not():
    report = decide(in_trouble())
    stored = report.canonical_bytes()
    assert GateReport.from_canonical_bytes(stored, location="store") == report
    assert b'"verdict"' not in stored
    edited = stored.replace(b'"gates":[', b'"verdict":"pass","gates":[', 1)
    with pytest.raises(EvidenceError):
        GateReport.from_canonical_bytes(edited, location="store")


def test_the_outputs_of_the_manifest_are_record_kinds():
    kinds = {o.output for o in rebound(passing()).reproducibility_manifest.outputs}
    assert kinds == set(OUTPUTS)
