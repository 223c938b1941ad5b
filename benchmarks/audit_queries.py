"""Time `torghut audit impact` and `diff` in a home of many decisions.

Usage: python benchmarks/audit_queries.py [DECISIONS]      (default 10000)

Makes a home with that many gate reports, each with the records of its evaluation, its trial
tickets, receipts, signed statements and events, all of the real forms: one evaluation is made by
the program, and everything about it is written again for other candidates, with every digest in
it. Then it times the index and the questions, each in a process of its own, as a person would
ask them. The goal is on the CPU seconds of the whole process. Exit status 1 if one is missed.
"""

import contextlib
import json
import os
import re
import resource
import sqlite3
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
from torghut_assets.domain.evidence.record_kinds import signer_of
from torghut_assets.domain.evidence.statement import RecordMade
from torghut_assets.domain.identifiers import parse_snapshot_id
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger import Draft, Ledger
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
_NAME = re.compile(rf"{CANDIDATE}|[0-9a-f]{{64}}")


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
    """Store the evaluation again under other names, with everything that says so.

    Artifacts, trial register, receipts, ledger and event log grow alike. Return the digest of
    the last gate report.
    """
    texts = {asset: home.store.get(digest).decode() for asset, digest in first.items()}
    names = []
    for number in range(1, decisions):
        renamed = {CANDIDATE: f"{CANDIDATE[:-3]}-{number:06d}-v1"}
        for asset in MADE:
            payload = _renamed(texts[asset], renamed).encode()
            digest = sha256_hex(payload)
            renamed[first[asset]] = digest
            path = home.store.path_of(digest)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(payload)
        names.append(renamed)
    multiply_register(home.trial_register_path, names)
    multiply_register(home.receipts_path, names)
    multiply_statements(home, first, names)
    multiply_events(home, first, names)
    return names[-1][first["gate_report"]]


def _renamed(text: str, renamed: dict[str, str]) -> str:
    return _NAME.sub(lambda found: renamed.get(found.group(), found.group()), text)


def multiply_register(path: Path, names: list[dict[str, str]]) -> None:
    """Append the first candidate's entries again for each of some names, as a chain."""
    with contextlib.closing(sqlite3.connect(path)) as book:
        rows = book.execute("SELECT digest, payload FROM entries ORDER BY sequence").fetchall()
        own = [(d, p.decode()) for d, p in rows if b"ticket" in p[:20] or CANDIDATE.encode() in p]
        sequence, digest = len(rows), rows[-1][0]
        for known in names:
            renamed, moved = dict(known), {}
            for old_digest, text in own:
                form = json.loads(_renamed(text, renamed))
                record, old = form["record"], json.loads(text)["record"]["sequence"]
                sequence += 1
                moved[old] = sequence
                record["sequence"], record["previous_digest"] = sequence, digest
                if "ticket_sequence" in record:
                    record["ticket_sequence"] = moved[record["ticket_sequence"]]
                payload = canonical_json(form)
                digest = sha256_hex(payload)
                renamed[old_digest] = digest
                book.execute("INSERT INTO entries VALUES (?, ?, ?)", (sequence, digest, payload))
        book.commit()


def multiply_statements(home: Home, first: dict[str, str], names: list[dict[str, str]]) -> None:
    """Sign and append a statement about every record of every name."""
    own = set(first.values())
    with contextlib.closing(Ledger(home)) as ledger:
        said = [e for e in ledger.entries() if e.subjects.get("record") in own]
        texts = [(e.kind, dict(e.subjects), e.statement.predicate) for e in said]
        for start in range(0, len(names), 200):
            drafts = [
                Draft(
                    kind,
                    {name: renamed.get(digest, digest) for name, digest in subjects.items()},
                    RecordMade.model_validate_json(_renamed(json.dumps(predicate.record), renamed)),
                    signer_of(kind),
                )
                for renamed in names[start : start + 200]
                for kind, subjects, predicate in texts
            ]
            ledger.append_all(lambda _, drafts=drafts: drafts)


def multiply_events(home: Home, first: dict[str, str], names: list[dict[str, str]]) -> None:
    """Log every materialization again for each of some names."""
    columns = "run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition"
    own = set(first.values())
    with contextlib.closing(sqlite3.connect(home.dagster_home / "history/runs/index.db")) as log:
        rows = log.execute(
            f"SELECT {columns} FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION'"
        ).fetchall()
        rows = [row for row in rows if any(digest in row[1] for digest in own)]
        log.executemany(
            f"INSERT INTO event_logs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                tuple(_renamed(v, renamed) if isinstance(v, str) else v for v in row)
                for renamed in names
                for row in rows
            ),
        )
        log.commit()


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


def describe(home: Home, decisions: int) -> None:
    """Print how large the home is."""
    counted = {"artifacts": sum(1 for _ in home.store.root.glob("*/*"))}
    for name, path, table in (
        ("trial register entries", home.trial_register_path, "entries"),
        ("receipts", home.receipts_path, "entries"),
        ("ledger entries", home.ledger_path, "entries"),
        ("events", home.dagster_home / "history/runs/index.db", "event_logs"),
    ):
        with contextlib.closing(sqlite3.connect(path)) as database:
            (counted[name],) = database.execute(f"SELECT count(*) FROM {table}").fetchone()
    print(f"{decisions} decisions", *(f"{n} {what}" for what, n in counted.items()), sep=", ")


def main() -> int:
    """Make the home, ask, print; 1 if a question took longer than the limit."""
    decisions = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(prefix="torghut-audit-") as folder:
        home = Home.at(Path(folder))
        home.prepare()
        first = evaluate(home)
        last = multiply(home, first, decisions)
        describe(home, decisions)
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
            slow += cpu > LIMIT_SECONDS
            print(f"{name}: median {median:.2f} s, CPU {cpu:.2f} s, {runs[0][2]} bytes", flush=True)
    return 1 if slow else 0


def _code(home: Home, first: dict[str, str]) -> str:
    build = json.loads(home.store.get(first["strategy_build"]))
    return str(build["record"]["code_digest"])


if __name__ == "__main__":
    sys.exit(main())
