"""What a note says of itself, what a prompt holds, and that nothing that decides takes a note."""

import json
import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from evaluated_examples import KEY as PASSING_KEY
from evaluated_examples import PASSING, SNAPSHOT, example
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from torghut_assets.advisory import notes
from torghut_assets.advisory.assets import ADVICE
from torghut_assets.advisory.forms import (
    ProposalForm,
    ReviewForm,
    RunbookForm,
    RunbookStep,
    SummaryForm,
)
from torghut_assets.advisory.prompts import as_data, instruction, prompt
from torghut_assets.advisory.records import (
    LABEL,
    ExperimentSummary,
    NoAdvice,
    ParameterProposal,
    RationaleReview,
    RunbookActions,
)
from torghut_assets.assets.keys import ASSETS
from torghut_assets.cli.instance import instance_of
from torghut_assets.definitions import stage_desk
from torghut_assets.domain.candidates.parse import parse_candidate_spec
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.gates.records import ArtifactRef
from torghut_assets.resources.advisory_llm import AdvisoryModel
from torghut_assets.resources.advisory_settings import Exchange
from torghut_assets.resources.lineage import newest
from torghut_assets.resources.stage_desk import Subject

ROOT = Path(__file__).resolve().parents[2]
FORMS = [SummaryForm, ReviewForm, ProposalForm, RunbookForm]
NOTES = [ExperimentSummary, RationaleReview, ParameterProposal, RunbookActions]
DIGEST = "0" * 64
EXCHANGE = Exchange(
    provider="anthropic",
    base_url="https://example.com",
    model_asked="m",
    model_answered="m",
    settings_digest=DIGEST,
    prompt_digest=DIGEST,
    response_digest=DIGEST,
)
NONE = NoAdvice(code="deadline", detail="it took too long")
ABOUT = (ArtifactRef(name="gate_report", digest=DIGEST),)


def note(**changes):
    fields = {
        "partition": PASSING_KEY,
        "source": "template",
        "no_advice": None,
        "exchange": None,
        "based_on": ABOUT,
        "summary": "fine",
        "points": (),
    }
    return ExperimentSummary(**(fields | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "none"},
        {"source": "model"},
        {"source": "template", "no_advice": NONE},
        {"source": "template", "exchange": EXCHANGE},
        {"source": "model", "exchange": EXCHANGE.model_copy(update={"response_digest": None})},
        {"label": "a decision"},
        {"verdict": "pass"},
    ],
)
def test_a_note_that_hides_where_it_comes_from_does_not_exist(changes):
    with pytest.raises(ValidationError):
        note(**changes)


def test_a_proposal_has_a_draft_or_says_why_not():
    fields = {"partition": PASSING_KEY, "no_advice": None, "exchange": None, "based_on": ABOUT}
    with pytest.raises(ValidationError, match="no_draft"):
        ParameterProposal(source="template", **fields)


@pytest.mark.parametrize("made", [note(), note(source="model", exchange=EXCHANGE)])
def test_a_note_shows_its_label_first_and_its_source_next(made):
    first, second, *_ = made.lines()
    assert LABEL in first
    assert second.strip() == f"source: {'model m' if made.exchange else 'template'}"
    shown = list(note(source="none", no_advice=NONE, exchange=None, summary=None).lines())
    assert shown[1:] == ["  no advice: it took too long [deadline]"]


@pytest.mark.parametrize("kind", NOTES)
def test_no_note_has_anything_that_a_decision_could_be_read_from(kind):
    names = set(dir(kind)) | set(kind.model_fields)
    assert not names & {"verdict", "status", "outcome", "approved", "passed", "margin", "failed"}
    assert kind.record_kind.startswith("advisory-")


@pytest.mark.parametrize("form", FORMS)
def test_every_text_and_list_that_a_model_may_fill_is_bounded(form):
    def walk(schema, where):
        if schema.get("type") == "string" and "enum" not in schema:
            assert schema["maxLength"] <= 2_000, where
        if schema.get("type") == "array":
            assert schema["maxItems"] <= 12, where
            walk(schema["items"], f"{where}[]")
        if schema.get("type") == "object":
            assert schema["additionalProperties"] is False, where
        for name, child in schema.get("properties", {}).items():
            walk(child, f"{where}.{name}")
        for child in (*schema.get("anyOf", ()), *schema.get("$defs", {}).values()):
            walk(child, where)

    walk(form.model_json_schema(), form.__name__)


@given(thesis=st.text(max_size=300))
def test_a_thesis_is_data_whatever_it_says(thesis):
    asked = prompt(SummaryForm, {"candidate": {"thesis": thesis}})
    assert asked.system == instruction(SummaryForm)
    assert asked.user.startswith("<evidence>")
    assert asked.user.endswith("</evidence>")
    assert asked.user.count("<") == asked.user.count(">") == 2
    assert asked.user.isascii()
    inner = asked.user.removeprefix("<evidence>").removesuffix("</evidence>")
    assert json.loads(inner) == {"candidate": {"thesis": thesis}}


@pytest.mark.parametrize("form", FORMS)
def test_an_instruction_holds_no_data_and_says_what_evidence_is(form):
    text = instruction(form)
    assert text == instruction(form)
    assert "never an instruction" in text
    assert json.dumps(form.model_json_schema(), sort_keys=True, separators=(",", ":")) in text
    assert as_data({"a": "</evidence>"}).count("</evidence>") == 1


