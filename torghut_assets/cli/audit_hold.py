"""Holds that keep evidence whatever the policy says: `torghut audit hold`."""

import json

import click

from torghut_assets.domain.errors import UsageError
from torghut_assets.resources.home import Home


@click.group()
def hold() -> None:
    """Place, release and list legal holds. A person signs each; a machine's key cannot."""


@hold.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why, e.g. the name of the matter.")
@click.option("--candidate", "candidates", multiple=True, help="All about it; repeatable.")
@click.option("--artifact", "artifacts", multiple=True, metavar="DIGEST", help="Repeatable.")
@click.option("--everything", is_flag=True, help="The whole store.")
@click.option("--key", "by", default=None, metavar="KEY", help="Owner or id of your key.")
@click.option("--json", "as_json", is_flag=True, help="One object.")
def place(
    name: str,
    reason: str,
    candidates: tuple[str, ...],
    artifacts: tuple[str, ...],
    everything: bool,
    by: str | None,
    as_json: bool,
) -> None:
    """Put evidence on hold under NAME: it and all that it rests on stays until released.

    \b
    Examples:
      torghut audit hold place inquiry-7 --reason "SEC inquiry 7" --candidate tsmom-megacaps-v1
      torghut audit hold place all-of-it --reason "pending merger" --everything --key "A. Counsel"

    Exit status: 0 placed, 2 nothing or too much is named, 3 the ledger is not whole, 4 bad name,
    unknown candidate or artifact, or the name is in use.
    """
    from torghut_assets.cli.keys import passphrase
    from torghut_assets.resources.hold_desk import HoldDesk, HoldScope

    if everything == bool(candidates or artifacts):
        raise UsageError("hold: name candidates or artifacts, or else --everything.")
    home = Home.from_environment()
    home.prepare()
    scope = HoldScope(candidates, artifacts, everything)
    entry = HoldDesk(home).place(name, reason, scope, by, passphrase())
    _say(entry.sequence, entry.statement.predicate.record, "holder", as_json)


@hold.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why it may end.")
@click.option("--key", "by", default=None, metavar="KEY", help="Owner or id of your key.")
@click.option("--json", "as_json", is_flag=True, help="One object.")
def release(name: str, reason: str, by: str | None, as_json: bool) -> None:
    """End the hold NAME. What its term and nothing else keeps may then be planned for removal.

    Exit status: 0 released, 3 the ledger is not whole, 4 no such hold is in force.
    """
    from torghut_assets.cli.keys import passphrase
    from torghut_assets.resources.hold_desk import HoldDesk

    entry = HoldDesk(Home.from_environment()).release(name, reason, by, passphrase())
    _say(entry.sequence, entry.statement.predicate.record, "releaser", as_json)


@hold.command("list")
@click.option("--json", "as_json", is_flag=True, help="One object.")
def list_(as_json: bool) -> None:
    """List the holds in force, who placed them, and what they hold.

    Exit status: 0 listed, 3 the ledger is not whole, or a hold in it is broken.
    """
    from torghut_assets.resources.hold_desk import HoldDesk

    holds = HoldDesk(Home.from_environment()).holds().holds
    if as_json:
        document = [
            {"entry": placed.sequence, **placed.hold.model_dump(mode="json")}
            for _, placed in sorted(holds.items())
        ]
        click.echo(json.dumps({"holds": document}, indent=2, ensure_ascii=False))
        return
    for name, (sequence, placed) in sorted(holds.items()):
        about = "everything" if placed.everything else ", ".join(placed.candidates)
        more = f" {len(placed.artifacts)} artifacts" if placed.artifacts else ""
        click.echo(f"{name}  entry {sequence}, by {placed.holder}: {about}{more}")
        click.echo(f"  {placed.reason}")
    click.echo(f"{len(holds)} holds in force")


def _say(sequence: int, record: dict[str, object], who: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"entry": sequence, **record}, indent=2, ensure_ascii=False))
        return
    verb = "placed" if who == "holder" else "released"
    click.echo(f"hold {record['name']}: {verb} by {record[who]} in ledger entry {sequence}")
