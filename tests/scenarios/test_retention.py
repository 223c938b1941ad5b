"""Evidence goes only provably: a plan, two persons, tombstones; what is held or in use stays."""

import json
import shutil

import pyarrow.parquet as pq
import pytest
import yaml
from command_line import torghut
from evaluated_examples import PASSING, REFUSED, REFUSED_KEY, SNAPSHOT
from paper_home import settle_gate

from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.removals import read_retention
from torghut_assets.domain.evidence.retention_records import RetentionPlan, Tombstone
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger import Ledger

SECRET = {"TORGHUT_KEY_PASSPHRASE": "correct horse battery"}
PERSONS = ("Rita Reviewer", "Bob Example")


def short_terms(home, **days):
    """Put a policy into the home under which every listed kind expires at once."""
    shipped = yaml.safe_load(home.config_path("retention_policy").read_bytes())
    shipped["keep_days"] = dict.fromkeys(shipped["keep_days"], 0) | days
    path = home.root / "config" / "retention_policy.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(shipped), encoding="utf-8")


@pytest.fixture(scope="module")
def decided_home(evaluated_home, tmp_path_factory):
    """An evaluated home with receipts, two persons, and terms that have passed."""
    root = tmp_path_factory.mktemp("decided") / "home"
    shutil.copytree(evaluated_home, root)
    home = Home.at(root)
    environment = {"TORGHUT_HOME": str(root), **SECRET}
    first, second = PERSONS
    assert torghut("keys", "new", "--owner", first, **environment).returncode == 0
    made = torghut("keys", "new", "--owner", second, **environment)
    introduced = torghut("keys", "introduce", made.stdout.split()[0], "--by", first, **environment)
    assert introduced.returncode == 0, introduced.stderr
    settle_gate(home)
    short_terms(home)
    return root


@pytest.fixture
def decided(decided_home, tmp_path, monkeypatch):
    root = tmp_path / "home"
    shutil.copytree(decided_home, root)
    monkeypatch.setenv("TORGHUT_HOME", str(root))
    return Home.at(root)


def asked(*arguments, status=0):
    done = torghut("audit", *arguments, "--json", **SECRET)
    assert done.returncode == status, done.stderr or done.stdout
    return json.loads(done.stdout) if done.stdout else None


def approved(plan, *persons):
    for person in persons or PERSONS:
        done = torghut(
            *("approve", "retention", "--report", plan["plan_digest"]),
            *("--policy", plan["policy_digest"], "--key", person),
            **SECRET,
        )
        assert done.returncode == 0, done.stderr


def newest(home, asset, partition):
    (found,) = (
        entry.subjects["record"]
        for entry in reversed(Ledger(home).entries())
        if "record" in entry.subjects
        and entry.statement.predicate.record["asset"] == asset
        and entry.statement.predicate.record["partition"] == partition
    )
    return found


def test_what_expired_goes_with_a_tombstone_and_every_command_says_so(decided, tmp_path):
    weights = newest(decided, "target_weights", REFUSED_KEY)
    plan = asked("retention", "plan", "--kind", "target-weights")
    assert weights in {item["artifact"] for item in plan["items"]}
    refused = torghut("audit", "retention", "apply", plan["plan_digest"])
    assert (refused.returncode, "0 of 2 persons" in refused.stderr) == (1, True)
    approved(plan, PERSONS[0])
    refused = torghut("audit", "retention", "apply", plan["plan_digest"])
    assert (refused.returncode, "1 of 2 persons" in refused.stderr) == (1, True)
    assert weights in decided.store
    approved(plan, PERSONS[1])
    done = asked("retention", "apply", plan["plan_digest"])
    assert set(done["removed"]) == {item["artifact"] for item in plan["items"]}
    assert weights not in decided.store
    said = f"removed under retention, tombstone {done['tombstones'][weights]}"

    verified = torghut("ledger", "verify")
    assert (verified.returncode, f"{len(done['removed'])}  tombstone" in verified.stdout) == (
        0,
        True,
    )
    shown = torghut("audit", "show", REFUSED)
    assert (shown.returncode, said in " ".join(shown.stdout.split())) == (0, True)
    notes = asked("reconcile")["notes"]
    assert f"{weights} {said}" in {n["detail"] for n in notes}
    covered = asked("coverage")
    assert covered["complete"]
    assert asked("retention", "list")["removed"][0]["tombstone"] in done["tombstones"].values()

    pack = tmp_path / "pack.zip"
    asked("export", REFUSED, "--snapshot", SNAPSHOT, "--out", str(pack))
    found = asked("verify", str(pack))
    assert found["removed"][weights].endswith(said)
    page = torghut("audit", "verify", str(pack)).stdout
    assert f"{weights[:12]}, target_weights[{REFUSED_KEY}]: {said}" in page

    exported = torghut("warehouse", "export", "--out", str(tmp_path / "export"))
    assert exported.returncode == 0, exported.stderr
    rows = pq.read_table(tmp_path / "export" / "records.parquet").to_pylist()
    assert {r["digest"] for r in rows if r["is_removed"]} == set(done["removed"]) & {
        r["digest"] for r in rows
    }
    assert weights in {r["digest"] for r in rows if r["is_removed"]}


