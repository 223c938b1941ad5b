"""`torghut advise` as a person calls it: what it prints, what it leaves, how it ends."""

import json

import dagster as dg
import pytest
from click.testing import CliRunner
from evaluated_examples import PASSING, REFUSED, SNAPSHOT, example
from hostile_service import KEY, KEY_VARIABLE, Service, answers, configure, configure_for

from torghut_assets.cli.advise import advise
from torghut_assets.cli.candidate import submit
from torghut_assets.cli.instance import instance_of
from torghut_assets.domain.errors import (
    BadInputError,
    EvidenceDigestMismatchError,
    InvalidIdentifierError,
    UpstreamMissingError,
    UsageError,
)
from torghut_assets.resources.lineage import newest


def run(*arguments):
    return CliRunner().invoke(advise, arguments)


def test_it_prints_every_note_under_its_label_and_asks_nobody_as_shipped(evaluated):
    done = run(REFUSED, "--snapshot", SNAPSHOT)
    assert done.exit_code == 0, done.output
    assert done.output.count("(advice: it decides nothing)") == 3
    assert done.output.count("source: template") == 3
    assert "fail for paper trading" in done.output
    assert "doubts (out_of_sample_sharpe): limit breached" in done.output
    assert "no draft: a template proposes no parameters" in done.output
    assert not (evaluated.root / "drafts").exists()


def test_a_summary_by_template_reads_its_numbers_from_the_records(evaluated):
    done = json.loads(run(PASSING, "--snapshot", SNAPSHOT, "--json").output)
    assert done["label"] == "advice: it decides nothing"
    summary = done["notes"]["experiment_summary"]
    with instance_of(evaluated) as instance:
        partition = f"{PASSING}|{SNAPSHOT}"
        digest = newest(instance, dg.AssetKey("backtest_metrics"), partition).digest
        kept = newest(instance, dg.AssetKey("experiment_summary"), partition)
    record = json.loads(evaluated.store.get(digest))["record"]
    assert (
        f"Sharpe ratio {record['out_of_sample']['sharpe_annual']:.2f} a year"
        in (summary["points"][0])
    )
    assert f"{record['out_of_sample']['n_bars']} bars" in summary["points"][0]
    assert {"name": "backtest_metrics", "digest": digest} in summary["based_on"]
    assert summary["digest"] == kept.digest


