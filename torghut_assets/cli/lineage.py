"""Commands about OpenLineage: what runs made and read, told to a collector."""

import json
import os

import click

from torghut_assets.domain.errors import UsageError
from torghut_assets.resources.home import Home


@click.group()
def lineage() -> None:
    """Tell an OpenLineage collector about every run, also about those from the UI."""


@lineage.command()
@click.option(
    "--to",
    "place",
    default=None,
    metavar="PLACE",
    help="http(s) URL or file:PATH [TORGHUT_LINEAGE]",
)
@click.option("--json", "as_json", is_flag=True, help="One object.")
def emit(place: str | None, as_json: bool) -> None:
    """Deliver the events that are due: START and COMPLETE, FAIL or ABORT of each run.

    Each is delivered at least once, in order; what nobody takes waits in Dagster's event log and
    is delivered next time. The sensor `lineage_emission` does the same every half minute if
    TORGHUT_LINEAGE is set. An API key comes from OPENLINEAGE_API_KEY. Needs the extra `lineage`.

    \b
    Examples:
      torghut lineage emit --to file:/var/log/torghut/lineage.ndjson
      TORGHUT_LINEAGE=http://marquez.example:5000 torghut lineage emit

    Exit status: 0 everything due was delivered, 1 nobody took an event, or the collector refused
    one for good, 2 no place, 3 the ledger is not whole, 4 no such place, or the extra is missing.
    """
    import sys

    from torghut_assets.assets.keys import ASSETS, AUDITED
    from torghut_assets.cli.instance import instance_of
    from torghut_assets.resources.openlineage_outbox import LINEAGE_TO, Outbox, shown

    where = place or os.environ.get(LINEAGE_TO)
    if not where:
        raise UsageError(f"lineage: found no place, expected --to PLACE or {LINEAGE_TO}.")
    home = Home.from_environment()
    outbox = Outbox(home, where, {n: made.record_type for n, made in {**ASSETS, **AUDITED}.items()})
    with instance_of(home) as instance:
        done = outbox.emit(instance)
    if as_json:
        document = {
            "place": shown(where),
            "delivered": done.delivered,
            "refused": list(done.refused),
        }
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        for each in done.refused:
            click.echo(f"refused  {each}")
        click.echo(f"{done.delivered} events delivered to {shown(where)}")
    sys.exit(1 if done.refused else 0)
