"""`torghut audit redact`: a pack without some fields, whose proof still holds."""

from pathlib import Path

import click

from torghut_assets.domain.audit.commitments import FIELD_GROUPS


@click.command()
@click.argument("pack", type=click.Path(path_type=Path))
@click.option(
    "--field-group",
    "groups",
    multiple=True,
    required=True,
    type=click.Choice(sorted(FIELD_GROUPS)),
    help="What to take out; repeatable.",
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="FILE.zip", help="A new file."
)
@click.option("--json", "as_json", is_flag=True, help="One object.")
def redact(pack: Path, groups: tuple[str, ...], out: Path, as_json: bool) -> None:
    """Write PACK again without the fields of some groups.

    What is taken out leaves a salted commitment that the signed statement about the pack holds,
    so the rest is still proven. `docs/evidence.md` says what this cannot hide.

    \b
    Example:
      torghut audit redact pack.zip --field-group thesis --out for-the-auditor.zip

    Exit status: 0 written, 3 the pack does not hold, 4 it is no pack, has no such field, or the
    file exists.
    """
    import json

    from torghut_assets.resources.pack_redaction import redact_pack

    hidden = redact_pack(pack, groups, out)
    if as_json:
        click.echo(json.dumps({"pack": str(out), "hidden": hidden}, indent=2, sort_keys=True))
        return
    click.echo(f"{out}: fields taken out of {len(hidden)} records")
    for digest, fields in hidden.items():
        click.echo(f"  {digest[:12]}: {', '.join(fields)}")
