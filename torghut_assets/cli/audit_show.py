"""Who, what, when, from which bytes, by which code: `torghut audit show`."""

import json

import click

from torghut_assets.domain.errors import UsageError
from torghut_assets.domain.identifiers import parse_candidate_id, parse_date, parse_snapshot_id
from torghut_assets.domain.stages.config import STAGES
from torghut_assets.resources.home import Home


@click.command()
@click.argument("candidate_id", metavar="CANDIDATE")
@click.option("--snapshot", "snapshot_id", metavar="ID", help="<universe>@<as-of date>")
@click.option("--session", metavar="DATE", help="YYYY-MM-DD")
@click.option("--stage", "stage_name", metavar="STAGE", help="Only this stage.")
@click.option("--as-of", metavar="TIME|SEQ", help="What was known at a time or a ledger entry.")
@click.option("--json", "as_json", is_flag=True, help="One object, digests in full.")
def show(
    candidate_id: str,
    snapshot_id: str | None,
    session: str | None,
    stage_name: str | None,
    as_of: str | None,
    as_json: bool,
) -> None:
    """Show everything that is known about CANDIDATE, as a tree.

    Trials, stage receipts with their checks and what they looked at, records with the state of
    their bytes, their code, inputs and signed statement, settings, and approvals. With --as-of,
    only what was recorded by then.

    \b
    Examples:
      torghut audit show tsmom-megacaps-v1 --snapshot us-megacaps@2021-12-31
      torghut audit show tsmom-megacaps-v1 --stage gate_policy_evaluation
      torghut audit show tsmom-megacaps-v1 --as-of 2026-03-02T12:00:00Z --json

    Exit status: 0 shown and all bytes intact or removed under retention, 2 no such stage, 3
    nothing is known, or bytes or registers are missing or altered, 4 bad id or time.
    """
    from torghut_assets.cli.auditing import audit_of, parse_moment
    from torghut_assets.domain.audit.history import Scope
    from torghut_assets.domain.audit.tree import drawn, history_tree
    from torghut_assets.domain.errors import EvidenceError

    if stage_name is not None and stage_name not in STAGES:
        raise UsageError(f"--stage: found {stage_name!a}, expected one of {', '.join(STAGES)}.")
    candidate = parse_candidate_id(candidate_id)
    snapshot = str(parse_snapshot_id(snapshot_id)) if snapshot_id else None
    day = parse_date(session, location="--session").isoformat() if session else None
    moment = parse_moment(as_of) if as_of else None
    with audit_of(Home.from_environment()) as (_, reader):
        sequence = moment if isinstance(moment, int) else None
        then = reader.moment_of(moment) if isinstance(moment, int) else moment
        history = reader.history(Scope(candidate, snapshot, day, stage_name, then, sequence))
    if as_json:
        click.echo(json.dumps(history.plain(), indent=2, ensure_ascii=False))
    else:
        for line in drawn(history_tree(history)):
            click.echo(line)
    if lost := [made for made in history.made if made.bytes_are not in ("intact", "removed")]:
        named = ", ".join(f"{made.asset} {made.digest} is {made.bytes_are}" for made in lost)
        raise EvidenceError(f"{candidate}: {named}. Restore the store from a backup.")
