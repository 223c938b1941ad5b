"""`torghut audit export`: one file that holds a decision with everything that it rests on."""

from pathlib import Path

import click

from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.screen import bar, say
from torghut_assets.domain.errors import UsageError
from torghut_assets.domain.identifiers import parse_candidate_id, parse_snapshot_id
from torghut_assets.resources.home import Home


@click.command()
@click.argument("candidate_id")
@click.option("--snapshot", "snapshot_id", metavar="ID", help="The decision on a snapshot.")
@click.option("--session", metavar="YYYY-MM-DD", help="The decisions after a paper session.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE.zip",
    help="A new file.",
)
@click.option("--without-data", is_flag=True, help="Leave tables out, keep their digests.")
@click.option("--json", "as_json", is_flag=True, help="One object.")
def export(
    candidate_id: str,
    snapshot_id: str | None,
    session: str | None,
    out: Path,
    without_data: bool,
    as_json: bool,
) -> None:
    """Write the audit pack of CANDIDATE_ID: records, statements, proofs, tables, a report.

    A signed statement about the pack is appended to the ledger. The same evidence gives the
    same bytes, and no second statement. A file is never replaced; a pack in which something
    looks like a secret is not written.

    \b
    Examples:
      torghut audit export tsmom-megacaps-v1 --snapshot us-megacaps@2021-12-31 --out pack.zip
      torghut audit export tsmom-megacaps-v1 --session 2022-01-31 --out january.zip

    Exit status: 0 written, 2 neither snapshot nor session, 3 evidence is missing or altered or
    a secret was found, 4 bad id, or the file exists.
    """
    import json

    from torghut_assets.assets.keys import ASSETS
    from torghut_assets.definitions import stage_desk
    from torghut_assets.domain.backtest.trial_policy import parse_trial_policy
    from torghut_assets.resources.pack_desk import PackDesk
    from torghut_assets.resources.stage_desk import Held, Subject
    from torghut_assets.resources.trial_register import TrialRegister

    if (snapshot_id is None) == (session is None):
        raise UsageError("name the decision: either --snapshot ID or --session YYYY-MM-DD.")
    home = Home.from_environment()
    candidate = parse_candidate_id(candidate_id)
    if session is None:
        subject = Subject(candidate, str(parse_snapshot_id(str(snapshot_id))))
    else:
        subject = Subject(candidate, stage_desk(home).admitted_on(candidate), _session(session))
    held = {n: Held(made.record_type, made.dimension, made.command) for n, made in ASSETS.items()}
    policy = parse_trial_policy(home.config_path("trial_policy").read_bytes())
    register = TrialRegister(home.trial_register_path, home.trial_anchor_path, policy)
    with instance_of(home) as instance:
        desk = PackDesk(home, held, register.entries())
        with bar(f"pack of {candidate}") as progress:
            progress.doing("records and tables read and verified")
            manifest = desk.export(instance, subject, out, with_data=not without_data)
    size = out.stat().st_size
    if as_json:
        document = {
            "pack": str(out),
            "pack_digest": manifest.digest,
            "files": len(manifest.files),
            "withheld": len(manifest.withheld),
            "size_bytes": size,
        }
        click.echo(json.dumps(document, indent=2, sort_keys=True))
        return
    say(f"{out}: {len(manifest.files)} files, {size} bytes, pack {manifest.digest}")
    say(f"Check it anywhere with: torghut audit verify {out}")


def _session(text: str) -> str:
    import datetime as dt

    from torghut_assets.domain.errors import BadInputError

    try:
        return dt.date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise BadInputError(
            location="--session", found=ascii(text)[:40], expected="a day, YYYY-MM-DD"
        ) from error
