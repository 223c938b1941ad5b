"""Drills measure the real thing; one that fails says so and is written down all the same."""

import datetime as dt
import os
import sys

import pytest
from command_line import torghut

from torghut_assets.domain.drift.policy import parse_drift_policy
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.ramp.drills import DrillReport
from torghut_assets.resources import drills as module
from torghut_assets.resources.drills import Drills
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.ramp_desk import drills_and_runbooks
from torghut_assets.resources.signing_desk import SigningDesk

PASSPHRASE = b"correct horse battery staple"
SECRET = {"TORGHUT_KEY_PASSPHRASE": PASSPHRASE.decode()}


def drift_policy(home):
    return parse_drift_policy(home.config_path("drift_policy").read_bytes())


def test_the_kill_drill_runs_the_command_and_leaves_the_home_alone(home):
    report = Drills(home).kill(30)
    assert (report.kill.open_before, report.kill.open_after, report.kill.sent_after) == (30, 0, 0)
    assert report.kill.open_in_journal_after == 0
    assert report.problems == ()
    assert 0.05 < report.kill.seconds < 60
    assert not home.kill_folder.exists()
    assert not home.replay_broker_path.exists()
    assert not home.order_journal_path.exists()


def test_a_kill_switch_that_does_nothing_fails_the_drill(home, monkeypatch):
    """The command is replaced by one that ends well and stops nothing."""
    monkeypatch.setattr(module, "_COMMAND", "pass")
    report = Drills(home).kill(3)
    assert report.problems == (
        "3 orders are still open at the broker",
        "3 orders are still open in the journal",
        "1 orders were taken after the switch was engaged",
    )


def test_a_command_that_breaks_fails_the_drill(home, monkeypatch):
    monkeypatch.setattr(module, "_COMMAND", "import sys; sys.exit(4)")
    assert "the command ended with status 4" in Drills(home).kill(1).problems


def test_a_drill_sees_no_account_and_no_other_home(home, monkeypatch):
    for name in ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY", "DAGSTER_HOME", "TORGHUT_TRIAL_ANCHOR"):
        monkeypatch.setenv(name, "/somewhere")
    found = module._environment(home)
    assert not {*found} & {"APCA_API_KEY_ID", "APCA_API_SECRET_KEY", "DAGSTER_HOME"}
    assert "TORGHUT_TRIAL_ANCHOR" not in found
    assert found["TORGHUT_HOME"] == str(home.root)
    assert found["PATH"] == os.environ["PATH"]
    assert sys.executable


def test_a_drill_that_failed_is_in_the_ledger(home, monkeypatch):
    monkeypatch.delenv("TORGHUT_WEBHOOK_URL", raising=False)
    done = torghut("drill", "alerts")
    assert (done.returncode, "no webhook answered 2xx: not_configured" in done.stdout) == (1, True)
    entry = Ledger(home).entries("drill")[0]
    report = entry.statement.record(DrillReport, location="x")
    assert entry.subjects == {"drill-report": report.digest}
    assert DrillReport.from_canonical_bytes(home.store.get(report.digest), location="x") == report
    status = torghut("drill", "status")
    assert status.returncode == 1
    assert "kill       never" in status.stdout
    assert "alerts     not kept" in status.stdout
    assert "kill-switch: nobody has signed for it" in status.stdout


def test_a_rollback_drill_needs_a_deployment(home):
    done = torghut("drill", "rollback", "no-such-candidate")
    assert (done.returncode, "it is not deployed" in done.stderr) == (3, True)


def test_a_runbook_is_signed_by_a_person_and_by_nobody_else(home, tmp_path):
    file = tmp_path / "kill-switch.md"
    file.write_text("# Stop\n")
    drills, desk = Drills(home), SigningDesk(home)
    with pytest.raises(BadInputError, match="--key"):
        drills.sign_runbook(file, "done as it is written", None, PASSPHRASE)
    desk.new_key("person", "Rita Reviewer", PASSPHRASE)
    entry = drills.sign_runbook(file, "done as  it is written", None, PASSPHRASE)
    (executed,) = drills_and_runbooks(home)[1]
    assert entry.subjects == {"runbook": executed.document_digest}
    assert home.store.get(executed.document_digest) == b"# Stop\n"
    assert (executed.runbook, executed.executed_by) == ("kill-switch", "Rita Reviewer")
    assert executed.outcome == "done as it is written"
    with pytest.raises(BadInputError):
        Ledger(home).append("runbook", entry.subjects, executed, role="person")


def test_a_runbook_of_a_revoked_key_does_not_count(home, tmp_path):
    file = tmp_path / "kill-switch.md"
    file.write_text("# Stop\n")
    desk = SigningDesk(home)
    key_id, _ = desk.new_key("person", "Rita Reviewer", PASSPHRASE)
    waiting, _ = desk.new_key("person", "Bob Example", PASSPHRASE)
    desk.introduce(waiting, "Rita Reviewer", PASSPHRASE)
    Drills(home).sign_runbook(file, "done as it is written", "Rita Reviewer", PASSPHRASE)
    assert len(drills_and_runbooks(home)[1]) == 1
    desk.revoke(key_id, "it was copied", "Bob Example", PASSPHRASE)
    assert drills_and_runbooks(home)[1] == ()


@pytest.mark.parametrize(
    ("name", "outcome"),
    [("Kill Switch.md", "done as it is written"), ("kill-switch.md", "ok"), ("none.md", "")],
)
def test_what_is_no_runbook_is_not_signed(home, tmp_path, name, outcome):
    SigningDesk(home).new_key("person", "Rita Reviewer", PASSPHRASE)
    file = tmp_path / name
    file.write_text("# Stop\n")
    size = Ledger(home).checked().size
    done = torghut("drill", "runbook", str(file), "--outcome", outcome, **SECRET)
    assert done.returncode == 4
    assert Ledger(home).checked().size == size


def test_the_clock_of_a_drill_is_given(home):
    then = dt.datetime(2026, 1, 5, 9, tzinfo=dt.UTC)
    assert Drills(home, lambda: then).alerts(drift_policy(home)).finished_at == then
