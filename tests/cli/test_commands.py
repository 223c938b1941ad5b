"""The `torghut` command as a shell sees it: output, standard error and exit status."""

import json
import os
import subprocess
import sys

import pytest
from evaluated_examples import PASSING, REFUSED, SNAPSHOT, example


def torghut(*arguments):
    """Run the installed command in a process of its own."""
    code = "from torghut_assets.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )


@pytest.fixture
def candidate_file(tmp_path):
    path = tmp_path / "candidate.yaml"
    path.write_bytes(example(PASSING))
    return path


def test_help_names_every_exit_status():
    shown = torghut("--help")
    assert shown.returncode == 0
    for status in range(5):
        assert f"  {status}  " in shown.stdout


@pytest.mark.parametrize(
    "command", ["candidate", "demo", "env", "report", "run", "snapshot", "trials", "universe"]
)
def test_every_command_has_help(command):
    assert torghut(command, "--help").returncode == 0


def test_wrong_usage_is_status_2():
    assert torghut("run").returncode == 2
    assert torghut("frobnicate").returncode == 2
    missing = torghut("run", PASSING)
    assert missing.returncode == 2
    assert "--snapshot" in missing.stderr


def test_a_candidate_is_submitted_once_and_never_changed(candidate_file):
    first = torghut("candidate", "add", str(candidate_file))
    assert (first.returncode, first.stdout) == (0, f"{PASSING}: submitted\n")
    again = torghut("candidate", "add", str(candidate_file))
    assert again.stdout == f"{PASSING}: known already, unchanged\n"
    candidate_file.write_bytes(example(PASSING).replace(b"title: ", b"title: Another "))
    changed = torghut("candidate", "add", str(candidate_file))
    assert changed.returncode == 4
    assert "title" in changed.stderr
    assert "new id" in changed.stderr
    assert torghut("candidate", "show", PASSING).stdout.encode() == example(PASSING)
    assert PASSING in torghut("candidate", "list").stdout


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda b: b"x" * 10_000_000, "bytes"),
        (lambda b: b + b"\nsurprise: 1\n", "surprise"),
        (lambda b: b.replace(b"tsmom-megacaps-v1", b"../../etc/passwd"), "candidate"),
        (lambda b: b.replace(b"type: time-series-momentum", b"type: crystal-ball"), "crystal-ball"),
        (lambda b: b.replace(b"title: ", b"title: \x07"), "control character"),
        (lambda b: b"a: &a [1]\nb: [*a, *a]\n", "anchor"),
        (lambda b: b"", "NoneType"),
    ],
)
def test_a_bad_candidate_file_is_status_4_with_one_line(candidate_file, change, reason):
    candidate_file.write_bytes(change(example(PASSING)))
    refused = torghut("candidate", "add", str(candidate_file))
    assert refused.returncode == 4
    assert refused.stderr.count("\n") == 1
    assert reason in refused.stderr
    assert len(refused.stderr) < 1_000
    assert torghut("candidate", "list").stdout == ""


def test_a_file_that_is_not_there_is_status_4(tmp_path):
    assert torghut("candidate", "add", str(tmp_path / "nothing.yaml")).returncode == 4
    assert torghut("candidate", "add", str(tmp_path)).returncode == 4


def test_what_was_never_made_is_named_with_the_command_that_makes_it(candidate_file):
    unknown = torghut("run", PASSING, "--snapshot", SNAPSHOT)
    assert unknown.returncode == 3
    assert "torghut candidate add" in unknown.stderr
    torghut("candidate", "add", str(candidate_file))
    no_data = torghut("run", PASSING, "--snapshot", SNAPSHOT)
    assert no_data.returncode == 3
    assert "torghut snapshot take us-megacaps --as-of 2021-12-31" in no_data.stderr
    no_report = torghut("report", PASSING, "--snapshot", SNAPSHOT)
    assert no_report.returncode == 3
    assert f"torghut run {PASSING} --snapshot {SNAPSHOT}" in no_report.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["us-megacaps", "--as-of", "2012-01-01"], "2012-01-01"),
        (["us-megacaps", "--as-of", "2031-01-01"], "2031-01-01"),
        (["us-megacaps", "--as-of", "tomorrow"], "YYYY-MM-DD"),
        (["no-such-universe", "--as-of", "2021-12-31"], "no-such-universe"),
        (["../etc", "--as-of", "2021-12-31"], "universe"),
    ],
)
def test_a_snapshot_that_cannot_be_taken_is_status_4(arguments, reason):
    refused = torghut("snapshot", "take", *arguments)
    assert refused.returncode == 4
    assert reason in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_snapshot_is_taken_listed_and_the_same_again():
    first = torghut("snapshot", "take", "us-megacaps", "--as-of", "2015-12-31")
    again = torghut("snapshot", "take", "us-megacaps", "--as-of", "2015-12-31")
    assert first.returncode == again.returncode == 0
    assert first.stdout == again.stdout
    assert "Survivorship bias" in first.stdout
    listed = torghut("snapshot", "list").stdout
    assert listed.split()[-1] in first.stdout


def test_reports_say_why_and_end_in_their_verdict(evaluated):
    passed = torghut("report", PASSING, "--snapshot", SNAPSHOT)
    refused = torghut("report", REFUSED, "--snapshot", SNAPSHOT, "--json")
    assert (passed.returncode, refused.returncode) == (0, 1)
    assert "Walk-forward folds" in passed.stdout
    document = json.loads(refused.stdout)
    assert document["verdict"] == "fail"
    for gate in document["gates"]:
        for field in ("gate_id", "status", "reasons", "artifact_refs", "evaluated_at"):
            assert field in gate


def test_a_run_of_what_is_up_to_date_ends_in_the_same_verdict(evaluated):
    assert torghut("run", PASSING, "--snapshot", SNAPSHOT).returncode == 0
    assert torghut("run", REFUSED, "--snapshot", SNAPSHOT).returncode == 1


def test_an_altered_report_is_status_3(evaluated):
    for path in (evaluated.root / "store").rglob("*"):
        if path.is_file() and b'"kind":"gate-report"' in path.read_bytes():
            path.write_bytes(path.read_bytes() + b" ")
    refused = torghut("report", PASSING, "--snapshot", SNAPSHOT)
    assert refused.returncode == 3
    assert "sha256" in refused.stderr


def test_the_environment_is_made_for_dagsters_own_commands(home):
    shown = torghut("env").stdout
    assert f"export TORGHUT_HOME={home.root}" in shown
    assert "DAGSTER_CLI_ASSET_MATERIALIZE_MODULE_NAME=torghut_assets.definitions" in shown
