"""`torghut keys`, `torghut approve` and `torghut ledger` as a shell sees them."""

import json
import sqlite3

import pytest
from command_line import torghut
from evaluated_examples import PASSING, example

from torghut_assets.cli.candidate import submit
from torghut_assets.domain.digests import canonical_json
from torghut_assets.domain.evidence.dsse import read_envelope
from torghut_assets.domain.evidence.entries import read_tree_head
from torghut_assets.domain.evidence.ledger_tree import (
    leaf_hash,
    proves_consistency,
    proves_inclusion,
)
from torghut_assets.resources.kill_switch import KillSwitch

SECRET = {"TORGHUT_KEY_PASSPHRASE": "correct horse battery"}


@pytest.fixture
def with_person(home):
    assert torghut("keys", "new", "--owner", "Rita Reviewer", **SECRET).returncode == 0
    return home


def test_every_new_command_has_help_that_names_its_exit_status():
    for command in (
        ("approve",),
        *(("keys", name) for name in ("new", "introduce", "list", "revoke")),
        *(("ledger", name) for name in ("verify", "head", "prove")),
    ):
        shown = torghut(*command, "--help")
        assert (shown.returncode, "Exit status: 0" in shown.stdout) == (0, True), command


def test_keys_are_listed_with_role_owner_and_end(with_person):
    listed = torghut("keys", "list").stdout
    assert "runner" in listed
    assert "Rita Reviewer" in listed
    document = json.loads(torghut("keys", "list", "--json").stdout)
    assert [key["role"] for key in document["keys"]] == ["runner", "person"]
    assert document["waiting"] == []
    made = torghut("keys", "new", "--owner", "Bob Example", **SECRET)
    waiting = json.loads(torghut("keys", "list", "--json").stdout)["waiting"]
    assert waiting == [made.stdout.split()[0]]
    assert "waits to be introduced" in torghut("keys", "list").stdout


def test_without_a_passphrase_and_a_terminal_nothing_is_made(home):
    refused = torghut("keys", "new", "--owner", "Rita Reviewer", TORGHUT_KEY_PASSPHRASE="")
    assert (refused.returncode, "TORGHUT_KEY_PASSPHRASE" in refused.stderr) == (2, True)
    assert not home.keys_folder.exists()
    short = torghut("keys", "new", "--owner", "Rita Reviewer", TORGHUT_KEY_PASSPHRASE="short")
    assert short.returncode == 4
    assert torghut("keys", "revoke", "12345678", "--reason", "short", **SECRET).returncode == 4


def test_an_approval_is_bound_to_what_is_in_the_store(with_person):
    submit(with_person, example(PASSING), "example")
    report, policy = (with_person.store.put(text) for text in (b"a report", b"a policy"))
    approve = ("approve", "promote", PASSING, "--stage", "shadow_paper_deployment")
    done = torghut(
        *approve, "--report", report, "--policy", policy, "--limit", "notional_usd=1e4", **SECRET
    )
    assert done.returncode == 0, done.stderr
    assert f"report {report}" in done.stdout
    shown = torghut(*approve, "--report", report, "--policy", policy, "--json", **SECRET)
    document = json.loads(shown.stdout)
    assert document["statement"]["predicate"]["record"]["approver"] == "Rita Reviewer"
    assert read_envelope(canonical_json(document["envelope"]), location="x").key_ids
    for options, status in (
        (("--report", "0" * 64, "--policy", policy), 3),
        (("--report", "mine", "--policy", policy), 4),
        (("--policy", policy), 2),
        (("--report", report, "--policy", policy, "--limit", "notional_usd"), 4),
        (("--report", report, "--policy", policy, "--limit", "notional_usd=nan"), 4),
        (("--report", report, "--policy", policy, "--key", "Nobody"), 4),
    ):
        assert torghut(*approve, *options, **SECRET).returncode == status, options
    known = ("--report", report, "--policy", policy)
    assert torghut("approve", "promote", "../x", *known, **SECRET).returncode == 4
    assert torghut("approve", "promote", PASSING, *known, "--stage", "x", **SECRET).returncode == 2
    assert torghut("approve", "praise", PASSING, *known, **SECRET).returncode == 2
    everything = torghut("approve", "cost_model", *known, **SECRET)
    assert "cost_model of everything" in everything.stdout
    assert "3  approval" in torghut("ledger", "verify").stdout


