"""Building the records of an evaluation again, in a home that is thrown away."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from torghut_assets.assets.keys import ASSETS, DATASET_SNAPSHOT
from torghut_assets.cli.auditing import audit_of
from torghut_assets.cli.candidate import submit
from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.domain.audit.references import read_any, references
from torghut_assets.domain.audit.replayed import Rebuilt
from torghut_assets.domain.backtest.records import BacktestMetrics
from torghut_assets.domain.backtest.trials import TrialTicket, read_entry
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.snapshots.records import SnapshotManifest
from torghut_assets.resources.candidate_files import read_candidate
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger_place import LEDGER_URL
from torghut_assets.resources.lineage import current_record
from torghut_assets.resources.register_file import RegisterFile

REPLAYED = (
    "cost_model",
    "risk_limits",
    "evaluation_settings",
    "trial_policy",
    "gate_policy",
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
"""What an evaluation consists of, in the order in which it is made."""
_ONLY_OF_REFUSED = "research_feedback"


def rebuild(
    home: Home,
    candidate: str,
    snapshot: str,
    on_start: Callable[[str], None] = lambda _: None,
    on_done: Callable[[str], None] = lambda _: None,
) -> tuple[Rebuilt, ...]:
    """Build every record of an evaluation again from its snapshot, settings and code.

    The temporary home gets copies of the settings, of the submitted files, of the snapshot's
    bytes, and of the trial register as it was before the evaluation; no result of it.

    Raises
    ------
    EvidenceError
        If the evaluation was never made, or what it rests on is missing or altered.
    """
    first = _first(home, candidate, snapshot)
    with _temporary_home() as again:
        _furnish(home, again, first, candidate)
        with instance_of(again) as instance:
            instance.add_dynamic_partitions("snapshot", [snapshot])
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    DATASET_SNAPSHOT,
                    partition=snapshot,
                    tags={"dagster/data_version": first["dataset_snapshot"]},
                )
            )
            driver = Driver(again, instance)
            for step, partition in (
                ("settings", None),
                ("candidate", candidate),
                ("evaluation", f"{candidate}|{snapshot}"),
            ):
                driver.step(
                    step,
                    partition,
                    through="research_feedback",
                    on_start=on_start,
                    on_done=on_done,
                )
            made = _current(again, instance, candidate, snapshot)
        return tuple(
            Rebuilt(
                asset=asset,
                first_digest=first[asset],
                again_digest=made.get(asset),
                first=read_any(home.store.get(first[asset]), location=asset).record,
                again=read_any(again.store.get(made[asset]), location=asset).record
                if asset in made
                else None,
            )
            for asset in REPLAYED
            if asset in first
        )


def _first(home: Home, candidate: str, snapshot: str) -> dict[str, str]:
    """Return the digests of the evaluation and of what it was made from."""
    with audit_of(home) as (index, _), instance_of(home) as instance:
        made = _current(home, instance, candidate, snapshot)
        if missing := [n for n in REPLAYED if n not in made and n != _ONLY_OF_REFUSED]:
            raise EvidenceError(
                f"{candidate} on {snapshot}: {missing[0]} was never made here. Evaluate it with: "
                f"torghut run {candidate} --snapshot {snapshot}"
            )
        behind = index.named_by([made["gate_report"]])
    metrics = BacktestMetrics.from_canonical_bytes(
        home.store.get(made["backtest_metrics"]), location="backtest_metrics"
    )
    made["dataset_snapshot"] = metrics.inputs.manifest_digest
    if made["dataset_snapshot"] not in behind:
        raise EvidenceError(f"{candidate} on {snapshot}: its gate report is of another snapshot.")
    return made


def _current(
    home: Home, instance: dg.DagsterInstance, candidate: str, snapshot: str
) -> dict[str, str]:
    partitions = {
        "none": None,
        "candidate": candidate,
        "snapshot": snapshot,
        "evaluation": f"{candidate}|{snapshot}",
    }
    found = {}
    for name in REPLAYED:
        made = ASSETS[name]
        record = current_record(
            instance, home.store, made.record_type, dg.AssetKey(name), partitions[made.dimension]
        )
        if record is not None:
            found[name] = record.digest
    return found


@contextmanager
def _temporary_home() -> Iterator[Home]:
    """Yield a home that is thrown away, whose statements go into a ledger of its own."""
    url = os.environ.pop(LEDGER_URL, None)
    folder = Path(tempfile.mkdtemp(prefix="torghut-replay-"))
    try:
        home = Home.at(folder)
        home.prepare()
        yield home
    finally:
        if url is not None:
            os.environ[LEDGER_URL] = url
        shutil.rmtree(folder, ignore_errors=True)


def _furnish(home: Home, again: Home, first: dict[str, str], candidate: str) -> None:
    if (home.root / "config").is_dir():
        shutil.copytree(home.root / "config", again.root / "config")
    shutil.copytree(home.universes_folder, again.universes_folder, dirs_exist_ok=True)
    shutil.copytree(home.candidates_folder, again.candidates_folder, dirs_exist_ok=True)
    submit(again, read_candidate(home, candidate), f"{candidate}.yaml")
    payload = home.store.get(first["dataset_snapshot"])
    manifest = SnapshotManifest.from_canonical_bytes(payload, location="dataset_snapshot")
    wanted = {first["dataset_snapshot"], *(file.digest for file in manifest.files)}
    spec = read_any(home.store.get(first["candidate_spec"]), location="candidate_spec")
    wanted |= {ref.digest for ref in spec.references}
    wanted |= _copy_register(home, again, first)
    for digest in sorted(wanted):
        if digest in home.store:
            path = home.store.verified_path(digest)
            with again.store.writing() as temporary:
                shutil.copyfile(path, temporary)
                again.store.adopt(temporary)


def _copy_register(home: Home, again: Home, first: dict[str, str]) -> set[str]:
    """Copy the trial register as it was before the evaluation; return the digests it names."""
    metrics = BacktestMetrics.from_canonical_bytes(
        home.store.get(first["backtest_metrics"]), location="backtest_metrics"
    )
    source = RegisterFile(home.trial_register_path, home.trial_anchor_path)
    source.require_anchored()
    named: set[str] = set()
    with RegisterFile(again.trial_register_path, again.trial_anchor_path).appending() as (to, _):
        for entry in map(read_entry, source.rows_after(0)):
            if isinstance(entry, TrialTicket) and entry.trial.inputs == metrics.inputs:
                break
            to.append(entry)
            named |= {ref.digest for ref in references(entry.model_dump(mode="json"))}
    return named
