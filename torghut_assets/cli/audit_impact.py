"""What rests on a digest: `torghut audit impact`."""

import json

import click

from torghut_assets.domain.digests import is_digest
from torghut_assets.domain.errors import BadInputError
from torghut_assets.resources.home import Home


@click.command()
@click.argument("digest")
@click.option("--rebuild", is_flag=True, help="Make the index anew; every artifact is verified.")
@click.option("--json", "as_json", is_flag=True, help="One object.")
def impact(digest: str, rebuild: bool, as_json: bool) -> None:
    """Show everything that rests on DIGEST: a record, a table, settings or code.

    A record rests on what it names, on what Dagster says was read to make it, and on what those
    rest on. Stage receipts, trial tickets and signed statements count, too. At least 8
    digits of a digest suffice if only one begins with them.

    \b
    Examples:
      torghut audit impact 3f9c2a77d0e1
      torghut audit impact 3f9c2a77d0e1 --json

    Exit status: 0 shown, 3 nothing here names it, or evidence is altered, 4 bad digest.
    """
    from torghut_assets.cli.auditing import audit_of
    from torghut_assets.domain.audit.impact import resting_on

    home = Home.from_environment()
    if not 8 <= len(digest) <= 64 or not is_digest(digest.ljust(64, "0")):
        raise BadInputError(
            location="DIGEST",
            found=ascii(digest)[:80],
            expected="8 to 64 lower-case hexadecimal digits",
        )
    with audit_of(home, rebuild=rebuild) as (index, _):
        whole = index.completed(digest)
        resting = resting_on(whole, index.namers)
        described = index.described([whole, *(each.digest for each in resting)])
        affected = [
            {
                "digest": each.digest,
                "kind": described[each.digest][0],
                "about": described[each.digest][1],
                "steps": each.steps,
                "names_it_at": each.place,
                "through": each.through,
                "stored": index.is_stored(each.digest),
            }
            for each in resting
        ]
    kind, about = described[whole]
    if as_json:
        head = json.dumps({"digest": whole, "kind": kind, "about": about})[:-1]
        rows = ",\n  ".join(map(json.dumps, affected))  # one line each: there may be 100,000
        click.echo(
            f'{head}, "resting_on_it": [\n  {rows}\n]}}'
            if rows
            else f'{head}, "resting_on_it": []}}'
        )
    else:
        click.echo(f"{kind or 'no record of its own'}{f' of {about}' if about else ''}  {whole}")
        for row in affected:
            indent = "  " * min(int(str(row["steps"])), 8)
            click.echo(f"{indent}{row['kind']}  {row['about'] or 'all'}  {str(row['digest'])[:12]}")
            click.echo(f"{indent}  at {row['names_it_at']} of {str(row['through'])[:12]}")
        click.echo(f"{len(affected)} rest on it")
