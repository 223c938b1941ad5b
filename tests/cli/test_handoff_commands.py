"""`torghut handoff` as a shell sees it, on the checkout itself and on damaged copies of it."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from torghut_assets.cli import handoff_checks
from torghut_assets.cli.handoff import handoff
from torghut_assets.cli.handoff_checks import DRY_RUNS, HandoffChecks
from torghut_assets.domain.errors import BadInputError, EvidenceError
from torghut_assets.domain.handoff.parse import ManifestRefusedError
from torghut_assets.resources.handoff_files import (
    DIGESTS,
    Repository,
    verify_artifact_set,
    write_artifact_set,
)

ROOT = Path(__file__).resolve().parents[2]
DAG = "torghut-v3-loop-dag-impl-v1"
LANE = "torghut-v3-gate-evaluation-v1"
CONTRACT = "docs/handoff"


def run(*arguments):
    return CliRunner().invoke(handoff, [str(each) for each in arguments])


@pytest.fixture
def checkout(tmp_path):
    """A copy of the parts of the checkout that manifests name."""
    root = tmp_path / "checkout"
    root.mkdir()
    shutil.copy(ROOT / "pyproject.toml", root)
    ignored = shutil.ignore_patterns("__pycache__", ".mypy_cache", "*.png", "*.parquet")
    for folder in ("docs", "torghut_assets", "resources", "sensors", "candidates"):
        shutil.copytree(ROOT / folder, root / folder, ignore=ignored)
    return root


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("path", sorted((ROOT / CONTRACT).glob("*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_manifest_is_valid(path):
    shown = run("validate", path)
    assert shown.exit_code == 0, shown.output
    assert shown.output.startswith(f"{path.stem}: valid, digest ")
    assert json.loads(run("validate", path, "--json").output)["spec"] == path.stem


def test_every_problem_is_listed_and_the_status_is_4(checkout):
    path = checkout / CONTRACT / f"{DAG}.yaml"
    edit(path, "      base: main\n", "      bass: main\n")
    edit(path, "docs/pipeline.md", "../secret.md")
    shown = run("validate", path)
    assert isinstance(shown.exception, ManifestRefusedError)
    assert shown.exception.exit_code == 4
    for word in ("missing_key", "no base", "unknown_field", "'bass'", "outside_repository"):
        assert word in shown.output
    document = json.loads(run("validate", path, "--json").output)
    assert document["valid"] is False
    assert len(document["problems"]) == 3


@pytest.mark.parametrize(
    ("old", "new", "code", "field"),
    [
        ("docs/pipeline.md", "docs/no-such-page.md", "not_there", "designDoc"),
        ("config/pipeline.yaml\n      art", "config/no.yaml\n      art", "not_there", "pipelineCo"),
        ("repository: torghut-assets", "repository: another", "wrong_value", "repository"),
        ("- torghut_assets/domain/stages/**", "- torghut_assets/nowhere/**", "not_there", "owned"),
    ],
)
def test_what_a_manifest_names_must_be_in_the_repository(checkout, old, new, code, field):
    path = checkout / CONTRACT / f"{DAG}.yaml"
    edit(path, old, new)
    with pytest.raises(ManifestRefusedError) as refused:
        Repository(checkout).read_spec(path)
    assert [problem.code for problem in refused.value.problems] == [code]
    assert field in refused.value.problems[0].field


def test_a_link_that_leads_out_of_the_repository_is_outside(checkout, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (checkout / "out").symlink_to(tmp_path / "elsewhere")
    path = checkout / CONTRACT / f"{DAG}.yaml"
    edit(path, "artifactPath: .torghut/", "artifactPath: out/")
    with pytest.raises(ManifestRefusedError, match="outside_repository"):
        Repository(checkout).read_spec(path)
    assert Repository(checkout).files_of("out/**") == ()


def test_the_repository_is_found_above_the_manifest_or_named(checkout, tmp_path):
    manifest = ROOT / CONTRACT / f"{LANE}.yaml"
    assert Repository.around(manifest).root == ROOT
    away = tmp_path / "away.yaml"
    shutil.copy(manifest, away)
    with pytest.raises(BadInputError, match="--repository"):
        Repository.around(away)
    assert run("validate", away, "--repository", checkout).exit_code == 0
    (checkout / "pyproject.toml").write_text("[project\n")
    assert isinstance(run("validate", away, "--repository", checkout).exception, BadInputError)


def test_a_commit_is_known_only_where_there_is_one(tmp_path):
    assert Repository(tmp_path).commit_of("HEAD") is None
    assert Repository(ROOT).commit_of("no-such-branch") is None


def test_a_lane_is_checked_and_leaves_artifacts_that_verify(checkout):
    manifest = checkout / CONTRACT / f"{LANE}.yaml"
    done = run("run", manifest, "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert [check["check"] for check in document["checks"]] == ["code", "dag_config", "contract"]
    folder = checkout / document["artifacts"]
    assert run("verify", folder).exit_code == 0
    assert run("run", manifest, "--json").stdout == done.stdout, "the same set, not another one"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    proof = json.loads((folder / "dag-proof.json").read_bytes())
    assert proof["shown"]
    assert proof["disagreements"] == []


def test_a_lane_that_contradicts_the_pipeline_is_refused_and_says_which_word(checkout):
    manifest = checkout / CONTRACT / f"{LANE}.yaml"
    edit(manifest, "machine_readable_report", "human_readable_report")
    done = run("run", manifest)
    assert done.exit_code == 1
    assert "REFUSES   contract: " in done.output
    assert "lack machine_readable_report" in done.output
    assert f"{LANE}: refused by contract" in done.output


def test_code_that_is_not_the_code_that_runs_is_named(checkout):
    edit(checkout / "torghut_assets/domain/verdicts.py", 'FAIL = "fail"', 'FAIL = "pass"')
    done = run("run", checkout / CONTRACT / f"{LANE}.yaml")
    assert done.exit_code == 1
    assert "torghut_assets/domain/verdicts.py is not the file that runs" in done.output


def test_a_pipeline_that_breaks_a_rule_is_refused_with_the_rule(checkout):
    edit(
        checkout / "torghut_assets/config/pipeline.yaml",
        "requires: [submission_is_kept, ",
        "requires: [",
    )
    done = run("run", checkout / CONTRACT / f"{LANE}.yaml")
    assert done.exit_code == 1
    assert "submission_is_kept" in done.output
    assert "refused by code, dag_config, contract" in done.output


def checks_of(checkout, monkeypatch, rehearse):
    """Make the checks of the whole with another rehearsal: the real ones take a minute."""
    monkeypatch.setattr(handoff_checks, "rehearse", rehearse)
    manifest = checkout / CONTRACT / f"{DAG}.yaml"
    return HandoffChecks(Repository(checkout), manifest, lambda _: None).run()


def test_a_rehearsal_that_validates_nothing_is_no_stage_validation(checkout, monkeypatch):
    ran = checks_of(checkout, monkeypatch, lambda path, say, pipeline: ())
    refusals = {check.check: check.refusals for check in ran.report.checks}
    assert ran.report.refused == ("stage_validation",)
    assert any("candidate_build is active" in line for line in refusals["stage_validation"])
    assert any("no refusal by gate_policy_evaluation" in r for r in refusals["stage_validation"])


def test_each_path_is_rehearsed_on_the_pipeline_of_the_contract(checkout, monkeypatch):
    heard = []

    def rehearse(path, say, pipeline):
        heard.append((path, pipeline))
        say(f"ran      {path}")
        raise EvidenceError(f"{path} came to nothing")

    edit(checkout / "torghut_assets/config/pipeline.yaml", 'version: "1"', 'version: "1-other"')
    ran = checks_of(checkout, monkeypatch, rehearse)
    payload = (checkout / "torghut_assets/config/pipeline.yaml").read_bytes()
    assert heard == [(path, payload) for path in ("promote-to-gate", *DRY_RUNS)]
    assert set(DRY_RUNS) == {"paper", "gate-fail", "rollback"}
    for path in DRY_RUNS:
        assert f"dry_run_{path.replace('-', '_')}" in ran.report.refused
        assert f"{path} came to nothing" in ran.files[f"dry-run-{path}.txt"].decode()
    assert "stage_validation" in ran.report.refused


def test_an_incomplete_bundle_is_refused_with_the_missing_manifest(checkout, monkeypatch):
    (checkout / CONTRACT / f"{LANE}.yaml").unlink()
    edit(checkout / CONTRACT / "torghut-v3-live-ramp-v1.yaml", "kind: Impl", "kind: Demol")
    ran = checks_of(checkout, monkeypatch, lambda path, say, pipeline: ())
    refusals = {check.check: check.refusals for check in ran.report.checks}["contract_completeness"]
    assert f"the manifest of {LANE} is missing" in refusals
    assert "gate_policy_evaluation is carried by 0 lanes, not by one" in refusals
    assert any("unknown_spec" in line for line in refusals)


@pytest.mark.slow
def test_the_specification_of_the_whole_is_run_for_real(checkout, tmp_path, monkeypatch):
    """Every check is made and holds, every path is rehearsed, and no rehearsal leaves anything."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    shutil.copytree(
        ROOT / "torghut_assets/data", checkout / "torghut_assets/data", dirs_exist_ok=True
    )
    done = run("run", checkout / CONTRACT / f"{DAG}.yaml", "--json")
    document = json.loads(done.stdout)
    refused = {check["check"]: check["refusals"] for check in document["checks"]}
    assert list(refused) == [
        "code",
        "dag_config",
        "contract_completeness",
        "dry_run_paper",
        "dry_run_gate_fail",
        "dry_run_rollback",
        "stage_validation",
    ]
    assert {check: lines for check, lines in refused.items() if lines} == {}
    assert done.exit_code == 0
    assert list((tmp_path / "temporary").iterdir()) == []
    folder = checkout / document["artifacts"]
    verify_artifact_set(folder)
    for path in ("promote-to-gate", *DRY_RUNS):
        lines = (folder / f"dry-run-{path}.txt").read_text().splitlines()
        assert lines[-1] == f"{path}: ended where it must"
    assert len(list((folder / "lanes").iterdir())) == 8
    validated = json.loads((folder / "stage-validation.json").read_bytes())
    assert ["gate_policy_evaluation", "tsmom-megacaps-v1", "pass"] in validated
    assert ["gate_policy_evaluation", "dip-buying-megacaps-v1", "fail"] in validated
    assert ["shadow_paper_deployment", "tsmom-megacaps-v1", "inconclusive"] in validated
    assert ["shadow_paper_deployment", "slow-trend-megacaps-v1", "fail"] in validated
    assert ["rollback_incident", "slow-trend-megacaps-v1", "pass"] in validated


