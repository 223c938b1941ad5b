"""dbt runs as a program; without it, one sentence says what to install."""

import json
from importlib.metadata import PackageNotFoundError
from importlib.resources import files

import pytest
from command_line import torghut

from torghut_assets.resources import warehouse_dbt
from torghut_assets.resources.warehouse_dbt import DbtBrokenError, NodeResult, failed, run_dbt


@pytest.mark.parametrize("package", ["dbt-core", "dbt-duckdb"])
def test_a_missing_extra_is_named_with_its_command(home, monkeypatch, package):
    def version(name):
        if name == package:
            raise PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(warehouse_dbt, "version", version)
    done = torghut("warehouse", "build")
    assert done.returncode == 2
    assert done.stderr == (
        f"torghut: warehouse: {package} is not installed, and building the warehouse needs it. "
        "Install it with: pip install 'torghut-assets[warehouse]'\n"
    )


def test_dbt_that_does_not_run_to_its_end_is_no_result(tmp_path):
    with pytest.raises(DbtBrokenError, match="no-such-command"):
        run_dbt("no-such-command", tmp_path)


def test_only_what_must_pass_forbids_the_result():
    found = [
        NodeResult(f"test.p.{status}.1", status, 0, "")
        for status in ("success", "pass", "warn", "skipped", "fail", "error", "runtime error")
    ]
    assert [each.name for each in failed(found)] == ["fail", "error", "runtime error"]


def test_the_project_says_nothing_to_its_makers_and_names_no_path():
    project = files("torghut_assets.dbt")
    settings = (project / "dbt_project.yml").read_text()
    assert "send_anonymous_usage_stats: false" in settings
    assert "path: warehouse.duckdb" in (project / "profiles.yml").read_text()
    json.loads((project / "graph.json").read_text())
