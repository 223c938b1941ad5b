"""Every record of an evaluation built again: `torghut audit replay`."""

import json
import sys
import textwrap

import click

from torghut_assets.domain.identifiers import parse_candidate_id, parse_snapshot_id
from torghut_assets.resources.home import Home


@click.command()
@click.argument("candidate_id", metavar="CANDIDATE")
@click.option("--snapshot", "snapshot_id", required=True, metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One object.")
def replay(candidate_id: str, snapshot_id: str, as_json: bool) -> None:
    """Build every record of an evaluation again and compare the digests.

    In a temporary home, from the snapshot's bytes, the settings in force here, the submitted
    file and the installed code. A field that differs is named, with the reason if there is one:
    records that hold the head of the trial register differ in it, because the head binds times.

    \b
    Example:
      torghut audit replay tsmom-megacaps-v1 --snapshot us-megacaps@2021-12-31

    Exit status: 0 the same but for what is explained, 3 something differs, or what the evaluation
    rests on is missing or altered, 4 bad id.
    """
    from torghut_assets.cli.replaying import REPLAYED, rebuild
    from torghut_assets.cli.screen import bar
    from torghut_assets.domain.audit.replayed import judge_replay, replay_holds

    candidate, snapshot = parse_candidate_id(candidate_id), str(parse_snapshot_id(snapshot_id))
    with bar(f"again: {candidate}", len(REPLAYED)) as progress:
        rebuilt = rebuild(
            Home.from_environment(),
            candidate,
            snapshot,
            on_start=progress.doing,
            on_done=lambda _: progress.advance(),
        )
    judged = judge_replay(rebuilt)
    holds = replay_holds(judged)
    if as_json:
        records = [
            {**each._asdict(), "differences": [d._asdict() for d in each.differences]}
            for each in judged
        ]
        click.echo(json.dumps({"holds": holds, "records": records}, indent=2))
    else:
        for each in judged:
            click.echo(f"{each.outcome:<12}{each.asset:<26}{each.first_digest[:12]}")
            for found in each.differences:
                reason = found.reason or "NOTHING EXPLAINS THIS"
                shown = f"{found.place}: {found.first} | {found.again}: {reason}"
                click.echo(
                    "\n".join(
                        textwrap.wrap(
                            shown, 68, initial_indent=" " * 12, subsequent_indent=" " * 14
                        )
                    )
                )
        same = sum(each.outcome == "identical" for each in judged)
        click.echo(f"{same} of {len(judged)} records have the same digest")
    sys.exit(0 if holds else 3)