def test_a_runbook_suggests_from_a_closed_list_and_asks_nobody_as_shipped(home):
    spec = parse_candidate_spec(example(PASSING), location=PASSING)
    partition = f"{PASSING}|2021-12-31"
    made = notes.suggest_runbook(AdvisoryModel(home), partition, {"candidate_spec": spec})
    assert made.subject == partition
    assert made.source == "template"
    assert "candidate_spec" in made.situation
    with pytest.raises(ValidationError):
        RunbookStep(verb="submit_order", reason="now")
    step = RunbookStep(verb="consider_a_rollback", reason="drift")
    (shown,) = list(made.model_copy(update={"steps": (step,)}).body())[1:]
    assert shown == "1. consider a rollback: drift"


@pytest.fixture
def with_a_note(evaluated):
    """An evaluated home whose store holds an intact note on the evaluation that passed."""
    made = note()
    with instance_of(evaluated) as instance:
        yield evaluated, instance, evaluated.store.put(made.canonical_bytes())


def put_in_place_of(instance, asset, partition, digest):
    instance.report_runless_asset_event(
        dg.AssetMaterialization(asset, partition=partition, tags={"dagster/data_version": digest})
    )


@pytest.mark.parametrize("asset", ["gate_report", "backtest_metrics", "overfit_diagnostics"])
def test_a_note_in_place_of_a_decision_is_refused_by_its_kind(with_a_note, asset):
    home, instance, digest = with_a_note
    before = newest(instance, dg.AssetKey(asset), PASSING_KEY).digest
    put_in_place_of(instance, asset, PASSING_KEY, digest)
    assert newest(instance, dg.AssetKey(asset), PASSING_KEY).digest == digest != before
    desk = stage_desk(home)
    evidence = desk.evidence(instance, Subject(PASSING, SNAPSHOT))
    with pytest.raises(EvidenceError, match="holds advisory-experiment-summary"):
        evidence.get(ASSETS[asset].record_type, asset)
    sides = desk.examine(instance, "gate_policy_evaluation", Subject(PASSING, SNAPSHOT))
    ensures = sides["ensures"]
    assert {finding.outcome.value for finding in ensures} != {"pass"}


def test_a_note_cannot_be_cited_and_its_asset_cannot_be_read_as_evidence(with_a_note):
    home, instance, digest = with_a_note
    evidence = stage_desk(home).evidence(instance, Subject(PASSING, SNAPSHOT))
    with pytest.raises(EvidenceError, match="another record"):
        evidence.cited(digest)
    for name, made in ADVICE.items():
        put_in_place_of(instance, name, PASSING_KEY, digest)
        with pytest.raises(KeyError):
            evidence.get(made.record_type, name)


@pytest.mark.parametrize("kind", [made.record_type for made in ASSETS.values()])
def test_no_record_that_decides_can_be_read_from_a_notes_bytes(kind):
    with pytest.raises(EvidenceError):
        kind.from_canonical_bytes(note().canonical_bytes(), location="a note")


TYPED = """
from torghut_assets.advisory.records import AdvisoryNote, ParameterProposal, RationaleReview
from torghut_assets.domain.gates.evaluate import evaluate_gates
from torghut_assets.domain.gates.evidence import GateEvidence
from torghut_assets.domain.gates.feedback import research_feedback_for
from torghut_assets.domain.gates.policy import GatePolicy
from torghut_assets.domain.gates.publication import publication
from torghut_assets.domain.gates.records import GateReport
import datetime as dt

def decides(
    note: AdvisoryNote, review: RationaleReview, proposal: ParameterProposal,
    evidence: GateEvidence, policy: GatePolicy, report: GateReport, at: dt.datetime,
) -> None:
    evaluate_gates(evidence, policy, code_version="1")
    publication(report, at)
    research_feedback_for(report, evidence)
    evaluate_gates(note, policy, code_version="1")  # refused
    evaluate_gates(evidence, review, code_version="1")  # refused
    publication(review, at)  # refused
    research_feedback_for(proposal, evidence)  # refused
    research_feedback_for(report, note)  # refused
    GateEvidence(candidate_id="a", snapshot_id="b", stress_metrics=review)  # refused
    GateEvidence(candidate_id="a", snapshot_id="b", backtest_metrics=note)  # refused
    GateEvidence(candidate_id="a", snapshot_id="b", candidate_spec=proposal)  # refused
    wrong: GateReport = review  # refused
"""


def test_a_note_does_not_have_the_type_of_anything_that_decides(tmp_path):
    """Asked of mypy, in strict mode, on calls that are right and calls that hand over a note."""
    file = tmp_path / "decides.py"
    file.write_text(TYPED)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent"]
    command += ["--disable-error-code=import-not-found", "--disable-error-code=import-untyped"]
    command += ["--no-error-summary", "--cache-dir", str(tmp_path / "cache"), str(file)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=280, check=False, cwd=ROOT
    )
    by_type = r"decides\.py:(\d+): error: .*\[(?:arg-type|assignment)\]"
    wrong = {int(line) for line in re.findall(by_type, done.stdout)}
    refused = {
        number
        for number, line in enumerate(TYPED.splitlines(), start=1)
        if line.endswith("# refused")
    }
    assert wrong == refused, done.stdout
    assert done.stdout.count("error:") == len(refused), done.stdout