def test_a_latch_is_lifted_by_an_approval_of_exactly_that_latch(with_person):
    submit(with_person, example(PASSING), "example")
    switch = KillSwitch(with_person)
    switch.engage(None, "the feed went mad")
    switch.engage(PASSING, "too many messages", "message_rate")
    lift = ("approve", "lift_kill", "--latch")
    for arguments, status in (
        ((*lift, "2"), 4),
        ((*lift, "3"), 4),
        (("approve", "re_enable", "--latch", "2"), 4),
        (("approve", "lift_kill"), 2),
        ((*lift, "1", "--report", "0" * 64), 2),
        (("approve", "promote", PASSING, "--latch", "1"), 2),
        (("approve", "unfreeze"), 2),
    ):
        assert torghut(*arguments, **SECRET).returncode == status, arguments
    assert switch.reading("another-candidate").state == "engaged"
    assert torghut(*lift, "1", **SECRET).returncode == 0
    assert switch.reading("another-candidate").state == "clear"
    assert switch.reading(PASSING).state == "engaged"
    assert torghut("approve", "re_enable", PASSING, "--latch", "2", **SECRET).returncode == 0
    assert switch.reading(PASSING).state == "clear"
    assert torghut(*lift, "1", **SECRET).returncode == 4


def test_an_empty_ledger_is_whole_and_has_no_head(home):
    assert "0 entries, whole" in torghut("ledger", "verify").stdout
    assert torghut("ledger", "head").returncode == 4
    assert torghut("ledger", "prove", "1").returncode == 4


def test_a_head_is_kept_elsewhere_once_and_convicts_later(with_person, tmp_path):
    kept = tmp_path / "elsewhere" / "head.json"
    shown = torghut("ledger", "head", "--out", str(kept))
    assert (shown.returncode, shown.stdout.split()[0]) == (0, "2")
    assert read_tree_head(kept.read_bytes(), location="x")[0].tree_size == 2
    assert torghut("ledger", "head", "--out", str(kept)).returncode == 4
    torghut("keys", "new", "--role", "gate", "--owner", "gate", **SECRET)
    fine = torghut("ledger", "verify", "--anchor", str(kept), "--json")
    assert json.loads(fine.stdout)["kinds"] == {"key-registration": 2}
    with_person.ledger_path.unlink()
    with_person.ledger_anchor_path.unlink()
    for path in with_person.keys_folder.glob("person-*"):
        path.unlink()
    torghut("keys", "new", "--owner", "Rita Reviewer", **SECRET)
    assert torghut("ledger", "verify").returncode == 0
    forged = torghut("ledger", "verify", "--anchor", str(kept))
    assert (forged.returncode, "other_history" in forged.stderr) == (3, True)


def test_a_proof_needs_nothing_but_itself(with_person):
    shown = torghut("ledger", "prove", "1", "--since", "1")
    proof = json.loads(shown.stdout)
    leaf = leaf_hash(canonical_json(proof["leaf"]))
    assert leaf.hex() == proof["leaf_hash"]
    root, path = bytes.fromhex(proof["root_hash"]), [bytes.fromhex(n) for n in proof["inclusion"]]
    assert proves_inclusion(leaf, proof["leaf_index"], proof["tree_size"], path, root)
    grown = proof["consistency"]
    nodes = [bytes.fromhex(n) for n in grown["proof"]]
    old = bytes.fromhex(grown["old_root_hash"])
    assert proves_consistency(grown["old_size"], old, proof["tree_size"], root, nodes)
    head, _ = read_tree_head(canonical_json(proof["head"]), location="x")
    assert head.root_hash == proof["root_hash"]
    assert torghut("ledger", "prove", "3").returncode == 4


def test_a_ledger_that_was_edited_ends_with_status_3(with_person):
    with sqlite3.connect(with_person.ledger_path) as database:
        database.execute("drop trigger entries_update")
        database.execute("update entries set leaf_hash = 'x' where sequence = 2")
    for command in (("ledger", "verify"), ("ledger", "head"), ("keys", "list")):
        done = torghut(*command)
        assert (done.returncode, "entry 2: leaf_altered" in done.stderr) == (3, True), command
