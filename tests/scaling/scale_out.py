"""A backfill over several workers, one of which is killed: nothing lost, nothing made twice.

Usage: python tests/scaling/scale_out.py [CANDIDATES] [WORKERS]      (default 200 2)

Candidates that differ in their parameters are evaluated twice: by one process in a home with
SQLite, and by a team (PostgreSQL, Redis, code server, daemon, Celery workers) as one backfill from
Dagster's own API, while one worker's process group gets SIGKILL in the middle of a run. Prints what
was found; ends with 1 if anything was lost, made twice, or differs.
"""

import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import dagster as dg
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from team_mode import Team, team, wait_until

from torghut_assets import __file__ as package_file
from torghut_assets.assets.partitions import CANDIDATES
from torghut_assets.candidates import __file__ as candidates_file
from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.snapshot import register
from torghut_assets.domain.identifiers import parse_snapshot_id
from torghut_assets.resources.candidate_files import keep_candidate
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.lineage import newest

EXAMPLE, UNIVERSE = "tsmom-megacaps-v1", "two-megacaps"
SNAPSHOT = f"{UNIVERSE}@2021-12-31"
EQUAL = ("target_weights", "backtest_metrics", "stress_metrics", "reproducibility_manifest")
"""Records that must have the same digest. Overfitting diagnostics name the head of the trial
register, which holds times and the order of arrival; the gate report names the diagnostics."""
MADE = (*EQUAL, "overfit_diagnostics", "gate_report")
_DEADLINE_SECONDS = 4 * 3600
_BACKFILL = """
mutation Backfill($partitions: [String!]!) {
  launchPartitionBackfill(backfillParams: {
    selector: {
      partitionSetName: "evaluate_candidate_partition_set",
      repositorySelector: {
        repositoryName: "__repository__", repositoryLocationName: "torghut_assets"
      }
    }, partitionNames: $partitions
  }) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""


def prepare(home: Home, names: list[str]) -> None:
    """Make a home with a small universe and quick settings, and submit the candidates."""
    home.prepare()
    folder, config = Path(candidates_file).parent, Path(package_file).parent / "config"
    universe = yaml.safe_load((config / "universes.yaml").read_text("utf-8"))
    universe["universes"][0] |= {
        "name": UNIVERSE,
        "title": "Two of the six",
        "symbols": ["AAPL", "AMZN"],
        "start": "2018-01-02",
    }
    (home.universes_folder / "two.yaml").write_text(yaml.safe_dump(universe), "utf-8")
    settings = yaml.safe_load((config / "evaluation.yaml").read_text("utf-8"))
    settings |= {"train_bars": 252, "test_bars": 63}
    settings["overfit"] |= {"resamples": 100, "pbo_blocks": 8}
    (home.root / "config").mkdir(exist_ok=True)
    (home.root / "config" / "evaluation.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    example = yaml.safe_load((folder / f"{EXAMPLE}.yaml").read_bytes())
    for number, name in enumerate(names):
        lookback, volatility = 20 + number % 50, 20 + number // 50
        document = example | {
            "candidate_id": name,
            "universe": UNIVERSE,
            "parameters": example["parameters"]
            | {"lookback_bars": lookback, "volatility_bars": volatility},
            "parameter_grid": {"lookback_bars": [lookback, lookback + 21]},
            "declared_outside_trials": 0,
        }
        keep_candidate(home, name, yaml.safe_dump(document, sort_keys=False).encode())
    register(home, parse_snapshot_id(SNAPSHOT))
    with instance_of(home) as instance:
        instance.add_dynamic_partitions(str(CANDIDATES.name), names)
        driver = Driver(home, instance)
        driver.step("settings", None)
        driver.step("snapshot", SNAPSHOT)
        for name in names:
            driver.step("candidate", name)


def digests(instance: dg.DagsterInstance, names: list[str], assets: tuple[str, ...]) -> dict:
    """Return the current digest by asset and candidate; `None` where nothing was made."""
    found = {}
    for asset in assets:
        for name in names:
            event = newest(instance, dg.AssetKey(asset), f"{name}|{SNAPSHOT}")
            found[asset, name] = event.digest if event else None
    return found


def evaluate_alone(folder: Path, names: list[str]) -> dict:
    """Evaluate all candidates in this process; return the digests."""
    os.environ["TORGHUT_HOME"] = str(folder)
    home = Home.from_environment()
    prepare(home, names)
    with instance_of(home) as instance:
        driver = Driver(home, instance)
        for name in names:
            driver.step("evaluation", f"{name}|{SNAPSHOT}", through="reproducibility_manifest")
        return digests(instance, names, EQUAL)


def launch(members: Team, names: list[str]) -> None:
    """Ask Dagster's API for a backfill, as the user interface does."""
    variables = json.dumps({"partitions": [f"{name}|{SNAPSHOT}" for name in names]})
    answer = members.run(
        *("dagster-graphql", "-w", str(members.workspace), "-t", _BACKFILL, "-v", variables)
    )
    if "LaunchBackfillSuccess" not in answer:
        raise AssertionError(answer)