def test_a_file_that_vanished_without_a_tombstone_stays_a_fault(decided):
    weights = newest(decided, "target_weights", REFUSED_KEY)
    decided.store.path_of(weights).unlink()
    codes = {d["code"] for d in asked("reconcile", status=3)["differences"]}
    assert "record_missing" in codes
    assert torghut("audit", "show", REFUSED).returncode == 3


def test_a_held_candidate_stays_whatever_the_policy_says(decided):
    plan = asked("retention", "plan")
    approved(plan)
    placed = asked("hold", "place", "inquiry-7", "--reason", "SEC inquiry", "--candidate", REFUSED,
                   "--key", PERSONS[0])  # fmt: skip
    assert placed["holder"] == PERSONS[0]
    refused = torghut("audit", "retention", "apply", plan["plan_digest"])
    assert (refused.returncode, "held by inquiry-7" in refused.stderr) == (1, True)
    again = asked("retention", "plan")
    held = {k: n for k, n in again["kept"].items() if "inquiry-7" in k}
    assert sum(held.values()) > 0
    about = {item["what"] for item in again["items"]}
    assert not any(REFUSED in what for what in about)
    assert any(PASSING in what for what in about)
    assert "dataset_snapshot" not in " ".join(about), "the held evaluation rests on its bars"
    for problem, status in (
        (("place", "inquiry-7", "--reason", "again", "--everything"), 4),
        (("place", "x", "--reason", "short", "--everything"), 4),
        (("place", "other", "--reason", "unknown", "--candidate", "no-such-candidate"), 4),
        (("place", "other", "--reason", "hostile", "--candidate", "../../etc"), 4),
        (("place", "other", "--reason", "unknown", "--artifact", "0" * 64), 4),
        (("place", "other", "--reason", "hostile", "--artifact", "../x"), 4),
        (("place", "other", "--reason", "nothing"), 2),
        (("release", "no-such-hold", "--reason", "over"), 4),
    ):
        done = torghut("audit", "hold", *problem, "--key", PERSONS[0], **SECRET)
        assert done.returncode == status, (problem, done.stderr)
    assert len(asked("hold", "list")["holds"]) == 1
    asked("hold", "release", "inquiry-7", "--reason", "closed", "--key", PERSONS[1])
    assert asked("hold", "list")["holds"] == []
    done = asked("retention", "apply", plan["plan_digest"])
    assert len(done["removed"]) == len(plan["items"])


def test_what_a_kept_decision_rests_on_stays(decided):
    short_terms(decided, **{"gate-report": 2557})
    plan = asked("retention", "plan")
    kinds = {each["kind"] for item in plan["items"] for each in item["stated"]}
    assert not {"target-weights", "backtest", "dataset-snapshot", "overfit"} & kinds
    short_terms(decided, receipt=2557)
    reasons = asked("retention", "plan")["kept"]
    assert any(reason.startswith("stage receipt") for reason in reasons)


def test_a_policy_that_changed_since_voids_the_plan(decided):
    plan = asked("retention", "plan")
    approved(plan)
    short_terms(decided, advisory=1)
    refused = torghut("audit", "retention", "apply", plan["plan_digest"])
    assert (refused.returncode, "made under policy" in refused.stderr) == (1, True)


def test_an_artifact_that_was_stated_again_since_voids_the_plan(decided):
    plan = asked("retention", "plan", "--kind", "target-weights")
    approved(plan)
    weights = newest(decided, "target_weights", REFUSED_KEY)
    ledger = Ledger(decided)
    entry = next(e for e in ledger.entries() if e.subjects.get("record") == weights)
    from torghut_assets.domain.evidence.statement import RecordMade

    made = entry.statement.record(RecordMade, location="test")
    ledger.append(entry.kind, entry.subjects, made)
    refused = torghut("audit", "retention", "apply", plan["plan_digest"])
    assert (refused.returncode, "not as it was when it was planned" in refused.stderr) == (1, True)


def test_evidence_that_cannot_be_read_protects_everything(decided):
    """Whatever altered bytes rested on is not known any more: no plan is made."""
    short_terms(decided, **{"gate-report": 2557})
    path = decided.store.path_of(newest(decided, "gate_report", REFUSED_KEY))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"fail", b"pass", 1))
    refused = torghut("audit", "retention", "plan")
    assert (refused.returncode, "changed after it was written" in refused.stderr) == (3, True)


