"""The audit commands on a home in which one candidate passed and one was refused."""

import json

import dagster as dg
import pytest
from click.testing import CliRunner
from evaluated_examples import KEY, PASSING, REFUSED, REFUSED_KEY, SNAPSHOT

from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.main import torghut
from torghut_assets.domain.errors import BadInputError, EvidenceError, UsageError
from torghut_assets.resources.lineage import newest


def answer(*words):
    done = CliRunner().invoke(torghut, ["audit", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def document(*words):
    return json.loads(answer(*words, "--json"))


def digest_of(home, asset, partition):
    with instance_of(home) as instance:
        return newest(instance, dg.AssetKey(asset), partition).digest


def settle(home):
    with instance_of(home) as instance:
        Driver(home, instance).settle(PASSING, SNAPSHOT, through="research_feedback")


def test_show_names_every_record_of_the_evaluation_with_bytes_code_and_statement(evaluated):
    settle(evaluated)
    found = document("show", PASSING, "--snapshot", SNAPSHOT)
    records = {record["asset"]: record for record in found["records"]}
    assert {"gate_policy", "candidate_spec", "dataset_snapshot", "gate_report"} <= set(records)
    report = records["gate_report"]
    assert report["digest"] == digest_of(evaluated, "gate_report", KEY)
    assert report["bytes_are"] == "intact"
    assert report["verdict"] == "pass"
    assert report["signers"] == ["gate"]
    assert report["inputs"]["backtest_metrics"] == records["backtest_metrics"]["digest"]
    assert [r["decision"]["stage"] for r in found["receipts"]][-1] == "gate_policy_evaluation"
    assert {t["trial"]["purpose"] for t in found["trials"]} >= {"backtest_metrics"}
    assert all(t["ended"] == "finished" for t in found["trials"])


def test_the_tree_fits_80_columns_and_shows_only_the_stage_asked_for(evaluated):
    settle(evaluated)
    tree = answer("show", PASSING, "--snapshot", SNAPSHOT)
    assert max(map(len, tree.splitlines())) <= 80
    assert "signed by gate" in tree
    one = answer("show", PASSING, "--stage", "gate_policy_evaluation")
    assert "gate_report" in one
    assert "candidate_build" not in one.split("trials")[1].split("looked at")[0]
    assert "backtest_robustness:" not in one


def test_as_of_a_ledger_entry_shows_what_was_stated_by_then_and_nothing_later(evaluated):
    records = document("show", PASSING)["records"]
    build = next(r for r in records if r["asset"] == "strategy_build")
    then = document("show", PASSING, "--as-of", str(build["statement"]))
    assert then["ledger"]["size"] == build["statement"]
    assert {r["asset"] for r in then["records"]} == {"candidate_spec", "strategy_build"}
    assert then["trials"] == []


def test_as_of_a_time_before_everything_nothing_is_known(evaluated):
    assert evaluated
    with pytest.raises(EvidenceError, match="nothing is known"):
        answer("show", PASSING, "--as-of", "2001-01-01T00:00:00Z")


@pytest.mark.parametrize("moment", ["yesterday", "2026-01-01T00:00:00", "99999", "0"])
def test_a_moment_that_is_none_is_refused(evaluated, moment):
    assert evaluated
    with pytest.raises(BadInputError, match="--as-of"):
        answer("show", PASSING, "--as-of", moment)


def test_an_unknown_stage_is_wrong_usage(evaluated):
    assert evaluated
    with pytest.raises(UsageError, match="--stage"):
        answer("show", PASSING, "--stage", "nirvana")


def test_altered_bytes_are_shown_and_refused_by_name(evaluated):
    digest = digest_of(evaluated, "gate_report", KEY)
    path = evaluated.store.path_of(digest)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    with pytest.raises(EvidenceError, match=f"gate_report {digest} is altered"):
        answer("show", PASSING)


def test_diff_names_the_flipped_verdicts_with_cause_and_source(evaluated):
    assert evaluated
    found = document("diff", KEY, REFUSED_KEY)
    assert (found["a"]["verdict"], found["b"]["verdict"]) == ("pass", "fail")
    sharpe = next(f for f in found["flipped"] if f["limit"] == "out_of_sample_sharpe")
    assert sharpe["cause"] == "measurement_moved"
    assert set(sharpe["sources"]) == {"candidate_spec", "strategy_build"}
    assert sharpe["a"]["measured"] >= sharpe["a"]["limit"] > sharpe["b"]["measured"]
    aspects = {each["name"]: each["aspect"] for each in found["inputs"]}
    assert "dataset_snapshot" not in aspects
    assert "gate_policy" not in aspects
    assert "cause: the measurement moved across the limit" in answer("diff", KEY, REFUSED_KEY)


def test_diff_of_other_records_is_field_by_field(evaluated):
    first = digest_of(evaluated, "candidate_spec", PASSING)
    second = digest_of(evaluated, "candidate_spec", REFUSED)
    fields = {each["place"]: each for each in document("diff", first[:12], second)["fields"]}
    assert (fields["candidate_id"]["a"], fields["candidate_id"]["b"]) == (PASSING, REFUSED)
    with pytest.raises(BadInputError, match="expected a candidate-spec"):
        answer("diff", first, digest_of(evaluated, "gate_report", KEY))


def test_everything_of_both_evaluations_rests_on_the_snapshot(evaluated):
    settle(evaluated)
    manifest = digest_of(evaluated, "dataset_snapshot", SNAPSHOT)
    resting = document("impact", manifest)["resting_on_it"]
    digests = {each["digest"] for each in resting}
    for key in (KEY, REFUSED_KEY):
        for asset in ("target_weights", "backtest_metrics", "gate_report"):
            assert digest_of(evaluated, asset, key) in digests
    assert "stage-receipt" in {each["kind"] for each in resting}
    assert digest_of(evaluated, "candidate_spec", PASSING) not in digests


def test_impact_of_one_candidates_specification_leaves_the_other_alone(evaluated):
    spec = digest_of(evaluated, "candidate_spec", PASSING)
    digests = {each["digest"] for each in document("impact", spec[:16])["resting_on_it"]}
    assert digest_of(evaluated, "gate_report", KEY) in digests
    assert digest_of(evaluated, "gate_report", REFUSED_KEY) not in digests


def test_an_index_made_anew_answers_the_same(evaluated):
    manifest = digest_of(evaluated, "dataset_snapshot", SNAPSHOT)
    first = document("impact", manifest)
    evaluated.audit_index_path.unlink()
    assert document("impact", manifest) == first
    assert document("impact", manifest, "--rebuild") == first


@pytest.mark.parametrize("digest", ["xyz", "1234567", "A" * 64])
def test_what_is_no_digest_is_refused(evaluated, digest):
    assert evaluated
    with pytest.raises(BadInputError, match="DIGEST"):
        answer("impact", digest)


def test_controls_count_what_is_there_and_name_the_newest(evaluated):
    found = document("controls")
    held = {e["record_kind_found"]: e for f in found["found"] for e in f["evidence"]}
    assert held["gate-report"]["count"] == 2
    assert held["gate-report"]["newest"] == digest_of(evaluated, "gate_report", REFUSED_KEY)
    assert held["paper-fills"] == {"record_kind_found": "paper-fills", "count": 0, "newest": None}
    assert found["status"]["rts6-art13"] == "NOT EVIDENCED"
    assert found["status"]["sr-26-2-soundness"] == "evidence found"
    assert "no claim of compliance" in " ".join(answer("controls").split())


@pytest.mark.slow
def test_a_replay_has_the_same_digests_but_for_what_is_explained(evaluated):
    assert evaluated
    found = document("replay", REFUSED, "--snapshot", SNAPSHOT)
    outcomes = {each["asset"]: each["outcome"] for each in found["records"]}
    assert found["holds"]
    assert outcomes["backtest_metrics"] == "identical"
    assert outcomes["overfit_diagnostics"] == "explained"


def test_a_replay_of_what_was_never_made_is_refused(evaluated):
    assert evaluated
    with pytest.raises(EvidenceError, match="was never made here"):
        answer("replay", PASSING, "--snapshot", "us-megacaps@2020-12-31")
