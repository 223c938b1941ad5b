"""The doctor names what is wrong, says what to do, and changes nothing."""

import json

import pytest
from command_line import torghut

from tests.previous_home import unpack_as_of_today
from torghut_assets.resources.doctor import machine, questions
from torghut_assets.resources.doctor.findings import Finding, Mark, exit_status
from torghut_assets.resources.kill_switch import KillSwitch


@pytest.fixture(autouse=True)
def _compiled(monkeypatch):
    """Whether kernels are compiled is a matter of this machine; it has a test of its own."""
    others = tuple(q for q in questions.QUESTIONS if q is not machine.kernels)
    monkeypatch.setattr(questions, "QUESTIONS", others)


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    """A home with evidence, of today's format."""
    home = unpack_as_of_today(tmp_path)
    monkeypatch.setenv("TORGHUT_HOME", str(home.root))
    return home


def examined(status):
    done = torghut("doctor", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == found["status"] == status, done.stdout
    return found["findings"]


def about(findings, name):
    return [finding for finding in findings if finding["about"] == name]


def files_of(root):
    return {p: p.read_bytes() for p in root.rglob("*") if p.is_file() and "-shm" not in p.name}


def test_a_healthy_home_is_called_healthy_and_left_as_it_is(evaluated):
    findings = examined(0)
    named = {finding["about"] for finding in findings}
    assert named >= {
        "python",
        "packages",
        "extra team",
        "disk",
        "clock",
        "home",
        "keys",
        "artifacts",
        "ledger",
        "trials",
        "kill switch",
        "dagster",
        "daemon",
    }
    before = files_of(evaluated.root / "ledger") | files_of(evaluated.root / "anchors")
    done = torghut("doctor")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert files_of(evaluated.root / "ledger") | files_of(evaluated.root / "anchors") == before


def test_an_empty_place_is_no_illness(tmp_path):
    findings = examined(0)
    assert about(findings, "home")[0]["mark"] == "absent"
    assert not (tmp_path / "home").exists()


def test_keys_that_others_can_read_need_attention(evaluated):
    key = next(evaluated.keys_folder.glob("*.pem"))
    key.chmod(0o644)
    (finding,) = about(examined(1), "keys")
    assert finding["mark"] == "attention"
    assert "chmod 600" in finding["action"]


def test_an_altered_artifact_is_broken_evidence(evaluated):
    digest = next(evaluated.store.digests())
    evaluated.store.path_of(digest).write_bytes(b"altered")
    (finding,) = about(examined(3), "artifacts")
    assert digest in finding["found"]


@pytest.mark.parametrize("name", ["ledger", "receipts", "orders", "trials"])
def test_a_register_that_is_gone_is_broken_evidence(evaluated, name):
    (evaluated.root / "ledger" / f"{name}.sqlite").unlink()
    for beside in ("-wal", "-shm"):
        (evaluated.root / "ledger" / f"{name}.sqlite{beside}").unlink(missing_ok=True)
    assert "broken" in {f["mark"] for f in about(examined(3), name)}


def test_an_engaged_latch_needs_attention(evaluated):
    KillSwitch(evaluated).write(None, "a drill")
    (finding,) = about(examined(1), "kill switch")
    assert "torghut kill status" in finding["action"]


def test_an_unreachable_database_is_named_without_its_password(evaluated, monkeypatch):
    monkeypatch.setenv("TORGHUT_LEDGER_URL", "postgresql://desk:not-to-be-seen@127.0.0.1:9/x")
    done = torghut("doctor", "--json")
    assert done.returncode == 1
    assert "not-to-be-seen" not in done.stdout
    (finding,) = about(json.loads(done.stdout)["findings"], "ledger")
    assert finding["mark"] == "attention"


def test_an_older_home_needs_a_migration(evaluated):
    (evaluated.root / "format.json").unlink()
    (finding,) = about(examined(1), "home")
    assert "torghut migrate" in finding["action"]


def test_a_clock_before_the_ledger_needs_attention(evaluated, monkeypatch):
    import datetime as dt

    from torghut_assets.cli import doctor

    monkeypatch.setattr(doctor, "utc_now", lambda: dt.datetime(2026, 1, 2, tzinfo=dt.UTC))
    assert "attention" in {f["mark"] for f in about(examined(1), "clock")}


def test_a_little_free_space_needs_attention(evaluated, monkeypatch):
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")(10**12, 10**12 - 10**8, 10**8)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert about(examined(1), "disk")[0]["mark"] == "attention"


def test_missing_packages_and_extras_are_told_apart(monkeypatch):
    required = [
        "click>=99",
        "no-such-package>=1",
        "no-such-extra-package>=1; extra == 'team'",
        "click>=8; extra == 'anchors'",
    ]
    monkeypatch.setattr(machine.metadata, "requires", lambda _: required)
    found = {f.about: f for f in machine.packages(None)}
    assert found["packages"].mark is Mark.ATTENTION
    assert "no-such-package is missing" in found["packages"].found
    assert "wanted >=99" in found["packages"].found
    assert found["extra team"].mark is Mark.ABSENT
    assert "torghut-assets[team]" in found["extra team"].action
    assert found["extra anchors"].mark is Mark.OK


def test_kernels_that_are_not_compiled_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    (finding,) = machine.kernels(None)
    assert finding.mark is Mark.ATTENTION
    assert "torghut warm" in finding.action


def test_the_worst_finding_decides_the_exit_status():
    def status(*marks):
        return exit_status([Finding("x", mark, "y") for mark in marks])

    assert status(Mark.OK, Mark.ABSENT) == 0
    assert status(Mark.OK, Mark.ATTENTION) == 1
    assert status(Mark.BROKEN, Mark.ATTENTION) == 3
