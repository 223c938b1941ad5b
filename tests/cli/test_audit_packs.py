"""Packs of a real evaluation: written once, the same bytes each time, verified anywhere."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from evaluated_examples import PASSING, REFUSED, SNAPSHOT
from pack_examples import checked, contents_of, sealed_contents, summed, written

from torghut_assets.domain.audit.faults import PackFault, PackFaultError
from torghut_assets.domain.audit.manifest import (
    MANIFEST,
    REPORT,
    UNLISTED,
    AuditPack,
    HeldRecord,
    entry_name,
    record_name,
)
from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger import Ledger

INDEPENDENT = Path(__file__).parents[1] / "evidence_verifier" / "verify_pack.py"
_OFFLINE = """
import socket, sys
class Blocked(socket.socket):
    def __init__(self, *args, **kwargs):
        raise AssertionError("the network was asked")
def blocked(*args, **kwargs):
    raise AssertionError("the network was asked")
socket.socket = Blocked
socket.create_connection = socket.getaddrinfo = blocked
from torghut_assets.cli.main import main
sys.argv = ["torghut", "audit", "verify", *sys.argv[1:]]
main()
"""


@pytest.fixture(scope="module")
def packs(evaluated_home, tmp_path_factory):
    """Packs of the passing and the refused candidate, and the home that made them."""
    import shutil

    from click.testing import CliRunner

    from torghut_assets.cli.audit_export import export

    folder = tmp_path_factory.mktemp("packs")
    shutil.copytree(evaluated_home, folder / "home")
    environment = {"TORGHUT_HOME": str(folder / "home"), "DAGSTER_HOME": ""}

    def made(name, *arguments):
        path = folder / name
        done = CliRunner(env=environment).invoke(
            export, [*arguments, "--snapshot", SNAPSHOT, "--out", str(path)], catch_exceptions=False
        )
        assert done.exit_code == 0, done.output
        return path

    return {
        "home": Home.at(folder / "home"),
        "passed": made("passed.zip", PASSING),
        "again": made("again.zip", PASSING),
        "refused": made("refused.zip", REFUSED),
        "light": made("light.zip", PASSING, "--without-data"),
    }


def offline(tmp_path, *arguments):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TORGHUT", "DAGSTER"))}
    return subprocess.run(
        [sys.executable, "-c", _OFFLINE, *map(str, arguments)],
        cwd=tmp_path,
        env={**environment, "HOME": str(tmp_path / "nowhere")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_same_evidence_gives_the_same_bytes_and_one_statement(packs):
    assert packs["passed"].read_bytes() == packs["again"].read_bytes()
    stated = [e for e in Ledger(packs["home"]).entries() if e.kind == "audit-pack"]
    assert len({e.subjects["pack"] for e in stated}) == len(stated)


@pytest.mark.parametrize(("name", "verdict"), [("passed", "pass"), ("refused", "fail")])
def test_a_pack_is_verified_without_home_and_network(packs, tmp_path, name, verdict):
    done = offline(tmp_path, packs[name], "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    decided = {one["kind"]: one["verdict"] for one in document["decisions"]}
    assert decided["gate-report"] == verdict
    assert decided["trial-count"].endswith("trials")
    assert list(tmp_path.iterdir()) == []


def test_a_fault_is_named_with_its_place_and_exit_status(packs, tmp_path):
    contents = contents_of(packs["passed"])
    name = next(n for n in contents if n.startswith("records/"))
    contents[name] = contents[name].replace(b"0", b"1", 1)
    path = written(tmp_path / "edited.zip", summed(contents))
    done = offline(tmp_path, path, "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout) | {"message": ""} == {
        "holds": False,
        "fault": "digest_differs",
        "place": name,
        "message": "",
    }
    (tmp_path / "no.zip").write_bytes(b"not a pack")
    assert offline(tmp_path, tmp_path / "no.zip").returncode == 4
    assert offline(tmp_path, tmp_path / "absent.zip").returncode == 4


def test_a_pack_without_data_keeps_the_digests_of_its_tables(packs):
    light, whole = checked(packs["light"]), checked(packs["passed"])
    assert (light.tables, whole.withheld) == (0, 0)
    assert light.withheld == whole.tables > 0
    assert light.decisions == whole.decisions


def test_an_existing_file_is_not_replaced(packs):
    from click.testing import CliRunner

    from torghut_assets.cli.audit_export import export
    from torghut_assets.domain.errors import BadInputError

    environment = {"TORGHUT_HOME": str(packs["home"].root), "DAGSTER_HOME": ""}
    arguments = [PASSING, "--snapshot", SNAPSHOT, "--out", str(packs["passed"])]
    before = packs["passed"].read_bytes()
    done = CliRunner(env=environment).invoke(export, arguments)
    assert isinstance(done.exception, BadInputError)
    assert packs["passed"].read_bytes() == before


def forged(packs, tmp_path, edit):
    """A pack that a runner signs although its records lie: new ledger, every hash right."""
    contents = {
        name: payload
        for name, payload in contents_of(packs["refused"]).items()
        if name not in UNLISTED and not name.startswith(("ledger/", "salts/"))
    }
    manifest = AuditPack.from_canonical_bytes(
        contents_of(packs["refused"])[MANIFEST], location="pack"
    )
    edit(contents)
    forger = Home.at(tmp_path / "forger")
    forger.prepare()
    Ledger(forger).append("backtest", {"record": "a" * 64}, manifest)
    for entry in Ledger(forger).entries():
        contents[entry_name(entry.sequence)] = entry.payload
    held = tuple(
        HeldRecord(asset=h.asset, partition=h.partition, digest=h.digest) for h in manifest.held
    )
    return written(tmp_path / "forged.zip", sealed_contents(forger, contents, held))


def replaced(contents, kind, edit):
    """Replace the record of a kind by an edited one, under its new digest."""
    start = f'{{"kind":"{kind}"'.encode()
    name = next(n for n, p in contents.items() if n.startswith("records/") and p.startswith(start))
    document = json.loads(contents.pop(name))
    edit(document["record"])
    payload = canonical_json(document)
    contents[record_name(sha256_hex(payload))] = payload


def test_a_verdict_that_a_runner_signed_is_decided_again(packs, tmp_path):
    def kinder(record):
        for gate in record["gates"]:
            for limit in gate["limits"]:
                if limit["measured"] is not None:
                    limit["measured"] = limit["limit"]

    path = forged(packs, tmp_path, lambda contents: replaced(contents, "gate-report", kinder))
    with pytest.raises(PackFaultError) as caught:
        checked(path)
    assert caught.value.fault is PackFault.DECISION_DIFFERS
    assert "measured" in str(caught.value)


def test_a_kinder_policy_is_no_policy_of_the_decision(packs, tmp_path):
    def kinder(record):
        record["gates"][0]["limits"][0]["limit"] += 1.0

    path = forged(packs, tmp_path, lambda contents: replaced(contents, "gate-policy", kinder))
    with pytest.raises(PackFaultError) as caught:
        checked(path)
    assert caught.value.fault is PackFault.RECORD_MISSING


def test_a_trial_that_was_left_out_breaks_the_register(packs, tmp_path):
    path = forged(packs, tmp_path, lambda c: c.pop("trials/0000000002.json"))
    with pytest.raises(PackFaultError) as caught:
        checked(path)
    assert caught.value.fault is PackFault.REGISTER_BROKEN


def test_a_register_that_ends_too_early_does_not_count(packs, tmp_path):
    def cut(contents):
        for name in [n for n in contents if n.startswith("trials/")][1:]:
            del contents[name]

    with pytest.raises(PackFaultError) as caught:
        checked(forged(packs, tmp_path, cut))
    assert caught.value.fault is PackFault.TRIALS_DIFFER


def test_the_report_is_one_page_that_loads_nothing(packs):
    page = contents_of(packs["passed"])[REPORT].decode("utf-8")
    for loaded in ("<script", "src=", "@import", "url(", "http://", "https://", "<link"):
        assert loaded not in page
    assert page.count("<h1>") == 1
    assert page.count('role="img"') == page.count("<figcaption>") == 2
    assert page.count("<caption>") == page.count("<table") >= 4
    assert 'lang="en"' in page
    assert "prefers-color-scheme:dark" in page
    assert "@media print" in page


def test_the_independent_verifier_agrees(packs, tmp_path):
    def told(path):
        return subprocess.run(
            [sys.executable, "-I", str(INDEPENDENT), str(path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert told(packs["passed"]).returncode == 0
    contents = contents_of(packs["passed"])
    for number, name in enumerate(sorted(contents)[::20]):
        flipped = bytearray(contents[name])
        flipped[len(flipped) // 2] ^= 1
        edited = written(tmp_path / f"{number}.zip", summed({**contents, name: bytes(flipped)}))
        assert told(edited).returncode == 1, name
        with pytest.raises(Exception, match=r"."):
            checked(edited)


def test_the_independent_verifier_shares_no_code_and_is_short():
    text = INDEPENDENT.read_text("utf-8")
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported - {"cryptography"} <= set(sys.stdlib_module_names)
    code = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert len(code) <= 150