@pytest.fixture
def artifacts(tmp_path):
    files = {"one.txt": b"one\n", "lanes/two.yaml": b"two: 2\n"}
    return write_artifact_set(tmp_path / "artifacts", DAG, "0" * 64, files)


def test_an_artifact_set_is_named_by_its_digests_and_verifies(artifacts, tmp_path):
    assert {file.path for file in verify_artifact_set(artifacts).files} == {
        "one.txt",
        "lanes/two.yaml",
    }
    other = write_artifact_set(tmp_path / "artifacts", DAG, "0" * 64, {"one.txt": b"other\n"})
    assert other != artifacts
    assert sorted(path.name for path in artifacts.parent.iterdir()) == sorted(
        (artifacts.name, other.name)
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "one.txt").write_bytes(b"two\n"),
        lambda folder: (folder / "one.txt").unlink(),
        lambda folder: (folder / "lanes/more.yaml").write_bytes(b""),
        lambda folder: (folder / DIGESTS).unlink(),
        lambda folder: edit(folder / DIGESTS, '"size_bytes":4', '"size_bytes":5'),
    ],
)
def test_a_damaged_artifact_set_is_refused_and_never_written_over(artifacts, damage):
    damage(artifacts)
    before = {path: path.read_bytes() for path in artifacts.rglob("*") if path.is_file()}
    files = {"one.txt": b"one\n", "lanes/two.yaml": b"two: 2\n"}
    refused = run("verify", artifacts).exception
    assert isinstance(refused, EvidenceError)
    with pytest.raises(EvidenceError):
        write_artifact_set(artifacts.parent, DAG, "0" * 64, files)
    assert before == {path: path.read_bytes() for path in artifacts.rglob("*") if path.is_file()}
    assert [path.name for path in artifacts.parent.iterdir()] == [artifacts.name]
