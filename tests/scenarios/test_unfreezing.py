"""A frozen line in a real home: who may lift it, through the real command, and until when."""

import json

import command_line
import pytest
from evaluated_examples import REFUSED, REFUSED_KEY, SNAPSHOT

from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.definitions import stage_desk
from torghut_assets.domain.errors import EvidenceError, StageRefusedError
from torghut_assets.resources.ledger import Ledger

GATE = "gate_policy_evaluation"
SECRET = "correct horse battery staple"
INTAKE = ("stage", "validate", "research_intake", "--candidate", REFUSED)


def torghut(*arguments, passphrase=SECRET):
    """Run the command; no passphrase is ever printed."""
    done = command_line.torghut(*arguments, TORGHUT_KEY_PASSPHRASE=passphrase)
    assert SECRET not in done.stdout + done.stderr
    return done


@pytest.fixture
def frozen(evaluated):
    """Return a home in which one refusal freezes a line."""
    text = evaluated.config_path("pipeline").read_text()
    (evaluated.root / "config").mkdir()
    assert "after_refusals: 3" in text
    (evaluated.root / "config" / "pipeline.yaml").write_text(
        text.replace("after_refusals: 3", "after_refusals: 1")
    )
    with instance_of(evaluated) as instance:
        stage_desk(evaluated).settle(instance, REFUSED, SNAPSHOT, GATE)
    return evaluated


def refuse_again(home):
    """Let the gate refuse the candidate once more, under another policy."""
    text = home.config_path("gate_policy").read_text()
    (home.root / "config" / "gate_policy.yaml").write_text(
        text.replace('policy_version: "1"', 'policy_version: "1-other"')
    )
    with instance_of(home) as instance:
        driver = Driver(home, instance)
        driver.step("settings", None, through="gate_report")
        driver.step("evaluation", REFUSED_KEY, through="research_feedback")
        driver.settle(REFUSED, SNAPSHOT, through="research_feedback")


def author(home):
    return stage_desk(home).submission_of(REFUSED).author


def test_only_another_persons_signature_lifts_a_freeze_and_later_refusals_count_anew(frozen):
    assert "frozen" in torghut("stage", "status", REFUSED).stdout
    stuck = torghut(*INTAKE)
    assert (stuck.returncode, f"torghut approve unfreeze {REFUSED}" in stuck.stdout) == (1, True)
    nobody = torghut("approve", "unfreeze", REFUSED)
    assert (nobody.returncode, "keys new" in nobody.stderr) == (4, True)

    assert torghut("keys", "new", "--owner", author(frozen)).returncode == 0
    size = Ledger(frozen).checked().size
    own = torghut("approve", "unfreeze", REFUSED)
    assert (own.returncode, "self_approved" in own.stderr) == (1, True)
    assert Ledger(frozen).checked().size == size

    made = torghut("keys", "new", "--owner", "Rita Reviewer")
    reviewer = made.stdout.split()[0]
    waiting = torghut("approve", "unfreeze", REFUSED, "--key", "Rita Reviewer")
    assert (waiting.returncode, "found 0 keys" in waiting.stderr) == (4, True)
    assert torghut("keys", "introduce", reviewer, "--by", author(frozen)).returncode == 0
    wrong = torghut(
        "approve", "unfreeze", REFUSED, "--key", reviewer[:16], passphrase="wrong but long enough"
    )
    assert (wrong.returncode, "does not open" in wrong.stderr) == (4, True)

    done = torghut("approve", "unfreeze", REFUSED, "--key", "rita reviewer", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)["statement"]["predicate"]["record"]
    assert record["decision"]["members"] == [REFUSED]
    assert len(record["decision"]["refusals"]) == 1
    assert "frozen" not in torghut("stage", "status", REFUSED).stdout
    assert torghut(*INTAKE).returncode == 0
    again = torghut("approve", "unfreeze", REFUSED, "--key", "Rita Reviewer")
    assert (again.returncode, "not frozen" in again.stderr) == (1, True)

    refuse_again(frozen)
    desk = stage_desk(frozen)
    line = desk.line_of(REFUSED, None, desk.book.receipts())
    assert (len(line.refusals), len(line.counted), line.is_frozen) == (2, 1, True)
    assert torghut("approve", "unfreeze", REFUSED, "--key", "Rita Reviewer").returncode == 0
    line = desk.line_of(REFUSED, None, desk.book.receipts())
    assert (len(line.counted), len(line.approvals)) == (0, 2)

    revoked = torghut(
        "keys", "revoke", reviewer, "--reason", "the laptop was stolen", "--by", author(frozen)
    )
    assert revoked.returncode == 0
    assert len(desk.line_of(REFUSED, None, desk.book.receipts()).counted) == 2
    assert "the laptop was stolen" in torghut("keys", "list").stdout
    whole = torghut("ledger", "verify")
    assert (whole.returncode, "2  approval" in whole.stdout) == (0, True)
    assert SECRET.encode() not in frozen.ledger_path.read_bytes()


def test_a_broken_ledger_unfreezes_nothing(frozen):
    torghut("keys", "new", "--owner", "Rita Reviewer")
    assert torghut("approve", "unfreeze", REFUSED).returncode == 0
    with instance_of(frozen) as instance:
        stage_desk(frozen).guard(instance, "candidate_spec", REFUSED)
        frozen.ledger_anchor_path.unlink()
        with pytest.raises(EvidenceError, match="anchor_missing"):
            stage_desk(frozen).guard(instance, "candidate_spec", REFUSED)
        frozen.ledger_path.unlink()
        with pytest.raises(StageRefusedError, match="line_is_not_frozen"):
            stage_desk(frozen).guard(instance, "candidate_spec", REFUSED)


def test_a_line_that_is_not_frozen_needs_no_approval(evaluated):
    torghut("keys", "new", "--owner", "Rita Reviewer")
    early = torghut("approve", "unfreeze", REFUSED)
    assert (early.returncode, "not frozen" in early.stderr) == (1, True)
    options = torghut("approve", "unfreeze", REFUSED, "--stage", "research_intake")
    assert options.returncode == 2
