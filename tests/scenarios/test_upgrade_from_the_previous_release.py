"""A home that earlier code made: after `torghut migrate` every digest, proof and answer holds."""

import json
import tarfile
from pathlib import Path

import pytest
from command_line import torghut

from torghut_assets.resources.home import Home
from torghut_assets.resources.home_format import FORMAT, format_of
from torghut_assets.resources.ledger import Ledger

ARCHIVE = Path(__file__).parents[1] / "golden" / "previous_home" / "home.tar.xz"
CANDIDATE, SNAPSHOT = "tsmom-megacaps-v1", "us-megacaps@2021-12-31"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def previous(unpacked, tmp_path, monkeypatch):
    """The home as it was, in a place of its own, and what its commands said."""
    import shutil

    root = tmp_path / "previous"
    shutil.copytree(unpacked / "home", root)
    monkeypatch.setenv("TORGHUT_HOME", str(root))
    return Home.at(root), json.loads((unpacked / "told.json").read_text("utf-8"))


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
    moved = torghut(
        "trials", "acknowledge", head_of_trials(), "--by", "desk", "--reason", "unpacked for a test"
    )
    assert moved.returncode == 0, moved.stderr
    assert torghut("trials", "verify").returncode == 0

    assert len(told) >= 15
    for command, before in told.items():
        after = torghut(*command.split())
        assert after.returncode == before["exit"], (command, after.stderr)
        if command not in TELLS_OF_TODAY:
            assert after.stdout == before["stdout"], command


TELLS_OF_TODAY = frozenset({"trials list"})
"""Answers that name the acknowledgement above."""


def head_of_trials():
    """Sequence that the finding about the copied register names."""
    said = torghut("trials", "verify").stdout
    return next(word.strip(":,") for word in said.split() if word.strip(":,").isdigit())


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
