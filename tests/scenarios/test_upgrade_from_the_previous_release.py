"""A home that earlier code made: after `torghut migrate` every digest, proof and answer holds."""

import json

import pytest
from command_line import torghut

from tests.previous_home import CANDIDATE, SNAPSHOT, unpack
from torghut_assets.resources.home_format import FORMAT, format_of
from torghut_assets.resources.ledger import Ledger

MOVED = f"trials count {CANDIDATE}"
"""Says that the register was moved, too."""


@pytest.fixture
def previous(tmp_path, monkeypatch):
    """The home as it was, and what its commands said."""
    home, told = unpack(tmp_path)
    monkeypatch.setenv("TORGHUT_HOME", str(home.root))
    return home, told


def test_every_digest_proof_and_answer_of_an_older_home_holds_after_migration(previous):
    home, told = previous
    stored = sorted(home.store.digests())
    entries = [entry.payload for entry in Ledger(home).verify().entries]
    assert format_of(home.root) == 0
    assert torghut("ledger", "verify").returncode == 4

    done = torghut("migrate")
    assert done.returncode == 0, done.stderr
    assert format_of(home.root) == FORMAT

    assert sorted(home.store.digests()) == stored
    assert all(home.store.is_intact(digest) for digest in stored)
    assert [entry.payload for entry in Ledger(home).verify().entries] == entries
    assert len(told) >= 15
    for command, before in told.items():
        if command == MOVED:
            continue
        after = torghut(*command.split())
        assert after.returncode == before["exit"], (command, after.stderr)
        said = after.stdout.replace(str(home.root), "{home}")
        if command.endswith("--json"):
            assert says_at_least(parsed(said), parsed(before["stdout"])), command
        else:
            assert said == before["stdout"], command

    moved = torghut(  # it was unpacked: somebody answers for it, as after a restore
        *("trials", "acknowledge", str(head_of_trials() + 1)),
        *("--by", "desk", "--reason", "unpacked for a test"),
    )
    assert moved.returncode == 0, moved.stderr
    assert torghut("trials", "verify").returncode == 0


def parsed(text):
    """One document, or one a line."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.splitlines()]


def says_at_least(later, earlier):
    """Whether a later answer says what an earlier one said; its own fields may say more."""
    if isinstance(earlier, dict):
        return all(k in later and says_at_least(later[k], said) for k, said in earlier.items())
    if isinstance(earlier, list):
        return len(later) == len(earlier) and all(map(says_at_least, later, earlier))
    return later == earlier


def head_of_trials():
    """Sequence that the finding about the copied register names."""
    said = torghut("trials", "verify").stdout
    return next(int(word.strip(":,")) for word in said.split() if word.strip(":,").isdigit())


@pytest.mark.heavy
def test_work_goes_on_in_a_migrated_home(previous, tmp_path):
    assert torghut("migrate").returncode == 0
    entries = Ledger(previous[0]).verify().size
    done = torghut("run", CANDIDATE, "--snapshot", SNAPSHOT)
    assert done.returncode == 0, done.stderr
    traded = torghut("session", "run", CANDIDATE, "--session", "2022-01-05")
    assert traded.returncode in {0, 1}, traded.stderr
    assert Ledger(previous[0]).verify().size > entries
    assert torghut("audit", "reconcile").returncode == 0
    pack = tmp_path / "pack.zip"
    exported = torghut("audit", "export", CANDIDATE, "--snapshot", SNAPSHOT, "--out", str(pack))
    assert exported.returncode == 0, exported.stderr
    assert torghut("audit", "verify", str(pack)).returncode == 0