def test_a_model_that_answers_is_named_and_its_draft_waits(evaluated, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    with Service() as service:
        configure_for(evaluated, service, "anthropic")
        service.behave = answers("Looks lucky to me")
        done = run(REFUSED, "--snapshot", SNAPSHOT)
        assert done.exit_code == 0, done.output
        assert done.output.count("source: model test-model-1-answered") == 3
        assert "Looks lucky to me" in done.output
        assert "volatility_bars: asked 1000000000, 1000 (cut to the nearest bound)" in done.output
        (draft,) = (evaluated.root / "drafts").iterdir()
        assert f"draft {draft.stem} of {REFUSED}, not submitted" in done.output
        data = {seen.form: json.loads(seen.user[10:-11]) for seen in service.seen}
    thesis = data["SummaryForm"]["candidate"]["thesis"]
    assert thesis
    assert all(thesis not in seen.system for seen in service.seen)
    assert data["ProposalForm"]["feedback"]["candidate_id"] == REFUSED
    assert data["ReviewForm"]["decision"]["verdict"] == "fail"
    assert max(len(str(seen.body)) for seen in service.seen) < 40_000


def test_a_model_that_fails_leaves_notes_that_say_so_and_the_command_ends_well(
    evaluated, monkeypatch
):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    with Service() as gone:
        pass
    configure_for(evaluated, gone, "openai-compatible", breaker_failures=2)
    done = run(PASSING, "--snapshot", SNAPSHOT)
    assert done.exit_code == 0, done.output
    assert done.output.count("no advice:") == 3
    assert done.output.count("[unreachable]") == 2
    assert done.output.count("[circuit_open]") == 1


def test_a_provider_without_a_key_is_one_clear_error_before_anything_runs(evaluated, monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    configure(evaluated, provider="anthropic")
    done = run(PASSING, "--snapshot", SNAPSHOT)
    assert isinstance(done.exception, BadInputError)
    assert done.exception.exit_code == 4
    assert f"no {KEY_VARIABLE} in the environment" in str(done.exception)
    with instance_of(evaluated) as instance:
        assert newest(instance, dg.AssetKey("rationale_review"), f"{PASSING}|{SNAPSHOT}") is None


def test_what_was_not_evaluated_or_was_altered_is_not_advised_on(evaluated):
    done = run("never-seen", "--snapshot", SNAPSHOT)
    assert isinstance(done.exception, UpstreamMissingError)
    assert f"torghut run never-seen --snapshot {SNAPSHOT}" in str(done.exception)
    with instance_of(evaluated) as instance:
        digest = newest(instance, dg.AssetKey("gate_report"), f"{PASSING}|{SNAPSHOT}").digest
    path = evaluated.store.path_of(digest)
    path.write_bytes(path.read_bytes().replace(b"PASSED", b"passed", 1) + b" ")
    done = run(PASSING, "--snapshot", SNAPSHOT)
    assert isinstance(done.exception, EvidenceDigestMismatchError)
    assert done.exception.exit_code == 3


def test_altered_feedback_is_named_before_anything_runs(evaluated):
    partition = f"{REFUSED}|{SNAPSHOT}"
    with instance_of(evaluated) as instance:
        digest = newest(instance, dg.AssetKey("research_feedback"), partition).digest
    path = evaluated.store.path_of(digest)
    path.write_bytes(path.read_bytes() + b" ")
    done = run(REFUSED, "--snapshot", SNAPSHOT)
    assert isinstance(done.exception, EvidenceDigestMismatchError)
    with instance_of(evaluated) as instance:
        assert newest(instance, dg.AssetKey("rationale_review"), partition) is None


def test_a_draft_that_cannot_be_written_is_a_note_that_says_so(evaluated, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    (evaluated.root / "drafts").write_text("a file where the folder would be")
    with Service() as service:
        configure_for(evaluated, service, "openai-compatible")
        service.behave = answers("try this")
        done = run(REFUSED, "--snapshot", SNAPSHOT)
    assert done.exit_code == 0, done.output
    assert "no draft: the draft could not be written: " in done.output


@pytest.mark.parametrize(
    "arguments", [("../x", "--snapshot", SNAPSHOT), (PASSING, "--snapshot", "x")]
)
def test_ids_are_parsed_first(home, arguments):
    assert isinstance(run(*arguments).exception, InvalidIdentifierError)


def test_a_candidate_that_was_only_submitted_has_nothing_to_advise_on(home):
    submit(home, example(PASSING), "example")
    done = run(PASSING, "--snapshot", SNAPSHOT)
    assert done.exception.exit_code == 3
    assert run(PASSING).exception.exit_code == 2


def test_steps_after_a_session_are_for_a_person_and_name_what_they_rest_on(evaluated):
    from torghut_assets.cli.driver import Driver
    from torghut_assets.cli.session import trade

    with instance_of(evaluated) as instance:
        driver = Driver(evaluated, instance)
        driver.settle(PASSING, SNAPSHOT, through="research_feedback")
        trade(driver, PASSING, "2022-01-03")
    done = CliRunner().invoke(advise, [PASSING, "--session", "2022-01-03", "--json"])
    assert done.exit_code == 0, done.output
    (note,) = json.loads(done.output)["notes"].values()
    assert note["source"] == "template"
    assert f"{PASSING}|2022-01-03" in note["situation"]
    named = {reference["name"] for reference in note["based_on"]}
    assert named == {"paper_tca", "paper_gate_report", "drift_report"}
    with instance_of(evaluated) as instance:
        assert Driver(evaluated, instance).settle_session(PASSING, "2022-01-03") == ()


def test_an_evaluation_or_a_session_and_not_both(home):
    for options in ([], ["--snapshot", SNAPSHOT, "--session", "2022-01-03"]):
        done = CliRunner().invoke(advise, [PASSING, *options])
        assert isinstance(done.exception, UsageError)
