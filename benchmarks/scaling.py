"""What one more candidate costs in a home that has many, and what a sensor's tick costs.

Usage: python benchmarks/scaling.py [CANDIDATES ...]      (default 10 100 1000)

For each number a home with so much history is made: one evaluation is made by the program, and
its register entries, receipts, statements and Dagster events are written again for other
candidates, in their real forms and with valid chains and signatures. Then one more candidate is
evaluated for real: by a process of its own (`torghut run`), and by a process that has evaluated
before, as a worker has. All figures are CPU seconds, user and system, of all threads.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from torghut_assets.assets.keys import ASSETS
from torghut_assets.assets.partitions import CANDIDATES
from torghut_assets.candidates import __file__ as candidates_file
from torghut_assets.cli.candidate import submit
from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.snapshot import register
from torghut_assets.definitions import build_definitions
from torghut_assets.domain.backtest.trials import read_entry
from torghut_assets.domain.evidence.record_kinds import signer_of
from torghut_assets.domain.evidence.statement import RecordMade
from torghut_assets.domain.identifiers import parse_snapshot_id
from torghut_assets.domain.stages.receipts import read_receipt
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger import Draft, Ledger
from torghut_assets.resources.lineage import newest
from torghut_assets.resources.receipt_book import RECEIPTS
from torghut_assets.resources.register_file import RegisterFile
from torghut_assets.resources.statement_desk import StatementDesk

EXAMPLE, SNAPSHOT = "tsmom-megacaps-v1", "us-megacaps@2021-12-31"
MADE = tuple(name for name, made in ASSETS.items() if made.dimension == "evaluation")
SPEC_ASSETS = ("candidate_spec", "strategy_build")
_TICKS = 3


def variant(number: int) -> bytes:
    """Return a candidate file of its own: the example with a grid of two points."""
    document = yaml.safe_load((Path(candidates_file).parent / f"{EXAMPLE}.yaml").read_bytes())
    document["candidate_id"] = f"variant-{number:06d}"
    lookback, volatility = 20 + number % 200, 20 + number // 200
    document["parameters"] |= {"lookback_bars": lookback, "volatility_bars": volatility}
    document["parameter_grid"] = {"lookback_bars": [lookback, lookback + 21]}
    document["declared_outside_trials"] = 0
    return yaml.safe_dump(document, sort_keys=False).encode()


def cpu_of_this_process() -> float:
    """CPU seconds of this process so far, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cpu_of(command: list[str]) -> float:
    """CPU seconds of a command that must end with 0 or 1."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def evaluate(driver: Driver, candidate: str) -> None:
    """Bring one candidate through its gate report and write its receipts."""
    for step, partition in (
        ("settings", None),
        ("candidate", candidate),
        ("snapshot", SNAPSHOT),
        ("evaluation", f"{candidate}|{SNAPSHOT}"),
    ):
        driver.step(step, partition, through="research_feedback")
    driver.settle(candidate, SNAPSHOT, through="research_feedback")


class History:
    """Writes the first evaluation of a home again, under other names."""

    def __init__(self, home: Home, instance: dg.DagsterInstance, first: str) -> None:
        self._home, self._instance, self._first = home, instance, first
        self._ledger = Ledger(home)
        self._desk = StatementDesk(home, self._ledger)
        self._trials = RegisterFile(home.trial_register_path, home.trial_anchor_path)
        self._receipts = RegisterFile(home.receipts_path, home.receipts_anchor_path, RECEIPTS)
        self._rows = {file.path: file.rows_after(0) for file in (self._trials, self._receipts)}
        self._stated = list(self._first_statements())
        self.events = list(self._first_events())

    def write(self, candidate: str) -> None:
        """Register entries, receipts, statements and events of one more candidate."""
        self._append_rows(self._trials, candidate, read_entry)
        self._append_rows(self._receipts, candidate, read_receipt)
        self._desk.catch_up()
        drafts = [
            Draft(kind, subjects, self._renamed(made, candidate), signer_of(kind))
            for kind, subjects, made in self._stated
        ]
        self._ledger.append_all(lambda _: drafts)
        for asset, partition, tags, metadata in self.events:
            self._instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    asset,
                    partition=partition.replace(self._first, candidate),
                    tags=tags,
                    metadata=metadata,
                )
            )

    def _append_rows(self, file: RegisterFile, candidate: str, read: Callable[..., Any]) -> None:
        """Append the first candidate's rows again; a ticket's number moves with its row."""
        digests: dict[int, str] = {}
        with file.appending() as (session, _):
            base = session.head_sequence
            for row in self._rows[file.path]:
                form = json.loads(row.payload.decode().replace(self._first, candidate))["record"]
                form["sequence"] = session.head_sequence + 1
                form["previous_digest"] = session.head_digest
                if "ticket_sequence" in form:
                    form["ticket_digest"] = digests[form["ticket_sequence"]]
                    form["ticket_sequence"] += base
                session.append(type(read(row)).model_validate_json(json.dumps(form)))
                digests[row.sequence] = session.head_digest

    def _renamed(self, made: RecordMade, candidate: str) -> RecordMade:
        return RecordMade.model_validate_json(
            made.model_dump_json().replace(self._first, candidate)
        )

    def _first_statements(self) -> Iterator[tuple[str, dict[str, str], RecordMade]]:
        for entry in self._ledger.entries():
            if entry.statement.predicate.kind == RecordMade.record_kind:
                made = entry.statement.record(RecordMade, location=f"entry {entry.sequence}")
                if (made.partition or "").startswith(self._first):
                    yield entry.kind, entry.statement.subjects, made

    def _first_events(self) -> Iterator[tuple[dg.AssetKey, str, dict[str, str], dict[str, Any]]]:
        for name in (*SPEC_ASSETS, *MADE):
            key = dg.AssetKey(name)
            partition = self._first if name in SPEC_ASSETS else f"{self._first}|{SNAPSHOT}"
            if newest(self._instance, key, partition) is None:
                continue
            records = self._instance.fetch_materializations(
                dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition]), limit=1
            ).records
            event = records[0].asset_materialization
            assert event is not None
            tags = {k: v for k, v in (event.tags or {}).items() if "partition" not in k}
            yield key, partition, tags, dict(event.metadata)


def worker_cost(home: Home, instance: dg.DagsterInstance, numbers: range) -> float:
    """Median CPU of an evaluation in a process that has evaluated before."""
    costs = []
    driver = Driver(home, instance)
    for number in numbers:
        submit(home, variant(number), f"variant {number}")
        before = cpu_of_this_process()
        evaluate(driver, f"variant-{number:06d}")
        costs.append(cpu_of_this_process() - before)
    return statistics.median(costs[1:])


def process_cost(home: Home, number: int) -> float:
    """CPU of one `torghut run` of a candidate that was not evaluated."""
    submit(home, variant(number), f"variant {number}")
    main_module = [sys.executable, "-m", "torghut_assets.cli.main"]
    return cpu_of([*main_module, "run", f"variant-{number:06d}", "--snapshot", SNAPSHOT])


def tick_costs(home: Home, instance: dg.DagsterInstance) -> dict[str, tuple[float, float]]:
    """CPU of the first and of a later tick of every sensor, by its name."""
    definitions = build_definitions(home)
    repository = definitions.get_repository_def()
    costs = {}
    for sensor in definitions.sensors or ():
        if isinstance(sensor, dg.RunStatusSensorDefinition):
            continue
        found, cursor = [], None
        for _ in range(_TICKS):
            before = cpu_of_this_process()
            with dg.build_sensor_context(
                instance=instance,
                cursor=cursor,
                repository_def=repository,
                resources=definitions.resources,
            ) as context:
                cursor = sensor.evaluate_tick(context).cursor or cursor
            found.append(cpu_of_this_process() - before)
        costs[str(sensor.name)] = (found[0], statistics.median(found[1:]))
    return costs


def measure(candidates: int) -> None:
    """Make a home with so many candidates, and print what one more costs."""
    with tempfile.TemporaryDirectory(prefix="torghut-scaling-") as folder:
        home = Home.at(Path(folder) / "home")
        home.prepare()
        os.environ["TORGHUT_HOME"] = str(home.root)
        first = "variant-000000"
        submit(home, variant(0), first)
        register(home, parse_snapshot_id(SNAPSHOT))
        with instance_of(home) as instance:
            evaluate(Driver(home, instance), first)
            history = History(home, instance, first)
            names = [f"variant-{number:06d}" for number in range(1, candidates)]
            for number, name in enumerate(names, 1):
                home.candidate_path(name).write_bytes(variant(number))
                history.write(name)
            instance.add_dynamic_partitions(str(CANDIDATES.name), names)
            print(f"{candidates} candidates, {len(history.events) * candidates} events", flush=True)
            worker = worker_cost(home, instance, range(candidates, candidates + 4))
            print(f"  in a worker   {worker:.2f} s", flush=True)
            print(f"  torghut run   {process_cost(home, candidates + 4):.2f} s", flush=True)
            for name, (first_tick, later) in tick_costs(home, instance).items():
                milliseconds = f"first {first_tick * 1000:.0f} ms, later {later * 1000:.0f} ms"
                print(f"  tick of {name:18} {milliseconds}", flush=True)


def main() -> int:
    """Measure each size that is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("candidates", nargs="*", type=int, default=[10, 100, 1000])
    for candidates in parser.parse_args().candidates:
        measure(candidates)
    return 0


if __name__ == "__main__":
    sys.exit(main())
