"""A real team on this machine: a killed worker, and a worker with other code."""

import sys
from pathlib import Path

import dagster as dg
import pytest
from team_mode import second_copy, team, wait_until

sys.path.insert(0, str(Path(__file__).parent))

import scale_out

from torghut_assets.cli.instance import instance_of
from torghut_assets.resources.home import Home

pytestmark = pytest.mark.heavy


def test_a_killed_worker_loses_nothing_and_repeats_nothing(tmp_path, monkeypatch):
    """`python tests/scaling/scale_out.py 200` is the same with 200 candidates."""
    monkeypatch.setenv("TORGHUT_HOME", str(tmp_path / "alone"))
    found = scale_out.compare(6, 2, tmp_path)
    assert scale_out.is_sound(found), found
    assert found["runs"] == {"SUCCESS": 6, "FAILURE": 1}
    assert found["compared"] == 24


def test_a_worker_on_other_code_refuses_and_the_retries_end_in_a_refusal(tmp_path):
    copy = second_copy(tmp_path / "copy")
    with (copy / "torghut_assets" / "domain" / "digests.py").open("a") as edited:
        edited.write("# another release\n")
    folder = tmp_path / "team"
    folder.mkdir()
    with team(folder) as members:
        home = Home.from_environment()
        scale_out.prepare(home, ["variant-0000"])
        members.start_code_server()
        members.start_daemon()
        members.start_worker("old", PYTHONPATH=str(copy))
        scale_out.launch(members, ["variant-0000"])
        with instance_of(home) as instance:
            wait_until(lambda: scale_out.statuses(instance)["FAILURE"] >= 1, "a refusal")
            run = instance.get_runs(dg.RunsFilter(job_name="evaluate_candidate"))[-1]
            log = " ".join(str(entry) for entry in instance.all_logs(run.run_id))
            assert "OtherCodeError" in log
            made = scale_out.digests(instance, ["variant-0000"], ("target_weights",))
            assert set(made.values()) == {None}
