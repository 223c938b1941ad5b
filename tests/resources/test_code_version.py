"""The digest of code: of every file, by name and content."""

import subprocess
import sys

import dagster as dg
import pytest
from team_mode import second_copy

from torghut_assets.cli.instance import instance_of
from torghut_assets.definitions import build_definitions
from torghut_assets.resources import code_version
from torghut_assets.resources.code_version import (
    CODE_TAG,
    OtherCodeError,
    code_digest,
    installed_code_digest,
    require_same_code,
)


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "part" / "below").mkdir(parents=True)
    (tmp_path / "part" / "one.py").write_text("a = 1\n")
    (tmp_path / "part" / "below" / "two.py").write_text("b = 2\n")
    (tmp_path / "alone.py").write_text("c = 3\n")
    monkeypatch.setattr(code_version, "_PACKAGE", tmp_path)
    code_digest.cache_clear()
    yield tmp_path
    code_digest.cache_clear()


def fresh(*parts):
    code_digest.cache_clear()
    return code_digest(*parts)


def test_any_change_of_content_or_name_changes_the_digest(package):
    seen = {fresh("part")}
    (package / "part" / "below" / "two.py").write_text("b = 3\n")
    seen.add(fresh("part"))
    (package / "part" / "one.py").rename(package / "part" / "uno.py")
    seen.add(fresh("part"))
    (package / "part" / "new.py").touch()
    seen.add(fresh("part"))
    assert len(seen) == 4


def test_what_is_no_python_source_does_not_count(package):
    before = fresh("part")
    (package / "part" / "notes.md").write_text("a note")
    (package / "part" / "one.pyc").write_bytes(b"cache")
    assert fresh("part") == before


def test_the_order_of_parts_does_not_matter(package):
    assert fresh("part", "alone.py") == fresh("alone.py", "part") != fresh("part")


@pytest.mark.parametrize("part", ["prat", "alnoe.py"])
def test_a_misspelt_part_is_refused(part, package):
    with pytest.raises(FileNotFoundError):
        fresh("part", part)


def test_every_part_that_assets_name_exists_and_differs():
    domain, gates = fresh("domain"), fresh("domain/gates")
    assert len({domain, gates, fresh("domain/backtest")}) == 3


SAY = (
    "import sys; sys.path.insert(0, sys.argv[1]);"
    "from torghut_assets.resources import code_version as v;"
    "print(v.__file__, v.installed_code_digest())"
)
EXECUTE = """
import sys
sys.path.insert(0, sys.argv[1])
import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from torghut_assets.cli.instance import instance_of
from torghut_assets.definitions import build_definitions
from torghut_assets.resources.home import Home

home = Home.from_environment()
with instance_of(home) as instance:
    job = build_definitions(home).resolve_job_def("settle_policies")
    result = execute_run(InMemoryJob(job), instance.get_run_by_id(sys.argv[2]), instance)
    print("made", len([e for e in result.all_events if e.is_step_materialization]))
"""


def python(*arguments):
    return subprocess.run(
        [sys.executable, "-c", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_the_digest_is_the_same_in_a_checkout_and_installed_and_another_after_an_edit(tmp_path):
    copy = second_copy(tmp_path)
    file, digest = python(SAY, copy).stdout.split()
    assert file.startswith(str(copy))
    assert digest == installed_code_digest()
    with (copy / "torghut_assets" / "config" / "gate_policy.yaml").open("a") as edited:
        edited.write("# another release\n")
    assert python(SAY, copy).stdout.split()[1] != digest


@pytest.mark.slow
def test_a_worker_with_other_code_refuses_a_run_and_one_with_the_same_makes_it(home, tmp_path):
    """The run has no tag: what its job's snapshot says is enough, as for runs of the UI."""
    copy = second_copy(tmp_path / "copy")
    with instance_of(home) as instance:
        job = build_definitions(home).resolve_job_def("settle_policies")
        runs = [instance.create_run_for_job(job, tags={}).run_id for _ in range(2)]
        assert CODE_TAG not in instance.get_run_by_id(runs[0]).tags
    same = python(EXECUTE, copy, runs[0])
    assert "made 12" in same.stdout, same.stderr
    with (copy / "torghut_assets" / "domain" / "digests.py").open("a") as edited:
        edited.write("# another release\n")
    other = python(EXECUTE, copy, runs[1])
    assert "made 0" in other.stdout, other.stderr
    with instance_of(home) as instance:
        log = " ".join(str(e) for e in instance.all_logs(runs[1]))
        assert "OtherCodeError" in log
        assert installed_code_digest() in log
        assert instance.get_run_by_id(runs[1]).status is dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize("stated", ["0" * 64, "not a digest", None])
def test_a_run_that_states_another_code_or_none_is_refused(home, stated):
    with instance_of(home) as instance:
        run = dg.DagsterRun(job_name="any", tags={CODE_TAG: stated} if stated else {})
        with pytest.raises(OtherCodeError, match="this worker has code"):
            require_same_code(instance, run)


def test_the_code_is_in_the_snapshot_of_every_job(home):
    definitions = build_definitions(home)
    with instance_of(home) as instance:
        for job in (*definitions.resolve_all_job_defs(),):
            run = instance.create_run_for_job(job)
            untagged = run.with_tags({})
            require_same_code(instance, untagged)
