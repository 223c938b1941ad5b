"""`torghut verify-statistics`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from torghut_assets.cli.statistics import verify_statistics
from torghut_assets.domain.errors import BadInputError

CASES = [
    {"id": "kelly.good", "function": "kelly_binary", "inputs": {"p": 0.6, "b": 1.0},
     "expected": {"fraction": 0.2}, "tolerance": {"abs": 1e-12}},
    {"id": "kelly.wrong", "function": "kelly_binary", "inputs": {"p": 0.6, "b": 1.0},
     "expected": {"fraction": 0.3}, "tolerance": {"abs": 1e-12}},
]  # fmt: skip


def written(folder: Path, cases: list[dict]) -> str:
    file = folder / "cases.json"
    file.write_text(json.dumps({"schema_version": 1, "cases": cases}))
    return str(file)


def test_all_passed_ends_with_status_zero(tmp_path):
    result = CliRunner().invoke(verify_statistics, [written(tmp_path, CASES[:1])])
    assert result.exit_code == 0
    assert "pass  kelly.good" in result.output
    assert "1 cases, 0 failed" in result.output


def test_a_failure_is_named_with_its_difference_and_status_one(tmp_path):
    result = CliRunner().invoke(verify_statistics, [written(tmp_path, CASES)])
    assert result.exit_code == 1
    assert "FAIL  kelly.wrong" in result.output
    assert "result.fraction: 0.19999999999999996, expected 0.3" in result.output
    assert "2 cases, 1 failed" in result.output


def test_json_says_the_same(tmp_path):
    result = CliRunner().invoke(verify_statistics, [written(tmp_path, CASES), "--json"])
    assert result.exit_code == 1
    document = json.loads(result.output)
    assert document["cases"] == 2
    assert document["passed"] == ["kelly.good"]
    assert [failure["id"] for failure in document["failed"]] == ["kelly.wrong"]


def test_a_bad_file_ends_with_status_four(tmp_path):
    file = tmp_path / "bad.json"
    file.write_text("{}")
    with pytest.raises(BadInputError) as refused:
        CliRunner().invoke(verify_statistics, [str(file)], catch_exceptions=False)
    assert refused.value.exit_code == 4


def test_a_missing_file_is_wrong_usage(tmp_path):
    result = CliRunner().invoke(verify_statistics, [str(tmp_path / "none.json")])
    assert result.exit_code == 2