def statuses(instance: dg.DagsterInstance) -> Counter[str]:
    """Count the backfill's runs by status."""
    runs = instance.get_runs(dg.RunsFilter(job_name="evaluate_candidate"))
    return Counter(run.status.value for run in runs)


def _worker_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """Return the name of the worker that executes a run."""
    celery = instance.run_launcher.celery
    told = celery.AsyncResult(run.tags.get("dagster-celery/task_id", "none")).info
    return str(told["hostname"]).partition("@")[0] if isinstance(told, dict) else None


def kill_one(members: Team, instance: dg.DagsterInstance, after: int) -> tuple[str, float]:
    """Kill the worker of a run that has begun to make records; return the run and the moment."""
    wait_until(lambda: statuses(instance)["SUCCESS"] >= after, "the middle", _DEADLINE_SECONDS)
    deadline = time.monotonic() + _DEADLINE_SECONDS
    started = dg.RunsFilter(job_name="evaluate_candidate", statuses=[dg.DagsterRunStatus.STARTED])
    while time.monotonic() < deadline:
        for run in instance.get_runs(started):
            of = dg.DagsterEventType.ASSET_MATERIALIZATION
            made = len(instance.all_logs(run.run_id, of_type=of))
            worker = _worker_of(instance, run)
            if 1 <= made <= 3 and worker in members.processes:
                members.kill(worker)
                return run.run_id, time.perf_counter()
        time.sleep(0.05)
    raise TimeoutError("no run could be killed")


def faults_of(instance: dg.DagsterInstance, home: Home, names: list[str], alone: dict) -> dict:
    """Compare the team's evaluations with those of one process, and with what there must be."""
    from torghut_assets.cli.trials import register_of

    together = digests(instance, names, MADE)
    events = Counter()
    for asset in MADE:
        page, cursor = None, None
        while page is None or page.has_more:
            page = instance.fetch_materializations(dg.AssetKey(asset), limit=1000, cursor=cursor)
            cursor = page.cursor
            events.update(
                (asset, record.partition_key.partition("|")[0]) for record in page.records
            )
    register = register_of(home)
    counted = register.count(names[0])
    return {
        "lost": sum(digest is None for digest in together.values()),
        "made_twice": sum(count - 1 for count in events.values()),
        "other_digest": sum(together[key] != digest for key, digest in alone.items()),
        "compared": len(alone),
        "trials_counted_twice": counted.backtests - len(names),
        "abandoned_evaluations": counted.abandoned,
        "register_findings": [f.code for f in register.verify() if f.severity != "notice"],
        "ledger_entries": Ledger(home).verify().size,
    }


def compare(candidates: int, workers: int, folder: Path) -> dict:
    """Evaluate alone and together, kill one worker, and return what was found."""
    names = [f"variant-{number:04d}" for number in range(candidates)]
    alone_folder, together_folder = folder / "alone", folder / "together"
    together_folder.mkdir(parents=True)
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    alone = evaluate_alone(alone_folder, names)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"alone: {time.perf_counter() - begin:.0f} s, CPU {cpu:.0f} s", flush=True)
    with team(together_folder) as members:
        home = Home.from_environment()
        prepare(home, names)
        members.start_code_server()
        members.start_daemon()
        for number in range(workers):
            members.start_worker(f"worker{number + 1}")
        with instance_of(home) as instance:
            begin = time.perf_counter()
            launch(members, names)
            killed, died = kill_one(members, instance, after=candidates // 4)
            print(f"killed the worker of run {killed} after {died - begin:.0f} s", flush=True)
            members.start_worker("worker-again")

            def made_all() -> bool:
                return None not in digests(instance, names, ("gate_report",)).values()

            def failed() -> bool:
                return instance.get_run_by_id(killed).status is dg.DagsterRunStatus.FAILURE

            wait_until(failed, "the killed run is noticed", _DEADLINE_SECONDS)
            failure = instance.all_logs(killed, of_type=dg.DagsterEventType.RUN_FAILURE)[-1]
            noticed = time.perf_counter() - died - (time.time() - failure.timestamp)
            wait_until(made_all, "all evaluations", _DEADLINE_SECONDS)
            seconds = time.perf_counter() - begin
            found = faults_of(instance, home, names, alone)
            return {
                "candidates": candidates,
                "workers": workers,
                "seconds": round(seconds),
                "noticed_after_seconds": round(noticed),
                "runs": dict(statuses(instance)),
                **found,
            }


def is_sound(found: dict) -> bool:
    """Whether nothing was lost, made twice or differs."""
    none = ("lost", "made_twice", "other_digest", "trials_counted_twice", "abandoned_evaluations")
    return not any(found[name] for name in none) and not found["register_findings"]


def main() -> int:
    """Run it and print the findings as JSON."""
    candidates = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    with tempfile.TemporaryDirectory(prefix="torghut-scale-out-") as folder:
        found = compare(candidates, workers, Path(folder))
    print(json.dumps(found, indent=2))
    return 0 if is_sound(found) else 1


if __name__ == "__main__":
    sys.exit(main())
