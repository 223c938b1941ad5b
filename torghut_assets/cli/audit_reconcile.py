"""Where store, ledger and event log differ, and healing what can be healed."""

import json
import sys

import click


@click.command()
@click.option("--heal", is_flag=True, help="Repeat what one of them is missing; invents nothing.")
@click.option("--json", "as_json", is_flag=True, help="One object.")
def reconcile(heal: bool, as_json: bool) -> None:
    """List every difference between store, ledger and Dagster's event log, both ways.

    With --heal, a record with an event and no statement gets a statement marked as late, a
    statement without an event is reported to Dagster, and register entries that no statement
    names are named. Bytes that are gone or altered cannot be healed: restore them.

    \b
    Example:
      torghut audit reconcile --heal

    Exit status: 0 they agree, 3 they do not, or the ledger is not whole.
    """
    from torghut_assets.cli.instance import instance_of
    from torghut_assets.definitions import HELD
    from torghut_assets.resources.home import Home
    from torghut_assets.resources.reconciliation import Reconciler

    home = Home.from_environment()
    with instance_of(home) as instance:
        reconciler = Reconciler(home, instance, {n: made.record_type for n, made in HELD.items()})
        seen = reconciler.see()
        found = reconciler.findings(seen)
        healed = reconciler.heal(seen, found.differences) if heal else ()
        if healed:
            seen = reconciler.see()
            found = reconciler.findings(seen)
    if as_json:
        document = {
            "artifacts": len(seen.stored),
            "statements": len(seen.stated),
            "events": len(seen.events),
            "healed": [
                {"code": each.code, "subject": each.subject, "by": each.heal} for each in healed
            ],
            "differences": [
                {
                    "code": each.code,
                    "subject": each.subject,
                    "detail": each.detail,
                    "can_be_healed": each.heal != "none",
                }
                for each in found.differences
            ],
            "notes": [each._asdict() for each in found.notes],
        }
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        for each in healed:
            click.echo(f"healed      {each.code}  {each.subject}")
        for each in found.differences:
            click.echo(f"difference  {each.code}  {each.subject}: {each.detail}")
        for note in found.notes:
            click.echo(f"note        {note.code}  {note.subject}: {note.detail}")
        verdict = "agree" if not found.differences else f"{len(found.differences)} differences"
        click.echo(
            f"{len(seen.stored)} artifacts, {len(seen.stated)} statements, "
            f"{len(seen.events)} events: {verdict}"
        )
    sys.exit(3 if found.differences else 0)
