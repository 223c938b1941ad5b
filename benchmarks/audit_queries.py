"""Time `torghut audit impact` and `diff` in a home of many decisions.

Usage: python benchmarks/audit_queries.py [DECISIONS]      (default 10000)

Makes a home with that many gate reports, each with the seven records of its evaluation and
four stage receipts, all of the real forms: one evaluation is made by the program, and its
records are rewritten for other candidates and snapshots, with every digest in them. Then it
times the index and the questions, each in a process of its own, as a person would ask them.
"""

import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from torghut_assets.candidates import __file__ as candidates_file
from torghut_assets.cli.candidate import submit
from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.snapshot import register
from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.identifiers import parse_snapshot_id
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import newest

CANDIDATE, SNAPSHOT = "dip-buying-megacaps-v1", "us-megacaps@2021-12-31"
MADE = (
    "candidate_spec",
    "strategy_build",
    "target_weights",
    "backtest_metrics",
    "overfit_diagnostics",
    "stress_metrics",
    "reproducibility_manifest",
    "gate_report",
    "research_feedback",
)
LIMIT_SECONDS = 2.0


def evaluate(home: Home) -> dict[str, str]:
    """Evaluate one candidate; return the digests of its records by asset."""
    import dagster as dg

    payload = (Path(candidates_file).parent / f"{CANDIDATE}.yaml").read_bytes()
    submit(home, payload, CANDIDATE)
    register(home, parse_snapshot_id(SNAPSHOT))
    found = {}
    with instance_of(home) as instance:
        driver = Driver(home, instance)
        for step, partition in (
            ("settings", None),
            ("candidate", CANDIDATE),
            ("snapshot", SNAPSHOT),
            ("evaluation", f"{CANDIDATE}|{SNAPSHOT}"),
        ):
            driver.step(step, partition, through="research_feedback")
        driver.settle(CANDIDATE, SNAPSHOT, through="research_feedback")
        for asset in MADE:
            key = f"{CANDIDATE}|{SNAPSHOT}" if asset not in MADE[:2] else CANDIDATE
            event = newest(instance, dg.AssetKey(asset), key)
            assert event is not None
            found[asset] = event.digest
    return found


def multiply(home: Home, first: dict[str, str], decisions: int) -> str:
    """Store the evaluation again under other names; return the digest of the last report."""
    texts = {asset: home.store.get(digest).decode() for asset, digest in first.items()}
    last = first["gate_report"]
    for number in range(1, decisions):
        candidate = f"{CANDIDATE[:-3]}-{number:06d}-v1"
        renamed = {CANDIDATE: candidate}
        for asset in MADE:
            text = texts[asset]
            for old, new in renamed.items():
                text = text.replace(old, new)
            payload = text.encode()
            digest = sha256_hex(payload)
            renamed[first[asset]] = digest
            path = home.store.path_of(digest)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(payload)
        last = renamed[first["gate_report"]]
    return last


def multiply_receipts(home: Home, decisions: int) -> None:
    """Append the first candidate's receipts again under other names, four per decision."""
    import sqlite3

    with contextlib.closing(sqlite3.connect(home.receipts_path)) as book:
        rows = book.execute("SELECT payload FROM entries ORDER BY sequence").fetchall()
        forms = [json.loads(payload) for (payload,) in rows]
        sequence, digest = book.execute(
            "SELECT sequence, digest FROM entries ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        for number in range(1, decisions):
            for form in forms:
                sequence += 1
                form["record"]["sequence"] = sequence
                form["record"]["previous_digest"] = digest
                form["record"]["decision"]["candidate_id"] = f"{CANDIDATE[:-3]}-{number:06d}-v1"
                payload = canonical_json(form)
                digest = sha256_hex(payload)
                book.execute("INSERT INTO entries VALUES (?, ?, ?)", (sequence, digest, payload))
        book.commit()


def asked(home: Home, *words: str) -> tuple[float, float, int]:
    """Return the seconds that a command takes, its CPU seconds, and how many bytes it prints."""
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "torghut_assets.cli.main", "audit", *words],
        env=os.environ | {"TORGHUT_HOME": str(home.root)},
        capture_output=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begin, cpu, len(done.stdout)


def main() -> int:
    """Make the home, ask, print; 1 if a question took longer than the limit."""
    decisions = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(prefix="torghut-audit-") as folder:
        home = Home.at(Path(folder))
        home.prepare()
        first = evaluate(home)
        last = multiply(home, first, decisions)
        multiply_receipts(home, decisions)
        stored = sum(1 for _ in home.store.root.glob("*/*"))
        print(f"{decisions} decisions, {stored} artifacts, 4 receipts per decision", flush=True)
        seconds, cpu, _ = asked(home, "impact", last, "--json")
        print(
            f"first question, with making the index: {seconds:.1f} s, CPU {cpu:.1f} s", flush=True
        )
        slow = 0
        for name, words in (
            ("impact of one candidate's specification", ("impact", first["candidate_spec"])),
            ("impact of everything's strategy code", ("impact", _code(home, first))),
            ("diff of two gate reports", ("diff", first["gate_report"], last)),
            ("show of one candidate", ("show", CANDIDATE)),
        ):
            runs = [asked(home, *words, "--json") for _ in range(3)]
            median = statistics.median(run[0] for run in runs)
            cpu = statistics.median(run[1] for run in runs)
            slow += median > LIMIT_SECONDS and words[0] != "show"
            print(f"{name}: median {median:.2f} s, CPU {cpu:.2f} s, {runs[0][2]} bytes", flush=True)
    return 1 if slow else 0


def _code(home: Home, first: dict[str, str]) -> str:
    build = json.loads(home.store.get(first["strategy_build"]))
    return str(build["record"]["code_digest"])


if __name__ == "__main__":
    sys.exit(main())
