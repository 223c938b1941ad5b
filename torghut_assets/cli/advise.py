"""Ask for advisory notes on an evaluation and print them, labelled as what they are."""

import json
from typing import Any, Final

import click
import dagster as dg

from torghut_assets.cli.instance import instance_of
from torghut_assets.definitions import ADVISE_CANDIDATE, ADVISE_SESSION, HELD, build_definitions
from torghut_assets.domain.errors import EvidenceError, UpstreamMissingError, UsageError
from torghut_assets.domain.identifiers import parse_candidate_id, parse_date, parse_snapshot_id
from torghut_assets.domain.records import Record
from torghut_assets.resources.advisory_llm import AdvisoryModel
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import current_record

_QUIET: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_MAY_BE_ABSENT: Final = ("research_feedback", "incident_report")


@click.command()
@click.argument("candidate_id")
@click.option("--snapshot", "snapshot_id", metavar="ID", help="<universe>@<as-of date>")
@click.option("--session", metavar="DATE", help="YYYY-MM-DD: steps after a traded session.")
@click.option("--json", "as_json", is_flag=True, help="One object with every note.")
def advise(candidate_id: str, snapshot_id: str | None, session: str | None, as_json: bool) -> None:
    """Write advisory notes on an evaluation or a session of CANDIDATE_ID, and print them.

    They decide nothing: no asset, gate or stage reads them. As shipped no model is asked and
    the notes come from a template; advisory.yaml names a model. A parameter proposal may
    leave a candidate draft in the folder drafts of the home, which nobody submits but you.

    \b
    Examples:
      torghut advise tsmom-megacaps-v1 --snapshot us-megacaps@2021-12-31
      torghut advise tsmom-megacaps-v1 --session 2022-01-03

    Exit status: 0 notes were written, also if a note says why there is no advice, 2 wrong usage,
    3 evidence missing or altered, 4 bad input: an id, advisory.yaml, no client or no key.
    """
    home = Home.from_environment()
    candidate = parse_candidate_id(candidate_id)
    if (snapshot_id is None) == (session is None):
        raise UsageError("advise: name a --snapshot or a --session, one of both.")
    if snapshot_id is not None:
        about, chosen = str(parse_snapshot_id(snapshot_id)), ADVISE_CANDIDATE
    else:
        day = parse_date(session or "", location="--session")
        about, chosen = day.isoformat(), ADVISE_SESSION
    AdvisoryModel(home).require_ready()
    partition = f"{candidate}|{about}"
    definitions = build_definitions(home)
    job = definitions.resolve_job_def(chosen.name)
    names = sorted(key.to_user_string() for key in job.asset_layer.selected_asset_keys)
    with instance_of(home) as instance:
        _require_evidence(home, instance, job, partition)
        result = job.execute_in_process(
            instance=instance, partition_key=partition, run_config=_QUIET, raise_on_error=False
        )
        if not result.success:
            raise EvidenceError(
                f"advice on {partition}: run {result.run_id} ended without every note; see its log."
            )
        found = {name: _current(home, instance, name, partition) for name in names}
    notes = {name: note for name, note in found.items() if note is not None}
    click.echo(_as_json(partition, notes) if as_json else _as_text(notes))


def _require_evidence(
    home: Home, instance: dg.DagsterInstance, job: dg.JobDefinition, partition: str
) -> None:
    """Refuse by name what the notes would be written about but is missing or altered."""
    layer = job.asset_layer
    inputs = {
        parent.to_user_string()
        for key in layer.selected_asset_keys
        for parent in layer.asset_graph.get(key).parent_keys
    }
    candidate, _, about = partition.partition("|")
    for name in sorted(inputs):
        part = candidate if HELD[name].dimension == "candidate" else partition
        if _current(home, instance, name, part) is None and name not in _MAY_BE_ABSENT:
            raise UpstreamMissingError(
                asset=name,
                partition=part,
                command=(
                    f"torghut run {candidate} --snapshot {about}"
                    if "@" in about
                    else f"torghut session run {candidate} --session {about}"
                ),
            )


def _current(home: Home, instance: dg.DagsterInstance, name: str, partition: str) -> Record | None:
    return current_record(
        instance, home.store, HELD[name].record_type, dg.AssetKey(name), partition
    )


def _as_json(partition: str, notes: dict[str, Record]) -> str:
    document: dict[str, Any] = {
        "label": "advice: it decides nothing",
        "partition": partition,
        "notes": {
            name: {"digest": note.digest, **note.model_dump(mode="json")}
            for name, note in notes.items()
        },
    }
    return json.dumps(document, indent=2)


def _as_text(notes: dict[str, Record]) -> str:
    return "\n\n".join("\n".join(getattr(note, "lines")()) for note in notes.values())  # noqa: B009
