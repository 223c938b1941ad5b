"""Read a gate report: as a page in the terminal, or as the published JSON document."""

import json
import sys

import click

from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.screen import plain
from torghut_assets.domain.identifiers import parse_candidate_id, parse_snapshot_id
from torghut_assets.resources.home import Home


@click.command()
@click.argument("candidate_id")
@click.option("--snapshot", "snapshot_id", required=True, metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print the published JSON document.")
def report(candidate_id: str, snapshot_id: str, as_json: bool) -> None:
    """Show why CANDIDATE_ID passed or failed on a snapshot.

    The record is read from the store and verified against its digest before it is shown.

    \b
    Examples:
      torghut report tsmom-megacaps-v1 --snapshot us-megacaps@2021-12-31
      torghut report tsmom-megacaps-v1 --snapshot us-megacaps@2021-12-31 --json

    Exit status: 0 the candidate passed, 1 it was refused, 3 no report or an altered one,
    4 bad id.
    """
    from torghut_assets.domain.verdicts import Verdict
    from torghut_assets.resources.reports import read_published

    home = Home.from_environment()
    candidate, snapshot = parse_candidate_id(candidate_id), str(parse_snapshot_id(snapshot_id))
    with instance_of(home) as instance:
        record = Driver(home, instance).gate_report(candidate, snapshot)
    document, page = read_published(home, record)
    if as_json:
        click.echo(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False))
    elif sys.stdout.isatty():
        from rich.console import Console

        from torghut_assets.cli.page_on_screen import Page

        Console(no_color=plain() or None).print(Page(page))
    else:
        click.echo(page)
    sys.exit(0 if record.verdict is Verdict.PASS else 1)