def test_a_crash_between_tombstone_and_file_is_named_and_ended_by_the_same_command(
    decided, monkeypatch
):
    from torghut_assets.resources import retention_desk

    plan = asked("retention", "plan", "--kind", "stress")
    approved(plan)
    unlink = retention_desk._unlink

    def killed(store, digest):
        raise KeyboardInterrupt

    monkeypatch.setattr(retention_desk, "_unlink", killed)
    assert torghut("audit", "retention", "apply", plan["plan_digest"]).returncode == 130
    monkeypatch.setattr(retention_desk, "_unlink", unlink)
    notes = [n for n in asked("reconcile")["notes"] if n["code"] == "removal_unfinished"]
    assert len(notes) == len(plan["items"])
    size = Ledger(decided).checked().size
    done = asked("retention", "apply", plan["plan_digest"])
    assert len(done["removed"]) == len(plan["items"])
    assert Ledger(decided).checked().size == size, "no second tombstone"
    again = asked("retention", "apply", plan["plan_digest"])
    assert (again["removed"], len(again["tombstones"])) == ([], len(plan["items"]))


def test_a_hold_that_came_after_a_crash_keeps_the_bytes(decided, monkeypatch):
    from torghut_assets.resources import retention_desk

    plan = asked("retention", "plan", "--kind", "stress")
    approved(plan)
    unlink = retention_desk._unlink
    monkeypatch.setattr(retention_desk, "_unlink", lambda store, digest: 1 / 0)
    assert torghut("audit", "retention", "apply", plan["plan_digest"]).returncode == 70
    monkeypatch.setattr(retention_desk, "_unlink", unlink)
    asked("hold", "place", "all-of-it", "--reason", "a matter", "--everything", "--key", PERSONS[0])
    done = asked("retention", "apply", plan["plan_digest"])
    assert (done["removed"], len(done["held_since"])) == ([], len(plan["items"]))
    assert all(item["artifact"] in decided.store for item in plan["items"])


def test_a_runner_cannot_pass_deletion_off_as_retention(decided):
    """Whoever has the runner's key writes a tombstone; the ledger itself convicts it."""
    plan = RetentionPlan.from_canonical_bytes(
        decided.store.get(asked("retention", "plan")["plan_digest"]), location="plan"
    )
    item = plan.items[0]
    stone = Tombstone(
        removed=item,
        policy_digest=plan.policy_digest,
        plan_digest=plan.digest,
        persons_required=2,
        reason="nobody will ever look",
    )
    Ledger(decided).append("tombstone", stone.subjects(()), stone)
    decided.store.path_of(item.artifact).unlink()
    for command in (("ledger", "verify"), ("audit", "reconcile"), ("audit", "coverage"),
                    ("audit", "retention", "list")):  # fmt: skip
        done = torghut(*command)
        assert (done.returncode, "tombstone_unproven" in done.stderr) == (3, True), command


def test_a_plan_that_is_gone_or_lists_something_else_convicts_the_tombstone(decided):
    plan = asked("retention", "plan", "--kind", "stress")
    approved(plan)
    asked("retention", "apply", plan["plan_digest"])
    path = decided.store.path_of(plan["plan_digest"])
    path.unlink()
    found = asked("reconcile", status=3)["differences"]
    assert {d["code"] for d in found} == {"tombstone_unproven"}
    assert torghut("audit", "retention", "list").returncode == 3


def test_a_pack_whose_tombstone_was_taken_out_does_not_hold(decided, tmp_path):
    from pack_examples import contents_of, listed_anew, written

    plan = asked("retention", "plan", "--kind", "target-weights")
    approved(plan)
    done = asked("retention", "apply", plan["plan_digest"])
    pack = tmp_path / "pack.zip"
    asked("export", REFUSED, "--snapshot", SNAPSHOT, "--out", str(pack))
    weights = newest(decided, "target_weights", REFUSED_KEY)
    contents = contents_of(pack)
    del contents[f"ledger/{done['tombstones'][weights]:010d}.json"]
    found = asked("verify", str(written(tmp_path / "cut.zip", listed_anew(contents))), status=3)
    assert not found["holds"]


@pytest.mark.parametrize("arguments", [("apply", "x"), ("apply", "../../etc/passwd")])
def test_hostile_plans_are_refused(decided, arguments):
    assert torghut("audit", "retention", *arguments).returncode == 4
    assert torghut("audit", "retention", "apply", sha256_hex(b"none")).returncode == 3
    weights = newest(decided, "target_weights", REFUSED_KEY)
    assert torghut("audit", "retention", "apply", weights).returncode == 3
    assert torghut("audit", "retention", "plan", "--kind", "approval").returncode == 4


def test_nothing_may_go_under_the_shipped_terms(decided):
    (decided.root / "config" / "retention_policy.yaml").unlink()
    plan = asked("retention", "plan")
    assert (plan["plan_digest"], plan["items"]) == (None, [])
    prefix = Ledger(decided).verify()
    assert read_retention(prefix.entries, prefix.ring).tombstones == 0
    assert issubclass(EvidenceRefusedError, Exception)
    assert Fault.TOMBSTONE_UNPROVEN
