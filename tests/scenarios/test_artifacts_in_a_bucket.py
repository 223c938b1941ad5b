"""A whole evaluation whose artifacts lie on Swift, through its S3 interface."""

import json

import pytest
from command_line import torghut
from evaluated_examples import PASSING, SNAPSHOT, example

from tests import s3_servers
from torghut_assets.assets.keys import ASSETS
from torghut_assets.cli.candidate import submit
from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.snapshot import register
from torghut_assets.domain.identifiers import parse_snapshot_id
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import newest

pytestmark = pytest.mark.heavy
PARTITIONS = {
    "none": None,
    "candidate": PASSING,
    "snapshot": SNAPSHOT,
    "evaluation": f"{PASSING}|{SNAPSHOT}",
}


OF_THEIR_REGISTER = frozenset({"overfit_diagnostics", "gate_report"})
"""They name the head of the trial register, which names the time of each ticket."""


def read(home, digests, name):
    """What a record says, but for the register and for records that name it."""
    found = json.loads(home.store.get(digests[name]))["record"]
    found.pop("trial_register_head", None)
    if name == "gate_report":
        found["inputs"] = [i for i in found["inputs"] if i["name"] not in OF_THEIR_REGISTER]
    return found


def digests_in(home):
    """Digest by name of every asset of the passing example."""
    import dagster as dg

    found = {}
    with instance_of(home) as instance:
        for name, made in ASSETS.items():
            if made.dimension in PARTITIONS:
                event = newest(instance, dg.AssetKey(name), PARTITIONS[made.dimension])
                found[name] = event and event.digest
    return found


def evaluated_anew(root, monkeypatch):
    """Evaluate the passing example in a new home, kept where the environment says."""
    monkeypatch.setenv("TORGHUT_HOME", str(root))
    home = Home.from_environment()
    home.prepare()
    submit(home, example(PASSING), f"{PASSING}.yaml")
    register(home, parse_snapshot_id(SNAPSHOT))
    done = torghut("run", PASSING, "--snapshot", SNAPSHOT)
    assert done.returncode == 0, done.stderr
    return home


def test_an_evaluation_in_a_bucket_comes_to_the_digests_of_one_in_files(tmp_path, monkeypatch):
    alone = evaluated_anew(tmp_path / "alone", monkeypatch)
    in_files = digests_in(alone)
    with s3_servers.swift() as server:
        server.make_bucket("evidence")
        for name, value in server.environment("evidence").items():
            monkeypatch.setenv(name, value)
        home = evaluated_anew(tmp_path / "team", monkeypatch)
        assert not (home.root / "store").exists()

        in_bucket = digests_in(home)
        assert sum(digest is not None for digest in in_files.values()) >= 14
        differing = {name for name in in_files if in_files[name] != in_bucket[name]}
        assert differing <= OF_THEIR_REGISTER
        for name in OF_THEIR_REGISTER:
            one, other = read(alone, in_files, name), read(home, in_bucket, name)
            assert one == other, name
        stored = set(home.store.digests())
        assert set(filter(None, in_bucket.values())) <= stored

        pack = tmp_path / "evidence.zip"
        told = {
            words: torghut(*words.split())
            for words in (
                "trials verify",
                "ledger verify",
                "audit reconcile",
                f"audit show {PASSING} --snapshot {SNAPSHOT}",
                f"audit export {PASSING} --snapshot {SNAPSHOT} --out {pack}",
                f"audit verify {pack}",
                f"audit impact {in_bucket['gate_policy']}",
                f"report {PASSING} --snapshot {SNAPSHOT}",
            )
        }
        assert {words: (d.returncode, d.stderr) for words, d in told.items() if d.returncode} == {}

        with instance_of(home) as instance:  # nothing to do again
            assert not Driver(home, instance).step("evaluation", f"{PASSING}|{SNAPSHOT}").made

        digest = in_bucket["backtest_metrics"]
        key = f"/evidence/desk/{digest[:2]}/{digest}"
        _, payload = server.ask("GET", key)
        server.ask("PUT", key, payload[:-2] + b" }")
        for words in ("audit reconcile", f"audit show {PASSING} --snapshot {SNAPSHOT}"):
            refused = torghut(*words.split())
            assert refused.returncode == 3, words
            assert digest[:12] in refused.stdout + refused.stderr
        server.ask("DELETE", key)
        assert torghut("audit", "reconcile").returncode == 3
